"""Injected faults and the request log of the test Hub (`hub_server.py`)."""

from __future__ import annotations

import re
import threading
from dataclasses import asdict, dataclass, field, fields
from typing import Any

# What a fault does to the request it matches.
KINDS = {
    "status": "answer `status` (with `retry_after` as a Retry-After header) and do nothing",
    "drop": "close the connection before doing anything",
    "cut_upload": "read `n_bytes` of the request's body, then close the connection and do nothing",
    "lose_response": "do the work, then close the connection without an answer",
    "delay": "wait `seconds`, then answer as usual",
    "truncate": "send a right Content-Length and the first `n_bytes` of the body, then close the connection",
    "short": "send the first `n_bytes` of the body with a Content-Length that agrees with them",
    "corrupt": "send a body of the right length whose byte at position `n_bytes` is inverted",
}
BODY_KINDS = ("truncate", "short", "corrupt")


@dataclass
class Fault:
    """One fault, for the next `times` requests that match after the first `skip` of them.

    Attributes:
        kind: One of `KINDS`.
        path: Regular expression, searched in the percent-decoded path (no query).
        method: HTTP method, or "*" for any. Faults of the answer's body only meet GET requests.
        times: Number of requests it meets; None means for ever.
        skip: Number of matching requests let through first.
        status: Status code of kind "status".
        retry_after: Seconds in the Retry-After header of kind "status"; None sends no header.
        message: Error message of kind "status".
        seconds: Length of kind "delay".
        n_bytes: Position or length in bytes, see `KINDS`.
        hits: Number of requests it has met so far.
        seen: Number of requests that matched so far, let through or met.
    """

    kind: str
    path: str
    method: str = "*"
    times: int | None = 1
    skip: int = 0
    status: int = 500
    retry_after: int | None = None
    message: str = "Injected fault"
    seconds: float = 0.0
    n_bytes: int = 0
    hits: int = 0
    seen: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Argument `kind` must be one of {sorted(KINDS)}, but got {self.kind!r}.")
        if self.times is not None and self.times < 1:
            raise ValueError(f"Argument `times` must be None or at least 1, but got {self.times!r}.")
        for name in ("skip", "seconds", "n_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"Argument `{name}` must be at least 0, but got {getattr(self, name)!r}.")
        if self.kind == "status" and not 400 <= self.status <= 599:
            raise ValueError(f"Argument `status` must be an error code, 400 to 599, but got {self.status!r}.")
        re.compile(self.path)

    def matches(self, method: str, path: str) -> bool:
        if self.method not in ("*", method) or (self.kind in BODY_KINDS and method != "GET"):
            return False
        return re.search(self.path, path) is not None

    @property
    def is_spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


class FaultBook:
    """The faults of one server, tried in the order in which they were added."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, kind: str, path: str = ".", **options: Any) -> Fault:
        """Add a fault; the returned object counts its `hits`."""
        allowed = {item.name for item in fields(Fault)} - {"kind", "path", "hits", "seen"}
        if unknown := sorted(set(options) - allowed):
            raise ValueError(f"Fault options must be among {sorted(allowed)}, but got {unknown}.")
        fault = Fault(kind, path, **options)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that meets this request, if any, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.is_spent or not fault.matches(method, path):
                    continue
                fault.seen += 1
                if fault.seen > fault.skip:
                    fault.hits += 1
                    return fault
        return None

    def to_json(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]


@dataclass
class LoggedRequest:
    """One request that the server met.

    Attributes:
        server: "hub" for the Hub itself, "storage" for the store of large files it redirects to.
        method: HTTP method.
        path: Percent-decoded path, without the query.
        query: Decoded query parameters, each with its list of values.
        headers: Request headers, lower-case names; the token of `authorization` is replaced by "<token>".
        user: Name of the user whose token was sent, None without a known token.
        status: Status code of the answer; None until, or unless, one was sent.
        fault: Kind of the fault it met, if any.
    """

    server: str
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    user: str | None = None
    status: int | None = None
    fault: str | None = None


@dataclass
class RequestLog:
    """Every request of one server, in the order of arrival (admin requests are not logged)."""

    entries: list[LoggedRequest] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def add(self, entry: LoggedRequest) -> None:
        with self._changed:
            self.entries.append(entry)
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self.entries.clear()

    def select(self, method: str = "*", path: str = ".", server: str = "*") -> list[LoggedRequest]:
        """Return the requests with this method, server and a path in which the expression `path` is found."""
        with self._changed:
            return [
                entry
                for entry in self.entries
                if method in ("*", entry.method) and server in ("*", entry.server) and re.search(path, entry.path)
            ]

    def wait_for(self, method: str = "*", path: str = ".", count: int = 1, timeout: float = 30.0) -> LoggedRequest:
        """Wait until `count` requests match, and return the last of them.

        Raises:
            TimeoutError: Fewer arrived within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.select(method, path)) >= count, timeout):
                raise TimeoutError(f"{count} requests {method} {path!r} did not arrive within {timeout} s.")
            return self.select(method, path)[count - 1]
