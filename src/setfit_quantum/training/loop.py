"""`train_head`: the one training loop behind `SetFitModel.fit`, `Trainer` and `QuantumHeadClassifier`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from torch import nn
from tqdm.auto import tqdm

from setfit_quantum.backends.cores import torch_on_one_core
from setfit_quantum.training.arguments import HeadTrainingArguments
from setfit_quantum.training.calibrating import calibrate_head, check_calibratable, reset_temperature
from setfit_quantum.training.callbacks import CallbackList, HeadTrainingState
from setfit_quantum.training.data import TrainingData, device_of, prepare_training_data
from setfit_quantum.training.epoch import EpochRunner, evaluate
from setfit_quantum.training.final_layer import fit_final_layer, resolve_final_layer
from setfit_quantum.training.fingerprint import fingerprint
from setfit_quantum.training.losses import build_criterion, resolve_class_weights
from setfit_quantum.training.metrics import build_metric
from setfit_quantum.training.optimizers import EpochRates, build_optimizer
from setfit_quantum.training.randomness import own_randomness
from setfit_quantum.training.result import HeadTrainingResult, TrainingInterrupted
from setfit_quantum.training.resume import Checkpoints, Snapshots
from setfit_quantum.training.selection import ModelSelection

logger = logging.getLogger(__name__)

_SMALL_STEP = 2**24
"""Multiplications of a step below which a second core costs more than it saves."""


def train_head(
    head: nn.Module,
    embeddings: Any,
    labels: Any,
    arguments: HeadTrainingArguments | None = None,
    *,
    eval_embeddings: Any = None,
    eval_labels: Any = None,
    label_names: Sequence[str] | None = None,
    callbacks: Iterable[Any] = (),
) -> HeadTrainingResult:
    """Train a head on cached embeddings, in place.

    The head ends with the weights of its best epoch where there is validation data (see
    `HeadTrainingArguments.select_best`), else with those of the last one, in the mode (train or eval) it came in.
    Torch's global random generators are left as they were.

    Args:
        head: Any module whose `forward(x)` returns `(logits, probs)` and which has `get_loss_fn()`.
        embeddings: Tensor or array of shape (n, d).
        labels: One per row: class numbers, strings, bools; or 0/1 rows for a head with `multitarget`.
        arguments: Settings; the defaults where None.
        eval_embeddings: Validation embeddings of shape (m, d).
        eval_labels: Their labels.
        label_names: Names of the classes by number; None: the sorted distinct strings, or no names.
        callbacks: Instances of `HeadTrainingCallback`.

    Returns:
        The history and the figures of the best epoch.

    Raises:
        TypeError, ValueError: Data or settings that cannot be trained on, found before the first step.
        CheckpointError: A checkpoint to resume from is damaged or of another training.
        TrainingDivergedError: The loss or the weights became NaN or infinite.
        TrainingInterrupted: Ctrl-C; a `KeyboardInterrupt` that says what was saved.
    """
    arguments = HeadTrainingArguments() if arguments is None else arguments
    callback_list = CallbackList(callbacks)
    if arguments.calibrate:
        check_calibratable(head)
    arguments = arguments.with_changes(final_layer=resolve_final_layer(head, arguments.final_layer))
    if arguments.device is not None:
        head.to(arguments.device)
    with own_randomness(device_of(head), arguments.seed):
        data = prepare_training_data(
            head,
            embeddings,
            labels,
            arguments,
            eval_embeddings=eval_embeddings,
            eval_labels=eval_labels,
            label_names=label_names,
        )
        if arguments.calibrate:
            reset_temperature(head)
        fix_outputs: Any = getattr(head, "fix_out_features", None)
        if fix_outputs is not None:
            fix_outputs()
        fit_preprocessing: Any = getattr(head, "fit_preprocessing", None)
        if fit_preprocessing is not None:
            fit_preprocessing(data.train.embeddings.to(device_of(head)))
        arguments = _with_enough_epochs(arguments, len(data.train))
        with _cores_for(head, arguments.batch_size):
            return _Run(head, data, arguments, callback_list).run()


def _with_enough_epochs(arguments: HeadTrainingArguments, n_samples: int) -> HeadTrainingArguments:
    """The settings with as many epochs as `min_steps` asks for."""
    if arguments.min_steps is None:
        return arguments
    steps = -(-n_samples // arguments.batch_size)
    return arguments.with_changes(num_epochs=max(arguments.num_epochs, -(-arguments.min_steps // steps)))


def _cores_for(head: Any, batch_size: int) -> AbstractContextManager[None]:
    """PyTorch on one core where its own part of a step is small; only heads that compute in PyTorch may need more."""
    if device_of(head).type != "cpu":
        return nullcontext()
    if hasattr(head, "backend"):
        small = head.backend.name == "numba"
    else:
        small = sum(parameter.numel() for parameter in head.parameters()) * batch_size < _SMALL_STEP
    return torch_on_one_core() if small else nullcontext()


class _Run:
    """One training: what changes from epoch to epoch, and the order in which it does."""

    def __init__(
        self, head: nn.Module, data: TrainingData, arguments: HeadTrainingArguments, callbacks: CallbackList
    ) -> None:
        device = device_of(head)
        weights = resolve_class_weights(
            arguments.class_weights, data.train.targets, n_outputs=data.n_outputs, names=data.names
        )
        self.head = head
        self.class_weights = weights
        self.arguments = arguments
        self.callbacks = callbacks
        self.validation = None if data.validation is None else data.validation.to(device)
        self.criterion = build_criterion(
            head,
            weights=None if weights is None else weights.to(device),
            label_smoothing=arguments.label_smoothing,
            multitarget=data.multitarget,
        )
        self.metric = build_metric(arguments.metric, multitarget=data.multitarget, n_classes=data.n_classes)
        optimizer = build_optimizer(head, arguments)
        self.rates = EpochRates(optimizer, arguments)
        self.epochs = EpochRunner(head, data.train.to(device), optimizer, self.criterion, self.metric, arguments)
        self.selection = ModelSelection()
        self.best_weights: dict[str, Any] | None = None
        self.state = HeadTrainingState(arguments, arguments.num_epochs, label_names=data.names)
        self.earlier_seconds = 0.0
        self.started = time.perf_counter()
        self.snapshots = Snapshots(head, optimizer, self.epochs.generator)
        self.checkpoints = Checkpoints(
            arguments,
            fingerprint(head, data.train, data.validation, data.names, arguments) if arguments.uses_checkpoints else {},
        )

    def run(self) -> HeadTrainingResult:
        was_training = self.head.training
        resumed_from = self._resume()
        try:
            self._train()
            final_metric = self._fit_final_layer()
        except KeyboardInterrupt as interrupt:
            self.snapshots.restore(best=True)
            raise TrainingInterrupted(
                self.snapshots.latest["progress"]["epoch"],
                self.arguments.num_epochs,
                self.checkpoints.save(self.snapshots.latest),
            ) from interrupt
        except BaseException:
            # Nobody is left with a half-made step, whatever went wrong, and the last good state is on disk.
            self.snapshots.restore(best=True)
            self.checkpoints.save(self.snapshots.latest)
            raise
        finally:
            self.head.train(was_training)
        temperature = None
        if self.arguments.calibrate and self.validation is not None:
            temperature = calibrate_head(self.head, self.validation)
        self.callbacks.call("on_train_end", self.head, self.state)
        return HeadTrainingResult(
            history=self.state.history,
            best_epoch=self.selection.best_epoch,
            best_metric=self.selection.best_metric if final_metric is None else final_metric,
            label_names=self.state.label_names,
            epochs_run=self.state.epoch,
            stopped_early=self.selection.exhausted(self.arguments),
            seconds=self._seconds(),
            resumed_from=resumed_from,
            final_layer=str(self.arguments.final_layer),
            temperature=temperature,
        )

    def _fit_final_layer(self) -> float | None:
        """The last layer in closed form where asked; the validation metric since, or None."""
        if self.arguments.final_layer == "trained":
            return None
        fit_final_layer(self.head, self.epochs.data, self.class_weights)
        return None if self.validation is None else evaluate(self.head, self.validation, self.criterion, self.metric)[1]

    def _resume(self) -> Path | None:
        found = self.checkpoints.load()
        if found is None:
            self._take_snapshot()
            return None
        path, tree = found
        self.snapshots.load(tree)
        progress = tree["progress"]
        self.selection = ModelSelection(**progress["selection"])
        self.best_weights = tree["best weights"]
        self.earlier_seconds = progress["seconds"]
        self.state.epoch = progress["epoch"]
        self.state.history = list(progress["history"])
        self.state.best_epoch, self.state.best_metric = self.selection.best_epoch, self.selection.best_metric
        return path

    def _train(self) -> None:
        arguments, state = self.arguments, self.state
        self.callbacks.call("on_train_begin", self.head, state)
        steps = self.epochs.steps
        with tqdm(
            total=arguments.num_epochs * steps,
            initial=state.epoch * steps,
            desc="Training head",
            unit="step",
            disable=not arguments.show_progress_bar,
        ) as bar:
            while self._goes_on():
                entry = self._run_epoch(bar)
                self._take_snapshot()
                if state.epoch % arguments.save_every == 0:
                    self.checkpoints.save(self.snapshots.latest)
                self._report(bar, entry)
                self.callbacks.call("on_epoch_end", self.head, state)
        self.checkpoints.save(self.snapshots.latest)
        if self.best_weights is not None:
            self.head.load_state_dict(self.best_weights)

    def _goes_on(self) -> bool:
        unfinished = self.state.epoch < self.arguments.num_epochs
        return unfinished and not self.state.should_stop and not self.selection.exhausted(self.arguments)

    def _run_epoch(self, bar: tqdm) -> dict[str, Any]:
        state, arguments = self.state, self.arguments
        started = time.perf_counter()
        number = state.epoch + 1
        rate = self.rates.set_epoch(state.epoch)
        train_loss, train_metric = self.epochs.run(number, bar.update)
        eval_loss = eval_metric = None
        due = number % arguments.eval_every == 0 or number == arguments.num_epochs
        if self.validation is not None and due:
            eval_loss, eval_metric = evaluate(self.head, self.validation, self.criterion, self.metric)
            is_best = self.selection.update(number, eval_metric, eval_loss, arguments)
            if is_best and arguments.select_best is not False:
                self.best_weights = self.snapshots.weights()
        entry = {
            "epoch": number,
            "learning_rate": rate,
            "train_loss": train_loss,
            "train_metric": train_metric,
            "eval_loss": eval_loss,
            "eval_metric": eval_metric,
            "seconds": time.perf_counter() - started,
        }
        state.history.append(entry)
        state.epoch = number
        state.best_epoch, state.best_metric = self.selection.best_epoch, self.selection.best_metric
        return entry

    def _take_snapshot(self) -> None:
        progress = {
            "epoch": self.state.epoch,
            "history": list(self.state.history),
            "selection": self.selection.to_dict(),
            "seconds": self._seconds(),
        }
        self.snapshots.take(progress, self.best_weights)

    def _seconds(self) -> float:
        return self.earlier_seconds + time.perf_counter() - self.started

    def _report(self, bar: tqdm, entry: dict[str, Any]) -> None:
        shown = {"loss": entry["train_loss"], "eval_loss": entry["eval_loss"], "eval_metric": entry["eval_metric"]}
        figures = {name: f"{value:.4f}" for name, value in shown.items() if value is not None}
        bar.set_postfix({"epoch": f"{entry['epoch']}/{self.arguments.num_epochs}"} | figures, refresh=False)
        every = self.arguments.log_every
        if every is not None and entry["epoch"] % every == 0:
            text = ", ".join(f"{name} {value}" for name, value in figures.items())
            logger.info("epoch %d of %d: %s", entry["epoch"], self.arguments.num_epochs, text)
