"""What a screening is written as: a table of main effects, the runs of the design, and the main-effects plot."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from setfit_quantum.experiments.noise_plot import COLORS, check_matplotlib
from setfit_quantum.experiments.screening import Effect

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = (2.5, 2.6)
_COLUMNS = 4


def format_effects(effects: Sequence[Effect]) -> list[tuple[str, str, str, str]]:
    """Rows of the table: setting, values, points with the 95 % interval, corrected p."""
    return [
        (
            effect.factor.name.removeprefix("head."),
            effect.label,
            f"{100 * effect.size:+.1f} ({100 * effect.low:+.1f}, {100 * effect.high:+.1f})",
            f"{effect.p_corrected:.3f}",
        )
        for effect in effects
    ]


def format_markdown(effects: Sequence[Effect], title: str, notes: Sequence[str]) -> str:
    """The table with its notes."""
    lines = [f"# {title}", "", "| setting | from, to | points (95 %) | p (Holm) |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in format_effects(effects)]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def format_csv(effects: Sequence[Effect]) -> str:
    """All figures of the effects."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["setting", "values", "effect", "low", "high", "p", "p_holm"])
    for one in effects:
        writer.writerow([one.factor.name, one.label, one.size, one.low, one.high, one.p, one.p_corrected])
    return text.getvalue()


def format_design(settings: Sequence[Mapping[str, Any]], responses: Sequence[float | None]) -> str:
    """The design and its accuracies as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*settings[0], "accuracy"])
    for one, response in zip(settings, responses, strict=True):
        writer.writerow([*one.values(), response])
    return text.getvalue()


def plot_main_effects(
    effects: Sequence[Effect], settings: Sequence[Mapping[str, Any]], responses: Sequence[float], title: str = ""
) -> Figure:
    """Draw the main-effects plot: a panel per setting, with the runs, and what the model expects with intervals.

    Args:
        effects: What `estimate_effects` gives.
        settings: The settings that were run.
        responses: Their accuracies.
        title: Above all panels.

    Raises:
        ImportError: matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    panels = list({effect.factor.name: effect for effect in effects}.values())
    n_columns = min(_COLUMNS, len(panels))
    n_rows = -(-len(panels) // n_columns)
    figure = Figure(figsize=(_PANEL[0] * n_columns + 0.8, _PANEL[1] * n_rows + 0.5), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, effect in zip(axes.flat, panels, strict=False):
        _draw_panel(axis, effect, [one[effect.factor.name] for one in settings], responses)
    for row in axes:
        row[0].set_ylabel("accuracy, %")
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _draw_panel(axis: Any, effect: Effect, values: Sequence[Any], responses: Sequence[float]) -> None:
    factor, levels = effect.factor, effect.levels
    axis.plot([factor.coordinate(value) for value in values], [100 * one for one in responses], "o", color="#999999",
              markersize=3, alpha=0.7)  # fmt: skip
    places = [factor.coordinate(level.value) for level in levels]
    means = [100 * level.mean for level in levels]
    ends = [100 * level.low for level in levels], [100 * level.high for level in levels]
    if factor.is_ordered:
        axis.plot(places, means, color=COLORS[1], linewidth=1.5)
        axis.fill_between(places, *ends, color=COLORS[1], alpha=0.2, linewidth=0)
    else:
        errors = [[mean - low for mean, low in zip(means, ends[0], strict=True)],
                  [high - mean for mean, high in zip(means, ends[1], strict=True)]]  # fmt: skip
        axis.errorbar(places, means, yerr=errors, fmt="s", color=COLORS[1], capsize=3, markersize=5)
        axis.set_xlim(-1.5, 1.5)
    shown = levels if len(levels) <= 5 else (levels[0], levels[len(levels) // 2], levels[-1])
    axis.set_xticks(
        [factor.coordinate(level.value) for level in shown],
        ["none" if one.value is None else f"{one.value:.2g}" if isinstance(one.value, float) else str(one.value)
         for one in shown], fontsize=8,
    )  # fmt: skip
    axis.set_title(factor.name.removeprefix("head."), fontsize=9)
    axis.grid(alpha=0.25)
