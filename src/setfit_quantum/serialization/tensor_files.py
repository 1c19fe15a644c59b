"""Parameters as safetensors, read strictly: names, shapes and types must be those of the module."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.json_files import is_regular_file

_KINDS = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}
"""What safetensors calls the types that heads have."""

_MAX_HEADER = 2**16

MAX_WEIGHTS = 2**26
"""Far more than a head has: a linear layer from 4,096 features to 16,384 classes."""


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
    # One entry only: safetensors writes several in a random order, and the same head would not give the same file.
    save_file(tensors, str(path), metadata={"format": "pt"})


def check_weight_count(config: Path, count: int, file: Path, field: str) -> None:
    """Refuse settings that ask for more weights than their file holds, before memory is taken for them.

    Args:
        config: The file with the settings.
        count: At least so many weights would be made.
        file: The file with the weights.
        field: The setting to name.

    Raises:
        ModelFileError: Naming the field, or the file if it is missing.
    """
    if not is_regular_file(file):
        raise ModelFileError(file, "is missing.")
    if count > MAX_WEIGHTS:  # a sparse file can look as large as it likes
        raise ModelFileError(config, f"asks for {count} weights; at most {MAX_WEIGHTS} are read.", field)
    if 4 * count > file.stat().st_size:
        raise ModelFileError(config, f"asks for {count} weights, more than {file.name} holds.", field)


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
    if not is_regular_file(path):
        raise ModelFileError(path, "is missing.")
    tensors = {}
    try:
        _check_size(path, expected)
        with safe_open(str(path), framework="pt", device="cpu") as file:
            names = set(file.keys())
            for name in sorted(names - set(expected)):
                raise ModelFileError(path, f"is unknown; this head has {sorted(expected)}.", name)
            for name, like in expected.items():
                if name not in names:
                    raise ModelFileError(path, "is missing.", name)
                # Read from the header: what does not fit is refused before any memory is taken.
                header = file.get_slice(name)
                shape, kind = tuple(header.get_shape()), header.get_dtype()
                if shape != tuple(like.shape):
                    raise ModelFileError(path, f"must have shape {tuple(like.shape)}, but has {shape}.", name)
                if kind != _KINDS[like.dtype]:
                    raise ModelFileError(path, f"must be of type {_KINDS[like.dtype]}, but is {kind}.", name)
                tensors[name] = file.get_tensor(name)
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(path, f"is not a whole safetensors file ({error}).") from error
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            raise ModelFileError(path, "has NaN or infinite entries.", name)
    return tensors


def _check_size(path: Path, expected: dict[str, Tensor]) -> None:
    """Refuse a file that holds more than the parameters and a header: it would be read for nothing."""
    largest = sum(tensor.numel() * tensor.element_size() for tensor in expected.values()) + _MAX_HEADER
    size = path.stat().st_size
    if size > largest:
        raise ModelFileError(path, f"has {size} bytes, but the head's parameters need at most {largest}.")


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
