"""A file that remembers which jobs were submitted, so that a run that dies goes on without paying twice.

Each job is noted before it is sent and again when its id is known; every write replaces the file as a whole and is
flushed to the disk first. A job's key is a digest of everything that decides its result (device, circuits with their
angles, shots, settings) and the number of times that the same request was made before in this run. So a repeated
request in one run is a new job, with shots of its own, while a restarted run, which asks the same things in the same
order, finds every job that it had sent.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

VERSION = 1
STATES = ("submitting", "submitted", "finished", "failed")


class JobJournal:
    """The journal of one run. One process at a time may use it.

    Args:
        path: The file; None keeps the journal in memory only, which cannot outlive the process.

    Raises:
        ValueError: The file is no journal, or of a newer version.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._content: dict[str, Any] = {"version": VERSION, "run": uuid.uuid4().hex, "jobs": {}}
        self._on_disk: bytes | None = None
        if self.path is not None and self.path.exists():
            self._on_disk = self.path.read_bytes()
            self._content = _read(self.path, self._on_disk)
        elif self.path is not None:
            self._write()
        # Jobs of an earlier process, until one of them is asked for again.
        self._to_resume = sum(entry["state"] != "failed" for entry in self._content["jobs"].values())

    @property
    def run(self) -> str:
        """Name of the run, which stays the same when it is resumed."""
        return str(self._content["run"])

    def next_key(self, digest: str) -> str:
        """The key of the next job for this request in this process.

        Raises:
            ValueError: The file has jobs, and the first request of this process is none of them: going on would buy
                again what has been bought.
        """
        with self._lock:
            key = f"{digest}-{self._asked[digest]}"
            if self._to_resume and key not in self._content["jobs"]:
                raise ValueError(
                    f"Argument `journal` must be that of this run, but the {self._to_resume} jobs of {self.path} have "
                    "other circuits, angles, shots or settings than the first that is asked for. Nothing was sent. To "
                    "resume, ask for exactly the same; for a new run, give a new journal."
                )
            self._to_resume = 0
            self._asked[digest] += 1
        return key

    def get(self, key: str) -> dict[str, Any] | None:
        """What is known of a job: `state`, and `job_id` once it has one."""
        found = self._content["jobs"].get(key)
        return None if found is None else dict(found)

    def jobs(self) -> dict[str, dict[str, Any]]:
        """All jobs by key."""
        return {key: dict(value) for key, value in self._content["jobs"].items()}

    def set(self, key: str, state: str, **facts: Any) -> None:
        """Note a job's state and facts, on the disk when this returns.

        Raises:
            ValueError: Another run has written into the file.
        """
        assert state in STATES
        with self._lock:
            entry = self._content["jobs"].setdefault(key, {})
            entry.update(facts, state=state)
            self._write()

    def remove(self, key: str) -> None:
        """Forget a job that was refused."""
        with self._lock:
            self._content["jobs"].pop(key, None)
            self._write()

    def _write(self) -> None:
        if self.path is None:
            return
        if self._on_disk is not None and self.path.exists() and self.path.read_bytes() != self._on_disk:
            raise ValueError(
                f"Argument `journal` must be used by one run at a time, but {self.path} was changed by another. This "
                f"one knows {json.dumps(self._content['jobs'])}."
            )
        data = json.dumps(self._content, indent=1).encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        staging = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        with open(staging, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staging, self.path)
        self._on_disk = data


def _read(path: Path, data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data.decode("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"Argument `journal` must be a journal of jobs, but {path} is no JSON: {error}") from error
    if not isinstance(content, dict) or not {"version", "run", "jobs"} <= set(content):
        raise ValueError(f"Argument `journal` must be a journal of jobs, but {path} has no version, run and jobs.")
    if content["version"] != VERSION:
        raise ValueError(
            f"Argument `journal` must be of version {VERSION}, but {path} is of version {content['version']!r}."
        )
    jobs = content["jobs"]
    if not isinstance(content["run"], str) or not isinstance(jobs, dict):
        raise ValueError(f"Argument `journal` must be a journal of jobs, but {path} has no name of a run, or no jobs.")
    for key, entry in jobs.items():
        job_id = entry.get("job_id") if isinstance(entry, dict) else 0
        if not isinstance(job_id, str | None) or entry.get("state") not in STATES:
            raise ValueError(f"Argument `journal` must be a journal of jobs, but in {path} job {key!r} is {entry!r}.")
    return content
