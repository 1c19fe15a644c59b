"""Scores and intervals, against scikit-learn and scipy."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from setfit_quantum.evaluation import evaluate_predictions, wilson_interval


@pytest.mark.parametrize(("n_right", "n"), [(0, 5), (5, 5), (1, 3), (140, 146), (8000, 9101)])
def test_wilson_interval_is_scipys(n_right, n):
    expected = binomtest(n_right, n).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(wilson_interval(n_right, n), (expected.low, expected.high), atol=1e-12)


def test_scores_are_scikit_learns():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 200)
    predictions = np.where(rng.random(200) < 0.7, targets, rng.integers(0, 4, 200))
    found = evaluate_predictions(targets, predictions, ["a", "b", "c", "d"])
    assert found.accuracy == accuracy_score(targets, predictions)
    assert found.macro_f1 == pytest.approx(f1_score(targets, predictions, average="macro"))
    expected = precision_recall_fscore_support(targets, predictions)
    got = np.array([(s.precision, s.recall, s.f1, s.support) for s in found.classes]).T
    np.testing.assert_allclose(got, expected)
    low, high = found.macro_f1_interval
    assert low < found.macro_f1 < high
    assert high - low < 0.2


def test_classes_that_never_occur_do_not_lower_the_macro_f1():
    found = evaluate_predictions([0, 1, 1], [0, 1, 0], ["a", "b", "c"])
    assert found.macro_f1 == pytest.approx(f1_score([0, 1, 1], [0, 1, 0], average="macro"))
    assert found.classes[2].support == 0


def test_several_labels():
    targets = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]])
    predictions = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]])
    found = evaluate_predictions(targets, predictions, ["a", "b", "c"])
    assert found.accuracy == 0.5
    assert found.macro_f1 == pytest.approx(f1_score(targets, predictions, average="macro", zero_division=0))
    assert [scores.support for scores in found.classes] == [2, 2, 1]


def test_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(100):
        targets = np.arange(120) % 2
        predictions = np.where(rng.random(120) < 0.8, targets, 1 - targets)
        low, high = evaluate_predictions(
            targets, predictions, ["a", "b"], n_resamples=200, seed=trial
        ).macro_f1_interval
        covered += low <= 0.8 <= high
    assert 86 <= covered <= 100


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="must have one shape and not be empty"):
        evaluate_predictions([0, 1], [0], ["a", "b"])
    with pytest.raises(ValueError, match="must have one shape and not be empty"):
        evaluate_predictions([], [], ["a", "b"])
    with pytest.raises(ValueError, match="`level` must lie between 0 and 1"):
        wilson_interval(1, 2, level=1.0)
