"""Embeddings and labels of a study, and the texts of its test set that are measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.checks import check_int


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Embeddings and class numbers.

    Args:
        embeddings: Shape (n, d), float32.
        targets: Shape (n,).

    Raises:
        ValueError: Other shapes, or nothing in them.
    """

    embeddings: NDArray[np.float32]
    targets: NDArray[np.int64]

    def __post_init__(self) -> None:
        embeddings = np.ascontiguousarray(self.embeddings, dtype=np.float32)
        targets = np.asarray(self.targets, dtype=np.int64)
        if embeddings.ndim != 2 or not len(embeddings) or targets.shape != embeddings.shape[:1]:
            raise ValueError(
                "Arguments `embeddings` and `targets` must have shapes (n, d) and (n,) with n > 0, but got "
                f"{embeddings.shape} and {targets.shape}."
            )
        object.__setattr__(self, "embeddings", embeddings)
        object.__setattr__(self, "targets", targets)

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: NDArray[np.int64]) -> LabelledSet:
        """The given rows."""
        return LabelledSet(self.embeddings[rows], self.targets[rows])

    def fingerprint(self) -> str:
        """SHA-256 of shape and contents."""
        digest = hashlib.sha256(repr(self.embeddings.shape).encode())
        digest.update(self.embeddings.tobytes())
        digest.update(self.targets.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class StudyData:
    """What heads are trained on, what selects their best epoch, and what they are tested on."""

    train: LabelledSet
    validation: LabelledSet
    test: LabelledSet


DataOfSeed = Callable[[int], StudyData]
"""A study's data where every seed has its own split."""


def draw_test_set(test: LabelledSet, max_test: int | None, seed: int) -> LabelledSet:
    """The whole test set, or a random part of it: a simulated shot costs as much as a whole exact evaluation.

    Args:
        test: The test set.
        max_test: Number of texts at most; None: all.
        seed: Seed of the draw.
    """
    if max_test is None or check_int("max_test", max_test, minimum=1) >= len(test):
        return test
    rng = np.random.default_rng([seed, 3])
    return test.take(np.sort(rng.choice(len(test), max_test, replace=False)))
