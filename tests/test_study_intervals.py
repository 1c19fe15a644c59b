"""Conditions of a study by name, and intervals of accuracies and of paired differences."""

import numpy as np
import pytest
from scipy import stats

from setfit_quantum.experiments.conditions import Condition, build_grid
from setfit_quantum.experiments.intervals import (
    accuracy_interval,
    difference_interval,
    paired_interval,
    seeds_interval,
)
from setfit_quantum.noise import NoiseModel


def test_conditions_have_names():
    assert Condition.parse("exact") == Condition()
    assert Condition.parse("none:128").name == "128 shots"
    assert Condition.parse("paper-low") == Condition(NoiseModel.paper("low"))
    assert Condition.parse("paper-low:8192").name == "paper-low, 8192 shots"
    assert list(build_grid(["none", "paper-high"], [0, 16])) == [
        "exact",
        "16 shots",
        "paper-high",
        "paper-high, 16 shots",
    ]


@pytest.mark.parametrize("text", ["", "paper-middle", "paper-low:", "paper-low:many", "exact:3", "none:-1"])
def test_conditions_that_are_none(text):
    with pytest.raises(ValueError, match="must be"):
        Condition.parse(text)


def test_negative_shots_are_refused():
    with pytest.raises(ValueError, match="`shots` must be at least 0, but got -1"):
        build_grid(["none"], [-1])
    with pytest.raises(ValueError, match="`shots` must be at least 1, but got 0"):
        Condition(shots=0)


@pytest.mark.parametrize("values", [[0.7, 0.8], [0.81, 0.79, 0.9], [0.5, 0.61, 0.52, 0.7, 0.4]])
def test_interval_over_seeds(values):
    found = seeds_interval(values)
    expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert found[:2] == pytest.approx(expected, rel=1e-12)
    assert found.kind == f"t, {len(values)} seeds"


def test_interval_of_three_seeds_by_hand():
    # t(0.975, 2) = 4.302653; sd = 0.01, so the half width is 4.302653 * 0.01 / sqrt(3).
    assert seeds_interval([0.79, 0.80, 0.81])[:2] == pytest.approx((0.7751586, 0.8248414), abs=1e-7)
    with pytest.raises(ValueError, match="at least two values, but got 1"):
        seeds_interval([0.5])


@pytest.mark.parametrize(("right", "n"), [(0, 20), (37, 50), (50, 50)])
def test_interval_of_one_seed(right, n):
    expected = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    found = accuracy_interval([right / n], n)
    assert found[:2] == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.kind == f"Wilson, {n} texts"


@pytest.mark.parametrize(("lost", "gained", "n"), [(6, 2, 40), (0, 0, 30), (1, 9, 500)])
def test_interval_of_paired_difference(lost, gained, n):
    # Wald's interval after one more text lost and one more gained.
    differences = np.array([-1] * (lost + 1) + [1] * (gained + 1) + [0] * (n - lost - gained))
    expected = stats.norm.interval(0.95, differences.mean(), differences.std() / np.sqrt(n + 2))
    assert paired_interval(lost, gained, n)[:2] == pytest.approx(expected, rel=1e-12)
    assert difference_interval([lost], [gained], n)[:2] == pytest.approx(expected, rel=1e-12)


def test_paired_interval_covers_the_truth():
    rng = np.random.default_rng(0)
    counts = rng.multinomial(100, [0.08, 0.04, 0.88], size=400)
    intervals = [paired_interval(int(lost), int(gained), 100) for lost, gained, _ in counts]
    assert 0.92 < np.mean([low <= -0.04 <= high for low, high, _ in intervals]) < 0.99


def test_seeds_that_agree_are_no_certainty():
    # Three seeds with 36 of 40: the spread is 0, so the interval is that of 36 among 40. Not of 108 among 120: seeds
    # share their test texts.
    expected = stats.binomtest(36, 40).proportion_ci(0.95, method="wilson")
    found = accuracy_interval([0.9, 0.9, 0.9], 40)
    assert found[:2] == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.kind == "Wilson, 40 texts"
    assert difference_interval([1, 2], [1, 2], 40)[:2] == pytest.approx(paired_interval(2, 2, 40)[:2])
    assert difference_interval([1, 2], [2, 3], 40)[:2] == pytest.approx(paired_interval(2, 3, 40)[:2])
    assert difference_interval([1, 2], [2, 2], 40).kind == "t, 2 seeds"
