"""Heads and whole models as ONNX: the exact noiseless head, computed by any runtime without this package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from setfit_quantum.onnx_export.body_graph import export_body
from setfit_quantum.onnx_export.head_graph import build_head_graph

BODY = "body.onnx"
HEAD = "head.onnx"
SETTINGS = "onnx_model.json"

__all__ = ["BODY", "HEAD", "SETTINGS", "build_head_graph", "export_body", "export_head", "export_model"]


def export_head(head: Any, path: str | Path, *, labels: Sequence[Any] | None = None) -> Path:
    """Write a trained head as an ONNX graph; see `build_head_graph`.

    Args:
        head: A trained `QuantumHead` or `ClassicalHead`.
        path: The file.
        labels: Names of the classes, kept in the file.

    Returns:
        The file.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(build_head_graph(head, labels=labels).SerializeToString())
    return target


def export_model(model: Any, folder: str | Path) -> Path:
    """Write a `SetFitModel` of texts as ONNX: body, head, tokenizer, and a JSON file that says how they go together.

    Args:
        model: The trained model.
        folder: A folder, made where it does not exist.

    Returns:
        The folder, with `body.onnx`, `head.onnx`, the tokenizer's files and `onnx_model.json`.

    Raises:
        ImportError: ONNX is not installed.
        TypeError: A head that is neither a `QuantumHead` nor a `ClassicalHead`.
        ValueError: A model of images, or a head with shots or noise.
    """
    if model.modality != "text":
        raise ValueError("Argument `model` must classify texts to be exported, but this one classifies images.")
    target = Path(folder)
    # The head first: what cannot be exported is told before the body is traced.
    graph = build_head_graph(model.model_head, labels=model.labels)
    target.mkdir(parents=True, exist_ok=True)
    (target / HEAD).write_bytes(graph.SerializeToString())
    body = model.model_body
    names = export_body(body, target / BODY, normalize=model.normalize_embeddings)
    body.tokenizer.save_pretrained(str(target))
    prompts, name = getattr(body, "prompts", None) or {}, getattr(body, "default_prompt_name", None)
    settings = {
        "inputs": names,
        "max_length": body.get_max_seq_length(),
        "prompt": prompts.get(name) or "" if name else "",
        "labels": None if model.labels is None else [str(label) for label in model.labels],
        "multitarget": bool(model.model_head.multitarget),
    }
    (target / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return target
