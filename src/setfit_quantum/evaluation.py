"""How good predictions are: accuracy with its interval, F1, and a table per class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from setfit_quantum.checks import check_float, check_int


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of one class, and how many examples have it."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate_predictions` found.

    Args:
        n_examples: Number of examples.
        accuracy: Share of examples that are right (with several labels: in all of them).
        accuracy_interval: 95 % Wilson interval of the accuracy.
        macro_f1: Unweighted mean of the F1 of the classes that occur among labels or predictions.
        macro_f1_interval: 95 % percentile bootstrap interval of it, over examples.
        classes: Scores per class.
    """

    n_examples: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    classes: tuple[ClassScores, ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-ready values."""
        values = asdict(self)
        values["accuracy_interval"] = list(self.accuracy_interval)
        values["macro_f1_interval"] = list(self.macro_f1_interval)
        values["classes"] = [asdict(scores) for scores in self.classes]
        return values


def evaluate_predictions(
    targets: ArrayLike, predictions: ArrayLike, classes: Sequence[str], *, n_resamples: int = 1000, seed: int = 0
) -> Evaluation:
    """Score predictions against the truth.

    Args:
        targets: Class numbers of shape (n,), or 0/1 of shape (n, k) for several labels.
        predictions: The same for what was predicted.
        classes: Names of the classes by number.
        n_resamples: Bootstrap resamples of the F1's interval.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: No examples, or shapes that differ.
    """
    check_int("n_resamples", n_resamples, minimum=1)
    truth, predicted = np.asarray(targets), np.asarray(predictions)
    if truth.shape != predicted.shape or truth.size == 0:
        raise ValueError(
            f"Arguments `targets` and `predictions` must have one shape and not be empty, but got {truth.shape} "
            f"and {predicted.shape}."
        )
    if truth.ndim == 1:
        right = truth == predicted
        truth, predicted = (np.eye(len(classes), dtype=np.int64)[numbers] for numbers in (truth, predicted))
    else:
        right = (truth == predicted).all(axis=1)
    hits, n_true, n_predicted = truth * predicted, truth, predicted
    precision, recall, f1 = _scores(hits.sum(0), n_true.sum(0), n_predicted.sum(0))
    scores = tuple(
        ClassScores(str(label), float(precision[i]), float(recall[i]), float(f1[i]), int(truth[:, i].sum()))
        for i, label in enumerate(classes)
    )
    n = len(right)
    return Evaluation(
        n_examples=n,
        accuracy=float(right.mean()),
        accuracy_interval=wilson_interval(int(right.sum()), n),
        macro_f1=float(_macro_f1(truth, predicted, np.ones((1, n)))[0]),
        macro_f1_interval=_bootstrap_macro_f1(truth, predicted, n_resamples, seed),
        classes=scores,
    )


def macro_f1(targets: ArrayLike, predictions: ArrayLike, n_classes: int) -> float:
    """Unweighted mean of the F1 of the classes that occur, from class numbers of shape (n,)."""
    truth, predicted = (np.eye(n_classes, dtype=np.int64)[np.asarray(numbers)] for numbers in (targets, predictions))
    return float(_macro_f1(truth, predicted, np.ones((1, len(truth))))[0])


def wilson_interval(n_right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a share: valid at 0 and 1 and for few examples.

    Args:
        n_right: Successes.
        n: Trials, at least 1.
        level: Confidence level in (0, 1).

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    check_int("n", n, minimum=1)
    check_int("n_right", n_right, minimum=0, maximum=n)
    if not 0 < check_float("level", level) < 1:
        raise ValueError(f"Argument `level` must lie between 0 and 1, both excluded, but got {level!r}.")
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = n_right / n
    center = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, center - half), min(1.0, center + half)


def _scores(
    hits: NDArray[Any], n_true: NDArray[Any], n_predicted: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1, 0 where undefined."""
    precision = hits / np.maximum(n_predicted, 1)
    recall = hits / np.maximum(n_true, 1)
    f1 = 2 * hits / np.maximum(n_true + n_predicted, 1)
    return precision, recall, f1


def _macro_f1(truth: NDArray[Any], predicted: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Macro F1 for each row of `weights` (how often each example counts), shape (n_rows,)."""
    hits, n_true, n_predicted = (weights @ values for values in (truth * predicted, truth, predicted))
    f1 = _scores(hits, n_true, n_predicted)[2]
    occurs = (n_true + n_predicted) > 0
    result: NDArray[np.float64] = (f1 * occurs).sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
    return result


def _bootstrap_macro_f1(
    truth: NDArray[Any], predicted: NDArray[Any], n_resamples: int, seed: int
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    n = len(truth)
    values = []
    # In chunks: one row of counts per resample, 8 MB at most.
    rows = max(1, 1_000_000 // n)
    for start in range(0, n_resamples, rows):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=min(rows, n_resamples - start))
        values.append(_macro_f1(truth, predicted, counts))
    low, high = np.quantile(np.concatenate(values), [0.025, 0.975])
    return float(low), float(high)
