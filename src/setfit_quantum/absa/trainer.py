"""`AbsaTrainer`: trains the model of aspects, then that of polarities."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Sequence
from typing import Any

from setfit_quantum.absa.models import AbsaModel
from setfit_quantum.training.setfit_arguments import TrainingArguments
from setfit_quantum.training.setfit_trainer import Trainer

_AbsaTrainer: Any = importlib.import_module("setfit.span.trainer").AbsaTrainer


class AbsaTrainer(_AbsaTrainer):
    """SetFit's trainer of both models, on this package's `Trainer`: its head phase, validation and callbacks.

    Args:
        model: An `AbsaModel`.
        args: `TrainingArguments` of both models, or of the aspect model.
        polarity_args: Those of the polarity model.
        train_dataset: Columns `text`, `span` (the words of an aspect), `label` (its polarity) and `ordinal` (which of
            equal spans is meant, from 0).
        eval_dataset: The same columns.
        metric: Name of a metric or a callable `(y_pred, y_test)`.
        metric_kwargs: Further arguments of the metric.
        callbacks: Callbacks of transformers, or `HeadTrainingCallback`s, of both trainings.
        column_mapping: From the data's column names to those above.
    """

    def __init__(
        self,
        model: AbsaModel,
        args: Any = None,
        polarity_args: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        metric: str | Callable[..., Any] = "accuracy",
        metric_kwargs: dict[str, Any] | None = None,
        callbacks: Sequence[Any] | None = None,
        column_mapping: dict[str, str] | None = None,
    ) -> None:
        self.model = model
        self.aspect_extractor = model.aspect_extractor
        parts = []
        for dataset in (train_dataset, eval_dataset):
            if dataset is not None and column_mapping:
                dataset = self._apply_column_mapping(dataset, column_mapping)
            parts.append(self.preprocess_dataset(model.aspect_model, model.polarity_model, dataset))
        trainers = []
        for number, (name, own, settings) in enumerate(
            (("aspect", model.aspect_model, args), ("polarity", model.polarity_model, polarity_args or args))
        ):
            settings = copy.copy(TrainingArguments() if settings is None else settings)
            if settings.metric_for_best_model == "embedding_loss":
                settings.metric_for_best_model = f"{name}_embedding_loss"
            trainer = Trainer(
                own,
                args=settings,
                train_dataset=parts[0][number],
                eval_dataset=parts[1][number],
                metric=metric,
                metric_kwargs=metric_kwargs,
                callbacks=callbacks,
            )
            trainer._set_logs_prefix(f"{name}_embedding")
            trainers.append(trainer)
        self.aspect_trainer, self.polarity_trainer = trainers
