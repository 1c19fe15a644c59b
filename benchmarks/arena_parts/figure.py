"""The arena's picture: each head's paired difference to the reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arena_parts.specification import Specification

_COLOURS = {
    "classical": "#7a7a7a",
    "matched": "#b0863c",
    "quantum": "#3455a4",
    "ablation": "#b24a4a",
    "lever": "#4f9d8f",
}


def draw_figure(specification: Specification, numbers: Mapping[str, Any], path: Path) -> None:
    """Write `path` with the endings .png and .svg: a panel for each body column, intervals of 95 %.

    Args:
        specification: What was run.
        numbers: From `numbers.summarize`.
        path: Without an ending.
    """
    from matplotlib.figure import Figure

    columns = [column for column, found in numbers.items() if any(map(_compared, found["heads"].values()))]
    names = [
        name
        for name in specification.heads
        if any(_compared(numbers[column]["heads"].get(name)) for column in columns)
    ]  # fmt: skip
    figure = Figure(figsize=(4 + 3.2 * len(columns), 1.2 + 0.28 * len(names)), layout="constrained")
    panels: Any = figure.subplots(1, max(1, len(columns)), sharey=True, squeeze=False)[0]
    for panel, column in zip(panels, columns, strict=False):
        for place, name in enumerate(names):
            found = _compared(numbers[column]["heads"].get(name))
            if found:
                mean, low, high = (100 * found[key] for key in ("difference", "low", "high"))
                colour = _COLOURS[specification.heads[name].role]
                panel.plot([low, high], [place, place], color=colour, linewidth=2)
                panel.plot([mean], [place], "o", color=colour, markersize=5)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.axvline(-100 * specification.margin, color="black", linewidth=0.8, linestyle=":")
        panel.set_title(f"body {column}", fontsize=10)
        panel.set_xlabel(f"points against {specification.reference.name}", fontsize=9)
        panel.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(names)), names, fontsize=8)
    panels[0].invert_yaxis()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the date and with fixed ids, the same numbers give the same files.
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "arena"}):
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        figure.savefig(path.with_suffix(".png"), dpi=150)


def _compared(head: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return None if head is None else head.get("against_reference")
