"""Head training seen by the callbacks of transformers: its epochs are logged, and `on_train_end` comes after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from transformers.trainer_callback import ProgressCallback

from setfit_quantum.training.callbacks import HeadTrainingCallback, HeadTrainingState

_LOGGED = {
    "train_loss": "head_loss",
    "train_metric": "head_metric",
    "eval_loss": "eval_head_loss",
    "eval_metric": "eval_head_metric",
    "learning_rate": "head_learning_rate",
}


@contextmanager
def delayed_train_end(st_trainer: Any) -> Iterator[None]:
    """Hold back `on_train_end` until the block is left: SetFit fires it before the head is trained.

    Displays of the body's progress are told at once, since theirs has ended.
    """
    handler = st_trainer.callback_handler
    original = handler.call_event

    def held(event: str, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if event != "on_train_end":
            return original(event, args, state, control, **kwargs)
        with _only(handler, _is_display):
            return original(event, args, state, control, **kwargs)

    handler.call_event = held
    try:
        yield
    finally:
        handler.call_event = original
    with _only(handler, lambda callback: not _is_display(callback)):
        handler.on_train_end(st_trainer.args, st_trainer.state, st_trainer.control)


def begin_without_body(st_trainer: Any) -> None:
    """Fire `on_train_begin` where the body is not tuned; what only concerns its optimizer and display stays silent."""
    handler = st_trainer.callback_handler
    with _only(handler, lambda callback: not _is_display(callback) and not _is_of_the_body(callback)):
        st_trainer.control = handler.on_train_begin(st_trainer.args, st_trainer.state, st_trainer.control)


@contextmanager
def _only(handler: Any, wanted: Callable[[Any], bool]) -> Iterator[None]:
    callbacks = handler.callbacks
    handler.callbacks = [callback for callback in callbacks if wanted(callback)]
    try:
        yield
    finally:
        handler.callbacks = callbacks


def _is_display(callback: Any) -> bool:
    # The notebook's display is known by name: importing it needs IPython.
    names = {kind.__name__ for kind in type(callback).__mro__}
    return isinstance(callback, ProgressCallback) or "NotebookProgressCallback" in names


def _is_of_the_body(callback: Any) -> bool:
    return type(callback).__module__.startswith("sentence_transformers.")


class TransformersBridge(HeadTrainingCallback):
    """Tells the callbacks of transformers of each epoch of the head, and stops when one of them asks to.

    Args:
        st_trainer: The trainer inside SetFit's, which has the callbacks and the log history.
        steps_per_epoch: Steps by which the global step grows with each epoch.
    """

    def __init__(self, st_trainer: Any, steps_per_epoch: int) -> None:
        self._trainer = st_trainer
        self._steps = steps_per_epoch
        self._first_epoch = 0.0
        self._first_step = 0

    def on_train_begin(self, head: nn.Module, state: HeadTrainingState) -> None:
        """Remember where the body's training ended."""
        # A body trained to its last step leaves the wish to stop behind.
        self._trainer.control.should_training_stop = False
        self._first_epoch = float(self._trainer.state.epoch or 0.0)
        self._first_step = int(self._trainer.state.global_step)

    def on_epoch_end(self, head: nn.Module, state: HeadTrainingState) -> bool:
        """Log the epoch's figures and pass the event on."""
        trainer = self._trainer
        entry = state.history[-1]
        trainer.state.epoch = self._first_epoch + entry["epoch"]
        trainer.state.global_step = self._first_step + entry["epoch"] * self._steps
        logs = {name: entry[key] for key, name in _LOGGED.items() if entry[key] is not None}
        logs["epoch"] = trainer.state.epoch
        trainer.state.log_history.append({**logs, "step": trainer.state.global_step})
        handler = trainer.callback_handler
        trainer.control = handler.on_log(trainer.args, trainer.state, trainer.control, logs)
        trainer.control = handler.on_epoch_end(trainer.args, trainer.state, trainer.control)
        # Evaluating and saving the body on request is not done while the head trains.
        trainer.control.should_evaluate = trainer.control.should_save = trainer.control.should_log = False
        return bool(trainer.control.should_training_stop)
