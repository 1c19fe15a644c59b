"""`Examples`: texts with their labels, as every command and experiment passes them on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class DataError(ValueError):
    """Data that cannot be used as it is; the message names the source and the place in it."""


@dataclass(frozen=True)
class Examples:
    """Texts and their labels, all strings.

    Args:
        texts: The texts, in the order of their source.
        labels: One label per text, or with several labels per text a list of them (possibly empty).
        name: What the examples are called in messages and model cards.
        multilabel: Whether each text has a list of labels.
    """

    texts: list[str]
    labels: list[str] | list[list[str]]
    name: str
    multilabel: bool = False

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            raise ValueError(
                f"Argument `labels` must have one entry per text ({len(self.texts)}), but got {len(self.labels)}."
            )

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def classes(self) -> list[str]:
        """The distinct labels, sorted; whole numbers by value, so that class 10 follows class 9."""
        if self.multilabel:
            found = {label for labels in self.labels for label in labels}
        else:
            found = {str(label) for label in self.labels}
        if all(label.isdecimal() for label in found):
            return sorted(found, key=lambda label: (int(label), label))
        return sorted(found)

    @property
    def strata(self) -> list[str]:
        """One key per text that splits are stratified by: the label, or the sorted set of labels.

        Sets of labels that occur only once share one key: there is nothing to stratify by in them.
        """
        if not self.multilabel:
            return [str(label) for label in self.labels]
        keys = ["|".join(sorted(labels)) for labels in self.labels]
        counts = Counter(keys)
        return [key if counts[key] > 1 else "" for key in keys]

    def subset(self, indices: Iterable[int]) -> Examples:
        """The examples at `indices`, in that order."""
        chosen = [int(index) for index in indices]
        texts = [self.texts[index] for index in chosen]
        labels = [self.labels[index] for index in chosen]
        return Examples(texts, labels, self.name, self.multilabel)  # type: ignore[arg-type]

    def indicators(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Labels as 0/1 columns in the order of `classes`, shape (n_texts, n_classes).

        Raises:
            DataError: A label is not in `classes`.
        """
        column = {label: index for index, label in enumerate(classes)}
        matrix = np.zeros((len(self), len(classes)), dtype=np.int64)
        for row, labels in enumerate(self.labels):
            for label in labels if self.multilabel else [labels]:
                if label not in column:
                    raise DataError(f"{self.name}: label {label!r} is none of {list(classes)}.")
                matrix[row, column[str(label)]] = 1
        return matrix
