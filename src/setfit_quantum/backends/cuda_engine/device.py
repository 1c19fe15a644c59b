"""Where the kernels run: a GPU, whose tensors they share without a copy, or numba's simulator of one."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.backends.base import BackendError

PIP_COMMAND = 'pip install "setfit-quantum[cuda]"'


def is_simulated() -> bool:
    """Whether numba simulates the GPU on the CPU (`NUMBA_ENABLE_CUDASIM=1`), for tests of the logic."""
    from numba import config

    return bool(config.ENABLE_CUDASIM)


def check_available() -> None:
    """Refuse to start without numba-cuda or without a GPU.

    Raises:
        ImportError: numba-cuda is not installed; the message names the pip command.
        BackendError: There is no GPU that PyTorch and numba-cuda can both use.
    """
    if importlib.util.find_spec("numba_cuda") is None:
        raise ImportError(f"Argument `backend` = 'cuda' needs numba-cuda: {PIP_COMMAND}")
    if is_simulated():
        return
    if not torch.cuda.is_available():
        raise BackendError(
            "Argument `backend` = 'cuda' needs an NVIDIA GPU, but PyTorch finds none; backend='auto' runs here."
        )
    from numba import cuda

    if not cuda.is_available():
        raise BackendError(
            "Argument `backend` = 'cuda' needs an NVIDIA GPU that numba-cuda can use, but it finds none, or not its "
            f"libraries ({PIP_COMMAND} installs those of CUDA 13); backend='torch' runs on this GPU."
        )


def device_type() -> str:
    """Type of the tensors that the kernels take."""
    return "cpu" if is_simulated() else "cuda"


def upload(array: np.ndarray, device: torch.device) -> Any:
    """An array of constants where the kernels can read it."""
    return view(send(array, device))


def send(array: np.ndarray, device: torch.device) -> Tensor:
    """A tensor with the array's numbers; the copy to a GPU does not hold up the host."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def view(tensor: Tensor) -> Any:
    """The tensor's own memory as a kernel's argument."""
    if tensor.device.type == "cpu":
        return tensor.detach().numpy()
    from numba import cuda

    return cuda.as_cuda_array(tensor.detach())


@contextmanager
def current(device: torch.device) -> Iterator[Any]:
    """Inside, kernels go to the device and the stream that PyTorch uses; gives the stream."""
    if device.type == "cpu":
        yield 0
        return
    from numba import cuda

    with torch.cuda.device(device), cuda.gpus[torch.cuda.current_device()]:
        yield _wrap_stream(torch.cuda.current_device(), torch.cuda.current_stream().cuda_stream)


def launch(kernel: Any, blocks: int, threads: int, stream: Any, shared_floats: int, arguments: Sequence[Any]) -> None:
    """Start a kernel; nothing waits for it."""
    if not blocks:
        return
    configure = kernel.__getitem__ if is_simulated() else partial(_configure, kernel)
    configure((blocks, threads, stream, 4 * shared_floats))(*arguments)


@lru_cache(maxsize=64)
def _wrap_stream(device_index: int, pointer: int) -> Any:
    from numba import cuda

    return cuda.external_stream(pointer)


@lru_cache(maxsize=1024)
def _configure(kernel: Any, shape: tuple[Any, ...]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few blocks leave a GPU idle: a small batch has no more
        return kernel[shape]
