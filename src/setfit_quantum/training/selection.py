"""Which epoch is the best, and when to stop early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from setfit_quantum.training.arguments import HeadTrainingArguments


@dataclass
class ModelSelection:
    """Follows the validation metric.

    The best epoch has the best metric; among equals (accuracies on few samples are often equal) the lower
    validation loss wins, then the earlier epoch. Early stopping counts evaluations in a row whose metric did not
    beat its reference by more than the threshold.
    """

    best_epoch: int | None = None
    best_metric: float | None = None
    best_loss: float | None = None
    reference: float | None = None
    evaluations_without_progress: int = 0

    def update(self, epoch: int, metric: float, loss: float, arguments: HeadTrainingArguments) -> bool:
        """Take in an evaluation; returns whether `epoch` is the best so far."""
        sign = 1.0 if arguments.maximize else -1.0
        if self.reference is None or sign * (metric - self.reference) > arguments.early_stopping_threshold:
            self.reference = metric
            self.evaluations_without_progress = 0
        else:
            self.evaluations_without_progress += 1
        if self.best_metric is not None and self.best_loss is not None:
            gain = sign * (metric - self.best_metric)
            if not (gain > 0 or (gain == 0 and loss < self.best_loss)):
                return False
        self.best_epoch, self.best_metric, self.best_loss = epoch, metric, loss
        return True

    def exhausted(self, arguments: HeadTrainingArguments) -> bool:
        """Whether early stopping ends the training."""
        patience = arguments.early_stopping_patience
        return patience is not None and self.evaluations_without_progress >= patience

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON-ready values."""
        return dict(vars(self))
