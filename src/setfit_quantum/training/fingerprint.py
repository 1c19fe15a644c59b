"""What a training must have in common with a checkpoint to go on from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from setfit_quantum.training.arguments import HeadTrainingArguments
from setfit_quantum.training.data import LabelledEmbeddings

# What does not change the numbers of an epoch; num_epochs may grow, which is how a training is prolonged.
_FREE_ARGUMENTS = (
    "num_epochs",
    "min_steps",
    "checkpoint_dir",
    "save_every",
    "save_total_limit",
    "resume",
    "show_progress_bar",
    "log_every",
    "calibrate",
    "final_layer",
    "device",
)
# Seen in the shapes of the parameters.
_FREE_HEAD_SETTINGS = ("in_features", "out_features")
_SKETCH_TOLERANCE = 1e-4


def fingerprint(
    head: nn.Module,
    train: LabelledEmbeddings,
    validation: LabelledEmbeddings | None,
    label_names: Sequence[str] | None,
    arguments: HeadTrainingArguments,
) -> dict[str, Any]:
    """JSON-ready description of a training: settings, the head's build, hashes of the data."""
    settings = {key: value for key, value in arguments.to_dict().items() if key not in _FREE_ARGUMENTS}
    if arguments.lr_schedule != "constant":
        settings["num_epochs"] = arguments.num_epochs  # on which every epoch's rate depends
    config: Any = getattr(head, "config", None)
    values = config.to_dict() if hasattr(config, "to_dict") else {}
    description = {
        "arguments": settings,
        "label names": None if label_names is None else list(label_names),
        "head": type(head).__name__,
        "head settings": {key: value for key, value in values.items() if key not in _FREE_HEAD_SETTINGS},
        "head tensors": {
            name: f"{tensor.dtype} {tuple(tensor.shape)}"
            for name, tensor in head.state_dict().items()
            if isinstance(tensor, Tensor)
        },
        "training data": _describe(train),
        "validation data": None if validation is None else _describe(validation),
    }
    described: dict[str, Any] = json.loads(json.dumps(description, default=str))
    return described


def differences(saved: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """What differs, one readable line each."""
    lines = []
    for key in ("arguments", "head settings"):
        before, now = saved.get(key, {}), current[key]
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                lines.append(f"{name} was {before.get(name)!r}, is {now.get(name)!r}")
    for key in ("head", "label names"):
        if saved.get(key) != current[key]:
            lines.append(f"{key} was {saved.get(key)!r}, is {current[key]!r}")
    if saved.get("head tensors") != current["head tensors"]:
        lines.append("the shapes of the head's parameters differ")
    for key in ("training data", "validation data"):
        lines += _data_differences(key, saved.get(key), current[key])
    return lines


def data_rounded_differently(saved: dict[str, Any], current: dict[str, Any]) -> bool:
    """Whether embeddings are the same up to rounding but not to the bit (encoded on another machine, say)."""
    return any(
        saved[key] is not None and saved[key]["embeddings sha256"] != current[key]["embeddings sha256"]
        for key in ("training data", "validation data")
    )


def _describe(data: LabelledEmbeddings) -> dict[str, Any]:
    return {
        "shape": list(data.embeddings.shape),
        "embeddings sha256": _sha256(data.embeddings),
        "embeddings sketch": _sketch(data.embeddings),
        "labels sha256": _sha256(data.targets),
    }


def _sha256(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.cpu().contiguous().view(torch.uint8).numpy().data).hexdigest()


def _sketch(embeddings: Tensor) -> list[float]:
    """Random projections of the embeddings: equal up to rounding exactly where the embeddings are."""
    matrix = embeddings.cpu().numpy()
    rng = np.random.default_rng(0)
    columns = rng.standard_normal((matrix.shape[1], 8)).astype(matrix.dtype)
    rows = rng.standard_normal((matrix.shape[0], 8))
    sums = (rows * (matrix @ columns)).sum(axis=0)
    return [float(value) for value in sums / max(float(np.linalg.norm(matrix)), 1e-30)]


def _data_differences(key: str, saved: dict[str, Any] | None, current: dict[str, Any] | None) -> list[str]:
    if saved is None or current is None:
        return [] if saved is current else [f"{key} was {_presence(saved)}, is {_presence(current)}"]
    if saved["shape"] != current["shape"]:
        return [f"{key} had shape {tuple(saved['shape'])}, has {tuple(current['shape'])}"]
    lines = []
    if saved["labels sha256"] != current["labels sha256"]:
        lines.append(f"the labels of the {key} differ")
    same = saved["embeddings sha256"] == current["embeddings sha256"]
    if not same and not np.allclose(
        saved["embeddings sketch"], current["embeddings sketch"], rtol=0, atol=_SKETCH_TOLERANCE
    ):
        lines.append(f"the embeddings of the {key} differ")
    return lines


def _presence(value: dict[str, Any] | None) -> str:
    return "absent" if value is None else "given"
