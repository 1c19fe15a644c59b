"""The pool of labelled sentences of a study: from the Hub, from a local copy, or from the user's data."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.checks import check_float, check_int
from setfit_quantum.data import DataError, Examples, has_splits, load_examples, pooled_split
from setfit_quantum.data.splits import PooledSplit
from setfit_quantum.data.tables import SUFFIXES
from setfit_quantum.experiments.embedding_cache import hash_texts

DATA_VARIABLE = "SETFIT_QUANTUM_DATA"
"""Environment variable: a folder with local copies, one folder per data set, named as the last part of its Hub id."""

PARTS = ("train", "validation", "test")
ALIASES = {"validation": ("validation", "dev", "val", "valid")}


@dataclass(frozen=True, eq=False)
class Pool:
    """All sentences, and how a seed draws from them.

    Args:
        texts: The sentences.
        targets: Class numbers, shape (n,).
        classes: Names of the classes by number.
        name: What the data is called.
        per_class: Sentences of every class that a seed draws.
        validation_fraction: Share of them that selects the model; the rest trains it, and what was not drawn tests it.
    """

    texts: list[str]
    targets: NDArray[np.int64]
    classes: list[str]
    name: str
    per_class: int
    validation_fraction: float

    def split(self, seed: int) -> PooledSplit:
        """Rows of training, validation and test data.

        Raises:
            DataError: Too few sentences.
        """
        return pooled_split(
            [self.classes[target] for target in self.targets],
            seed,
            per_class=self.per_class,
            validation_fraction=self.validation_fraction,
        )

    def identity(self) -> dict[str, Any]:
        """What decides a seed's data, wherever the sentences came from."""
        labels = [f"{text}\t{self.classes[target]}" for text, target in zip(self.texts, self.targets, strict=True)]
        return {
            "sentences": hash_texts(labels),
            "per_class": self.per_class,
            "validation_fraction": self.validation_fraction,
        }


def build_pool(examples: Examples, per_class: int | None, validation_fraction: float = 0.15) -> Pool:
    """A pool of labelled sentences.

    Args:
        examples: One label per text.
        per_class: Sentences of every class that a seed draws; None: 256, or half of the rarest class.
        validation_fraction: Share of them for validation.

    Raises:
        DataError: Several labels per text, one class, or too few sentences of one.
    """
    if examples.multilabel:
        raise DataError(f"{examples.name} has several labels per text; a study needs one.")
    check_float("validation_fraction", validation_fraction, minimum=0.0, maximum=1.0)
    classes = examples.classes
    if len(classes) < 2:
        raise DataError(f"{examples.name} must have at least two classes, but has {classes}.")
    labels = [str(label) for label in examples.labels]
    if per_class is None:
        per_class = min(256, min(Counter(labels).values()) // 2)
        if per_class < 2:
            raise DataError(f"{examples.name} must have at least four texts of every class.")
    check_int("per_class", per_class, minimum=2)
    number = {name: index for index, name in enumerate(classes)}
    targets = np.array([number[label] for label in labels], dtype=np.int64)
    pool = Pool(list(examples.texts), targets, classes, examples.name, per_class, validation_fraction)
    pool.split(0)  # too few sentences are found before anything is encoded
    return pool


def load_pooled_examples(source: str, parts: Sequence[str] | None = None, **options: Any) -> Examples:
    """Read and join all parts of a data set.

    Args:
        source: What `load_examples` reads.
        parts: Names of the parts, all needed; None: those of train, validation and test that there are.
        **options: Further arguments of `load_examples`.

    Raises:
        DataError: Unreadable data, or a part that is missing.
    """
    if not has_splits(source):
        return load_examples(source, **options)
    found = [load_examples(source, part, **options) for part in find_parts(source, parts)]
    if any(part.multilabel != found[0].multilabel for part in found):
        raise DataError(f"Data {source!r} has one label per text in some parts and several in others.")
    texts = [text for part in found for text in part.texts]
    labels: Any = [label for part in found for label in part.labels]
    return Examples(texts, labels, source, found[0].multilabel)


def resolve_source(data_id: str, override: str | None = None) -> str:
    """Where a specification's data is read from.

    Args:
        data_id: Id on the Hub, or `bundled:NAME`.
        override: What the user gave instead; None: the local copy below `$SETFIT_QUANTUM_DATA` if there is one,
            else the Hub.
    """
    if override is not None:
        return override
    folder = os.environ.get(DATA_VARIABLE)
    if folder and not data_id.startswith("bundled:"):
        local = Path(folder) / data_id.rsplit("/", 1)[-1].lower()
        if local.is_dir():
            return str(local)
    return data_id


def find_parts(source: str, parts: Sequence[str] | None) -> list[str]:
    """Names that the parts have in `source`.

    Raises:
        DataError: None of them is there, or one that was named is not.
    """
    if Path(source).is_dir():
        present = {file.stem for file in Path(source).iterdir() if file.suffix.lower() in SUFFIXES}
    elif source.startswith("bundled:"):
        present = {"train", "test"}
    elif parts is not None:
        return list(parts)
    else:
        import datasets

        present = set(datasets.get_dataset_split_names(source))
    names = []
    for part in parts or PARTS:
        name = next((alias for alias in ALIASES.get(part, (part,)) if alias in present), None)
        if name is not None:
            names.append(name)
        elif parts is not None and not source.startswith("bundled:"):
            raise DataError(f"Data {source!r} must have the part {part!r}, but has {sorted(present)}.")
    if not names:
        raise DataError(f"Data {source!r} must have a part {', '.join(parts or PARTS)}, but has {sorted(present)}.")
    return names
