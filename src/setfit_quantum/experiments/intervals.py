"""Intervals of accuracies and of paired differences, over seeds or over texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from setfit_quantum.checks import check_int
from setfit_quantum.evaluation import wilson_interval

LEVEL = 0.95


class Interval(NamedTuple):
    """A 95 % interval and how it was made."""

    low: float
    high: float
    kind: str


def seeds_interval(values: Sequence[float]) -> Interval:
    """Student's t interval of the mean over seeds: where another set of seeds would put it.

    Args:
        values: One value per seed, at least two.

    Raises:
        ValueError: Fewer than two values.
    """
    from scipy.special import stdtrit

    n = len(values)
    if n < 2:
        raise ValueError(f"Argument `values` must hold at least two values, but got {n}.")
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(stdtrit(n - 1, 0.5 + LEVEL / 2)) * spread / math.sqrt(n)
    return Interval(mean - half, mean + half, f"t, {n} seeds")


def accuracy_interval(accuracies: Sequence[float], n_test: int) -> Interval:
    """Of the mean accuracy: over seeds, or where they do not differ, Wilson's over the texts of one. Within 0 and 1.

    Seeds share most of their test texts, so that those of all seeds together are no more texts than those of one.

    Args:
        accuracies: One per seed.
        n_test: Texts behind each.
    """
    if _differ(accuracies):
        low, high, kind = seeds_interval(accuracies)
        return Interval(max(0.0, low), min(1.0, high), kind)
    low, high = wilson_interval(round(accuracies[0] * n_test), n_test)
    # Where all texts are right or wrong an end is the accuracy itself, but for rounding.
    return Interval(min(low, accuracies[0]), max(high, accuracies[0]), f"Wilson, {n_test} texts")


def difference_interval(lost: Sequence[int], gained: Sequence[int], n_test: int) -> Interval:
    """Of the mean paired difference: over seeds, or where they do not differ, Bonett and Price's over those of one.

    Args:
        lost: For each seed, texts that only the reference had right.
        gained: For each seed, texts that only the other had right.
        n_test: All texts of a seed.
    """
    differences = [(up - down) / n_test for up, down in zip(gained, lost, strict=True)]
    if _differ(differences):
        low, high, kind = seeds_interval(differences)
        return Interval(max(-1.0, low), min(1.0, high), kind)
    return paired_interval(*of_one_seed(lost, gained), n_test)


def of_one_seed(lost: Sequence[int], gained: Sequence[int]) -> tuple[int, int]:
    """Texts lost and gained in a middling one of several seeds whose differences are equal."""
    lost_by_one = math.ceil(sum(lost) / len(lost))
    return lost_by_one, lost_by_one + gained[0] - lost[0]


def _differ(values: Sequence[float]) -> bool:
    # Among few texts two or three seeds may well agree; that their interval had no width would be wrong.
    return len(set(values)) > 1


def paired_interval(lost: int, gained: int, n_test: int) -> Interval:
    """Adjusted Wald interval of the difference `(gained - lost) / n_test` of two paired shares.

    Source: D. G. Bonett, R. M. Price, J. Educ. Behav. Stat. 37 (2012) 479.
    """
    check_int("n_test", n_test, minimum=1)
    check_int("lost", lost, minimum=0, maximum=n_test)
    check_int("gained", gained, minimum=0, maximum=n_test - lost)
    up, down = (gained + 1) / (n_test + 2), (lost + 1) / (n_test + 2)
    z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
    half = z * math.sqrt((up + down - (up - down) ** 2) / (n_test + 2))
    return Interval(max(-1.0, up - down - half), min(1.0, up - down + half), f"Bonett-Price, {n_test} texts")
