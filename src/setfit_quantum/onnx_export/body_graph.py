"""A sentence transformer as an ONNX graph, with every module that it has: pooling and normalisation included."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from setfit_quantum.onnx_export.graph import OPSET, import_onnx
from setfit_quantum.training.modes import preserved

_EXAMPLES = ["a text", "another text, which is longer"]


class _Embedder(nn.Module):
    """Token numbers in, embeddings out: what `encode` does after its tokenizer."""

    def __init__(self, body: Any, names: list[str], *, normalize: bool) -> None:
        super().__init__()
        self._body = body
        self._names = names
        self._normalize = normalize

    def forward(self, *values: Tensor) -> Tensor:
        features = dict(zip(self._names, values, strict=True))
        embeddings: Tensor = self._body(features)["sentence_embedding"]
        if self._body.truncate_dim is not None:
            embeddings = embeddings[:, : self._body.truncate_dim]
        return nn.functional.normalize(embeddings, dim=1) if self._normalize else embeddings


def export_body(body: Any, path: Path, *, normalize: bool = False) -> list[str]:
    """Write a sentence transformer of texts as an ONNX graph.

    Its inputs are what the tokenizer gives (`input_ids`, `attention_mask`, ...), of shape (batch, tokens); its output
    is `embeddings`, of shape (batch, d), as `encode` gives them.

    Args:
        body: The `SentenceTransformer`.
        path: The file.
        normalize: Whether embeddings are scaled to norm 1 at the end, beside what the body's own modules do.

    Returns:
        Names of the inputs, in their order.

    Raises:
        ImportError: ONNX is not installed.
        ValueError: A body that takes no texts.
    """
    import_onnx()
    if "text" not in getattr(body, "modalities", ("text",)):
        raise ValueError("Argument `body` must take texts to be exported, but this one takes images only.")
    preprocess = getattr(body, "preprocess", None) or body.tokenize
    features = {name: value for name, value in preprocess(_EXAMPLES).items() if isinstance(value, Tensor)}
    names = [name for name, value in features.items() if value.ndim == 2]
    example = tuple(features[name].to(body.device) for name in names)
    with preserved(body), _plain_attention(body), torch.no_grad(), warnings.catch_warnings():
        module = _Embedder(body, names, normalize=normalize).eval()
        warnings.simplefilter("ignore")  # the tracer's, on shapes that it was told are free
        torch.onnx.export(
            module,
            example,
            str(path),
            input_names=names,
            output_names=["embeddings"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names} | {"embeddings": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return names


@contextlib.contextmanager
def _plain_attention(body: Any) -> Iterator[None]:
    """Attention written out, while the block runs: the fused kernels choose by the shapes of one example."""
    config = getattr(getattr(body[0], "auto_model", None), "config", None)
    former = getattr(config, "_attn_implementation", None)
    if config is not None and former is not None:
        config._attn_implementation = "eager"
    try:
        yield
    finally:
        if config is not None and former is not None:
            config._attn_implementation = former
