"""Where the files of a model come from: a local folder or the Hub."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from setfit_quantum.serialization.atomic import whole_version
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.hub_errors import HubError, explained, is_connection_error
from setfit_quantum.serialization.layout import MANIFEST
from setfit_quantum.serialization.manifest import find_damaged, verify_files

logger = logging.getLogger(__name__)

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")

OTHER_FORMATS = ("*.onnx", "onnx/*", "openvino/*", "*.h5", "*.ot", "*.msgpack", "*.tflite", "*.gguf", "coreml/*")
"""Files of public bodies that are never read here."""


@dataclass(frozen=True)
class HubOptions:
    """How files are taken from the Hub; the names are those of `huggingface_hub`."""

    revision: str | None = None
    cache_dir: str | Path | None = None
    force_download: bool = False
    local_files_only: bool = False
    token: str | bool | None = None

    def __post_init__(self) -> None:
        if self.force_download and self.local_files_only:
            raise ValueError("Arguments `force_download` and `local_files_only` must not both be True.")

    def to_kwargs(self) -> dict[str, Any]:
        """Keyword arguments of `hf_hub_download` and `snapshot_download`."""
        return vars(self).copy()


def find_local_folder(source: str | Path) -> Path | None:
    """The folder that `source` names, or None where it is the id of a repository on the Hub.

    Raises:
        FileNotFoundError: `source` is a path, and no folder is there.
        NotADirectoryError: `source` is a file.
        TypeError: `source` is neither a text nor a path.
    """
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"Argument `pretrained_model_name_or_path` must be a path or a Hub id, but got {source!r}.")
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if path.is_file():
        raise NotADirectoryError(f"Argument `pretrained_model_name_or_path` must be a folder, but {path} is a file.")
    if not isinstance(source, str) or not _REPOSITORY.fullmatch(source) or source.startswith("."):
        raise FileNotFoundError(
            f"Argument `pretrained_model_name_or_path` must be a folder or a Hub id, but there is no folder {path}."
        )
    return None


def fetch_file(repo_id: str, name: str, options: HubOptions) -> Path | None:
    """Download one file; None where the repository has no such file.

    Raises:
        HubError: The Hub refused, or it could not be asked and the cache does not know of the file.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        with explained(repo_id):
            try:
                return _or_from_cache(lambda **kwargs: Path(hf_hub_download(repo_id, name, **kwargs)), repo_id, options)
            except LocalEntryNotFoundError:
                if _is_known_absent(repo_id, name, options):
                    return None
                raise
            except EntryNotFoundError:
                return None
    except HubError as error:
        if isinstance(error.__cause__, RepositoryNotFoundError) and "/" not in repo_id:
            return None  # a short name that only sentence-transformers knows how to complete
        raise


def _is_known_absent(repo_id: str, name: str, options: HubOptions) -> bool:
    """Whether the cache remembers that the repository has no such file."""
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

    found = try_to_load_from_cache(repo_id, name, cache_dir=options.cache_dir, revision=options.revision)
    return found is _CACHED_NO_EXIST


def find_cached_folder(repo_id: str, names: Collection[str], options: HubOptions) -> Path | None:
    """The folder in the cache that holds at least one of `names`, without asking the Hub; None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        found = try_to_load_from_cache(repo_id, name, cache_dir=options.cache_dir, revision=options.revision)
        if isinstance(found, str):
            return Path(found).parents[name.count("/")]
    return None


def fetch_files(repo_id: str, names: Collection[str], options: HubOptions, optional: Collection[str] = ()) -> Path:
    """Download files of one commit into the cache and return the folder that holds them.

    Raises:
        ModelFileError: The repository lacks one of `names`.
        HubError: The Hub refused, or it could not be asked and a file is not in the cache.
    """
    folder = None
    for name in (*names, *optional):
        path = fetch_file(repo_id, name, options)
        if path is not None:
            folder = path.parent
            options = pin_commit(options, folder)
        elif name in names:
            raise ModelFileError(f"{repo_id}/{name}", "is not in that repository.")
    assert folder is not None
    return folder


@contextmanager
def opened(source: str | Path, names: Collection[str], options: HubOptions, *, verify: bool) -> Iterator[Path]:
    """The folder that holds `names`, downloaded where `source` is an id; nobody else changes it inside the block.

    Args:
        source: Folder, or id of a repository on the Hub.
        names: The files that are needed.
        options: How they are taken from the Hub.
        verify: Whether to check them against the manifest.

    Raises:
        ModelFileError: A file, or the manifest, is missing or damaged.
        FileNotFoundError: There is no such folder.
        HubError: The Hub refused, or it could not be asked and a file is not in the cache.
    """
    folder = find_local_folder(source)
    if folder is not None:
        with whole_version(folder):
            if verify and any(os.path.lexists(folder / name) for name in names):
                verify_files(folder, names)
            yield folder
        return
    folder = fetch_files(str(source), names, options, optional=(MANIFEST,))
    if verify and (folder / MANIFEST).is_file():
        verify_download(folder, str(source), options, names)
    elif verify:
        verify_files(folder, names)  # tells that the manifest is missing
    yield folder


def fetch_snapshot(repo_id: str, options: HubOptions) -> Path:
    """Download a whole repository (formats never read here excepted) and return its folder.

    Raises:
        HubError: The Hub refused, or it could not be asked and the cache does not hold the repository.
    """
    from huggingface_hub import snapshot_download

    ignored = list(OTHER_FORMATS)
    with explained(repo_id):
        return _or_from_cache(
            lambda **kwargs: Path(snapshot_download(repo_id, ignore_patterns=ignored, **kwargs)), repo_id, options
        )


def _or_from_cache(download: Callable[..., Path], repo_id: str, options: HubOptions) -> Path:
    """Run `download`; where the connection breaks, take what the cache has.

    The client itself does so only where no connection can be made at all.
    """
    try:
        return download(**options.to_kwargs())
    except Exception as error:
        if options.local_files_only or options.force_download or not is_connection_error(error):
            raise
        logger.warning("%s: the connection to the Hub broke (%s); trying the cache.", repo_id, type(error).__name__)
        try:
            return download(**(options.to_kwargs() | {"local_files_only": True}))
        except OSError:
            raise error from None


def pin_commit(options: HubOptions, folder: Path) -> HubOptions:
    """The same options for the commit that `folder`, in the cache, holds.

    Between two requests somebody may push: without this the second file could be of another version.
    """
    return replace(options, revision=folder.name) if _COMMIT.fullmatch(folder.name) else options


def verify_download(folder: Path, repo_id: str, options: HubOptions, names: Collection[str] | None = None) -> None:
    """Check downloaded files against their manifest; damaged ones are downloaded once more.

    The client does not notice a file that arrives with the right length and the wrong content.

    Raises:
        ModelFileError: Naming a file that is still damaged, or that must not be downloaded again while offline.
        HubError: Downloading it again failed.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.constants import HF_HUB_OFFLINE

    offline = options.local_files_only or HF_HUB_OFFLINE
    tried: set[str] = set()
    while not offline and (damaged := set(find_damaged(folder, names)) - tried):
        # A damaged manifest hides what else is damaged: look again when it is whole.
        options = replace(pin_commit(options, folder), force_download=True)
        for name in sorted(damaged):
            logger.warning("%s: %s arrived damaged; downloading it again.", repo_id, name)
            with explained(repo_id):
                hf_hub_download(repo_id, name, **options.to_kwargs())
        tried |= damaged
    verify_files(folder, names)
