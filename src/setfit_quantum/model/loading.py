"""`from_pretrained`: what kind of model lies in a folder or repository, and how it becomes ours."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from setfit_quantum.card import CardFacts, read_facts
from setfit_quantum.model.body import embedding_width, load_body
from setfit_quantum.model.heads import HeadSpec, build_head, fit_to_body
from setfit_quantum.serialization.atomic import recover
from setfit_quantum.serialization.classical_head_files import read_classical_head
from setfit_quantum.serialization.dense_head_files import read_dense_head
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.head_files import read_head_files
from setfit_quantum.serialization.hub_errors import HubError
from setfit_quantum.serialization.layout import (
    CLASSICAL_HEAD_CONFIG,
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
from setfit_quantum.serialization.sources import (
    HubOptions,
    fetch_file,
    fetch_snapshot,
    find_local_folder,
    pin_commit,
    verify_download,
)

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
    facts: CardFacts
    """What the saved model's card says."""


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
        HubError: The Hub refused, or it could not be asked and the cache does not hold the model.
    """
    wants_new = head is not None or use_differentiable_head or bool(head_params)
    folder, body_source, options = _locate(source, options, head_needed=not wants_new)
    config = SetFitConfig() if folder is None else read_setfit_config(folder)
    config = _override(config, labels, normalize_embeddings, multi_target_strategy)
    # The head is small: what is wrong with it is told before the body is loaded.
    saved = None if folder is None or wants_new else _read_saved_head(folder, options)
    facts = CardFacts() if folder is None else read_facts(folder)
    if saved is None:  # another head: only what concerns the body still holds
        of_body = {name: value for name, value in facts.training.items() if name == "body"}
        facts = CardFacts(base_model=facts.base_model, training=of_body)
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
    return LoadedParts(body, built, config, complete_id(body_source) if of_the_hub else None, facts)


def complete_id(name: str) -> str:
    """Hub id of a body, of which sentence-transformers also knows the short name."""
    return name if "/" in name else f"sentence-transformers/{name}"


def _locate(source: str | Path, options: LoadOptions, *, head_needed: bool) -> tuple[Path | None, str, LoadOptions]:
    """The folder with SetFit's files (None where there are none), where to load the body from, and how."""
    folder = find_local_folder(source)
    if folder is not None:
        recover(folder)
        ours = os.path.lexists(folder / MANIFEST) or os.path.lexists(folder / HEAD_CONFIG)
        if ours and options.verify:
            verify_files(folder)
        return folder, str(folder), options
    repo_id = str(source)
    try:
        mark = fetch_file(repo_id, MANIFEST, options.hub) or fetch_file(repo_id, HEAD_CONFIG, options.hub)
        if mark is not None:
            folder = fetch_snapshot(repo_id, pin_commit(options.hub, mark.parent))
            if options.verify and (folder / MANIFEST).is_file():
                verify_download(folder, repo_id, options.hub)
            elif options.verify:
                verify_files(folder)
            return folder, str(folder), options
        # A repository of plain SetFit, or a body alone: sentence-transformers fetches just what the body needs.
        for name in (SETFIT_CONFIG, PICKLED_HEAD):
            path = fetch_file(repo_id, name, options.hub)
            if path is not None:
                folder = path.parent
                options = replace(options, hub=pin_commit(options.hub, folder))
    except HubError:
        if head_needed or not options.hub.local_files_only:
            raise
        return None, repo_id, options  # the cache holds a body; its head, if there is one, is not wanted
    return folder, repo_id, options


def _read_saved_head(folder: Path, options: LoadOptions) -> Any:
    # A link that leads nowhere counts as there: to pass over it would give another head without a word.
    if os.path.lexists(folder / HEAD_CONFIG):
        return read_head_files(folder, verify=False)  # verified with all other files
    if os.path.lexists(folder / CLASSICAL_HEAD_CONFIG):
        return read_classical_head(folder)
    if os.path.lexists(folder / SKLEARN_HEAD):
        return read_sklearn_head(folder / SKLEARN_HEAD, options.trusted)
    if os.path.lexists(folder / DENSE_HEAD_CONFIG):
        return read_dense_head(folder)
    path = folder / PICKLED_HEAD
    if not os.path.lexists(path):
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
