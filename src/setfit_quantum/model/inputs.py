"""What a model classifies, texts or images, and how its body turns it into embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from setfit_quantum.checks import check_choice
from setfit_quantum.data.images import describe_image, is_single_image, read_image
from setfit_quantum.model.body import embedding_width, encode_texts

MODALITIES = ("text", "image")


def check_modality(body: Any, modality: str) -> str:
    """Return the modality, if the body takes it.

    Raises:
        ValueError: An unknown one, or a body of the other kind.
    """
    check_choice("modality", modality, MODALITIES)
    if body is not None and modality == "image" and "image" not in getattr(body, "modalities", ("text",)):
        raise ValueError(
            "Argument `modality='image'` needs a body that takes images (a vision model, or a sentence transformer of "
            f"text and images such as CLIP), but this one takes {', '.join(map(str, body.modalities))}."
        )
    return modality


def is_single(value: Any, modality: str) -> bool:
    """Whether `value` is one text (or one image), not several."""
    return isinstance(value, str) if modality == "text" else is_single_image(value)


def describe_input(value: Any, modality: str) -> str:
    """A text by which the same input is known again in another process."""
    return repr(value) if modality == "text" else describe_image(value)


def encode_inputs(
    body: Any,
    inputs: Sequence[Any],
    modality: str,
    *,
    normalize: bool,
    batch_size: int = 32,
    show_progress_bar: bool | None = None,
) -> Tensor:
    """Embeddings that autograd may use, float32 of shape (n, d) on the body's device."""
    if modality == "text":
        return encode_texts(
            body, inputs, normalize=normalize, batch_size=batch_size, show_progress_bar=show_progress_bar
        )
    from tqdm.auto import tqdm

    # Read as they are needed: the pixels of a whole data set may not fit into memory.
    parts = [torch.empty(0, embedding_width(body) or 0, device=body.device)]
    with tqdm(total=len(inputs), desc="Images", unit="image", disable=not show_progress_bar) as bar:
        for start in range(0, len(inputs), batch_size):
            images = load_images_of(inputs, start, start + batch_size)
            parts.append(
                encode_texts(body, images, normalize=normalize, batch_size=batch_size, show_progress_bar=False)
            )
            bar.update(len(images))
    return torch.cat(parts)


def load_images_of(inputs: Sequence[Any], start: int, end: int) -> list[Any]:
    """Inputs number `start` to `end` as images."""
    return [read_image(inputs[number], f"Input number {number}") for number in range(start, min(end, len(inputs)))]


def embed(body: Any, inputs: Sequence[Any], modality: str, *, normalize: bool) -> Tensor:
    """Embeddings through which gradients reach the body, shape (n, d): as `encode_inputs` gives them."""
    values = list(inputs) if modality == "text" else load_images_of(inputs, 0, len(inputs))
    prompt = default_prompt(body) if modality == "text" else None
    if hasattr(body, "preprocess"):
        features = body.preprocess(values, prompt=prompt)
    else:  # before sentence-transformers 5.4
        features = body.tokenize([f"{prompt or ''}{text}" for text in values])
    device = body.device
    features = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in features.items()}
    embeddings: Tensor = body(features)["sentence_embedding"].float()
    if getattr(body, "truncate_dim", None) is not None:
        embeddings = embeddings[:, : body.truncate_dim]
    return nn.functional.normalize(embeddings, dim=1) if normalize else embeddings


def default_prompt(body: Any) -> str | None:
    """The instruction that the body puts before every text, or None."""
    name = getattr(body, "default_prompt_name", None)
    return None if name is None else (getattr(body, "prompts", None) or {}).get(name) or None
