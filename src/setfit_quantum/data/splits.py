"""Seeded splits: few-shot draws, stratified splits, and the paper's pooled protocol."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.checks import check_float, check_int
from setfit_quantum.data.examples import DataError

Indices = NDArray[np.int64]


class PooledSplit(NamedTuple):
    """Row numbers of the three parts of a pool, disjoint and together the whole pool."""

    train: Indices
    validation: Indices
    test: Indices


def draw_few_shot(labels: Sequence[Hashable], per_class: int, seed: int, *, allow_fewer: bool = False) -> Indices:
    """Draw the same number of examples of every class, without replacement.

    Args:
        labels: Label of every example.
        per_class: How many examples of each class.
        seed: Seed of the draw and of the order.
        allow_fewer: Take all examples of a class that has fewer, instead of raising.

    Returns:
        Row numbers in random order.

    Raises:
        DataError: A class has fewer than `per_class` examples.
    """
    check_int("per_class", per_class, minimum=1)
    rng = np.random.default_rng(seed)
    chosen = []
    for label, rows in _rows_by_label(labels):
        if len(rows) < per_class and not allow_fewer:
            raise DataError(f"Class {label!r} has {len(rows)} examples, fewer than the {per_class} asked for.")
        chosen.append(rng.permutation(rows)[:per_class])
    return rng.permutation(np.concatenate(chosen))


def stratified_split(labels: Sequence[Hashable], fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Split off a part in which every class has its share.

    The part has `ceil(fraction * n)` rows as scikit-learn's `train_test_split` has. Shares are rounded by largest
    remainder, and a class that has two examples or more keeps at least one in the rest.

    Args:
        labels: Label of every example.
        fraction: Size of the part split off, in (0, 1).
        seed: Seed of the draw.

    Returns:
        Row numbers of the rest and of the part split off, each in random order.

    Raises:
        DataError: There are too few examples for both sides to have one.
    """
    check_float("fraction", fraction)
    if not 0 < fraction < 1:
        raise ValueError(f"Argument `fraction` must lie between 0 and 1, both excluded, but got {fraction!r}.")
    n_rows = len(labels)
    # Rounding first keeps products such as 0.15 * 20 from gaining a row by floating point.
    n_part = int(np.ceil(round(fraction * n_rows, 9)))
    if n_part >= n_rows:
        raise DataError(f"{n_rows} examples are too few to split off {fraction:g} of them.")
    rng = np.random.default_rng(seed)
    groups = [rng.permutation(rows) for _, rows in _rows_by_label(labels)]
    counts = _share_out([len(rows) for rows in groups], n_part, n_rows, rng)
    part = np.concatenate([rows[:count] for rows, count in zip(groups, counts, strict=True)])
    rest = np.concatenate([rows[count:] for rows, count in zip(groups, counts, strict=True)])
    return rng.permutation(rest), rng.permutation(part)


def pooled_split(
    labels: Sequence[Hashable], seed: int, *, per_class: int = 256, validation_fraction: float = 0.15
) -> PooledSplit:
    """The paper's protocol: draw `per_class` examples of each class from a pool; the rest is the test set.

    With SST-2's 9,613 sentences this gives 435 for training, 77 for validation and 9,101 for the test.

    Args:
        labels: Label of every example of the pool.
        seed: Seed of the draw and of the split.
        per_class: Examples drawn of each class.
        validation_fraction: Share of the drawn examples that selects the model.

    Raises:
        DataError: A class has too few examples, or none is left for the test.

    Source: arXiv 2504.08732, Sec. III-A, with the split as independent readers have it.
    """
    drawn = draw_few_shot(labels, per_class, seed)
    if len(drawn) == len(labels):
        raise DataError(f"All {len(labels)} examples are drawn; none is left for the test.")
    kept, validation = stratified_split([labels[row] for row in drawn], validation_fraction, seed)
    rest = np.setdiff1d(np.arange(len(labels), dtype=np.int64), drawn)
    return PooledSplit(drawn[kept], drawn[validation], rest)


def _rows_by_label(labels: Sequence[Hashable]) -> list[tuple[Hashable, Indices]]:
    if not len(labels):
        raise DataError("Argument `labels` must not be empty.")
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        rows[label].append(row)
    # Sorted, so that the draw does not depend on which class comes first in the file.
    return [(label, np.array(rows[label], dtype=np.int64)) for label in sorted(rows, key=str)]


def _share_out(sizes: list[int], n_part: int, n_rows: int, rng: np.random.Generator) -> list[int]:
    exact = np.array(sizes) * n_part / n_rows
    counts = np.floor(exact).astype(np.int64)
    limits = np.array([max(size - 1, 0) for size in sizes])
    counts = np.minimum(counts, limits)
    # Ties between equal remainders are broken at random, not always in favour of the first class.
    order = np.lexsort((rng.random(len(sizes)), -(exact - np.floor(exact))))
    while counts.sum() < n_part:
        free = [index for index in order if counts[index] < limits[index]]
        if not free:
            raise DataError(f"{n_rows} examples are too few to split {n_part} off and keep one of each class.")
        for index in free[: n_part - int(counts.sum())]:
            counts[index] += 1
    return [int(count) for count in counts]
