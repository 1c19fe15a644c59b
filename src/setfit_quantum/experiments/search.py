"""A search for good settings with Optuna, kept in a journal, so that a killed search goes on where it was."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from setfit_quantum.checks import check_float, check_int
from setfit_quantum.experiments.result_file import hash_settings
from setfit_quantum.experiments.search_space import Factor
from setfit_quantum.serialization.locks import FolderLock
from setfit_quantum.training.callbacks import HeadTrainingCallback, HeadTrainingState
from setfit_quantum.training.result import HeadTrainingResult

JOURNAL = "search.journal"
STARTUP_TRIALS = 10
"""Trials with random settings, before their results guide the search."""
PRUNED_AGAINST = 5
"""Trials that ran to their end before others are stopped early."""
PRUNED_AFTER = 0.25
"""Share of its epochs that every trial gets: small learning rates begin slowly."""
COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"

_STUDY = "setfit-quantum"
_MAX_MESSAGE = 300


class OtherSearchError(ValueError):
    """A journal is of another search (other data, body, fixed settings, space or seed), or another process uses it."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Args:
        number: Counted from 0, without those that a kill cut off.
        settings: By the names of the space.
        state: `"complete"`, `"pruned"` (stopped early, since others were better by then) or `"failed"`.
        accuracy: On the validation data, of the best epoch; None for a failed one.
        loss: Validation loss of that epoch.
        details: `best_epoch`, `epochs`, `parameters`, `seconds`.
        error: Why it failed.
    """

    number: int
    settings: Mapping[str, Any]
    state: str
    accuracy: float | None = None
    loss: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


Train = Callable[[Mapping[str, Any], Sequence[HeadTrainingCallback]], tuple[nn.Module, HeadTrainingResult]]
"""Trains a head with the settings of a trial, given to it with callbacks."""
OnTrial = Callable[[Trial, int, int], object]
"""Called after each trial with it, the number of trials so far and that of all."""


def import_optuna() -> Any:
    """Optuna, imported when it is needed.

    Raises:
        ImportError: With the command that installs it.
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError('Searching needs Optuna: pip install "setfit-quantum[search]"') from error
    return optuna


def run_search(
    train: Train,
    space: Sequence[Factor],
    *,
    n_trials: int,
    seed: int = 0,
    timeout: float | None = None,
    prune: bool = True,
    folder: Path | None = None,
    problem: Mapping[str, Any] | None = None,
    on_trial: OnTrial | None = None,
) -> list[Trial]:
    """Try settings: ten at random, then those that a tree of Parzen estimators proposes.

    A trial depends on the seed and on the trials before it alone, so that a search that was killed and went on ends
    as one that was not.

    Args:
        train: Trains and validates a head. It sees no test data.
        space: What is varied.
        n_trials: Trials in all, those found in the folder included.
        seed: Of the proposals.
        timeout: Seconds after which no further trial begins; None: none.
        prune: Whether trials are stopped early that are worse, epoch by epoch, than the median of others.
        folder: Where the journal is kept, and found again; None: nowhere.
        problem: What decides results besides the space and the seed; a journal is only gone on with for the same.
        on_trial: See `OnTrial`; not called for trials that were found.

    Returns:
        All trials, in their order.

    Raises:
        ImportError: Optuna is not installed.
        OtherSearchError: The folder holds another search.
        TypeError, ValueError: Naming the argument.
    """
    check_int("n_trials", n_trials, minimum=1)
    check_int("seed", seed, minimum=0)
    until = math.inf if timeout is None else time.monotonic() + check_float("timeout", timeout, minimum=0.0)
    optuna = import_optuna()
    key = hash_settings(
        {"space": {factor.name: factor.to_json() for factor in space}, "seed": seed, "prune": prune}
        | {"problem": dict(problem or {})}
    )
    with _quiet(optuna), _alone(folder):
        study = _open_study(optuna, folder, key, prune)
        trials = _finished(study)
        while len(trials) < n_trials and time.monotonic() < until:
            study.sampler = optuna.samplers.TPESampler(seed=_mix(seed, len(trials)), n_startup_trials=STARTUP_TRIALS)
            _try_settings(optuna, study, train, space)
            trials = _finished(study)
            if on_trial is not None:
                on_trial(trials[-1], len(trials), n_trials)
    return trials


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The greatest accuracy, among equals the smallest loss, among those the first; None if none is complete."""
    complete = [trial for trial in trials if trial.state == COMPLETE]
    return max(complete, key=lambda trial: (trial.accuracy, -_known(trial.loss)), default=None)


def _known(loss: float | None) -> float:
    return math.inf if loss is None else loss


def _try_settings(optuna: Any, study: Any, train: Train, space: Sequence[Factor]) -> None:
    trial = study.ask()
    settings = {factor.name: factor.suggest(trial) for factor in space}
    watch = _Watch(trial)
    started = time.perf_counter()
    try:
        head, result = train(settings, [watch])
    except Exception as error:
        trial.set_user_attr("error", f"{type(error).__name__}: {error}"[:_MAX_MESSAGE])
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    best = result.best_epoch
    if best is None or result.best_metric is None:
        raise ValueError("Argument `train` must validate the head, but its result has no best epoch.")
    if not math.isfinite(result.best_metric):
        raise ValueError(f"Argument `train` must give a finite metric, but its result has {result.best_metric}.")
    loss = float(result.history[best - 1]["eval_loss"])
    count: Any = getattr(head, "num_parameters", None)
    details = {
        "best_epoch": best,
        "epochs": result.epochs_run,
        "parameters": None if count is None else count(),
        "seconds": round(time.perf_counter() - started, 3),
    }
    trial.set_user_attr("loss", loss if math.isfinite(loss) else None)
    trial.set_user_attr("details", details)
    if watch.pruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, float(result.best_metric))


class _Watch(HeadTrainingCallback):
    """Reports the best accuracy so far after each epoch, and stops a trial that is not worth its time."""

    def __init__(self, trial: Any) -> None:
        self._trial = trial
        self.pruned = False

    def on_epoch_end(self, head: nn.Module, state: HeadTrainingState) -> bool | None:
        if state.best_metric is None or state.epoch == state.num_epochs:
            return None
        self._trial.report(float(state.best_metric), state.epoch)
        if state.epoch < PRUNED_AFTER * state.num_epochs:
            return None
        self.pruned = bool(self._trial.should_prune())
        return self.pruned


def _open_study(optuna: Any, folder: Path | None, key: str, prune: bool) -> Any:
    storage = None
    if folder is not None:
        path = folder / JOURNAL
        _drop_torn_line(path)
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    pruner = optuna.pruners.MedianPruner(n_startup_trials=PRUNED_AGAINST) if prune else optuna.pruners.NopPruner()
    study = optuna.create_study(
        storage=storage, study_name=_STUDY, direction="maximize", pruner=pruner, load_if_exists=True
    )
    found = study.user_attrs.get("search")
    if found is None:
        study.set_user_attr("search", key)
    elif found != key:
        raise OtherSearchError(
            f"Folder {str(folder)!r} holds a search with other data, settings, space or seed; use another folder, or "
            "remove it."
        )
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # a kill cut it off
    return study


def _drop_torn_line(path: Path) -> None:
    """A last line without its end is of a search that was killed while it wrote."""
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)


def _finished(study: Any) -> list[Trial]:
    """The trials that ended by themselves."""
    found: list[Trial] = []
    for trial in study.get_trials(deepcopy=False):
        attributes = trial.user_attrs
        if trial.state.name == "FAIL" and "error" not in attributes:
            continue
        failed = trial.state.name == "FAIL"
        found.append(
            Trial(
                number=len(found),
                settings=dict(trial.params),
                state=FAILED if failed else PRUNED if trial.state.name == "PRUNED" else COMPLETE,
                accuracy=None if failed else float(trial.value),
                loss=attributes.get("loss"),
                details=attributes.get("details", {}),
                error=attributes.get("error"),
            )
        )
    return found


def _mix(seed: int, number: int) -> int:
    return int(hash_settings({"seed": seed, "trial": number})[:8], 16)


@contextmanager
def _alone(folder: Path | None) -> Iterator[None]:
    """Refuse a folder in which another process searches: each would take the other's trials for killed ones."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(folder)
    try:
        if not lock.take(exclusive=True, wait=False):
            raise OtherSearchError(f"Another process searches in folder {str(folder)!r}.")
        yield
    finally:
        lock.close()


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Optuna's own log lines would repeat what callers tell."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
