"""Paired statistics against scipy and statsmodels on known data."""

import warnings

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests

from setfit_quantum.experiments.intervals import seeds_interval
from setfit_quantum.experiments.paired_tests import (
    bootstrap_difference,
    effect_size,
    holm,
    mcnemar,
    odds_ratio,
    paired_t,
    wilcoxon,
)

# Darwin's Zea mays: heights of crossed minus self-fertilised plants, in eighths of an inch.
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


@pytest.mark.parametrize(("lost", "gained"), [(3, 12), (12, 3), (59, 6), (5, 5), (0, 4), (0, 0), (1, 0)])
def test_mcnemar(lost, gained):
    expected = 1.0 if lost + gained == 0 else their_mcnemar([[50, lost], [gained, 20]], exact=True).pvalue
    assert mcnemar(lost, gained).p == pytest.approx(expected, rel=1e-9)
    assert mcnemar(lost, gained).p == mcnemar(gained, lost).p


def test_wilcoxon():
    assert wilcoxon(DARWIN).p == pytest.approx(scipy.stats.wilcoxon(DARWIN, method="exact").pvalue)
    few = [0.9, 1.4, -0.3, 2.2, 0.8, 1.1, 0.7]
    assert wilcoxon(few).p == pytest.approx(scipy.stats.wilcoxon(few, method="exact").pvalue)
    # With five pairs no data reach the level: 2 of 2**5 sign patterns are as extreme.
    assert wilcoxon([1, 2, 3, 4, 5]).p == pytest.approx(2 / 2**5)
    assert wilcoxon([0, 0, 0]).p == 1
    # Ties: mid-ranks, and every sign pattern counted. |values| all equal: a binomial of signs.
    assert wilcoxon([1, 1, 1, 1, 1, 1, -1]).p == pytest.approx(scipy.stats.binomtest(1, 7).pvalue)
    tied = [3, 1, -1, 2, 2, 5, -2, 4]
    exhaustive = scipy.stats.wilcoxon(tied, method=scipy.stats.PermutationMethod(n_resamples=2**8))
    assert wilcoxon(tied).p == pytest.approx(exhaustive.pvalue)
    # Zeros are left out.
    assert wilcoxon([*few, 0.0]).p == wilcoxon(few).p


def test_paired_t():
    expected = scipy.stats.ttest_1samp(DARWIN, 0)
    assert paired_t(DARWIN).p == pytest.approx(expected.pvalue)
    interval, theirs = seeds_interval(DARWIN), expected.confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((theirs.low, theirs.high))
    assert paired_t([0.0, 0.0]).p == 1
    with pytest.raises(ValueError, match="at least two values"):
        paired_t([1.0])


@pytest.mark.parametrize("p_values", [[0.01, 0.04, 0.03], [0.5], [0.2, 0.001, 0.9, 0.02, 0.02], [1.0, 1.0], []])
def test_holm(p_values):
    expected = multipletests(p_values, method="holm")[1] if p_values else []
    np.testing.assert_allclose(holm(p_values), expected)


def test_holm_keeps_the_family_wise_level():
    rng = np.random.default_rng(0)
    alarms = [min(holm(rng.uniform(size=8).tolist())) < 0.05 for _ in range(2000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.015)


def test_effect_sizes():
    assert effect_size(DARWIN) == pytest.approx(np.mean(DARWIN) / np.std(DARWIN, ddof=1))
    assert effect_size([1.0]) is None
    assert effect_size([1.0, 1.0]) is None
    assert odds_ratio(4, 10) == 2.5
    assert odds_ratio(0, 10) is None


def test_bootstrap_of_one_seed_is_scipys_paired_bootstrap():
    rng = np.random.default_rng(1)
    first = (rng.uniform(size=400) < 0.8).astype(float)
    second = np.where(rng.uniform(size=400) < 0.85, first, 1 - first)
    ours = bootstrap_difference(first, second, n_resamples=4000)
    theirs = scipy.stats.bootstrap(
        (second, first),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=2,
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)
    assert ours == bootstrap_difference(first, second, n_resamples=4000)


def test_bootstrap_over_seeds_and_texts():
    rng = np.random.default_rng(3)
    of_texts = rng.uniform(0.6, 0.9, size=300)
    first = (rng.uniform(size=(6, 300)) < of_texts).astype(float)
    second = (rng.uniform(size=(6, 300)) < of_texts + 0.1).astype(float)
    # Every seed leaves out the texts it was trained on.
    first[rng.uniform(size=first.shape) < 0.1] = np.nan
    found = bootstrap_difference(first, second)
    assert 0 < found.low < 0.1 < found.high < 0.2
    assert found.kind == "bootstrap, 6 seeds and 300 texts"
    # Seeds that differ among themselves widen it; texts alone would not.
    uneven = second.copy()
    uneven[:3] = first[:3]
    wide = bootstrap_difference(first, uneven)
    assert wide.high - wide.low > found.high - found.low
    # A head and itself do not differ.
    same = bootstrap_difference(first, first)
    assert (same.low, same.high) == (0, 0)


def test_bootstrap_covers_the_truth():
    # Differences of seeds and of texts are both random; a percentile interval of ten seeds is a little narrow.
    rng = np.random.default_rng(4)
    hits, repeats = 0, 150
    for _ in range(repeats):
        gain = 0.05 + 0.03 * rng.normal(size=(10, 1))
        first = (rng.uniform(size=(10, 200)) < 0.75).astype(float)
        second = (rng.uniform(size=(10, 200)) < 0.75 + gain).astype(float)
        found = bootstrap_difference(first, second, n_resamples=200)
        hits += found.low <= 0.05 <= found.high
    assert 0.9 <= hits / repeats <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mcnemar(-1, 2), "`lost` must be at least 0"),
        (lambda: wilcoxon([[1.0]]), r"finite numbers of shape \(n,\)"),
        (lambda: holm([1.2]), "`p_values` must be between"),
        (lambda: bootstrap_difference(np.ones((2, 3)), np.ones((2, 4))), "must have one shape"),
        (lambda: bootstrap_difference(np.full(3, np.nan), np.ones(3)), "texts that both were tested on"),
    ],
)
def test_bad_arguments(call, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            call()
