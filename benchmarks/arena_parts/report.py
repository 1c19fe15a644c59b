"""The arena's tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arena_parts.specification import Specification

_TITLES = {"frozen": "Body as it is", "tuned": "Body tuned contrastively"}
_MAIN_ROLES = ("reference", "classical", "quantum")

Numbers = Mapping[str, Any]


def write_report(specification: Specification, numbers: Numbers) -> str:
    """All tables.

    Args:
        specification: What was run.
        numbers: From `numbers.summarize`.
    """
    parts = [_about(specification)]
    for column, found in numbers.items():
        if found["heads"]:
            parts += [f"### {_TITLES[column]}", _head_table(specification, found), _group_table(specification, found)]
            if found["levers"]:
                parts += ["Each change against the head that it changes:", _lever_table(specification, found)]
    return "\n\n".join(parts) + "\n"


def _about(specification: Specification) -> str:
    margin = 100 * specification.margin
    of_test = "all test sentences" if specification.max_test is None else f"{specification.max_test:,} test sentences"
    return (
        f"Every head gets the same sentences, at most {specification.budget} settings to choose among by "
        f"{100 * specification.validation_share:.0f} % of them, and is fitted again on all; up to {of_test} of each "
        "data set, the same ones for every head and seed, are looked at once. Every (data set, size) weighs the same. "
        "Intervals (95 %) resample seeds within each (data set, size); data sets and test sentences, which all seeds "
        "share, are taken as they are; 'with other test sentences' resamples these too. p: Wilcoxon's signed-rank "
        "test over all cells, corrected by Holm (approximate: cells of a data set share test sentences). Non-inferior: "
        f"the interval's lower end is above -{margin:g} points against {specification.reference.name}. Fitted: numbers "
        "that preprocessing takes from the training embeddings, without labels. Seconds: median processor time "
        "of selection and fitting together, on one core. A tuned body has seen all drawn sentences, "
        "those that select included."
    )


def _head_table(specification: Specification, found: Numbers) -> str:
    rows = []
    for name in _in_order(specification, found):
        head = found["heads"][name]
        other = head.get("against_reference")
        compared = ["", "", "", ""]
        if other is not None:
            verdict = "yes" if other["non_inferior"] else "no"
            compared = [_difference(other), _texts(other), _p(other["p_corrected"]), verdict]
        cells = (
            f"{head['n_cells']}"
            if head["n_cells"] == head["n_expected"]
            else f"{head['n_cells']} of {head['n_expected']}"
        )
        rows.append(
            [
                name,
                f"{100 * head['accuracy']:.2f} ({100 * head['low']:.2f} to {100 * head['high']:.2f})",
                *compared,
                f"{100 * head['train_accuracy']:.1f}",
                _range(head["parameters"]),
                _range(head["fitted"]),
                f"{head['seconds']:.2f}",
                cells,
            ]
        )  # fmt: skip
    return _table(
        [
            "head", "accuracy %", f"difference to {specification.reference.name}, points", "p", "non-inferior",
            "training accuracy %", "trained parameters", "fitted numbers", "seconds", "cells",
        ],
        rows,
    )  # fmt: skip


def _group_table(specification: Specification, found: Numbers) -> str:
    names = [name for name in _in_order(specification, found) if specification.heads[name].role in _MAIN_ROLES]
    values = {name: {(one["dataset"], one["size"]): one["accuracy"] for one in found["groups"][name]} for name in names}
    groups = list(dict.fromkeys((one["dataset"], one["size"]) for name in names for one in found["groups"][name]))
    order = list(specification.datasets)
    groups.sort(key=lambda group: (order.index(group[0]), group[1]))
    rows = []
    for group in groups:
        accuracies = [f"{100 * of_head[group]:.1f}" if group in of_head else "" for of_head in values.values()]
        rows.append([group[0], str(group[1]), *accuracies])
    return _table(["data set", "per class", *names], rows)


def _lever_table(specification: Specification, found: Numbers) -> str:
    rows = [
        [name, lever["base"], _difference(lever), str(lever["n_cells"]), specification.heads[name].note]
        for name, lever in found["levers"].items()
    ]
    return _table(["head", "changes", "gain, points", "cells", "how"], rows)


def _in_order(specification: Specification, found: Numbers) -> list[str]:
    return [name for name in specification.heads if name in found["heads"]]


def _difference(comparison: Numbers) -> str:
    mean, low, high = (100 * comparison[name] for name in ("difference", "low", "high"))
    return f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"


def _texts(comparison: Numbers) -> str:
    return f"{100 * comparison['texts_low']:+.2f} to {100 * comparison['texts_high']:+.2f}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _range(ends: Sequence[int]) -> str:
    low, high = ends
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
