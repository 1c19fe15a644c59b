"""The loss of head training: the head's own, with class weights and label smoothing where asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from setfit_quantum.head.loss import CheckedLoss
from setfit_quantum.training.arguments import ClassWeights

Criterion = Callable[[Tensor, Tensor], Tensor]


def build_criterion(
    head: Any,
    *,
    weights: Tensor | None,
    label_smoothing: float,
    multitarget: bool,
) -> Criterion:
    """A function `(logits, targets) -> mean loss`.

    Args:
        head: Its `get_loss_fn()` is used.
        weights: One weight per class (multi-label: of the positives of each label), or None.
        label_smoothing: Share of the target that is spread over all classes.
        multitarget: Whether targets are 0/1 per label.

    Raises:
        ValueError: Weights or smoothing for a loss of the head's own that knows neither.
    """
    loss: nn.Module = head.get_loss_fn()
    standard = type(loss) in (CheckedLoss, nn.BCEWithLogitsLoss if multitarget else nn.CrossEntropyLoss)
    plain = weights is None and label_smoothing == 0
    if not standard:
        if plain:
            return loss
        raise ValueError(
            "Arguments `class_weights` and `label_smoothing` need a head whose get_loss_fn() gives cross-entropy "
            f"(binary, with multitarget), but got {type(loss).__name__}."
        )
    if plain and type(loss) is not CheckedLoss:
        return loss
    # Targets were checked before the first step, so nothing of CheckedLoss is needed here.
    if not multitarget:
        return nn.CrossEntropyLoss(weight=weights, label_smoothing=label_smoothing)
    binary = nn.BCEWithLogitsLoss(pos_weight=weights)
    if label_smoothing == 0:
        return binary
    return lambda logits, targets: binary(logits, targets * (1 - label_smoothing) + label_smoothing / 2)


def resolve_class_weights(
    class_weights: ClassWeights, targets: Tensor, *, n_outputs: int, names: Sequence[str] | None
) -> Tensor | None:
    """Weights by class number, float32 of shape (n_outputs,), or None.

    Raises:
        ValueError: The wrong number of weights, or a weight for an unknown class.
    """
    if class_weights is None:
        return None
    if isinstance(class_weights, str):
        return _balanced(targets, n_outputs)
    if isinstance(class_weights, Mapping):
        weights = torch.ones(n_outputs)
        for key, value in class_weights.items():
            weights[_class_number(key, n_outputs, names)] = float(value)
        return weights
    values = [float(value) for value in class_weights]
    if len(values) != n_outputs:
        raise ValueError(
            f"Argument `class_weights` must hold one number per class ({n_outputs}), but got {len(values)}."
        )
    return torch.tensor(values)


def _balanced(targets: Tensor, n_outputs: int) -> Tensor:
    if targets.ndim == 2:
        positives = targets.sum(dim=0)
        negatives = len(targets) - positives
        # A label that is never (or always) given has nothing to balance.
        return torch.where((positives > 0) & (negatives > 0), negatives / positives.clamp(min=1), 1.0)
    counts = torch.bincount(targets, minlength=n_outputs).float()
    present = int((counts > 0).sum())
    return torch.where(counts > 0, len(targets) / (present * counts.clamp(min=1)), 1.0)


def _class_number(key: Any, n_outputs: int, names: Sequence[str] | None) -> int:
    if names is not None and key in names:
        return list(names).index(key)
    if isinstance(key, int) and not isinstance(key, bool) and 0 <= key < n_outputs:
        return key
    known = list(names) if names is not None else list(range(n_outputs))
    raise ValueError(f"Argument `class_weights` must name only the classes {known}, but got {key!r}.")
