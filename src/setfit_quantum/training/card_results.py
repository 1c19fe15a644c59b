"""Measured figures with their intervals, as a model's card shows them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from setfit_quantum.card import CardResult
from setfit_quantum.evaluation import Evaluation, wilson_interval

WILSON = "95 % Wilson interval over examples"
BOOTSTRAP = "95 % percentile bootstrap over examples"
N_RESAMPLES = 200
_MIN_RESAMPLES = 100
_MAX_SECONDS = 5.0


def results_of(
    evaluation: Evaluation,
    dataset: str,
    split: str = "test",
    *,
    dataset_name: str | None = None,
    head: str | None = None,
    parameters: int | None = None,
) -> list[CardResult]:
    """Accuracy and macro F1 of an evaluation, for the card.

    Args:
        evaluation: What `evaluate_predictions` found.
        dataset: Id of the data.
        split: Its split.
        dataset_name: Its name for people.
        head: The head it belongs to; None: the model's own.
        parameters: Number of that head's trained parameters.
    """
    shared: dict[str, Any] = {
        "dataset": dataset, "split": split, "dataset_name": dataset_name, "n_examples": evaluation.n_examples,
        "head": head, "parameters": parameters,
    }  # fmt: skip
    macro_f1, interval = evaluation.macro_f1, _around(evaluation.macro_f1, evaluation.macro_f1_interval)
    return [
        CardResult("accuracy", evaluation.accuracy, evaluation.accuracy_interval, WILSON, **shared),
        CardResult("f1", macro_f1, interval, BOOTSTRAP, metric_name="macro F1", **shared),
    ]


def results_of_metric(
    values: Mapping[str, Any],
    metric: Callable[[Any, Any], Any],
    predictions: Any,
    references: Any,
    *,
    dataset: str,
    split: str,
    dataset_name: str | None = None,
) -> list[CardResult]:
    """Figures of any metric, each with an interval: Wilson's for an accuracy, else a bootstrap over examples.

    Args:
        values: What the metric gave on all examples, by name.
        metric: The metric, `(predictions, references)` to such values or to one number.
        predictions: Predictions, one per example.
        references: What is right.
        dataset: Id of the data.
        split: Its split.
        dataset_name: Its name for people.
    """
    n_examples = len(references)
    numbers = {name: float(value) for name, value in values.items() if np.ndim(value) == 0 and _is_finite(value)}
    draws: dict[str, list[float]] | None = None
    results = []
    for name, value in numbers.items():
        method: str | None = WILSON
        interval = _wilson(name, value, np.asarray(predictions), np.asarray(references))
        if interval is None:
            draws = _resample(metric, predictions, references) if draws is None else draws
            method, interval = BOOTSTRAP, _quantiles(value, draws.get(name, []))
        results.append(
            CardResult(
                name,
                value,
                interval,
                None if interval is None else method,
                dataset=dataset,
                dataset_name=dataset_name,
                split=split,
                n_examples=n_examples,
            )
        )
    return results


def _wilson(name: str, value: float, predicted: np.ndarray, truth: np.ndarray) -> tuple[float, float] | None:
    """The interval, where the figure is what it is called."""
    if name != "accuracy" or predicted.shape != truth.shape or truth.ndim == 0 or not len(truth):
        return None
    right = (predicted == truth).reshape(len(truth), -1).all(axis=1)
    return wilson_interval(int(right.sum()), len(right)) if math.isclose(right.mean(), value, abs_tol=1e-9) else None


def _resample(metric: Callable[[Any, Any], Any], predictions: Any, references: Any) -> dict[str, list[float]]:
    """The metric on examples drawn with replacement, as often as some seconds allow."""
    rng = np.random.default_rng(0)
    draws: dict[str, list[float]] = {}
    end = time.monotonic() + _MAX_SECONDS
    for _ in range(N_RESAMPLES):
        rows = rng.integers(len(references), size=len(references)).tolist()
        try:
            found = metric(_take(predictions, rows), _take(references, rows))
        except (ValueError, ZeroDivisionError):  # a resample may lack a class
            continue
        for name, value in (found if isinstance(found, Mapping) else {"metric": found}).items():
            if np.ndim(value) == 0 and _is_finite(value):
                draws.setdefault(name, []).append(float(value))
        if time.monotonic() > end:
            break
    return draws


def _take(values: Any, rows: list[int]) -> Any:
    """The given rows, in the container that the metric got them in before."""
    return [values[row] for row in rows] if isinstance(values, list) else values[rows]


def _quantiles(value: float, draws: list[float]) -> tuple[float, float] | None:
    if len(draws) < _MIN_RESAMPLES:
        return None
    low, high = np.quantile(draws, [0.025, 0.975])
    return _around(value, (float(low), float(high)))


def _around(value: float, interval: tuple[float, float]) -> tuple[float, float]:
    """A bootstrap interval may miss the value itself when almost all resamples agree."""
    return min(value, interval[0]), max(value, interval[1])


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except TypeError:
        return False
