"""Where the files of a model come from: a local folder or the Hub."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setfit_quantum.serialization.errors import ModelFileError

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
    """Download one file; None where the repository has no such file, or where it is not cached and we are offline."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(hf_hub_download(repo_id, name, **options.to_kwargs()))
    except EntryNotFoundError:
        return None
    except RepositoryNotFoundError:
        if "/" in repo_id:
            raise
        return None  # a short name that only sentence-transformers knows how to complete


def fetch_files(repo_id: str, names: Collection[str], options: HubOptions, optional: Collection[str] = ()) -> Path:
    """Download files into the cache and return the folder that holds them.

    Raises:
        ModelFileError: The repository lacks one of `names`, or it is not cached and we are offline.
    """
    folder = None
    for name in (*names, *optional):
        path = fetch_file(repo_id, name, options)
        if path is not None:
            folder = path.parent
        elif name in names:
            raise ModelFileError(f"{repo_id}/{name}", "is not in that repository, or not in the cache while offline.")
    assert folder is not None
    return folder


def fetch_snapshot(repo_id: str, options: HubOptions) -> Path:
    """Download a whole repository (formats never read here excepted) and return its folder."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(repo_id, ignore_patterns=list(OTHER_FORMATS), **options.to_kwargs()))
