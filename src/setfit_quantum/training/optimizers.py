"""The optimizer of head training and its per-epoch learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from setfit_quantum.training.arguments import HeadTrainingArguments

_CLASSES: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def build_optimizer(head: nn.Module, arguments: HeadTrainingArguments) -> torch.optim.Optimizer:
    """The optimizer over the head's trainable parameters.

    Raises:
        ValueError: The head has no trainable parameter.
        TypeError: The callable given as `optimizer` did not return an optimizer.
    """
    parameters = [parameter for parameter in head.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError(
            "Argument `head` must have parameters with requires_grad=True, but it has none; what was frozen with "
            "head.freeze(...) trains again after head.unfreeze()."
        )
    if callable(arguments.optimizer):
        optimizer = arguments.optimizer(parameters)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"Argument `optimizer` must return a torch.optim.Optimizer, but it returned {optimizer!r}.")
        return optimizer
    # A quantum head has a handful of tiny tensors: the fused step takes a third of the time of the others.
    fused = all(p.dtype.is_floating_point and p.device.type in ("cpu", "cuda") for p in parameters)
    return build_named_optimizer(parameters, arguments, lr=arguments.learning_rate, fused=fused or None)


def build_named_optimizer(
    parameters: Sequence[Any], arguments: HeadTrainingArguments, **settings: Any
) -> torch.optim.Optimizer:
    """The optimizer that `arguments` names, with their weight decay and momentum.

    Args:
        parameters: Parameters, or groups of them.
        arguments: Settings whose `optimizer` is a name.
        **settings: Further arguments of the optimizer.
    """
    if arguments.momentum > 0:
        settings |= {"momentum": arguments.momentum, "nesterov": True}
    built: torch.optim.Optimizer = _CLASSES[str(arguments.optimizer)](
        parameters, weight_decay=arguments.weight_decay, **settings
    )
    return built


class EpochRates:
    """Sets each group's learning rate, its first one times a factor: a function of the epoch alone.

    The factor of epoch e of E (from 0) is `lr_decay**e`, and with `"cosine"` also (1 + cos(pi e / E)) / 2.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, arguments: HeadTrainingArguments) -> None:
        self._optimizer = optimizer
        self._arguments = arguments
        self._base = [float(group["lr"]) for group in optimizer.param_groups]

    def set_epoch(self, epoch: int) -> float:
        """Set the rates of `epoch` (counted from 0) and return that of the first group."""
        arguments = self._arguments
        factor = arguments.lr_decay**epoch
        if arguments.lr_schedule == "cosine":
            factor *= (1 + math.cos(math.pi * epoch / arguments.num_epochs)) / 2
        for group, base in zip(self._optimizer.param_groups, self._base, strict=True):
            group["lr"] = base * factor
        return float(self._optimizer.param_groups[0]["lr"])
