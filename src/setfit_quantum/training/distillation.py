"""`DistillationTrainer`: a student learns a teacher's answers on texts without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from setfit_quantum.training.setfit_trainer import Trainer
from setfit_quantum.vanilla import import_setfit

_SetFitDistillation: Any = import_setfit().DistillationTrainer


class DistillationTrainer(Trainer):
    """Trains a student on what a teacher says of texts; either may have a quantum or a classical head.

    The student's body is tuned to the similarities that the teacher's body sees, its head to the teacher's labels. What
    is different from SetFit's: a teacher whose labels are names works, the student takes over the names, and
    `num_epochs=(0, n)` (or a frozen body) trains the head alone.

    Args:
        teacher_model: The trained model to imitate, of this package or of plain SetFit.
        student_model: The model to train, or `model_init` in its place.
        args: `TrainingArguments`, ours or SetFit's own.
        train_dataset: Column `text`; labels are not needed and not looked at.
        eval_dataset: Column `text`, and `label` where there is one: the student's validation data. Without labels the
            teacher's answers stand for them.
        model_init: Function that makes the student.
        metric: Name of a metric or a callable `(y_pred, y_test)`, for `evaluate`.
        callbacks: Callbacks of transformers, or `HeadTrainingCallback`s.
        column_mapping: From the data's column names to `text` and `label`.

    Raises:
        TypeError: No teacher.
        ValueError: In training: a teacher that abstains, gives all texts one label, or one that the student lacks.
    """

    _REQUIRED_COLUMNS = {"text"}  # noqa: RUF012 (SetFit's own attribute)

    def __init__(
        self,
        teacher_model: Any,
        student_model: Any = None,
        args: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        model_init: Callable[..., Any] | None = None,
        metric: str | Callable[..., Any] = "accuracy",
        callbacks: Sequence[Any] | None = None,
        column_mapping: dict[str, str] | None = None,
    ) -> None:
        if not hasattr(teacher_model, "model_body"):
            raise TypeError(f"Argument `teacher_model` must be a SetFitModel, but got {type(teacher_model).__name__}.")
        self.teacher_model = teacher_model
        super().__init__(
            model=student_model,
            args=args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            model_init=model_init,
            metric=metric,
            callbacks=callbacks,
            column_mapping=column_mapping,
        )

    @property
    def student_model(self) -> Any:
        """The model that is trained."""
        return self.model

    def train(self, args: Any = None, trial: Any = None) -> None:
        """Tune the student's body to the teacher's similarities, then train its head on the teacher's answers."""
        if trial:
            self._hp_search_setup(trial)
            trial = None
        names = self.teacher_model.labels
        if names and not self.model.labels:
            self.model.labels = list(names)
        super().train(args, trial)

    def dataset_to_parameters(self, dataset: Any) -> list[Any]:
        """Texts, and the teacher's answers in place of the labels of the training data."""
        texts = list(dataset["text"])
        if dataset is not self.train_dataset and "label" in dataset.column_names:
            return [texts, list(dataset["label"])]
        answers = self._ask_teacher(texts)
        if dataset is self.train_dataset:
            self._check_answers(answers)
        return [texts, answers]

    def get_dataset(self, x: list[str], y: Any, args: Any, max_pairs: int = -1) -> Any:
        """Pairs of texts with the similarity that the teacher's body sees."""
        return _SetFitDistillation.get_dataset(self, x, y, args, max_pairs=max_pairs)

    def _ask_teacher(self, texts: list[str]) -> list[Any]:
        with torch.no_grad():
            answers = self.teacher_model.predict(texts)
        if isinstance(answers, torch.Tensor | np.ndarray):
            answers = answers.tolist()
        abstained = next((row for row, answer in enumerate(answers) if answer is None), None)
        if abstained is not None:
            raise ValueError(
                "Argument `teacher_model` must answer every text, but it abstains from row "
                f"{abstained}; set its `abstain_below` to None."
            )
        return list(answers)

    def _check_answers(self, answers: list[Any]) -> None:
        """Refuse what nothing can be learned from, in the teacher's name."""
        if not answers or isinstance(answers[0], list):
            return
        if len(set(answers)) == 1:
            raise ValueError(
                f"Argument `teacher_model` must tell the texts apart, but it gives all {len(answers)} texts the label "
                f"{answers[0]!r}; train it first, or give other texts."
            )
        names = self.model.labels
        strange = [answer for answer in answers if isinstance(answer, str) and names and answer not in names]
        if strange:
            raise ValueError(
                f"Argument `student_model` must have the teacher's labels, but has {list(names)} and not "
                f"{strange[0]!r}."
            )
