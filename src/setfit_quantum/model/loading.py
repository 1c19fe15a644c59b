"""`from_pretrained`: what kind of model lies in a folder or repository, and how it becomes ours."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from setfit_quantum.card import CardFacts, read_facts
from setfit_quantum.default_body import known_body_id
from setfit_quantum.model.body import embedding_width, load_body
from setfit_quantum.model.heads import HeadSpec, build_head, fit_to_body
from setfit_quantum.model.inputs import check_modality
from setfit_quantum.serialization.atomic import whole_version
from setfit_quantum.serialization.classical_head_files import read_classical_head
from setfit_quantum.serialization.dense_head_files import read_dense_head
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.head_files import read_head_files
from setfit_quantum.serialization.hub_errors import HubError, is_unreachable
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
    find_cached_folder,
    find_local_folder,
    pin_commit,
    verify_download,
)

logger = logging.getLogger(__name__)

_OUR_MARKS = (MANIFEST, HEAD_CONFIG, CLASSICAL_HEAD_CONFIG, SKLEARN_HEAD, DENSE_HEAD_CONFIG)
"""Files that only this package writes."""


@dataclass(frozen=True)
class LoadOptions:
    """The arguments of `SetFitModel.from_pretrained` that say how, not what."""

    hub: HubOptions = field(default_factory=HubOptions)
    device: torch.device | str | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False
    trusted: Sequence[str] = ()
    verify: bool = True
    prompt: str | None = None
    truncate_dim: int | None = None
    pooling: str | None = None


@dataclass(frozen=True)
class LoadedParts:
    """What `SetFitModel` is made of."""

    body: Any
    head: Any
    config: SetFitConfig
    base_model: str | None
    """The body's id on the Hub, where it was loaded from there as a body, or is the offline copy of the default."""
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
    modality: str | None = None,
) -> LoadedParts:
    """Load body and settings, and load or make the head.

    A given `head` (or `use_differentiable_head`, or `head_params`) is used instead of a saved one.

    Raises:
        ModelFileError: A file is missing, damaged or not understood, or a pickled head is not allowed.
        FileNotFoundError: There is no such folder.
        HubError: The Hub refused, or it could not be asked and the cache does not hold the model.
    """
    wants_new = head is not None or use_differentiable_head or bool(head_params)
    local = find_local_folder(source)
    with nullcontext() if local is None else whole_version(local):
        place = (
            _find_on_hub(str(source), options, head_needed=not wants_new) if local is None else _find_in(local, options)
        )
        folder = place.folder
        config = SetFitConfig() if folder is None else read_setfit_config(folder)
        config = _override(config, labels, normalize_embeddings, multi_target_strategy, modality)
        # The head is small: what is wrong with it is told before the body is loaded.
        saved = None if wants_new else _read_saved_head(place, options)
        facts = CardFacts() if folder is None else read_facts(folder)
        if saved is None:  # another head: only what concerns the body still holds
            of_body = {name: value for name, value in facts.training.items() if name == "body"}
            facts = CardFacts(base_model=facts.base_model, training=of_body)
        body = load_body(
            place.body,
            place.hub,
            device=options.device,
            trust_remote_code=options.trust_remote_code,
            prompt=options.prompt,
            truncate_dim=options.truncate_dim,
            pooling=options.pooling,
        )
    check_modality(body, config.modality)
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
    base_model = complete_id(place.body) if folder is None else known_body_id(folder)
    return LoadedParts(body, built, config, base_model, facts)


def complete_id(name: str) -> str:
    """Hub id of a body, of which sentence-transformers also knows the short name."""
    return name if "/" in name else f"sentence-transformers/{name}"


@dataclass(frozen=True)
class _Place:
    """Where the parts of a model are.

    Args:
        folder: The folder with SetFit's files and ours, None where there are none.
        body: Folder or id to load the body from.
        hub: How to load it from the Hub.
        is_ours: Whether this package saved the model, so that there must be a head.
    """

    folder: Path | None
    body: str
    hub: HubOptions
    is_ours: bool


def _find_in(folder: Path, options: LoadOptions) -> _Place:
    ours = any(os.path.lexists(folder / name) for name in _OUR_MARKS)
    if ours and options.verify:
        verify_files(folder)
    return _Place(folder, str(folder), options.hub, ours)


def _find_on_hub(repo_id: str, options: LoadOptions, *, head_needed: bool) -> _Place:
    hub = options.hub
    try:
        mark = fetch_file(repo_id, MANIFEST, hub) or fetch_file(repo_id, HEAD_CONFIG, hub)
        # A repository of plain SetFit, or a body alone: sentence-transformers fetches just what the body needs.
        names = (SETFIT_CONFIG, PICKLED_HEAD) if head_needed else (SETFIT_CONFIG,)
        plain = [] if mark is not None else [fetch_file(repo_id, name, hub) for name in names]
        folder = next((path.parent for path in plain if path is not None), None)
        if folder is not None:
            hub = pin_commit(hub, folder)
            # Or one of ours that has lost its manifest.
            mark = next(filter(None, (fetch_file(repo_id, name, hub) for name in _OUR_MARKS)), None)
    except HubError as error:
        if not is_unreachable(error) or hub.force_download:
            raise
        return _find_in_cache(repo_id, hub, error, head_needed=head_needed)
    if mark is None:
        return _Place(folder, repo_id, hub, is_ours=False)
    folder = fetch_snapshot(repo_id, pin_commit(hub, mark.parent))
    if options.verify and (folder / MANIFEST).is_file():
        verify_download(folder, repo_id, hub)
    elif options.verify:
        verify_files(folder)
    return _Place(folder, str(folder), hub, is_ours=True)


def _find_in_cache(repo_id: str, hub: HubOptions, error: HubError, *, head_needed: bool) -> _Place:
    """What others, such as sentence-transformers or plain SetFit, put into the cache.

    Raises:
        HubError: There is no body, or the head is needed and whether there is one cannot be told.
    """
    full_id = complete_id(repo_id)
    folder = find_cached_folder(full_id, (PICKLED_HEAD, SETFIT_CONFIG), hub)
    if find_cached_folder(full_id, ("modules.json", "config.json"), hub) is None:
        raise error
    if head_needed and not (folder is not None and (folder / PICKLED_HEAD).is_file()):
        raise HubError(
            f"{error}\nThe sentence transformer is in the cache, but not whether the repository has a head: pass "
            "head=QuantumHead(...) to use it with a new head."
        ) from error.__cause__
    if not hub.local_files_only:
        logger.warning("%s; using what the cache has.", str(error).rstrip("."))
    hub = replace(hub if folder is None else pin_commit(hub, folder), local_files_only=True)
    return _Place(folder, repo_id, hub, is_ours=False)


def _read_saved_head(place: _Place, options: LoadOptions) -> Any:
    folder = place.folder
    if folder is None:
        return None
    # A link that leads nowhere counts as there: to pass over it would give another head without a word.
    if os.path.lexists(folder / HEAD_CONFIG):
        return read_head_files(folder)  # verified with all other files
    if os.path.lexists(folder / CLASSICAL_HEAD_CONFIG):
        return read_classical_head(folder)
    if os.path.lexists(folder / SKLEARN_HEAD):
        return read_sklearn_head(folder / SKLEARN_HEAD, options.trusted)
    if os.path.lexists(folder / DENSE_HEAD_CONFIG):
        return read_dense_head(folder)
    path = folder / PICKLED_HEAD
    if not os.path.lexists(path):
        if place.is_ours:
            raise ModelFileError(
                folder / HEAD_CONFIG,
                "is missing, and so is every other kind of head, though the model was saved with one. Pass head=... to "
                "use its sentence transformer with a new head.",
            )
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
    modality: str | None,
) -> SetFitConfig:
    given = {
        "labels": None if labels is None else list(labels),
        "normalize_embeddings": normalize_embeddings,
        "multi_target_strategy": multi_target_strategy,
        "modality": modality,
    }
    values = vars(config).copy()
    for name, value in given.items():
        if value is None:
            continue
        if values[name] not in (None, False, "text", value):
            logger.info("Using %s=%r instead of the saved %r.", name, value, values[name])
        values[name] = value
    return SetFitConfig(**values)
