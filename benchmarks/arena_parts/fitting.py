"""Heads of all kinds behind one function: settings and training embeddings in, a fitted head out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from torch import nn

from arena_parts.quantum import build_head, measure_exactly
from setfit_quantum.experiments.study_data import LabelledSet
from setfit_quantum.head.classical import ClassicalHead
from setfit_quantum.head.preprocessing import Preprocessor
from setfit_quantum.training import HeadTrainingArguments, train_head
from setfit_quantum.training.callbacks import HeadTrainingCallback, HeadTrainingState
from setfit_quantum.training.data import LabelledEmbeddings
from setfit_quantum.training.final_layer import fit_final_layer

_CHUNK = 256
_MEMBER_STEP = 1000
"""Distance of the seeds of an ensemble's heads: greater than any seed of the arena."""

Embeddings = NDArray[np.float32]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A fitted head.

    Args:
        decide: Probabilities of embeddings, shape (n, n_classes); of a head without them its decisions, one-hot.
        has_probabilities: Which of the two.
        parameters: Trained numbers.
        fitted: Numbers that unsupervised preprocessing takes from the training embeddings.
    """

    decide: Callable[[Embeddings], Values]
    has_probabilities: bool
    parameters: int
    fitted: int


def fit(
    kind: str, candidate: Mapping[str, Any], ensemble: int, train: LabelledSet, n_classes: int, seed: int
) -> Fitted:
    """Fit a head.

    Args:
        kind: One of `specification.KINDS`.
        candidate: `head` and `training` settings.
        ensemble: Heads of different seeds whose probabilities are averaged.
        train: Training data.
        n_classes: Number of classes.
        seed: Of the weights and of the order of the sentences.
    """
    fitter = {
        "logistic": _fit_sklearn,
        "svc": _fit_sklearn,
        "lda": _fit_sklearn,
        "neural": _fit_neural,
        "quantum": _fit_quantum,
    }[kind]
    # A head of scikit-learn has no seed: its members would be the same.
    members = [
        fitter(kind, candidate, train, n_classes, seed + _MEMBER_STEP * number)
        for number in range(ensemble)
    ]  # fmt: skip
    if ensemble == 1:
        return members[0]
    return Fitted(
        lambda embeddings: np.mean([member.decide(embeddings) for member in members], axis=0),
        members[0].has_probabilities,
        sum(member.parameters for member in members),
        # Preprocessing takes the same numbers for all of them.
        members[0].fitted,
    )


def _fit_sklearn(kind: str, candidate: Mapping[str, Any], train: LabelledSet, n_classes: int, seed: int) -> Fitted:
    settings = dict(candidate["head"])
    project, fitted = _project(settings, train, n_classes, hidden_dim=None)
    model: Any
    if kind == "svc":
        model = SVC(**settings, random_state=seed)
    elif kind == "lda":
        model = LinearDiscriminantAnalysis(solver="lsqr", **settings)
    else:
        model = LogisticRegression(**settings, max_iter=1000, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="lbfgs failed to converge")
        model.fit(project(train.embeddings), train.targets)
    if kind == "svc":
        # Trained numbers of a support vector machine: each support vector's coefficients, and the offsets.
        parameters = int(np.count_nonzero(model.dual_coef_)) + model.intercept_.size
        return Fitted(lambda x: np.eye(n_classes)[model.predict(x)], False, parameters, fitted)
    parameters = model.coef_.size + model.intercept_.size
    return Fitted(lambda x: model.predict_proba(project(x)), True, int(parameters), fitted)


def _fit_neural(kind: str, candidate: Mapping[str, Any], train: LabelledSet, n_classes: int, seed: int) -> Fitted:
    settings = dict(candidate["head"])
    hidden_dim, activation = settings.pop("hidden_dim", None), settings.pop("activation", "relu")
    project, fitted = _project(settings, train, n_classes, hidden_dim)
    features = project(train.embeddings)
    head = ClassicalHead(features.shape[1], n_classes, hidden_dim=hidden_dim, seed=seed)
    if activation == "tanh" and head.layers is not None:
        head.layers[1] = nn.Tanh()
    train_head(head, features, train.targets, _arguments(candidate, seed))
    return Fitted(lambda x: _probabilities(head, project(x)), True, head.num_parameters(), fitted)


def _fit_quantum(kind: str, candidate: Mapping[str, Any], train: LabelledSet, n_classes: int, seed: int) -> Fitted:
    settings = dict(candidate["head"])
    averaged = settings.pop("average_epochs", None)
    clean = settings.pop("clean_last_layer", False)
    # Numbers drawn in training, those of amplitude noise and of shots, come from the seed too.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head: Any = build_head(settings, seed, train.embeddings.shape[1], n_classes)
        mean = _MeanOfEpochs(averaged) if averaged else None
        callbacks = [mean] if mean else []
        arguments = _arguments(candidate, seed)
        if clean:
            arguments = arguments.with_changes(final_layer="trained")
        train_head(head, train.embeddings, train.targets, arguments, callbacks=callbacks)
    if clean:
        data = LabelledEmbeddings(torch.from_numpy(train.embeddings), torch.from_numpy(train.targets))
        fit_final_layer(head, data, noisy=False)
    if mean is not None:
        mean.load_into(head)
    measure_exactly(head)
    parameters = sum(parameter.numel() for parameter in head.parameters() if parameter.requires_grad)
    return Fitted(lambda x: _probabilities(head, x), True, parameters, head.num_fitted())


class _MeanOfEpochs(HeadTrainingCallback):
    """The mean of the weights after each of the last epochs.

    Args:
        n_epochs: How many.
    """

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs, self.n_seen = n_epochs, 0
        self.sums: dict[str, torch.Tensor] = {}

    def on_epoch_end(self, head: nn.Module, state: HeadTrainingState) -> None:
        """Add the weights."""
        if state.epoch > state.num_epochs - self.n_epochs:
            self.n_seen += 1
            for name, parameter in head.named_parameters():
                self.sums[name] = self.sums.get(name, 0) + parameter.detach().double()

    def load_into(self, head: nn.Module) -> None:
        """Give the head the mean."""
        with torch.no_grad():
            for name, parameter in head.named_parameters():
                parameter.copy_(self.sums[name] / self.n_seen)


def _arguments(candidate: Mapping[str, Any], seed: int) -> HeadTrainingArguments:
    return HeadTrainingArguments(**({"show_progress_bar": False} | candidate["training"] | {"seed": seed}))


def _probabilities(head: nn.Module, embeddings: Embeddings) -> Values:
    head.eval()
    with torch.no_grad():
        parts = [head(torch.from_numpy(chunk))[1] for chunk in _chunks(np.ascontiguousarray(embeddings))]
    return np.asarray(torch.cat(parts).double().numpy())


def _chunks(embeddings: Embeddings) -> list[Embeddings]:
    return [embeddings[start : start + _CHUNK] for start in range(0, len(embeddings), _CHUNK)]


def _project(
    settings: dict[str, Any], train: LabelledSet, n_classes: int, hidden_dim: int | None
) -> tuple[Callable[[Embeddings], Embeddings], int]:
    """Centring and principal axes, as `QuantumHead(preprocessing="pca")` has them, where settings ask for axes.

    `axes` gives their number, `match_parameters` about how many numbers the head on them shall train. Both are taken
    out of `settings`.

    Returns:
        What projects embeddings, and how many numbers it fitted.
    """
    axes, matched = settings.pop("axes", None), settings.pop("match_parameters", None)
    if matched is not None:
        axes = axes_for(matched, n_classes, hidden_dim)
    if axes is None:
        return lambda embeddings: embeddings, 0
    # A class of the head's own module, so that both project alike; axes beyond the samples' would be 0.
    width = train.embeddings.shape[1]
    preprocessor = Preprocessor("pca", min(axes, width, len(train) - 1), seed=0)
    preprocessor.build(width, like=torch.zeros(1))
    preprocessor.fit(torch.from_numpy(train.embeddings))

    def project(embeddings: Embeddings) -> Embeddings:
        with torch.no_grad():
            return np.ascontiguousarray(preprocessor(torch.from_numpy(np.ascontiguousarray(embeddings))).numpy())

    return project, preprocessor.num_fitted()


def axes_for(parameters: int, n_classes: int, hidden_dim: int | None) -> int:
    """Principal axes with which a head trains about as many parameters; at least one.

    Args:
        parameters: How many it shall train.
        n_classes: Number of classes.
        hidden_dim: Width of its hidden layer; None: none (scikit-learn's logistic regression, which has one row of
            coefficients for two classes).
    """
    if hidden_dim is None:
        outputs = 1 if n_classes == 2 else n_classes
        return max(1, round(parameters / outputs) - 1)
    return max(1, round((parameters - hidden_dim * n_classes - n_classes) / hidden_dim) - 1)
