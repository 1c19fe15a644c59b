"""Parameters as safetensors, read strictly: names, shapes and types must be those of the module."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.layout import SCHEMA_VERSION


def write_tensors(path: Path, module: nn.Module) -> None:
    """Write a module's parameters and buffers.

    Raises:
        ValueError: A parameter is NaN or infinite: such a model would be refused on loading.
    """
    tensors = {}
    for name, tensor in module.state_dict().items():
        # A copy of its own for each: safetensors refuses tensors that share memory.
        tensors[name] = tensor.detach().to("cpu", copy=True).contiguous()
        if not _is_finite(tensors[name]):
            raise ValueError(f"Argument `head` must have finite parameters, but `{name}` has NaN or infinite entries.")
    save_file(tensors, str(path), metadata={"format": "pt", "schema_version": str(SCHEMA_VERSION)})


def load_tensors(path: Path, module: nn.Module) -> None:
    """Load a file that `write_tensors` wrote into `module`, whose shapes must be known.

    Raises:
        ModelFileError: Naming the file and the tensor that is missing, unknown, of another shape or type, or NaN.
    """
    expected = module.state_dict()
    with torch.no_grad():
        for name, tensor in _read_tensors(path, expected).items():
            expected[name].copy_(tensor)  # entries of a state dict share memory with the module


def _read_tensors(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelFileError(path, "is missing.")
    tensors = {}
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            names = set(file.keys())
            for name in sorted(names - set(expected)):
                raise ModelFileError(path, f"is unknown; this head has {sorted(expected)}.", name)
            for name, like in expected.items():
                if name not in names:
                    raise ModelFileError(path, "is missing.", name)
                # Read from the header: a wrong shape is refused before any memory is taken.
                shape = tuple(file.get_slice(name).get_shape())
                if shape != tuple(like.shape):
                    raise ModelFileError(path, f"must have shape {tuple(like.shape)}, but has {shape}.", name)
                tensors[name] = file.get_tensor(name)
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(path, f"is not a whole safetensors file ({error}).") from error
    for name, tensor in tensors.items():
        if tensor.dtype != expected[name].dtype:
            raise ModelFileError(path, f"must be of type {expected[name].dtype}, but is {tensor.dtype}.", name)
        if not _is_finite(tensor):
            raise ModelFileError(path, "has NaN or infinite entries.", name)
    return tensors


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
