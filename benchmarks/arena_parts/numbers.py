"""Numbers of the arena from its results: means, paired differences, their intervals and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arena_parts.specification import HeadEntry, Specification
from setfit_quantum.experiments.intervals import LEVEL
from setfit_quantum.experiments.paired_tests import holm, wilcoxon

N_RESAMPLES = 10_000

Group = tuple[str, int]
Cell = tuple[str, int, int]
"""Data set, sentences per class, seed."""
Records = Mapping[Cell, Mapping[str, Any]]


def summarize(specification: Specification, records: Mapping[str, Mapping[str, Records]]) -> dict[str, Any]:
    """All numbers of the report.

    Args:
        specification: What was asked for.
        records: For each body column and head the results by cell.

    Returns:
        For each body column `heads`, `groups` and `levers`, JSON-ready.
    """
    found: dict[str, Any] = {}
    for column, body in specification.bodies.items():
        of_heads = {name: cells for name, cells in records.get(column, {}).items() if cells}
        expected = len(specification.datasets) * len(body["sizes"]) * len(body["seeds"])
        reference = specification.reference.name
        heads = {name: _of_head(cells, expected) for name, cells in of_heads.items()}
        compared = {
            name: compare(cells, of_heads[reference], specification.margin)
            for name, cells in of_heads.items()
            if name != reference and reference in of_heads and set(cells) & set(of_heads[reference])
        }
        for (name, comparison), p in zip(
            compared.items(), holm([comparison["p"] for comparison in compared.values()]), strict=True
        ):
            heads[name]["against_reference"] = comparison | {"p_corrected": p}
        levers = {
            name: _of_lever(specification.heads[name], of_heads)
            for name in of_heads
            if specification.heads[name].inherits in of_heads
        }
        found[column] = {
            "heads": heads,
            "groups": {name: _of_groups(cells) for name, cells in of_heads.items()},
            "levers": {name: lever for name, lever in levers.items() if lever is not None},
        }
    return found


def compare(cells: Records, others: Records, margin: float) -> dict[str, Any]:
    """Paired difference in accuracy over the cells that both have; every (data set, size) weighs the same.

    Args:
        cells: Results of a head.
        others: Results of the one it is compared with.
        margin: Loss that non-inferiority tolerates.
    """
    common = sorted(set(cells) & set(others))
    by_group = group_values({cell: _accuracy(cells[cell]) - _accuracy(others[cell]) for cell in common})
    low, high = bootstrap_interval(list(by_group.values()))
    mean = float(np.mean([values.mean() for values in by_group.values()]))
    differences = np.concatenate(list(by_group.values()))
    return {
        "difference": mean,
        "low": low,
        "high": high,
        # Rounded, since equal differences must rank equally.
        "p": wilcoxon(np.round(differences, 9)).p,
        "n_cells": len(common),
        "non_inferior": bool(low > -margin),
    }


def group_values(values: Mapping[Cell, float]) -> dict[Group, NDArray[np.float64]]:
    """Values of the seeds of each (data set, size)."""
    found: dict[Group, list[float]] = {}
    for (dataset, size, _), value in sorted(values.items()):
        found.setdefault((dataset, size), []).append(value)
    return {group: np.asarray(one, dtype=np.float64) for group, one in found.items()}


def bootstrap_interval(
    groups: Sequence[NDArray[np.float64]], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the mean of group means, by drawing seeds anew within each group.

    Of n seeds n - 1 are drawn, with replacement: so the variance is that of the mean of n, which drawing n would
    understate by a third where there are three. A group of one seed adds no spread.

    Source: J. N. K. Rao, C. F. J. Wu, J. Am. Stat. Assoc. 83 (1988) 231.
    """
    rng = np.random.default_rng(seed)
    means = np.zeros(n_resamples)
    for values in groups:
        n_drawn = max(1, len(values) - 1)
        means += values[rng.integers(len(values), size=(n_resamples, n_drawn))].mean(axis=1)
    low, high = np.quantile(means / len(groups), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _of_head(cells: Records, expected: int) -> dict[str, Any]:
    by_group = group_values({cell: _accuracy(record) for cell, record in cells.items()})
    low, high = bootstrap_interval(list(by_group.values()))

    def mean_of(value: Any) -> float:
        of_groups = group_values({cell: value(record) for cell, record in cells.items()})
        return float(np.mean([values.mean() for values in of_groups.values()]))

    parameters, fitted = ([int(record[name]) for record in cells.values()] for name in ("parameters", "fitted"))
    return {
        "accuracy": mean_of(_accuracy),
        "low": low,
        "high": high,
        "macro_f1": mean_of(lambda record: record["test"]["macro_f1"]),
        "train_accuracy": mean_of(lambda record: record["train_accuracy"]),
        "parameters": [min(parameters), max(parameters)],
        "fitted": [min(fitted), max(fitted)],
        "seconds": float(median(record["seconds"] for record in cells.values())),
        "fit_seconds": float(median(record["fit_seconds"] for record in cells.values())),
        "n_cells": len(cells),
        "n_expected": expected,
    }


def _of_groups(cells: Records) -> list[dict[str, Any]]:
    by_group = group_values({cell: _accuracy(record) for cell, record in cells.items()})
    seconds = group_values({cell: record["seconds"] for cell, record in cells.items()})
    return [
        {
            "dataset": dataset,
            "size": size,
            "accuracy": float(values.mean()),
            "n_seeds": len(values),
            "seconds": float(np.median(seconds[dataset, size])),
        }
        for (dataset, size), values in by_group.items()
    ]


def _of_lever(head: HeadEntry, of_heads: Mapping[str, Records]) -> dict[str, Any] | None:
    assert head.inherits is not None
    cells, base = of_heads[head.name], of_heads[head.inherits]
    if not set(cells) & set(base):
        return None
    found = compare(cells, base, margin=0.0)
    found.pop("non_inferior")
    return {"base": head.inherits, **found}


def _accuracy(record: Mapping[str, Any]) -> float:
    return float(record["test"]["accuracy"])
