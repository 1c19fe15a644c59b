"""A trained head's last linear layer in closed form: linear discriminant analysis of the circuit's expectations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from setfit_quantum.training.data import LabelledEmbeddings
from setfit_quantum.training.metrics import targets_to_numpy

_ENOUGH = 4
"""Samples of its rarest class from which scikit-learn's estimate of the covariance is used as it is."""
_RIDGE = 0.03
_NOISY_PASSES = 4
"""How often each sample is seen where the head adds noise to amplitudes in training."""
_NEGLIGIBLE = 1e-6
_ABSENT = 30.0
"""How far below all others the logit of a class without training samples lies."""


def resolve_final_layer(head: Any, final_layer: str | None) -> str:
    """How the last layer of `head` ends: `final_layer`, or what None stands for.

    None is `"lda"` for a head with a circuit before its last layer and exclusive classes, where simulation costs
    nothing but time; else `"trained"`.

    Raises:
        ValueError: `"lda"` for a head whose last layer cannot be fitted in closed form.
    """
    if final_layer == "lda":
        check_closed_form(head)
    if final_layer is not None:
        return final_layer
    if not getattr(head, "is_quantum", False) or head.backend.capabilities.hardware_shots:
        return "trained"
    try:
        check_closed_form(head)
    except ValueError:
        return "trained"
    return "lda"


def check_closed_form(head: Any) -> None:
    """Refuse a head whose last layer cannot be fitted in closed form.

    Raises:
        ValueError: No last linear layer, a frozen one, or several labels.
    """
    linear = getattr(head, "linear", None)
    if not hasattr(head, "last_features") or not isinstance(linear, nn.Linear):
        raise ValueError(
            "Argument `final_layer` must be 'trained' for a head without a final linear layer, but got 'lda' with a "
            f"{type(head).__name__}."
        )
    if head.multitarget:
        raise ValueError("Argument `final_layer` must be 'trained' with several labels (multitarget), but got 'lda'.")
    if not linear.weight.requires_grad:
        raise ValueError("Argument `final_layer` must be 'trained' where that layer is frozen, but got 'lda'.")


def fit_final_layer(
    head: Any, data: LabelledEmbeddings, class_weights: Tensor | None = None, *, noisy: bool = True
) -> None:
    """Replace weights and biases of the last linear layer by those of a linear discriminant analysis.

    The classes' means and their common covariance, shrunk as Ledoit and Wolf do, give the logits in closed form. A few
    samples determine them better than gradient steps do, which end where the training samples are told apart. A head
    that trains with noise on its amplitudes shows each sample with several draws of it: the covariance then tells how
    far such noise moves the expectations, which the training samples alone, told apart already, understate.

    Args:
        head: A trained head that `check_closed_form` accepts.
        data: The training data, on the head's device.
        class_weights: Shape (n_classes,): weigh the classes' shares; None: their shares of the samples.
        noisy: Whether amplitude noise, where the head trains with it, is drawn here too.
    """
    features = _features(head, data.embeddings, _noisy_passes(head) if noisy else 0)
    copies = len(features) // len(data)
    targets = np.tile(targets_to_numpy(data.targets), copies)
    weights = None if class_weights is None else class_weights.double().cpu().numpy()
    coefficients, intercepts = discriminant(features, targets, head.config.out_features, weights, copies)
    # What is divided by a temperature again gives the posterior.
    coefficients, intercepts = coefficients * head.temperature, intercepts * head.temperature
    with torch.no_grad():
        if head.config.one_logit:  # the logits are (-l, l)
            coefficients, intercepts = np.diff(coefficients, axis=0) / 2, np.diff(intercepts) / 2
        head.linear.weight.copy_(torch.from_numpy(coefficients))
        head.linear.bias.copy_(torch.from_numpy(intercepts))


def _noisy_passes(head: Any) -> int:
    """Draws of amplitude noise for each sample; 0: none, as for a device, where every pass costs its circuits."""
    config = head.config
    noisy = getattr(config, "amplitude_noise", 0.0) > 0 and getattr(config, "encoder", None) == "quantum"
    return _NOISY_PASSES if noisy and not head.backend.capabilities.hardware_shots else 0


def _features(head: Any, embeddings: Tensor, passes: int) -> NDArray[np.float64]:
    """What the last layer takes, shape (max(1, passes) * n, n_features), measured as at inference."""
    modes = {module: module.training for module in head.modules()}
    head.eval()
    try:
        with torch.no_grad():
            if not passes:
                return np.asarray(head.last_features(embeddings).double().cpu().numpy())
            head.encoder.train()
            with head.noisy_amplitudes():
                drawn = [head.last_features(embeddings).double().cpu().numpy() for _ in range(passes)]
            return np.concatenate(drawn)
    finally:
        for module, mode in modes.items():
            module.training = mode


def discriminant(
    features: NDArray[np.float64],
    targets: NDArray[np.int64],
    n_classes: int,
    weights: NDArray[np.float64] | None,
    copies: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients (n_classes, n_features) and intercepts (n_classes,) of logits that give the posterior.

    Args:
        features: Shape (n, n_features).
        targets: Shape (n,).
        n_classes: Number of classes, those without samples included.
        weights: Shape (n_classes,): weigh the classes' shares, or None.
        copies: How many rows belong to each sample; copies of a few samples are still few.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    present, counts = np.unique(targets, return_counts=True)
    shares = counts * (1.0 if weights is None else weights[present])
    if len(present) == 1 or not np.any(shares > 0):
        shares = np.ones(len(present))
    shares = np.maximum(shares / shares.sum(), 1e-9)
    coefficients = np.zeros((n_classes, features.shape[1]))
    intercepts = np.zeros(n_classes)
    if len(present) > 1:
        shares = shares / shares.sum()
        rows = offsets = None
        if counts.min() >= _ENOUGH * copies:
            found = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=shares).fit(features, targets)
            if _is_well_conditioned(found.covariance_, features):
                rows, offsets = found.coef_, found.intercept_
                if len(present) == 2:  # scikit-learn keeps the difference alone
                    rows, offsets = np.concatenate([-rows, rows]) / 2, np.concatenate([-offsets, offsets]) / 2
        if rows is None or offsets is None:
            rows, offsets = _of_very_few(features, targets, present, shares)
        # Only differences of logits count; without the mean they stay small.
        coefficients[present], intercepts[present] = rows - rows.mean(axis=0), offsets - offsets.mean()
    absent = np.setdiff1d(np.arange(n_classes), present)
    intercepts[absent] = intercepts[present].min() - _ABSENT
    return coefficients, intercepts


def _is_well_conditioned(covariance: NDArray[np.float64], features: NDArray[np.float64]) -> bool:
    """Whether the covariance within classes has no direction that hardly varies beside the features' spread."""
    return bool(np.linalg.eigvalsh(covariance)[0] > _NEGLIGIBLE * np.var(features, axis=0).mean())


def _of_very_few(
    features: NDArray[np.float64], targets: NDArray[np.int64], present: NDArray[np.int64], shares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same where a class has too few samples, or equal ones, to estimate a covariance.

    A share of the features' whole variance is added on the diagonal: with one sample per class this is the nearest
    mean, and no direction that happens not to vary decides.
    """
    from sklearn.covariance import ledoit_wolf

    means = np.stack([features[targets == number].mean(axis=0) for number in present])
    covariance = _RIDGE * np.var(features, axis=0).mean() * np.eye(features.shape[1])
    for number, share in zip(present, shares, strict=True):
        of_class = features[targets == number]
        if len(of_class) > 1:
            covariance += share * ledoit_wolf(of_class)[0]
    if covariance[0, 0] == 0:  # features that never change tell nothing
        return np.zeros_like(means), np.log(shares)
    rows = np.linalg.solve(covariance, means.T).T
    return rows, np.log(shares) - (rows * means).sum(axis=1) / 2
