"""`Trainer`: SetFit's, with a head phase that validates, logs, stops early and keeps checkpoints."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.training.callbacks import HeadTrainingCallback
from setfit_quantum.training.card_results import results_of_metric
from setfit_quantum.training.labels import encode_labels, encode_name_rows
from setfit_quantum.training.modes import preserved
from setfit_quantum.training.setfit_arguments import TrainingArguments, head_arguments_of
from setfit_quantum.training.trainer_events import TransformersBridge, begin_without_body, delayed_train_end
from setfit_quantum.training.trainer_metrics import load_metric
from setfit_quantum.vanilla import import_setfit

logger = logging.getLogger(__name__)

_SetFitTrainer: Any = import_setfit().Trainer


class Trainer(_SetFitTrainer):
    """Tunes the body contrastively, then trains the head, as SetFit's trainer does.

    What is different: the head trains on embeddings computed once; `eval_dataset` is its validation data, by which
    its best epoch is chosen; its epochs reach the callbacks (`on_log`, `on_epoch_end`), and `on_train_end` comes
    after them; string labels work everywhere; a frozen body, or `num_epochs=(0, n)`, skips the first phase; metrics
    by name work without the Hub.

    Args:
        model: A `SetFitModel`, or `model_init` in its place.
        args: `TrainingArguments`, ours or SetFit's own.
        train_dataset: Columns `text` and `label`.
        eval_dataset: The same columns.
        model_init: Function that makes the model.
        metric: Name of a metric or a callable `(y_pred, y_test)`, for `evaluate`.
        metric_kwargs: Further arguments of the metric.
        callbacks: Callbacks of transformers, or `HeadTrainingCallback`s, which see the head's training.
        column_mapping: From the data's column names to `text` and `label`.

    Raises:
        ValueError: A model of images: SetFit's trainer takes texts only.
    """

    def __init__(
        self,
        model: Any = None,
        args: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        model_init: Callable[..., Any] | None = None,
        metric: str | Callable[..., Any] = "accuracy",
        metric_kwargs: dict[str, Any] | None = None,
        callbacks: Sequence[Any] | None = None,
        column_mapping: dict[str, str] | None = None,
    ) -> None:
        if getattr(model, "modality", "text") != "text":
            raise ValueError(
                "Argument `model` must classify texts, but this one classifies images; train it with "
                "model.fit(images, labels), or body and head with model.fit(..., end_to_end=True)."
            )
        given = list(callbacks or ())
        self.head_callbacks = [callback for callback in given if isinstance(callback, HeadTrainingCallback)]
        super().__init__(
            model=model,
            args=TrainingArguments() if args is None else args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            model_init=model_init,
            metric=metric,
            metric_kwargs=metric_kwargs,
            callbacks=[callback for callback in given if not isinstance(callback, HeadTrainingCallback)],
            column_mapping=column_mapping,
        )

    def train(self, args: Any = None, trial: Any = None) -> None:
        """Tune the body, then train the head.

        Args:
            args: Arguments for this call only.
            trial: A trial of a hyperparameter search.
        """
        if trial:
            self._hp_search_setup(trial)
        args = args or self.args
        if self.train_dataset is None:
            raise ValueError("Argument `train_dataset` must be given to the Trainer before training, but it is None.")
        train_data = self.dataset_to_parameters(self.train_dataset)
        eval_data = self.dataset_to_parameters(self.eval_dataset) if self.eval_dataset else []
        self._check_labels(train_data, eval_data, args)
        self.st_trainer.setfit_args = args
        with delayed_train_end(self.st_trainer), preserved(self.model.model_body):
            if self._tunes_body(args):
                self.train_embeddings(*self._pairable(train_data), *self._pairable(eval_data), args=args)
                self._note_tuned_body(args)
            else:
                begin_without_body(self.st_trainer)
            self.train_classifier(train_data[0], train_data[1], args=args)

    def train_classifier(self, x_train: Any, y_train: Any, args: Any = None) -> None:
        """Train the head; `eval_dataset`, where there is one, is its validation data."""
        args = args or self.args
        if not hasattr(self.model, "head_training") or not self.model.has_differentiable_head:
            # A scikit-learn head, or a model of plain SetFit, which knows no more than SetFit's own arguments.
            super().train_classifier(x_train, y_train, args=args)
            return
        arguments = head_arguments_of(args)
        split = 0.0 if self.eval_dataset or arguments.validation_split is None else arguments.validation_split
        steps = math.ceil(len(x_train) * (1 - split) / arguments.batch_size)
        self.model.fit(
            x_train,
            y_train,
            arguments=arguments,
            show_progress_bar=args.show_progress_bar,
            end_to_end=args.end_to_end,
            body_learning_rate=args.body_classifier_learning_rate,
            max_length=args.max_length,
            validation_data=tuple(self.dataset_to_parameters(self.eval_dataset)) if self.eval_dataset else None,
            callbacks=[TransformersBridge(self.st_trainer, steps), *self.head_callbacks],
        )

    @torch.no_grad()
    def evaluate(self, dataset: Any = None, metric_key_prefix: str = "test") -> dict[str, Any]:
        """Compute the metric on a data set.

        Args:
            dataset: Columns `text` and `label`; None: the `eval_dataset`.
            metric_key_prefix: Name of the data in the card.

        Returns:
            The metric's values by name.
        """
        dataset = self._with_columns(dataset)
        predictions = self.model.predict(list(dataset["text"]), use_labels=False)
        if isinstance(predictions, Tensor):
            predictions = predictions.cpu()
        references, predictions = self._comparable(list(dataset["label"]), predictions)
        metric = self.metric
        if isinstance(metric, str):
            metric = load_metric(metric, several_labels=self.model.multi_target_strategy is not None)
        elif not callable(metric):
            raise TypeError(f"Argument `metric` must be a name or a callable, but got {metric!r}.")
        compute = partial(metric, **(self.metric_kwargs or {}))
        results = compute(predictions, references)
        if not isinstance(results, dict):
            results = {"metric": results}
        self._record(results, compute, predictions, references, metric_key_prefix)
        self.model.model_card_data.post_training_eval_results(
            {f"{metric_key_prefix}_{name}": value for name, value in results.items()}
        )
        return results

    def _record(self, results: dict[str, Any], metric: Any, predictions: Any, references: Any, split: str) -> None:
        """Keep the figures for the card, with intervals."""
        if not hasattr(self.model, "card_facts"):  # a model of plain SetFit
            return
        data = self.model.model_card_data
        where = {"dataset": data.dataset_id or "unknown", "dataset_name": data.dataset_name, "split": split}
        for result in results_of_metric(results, metric, predictions, references, **where):
            self.model.card_facts = self.model.card_facts.with_result(result)

    def _with_columns(self, dataset: Any) -> Any:
        if dataset is None:
            if self.eval_dataset is None:
                raise ValueError("Argument `dataset` must be given: the Trainer has no `eval_dataset`.")
            return self.eval_dataset  # its columns were named when it was given
        self._validate_column_mapping(dataset)
        return dataset if self.column_mapping is None else self._apply_column_mapping(dataset, self.column_mapping)

    def _pairable(self, data: Sequence[Any]) -> Sequence[Any]:
        """Texts and labels as SetFit draws pairs from: 0/1 in place of rows of names."""
        rows = encode_name_rows(data[1], label_names=self.model.labels) if data else None
        return data if rows is None else [data[0], rows.targets.long().tolist()]

    def _comparable(self, references: list[Any], predictions: Any) -> tuple[Any, Any]:
        """References as what the model predicts with `use_labels=False`: numbers, where they were names."""
        rows = encode_name_rows(references, label_names=self.model.labels, argument="dataset")
        if rows is not None:
            return rows.targets.long().tolist(), predictions
        if not references or not isinstance(references[0], str):
            return references, predictions
        numbers = self.model.label2id
        if isinstance(predictions, np.ndarray) and predictions.dtype.kind in "UO":
            # A scikit-learn head trained on names predicts names.
            numbers = {name: number for number, name in enumerate(sorted({*references, *predictions.tolist()}))}
            predictions = np.array([numbers[name] for name in predictions.tolist()])
        for row, name in enumerate(references):
            if name not in numbers:
                raise ValueError(
                    f"Argument `dataset` must hold only the model's labels {list(numbers)}, but row {row} has {name!r}."
                )
        return [numbers[name] for name in references], predictions

    def _check_labels(self, train_data: Sequence[Any], eval_data: Sequence[Any], args: Any) -> None:
        """Check the labels before the body is tuned, which can take long."""
        head = self.model.model_head
        if not hasattr(self.model, "head_training"):  # a model of plain SetFit
            return
        if not self.model.has_differentiable_head:
            if args.end_to_end:
                raise ValueError(
                    "Argument `end_to_end=True` needs a module head, such as QuantumHead, but the head is a "
                    f"{type(head).__name__}, which scikit-learn trains."
                )
            return
        several = bool(getattr(head, "multitarget", False))
        outputs = None if several else getattr(head, "out_features", None)
        names = self.model.labels
        encoded = encode_labels(train_data[1], label_names=names, multitarget=several, n_classes=outputs)
        if eval_data:
            encode_labels(
                eval_data[1],
                label_names=encoded.names,
                multitarget=several,
                n_classes=encoded.n_classes,
                argument="eval labels",
            )

    def _note_tuned_body(self, args: Any) -> None:
        """Say in the card what was done to the body; `fit` keeps it."""
        if hasattr(self.model, "card_facts"):
            steps = f"{args.max_steps} steps" if args.max_steps > 0 else f"{args.embedding_num_epochs} epochs"
            rate = args.body_embedding_learning_rate
            note = f"tuned contrastively ({steps}, batches of {args.embedding_batch_size}, learning rate {rate:g})"
            facts = self.model.card_facts
            self.model.card_facts = facts.with_changes(training={**facts.training, "body": note})

    def _tunes_body(self, args: Any) -> bool:
        if args.max_steps <= 0 and args.embedding_num_epochs == 0:
            return False
        if not any(parameter.requires_grad for parameter in self.model.model_body.parameters()):
            logger.info("The body is frozen: it is not tuned.")
            return False
        return True
