"""Complete states of a training: taken after every epoch, written now and then, and gone on from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from setfit_quantum.training.arguments import HeadTrainingArguments
from setfit_quantum.training.checkpoint import CheckpointError, CheckpointStore, clone_tree, read_checkpoint
from setfit_quantum.training.data import device_of
from setfit_quantum.training.fingerprint import data_rounded_differently, differences
from setfit_quantum.training.randomness import random_states, set_random_states

logger = logging.getLogger(__name__)


class Snapshots:
    """The state after the last complete epoch, in memory: what an interruption falls back to and writes.

    Args:
        head: The head being trained.
        optimizer: Its optimizer.
        order: The generator of the samples' order.
    """

    def __init__(self, head: nn.Module, optimizer: torch.optim.Optimizer, order: torch.Generator) -> None:
        self._head = head
        self._optimizer = optimizer
        self._order = order
        self.latest: dict[str, Any] = {}

    def weights(self) -> dict[str, Any]:
        """A copy of the head's weights."""
        weights: dict[str, Any] = clone_tree(dict(self._head.state_dict()))
        return weights

    def take(self, progress: dict[str, Any], best_weights: dict[str, Any] | None) -> None:
        """Remember everything that the rest of the training depends on."""
        snapshot = {
            "progress": progress,
            "weights": self.weights(),
            "best weights": best_weights,
            "optimizer": clone_tree(self._optimizer.state_dict()),
            "random": random_states(self._head, self._order, device_of(self._head)),
        }
        # One assignment, so that an interruption finds either this state or the one before.
        self.latest = snapshot

    def restore(self, *, best: bool) -> None:
        """Put the head back to the remembered state, or to the best weights so far where there are any."""
        weights = self.latest["best weights"] if best else None
        self._head.load_state_dict(self.latest["weights"] if weights is None else weights)
        set_random_states(self.latest["random"], self._head, self._order, device_of(self._head))

    def load(self, tree: dict[str, Any]) -> None:
        """Make a checkpoint's state the present one."""
        # A copy: the optimizer keeps the tensors it is given and changes them in place.
        self._optimizer.load_state_dict(clone_tree(tree["optimizer"]))
        self.latest = tree
        self.restore(best=False)


class Checkpoints:
    """Reads and writes the checkpoints of one training.

    Args:
        arguments: Where to, and whether to resume.
        fingerprint: What a checkpoint must have in common with this training.
    """

    def __init__(self, arguments: HeadTrainingArguments, fingerprint: dict[str, Any]) -> None:
        self._arguments = arguments
        self._fingerprint = fingerprint
        directory = arguments.checkpoint_dir
        self._store = None if directory is None else CheckpointStore(directory, arguments.save_total_limit)
        self._saved_epoch: int | None = None
        self._fresh = True

    def save(self, snapshot: dict[str, Any]) -> Path | None:
        """Write `snapshot` unless it is on disk already; returns its path, or None without a folder or an epoch."""
        epoch = snapshot["progress"]["epoch"]
        if self._store is None or epoch == 0:
            return None
        if epoch == self._saved_epoch:
            return self._store.path_of(epoch)
        if self._fresh:
            # Starting over: later epochs of the former training must not look newer than this one's.
            self._store.clear()
            self._fresh = False
        path = self._store.save(epoch, {"fingerprint": self._fingerprint, **snapshot})
        self._saved_epoch = epoch
        return path

    def load(self) -> tuple[Path, dict[str, Any]] | None:
        """The checkpoint to go on from, as the `resume` argument says.

        Raises:
            CheckpointError: There is none where there must be one, it is damaged, or it is of another training.
        """
        found = self._find()
        if found is None:
            return None
        path, tree = found
        self._check(path, tree)
        in_store = self._store is not None and path.parent.resolve() == self._store.directory.resolve()
        self._fresh = not in_store
        if in_store:
            self._saved_epoch = tree["progress"]["epoch"]
        logger.info("Going on after epoch %d from %s", tree["progress"]["epoch"], path)
        return path, tree

    def _find(self) -> tuple[Path, dict[str, Any]] | None:
        resume = self._arguments.resume
        if resume is False or (resume == "auto" and self._store is None):
            return None
        if isinstance(resume, bool | str) and resume in (True, "auto"):
            assert self._store is not None
            found = self._store.load_newest()
            place = self._store.directory
        else:
            place = Path(str(resume))
            found = (place, read_checkpoint(place)) if place.is_file() else CheckpointStore(place).load_newest()
        if found is None and resume != "auto":
            raise CheckpointError(f"Argument `resume={resume!r}` needs a checkpoint in {place}, but there is none.")
        return found

    def _check(self, path: Path, tree: dict[str, Any]) -> None:
        lines = differences(tree["fingerprint"], self._fingerprint)
        if lines:
            raise CheckpointError(
                f"The checkpoint {path} is of another training: {'; '.join(lines)}. Train with what it was made "
                "with to go on, pass resume=False to start over, or give another checkpoint_dir."
            )
        epoch = tree["progress"]["epoch"]
        if epoch > self._arguments.num_epochs:
            raise CheckpointError(
                f"The checkpoint {path} is of epoch {epoch}, but num_epochs is {self._arguments.num_epochs}; give at "
                "least as many, or pass resume=False to start over."
            )
        if data_rounded_differently(tree["fingerprint"], self._fingerprint):
            logger.warning(
                "The embeddings differ from those of %s by rounding: the result may differ in its last digits from "
                "that of an uninterrupted training.",
                path,
            )
