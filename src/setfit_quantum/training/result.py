"""What head training returns, and the two ways in which it ends early."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class HeadTrainingResult:
    """The outcome of `train_head`.

    Args:
        history: One entry per epoch: `epoch` (from 1), `learning_rate`, `train_loss` and `train_metric` (running,
            over the epoch's steps), `eval_loss` and `eval_metric` (None where not evaluated), `seconds`. A metric
            of `"loss"` appears as `eval_metric` too; `train_metric` is then None.
        best_epoch: Best epoch by the validation metric, or None without validation data.
        best_metric: Its metric; with `final_layer="lda"` that of the head with its new last layer.
        label_names: Names of the classes by number, or None where labels are numbers without names.
        epochs_run: Epochs of the whole training, those before a resume included.
        stopped_early: Whether early stopping ended it.
        seconds: Time of the whole training, that before a resume included.
        resumed_from: The checkpoint it went on from, or None.
        final_layer: How the head's last layer ended: `"trained"`, or `"lda"` in closed form.
        temperature: What the head's logits are divided by since, with `calibrate`.
    """

    history: list[dict[str, Any]]
    best_epoch: int | None
    best_metric: float | None
    label_names: list[str] | None
    epochs_run: int
    stopped_early: bool
    seconds: float
    resumed_from: Path | None = None
    final_layer: str = "trained"
    temperature: float | None = None


class TrainingDivergedError(RuntimeError):
    """The loss or a weight became NaN or infinite; the head was put back to its last good weights."""


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C while a head trained; the message says what was saved and how to go on.

    Args:
        epoch: Last complete epoch, whose state (or the best one so far) the head holds.
        num_epochs: Epochs asked for.
        checkpoint: The checkpoint that was written, or None without a `checkpoint_dir` or before the first.
    """

    def __init__(self, epoch: int, num_epochs: int, checkpoint: Path | None) -> None:
        self.epoch = epoch
        self.checkpoint = checkpoint
        if checkpoint is not None:
            saved = f"saved as {checkpoint}; train again with the same data and settings (resume='auto') to go on."
        elif epoch == 0:
            saved = "there was nothing to save yet."
        else:
            saved = "nothing was saved; give `checkpoint_dir` to be able to go on."
        super().__init__(f"Head training was interrupted after {epoch} of {num_epochs} epochs: {saved}")
