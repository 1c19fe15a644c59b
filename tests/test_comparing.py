"""Comparisons of heads: planted differences are found, and a head does not differ from itself."""

import numpy as np
import pytest

from setfit_quantum.experiments.comparing import Answers, compare_heads, correct

POOL = 600


def simulate(rng, accuracies, n_texts=400):
    """A head's right answers on a seed's own texts of a pool whose texts differ in difficulty."""
    difficulty = np.random.default_rng(99).normal(size=POOL)
    tested = {}
    for seed, accuracy in enumerate(accuracies):
        rows = np.sort(np.random.default_rng([7, seed]).choice(POOL, n_texts, replace=False))
        threshold = np.quantile(difficulty, accuracy)
        tested[seed] = Answers(rows, difficulty[rows] + rng.normal(size=n_texts) < threshold)
    return tested


def heads(rng, n_seeds, gain=0.0):
    base = np.clip(0.75 + 0.02 * rng.normal(size=n_seeds), 0, 1)
    other = np.clip(0.75 + gain + 0.02 * rng.normal(size=n_seeds), 0, 1)
    return simulate(rng, base), simulate(rng, other)


def test_a_planted_difference_is_found():
    rng = np.random.default_rng(0)
    for n_seeds, test in ((10, "Wilcoxon, exact"), (5, "paired t, 5 seeds"), (1, "McNemar, exact")):
        reference, head = heads(rng, n_seeds, gain=0.12)
        found = compare_heads("new", head, "old", reference)
        assert found.test == test
        assert found.is_different
        assert found.difference > 0.03
        assert found.interval.low < found.difference < found.interval.high
        assert found.bootstrap.low < found.difference < found.bootstrap.high
        assert found.gained > found.lost
        assert found.verdict().startswith("new is better than old by ")
        mirrored = compare_heads("old", reference, "new", head)
        assert mirrored.difference == pytest.approx(-found.difference)
        assert mirrored.p == pytest.approx(found.p)
        assert "worse" in mirrored.verdict()


def test_a_head_does_not_differ_from_itself():
    _, head = heads(np.random.default_rng(1), 8)
    found = compare_heads("head", head, "itself", head)
    assert (found.difference, found.p, found.lost, found.gained) == (0, 1, 0, 0)
    assert not found.is_different
    assert "could be told from chance" in found.verdict()


@pytest.mark.parametrize("n_seeds", [5, 8])
def test_false_positive_rate_is_near_its_level(n_seeds):
    """Two heads of one kind, trained and tested anew 400 times."""
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(400):
        values = rng.normal(size=(2, n_seeds)) * 0.02 + 0.75
        right = [
            {seed: Answers(np.arange(200), rng.uniform(size=200) < value) for seed, value in enumerate(row)}
            for row in values
        ]
        found = _quick(*right)
        alarms += found.is_different
    # Wilcoxon's levels are discrete: with 8 seeds the one below 0.05 is 0.039. Three standard errors are 0.033.
    assert 0.01 <= alarms / 400 <= 0.083


def _quick(first, second):
    import setfit_quantum.experiments.comparing as module

    original, module.bootstrap_difference = module.bootstrap_difference, lambda *_, **__: None
    try:
        return compare_heads("a", first, "b", second)
    finally:
        module.bootstrap_difference = original


def test_only_common_seeds_and_texts_count():
    rows = np.arange(10)
    first = {0: Answers(rows, rows < 5), 1: Answers(rows, rows < 5)}
    second = {1: Answers(rows[2:], rows[2:] < 6), 2: Answers(rows, rows < 9)}
    found = compare_heads("second", second, "first", first)
    assert (found.n_seeds, found.n_texts, found.lost, found.gained) == (1, 8, 0, 1)
    assert found.difference == pytest.approx(1 / 8)
    assert found.odds is None
    assert found.verdict().endswith("not the two kinds of head.")
    assert compare_heads("second", {5: first[0]}, "first", first) is None


def test_equal_differences_of_few_seeds_are_no_certainty():
    rows = np.arange(20)
    first = {seed: Answers(rows, rows < 10) for seed in (0, 1)}
    second = {seed: Answers(rows, rows < 11) for seed in (0, 1)}
    found = compare_heads("second", second, "first", first)
    assert found.p == pytest.approx(0.5)  # two texts of two
    assert found.interval.low < 0 < found.interval.high


def test_correction_over_a_table():
    rng = np.random.default_rng(5)
    reference, head = heads(rng, 6, gain=0.12)
    one = compare_heads("head", head, "reference", reference)
    assert one.p == pytest.approx(2 / 2**6)
    corrected = correct([one] * 3)
    assert [found.p_corrected for found in corrected] == pytest.approx([3 * one.p] * 3)
    assert not corrected[0].is_different
    values = corrected[0].to_dict()
    assert values["interval"]["kind"] == "t, 6 seeds"
    assert values["different"] is False
