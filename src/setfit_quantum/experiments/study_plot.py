"""Figures of studies: accuracy along an axis, bars, or losses by epoch; the paper's values beside ours."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from setfit_quantum.experiments.noise_plot import COLORS, MARKERS, check_matplotlib
from setfit_quantum.experiments.study_report import TableRow
from setfit_quantum.experiments.study_result import StudyResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLE_WIDTH = 80
"""Characters that stand side by side above a figure."""
_PAPER = {"color": "#888888", "marker": "x", "linestyle": "none", "label": "paper"}


def plot_study(result: StudyResult, rows: Sequence[TableRow]) -> Figure:
    """Draw the figure that the specification asks for.

    Returns:
        A figure that belongs to no window and no global state.

    Raises:
        ImportError: matplotlib is not installed.
    """
    check_matplotlib()
    plot = result.header.get("plot", {})
    draw = {"lines": _draw_lines, "history": _draw_history}.get(plot.get("kind", "bars"), _draw_bars)
    return draw(result, rows, plot)


def _new_figure(title: str, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), layout="constrained")
    axis = figure.subplots()
    figure.suptitle("\n".join(textwrap.wrap(title, _TITLE_WIDTH)), fontsize=11)
    axis.grid(alpha=0.25)
    return figure, axis


def _draw_lines(result: StudyResult, rows: Sequence[TableRow], plot: Mapping[str, Any]) -> Figure:
    """Accuracy against one axis, a line per series and column."""
    figure, axis = _new_figure(result.title, 4.4)
    name = plot["x"]
    lines = [(series, column) for column in result.columns for series in dict.fromkeys(row.series for row in rows)]
    for number, (series, column) in enumerate(lines):
        points = [
            (place, row.measured[column])
            for row in rows
            if row.series == series and column in row.measured and (place := _place(row, result, name)) is not None
        ]
        if not points:
            continue
        points.sort(key=lambda point: point[0])
        found = [measured for _, measured in points]
        y = [100 * one.accuracy for one in found]
        errors = [
            [100 * (one.accuracy - one.interval.low) for one in found],
            [100 * (one.interval.high - one.accuracy) for one in found],
        ]
        x = [place + 0.06 * (number - (len(lines) - 1) / 2) for place, _ in points]
        label = series if len(result.columns) == 1 else f"{series}, {column} body"
        style = {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}
        axis.errorbar(x, y, yerr=errors, label=label, capsize=2.5, markersize=4, linewidth=1.2, **style)
    papers = {(_place(row, result, name), row.paper) for row in rows if row.paper is not None}
    known = sorted((x, y) for x, y in papers if x is not None)
    if known:
        axis.plot([x for x, _ in known], [y for _, y in known], **_PAPER)
    ticks = sorted({place for row in rows if (place := _place(row, result, name)) is not None})
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xlim(ticks[0] - 0.5, ticks[-1] + 0.5)
    axis.set_xlabel(plot.get("x_label", name))
    axis.set_ylabel("test accuracy, %")
    axis.legend(fontsize=8)
    return figure


def _place(row: TableRow, result: StudyResult, name: str) -> float | None:
    if name in row.axes:
        return float(row.axes[name])
    cell = next(cell for cell in result.cells if cell.name == row.name)
    value = cell.head.get(name)
    return None if value is None else float(value)


def _draw_bars(result: StudyResult, rows: Sequence[TableRow], plot: Mapping[str, Any]) -> Figure:
    """A point with its interval for each row and column, the paper's value beside it."""
    figure, axis = _new_figure(result.title, 1.2 + 0.34 * len(rows))
    places = np.arange(len(rows))[::-1]
    for number, column in enumerate(result.columns):
        pairs = zip(places, rows, strict=True)
        shown = [(place, row.measured[column]) for place, row in pairs if column in row.measured]
        if not shown:
            continue
        accuracies = [100 * one.accuracy for _, one in shown]
        errors = [
            [100 * (one.accuracy - one.interval.low) for _, one in shown],
            [100 * (one.interval.high - one.accuracy) for _, one in shown],
        ]
        shift = 0.18 * (number - (len(result.columns) - 1) / 2)
        style = {"color": COLORS[number + 1], "marker": MARKERS[number], "linestyle": "none", "label": f"{column} body"}
        axis.errorbar(
            accuracies, [place - shift for place, _ in shown], xerr=errors, capsize=2.5, markersize=5, **style
        )
    known = [(row.paper, place) for place, row in zip(places, rows, strict=True) if row.paper is not None]
    if known:
        axis.plot([x for x, _ in known], [y for _, y in known], **_PAPER)
    axis.set_yticks(places, [row.name for row in rows], fontsize=8)
    axis.set_xlabel("test accuracy, %")
    # Below the rows, which fill the axes.
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _draw_history(result: StudyResult, rows: Sequence[TableRow], plot: Mapping[str, Any]) -> Figure:
    """Training loss by epoch (solid) and validation loss (dotted), a line per seed."""
    figure, axis = _new_figure(result.title, 4.4)
    for number, row in enumerate(rows):
        color = COLORS[number % len(COLORS)]
        for column in result.columns:
            for place, record in enumerate(result.records(row.name, column).values()):
                epochs, losses, checks = zip(*[entry[:3] for entry in record["history"]], strict=True)
                label = row.name if place == 0 else None
                axis.plot(epochs, losses, color=color, linewidth=1.1, label=label)
                axis.plot(epochs, checks, color=color, linewidth=0.9, linestyle=":")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_xlabel("epoch")
    axis.set_ylabel("loss (training solid, validation dotted)")
    axis.legend(fontsize=8)
    return figure
