"""`from_pretrained`: what kind of model lies in a folder or repository, and how it becomes ours."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from setfit_quantum.model.body import embedding_width, load_body
from setfit_quantum.model.heads import HeadSpec, build_head, fit_to_body
from setfit_quantum.serialization.atomic import recover
from setfit_quantum.serialization.dense_head_files import read_dense_head
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.head_files import read_head_files
from setfit_quantum.serialization.layout import (
    DENSE_HEAD_CONFIG,
    HEAD_CONFIG,
    MANIFEST,
    PICKLED_HEAD,
    SETFIT_CONFIG,
    SKLEARN_HEAD,
)
from setfit_quantum.serialization.manifest import verify_files
from setfit_quantum.serialization.setfit_config import SetFitConfig, read_setfit_config
from setfit_quantum.serialization.sklearn_files import read_pickled_head, read_sklearn_head
from setfit_quantum.serialization.sources import HubOptions, fetch_file, fetch_snapshot, find_local_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadOptions:
    """The arguments of `SetFitModel.from_pretrained` that say how, not what."""

    hub: HubOptions = field(default_factory=HubOptions)
    device: torch.device | str | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False
    trusted: Sequence[str] = ()
    verify: bool = True


@dataclass(frozen=True)
class LoadedParts:
    """What `SetFitModel` is made of."""

    body: Any
    head: Any
    config: SetFitConfig
    base_model: str | None
    """The body's id on the Hub, where it was loaded from there as a body."""


def load_parts(
    source: str | Path,
    options: LoadOptions,
    *,
    head: HeadSpec | None = None,
    labels: Sequence[Any] | None = None,
    normalize_embeddings: bool | None = None,
    multi_target_strategy: str | None = None,
    use_differentiable_head: bool = False,
    head_params: Mapping[str, Any] | None = None,
) -> LoadedParts:
    """Load body and settings, and load or make the head.

    A given `head` (or `use_differentiable_head`, or `head_params`) is used instead of a saved one.

    Raises:
        ModelFileError: A file is missing, damaged or not understood, or a pickled head is not allowed.
        FileNotFoundError: There is no such folder.
    """
    folder, body_source = _locate(source, options)
    config = SetFitConfig() if folder is None else read_setfit_config(folder)
    config = _override(config, labels, normalize_embeddings, multi_target_strategy)
    wants_new = head is not None or use_differentiable_head or bool(head_params)
    # The head is small: what is wrong with it is told before the body is loaded.
    saved = None if folder is None or wants_new else _read_saved_head(folder, options)
    body = load_body(body_source, options.hub, device=options.device, trust_remote_code=options.trust_remote_code)
    width = embedding_width(body)
    built = saved
    if built is None:
        built = build_head(
            head,
            in_features=width,
            multi_target_strategy=config.multi_target_strategy,
            use_differentiable_head=use_differentiable_head,
            head_params=head_params,
        )
    fit_to_body(built, width, config.labels)
    if isinstance(built, nn.Module):
        built.to(body.device)
    of_the_hub = folder is None
    return LoadedParts(body, built, config, complete_id(body_source) if of_the_hub else None)


def complete_id(name: str) -> str:
    """Hub id of a body, of which sentence-transformers also knows the short name."""
    return name if "/" in name else f"sentence-transformers/{name}"


def _locate(source: str | Path, options: LoadOptions) -> tuple[Path | None, str]:
    """The folder with SetFit's files (None where there are none), and where to load the body from."""
    folder = find_local_folder(source)
    if folder is not None:
        recover(folder)
        ours = (folder / MANIFEST).is_file() or (folder / HEAD_CONFIG).is_file()
        if ours and options.verify:
            verify_files(folder)
        return folder, str(folder)
    repo_id = str(source)
    if any(fetch_file(repo_id, name, options.hub) for name in (MANIFEST, HEAD_CONFIG)):
        folder = fetch_snapshot(repo_id, options.hub)
        if options.verify:
            verify_files(folder)
        return folder, str(folder)
    # A repository of plain SetFit, or a body alone: sentence-transformers fetches just what the body needs.
    paths = [fetch_file(repo_id, name, options.hub) for name in (SETFIT_CONFIG, PICKLED_HEAD)]
    found = next((path for path in paths if path is not None), None)
    return (None if found is None else found.parent), repo_id


def _read_saved_head(folder: Path, options: LoadOptions) -> Any:
    if (folder / HEAD_CONFIG).is_file():
        return read_head_files(folder, verify=False)  # verified with all other files
    if (folder / SKLEARN_HEAD).is_file():
        return read_sklearn_head(folder / SKLEARN_HEAD, options.trusted)
    if (folder / DENSE_HEAD_CONFIG).is_file():
        return read_dense_head(folder)
    path = folder / PICKLED_HEAD
    if not path.is_file():
        return None
    if not options.allow_pickle:
        raise ModelFileError(
            path,
            "is a pickle, as plain SetFit writes it: loading it can run any code. Pass allow_pickle=True if you trust "
            "where it comes from, or head=... to use the body with a new head.",
        )
    return read_pickled_head(path)


def _override(
    config: SetFitConfig,
    labels: Sequence[Any] | None,
    normalize_embeddings: bool | None,
    multi_target_strategy: str | None,
) -> SetFitConfig:
    given = {
        "labels": None if labels is None else list(labels),
        "normalize_embeddings": normalize_embeddings,
        "multi_target_strategy": multi_target_strategy,
    }
    values = vars(config).copy()
    for name, value in given.items():
        if value is None:
            continue
        if values[name] not in (None, False, value):
            logger.info("Using %s=%r instead of the saved %r.", name, value, values[name])
        values[name] = value
    return SetFitConfig(**values)
