"""Leaving a module as it was: what is frozen, and which parts are in training mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def preserved(module: nn.Module) -> Iterator[None]:
    """Put back which parameters are frozen, and the mode (train or eval) of every part, after the block."""
    frozen = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for parameter, requires_grad in frozen:
            parameter.requires_grad_(requires_grad)
        for part, training in modes:
            part.training = training
