"""Whether probabilities can be believed: calibration error, a temperature that lessens it, and when to abstain."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from setfit_quantum.checks import check_int, check_probability

N_BINS = 15
_LEAST, _GREATEST = 0.05, 20.0
"""Temperatures beyond these say that the data were too few to tell."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of about the same confidence.

    Args:
        low: Least confidence of the bin.
        high: Greatest.
        confidence: Mean confidence of its predictions.
        accuracy: Share of them that is right.
        count: How many there are.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True)
class Calibration:
    """How far probabilities are from what happens.

    Args:
        n_predictions: Number of predictions: one per example, or with several labels one per example and label.
        confidence: Mean confidence.
        accuracy: Share of predictions that is right.
        expected_calibration_error: Mean distance of confidence and accuracy over bins of confidence.
        brier: Mean squared distance of the probabilities from the truth, summed over classes.
        log_loss: Mean negative log-likelihood, in nats.
        bins: The bins that hold predictions.
    """

    n_predictions: int
    confidence: float
    accuracy: float
    expected_calibration_error: float
    brier: float
    log_loss: float
    bins: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-ready values."""
        return asdict(self) | {"bins": [asdict(one) for one in self.bins]}


@dataclass(frozen=True)
class Abstention:
    """What abstaining below a confidence gives.

    Args:
        threshold: The confidence.
        coverage: Share of examples that get an answer.
        accuracy: Share of the answers that is right, None without answers.
    """

    threshold: float
    coverage: float
    accuracy: float | None

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-ready values."""
        return asdict(self)


def evaluate_probabilities(probabilities: ArrayLike, targets: ArrayLike, *, n_bins: int = N_BINS) -> Calibration:
    """Compare probabilities with the truth.

    Args:
        probabilities: Shape (n, k): of the classes, or of each label being given.
        targets: Class numbers of shape (n,), or 0/1 of shape (n, k) for several labels.
        n_bins: Bins of equal width between 0 and 1.

    Raises:
        ValueError: No examples, shapes that differ, or numbers outside [0, 1].
    """
    check_int("n_bins", n_bins, minimum=1)
    shares, truth = _check(probabilities, targets)
    confidence, right = confidences(shares, truth)
    if truth.ndim == 1:
        one_hot = np.eye(shares.shape[1])[truth]
        brier = float(((shares - one_hot) ** 2).sum(axis=1).mean())
        likelihood = shares[np.arange(len(truth)), truth]
    else:
        brier = float(2 * ((shares - truth) ** 2).mean())
        likelihood = np.where(truth == 1, shares, 1 - shares)
    # The last bin is closed: a confidence of 1 belongs to it.
    numbers = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    bins = []
    for number in np.unique(numbers):
        rows = numbers == number
        bins.append(
            ReliabilityBin(
                number / n_bins,
                (number + 1) / n_bins,
                float(confidence[rows].mean()),
                float(right[rows].mean()),
                int(rows.sum()),
            )
        )
    error = sum(one.count * abs(one.confidence - one.accuracy) for one in bins) / len(right)
    return Calibration(
        n_predictions=len(right),
        confidence=float(confidence.mean()),
        accuracy=float(right.mean()),
        expected_calibration_error=float(error),
        brier=brier,
        log_loss=float(-np.log(np.maximum(likelihood, np.finfo(np.float64).tiny)).mean()),
        bins=tuple(bins),
    )


def expected_calibration_error(probabilities: ArrayLike, targets: ArrayLike, *, n_bins: int = N_BINS) -> float:
    """Mean distance of confidence and accuracy over bins of confidence, weighted by their predictions.

    Source: M. P. Naeini, G. F. Cooper, M. Hauskrecht, AAAI 2015; C. Guo et al., ICML 2017 (arXiv 1706.04599).

    Example:
        >>> round(expected_calibration_error([[0.9, 0.1], [0.9, 0.1]], [0, 1]), 3)
        0.4
    """
    return evaluate_probabilities(probabilities, targets, n_bins=n_bins).expected_calibration_error


def confidences(probabilities: Floats, targets: NDArray[np.int64]) -> tuple[Floats, NDArray[np.bool_]]:
    """Confidence of each prediction, and whether it is right; with several labels one per example and label."""
    if targets.ndim == 1:
        return probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    given = probabilities >= 0.5
    return np.where(given, probabilities, 1 - probabilities).ravel(), (given == (targets == 1)).ravel()


def fit_temperature(logits: ArrayLike, targets: ArrayLike) -> float:
    """The number that logits must be divided by so that the probabilities fit held-out data best.

    One number for all classes: the order of the classes, and so every prediction, stays as it is.

    Args:
        logits: Shape (n, k), of data that were not trained on.
        targets: Class numbers of shape (n,), or 0/1 of shape (n, k) for several labels (sigmoid).

    Returns:
        The temperature, between 0.05 and 20.

    Raises:
        ValueError: No examples, or shapes that differ.

    Source: C. Guo et al., ICML 2017 (arXiv 1706.04599), Sec. 4.2.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_expit, log_softmax

    values = np.asarray(logits, dtype=np.float64)
    truth = np.asarray(targets)
    _check_shapes("logits", values, truth)

    def loss(log_temperature: float) -> float:
        scaled = values / np.exp(log_temperature)
        if truth.ndim == 1:
            return float(-log_softmax(scaled, axis=1)[np.arange(len(truth)), truth.astype(np.int64)].mean())
        return float(-np.where(truth == 1, log_expit(scaled), log_expit(-scaled)).mean())

    # Convex in the inverse of the temperature, so there is one minimum.
    found = minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_GREATEST)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def abstention(probabilities: ArrayLike, targets: ArrayLike, threshold: float) -> Abstention:
    """Coverage and accuracy when nothing is said below a confidence.

    Raises:
        ValueError: Several labels per example, no examples, or a threshold outside [0, 1].
    """
    check_probability("threshold", threshold)
    confidence, right = _one_label(probabilities, targets)
    answered = confidence >= threshold
    accuracy = float(right[answered].mean()) if answered.any() else None
    return Abstention(float(threshold), float(answered.mean()), accuracy)


def choose_threshold(probabilities: ArrayLike, targets: ArrayLike, accuracy: float) -> Abstention:
    """The least confidence above which at least `accuracy` of the answers are right, on held-out data.

    Args:
        probabilities: Shape (n, k).
        targets: Class numbers of shape (n,).
        accuracy: The accuracy wanted of the answers that are given.

    Raises:
        ValueError: No threshold reaches it; the message says what can be reached.
    """
    check_probability("accuracy", accuracy)
    confidence, right = _one_label(probabilities, targets)
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Examples of equal confidence are answered together.
    last = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True)
    reached = np.flatnonzero(last & (shares >= accuracy))
    if not len(reached):
        raise ValueError(
            f"Argument `accuracy` must be at most {shares[last].max():.3f}, the best that abstaining reaches on these "
            f"{len(right)} examples, but got {accuracy}."
        )
    place = int(reached[-1])
    threshold = 0.0 if place == len(order) - 1 else float(sorted_confidence[place])
    return Abstention(threshold, (place + 1) / len(order), float(shares[place]))


def _one_label(probabilities: ArrayLike, targets: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    shares, truth = _check(probabilities, targets)
    if truth.ndim != 1:
        raise ValueError("Argument `targets` must hold one label per example to abstain, but got 0/1 rows.")
    return confidences(shares, truth)


def _check(probabilities: ArrayLike, targets: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
    shares, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    _check_shapes("probabilities", shares, truth)
    if not ((shares >= 0) & (shares <= 1 + 1e-6)).all():
        raise ValueError("Argument `probabilities` must hold numbers between 0 and 1.")
    return np.minimum(shares, 1.0), truth.astype(np.int64)


def _check_shapes(name: str, values: Floats, truth: NDArray[Any]) -> None:
    fits = truth.shape == (values.shape if truth.ndim == 2 else values.shape[:1])
    if values.ndim != 2 or values.size == 0 or not fits:
        raise ValueError(
            f"Arguments `{name}` and `targets` must have shapes (n, k) and (n,) or (n, k) and not be empty, but got "
            f"{values.shape} and {truth.shape}."
        )
    if truth.ndim == 1 and (truth.min() < 0 or truth.max() >= values.shape[1]):
        raise ValueError(f"Argument `targets` must hold class numbers below {values.shape[1]}, but got {truth.max()}.")
