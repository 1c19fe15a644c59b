"""Checkpoints: one safetensors file each, written atomically, never pickled, checked by hash when read.

A checkpoint is a tree of dictionaries, lists, numbers, strings and tensors. Its tensors are the tensors of the
file; everything else is one JSON text in the file's metadata. So a single rename makes it complete or absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

FORMAT = "setfit-quantum head checkpoint"
VERSION = 1
_FILE_NAME = re.compile(r"checkpoint-(\d{6,})\.safetensors")
_TENSOR, _TUPLE, _PAIRS = "__tensor__", "__tuple__", "__pairs__"


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, or of another training; the message names the file and the reason."""


class CheckpointStore:
    """The checkpoints `checkpoint-<epoch>.safetensors` in one folder.

    Args:
        directory: The folder; made when the first checkpoint is written.
        limit: How many of the newest are kept; None: all.
    """

    def __init__(self, directory: str | Path, limit: int | None = None) -> None:
        self.directory = Path(directory)
        self._limit = limit

    def paths(self) -> list[Path]:
        """Checkpoints in the folder, oldest epoch first."""
        if not self.directory.is_dir():
            return []
        found = [
            (int(match[1]), path) for path in self.directory.iterdir() if (match := _FILE_NAME.fullmatch(path.name))
        ]
        return [path for _, path in sorted(found)]

    def path_of(self, epoch: int) -> Path:
        """Where the checkpoint of `epoch` lies."""
        return self.directory / f"checkpoint-{epoch:06d}.safetensors"

    def save(self, epoch: int, tree: dict[str, Any]) -> Path:
        """Write the checkpoint of `epoch`, then delete those beyond the limit and left-overs of torn writes."""
        path = self.path_of(epoch)
        write_checkpoint(path, tree)
        for left_over in self.directory.glob(".checkpoint-*.tmp"):
            left_over.unlink(missing_ok=True)
        if self._limit is not None:
            for old in self.paths()[: -self._limit]:
                old.unlink(missing_ok=True)
        return path

    def clear(self) -> None:
        """Delete the checkpoints in the folder, and nothing else."""
        for path in self.paths():
            path.unlink(missing_ok=True)

    def load_newest(self) -> tuple[Path, dict[str, Any]] | None:
        """The newest readable checkpoint, or None where there is none; a damaged one is named in a warning.

        Raises:
            CheckpointError: There are checkpoints, and all are damaged.
        """
        errors = []
        for path in reversed(self.paths()):
            try:
                tree = read_checkpoint(path)
            except CheckpointError as error:
                errors.append(str(error))
                continue
            for message in errors:
                warnings.warn(f"{message} Going on from {path} instead.", stacklevel=2)
            return path, tree
        if errors:
            raise CheckpointError(" ".join([*errors, "No other checkpoint is there; pass resume=False to start over."]))
        return None


def write_checkpoint(path: Path, tree: dict[str, Any]) -> None:
    """Write `tree` to `path`, so that `path` holds either all of it or what it held before.

    Raises:
        CheckpointError: The tree holds something that is neither JSON nor a tensor.
        OSError: The folder cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_flatten(tree, "", tensors))
    metadata = {"format": FORMAT, "version": str(VERSION), "tree": text, "sha256": _digest(text, tensors)}
    content = to_safetensors(tensors, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since a rename is atomic only within one file system.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `write_checkpoint` wrote; tensors come back on the CPU.

    Raises:
        CheckpointError: Missing, truncated, changed, of another format or a newer version.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint file {path}.")
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"The checkpoint {path} is damaged ({error}).") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"The file {path} is not a head checkpoint (format {metadata.get('format')!r}).")
    if metadata.get("version") != str(VERSION):
        raise CheckpointError(
            f"The checkpoint {path} has version {metadata.get('version')}, but this program reads version {VERSION}."
        )
    text = metadata.get("tree", "")
    if metadata.get("sha256") != _digest(text, tensors):
        raise CheckpointError(f"The checkpoint {path} is damaged (its hash does not match).")
    tree: dict[str, Any] = _unflatten(json.loads(text), tensors)
    return tree


def clone_tree(tree: Any) -> Any:
    """A copy that shares no tensor with `tree`."""
    if isinstance(tree, Tensor):
        return tree.detach().clone(memory_format=torch.contiguous_format)
    if isinstance(tree, dict):
        return {key: clone_tree(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(clone_tree(value) for value in tree)
    return tree


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().contiguous()
        return {_TENSOR: name}
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("__") for key in value):
            return {key: _flatten(item, f"{name}/{key}", tensors) for key, item in value.items()}
        # JSON turns every key into a string, but an optimizer's state is keyed by numbers.
        return {_PAIRS: [[key, _flatten(item, f"{name}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        items = [_flatten(item, f"{name}/{index}", tensors) for index, item in enumerate(value)]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise CheckpointError(f"Cannot store {name or 'the tree'} of type {type(value).__name__} in a checkpoint.")


def _unflatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unflatten(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    if _TUPLE in value:
        return tuple(_unflatten(item, tensors) for item in value[_TUPLE])
    if _PAIRS in value:
        return {key: _unflatten(item, tensors) for key, item in value[_PAIRS]}
    return {key: _unflatten(item, tensors) for key, item in value.items()}


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sync_directory(directory: Path) -> None:
    # Makes the rename itself survive a power cut; not every file system can do it for a folder.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
