"""A `ClassicalHead` as files: settings (JSON) and parameters (safetensors)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from setfit_quantum.serialization.atomic import staged_save
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.json_files import read_json, write_json
from setfit_quantum.serialization.layout import CLASSICAL_HEAD_CONFIG, CLASSICAL_HEAD_WEIGHTS
from setfit_quantum.serialization.sources import HubOptions, opened
from setfit_quantum.serialization.tensor_files import check_weight_count, load_tensors, write_tensors

if TYPE_CHECKING:
    from setfit_quantum.head.classical import ClassicalHead

_SIZES = ("in_features", "out_features", "hidden_dim", "classifier_hidden_dim")
_FIELDS = frozenset({*_SIZES, "batch_norm", "frozen", "multitarget", "temperature", "seed"})


def save_classical_head(head: ClassicalHead, folder: str | Path) -> None:
    """Write a head alone into a folder, atomically; other files there, such as a body's, are kept.

    Raises:
        ValueError: The width of the embedding is not known yet, or a parameter is NaN.
    """
    with staged_save(Path(folder), keep_others=True) as staging:
        write_classical_head(head, staging)


def load_classical_head(
    source: str | Path,
    *,
    device: torch.device | str | None = None,
    verify: bool = True,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> ClassicalHead:
    """Load a head from a folder or a Hub repository; arguments and errors as of `load_head`."""
    options = HubOptions(revision, cache_dir, force_download, local_files_only, token)
    with opened(source, (CLASSICAL_HEAD_CONFIG, CLASSICAL_HEAD_WEIGHTS), options, verify=verify) as folder:
        head = read_classical_head(folder)
    return head if device is None else head.to(device)


def write_classical_head(head: ClassicalHead, folder: Path) -> None:
    """Write the files of a head into a folder (no manifest)."""
    if not head.is_built:
        raise ValueError(
            "Argument `head` must know the width of its embeddings before it is saved: give `in_features`, or train it."
        )
    write_tensors(folder / CLASSICAL_HEAD_WEIGHTS, head)
    write_json(folder / CLASSICAL_HEAD_CONFIG, {"head": head.settings()})


def read_classical_head(folder: Path) -> ClassicalHead:
    """Build a head from the files in a folder, in evaluation mode.

    Raises:
        ModelFileError: Naming the file and the field.
    """
    from setfit_quantum.head.classical import ClassicalHead

    path = folder / CLASSICAL_HEAD_CONFIG
    values = read_json(path, required=("head",))["head"]
    _check_settings(path, values)
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and then replaced
        try:
            head = ClassicalHead(**values)
        except (TypeError, ValueError) as error:
            raise ModelFileError(path, f"is not valid: {error}", "head") from error
    load_tensors(folder / CLASSICAL_HEAD_WEIGHTS, head)
    head.mark_trained()
    return head.eval()


def _check_settings(path: Path, values: Any) -> None:
    if not isinstance(values, Mapping):
        raise ModelFileError(path, f"must be an object, but is {values!r:.100}.", "head")
    for key in sorted(set(values) ^ _FIELDS):
        raise ModelFileError(path, "is unknown." if key in values else "is missing.", f"head.{key}")
    if not isinstance(values["frozen"], list) or not all(isinstance(part, str) for part in values["frozen"]):
        raise ModelFileError(path, f"must be a list of texts, but is {values['frozen']!r}.", "head.frozen")
    for key in ("in_features", "out_features"):
        if values[key] is None:
            raise ModelFileError(path, "must be a whole number, but is None.", f"head.{key}")
    for key in _SIZES:
        value = values[key]
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**22):
            raise ModelFileError(path, f"must be a whole number of at most {2**22}, but is {value!r}.", f"head.{key}")
    # What would fill the memory is refused before it is built.
    widths = [values[key] for key in ("in_features", "hidden_dim", "classifier_hidden_dim", "out_features")]
    sizes = [width for width in widths if width]
    weights = sum(width * following for width, following in pairwise(sizes))
    check_weight_count(path, weights, path.parent / CLASSICAL_HEAD_WEIGHTS, "head.in_features")
