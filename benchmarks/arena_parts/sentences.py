"""The arena's sentences: test sentences that are the same for all, and training sentences drawn by seed."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.data import Examples, load_examples
from setfit_quantum.experiments.embedding_cache import hash_texts
from setfit_quantum.experiments.pools import DATA_VARIABLE

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sentences:
    """A data set: the sentences to draw from, and those to test on.

    Args:
        name: Of the data set; draws depend on it.
        classes: Names of the classes, by number.
        train: Sentences to draw from.
        train_targets: Their class numbers.
        test: The test sentences.
        test_targets: Their class numbers.
    """

    name: str
    classes: tuple[str, ...]
    train: tuple[str, ...]
    train_targets: NDArray[np.int64]
    test: tuple[str, ...]
    test_targets: NDArray[np.int64]

    def identity(self) -> str:
        """Hash of all sentences and labels."""
        labels = [",".join(map(str, part)) for part in (self.classes, self.train_targets, self.test_targets)]
        return hash_texts([*self.train, *self.test, *labels])[:32]

    def draw(self, size: int, seed: int, validation_share: float) -> tuple[Rows, Rows]:
        """Training sentences of a size and seed, the same for every head and body.

        Args:
            size: Sentences of each class; a class with fewer gives what it has.
            seed: Of the draw.
            validation_share: Share of each class, at least one sentence, that selection holds out.

        Returns:
            Rows of `train` to select by: those to fit on, and those held out. Together they are the draw.
        """
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), size, seed])
        fitted, held_out = [], []
        for number in range(len(self.classes)):
            rows = rng.permutation(np.flatnonzero(self.train_targets == number))[:size]
            n_held_out = max(1, round(validation_share * len(rows)))
            held_out.append(rows[:n_held_out])
            fitted.append(rows[n_held_out:])
        return rng.permutation(np.concatenate(fitted)), rng.permutation(np.concatenate(held_out))


def load_sentences(name: str, dataset: Mapping[str, Any], max_test: int | None) -> Sentences:
    """Read a data set.

    Args:
        name: Its name.
        dataset: `source`, a folder below the one that `SETFIT_QUANTUM_DATA` names or `bundled:...`, and optionally
            `largest_classes`: keep only that many classes, those with the most training sentences.
        max_test: Draw this many test sentences, the same ones always; None: all.

    Raises:
        ValueError: The environment variable is not set.
    """
    train, test = (_load(dataset["source"], split) for split in ("train", "test"))
    classes = train.classes
    if "largest_classes" in dataset:
        counts = Counter(map(str, train.labels))
        # Of classes of one size the first in the alphabet.
        classes = sorted(sorted(classes, key=lambda label: (-counts[label], label))[: dataset["largest_classes"]])
    train, test = _restrict(train, classes), _restrict(test, classes)
    rows = np.arange(len(test))
    if max_test is not None and max_test < len(rows):
        rows = np.sort(np.random.default_rng([zlib.crc32(name.encode())]).choice(len(rows), max_test, replace=False))
    test = test.subset(rows)
    return Sentences(
        name, tuple(classes), tuple(train.texts), _numbers(train, classes), tuple(test.texts), _numbers(test, classes)
    )


def _load(source: str, split: str) -> Examples:
    if source.startswith("bundled:"):
        return load_examples(source, split=split)
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        raise ValueError(f"Environment variable {DATA_VARIABLE} must name the folder with {source!r}, but is not set.")
    return load_examples(Path(folder) / source / f"{split}.csv")


def _restrict(examples: Examples, classes: list[str]) -> Examples:
    kept = set(classes)
    return examples.subset(row for row, label in enumerate(examples.labels) if label in kept)


def _numbers(examples: Examples, classes: list[str]) -> NDArray[np.int64]:
    numbers = {label: number for number, label in enumerate(classes)}
    return np.array([numbers[str(label)] for label in examples.labels], dtype=np.int64)
