"""A quantum head inside another object's state: the contents of its files, as plain arrays that need no pickle."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from setfit_quantum.serialization.head_files import read_head_files, write_head_files
from setfit_quantum.serialization.layout import HEAD_CONFIG, HEAD_WEIGHTS

if TYPE_CHECKING:
    from setfit_quantum.head import SetFitQuantumHead


def pack_head(head: SetFitQuantumHead) -> dict[str, np.ndarray]:
    """The bytes of a head's files by their names.

    Raises:
        ValueError: The width of the embedding is not known yet, or a parameter is NaN.
    """
    with tempfile.TemporaryDirectory(prefix="setfit-quantum-") as scratch:
        folder = Path(scratch)
        write_head_files(head, folder)
        return {
            name: np.frombuffer((folder / name).read_bytes(), dtype=np.uint8) for name in (HEAD_CONFIG, HEAD_WEIGHTS)
        }


def unpack_head(files: Mapping[str, Any]) -> SetFitQuantumHead:
    """The head that `pack_head` packed, in evaluation mode; checked as its files would be.

    Raises:
        ModelFileError: Naming the file and the field.
    """
    with tempfile.TemporaryDirectory(prefix="setfit-quantum-") as scratch:
        folder = Path(scratch)
        for name in (HEAD_CONFIG, HEAD_WEIGHTS):
            if name in files:
                (folder / name).write_bytes(np.asarray(files[name], dtype=np.uint8).tobytes())
        return read_head_files(folder)
