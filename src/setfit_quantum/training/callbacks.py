"""What a caller may watch while a head trains, and how to stop it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from setfit_quantum.training.arguments import HeadTrainingArguments


@dataclass
class HeadTrainingState:
    """Where head training stands; callbacks read it and may set `should_stop`.

    Args:
        arguments: The settings of this training.
        num_epochs: Epochs asked for.
        epoch: Epochs finished, those before a resume included.
        history: One entry per finished epoch (see `HeadTrainingResult`).
        best_epoch: Best epoch so far by the validation metric, or None without validation data.
        best_metric: Its metric.
        label_names: Names of the classes, or None where labels are numbers.
        should_stop: Set it to True to stop after this epoch.
    """

    arguments: HeadTrainingArguments
    num_epochs: int
    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    best_metric: float | None = None
    label_names: list[str] | None = None
    should_stop: bool = False


class HeadTrainingCallback:
    """Base class of callbacks. Override what you need; returning True from `on_epoch_end` stops the training.

    An epoch is complete, and its checkpoint state taken, before `on_epoch_end` is called: a callback watches and
    does not change the head's weights.
    """

    def on_train_begin(self, head: nn.Module, state: HeadTrainingState) -> None:
        """Called once, before the first step (after a resume: with the history so far)."""

    def on_epoch_end(self, head: nn.Module, state: HeadTrainingState) -> bool | None:
        """Called after each epoch, evaluated and recorded; return True (or set `state.should_stop`) to stop."""
        return None

    def on_train_end(self, head: nn.Module, state: HeadTrainingState) -> None:
        """Called once, when the head holds its final weights."""


_METHODS = ("on_train_begin", "on_epoch_end", "on_train_end")


class CallbackList:
    """Calls several callbacks in their order; an object may have any of the three methods."""

    def __init__(self, callbacks: Iterable[Any]) -> None:
        self._callbacks = list(callbacks)
        for callback in self._callbacks:
            if isinstance(callback, type) or not any(callable(getattr(callback, name, None)) for name in _METHODS):
                raise TypeError(
                    "Argument `callbacks` must hold instances of HeadTrainingCallback (or objects with "
                    f"{', '.join(_METHODS)}), but got {callback!r}."
                )

    def call(self, method: str, head: nn.Module, state: HeadTrainingState) -> None:
        """Call `method` of every callback that has it."""
        for callback in self._callbacks:
            function = getattr(callback, method, None)
            if function is not None and function(head, state) is True and method == "on_epoch_end":
                state.should_stop = True
