"""The manifest: size and SHA-256 of every file of a saved model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.json_files import is_regular_file, read_json, write_json
from setfit_quantum.serialization.layout import EDITABLE_FILES, HEAD_MARKS, MANIFEST


@dataclass(frozen=True)
class FileEntry:
    """What the manifest knows of one file."""

    sha256: str
    size: int


def measure_file(path: Path) -> FileEntry:
    """Size in bytes and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(digest, os.fstat(file.fileno()).st_size)


def measure_files(folder: Path, names: Iterable[str]) -> dict[str, FileEntry]:
    """Entries of the named files (with / between folders), sorted by name."""
    return {name: measure_file(folder / name) for name in sorted(names)}


def write_manifest(path: Path, entries: Mapping[str, FileEntry]) -> None:
    """Write the manifest file."""
    files = {name: {"sha256": entries[name].sha256, "size": entries[name].size} for name in sorted(entries)}
    write_json(path, {"files": files})


def read_manifest(path: Path) -> dict[str, FileEntry]:
    """Read a manifest file.

    Raises:
        ModelFileError: Missing or damaged, or a name that points outside the folder.
    """
    files = read_json(path, required=("files",))["files"]
    if not isinstance(files, dict):
        raise ModelFileError(path, f"must be an object, but is {files!r:.100}.", "files")
    return {name: _parse_entry(path, name, values) for name, values in files.items()}


def read_removals(path: Path) -> list[str]:
    """Read the listing of files that a save removes.

    Raises:
        ModelFileError: Damaged, or a name that points outside the folder.
    """
    names = read_json(path, required=("files",))["files"]
    if not isinstance(names, list):
        raise ModelFileError(path, f"must be a list, but is {names!r:.100}.", "files")
    return [check_file_name(path, name) for name in names]


def verify_files(folder: Path, names: Collection[str] | None = None) -> None:
    """Check files against the folder's manifest.

    Args:
        folder: Folder of a saved model.
        names: The files to check; None: all of the manifest.

    Raises:
        ModelFileError: The manifest is missing, or a file is missing, not listed, of another size or content; or,
            where all are checked, there is a head that is not listed.
    """
    path = folder / MANIFEST
    if not is_regular_file(path):
        raise ModelFileError(
            path,
            "is missing: the save was not finished, or the folder was not copied as a whole. "
            "Pass verify=False to load the files unchecked.",
        )
    entries = read_manifest(path)
    if names is None:
        _check_unlisted(folder, entries)
    for name in entries if names is None else names:
        if name in EDITABLE_FILES:
            continue
        if name not in entries:
            raise ModelFileError(path, "is not listed in the manifest.", name)
        _verify_file(folder / name, entries[name])


def _check_unlisted(folder: Path, entries: Collection[str]) -> None:
    """Refuse a head that is not of this version: which head of two belongs to the body nobody could tell."""
    for name in sorted(HEAD_MARKS - set(entries)):
        if os.path.lexists(folder / name):
            raise ModelFileError(
                folder / name,
                "is not listed in the manifest: something else than setfit-quantum wrote it into this folder. "
                "Remove it, or remove the manifest and the head that you do not want.",
            )


def find_damaged(folder: Path, names: Collection[str] | None = None) -> list[str]:
    """Names of files that `verify_files` would refuse; the manifest alone where it is missing or cannot be read."""
    try:
        entries = read_manifest(folder / MANIFEST)
    except ModelFileError:
        return [MANIFEST]
    return [
        name for name in (entries if names is None else names) if name in entries and _is_damaged(folder, name, entries)
    ]


def _is_damaged(folder: Path, name: str, entries: Mapping[str, FileEntry]) -> bool:
    if name in EDITABLE_FILES:
        return False
    try:
        _verify_file(folder / name, entries[name])
    except ModelFileError:
        return True
    return False


def _verify_file(path: Path, expected: FileEntry) -> None:
    if not is_regular_file(path):
        raise ModelFileError(path, "is missing, though the manifest lists it.")
    try:
        size = path.stat().st_size
        if size != expected.size:
            raise ModelFileError(path, f"has {size} bytes instead of {expected.size}: it is truncated or was changed.")
        same = measure_file(path) == expected
    except OSError as error:
        raise ModelFileError(path, f"cannot be read ({error}).") from error
    if not same:
        raise ModelFileError(
            path,
            "does not have the SHA-256 of the manifest: it was changed after saving, or is damaged. "
            "Pass verify=False if the change was meant.",
        )


def check_file_name(path: Path, name: Any) -> str:
    """Return `name` if it is a file inside a model's folder.

    Raises:
        ModelFileError: The name, found in the file `path`, is absolute or points upwards.
    """
    pure = PurePosixPath(name) if isinstance(name, str) else PurePosixPath()
    outside = not pure.parts or pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name
    if outside or not name.isprintable() or max(map(len, pure.parts)) > 255:  # no file has such a name
        raise ModelFileError(path, "must be the name of a file inside the folder.", str(name))
    return str(name)


def _parse_entry(path: Path, name: str, values: Any) -> FileEntry:
    check_file_name(path, name)
    if not isinstance(values, dict) or set(values) != {"sha256", "size"}:
        raise ModelFileError(path, "must have exactly `sha256` and `size`.", name)
    digest, size = values["sha256"], values["size"]
    if not isinstance(digest, str) or len(digest) != 64 or isinstance(size, bool) or not isinstance(size, int):
        raise ModelFileError(path, "must have a SHA-256 in hexadecimal and a whole number of bytes.", name)
    return FileEntry(digest, size)
