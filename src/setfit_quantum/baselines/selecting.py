"""What all classical baselines have in common: candidates, selection by validation, and one interface."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Baseline(ABC):
    """A classical head on embeddings: `fit`, `predict`, `predict_proba`, `num_parameters`.

    Attributes:
        classes_: The classes, sorted.
        selected_: Settings of the candidate that validation chose.
        validation_accuracy_: Its accuracy there, or None without validation data.
    """

    classes_: NDArray[Any]
    selected_: dict[str, Any]
    validation_accuracy_: float | None = None

    @abstractmethod
    def fit(
        self, X: ArrayLike, y: ArrayLike, X_validation: ArrayLike | None = None, y_validation: ArrayLike | None = None
    ) -> Self:
        """Train on embeddings `X` (n, d) with classes `y` (n,); validation data selects, the test never does."""

    @abstractmethod
    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Classes, shape (n,)."""

    @abstractmethod
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the classes, shape (n, k)."""

    @abstractmethod
    def num_parameters(self) -> int:
        """Parameters as the paper counts them."""


class GridBaseline(Baseline):
    """A scikit-learn classifier for each combination of settings; validation accuracy selects one.

    Among candidates of equal accuracy the first wins: settings are listed from the simplest on.
    """

    grid_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **grid: Any) -> None:
        for name, values in grid.items():
            if name not in self.grid_names:
                raise TypeError(f"Argument `{name}` is unknown; allowed are {', '.join(self.grid_names)}.")
            if not _is_several(values) or not len(values):
                raise ValueError(
                    f"Argument `{name}` must be a list of values to try, at least one, but got {values!r}."
                )
        self.grid: dict[str, Sequence[Any]] = {name: list(values) for name, values in grid.items()}
        self.model_: Any = None

    def candidates(self) -> list[dict[str, Any]]:
        """All combinations of settings, each once."""
        found: list[dict[str, Any]] = []
        for values in product(*self.grid.values()):
            candidate = self._normalise(dict(zip(self.grid, values, strict=True)))
            if candidate not in found:
                found.append(candidate)
        return found

    def fit(
        self, X: ArrayLike, y: ArrayLike, X_validation: ArrayLike | None = None, y_validation: ArrayLike | None = None
    ) -> Self:
        """Fit every candidate and keep the best on the validation data.

        Raises:
            ValueError: Several candidates without validation data.
        """
        candidates = self.candidates()
        if X_validation is None and len(candidates) > 1:
            raise ValueError(
                "Arguments `X_validation` and `y_validation` must be given to select one of "
                f"{len(candidates)} candidates, but got None."
            )
        X, y = np.asarray(X), np.asarray(y)
        best = -1.0
        for candidate in candidates:
            with warnings.catch_warnings():
                # Few iterations are part of the paper's grid.
                warnings.filterwarnings("ignore", message="lbfgs failed to converge")
                model = self._build(candidate).fit(X, y)
            if X_validation is None or y_validation is None:
                self.model_, self.selected_ = model, candidate
                break
            accuracy = float(np.mean(model.predict(np.asarray(X_validation)) == np.asarray(y_validation)))
            if accuracy > best:
                best, self.model_, self.selected_, self.validation_accuracy_ = accuracy, model, candidate, accuracy
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Classes, shape (n,)."""
        predicted: NDArray[Any] = self.model_.predict(np.asarray(X))
        return predicted

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the classes, shape (n, k)."""
        probabilities: NDArray[np.float64] = self.model_.predict_proba(np.asarray(X))
        return probabilities

    def _normalise(self, candidate: dict[str, Any]) -> dict[str, Any]:
        """The same for candidates that are the same."""
        return candidate

    @abstractmethod
    def _build(self, candidate: Mapping[str, Any]) -> Any: ...


def _is_several(values: Any) -> bool:
    return isinstance(values, Sequence | np.ndarray) and not isinstance(values, str)
