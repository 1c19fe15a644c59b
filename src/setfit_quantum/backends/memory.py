"""Memory: what a request needs, what there is, and a refusal before anything is allocated.

An allocation that fails half-way loses the work before it, and on Linux it does not even fail: the process is killed
when it touches the pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from setfit_quantum.backends.base import BackendError

UNCHECKED_BYTES = 2**26
"""What needs less is not looked at: reading the limits takes as long as a small training step."""


class InsufficientMemoryError(BackendError, MemoryError):
    """A request does not fit into the memory that is left."""


def check_memory(
    backend: str,
    required: Callable[[int], int],
    *,
    n_qubits: int,
    batch: int,
    training: bool,
    device: torch.device | None = None,
) -> None:
    """Refuse a request that cannot fit, before anything is allocated.

    Args:
        backend: Name of the backend.
        required: Gives the bytes that a batch of that size needs at least.
        n_qubits: Qubits of the widest circuit.
        batch: Number of samples.
        training: Whether states are kept for a backward sweep.
        device: Where the states are; None: on the CPU.

    Raises:
        InsufficientMemoryError: With the bytes needed and available, and what to lower.
    """
    needed = required(batch)
    if needed < UNCHECKED_BYTES:
        return
    device = device or torch.device("cpu")
    available = available_bytes(device)
    if available is None or needed <= available:
        return
    fitting = batch // 2
    while fitting and required(fitting) > available:
        fitting //= 2
    advice = f"a batch of {fitting} fits" if fitting else "not even one sample fits, so lower `n_qubits`"
    raise InsufficientMemoryError(
        f"Backend {backend!r} needs at least {needed:,} bytes to {'train' if training else 'evaluate'} {n_qubits} "
        f"qubits with a batch of {batch}, but {available:,} bytes are available on {device}; {advice}."
    )


def available_bytes(device: torch.device, root: Path = Path("/")) -> int | None:
    """Bytes that may still be allocated on a device; None where the system does not tell.

    On the CPU the least of what the system has left, swap aside, and what is left of the limits of this process's
    control groups (containers, batch jobs).

    Args:
        device: A CPU or CUDA device.
        root: Where `proc` and `sys` are.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What PyTorch has reserved and not given out is at hand too.
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    room = [*_system_room(root), *_group_room(root)]
    return max(0, min(room)) if room else None


def _system_room(root: Path) -> Iterator[int]:
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _group_room(root: Path) -> Iterator[int]:
    """What is left of each limit on the way from this process's control groups up."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            mount, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            mount = root / "sys/fs/cgroup/memory"
        else:
            continue
        own = mount / group.strip("/")
        for folder in (own, *own.parents):
            limit, used = (_read(folder / name).strip() for name in names[:2])
            if limit.isdigit() and used.isdigit():
                yield int(limit) - int(used) + _reclaimable(folder, names[2])
            if folder == mount:
                break


def _reclaimable(folder: Path, name: str) -> int:
    """Bytes of cached files that the system gives up when somebody needs them."""
    for line in _read(folder / "memory.stat").splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:  # no such limit, or another operating system
        return ""
