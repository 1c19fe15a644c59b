"""Numbers of the arena from its results: means, paired differences, their intervals and tests."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arena_parts.specification import HeadEntry, Specification
from setfit_quantum.experiments.intervals import LEVEL
from setfit_quantum.experiments.paired_tests import holm, wilcoxon
from setfit_quantum.experiments.study_work import unpack

N_RESAMPLES = 10_000
N_TEXT_RESAMPLES = 2_000

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
    for column in specification.bodies:
        of_heads = {name: cells for name, cells in records.get(column, {}).items() if cells}
        expected = {name: _count_cells(specification, column, name) for name in of_heads}
        reference = specification.reference.name
        heads = {name: _of_head(cells, expected[name]) for name, cells in of_heads.items()}
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


def _count_cells(specification: Specification, column: str, name: str) -> int:
    body, head = specification.bodies[column], specification.heads[name]
    cells = itertools.product(specification.datasets, body["sizes"], body["seeds"])
    return sum(head.takes_part(column, *cell) for cell in cells)


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
    texts_low, texts_high = text_interval({cell: _right(cells[cell]) - _right(others[cell]) for cell in common})
    mean = float(np.mean([values.mean() for values in by_group.values()]))
    differences = np.concatenate(list(by_group.values()))
    return {
        "difference": mean,
        "low": low,
        "high": high,
        "texts_low": texts_low,
        "texts_high": texts_high,
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


def text_interval(
    differences: Mapping[Cell, NDArray[np.float64]], *, n_resamples: int = N_TEXT_RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """As `bootstrap_interval`, and with each data set's test sentences drawn anew for all its cells at once.

    It says what other test sentences would do too, and errs on the side of caution.

    Args:
        differences: For each cell 1, 0 or -1 for each test sentence, shape (n_texts,).
        n_resamples: Number of resamples.
        seed: Of the draws.

    Source: A. B. Owen, Ann. Appl. Stat. 1 (2007) 386.
    """
    rng = np.random.default_rng(seed)
    weights: dict[str, NDArray[np.float64]] = {}
    groups: dict[Group, list[NDArray[np.float64]]] = {}
    for (dataset, size, _), values in sorted(differences.items()):
        groups.setdefault((dataset, size), []).append(values)
    means = np.zeros(n_resamples)
    for (dataset, _), found in groups.items():
        rows = np.stack(found)
        n_texts, n_drawn = rows.shape[1], max(1, len(rows) - 1)
        if dataset not in weights:
            weights[dataset] = rng.multinomial(n_texts, np.full(n_texts, 1 / n_texts), size=n_resamples) / n_texts
        of_seeds = weights[dataset] @ rows.T
        drawn = rng.integers(len(rows), size=(n_resamples, n_drawn))
        means += np.take_along_axis(of_seeds, drawn, axis=1).mean(axis=1)
    low, high = np.quantile(means / len(groups), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _right(record: Mapping[str, Any]) -> NDArray[np.float64]:
    return unpack(record["test"]).astype(np.float64)


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
