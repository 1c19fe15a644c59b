"""Metrics computed on this machine: SetFit's own default needs the Hub."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

METRICS = ("accuracy", "f1", "matthews_correlation", "loss")


def build_metric(
    metric: str | Callable[[np.ndarray, np.ndarray], float], *, multitarget: bool, n_classes: int
) -> Callable[[np.ndarray, np.ndarray], float] | None:
    """A function `(y_true, y_pred) -> float`, or None for `"loss"`, which needs no predictions.

    `"accuracy"` is the share of samples whose class (with several labels: whose every label) is right. `"f1"` is
    that of class 1 for two classes, and the unweighted mean over classes or labels otherwise.

    Raises:
        ValueError: The metric is not defined for several labels.
    """
    if metric == "loss":
        return None
    if callable(metric):
        return _checked(metric)
    if metric == "accuracy":
        # scikit-learn's checks of its input cost more than a step of a small head.
        return _subset_accuracy if multitarget else _accuracy

    if metric == "f1":
        average = "binary" if n_classes == 2 and not multitarget else "macro"

        def f1(y_true: np.ndarray, y_pred: np.ndarray) -> float:
            from sklearn.metrics import f1_score

            return float(f1_score(y_true, y_pred, average=average, zero_division=0))

        return f1
    if multitarget:
        raise ValueError(
            f"Argument `metric={metric!r}` is not defined for several labels per sample; use 'accuracy', 'f1', "
            "'loss' or a callable."
        )

    def matthews_correlation(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        from sklearn.metrics import matthews_corrcoef

        return float(matthews_corrcoef(y_true, y_pred))

    return matthews_correlation


def predicted_classes(logits: Tensor, *, multitarget: bool) -> np.ndarray:
    """Class numbers (n,), or 0/1 per label (n, k), from logits (n, k)."""
    predictions = (logits >= 0).long() if multitarget else logits.argmax(dim=-1)
    return predictions.cpu().numpy()


def targets_to_numpy(targets: Tensor) -> np.ndarray:
    """Targets as the integers that metrics take."""
    return targets.to(torch.int64).cpu().numpy()


def _accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float((y_true == y_pred).mean())


def _subset_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float((y_true == y_pred).all(axis=1).mean())


def _checked(metric: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    def checked(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        value = metric(y_true, y_pred)
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"Argument `metric` must return a number, but it returned {value!r}.") from error
        if not math.isfinite(number):
            raise ValueError(f"Argument `metric` must return a finite number, but it returned {number!r}.")
        return number

    return checked
