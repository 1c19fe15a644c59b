"""Logistic regression and support vector machines with the paper's grids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from setfit_quantum.baselines.logistic import count_parameters
from setfit_quantum.baselines.selecting import GridBaseline

PAPER_LOGISTIC_GRID: dict[str, Sequence[Any]] = {
    "penalty": ["l2", None],
    "C": [round(0.3 * step, 1) for step in range(1, 34)],
    "class_weight": [None, "balanced"],
    "max_iter": [50, 100, 200],
}
"""C from 0.3 to 9.9 as printed; its step of 0.3 is this project's choice. Source: arXiv 2504.08732, Table II."""

PAPER_SVC_GRID: dict[str, Sequence[Any]] = {
    "C": [0.001, 0.01, 0.1, 1.0, 10.0, 100.0],
    "gamma": ["scale", "auto", 0.01, 0.1, 0.5, 1.0],
}
"""Source: arXiv 2504.08732, Table II (RBF kernel)."""


class LogisticRegressionBaseline(GridBaseline):
    """Logistic regression by scikit-learn's lbfgs.

    Args:
        penalty: `"l2"` and None, those to try.
        C: Inverse strengths of the penalty.
        class_weight: None and `"balanced"`, those to try.
        max_iter: Numbers of iterations.

    Source: arXiv 2504.08732, Table II (769 parameters for 768 features).
    """

    grid_names: ClassVar[tuple[str, ...]] = ("penalty", "C", "class_weight", "max_iter")

    def __init__(
        self,
        penalty: Sequence[str | None] = ("l2",),
        C: Sequence[float] = (1.0,),
        class_weight: Sequence[str | None] = (None,),
        max_iter: Sequence[int] = (100,),
    ) -> None:
        super().__init__(penalty=penalty, C=C, class_weight=class_weight, max_iter=max_iter)
        for value in self.grid["penalty"]:
            if value not in ("l2", None):
                raise ValueError(f"Argument `penalty` must hold only 'l2' and None, but got {value!r}.")

    @classmethod
    def paper(cls) -> Self:
        """With the paper's grid."""
        return cls(**PAPER_LOGISTIC_GRID)

    def num_parameters(self) -> int:
        """Coefficients and intercepts: 769 for two classes and 768 features."""
        return count_parameters(self.model_)

    def _normalise(self, candidate: dict[str, Any]) -> dict[str, Any]:
        # Without a penalty its strength means nothing.
        return candidate | ({"C": None} if candidate["penalty"] is None else {})

    def _build(self, candidate: Mapping[str, Any]) -> Any:
        from sklearn.linear_model import LogisticRegression

        settings = {name: candidate[name] for name in ("class_weight", "max_iter")}
        # An infinite C is "no penalty" in every version of scikit-learn.
        return LogisticRegression(C=math.inf if candidate["C"] is None else candidate["C"], **settings)


class SVCBaseline(GridBaseline):
    """A support vector machine with RBF kernel.

    Args:
        C: Penalties of violations.
        gamma: Kernel widths: numbers, `"scale"`, `"auto"`.

    Source: arXiv 2504.08732, Table II, where its parameters are its support vectors ("SVC 296", "SVC 435").
    """

    grid_names: ClassVar[tuple[str, ...]] = ("C", "gamma")

    def __init__(self, C: Sequence[float] = (1.0,), gamma: Sequence[float | str] = ("scale",)) -> None:
        super().__init__(C=C, gamma=gamma)
        self._training: tuple[NDArray[Any], NDArray[Any]] | None = None
        self._calibrated: Any = None

    @classmethod
    def paper(cls) -> Self:
        """With the paper's grid."""
        return cls(**PAPER_SVC_GRID)

    def fit(
        self, X: ArrayLike, y: ArrayLike, X_validation: ArrayLike | None = None, y_validation: ArrayLike | None = None
    ) -> Self:
        """Fit every candidate and keep the best on the validation data."""
        self._training, self._calibrated = (np.asarray(X), np.asarray(y)), None
        return super().fit(X, y, X_validation, y_validation)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Platt's probabilities, by five-fold cross-validation on the training data; fitted when first asked for.

        As always with Platt's method, a text close to the border may have its greater probability on the class that
        `predict` does not give.
        """
        if self._calibrated is None:
            from sklearn.calibration import CalibratedClassifierCV

            assert self._training is not None
            folds = min(5, int(np.unique(self._training[1], return_counts=True)[1].min()))
            if folds < 2:
                raise ValueError("Argument `y` must have at least two samples of each class for probabilities.")
            calibrated = CalibratedClassifierCV(self._build(self.selected_), cv=folds, ensemble=False)
            self._calibrated = calibrated.fit(*self._training)
        probabilities: NDArray[np.float64] = self._calibrated.predict_proba(np.asarray(X))
        return probabilities

    def num_parameters(self) -> int:
        """Number of support vectors."""
        return int(self.model_.n_support_.sum())

    def _build(self, candidate: Mapping[str, Any]) -> Any:
        from sklearn.svm import SVC

        return SVC(**candidate)
