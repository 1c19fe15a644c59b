"""Heads of a study: trained once, kept in a folder, found again by a hash of what they were trained with."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from setfit_quantum.experiments.conditions import Condition
from setfit_quantum.experiments.result_file import ResultFile, hash_settings
from setfit_quantum.experiments.study_data import StudyData
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.training import HeadTrainingArguments, train_head

# What does not change a trained head.
_FREE_ARGUMENTS = ("checkpoint_dir", "save_every", "save_total_limit", "resume", "show_progress_bar", "log_every")


class TrainedHead:
    """One trained head, loaded or trained when its weights are first needed.

    Args:
        data: What it is trained on.
        condition: Noise and shots in training.
        seed: Seed of its weights, of the order of the texts, and of shots and noise.
        head_settings: Further arguments of `SetFitQuantumHead`.
        arguments: Training settings; their seed is replaced by `seed`.
        results: Where trainings are recorded.
        folder: Where heads are kept; None: they are not.
    """

    def __init__(
        self,
        data: StudyData,
        condition: Condition,
        seed: int,
        head_settings: Mapping[str, Any],
        arguments: HeadTrainingArguments,
        results: ResultFile,
        folder: Path | None,
    ) -> None:
        self._data, self._arguments, self._results = data, arguments.with_changes(seed=seed), results
        self._untrained = build_untrained_head(condition, seed, head_settings, int(data.train.targets.max()) + 1)
        training = self._arguments.to_dict()
        self.key = hash_settings(
            {
                "kind": "training",
                "head": self._untrained.config.to_dict(),
                "training": {name: value for name, value in training.items() if name not in _FREE_ARGUMENTS},
                "data": [data.train.fingerprint(), data.validation.fingerprint()],
            }
        )
        self._folder = None if folder is None else folder / self.key
        self._head: SetFitQuantumHead | None = None

    @property
    def record(self) -> dict[str, Any]:
        """Figures of the training."""
        found = self._results.get(self.key)
        if found is None:
            self._train()
            found = self._results.get(self.key)
            assert found is not None
        return found

    @property
    def head(self) -> SetFitQuantumHead:
        """The head with its weights."""
        if self._head is None:
            if self._results.get(self.key) is not None and self._folder is not None and self._folder.is_dir():
                self._head = SetFitQuantumHead.from_pretrained(self._folder)
            else:
                self._train()
        assert self._head is not None
        return self._head

    def _train(self) -> None:
        head, data, arguments = self._untrained, self._data, self._arguments
        if self._folder is not None:
            checkpoints = self._folder.with_name(f"{self.key}-checkpoints")
            arguments = arguments.with_changes(checkpoint_dir=checkpoints, resume="auto")
        started = time.perf_counter()
        with timed_steps(head) as times:
            result = train_head(
                head,
                data.train.embeddings,
                data.train.targets,
                arguments,
                eval_embeddings=data.validation.embeddings,
                eval_labels=data.validation.targets,
            )
        head.eval()
        self._head = head
        if self._folder is not None:
            # The record below says that the head is there, so the head comes first.
            head.save_pretrained(self._folder)
        if self._results.get(self.key) is None:
            self._results.add(
                self.key,
                {
                    "kind": "training",
                    "train": condition_of(head).name,
                    "seed": arguments.seed,
                    "seconds": round(time.perf_counter() - started, 3),
                    "ms_per_step": round(1e3 * statistics.median(times), 4) if times else None,
                    "epochs": result.epochs_run,
                    "best_epoch": result.best_epoch,
                    "validation_accuracy": result.best_metric,
                    "parameters": head.num_parameters(),
                },
            )
        if self._folder is not None:
            _remove_checkpoints(checkpoints)


def build_untrained_head(
    condition: Condition, seed: int, head_settings: Mapping[str, Any], n_classes: int
) -> SetFitQuantumHead:
    """A head that trains under `condition`.

    Under shots it compares its epochs by Gaussian shots, where a device's every shot would make validation take some
    ten times as long as training.

    Raises:
        TypeError, ValueError: Settings that a head does not take.
    """
    if "noise" in head_settings or "shots" in head_settings:
        raise ValueError("Argument `head_settings` must not set noise and shots, which the conditions give.")
    settings = {"out_features": n_classes, "sampler": None if condition.shots is None else "gaussian"}
    return SetFitQuantumHead(
        **(settings | dict(head_settings) | {"noise": condition.noise, "shots": condition.shots, "seed": seed})
    )


def condition_of(head: SetFitQuantumHead) -> Condition:
    """Noise and shots that a head is set to."""
    return Condition(head.noise, head.shots)


def measured_under(head: SetFitQuantumHead, condition: Condition, seed: int) -> SetFitQuantumHead:
    """A copy of a head that is measured as a device does under `condition`, with draws that `seed` fixes."""
    copy = SetFitQuantumHead.from_config(
        head.config, noise=condition.noise, shots=condition.shots, sampler=None, seed=seed, device=head.device
    )
    copy.load_state_dict(head.state_dict())
    return copy.eval()


@contextmanager
def timed_steps(head: torch.nn.Module) -> Iterator[list[float]]:
    """Collect the seconds of training steps: from one forward pass to the next, without what validation takes."""
    times: list[float] = []
    last: float | None = None

    def note_time(module: torch.nn.Module, _: Any) -> None:
        nonlocal last
        now = time.perf_counter()
        if last is not None and module.training:
            times.append(now - last)
        last = now if module.training else None

    hook = head.register_forward_pre_hook(note_time)
    try:
        yield times
    finally:
        hook.remove()


def _remove_checkpoints(folder: Path) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
