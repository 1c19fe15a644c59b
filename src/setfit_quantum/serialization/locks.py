"""Locks on folders, so that processes that save to, load from or push the same one do not see each other's halves.

They are advisory (`flock`), leave no file behind, and end with the process that holds them, however it ends. Where the
system has none (Windows, some network file systems) nothing is locked.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)


@contextmanager
def folder_lock(folder: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold a lock on an existing folder: any number of shared ones, or one exclusive one.

    Args:
        folder: The folder.
        exclusive: Whether nobody else may hold any.
    """
    lock = FolderLock(folder)
    try:
        if not lock.take(exclusive=exclusive, wait=False):
            logger.warning("Waiting for another process that reads or writes %s.", folder)
            lock.take(exclusive=exclusive, wait=True)
        yield
    finally:
        lock.close()


class FolderLock:
    """A lock on a folder; it stays the folder's when that is renamed."""

    def __init__(self, folder: Path) -> None:
        self._descriptor: int | None = None
        if fcntl is not None:
            with suppress(OSError):  # a folder whose names may not be read
                self._descriptor = os.open(folder, os.O_RDONLY)
        self.is_real = self._descriptor is not None
        """Whether the system has such locks, as far as is known."""

    def take(self, *, exclusive: bool, wait: bool) -> bool:
        """Take it; False where another holds it and `wait` is False."""
        if self._descriptor is None or not self.is_real:
            return True
        flags = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(self._descriptor, flags if wait else flags | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            self.is_real = False
        return True

    def close(self) -> None:
        """Give it up."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            # A process that was forked meanwhile holds the same lock: closing alone would leave it to that one.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
        self._descriptor = None
