"""Heads of PyTorch layers: linear softmax, MLP, and SetFit's own, trained by the loop that trains quantum heads."""

from __future__ import annotations

from abc import abstractmethod
from itertools import product
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from setfit_quantum.baselines.selecting import Baseline
from setfit_quantum.checks import check_bool, check_int
from setfit_quantum.head.classical import ClassicalHead
from setfit_quantum.training.arguments import HeadTrainingArguments
from setfit_quantum.training.loop import train_head
from setfit_quantum.training.result import HeadTrainingResult
from setfit_quantum.vanilla import import_setfit

PAPER_HIDDEN_DIMS = (0, 48, 96, 144, 192)
PAPER_LR_DECAYS = (1.0, 0.99, 0.95)
PAPER_WEIGHT_DECAYS = (0.0, 1e-6, 1e-5, 1e-4, 1e-3)
"""Source: arXiv 2504.08732, Tables II and III."""

SETFIT_TRAINING: dict[str, Any] = {
    "num_epochs": 16,
    "optimizer": "adamw",
    "learning_rate": 1e-2,
    "weight_decay": 1e-2,
    "lr_decay": 0.5 ** (1 / 5),
    "lr_schedule": "constant",
}
"""SetFit's defaults for its differentiable head; it halves the rate every five epochs, here by as much in each."""


class TorchBaseline(Baseline):
    """A PyTorch head trained on embeddings.

    Args:
        arguments: Training settings; those of `candidates` replace single ones.
        seed: Of the weights and of the order of the samples.

    Attributes:
        head_: The trained module.
        result_: What `train_head` returned for it.
    """

    head_: nn.Module
    result_: HeadTrainingResult

    def __init__(self, arguments: HeadTrainingArguments | None = None, *, seed: int = 0) -> None:
        self.arguments = arguments or HeadTrainingArguments(show_progress_bar=False)
        self.seed = check_int("seed", seed, minimum=0)

    @abstractmethod
    def build_head(self, in_features: int, n_classes: int, batch_norm: bool) -> nn.Module:
        """An untrained head."""

    def candidates(self) -> list[dict[str, Any]]:
        """Settings to try; one, unless a subclass has a grid."""
        return [{}]

    def fit(
        self, X: ArrayLike, y: ArrayLike, X_validation: ArrayLike | None = None, y_validation: ArrayLike | None = None
    ) -> Self:
        """Train every candidate; the best epoch of the best one is kept, by accuracy, then by loss.

        Raises:
            ValueError: Several candidates without validation data, or data that cannot be trained on.
        """
        candidates = self.candidates()
        if X_validation is None and len(candidates) > 1:
            raise ValueError(
                "Arguments `X_validation` and `y_validation` must be given to select one of "
                f"{len(candidates)} candidates, but got None."
            )
        self.classes_, targets = np.unique(np.asarray(y), return_inverse=True)
        features = _as_float(X)
        validation: dict[str, Any] = {}
        if X_validation is not None:
            validation = {
                "eval_embeddings": _as_float(X_validation),
                "eval_labels": np.searchsorted(self.classes_, np.asarray(y_validation)),
            }
        best: tuple[float, float] | None = None
        for candidate in candidates:
            training = {name: value for name, value in candidate.items() if name != "batch_norm"}
            head = self.build_head(features.shape[1], len(self.classes_), bool(candidate.get("batch_norm", False)))
            arguments = self.arguments.with_changes(seed=self.seed, **training)
            result = train_head(head, features, targets, arguments, **validation)
            score = _score(result)
            if best is None or score > best:
                best, self.head_, self.result_, self.selected_ = score, head.eval(), result, candidate
        self.validation_accuracy_ = self.result_.best_metric
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Classes, shape (n,)."""
        predicted: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return predicted

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the classes, shape (n, k)."""
        with torch.no_grad():
            logits = self.head_(torch.from_numpy(_as_float(X)))[0]
        probabilities: NDArray[np.float64] = torch.softmax(logits.double(), dim=-1).numpy()
        return probabilities

    def num_parameters(self) -> int:
        """Trainable parameters: 1,538 for the linear head on 768 features and two classes, 37,010 with 48 hidden."""
        return sum(parameter.numel() for parameter in self.head_.parameters() if parameter.requires_grad)


class MLPBaseline(TorchBaseline):
    """One hidden layer, or none: the linear softmax head.

    Args:
        hidden_dim: Width of the hidden layer; 0: none.
        batch_norm: Whether to normalise it by batch; several values: those to try.
        learning_rate: Learning rates to try; none: that of `arguments`.
        lr_decay: The same of their decay per epoch.
        weight_decay: The same of the weight decay.
        arguments: Other training settings.
        seed: Of the weights and of the order of the samples.

    Source: arXiv 2504.08732, Table II.
    """

    def __init__(
        self,
        hidden_dim: int = 0,
        *,
        batch_norm: tuple[bool, ...] = (False,),
        learning_rate: tuple[float, ...] = (),
        lr_decay: tuple[float, ...] = (),
        weight_decay: tuple[float, ...] = (),
        arguments: HeadTrainingArguments | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(arguments, seed=seed)
        self.hidden_dim = check_int("hidden_dim", hidden_dim, minimum=0)
        for value in batch_norm:
            if check_bool("batch_norm", value) and not hidden_dim:
                raise ValueError(f"Argument `batch_norm` needs a hidden layer, but hidden_dim is {hidden_dim}.")
        self._grid: dict[str, tuple[Any, ...]] = {
            "batch_norm": tuple(batch_norm),
            "learning_rate": tuple(learning_rate),
            "lr_decay": tuple(lr_decay),
            "weight_decay": tuple(weight_decay),
        }

    @classmethod
    def paper(
        cls, hidden_dim: int = 0, *, arguments: HeadTrainingArguments | None = None, seed: int = 0
    ) -> MLPBaseline:
        """With the paper's grid of batch normalisation, learning-rate decay and weight decay, and its 800 epochs."""
        return cls(
            hidden_dim,
            batch_norm=(False, True) if hidden_dim else (False,),
            lr_decay=PAPER_LR_DECAYS,
            weight_decay=PAPER_WEIGHT_DECAYS,
            arguments=arguments
            or HeadTrainingArguments(
                num_epochs=800, learning_rate=0.01, lr_schedule="constant", show_progress_bar=False
            ),
            seed=seed,
        )

    def candidates(self) -> list[dict[str, Any]]:
        """All combinations of what is to be tried."""
        grid = {name: values for name, values in self._grid.items() if values}
        return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]

    def build_head(self, in_features: int, n_classes: int, batch_norm: bool) -> nn.Module:
        """An untrained head."""
        return ClassicalHead(
            in_features, n_classes, hidden_dim=self.hidden_dim or None, batch_norm=batch_norm, seed=self.seed
        )


class SetFitHeadBaseline(TorchBaseline):
    """SetFit's differentiable head (`setfit.SetFitHead`), with SetFit's own training settings.

    SetFit's default head is scikit-learn's logistic regression as it comes: `LogisticRegressionBaseline()`.
    """

    def __init__(self, arguments: HeadTrainingArguments | None = None, *, seed: int = 0) -> None:
        super().__init__(arguments or HeadTrainingArguments(show_progress_bar=False, **SETFIT_TRAINING), seed=seed)

    def build_head(self, in_features: int, n_classes: int, batch_norm: bool = False) -> nn.Module:
        """An untrained head."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)  # SetFit's head draws from the global generator
            head: Any = import_setfit().SetFitHead(in_features, n_classes, device="cpu")
        return cast(nn.Module, head)


def _score(result: HeadTrainingResult) -> tuple[float, float]:
    """Validation accuracy and minus the validation loss of the best epoch."""
    if result.best_epoch is None or result.best_metric is None:
        return 0.0, 0.0
    return result.best_metric, -float(result.history[result.best_epoch - 1]["eval_loss"])


def _as_float(X: ArrayLike) -> NDArray[np.float32]:
    return np.ascontiguousarray(X, dtype=np.float32)
