"""Saving a folder so that a killed save loses nothing.

The new version is collected in a staging folder inside the target. Its manifest, written last, is the point of no
return: before it, the former version in the target is untouched; after it, every file of the new version lies either
in the staging folder or already in its place, so whoever comes next can finish the moves. Other files of the target
folder are left alone.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.json_files import read_json, write_json
from setfit_quantum.serialization.layout import HEAD_FILES, MANIFEST, PICKLED_HEAD, REMOVALS, STAGING_FOLDER
from setfit_quantum.serialization.manifest import check_file_name, measure_files, read_manifest, write_manifest

logger = logging.getLogger(__name__)


@contextmanager
def staged_save(folder: Path, *, keep_others: bool = False, keep_head: bool = False) -> Iterator[Path]:
    """Collect a new version of `folder`, and put it in place on leaving without an error.

    Args:
        folder: The target; made where it does not exist.
        keep_others: Whether files of the former version (heads excepted) belong to the new one too.
        keep_head: With `keep_others`, whether the former version's head does so as well.

    Yields:
        An empty folder to write the files into.

    Raises:
        NotADirectoryError: `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"Argument `save_directory` must be a folder, but {folder} is a file.")
    folder.mkdir(parents=True, exist_ok=True)
    recover(folder)
    staging = folder / STAGING_FOLDER
    if staging.exists():  # left by a save that was killed before its point of no return
        shutil.rmtree(staging)
    staging.mkdir()
    try:
        yield staging
        _seal(folder, staging, keep_others, keep_head)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    _put_in_place(folder, staging)


def recover(folder: Path) -> None:
    """Finish a save that was killed after its point of no return; one killed earlier is ignored.

    Raises:
        ModelFileError: The folder cannot be written, so that the save cannot be finished.
    """
    staging = folder / STAGING_FOLDER
    if not staging.is_dir():
        return
    if not (staging / MANIFEST).is_file():
        logger.warning("%s holds an unfinished save; the former version is used.", folder)
        return
    logger.warning("Finishing the save of %s that was interrupted.", folder)
    try:
        _put_in_place(folder, staging)
    except PermissionError as error:
        raise ModelFileError(folder, f"holds an interrupted save that cannot be finished here ({error}).") from error


def _seal(folder: Path, staging: Path, keep_others: bool, keep_head: bool) -> None:
    names = [path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file()]
    entries = measure_files(staging, names)
    former = read_manifest(folder / MANIFEST) if (folder / MANIFEST).is_file() else {}
    if keep_others:
        others = {name: entry for name, entry in former.items() if keep_head or name not in HEAD_FILES}
        removals = set(former) - set(others) - set(entries)
        entries = others | entries
    else:
        # A pickled head left by plain SetFit would no longer belong to the body beside it.
        removals = (set(former) | {PICKLED_HEAD}) - set(entries)
    write_json(staging / REMOVALS, {"files": sorted(removals)})
    mode = (staging / REMOVALS).stat().st_mode
    for path in [*staging.rglob("*"), staging]:
        if path.is_file():
            path.chmod(mode)  # safetensors makes files that nobody else can read, whatever the user's umask says
        _sync(path)
    draft = staging / f"{MANIFEST}.part"
    write_manifest(draft, entries)
    _sync(draft)
    os.replace(draft, staging / MANIFEST)
    _sync(staging)


def _put_in_place(folder: Path, staging: Path) -> None:
    names = read_manifest(staging / MANIFEST)
    folders = {folder}
    for source in sorted(path for path in staging.rglob("*") if path.is_dir()):
        # Folders without files count too: some modules of a body save nothing into theirs.
        (folder / source.relative_to(staging)).mkdir(parents=True, exist_ok=True)
    for name in names:
        target = folder / name
        _check_inside(folder, target)
        folders.add(target.parent)
        if not _move(staging / name, target) and not target.is_file():
            raise ModelFileError(target, "is missing, though an interrupted save lists it.")
    if (staging / REMOVALS).is_file():
        _remove(folder, staging / REMOVALS)
    for path in folders:
        _sync(path)
    _move(staging / MANIFEST, folder / MANIFEST)
    _sync(folder)
    shutil.rmtree(staging, ignore_errors=True)


def _move(source: Path, target: Path) -> bool:
    try:
        os.replace(source, target)
    except FileNotFoundError:  # moved before the interruption, or by another process that finishes the same save
        return False
    return True


def _remove(folder: Path, listing: Path) -> None:
    for name in read_json(listing, required=("files",))["files"]:
        path = folder / check_file_name(listing, name)
        _check_inside(folder, path)
        path.unlink(missing_ok=True)
        if path.parent != folder and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _check_inside(folder: Path, target: Path) -> None:
    """Refuse a listed file that a symbolic link would put outside the folder."""
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise ModelFileError(target, "lies outside the folder, behind a symbolic link.")


def _sync(path: Path) -> None:
    """Flush a file or folder to the disk, so that the order of the steps survives a power cut."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
