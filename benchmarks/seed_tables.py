"""Tables of figures over seeds, as the documentation shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Figures = Mapping[str, float | None]


def format_over_seeds(title: str, runs: Sequence[Mapping[str, Figures]]) -> str:
    """A Markdown table of means and standard deviations.

    Args:
        title: Heading of the first column.
        runs: One entry per seed: from the row's name to its figures. Names that end with `, %` are shares.
    """
    figures = list(dict.fromkeys(name for row in runs[0].values() for name in row))
    lines = [f"| {title} | {' | '.join(figures)} |", f"|---|{'---|' * len(figures)}"]
    for name in runs[0]:
        cells = [format_cell(figure, [run[name].get(figure) for run in runs]) for figure in figures]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def format_cell(figure: str, values: Sequence[float | None]) -> str:
    """Mean and standard deviation over seeds; a dash where a row has no such figure, an integer where all are one."""
    known = np.array([value for value in values if value is not None], dtype=float)
    if not len(known):
        return "-"
    if all(isinstance(value, int) for value in values):
        return str(values[0])
    scale, digits = (100, 1) if figure.endswith(", %") else (1, 3)
    text = f"{scale * known.mean():.{digits}f}"
    return text if len(known) == 1 else f"{text} ± {scale * known.std(ddof=1):.{digits}f}"
