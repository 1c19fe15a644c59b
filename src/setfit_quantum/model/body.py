"""The sentence transformer body: loading it, encoding with it, and leaving it as it was."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from setfit_quantum.checks import check_int
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.hub_errors import explained
from setfit_quantum.serialization.sources import HubOptions, fetch_snapshot

PROMPT_NAME = "classification"
"""Under what name a body keeps the instruction that classification gives it."""


def load_body(
    source: str | Path,
    options: HubOptions,
    *,
    device: torch.device | str | None = None,
    trust_remote_code: bool = False,
    prompt: str | None = None,
    truncate_dim: int | None = None,
    pooling: str | None = None,
) -> SentenceTransformer:
    """Load a body from a folder or from the Hub; every option reaches it.

    Args:
        source: Folder, or id of a repository on the Hub.
        options: Revision, cache and token, for the Hub.
        device: Where to put it; None: a GPU where there is one.
        trust_remote_code: Whether modules defined in the repository may run.
        prompt: Instruction put before every text; None: as saved with the body.
        truncate_dim: Keep only so many numbers of each embedding, the first; None: as saved with the body.
        pooling: How tokens or patches become one embedding (`"mean"`, `"cls"`, ...); None: as saved with the body.

    Raises:
        ValueError: More numbers than the embedding has, or a pooling that is not known.
        ModelFileError: A folder without a body, or with a damaged one.
        HubError: The Hub refused, or it could not be asked and the cache does not hold the body.
    """
    if truncate_dim is not None:
        check_int("truncate_dim", truncate_dim, minimum=1)
    name = str(source)
    if options.force_download and not Path(name).is_dir():
        # SentenceTransformer has no such option; it finds the fresh files in the cache.
        fetch_snapshot(name if "/" in name else f"sentence-transformers/{name}", options)
    with explained(name), _telling_damage(Path(name)):
        body: SentenceTransformer = SentenceTransformer(
            name,
            device=None if device is None else str(device),
            revision=options.revision,
            cache_folder=None if options.cache_dir is None else str(options.cache_dir),
            local_files_only=options.local_files_only,
            token=options.token,
            trust_remote_code=trust_remote_code,
            truncate_dim=truncate_dim,
        )
    if prompt is not None:
        # Kept by sentence-transformers among the body's files, and used by it in every call of `encode`.
        body.prompts = {**body.prompts, PROMPT_NAME: prompt}
        body.default_prompt_name = PROMPT_NAME
    if pooling is not None:
        _set_pooling(body, pooling)
    if truncate_dim is not None and (width := embedding_width(body)) is not None and width < truncate_dim:
        raise ValueError(
            f"Argument `truncate_dim` must be at most {width}, the embedding's width, but got {truncate_dim}."
        )
    return body


@contextmanager
def _telling_damage(folder: Path) -> Iterator[None]:
    """Name the folder where its files are what sentence-transformers, transformers or safetensors stumble over."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # of many kinds, each with its own hint
        if not folder.is_dir():
            raise
        raise ModelFileError(
            folder, f"holds no sentence transformer that can be loaded ({type(error).__name__}: {error})."
        ) from error


def _set_pooling(body: SentenceTransformer, pooling: str) -> None:
    for name, module in body.named_children():
        if type(module).__name__ == "Pooling":
            modes = type(module).POOLING_MODES
            if pooling not in modes:
                raise ValueError(
                    f"Argument `pooling` must be one of {', '.join(map(repr, modes))}, but got {pooling!r}."
                )
            settings = {**module.get_config_dict(), "pooling_mode": pooling}
            setattr(body, name, type(module)(**settings))
            return
    raise ValueError(f"Argument `pooling` needs a body that pools, but got {pooling!r} for one that does not.")


def require_vision() -> None:
    """Raise ImportError, naming the extra, unless everything that images need is installed."""
    missing = [name for name in ("PIL", "torchvision") if importlib.util.find_spec(name) is None]
    if not hasattr(SentenceTransformer, "modalities"):
        missing.append("sentence-transformers 5.4")
    if missing:
        raise ImportError(f'Images need {" and ".join(missing)}: pip install "setfit-quantum[vision]"')


def embedding_width(body: Any) -> int | None:
    """Number of columns of the body's embeddings, None where it does not say."""
    # Renamed in sentence-transformers 5.4; the former name warns.
    method = getattr(body, "get_embedding_dimension", None) or body.get_sentence_embedding_dimension
    width = method()
    return None if width is None else int(width)


@contextmanager
def limited_length(body: Any, max_length: int | None) -> Iterator[None]:
    """Cut texts at `max_length` tokens inside the block; more than the body's own limit changes nothing."""
    limit = body.get_max_seq_length()
    if max_length is None or (limit is not None and check_int("max_length", max_length, minimum=1) >= limit):
        yield
        return
    body.max_seq_length = check_int("max_length", max_length, minimum=1)
    try:
        yield
    finally:
        body.max_seq_length = limit


def encode_texts(
    body: Any, texts: Sequence[Any], *, normalize: bool, batch_size: int = 32, show_progress_bar: bool | None = None
) -> Tensor:
    """Embeddings that autograd may use, float32 of shape (n, d) on the body's device.

    The body encodes in evaluation mode, so training and inference see the same embeddings.
    """
    if len(texts) == 0:
        return torch.empty(0, embedding_width(body) or 0, device=body.device)
    encoded = body.encode(
        list(texts),
        batch_size=batch_size,
        normalize_embeddings=normalize,
        convert_to_tensor=True,
        show_progress_bar=show_progress_bar,
    )
    # encode returns inference tensors, which autograd refuses.
    return encoded.clone().float()  # type: ignore[no-any-return]


def check_texts(name: str, texts: Any) -> list[Any]:
    """Return texts as a list.

    Raises:
        TypeError: One string instead of several, or a missing value; naming the argument and the row.
        ValueError: There are none.
    """
    if isinstance(texts, str) or not hasattr(texts, "__iter__"):
        raise TypeError(f"Argument `{name}` must be a sequence of texts, but got {texts!r}.")
    values = list(texts)
    if not values:
        raise ValueError(f"Argument `{name}` must hold at least one text, but it is empty.")
    for row, value in enumerate(values):
        if value is None or (isinstance(value, float) and math.isnan(value)):
            raise TypeError(f"Argument `{name}` must hold a text in every row, but row {row} holds {value!r}.")
    return values
