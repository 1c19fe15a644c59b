"""Logistic regression on embeddings, by scikit-learn: SetFit's default head and the rival to beat."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

LOGISTIC_C = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Values of the inverse regularisation strength that `tune_logistic_regression` tries."""


class TunedLogisticRegression(NamedTuple):
    """The model selected by validation accuracy."""

    model: Any
    C: float
    validation_accuracy: float


def fit_logistic_regression(
    features: ArrayLike,
    labels: ArrayLike,
    *,
    C: float = 1.0,
    class_weight: str | None = None,
    max_iter: int = 1000,
) -> Any:
    """Fit scikit-learn's logistic regression, with its defaults but for the iterations.

    Args:
        features: Embeddings, shape (n, d).
        labels: Classes of shape (n,), or 0/1 of shape (n, k) for several labels: one model per column then.
        C: Inverse strength of the L2 penalty.
        class_weight: `"balanced"` or None.
        max_iter: Most iterations of the solver.

    Returns:
        A fitted estimator with `predict`, `predict_proba`, `score`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    model: Any = LogisticRegression(C=C, class_weight=class_weight, max_iter=max_iter)
    targets = np.asarray(labels)
    if targets.ndim == 2:
        model = OneVsRestClassifier(model)
    with warnings.catch_warnings():
        # A label that no training text has, or all have, gets a constant answer: that is what can be learned.
        warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
        warnings.filterwarnings("ignore", message="Label not .* is present in all training examples")
        return model.fit(np.asarray(features), targets)


def tune_logistic_regression(
    features: ArrayLike,
    labels: ArrayLike,
    validation_features: ArrayLike,
    validation_labels: ArrayLike,
    *,
    Cs: Sequence[float] = LOGISTIC_C,
    class_weight: str | None = None,
    max_iter: int = 1000,
) -> TunedLogisticRegression:
    """Select C by validation accuracy; among equals the strongest penalty.

    Args:
        features: Embeddings to fit on, shape (n, d).
        labels: Their labels, as for `fit_logistic_regression`.
        validation_features: Embeddings to select on.
        validation_labels: Their labels.
        Cs: Values to try.
        class_weight: `"balanced"` or None.
        max_iter: Most iterations of the solver.

    Raises:
        ValueError: `Cs` is empty.
    """
    if not len(Cs):
        raise ValueError("Argument `Cs` must not be empty.")
    best: TunedLogisticRegression | None = None
    for C in sorted(Cs):
        model = fit_logistic_regression(features, labels, C=C, class_weight=class_weight, max_iter=max_iter)
        accuracy = float(model.score(np.asarray(validation_features), np.asarray(validation_labels)))
        if best is None or accuracy > best.validation_accuracy:
            best = TunedLogisticRegression(model, float(C), accuracy)
    assert best is not None
    return best


def count_parameters(model: Any) -> int:
    """Fitted coefficients and intercepts of a logistic regression, or of one per label.

    Two classes share one weight vector: 769 for 768 features, as the paper counts.
    """
    parts = getattr(model, "estimators_", [model])
    return sum(int(part.coef_.size + part.intercept_.size) for part in parts if hasattr(part, "coef_"))
