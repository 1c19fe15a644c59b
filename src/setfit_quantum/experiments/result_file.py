"""Results as JSON lines, one per line as they come, found again by a hash of the settings that led to them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def hash_settings(settings: Mapping[str, Any]) -> str:
    """A key of JSON-ready settings, whatever their order."""
    text = json.dumps(settings, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class ResultFile:
    """Results by key, in a file that a killed run leaves readable.

    A line is written at once and flushed to the disk. A last line without its end belongs to a run that was killed
    while it wrote: it is dropped.

    Args:
        path: The file, made at the first result; None: results are kept in memory only.

    Raises:
        ValueError: A line is not a result; the message names the file and the line.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._records: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            self._read(path)

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: str) -> dict[str, Any] | None:
        """The result of this key, or None."""
        return self._records.get(key)

    def add(self, key: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a result, on disk first.

        Returns:
            The record as it will be read back.
        """
        line = json.dumps({"key": key, **record}, allow_nan=False) + "\n"
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: one write of one line, so that lines of two runs do not mix.
            with self.path.open("ab", buffering=0) as file:
                if file.write(line.encode()) < len(line.encode()):
                    raise OSError(f"File {str(self.path)!r} could not take a whole line; is the disk full?")
                os.fsync(file.fileno())
        stored: dict[str, Any] = json.loads(line)
        self._records[key] = stored
        return stored

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(complete.splitlines(), start=1):
            try:
                record = json.loads(line)
                self._records[record["key"]] = record
            except (ValueError, TypeError, KeyError):
                raise ValueError(f"File {str(path)!r}, line {number}, is not a result of a study.") from None
        if len(complete) < len(content):
            os.truncate(path, len(complete))


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it holds all of `text` or what it held before."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it holds all of `content` or what it held before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
