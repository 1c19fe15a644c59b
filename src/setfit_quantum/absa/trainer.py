"""`AbsaTrainer`: trains the model of aspects, then that of polarities."""

from __future__ import annotations

import copy
import importlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from setfit_quantum.absa.models import AbsaModel
from setfit_quantum.training.setfit_arguments import TrainingArguments
from setfit_quantum.training.setfit_trainer import Trainer

logger = logging.getLogger(__name__)

COLUMNS = ("text", "span", "label", "ordinal")

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

    Raises:
        ValueError: A column is missing, or nothing can be learned from the training data: they hold no aspect, or no
            other noun beside the aspects.
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
        if train_dataset is not None:
            self._check_aspects(parts[0][0])
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

    def preprocess_dataset(self, aspect_model: Any, polarity_model: Any, dataset: Any) -> Any:
        """The data of both models: spans with whether they are aspects, and aspects with their polarities.

        Raises:
            ValueError: A column is missing.
        """
        if dataset is None:
            return None, None
        missing = [name for name in COLUMNS if name not in dataset.column_names]
        if missing:
            raise ValueError(
                f"Arguments `train_dataset` and `eval_dataset` must have the columns {', '.join(COLUMNS)} (`ordinal` "
                f"says which of equal spans is meant, from 0), but {', '.join(missing)} is missing among "
                f"{dataset.column_names}."
            )
        aspects, polarities = super().preprocess_dataset(aspect_model, polarity_model, dataset)
        skipped = len(dataset) - len(polarities)
        if skipped:
            logger.warning(
                "%d of %d spans are left out: they are no whole words of their texts, or their `ordinal` is too high.",
                skipped,
                len(dataset),
            )
        return aspects, polarities

    def _check_aspects(self, data: Any) -> None:
        found = set(data["label"])
        if True not in found:
            raise ValueError("Argument `train_dataset` must hold at least one span that is in its text, but has none.")
        if False not in found:
            raise ValueError(
                "Argument `train_dataset` must hold nouns that are no aspects too, but the spaCy pipeline "
                f"{self.model.aspect_model.spacy_model!r} finds no noun beside the aspects. Give more texts, or a "
                "pipeline that tags nouns; a blank one (spacy.blank) tags nothing."
            )
