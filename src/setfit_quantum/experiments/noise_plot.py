"""The figure of a noise study: accuracy against shots, a line per noise level, a panel per training condition."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from setfit_quantum.experiments.noise_report import StudyRow
from setfit_quantum.experiments.result_file import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#000000", "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
"""Okabe and Ito's palette, told apart with any colour vision."""
MARKERS = "osD^vPX"
_PANEL = (3.4, 3.0)
_COLUMNS = 3


def check_matplotlib() -> None:
    """Refuse, before any work, to plot without matplotlib.

    Raises:
        ImportError: With the command that installs it.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError('Plots need matplotlib: pip install "setfit-quantum[plots]"') from error


def plot_noise_study(rows: Sequence[StudyRow], title: str = "") -> Figure:
    """Draw the figure.

    Args:
        rows: What `summarize_study` gives.
        title: Above all panels.

    Returns:
        A figure that belongs to no window and no global state.

    Raises:
        ImportError: matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys(row.train for row in rows))
    levels = list(dict.fromkeys(row.noise for row in rows))
    n_columns = min(_COLUMNS, len(panels))
    n_rows = -(-len(panels) // n_columns)
    figure = Figure(figsize=(_PANEL[0] * n_columns + 0.6, _PANEL[1] * n_rows + 1.0), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    places = _place_shots(rows)
    for number, panel in enumerate(panels):
        axis = axes[number // n_columns][number % n_columns]
        for index, level in enumerate(levels):
            shown = [row for row in rows if row.train == panel and row.noise == level]
            _draw_line(axis, shown, places, index, len(levels))
        axis.set_title(f"trained: {panel}", fontsize=10)
        axis.grid(alpha=0.25)
        _label_shots(axis, places)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for row_axes in axes:
        row_axes[0].set_ylabel("accuracy, %")
    for number in range(max(0, len(panels) - n_columns), len(panels)):
        axis = axes[number // n_columns][number % n_columns]
        axis.set_xlabel("shots at inference")
        axis.tick_params(labelbottom=True)
    found: dict[str, Any] = {}
    for axis in axes.flat:
        found |= dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    place = {"loc": "outside lower center", "ncols": min(len(levels), 5)}
    figure.legend(list(found.values()), list(found), title="noise at inference", **place)
    if title:
        figure.suptitle(title)
    return figure


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write `stem.png` and `stem.svg`, the same bytes for the same figure.

    Returns:
        The two paths.
    """
    import matplotlib

    paths = []
    for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
        content = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "setfit-quantum"}):
            figure.savefig(content, format=suffix[1:], dpi=160, metadata=metadata)
        paths.append(stem.with_suffix(suffix))
        write_bytes(paths[-1], content.getvalue())
    return paths


def _place_shots(rows: Sequence[StudyRow]) -> dict[int | None, float]:
    """Where each number of shots lies: logarithmically, and exact expectations one step further right."""
    shots = sorted({row.shots for row in rows if row.shots is not None})
    places: dict[int | None, float] = {number: math.log10(number) for number in shots}
    if any(row.shots is None for row in rows):
        places[None] = max(places.values(), default=0.0) + (0.8 if shots else 0.0)
    return places


def _draw_line(axis: Any, rows: Sequence[StudyRow], places: dict[int | None, float], index: int, n_levels: int) -> None:
    """One noise level: a line through the shot numbers, dotted on to the exact expectations."""
    if not rows:
        return
    ordered = sorted(rows, key=lambda row: places[row.shots])
    span = max(places.values()) - min(places.values())
    # Side by side, so that no error bar hides another.
    shift = 0.022 * (span or 1.0) * (index - (n_levels - 1) / 2)
    x = [places[row.shots] + shift for row in ordered]
    y = [100 * row.accuracy for row in ordered]
    errors = [
        [100 * (row.accuracy - row.interval.low) for row in ordered],
        [100 * (row.interval.high - row.accuracy) for row in ordered],
    ]
    color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
    style = {"color": color, "marker": marker, "markersize": 4, "capsize": 2.5, "linewidth": 0, "elinewidth": 1}
    axis.errorbar(x, y, yerr=errors, label=ordered[0].noise, **style)
    n_finite = sum(row.shots is not None for row in ordered)
    axis.plot(x[:n_finite], y[:n_finite], color=color, linewidth=1.3)
    axis.plot(x[max(0, n_finite - 1) :], y[max(0, n_finite - 1) :], color=color, linewidth=1.0, linestyle=":")


def _label_shots(axis: Any, places: dict[int | None, float]) -> None:
    axis.set_xticks(
        list(places.values()), ["no shot\nnoise" if shots is None else f"{shots:,}" for shots in places], fontsize=8
    )
