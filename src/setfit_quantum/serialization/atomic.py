"""Saving a folder so that a killed save loses nothing.

The new version is collected, its manifest last, in a folder of its own inside the target. Renaming that to the staging
folder is the point of no return: before it, the former version in the target is untouched; after it, every file of the
new version lies either in the staging folder or already in its place, so whoever comes next can finish the moves.
Other files of the target folder are left alone. Processes that save to or read the same folder wait for each other.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.json_files import write_json
from setfit_quantum.serialization.layout import HEAD_FILES, MANIFEST, REMOVALS, STAGING_FOLDER
from setfit_quantum.serialization.locks import FolderLock, folder_lock
from setfit_quantum.serialization.manifest import (
    FileEntry,
    measure_files,
    read_manifest,
    read_removals,
    write_manifest,
)

logger = logging.getLogger(__name__)

_LONG = 86_400.0
"""Seconds after which nobody is still collecting the files of a save."""


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
        ModelFileError: A file of the new version cannot take its place in `folder`.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"Argument `save_directory` must be a folder, but {folder} is a file.")
    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder, exclusive=True):
        _finish_former_save(folder)
        _clear_leftovers(folder)
        collecting = folder / f"{STAGING_FOLDER}-{uuid.uuid4().hex[:8]}"
        collecting.mkdir()
        mine = FolderLock(collecting)  # tells others that it is no leftover
        mine.take(exclusive=True, wait=False)
    try:
        yield collecting
        names = [path.relative_to(collecting).as_posix() for path in collecting.rglob("*") if path.is_file()]
        entries = measure_files(collecting, names)
        with folder_lock(folder, exclusive=True):
            _finish_former_save(folder)
            _clear_staging(folder)
            _seal(folder, collecting, entries, keep_others, keep_head)
            os.rename(collecting, folder / STAGING_FOLDER)
            _sync(folder)
            _put_in_place(folder)
    except BaseException:
        shutil.rmtree(collecting, ignore_errors=True)
        raise
    finally:
        mine.close()


@contextmanager
def whole_version(folder: Path) -> Iterator[None]:
    """Finish an interrupted save of `folder`, and let nobody put another version in place inside the block.

    Raises:
        ModelFileError: The interrupted save cannot be finished.
    """
    while True:
        with folder_lock(folder, exclusive=False):
            if not (folder / STAGING_FOLDER / MANIFEST).is_file():
                _tell_unfinished(folder)
                yield
                return
        recover(folder)


def recover(folder: Path) -> None:
    """Finish a save that was killed after its point of no return; one killed earlier is ignored.

    Raises:
        ModelFileError: The folder cannot be written, so that the save cannot be finished, or it was tampered with.
    """
    if not os.path.lexists(folder / STAGING_FOLDER):
        return
    with folder_lock(folder, exclusive=True):
        _finish_former_save(folder)


def _finish_former_save(folder: Path) -> None:
    staging = folder / STAGING_FOLDER
    if not (staging / MANIFEST).is_file():
        return
    if staging.is_symlink():
        raise ModelFileError(staging, "is a symbolic link, which no save makes: remove it.")
    logger.warning("Finishing the save of %s that was interrupted.", folder)
    try:
        _put_in_place(folder)
    except OSError as error:
        raise ModelFileError(folder, f"holds an interrupted save that cannot be finished here ({error}).") from error


def _tell_unfinished(folder: Path) -> None:
    if _leftovers(folder):
        logger.warning("%s holds an unfinished save; the former version is used.", folder)


def _clear_leftovers(folder: Path) -> None:
    """Remove what saves left that were killed."""
    _clear_staging(folder)
    for path in _leftovers(folder):
        shutil.rmtree(path)


def _clear_staging(folder: Path) -> None:
    """Remove what is left of a staging folder whose files are all in place."""
    staging = folder / STAGING_FOLDER
    if staging.is_symlink() or staging.is_file():
        staging.unlink()
    elif staging.is_dir():
        shutil.rmtree(staging)


def _leftovers(folder: Path) -> list[Path]:
    """What saves collected that were killed before their point of no return; not what others collect just now."""
    found = []
    for path in folder.glob(f"{STAGING_FOLDER}-*"):
        if path.is_symlink() or not path.is_dir():
            continue
        lock = FolderLock(path)
        free = lock.take(exclusive=True, wait=False)
        lock.close()
        # Without locks only the age tells.
        if free and (lock.is_real or time.time() - path.stat().st_mtime > _LONG):
            found.append(path)
    return found


def _seal(folder: Path, collected: Path, entries: Mapping[str, FileEntry], keep_others: bool, keep_head: bool) -> None:
    former = _former_entries(folder)
    others = {name: entry for name, entry in former.items() if keep_others and (keep_head or name not in HEAD_FILES)}
    # A head that something else left here would no longer belong to the body beside it.
    stale = set() if keep_head else {name for name in HEAD_FILES if os.path.lexists(folder / name)}
    removals = (set(former) | stale) - set(others) - set(entries)
    for name in sorted(removals - set(former)):
        logger.warning("%s: removing %s, the head of another model.", folder, name)
    _check_places(folder, [*entries, *removals])
    write_json(collected / REMOVALS, {"files": sorted(removals)})
    mode = (collected / REMOVALS).stat().st_mode
    for path in [*collected.rglob("*"), collected]:
        if path.is_file():
            path.chmod(mode)  # safetensors makes files that nobody else can read, whatever the user's umask says
        _sync(path)
    write_manifest(collected / MANIFEST, others | dict(entries))
    _sync(collected / MANIFEST)
    _sync(collected)


def _former_entries(folder: Path) -> dict[str, FileEntry]:
    if not (folder / MANIFEST).is_file():
        return {}
    try:
        return read_manifest(folder / MANIFEST)
    except ModelFileError as error:  # what was computed must not be lost for what was there before
        logger.warning("The former version is unknown, so its files stay unless they are replaced: %s", error)
        return {}


def _check_places(folder: Path, names: Collection[str]) -> None:
    """Refuse, before anything is changed, names that cannot be put in place.

    Raises:
        ModelFileError: A symbolic link leads outside, or a folder stands where a file goes, or a file where a folder.
    """
    for name in names:
        _check_inside(folder, folder / name)
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            raise ModelFileError(folder / name, "is a folder, where a file of the model belongs: move it away.")
        for parent in (folder / name).relative_to(folder).parents:
            if os.path.lexists(folder / parent) and not (folder / parent).is_dir():
                raise ModelFileError(folder / parent, "is a file, where a folder of the model belongs: move it away.")


def _put_in_place(folder: Path) -> None:
    staging = folder / STAGING_FOLDER
    names = read_manifest(staging / MANIFEST)
    removals = read_removals(staging / REMOVALS) if (staging / REMOVALS).is_file() else []
    _check_places(folder, [*names, *removals])
    folders = {folder}
    for source in sorted(path for path in staging.rglob("*") if path.is_dir()):
        # Folders without files count too: some modules of a body save nothing into theirs.
        target = folder / source.relative_to(staging)
        _check_inside(staging, source / "file")
        _check_inside(folder, target / "file")
        target.mkdir(parents=True, exist_ok=True)
    for name in names:
        target = folder / name
        folders.add(target.parent)
        if not _move(staging / name, target) and not target.is_file():
            raise ModelFileError(target, "is missing, though an interrupted save lists it.")
    for name in removals:
        path = folder / name
        path.unlink(missing_ok=True)
        if path.parent != folder and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()
    for path in folders:
        _sync(path)
    _move(staging / MANIFEST, folder / MANIFEST)
    _sync(folder)
    shutil.rmtree(staging, ignore_errors=True)


def _move(source: Path, target: Path) -> bool:
    try:
        os.replace(source, target)
    except FileNotFoundError:  # moved before the interruption
        return False
    return True


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
