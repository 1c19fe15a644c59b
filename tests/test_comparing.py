"""Comparisons of heads: planted differences are found, and a head does not differ from itself."""

import numpy as np
import pytest

from setfit_quantum.data import pooled_split
from setfit_quantum.experiments import comparing
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


@pytest.fixture
def fast_bootstrap(monkeypatch):
    """Hundreds of comparisons need no thousand resamples each."""
    slow = comparing.bootstrap_difference
    monkeypatch.setattr(comparing, "bootstrap_difference", lambda *heads, seed: slow(*heads, n_resamples=100))


def train_and_test(rng, features, targets, seed):
    """A head of random features and class means, trained and tested on a seed's split as a study does."""
    names = [str(target) for target in targets]
    split = pooled_split(names, seed, per_class=30)
    hidden = np.maximum(features @ rng.normal(size=(features.shape[1], 12)), 0)
    means = [hidden[split.train[targets[split.train] == number]].mean(axis=0) for number in (0, 1)]
    distances = [((hidden[split.test] - mean) ** 2).sum(axis=1) for mean in means]
    return Answers(split.test, np.argmin(distances, axis=0) == targets[split.test])


@pytest.mark.parametrize(("n_seeds", "test"), [(5, "paired t, 5 seeds"), (10, "Wilcoxon, exact")])
def test_false_positive_rate_is_near_its_level(n_seeds, test, fast_bootstrap):
    """A head against itself: the same kind trained and tested twice on the same splits, 300 times with new data."""
    alarms, claimed = 0, 0
    for repeat in range(300):
        rng = np.random.default_rng([11, repeat])
        targets = np.arange(160) % 2
        features = rng.normal(size=(160, 6)) + 0.6 * targets[:, None]
        first, second = (
            {seed: train_and_test(rng, features, targets, seed) for seed in range(n_seeds)} for _ in range(2)
        )
        found = compare_heads("head", second, "itself", first)
        assert found.test == test
        alarms += found.p < 0.05
        claimed += found.is_different
    # Three standard errors of 300 repeats are 0.038; Wilcoxon's levels are discrete, with 10 seeds 0.049.
    assert 0.012 <= alarms / 300 <= 0.088
    assert claimed <= alarms


def test_heads_that_are_equally_good_but_for_these_texts(fast_bootstrap):
    """Seeds share their texts, so that a test over seeds alone takes the texts' luck for a difference."""
    alarms = claimed = 0
    for repeat in range(100):
        rng = np.random.default_rng([12, repeat])
        # How likely each head has a text right, drawn from one distribution: over all texts they are equally good.
        easy = rng.beta(2.4, 0.8, size=(2, 300))
        tested = [{}, {}]
        for seed in range(10):
            rows = np.sort(rng.choice(300, 200, replace=False))
            for head, chances in zip(tested, easy, strict=True):
                head[seed] = Answers(rows, rng.uniform(size=200) < chances[rows])
        found = compare_heads("head", tested[0], "other", tested[1])
        alarms += found.p < 0.05
        claimed += found.is_different
        if found.p < 0.05 and not found.is_different:
            assert "It may lie in these texts: over texts too the interval is " in found.verdict()
    assert alarms > 15
    assert claimed <= 8


@pytest.mark.parametrize("n_seeds", range(2, 13))
def test_a_clear_difference_can_be_found_with_any_number_of_seeds(n_seeds):
    """Also after Holm's correction over five heads: fewer seeds than ten have no Wilcoxon test that could."""
    rows = np.arange(400)
    rng = np.random.default_rng(3)
    base = {seed: Answers(rows, rng.uniform(size=400) < 0.6) for seed in range(n_seeds)}
    better = {seed: Answers(rows, rng.uniform(size=400) < 0.9) for seed in range(n_seeds)}
    found = correct([compare_heads("better", better, f"base {number}", base) for number in range(5)])
    assert all(one.is_different for one in found) == (n_seeds > 2)


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
    assert found.p == pytest.approx(1)  # one text of one: the seeds have the same texts
    assert found.interval.low < 0 < found.interval.high


def test_correction_over_a_table():
    rng = np.random.default_rng(5)
    reference, head = heads(rng, 10, gain=0.12)
    one = compare_heads("head", head, "reference", reference)
    assert one.p == pytest.approx(2 / 2**10)
    corrected = correct([one] * 30)
    assert [found.p_corrected for found in corrected] == pytest.approx([30 * one.p] * 30)
    assert not corrected[0].is_different
    values = corrected[0].to_dict()
    assert values["interval"]["kind"] == "t, 10 seeds"
    assert values["different"] is False
