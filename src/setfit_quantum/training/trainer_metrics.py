"""SetFit's metrics by name, which live on the Hub, with scikit-learn's own where the Hub cannot be reached."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

logger = logging.getLogger(__name__)

_LOCAL = {
    "accuracy": "accuracy_score",
    "f1": "f1_score",
    "precision": "precision_score",
    "recall": "recall_score",
    "matthews_correlation": "matthews_corrcoef",
}


def load_metric(name: str, *, several_labels: bool) -> Callable[..., dict[str, Any]]:
    """A function `(predictions, references, **kwargs) -> dictionary`.

    Args:
        name: Name of a metric of the `evaluate` library.
        several_labels: Whether each sample has any number of labels.

    Raises:
        ValueError: The Hub cannot be reached, and scikit-learn's equivalent is not known here.
    """
    import evaluate

    try:
        metric = evaluate.load(name, config_name="multilabel" if several_labels else None)
    except OSError as error:  # FileNotFoundError and ConnectionError among them
        if name not in _LOCAL:
            raise ValueError(
                f"Argument `metric={name!r}` must be loaded from the Hub, which cannot be reached; without it "
                f"{', '.join(map(repr, _LOCAL))} are known, or give a callable."
            ) from error
        logger.warning("The Hub cannot be reached: the metric %r is computed with scikit-learn.", name)
        return _local_metric(name)

    def compute(predictions: Any, references: Any, **kwargs: Any) -> dict[str, Any]:
        computed: dict[str, Any] = metric.compute(predictions=predictions, references=references, **kwargs)
        return computed

    return compute


def _local_metric(name: str) -> Callable[..., dict[str, Any]]:
    import sklearn.metrics

    function = getattr(sklearn.metrics, _LOCAL[name])

    def compute(predictions: Any, references: Any, **kwargs: Any) -> dict[str, Any]:
        value = function(np.asarray(references), np.asarray(predictions), **kwargs)
        return {name: float(value) if np.ndim(value) == 0 else value}

    return compute
