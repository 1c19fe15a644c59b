"""SetFit's own differentiable head (`SetFitHead`) as files, so that it needs no pickle either."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.json_files import read_json, write_json
from setfit_quantum.serialization.layout import DENSE_HEAD_CONFIG, DENSE_HEAD_WEIGHTS
from setfit_quantum.serialization.tensor_files import check_weight_count, load_tensors, write_tensors
from setfit_quantum.vanilla import import_setfit

_FIELDS: dict[str, type] = {
    "in_features": int, "out_features": int, "temperature": float, "eps": float, "bias": bool, "multitarget": bool,
}  # fmt: skip


def write_dense_head(head: Any, folder: Path) -> None:
    """Write a `setfit.SetFitHead`."""
    values = {name: getattr(head, name) for name in _FIELDS}
    values["in_features"] = head.linear.in_features
    write_tensors(folder / DENSE_HEAD_WEIGHTS, head)
    write_json(folder / DENSE_HEAD_CONFIG, {"head": values})


def read_dense_head(folder: Path) -> Any:
    """Read a `setfit.SetFitHead`.

    Raises:
        ModelFileError: Naming the file and the field.
    """
    path = folder / DENSE_HEAD_CONFIG
    values = read_json(path, required=("head",))["head"]
    if not isinstance(values, dict) or set(values) != set(_FIELDS):
        raise ModelFileError(path, f"must have exactly the settings {sorted(_FIELDS)}.", "head")
    for name, kind in _FIELDS.items():
        value = values[name]
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise ModelFileError(path, f"must be of type {kind.__name__}, but is {value!r}.", f"head.{name}")
        if isinstance(value, float | int) and kind is float and not 0 <= value <= sys.float_info.max:
            raise ModelFileError(path, f"must be a finite number of at least 0, but is {value!r:.50}.", f"head.{name}")
        if type(value) is int and kind is int and not 1 <= value <= 2**22:
            raise ModelFileError(path, f"must be between 1 and {2**22}, but is {value}.", f"head.{name}")
    check_weight_count(
        path, values["in_features"] * values["out_features"], folder / DENSE_HEAD_WEIGHTS, "head.in_features"
    )
    head = import_setfit().SetFitHead(**values, device="cpu")
    load_tensors(folder / DENSE_HEAD_WEIGHTS, head)
    return head.eval()
