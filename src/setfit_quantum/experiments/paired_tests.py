"""Paired tests, effect sizes, correction for several comparisons, and a bootstrap over seeds and texts.

Each is checked against scipy or statsmodels in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from setfit_quantum.checks import check_float, check_int
from setfit_quantum.experiments.intervals import LEVEL, Interval


class PairedTest(NamedTuple):
    """A two-sided test's p-value and its name."""

    p: float
    name: str


def mcnemar(lost: int, gained: int) -> PairedTest:
    """Exact McNemar test of two classifiers on the same texts: were the texts on which they differ a fair coin?

    Args:
        lost: Texts that only the first has right.
        gained: Texts that only the second has right.

    Source: Q. McNemar, Psychometrika 12 (1947) 153; exact, by the binomial distribution.
    """
    from scipy.stats import binom

    check_int("lost", lost, minimum=0)
    check_int("gained", gained, minimum=0)
    n = lost + gained
    p = 1.0 if n == 0 else min(1.0, 2 * float(binom.cdf(min(lost, gained), n, 0.5)))
    return PairedTest(p, "McNemar, exact")


def wilcoxon(differences: ArrayLike) -> PairedTest:
    """Wilcoxon's signed-rank test that paired differences lie symmetrically around 0; exact, also with ties.

    Args:
        differences: One per seed; zeros are left out, as Wilcoxon did.

    Source: F. Wilcoxon, Biometrics 1 (1945) 80.
    """
    from scipy.stats import rankdata

    values = _as_values(differences)
    values = values[values != 0]
    if not len(values):
        return PairedTest(1.0, "Wilcoxon, exact")
    # Twice the ranks, so that those of ties are whole; then the distribution of the sum under random signs.
    ranks = np.rint(2 * rankdata(np.abs(values))).astype(np.int64)
    share = np.ones(1)
    for rank in ranks:
        longer = np.zeros(len(share) + rank)
        longer[: len(share)] += share / 2
        longer[rank:] += share / 2
        share = longer
    found = int(ranks[values > 0].sum())
    p = 2 * min(float(share[: found + 1].sum()), float(share[found:].sum()))
    return PairedTest(min(1.0, p), "Wilcoxon, exact")


def paired_t(differences: ArrayLike) -> PairedTest:
    """Student's t test that the mean paired difference is 0.

    Args:
        differences: One per seed, at least two. Equal ones other than 0 give p = 0, and zeros p = 1.
    """
    from scipy.special import stdtr

    values = _as_values(differences)
    n = len(values)
    if n < 2:
        raise ValueError(f"Argument `differences` must hold at least two values, but got {n}.")
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if spread == 0:
        return PairedTest(1.0 if mean == 0 else 0.0, f"paired t, {n} seeds")
    t = mean / (spread / math.sqrt(n))
    return PairedTest(2 * float(stdtr(n - 1, -abs(t))), f"paired t, {n} seeds")


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: adjusted p-values that keep the chance of any false alarm at the level.

    Source: S. Holm, Scand. J. Stat. 6 (1979) 65.
    """
    for p in p_values:
        check_float("p_values", p, minimum=0.0, maximum=1.0)
    order = np.argsort(np.asarray(p_values, dtype=np.float64), kind="stable")
    adjusted = [0.0] * len(p_values)
    greatest = 0.0
    for rank, place in enumerate(order):
        greatest = max(greatest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = greatest
    return adjusted


def effect_size(differences: ArrayLike) -> float | None:
    """Cohen's d of paired values: their mean difference in standard deviations; None for one, or without spread."""
    values = _as_values(differences)
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return None if spread == 0 else float(values.mean()) / spread


def odds_ratio(lost: int, gained: int) -> float | None:
    """How many texts the second gains for each that it loses; None where it loses none."""
    return None if lost == 0 else gained / lost


def bootstrap_difference(
    first: NDArray[np.float64], second: NDArray[np.float64], *, n_resamples: int = 1000, seed: int = 0
) -> Interval:
    """95 % interval of the mean difference in accuracy, over seeds and over texts at once.

    Seeds and texts are drawn anew independently of one another, since a text occurs in the test data of many seeds;
    this errs on the side of caution. With one seed it is the paired bootstrap over texts.

    Args:
        first: 1 where right and 0 where wrong, shape (n_seeds, n_texts); NaN where a seed did not test a text.
        second: The same of the other head.
        n_resamples: Number of resamples.
        seed: Of the draws.

    Raises:
        ValueError: Other shapes, or nothing that both were tested on.

    Source: A. B. Owen, Ann. Appl. Stat. 1 (2007) 386 (the pigeonhole bootstrap).
    """
    check_int("n_resamples", n_resamples, minimum=1)
    first, second = (np.atleast_2d(np.asarray(part, dtype=np.float64)) for part in (first, second))
    if first.shape != second.shape:
        raise ValueError(f"Arguments `first` and `second` must have one shape, but got {first.shape}, {second.shape}.")
    both = ~(np.isnan(first) | np.isnan(second))
    if not both.any():
        raise ValueError("Arguments `first` and `second` must have texts that both were tested on.")
    difference = np.where(both, second - first, 0.0)
    tested = both.astype(np.float64)
    rng = np.random.default_rng(seed)
    n_seeds, n_texts = difference.shape
    means = []
    for _ in range(n_resamples):
        of_seeds, of_texts = (np.bincount(rng.integers(n, size=n), minlength=n) for n in (n_seeds, n_texts))
        weight = of_seeds @ tested @ of_texts
        if weight > 0:
            means.append(float(of_seeds @ difference @ of_texts) / float(weight))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), f"bootstrap, {n_seeds} seeds and {n_texts} texts")


def _as_values(differences: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"Argument `differences` must be finite numbers of shape (n,), but got {differences!r:.200}.")
    return values
