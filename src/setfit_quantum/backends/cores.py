"""Who may use the cores: PyTorch's threads or a backend's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_holders = 0
_cores = 0
"""The most threads that PyTorch was seen to use; its own count differs from thread to thread."""
_own = threading.local()


def available_cores() -> int:
    """Threads that a backend may use: as many as PyTorch may, also while `torch_on_one_core` holds PyTorch back."""
    return max(_cores, torch.get_num_threads()) if _holders else torch.get_num_threads()


@contextmanager
def torch_on_one_core() -> Iterator[None]:
    """Let PyTorch compute on one core inside the block, so that a backend's own threads have the others.

    Around a small circuit PyTorch's part is a few operations on tens of numbers, yet some of them (softmax, the fused
    Adam step) wake its whole OpenMP pool. On two cores with a backend's threads beside it, and all the more on a busy
    machine, that made a training step of 10 qubits 2 to 10 times slower.
    """
    # PyTorch keeps one count per thread, so each thread restores its own.
    global _holders, _cores
    depth = getattr(_own, "depth", 0)
    if depth == 0:
        _own.before = torch.get_num_threads()
        torch.set_num_threads(1)
    _own.depth = depth + 1
    with _lock:
        _holders += 1
        _cores = _own.before if _holders == 1 else max(_cores, _own.before)
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
        _own.depth = depth
        if depth == 0:
            torch.set_num_threads(_own.before)
