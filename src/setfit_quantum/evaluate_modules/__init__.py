"""This project's metrics as modules of the `evaluate` library, and its evaluators for models of this package.

A module is a folder with one script, as `evaluate` wants it: it loads by its path too, and can be put on the Hub.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from setfit_quantum.checks import check_choice

MODULES = ("brier_score", "expected_calibration_error", "selective_accuracy")
TASKS = ("text-classification", "image-classification")


def module_path(name: str) -> Path:
    """Folder of a module, for `evaluate.load`.

    Raises:
        ValueError: There is none of that name.
    """
    return Path(__file__).parent / str(check_choice("name", name, MODULES))


def load_module(name: str, **options: Any) -> Any:
    """Load one of this project's metrics, without the Hub.

    Args:
        name: One of `MODULES`.
        **options: Handed on to `evaluate.load` (`experiment_id`, `cache_dir`, ...).

    Raises:
        ValueError: There is none of that name.

    Example:
        >>> metric = load_module("expected_calibration_error")  # doctest: +SKIP
        >>> metric.compute(predictions=[[0.9, 0.1], [0.2, 0.8]], references=[0, 1])  # doctest: +SKIP
        {'expected_calibration_error': 0.15}
    """
    import evaluate

    return evaluate.load(str(module_path(name)), **options)


def evaluator(task: str = "text-classification") -> Any:
    """The `evaluate` library's evaluator of a task, taking a `SetFitModel`, or what its `as_pipeline()` gives.

    It differs from `evaluate.evaluator(task)` in one respect: with transformers 5 that one fails on every pipeline,
    since it looks for a class that transformers no longer has.

    Args:
        task: `"text-classification"` or `"image-classification"`.

    Raises:
        ValueError: Another task.
    """
    check_choice("task", task, TASKS)
    import evaluate

    found = evaluate.evaluator(task)
    original = type(found)

    class _Evaluator(original):  # type: ignore[misc,valid-type]
        def prepare_pipeline(self, model_or_pipeline: Any, *args: Any, **kwargs: Any) -> Any:
            """The pipeline of a model of this package, or the pipeline itself."""
            if hasattr(model_or_pipeline, "as_pipeline"):
                model_or_pipeline = model_or_pipeline.as_pipeline()
            if getattr(model_or_pipeline, "is_setfit_quantum", False):
                if model_or_pipeline.task != self.task:
                    raise ValueError(
                        f"Argument `model_or_pipeline` must be of the task {self.task!r}, but is of "
                        f"{model_or_pipeline.task!r}."
                    )
                return model_or_pipeline
            return super().prepare_pipeline(model_or_pipeline, *args, **kwargs)

    found.__class__ = _Evaluator
    return found
