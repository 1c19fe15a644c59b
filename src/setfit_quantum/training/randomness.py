"""Random numbers of a training: its own, and the caller's left alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def own_randomness(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's generators (dropout, lazy layers) inside the block, and put them back as they were after it."""
    index = _cuda_index(device)
    with torch.random.fork_rng(devices=[] if index is None else [index]):
        # torch.manual_seed would seed every device, also those that are not put back.
        torch.default_generator.manual_seed(seed)
        if index is not None:
            torch.cuda.default_generators[index].manual_seed(seed)
        yield


def random_states(head: Any, order: torch.Generator, device: torch.device) -> dict[str, Any]:
    """States of all generators that a training draws from."""
    index = _cuda_index(device)
    return {
        "order": order.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": None if index is None else torch.cuda.get_rng_state(index),
        "head": head.rng_state() if hasattr(head, "rng_state") else None,
    }


def set_random_states(states: Mapping[str, Any], head: Any, order: torch.Generator, device: torch.device) -> None:
    """Put back what `random_states` returned."""
    order.set_state(states["order"])
    torch.set_rng_state(states["torch"])
    index = _cuda_index(device)
    if index is not None and states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"], index)
    if states["head"] is not None and hasattr(head, "set_rng_state"):
        head.set_rng_state(states["head"])


def _cuda_index(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    return torch.cuda.current_device() if device.index is None else device.index
