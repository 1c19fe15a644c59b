"""Requests, responses and their bodies on the wire, for the test Hub (`hub_server.py`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from hub_access import Account
from hub_store import HubError

CHUNK = 1 << 16


@dataclass
class Request:
    """One request, its body already in a file.

    Attributes:
        method: HTTP method.
        segments: Percent-decoded parts of the path, split before decoding ("refs%2Fpr%2F1" is one part).
        query: Decoded query parameters.
        headers: Request headers.
        body: Open file at the start of the body.
        account: Sender, by its token.
    """

    method: str
    segments: list[str]
    query: dict[str, list[str]]
    headers: Message[str, str]
    body: IO[bytes]
    account: Account | None = None

    @property
    def path(self) -> str:
        return "/" + "/".join(self.segments)

    def flag(self, name: str) -> bool:
        return self.query.get(name, [""])[0].lower() in ("1", "true")

    def number(self, name: str, default: int) -> int:
        return int(self.query.get(name, [str(default)])[0])

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the body, an empty one without a body."""
        content = self.body.read()
        if not content:
            return {}
        try:
            value = json.loads(content)
        except ValueError as error:
            raise HubError(400, f"Invalid JSON: {error}") from error
        if not isinstance(value, dict):
            raise HubError(400, "The body must be a JSON object")
        return value

    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.read().decode())


@dataclass
class Response:
    """One answer; `body` is bytes, or a file from which `length` bytes are sent starting at `start`."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Path = b""
    start: int = 0
    length: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.body, bytes):
            self.length = len(self.body)

    def chunks(self) -> Iterator[bytes]:
        if isinstance(self.body, bytes):
            yield self.body
            return
        with self.body.open("rb") as file:
            file.seek(self.start)
            left = self.length
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk


def split_target(target: str) -> tuple[list[str], dict[str, list[str]]]:
    """Return the decoded path segments and the query of a request line."""
    parts = urlsplit(target)
    return [unquote(part) for part in parts.path.strip("/").split("/")], parse_qs(parts.query)


def json_response(value: Any, status: int = 200, content_type: str = "application/json; charset=utf-8") -> Response:
    return Response(status, {"Content-Type": content_type}, json.dumps(value).encode())


def error_response(error: HubError) -> Response:
    """Return an error as the Hub words it: JSON body, X-Error-Message and X-Error-Code."""
    response = json_response({"error": error.message, **error.extra}, error.status)
    response.headers |= {"X-Error-Message": quote(error.message, safe=" !\"'()*,-./:;?[]_{}=@#$%&+<>|~^`")}
    if error.code:
        response.headers["X-Error-Code"] = error.code
    response.headers |= error.headers
    return response


def file_response(path: Path, range_header: str | None, headers: dict[str, str]) -> Response:
    """Return a file, or the one range of it that was asked for (206), or 416 when that starts past its end."""
    size = path.stat().st_size
    headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", range_header or "")
    if match is None or match.group(1) + match.group(2) == "":
        return Response(200, headers, path, 0, size)
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size - 1, int(last)) if first and last else size - 1
    if start >= size or end < start:
        headers["Content-Range"] = f"bytes */{size}"
        return Response(416, headers)
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Response(206, headers, path, start, end - start + 1)
