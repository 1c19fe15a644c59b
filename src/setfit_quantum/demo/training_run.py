"""One visitor's training: in a thread of its own, watched epoch by epoch, stopped by its visitor or by the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from setfit_quantum.data import Examples, stratified_split
from setfit_quantum.demo.engine import DemoModel, Engine
from setfit_quantum.demo.limits import (
    MAX_ENCODERS,
    MAX_EPOCHS,
    MAX_QUBITS,
    MAX_TRAINING_SECONDS,
    MIN_QUBITS,
    RequestError,
    check_whole,
)
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingCallback, train_head

HELD_OUT = 0.25
"""Share of the examples that is held out, where every label has enough of them."""
BATCH_SIZE = 8
_TO_TRY = 5
"""Sentences that a trained model is tried with."""
_SHORT = 80
"""Characters of such a sentence at most."""


@dataclass(frozen=True)
class TrainingRequest:
    """What a visitor asks for.

    Raises:
        RequestError: A number that is not allowed.
    """

    examples: Examples
    n_qubits: int = 8
    n_encoders: int = 2
    n_epochs: int = 100

    def __post_init__(self) -> None:
        limits = {
            "n_qubits": ("The number of qubits", MIN_QUBITS, MAX_QUBITS),
            "n_encoders": ("The number of encoders", 1, MAX_ENCODERS),
            "n_epochs": ("The number of epochs", 1, MAX_EPOCHS),
        }
        for name, limit in limits.items():
            object.__setattr__(self, name, check_whole(limit[0], getattr(self, name), *limit[1:]))


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished (or stopped) training.

    Args:
        model: The model.
        history: One entry per epoch, see `HeadTrainingResult`.
        n_train: Examples trained on.
        n_held_out: Examples held out; 0 where there were too few.
        seconds: Seconds of head training.
        ended: `"finished"`, `"stopped"` or `"out of time"`.
        accuracy: Held-out accuracy of the quantum head, or None.
        classical_accuracy: That of logistic regression, or None.
        to_try: A few sentences to ask the model, held-out ones if there are any.
    """

    model: DemoModel
    history: list[dict[str, Any]]
    n_train: int
    n_held_out: int
    seconds: float
    ended: str
    accuracy: float | None
    classical_accuracy: float | None
    to_try: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """The figures, JSON-ready."""
        config = self.model.head.config
        return {
            "labels": list(self.model.labels),
            "n_qubits": config.n_qubits,
            "n_encoders": config.n_encoders,
            "parameters": self.model.head.num_parameters(),
            "epochs": len(self.history),
            "ended": self.ended,
            "seconds": round(self.seconds, 3),
            "n_train": self.n_train,
            "n_held_out": self.n_held_out,
            "held_out_accuracy": self.accuracy,
            "classical_held_out_accuracy": self.classical_accuracy,
            "history": list_epochs(self.history),
        }


def own_model(state: Trained | None) -> DemoModel:
    """The model that a session has trained.

    Raises:
        RequestError: It has none.
    """
    if state is None:
        raise RequestError("This session has no trained model (or no longer: it is kept for an hour). Train one first.")
    return state.model


def list_epochs(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Loss and accuracy of each epoch, JSON-ready."""
    names = ("epoch", "train_loss", "train_metric", "eval_loss", "eval_metric")
    return [{name: entry[name] for name in names} for entry in history]


@dataclass(eq=False)
class TrainingRun:
    """A training that runs while its visitor watches.

    Args:
        engine: Embeds the texts.
        request: What to train.
        time_limit: Seconds after which the training ends with what it has.

    Raises:
        RequestError: By `result`: it ended before the first epoch.
    """

    engine: Engine
    request: TrainingRequest
    time_limit: float = MAX_TRAINING_SECONDS
    history: list[dict[str, Any]] = field(default_factory=list)
    trained: Trained | None = None
    error: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _ended: str = "finished"
    _deadline: float = 0.0

    def start(self) -> TrainingRun:
        """Begin; returns at once."""
        self._deadline = time.monotonic() + self.time_limit
        self._thread = threading.Thread(target=self._work, name="demo-training", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End after the current epoch, with the model as it is then."""
        self._stop.set()

    def watch(self, every: float = 0.25) -> Iterator[list[dict[str, Any]]]:
        """The history so far, whenever there is more of it, until the training has ended.

        The training is stopped if nobody watches any longer.
        """
        seen = -1
        try:
            while self._thread.is_alive():
                self._thread.join(every)
                if len(self.history) > seen:
                    seen = len(self.history)
                    yield list(self.history)
        finally:
            self.stop()

    def result(self) -> Trained:
        """The outcome, once `watch` has ended; what went wrong is raised here."""
        self._thread.join()
        if self.error is not None:
            raise self.error
        assert self.trained is not None
        return self.trained

    def _work(self) -> None:
        try:
            self.trained = self._train()
        except BaseException as error:  # handed to whoever asks for the result
            self.error = error

    def _train(self) -> Trained:
        request = self.request
        examples = request.examples
        labels = examples.classes
        embeddings = self.engine.embed(examples.texts, self._check_before_learning)
        targets = examples.indicators(labels).argmax(axis=1)
        kept, held = self._split(targets)
        head = SetFitQuantumHead(n_qubits=request.n_qubits, n_encoders=request.n_encoders, seed=0)
        arguments = HeadTrainingArguments(
            num_epochs=request.n_epochs,
            batch_size=BATCH_SIZE,
            # The best of many epochs on a handful of held-out examples would be chosen by chance, and flatter the head.
            select_best=False,
            seed=0,
            show_progress_bar=False,
        )
        result = train_head(
            head,
            embeddings[kept],
            targets[kept],
            arguments,
            eval_embeddings=embeddings[held] if len(held) else None,
            eval_labels=targets[held] if len(held) else None,
            label_names=labels,
            callbacks=[_Watcher(self)],
        )
        head.eval()
        classical = self.engine.fit_classical(embeddings[kept], targets[kept])
        about = f"Trained here on {len(kept)} examples, {len(result.history)} epochs."
        rival = float((classical.predict(embeddings[held].numpy()) == targets[held]).mean()) if len(held) else None
        return Trained(
            model=DemoModel("Yours", head, tuple(labels), classical, about),
            history=result.history,
            n_train=len(kept),
            n_held_out=len(held),
            seconds=result.seconds,
            ended=self._ended,
            accuracy=result.history[-1]["eval_metric"],
            classical_accuracy=rival,
            to_try=_choose(examples, held if len(held) else kept),
        )

    def _check_before_learning(self) -> None:
        if self._stop.is_set():
            raise RequestError("Stopped before the first epoch: nothing was learned.")
        if time.monotonic() > self._deadline:
            raise RequestError(
                f"Reading the examples took more than {self.time_limit:g} seconds. Try fewer or shorter ones."
            )

    def _split(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on and rows to hold out: none of these unless every label has four examples."""
        if np.bincount(targets).min() < 4:
            return np.arange(len(targets)), np.arange(0)
        return stratified_split(targets.tolist(), HELD_OUT, seed=0)


def _choose(examples: Examples, rows: np.ndarray) -> tuple[str, ...]:
    """Short sentences among these rows, of as many labels as can be."""
    seen: dict[Any, int] = {}
    ranked = []
    for row in rows.tolist():
        label = examples.labels[row]
        ranked.append((len(examples.texts[row]) > _SHORT, seen.setdefault(label, 0), row))
        seen[label] += 1
    # At least one, however long it is.
    chosen = [row for place, (long, _, row) in enumerate(sorted(ranked)[:_TO_TRY]) if place == 0 or not long]
    return tuple(examples.texts[row] for row in chosen)


class _Watcher(HeadTrainingCallback):
    """Hands on each epoch, and ends the training when it is time."""

    def __init__(self, run: TrainingRun) -> None:
        self._run = run

    def on_epoch_end(self, head: Any, state: Any) -> bool:
        run = self._run
        run.history.append(state.history[-1])
        if state.epoch == state.num_epochs:
            return False
        if run._stop.is_set():
            run._ended = "stopped"
        elif time.monotonic() > run._deadline:
            run._ended = "out of time"
        else:
            return False
        return True
