"""The sockets of the test Hub (`hub_server.py`): reads requests, lets faults act on them, writes answers."""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
import threading
import traceback
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, TYPE_CHECKING, Any

from hub_access import account_of
from hub_faults import Fault, LoggedRequest
from hub_http import CHUNK, Request, Response, error_response, split_target
from hub_store import HubError

if TYPE_CHECKING:
    from hub_server import HubServer

ADMIN = "__admin__"


class Listener(ThreadingHTTPServer):
    """One origin of a Hub, on 127.0.0.1; remembers its open connections so that it can cut them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, hub: HubServer, name: str, port: int) -> None:
        self.hub, self.name = hub, name
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note a mistake of this server for the test. A connection that was cut is not one."""
        if not isinstance(sys.exception(), ConnectionError):
            self.hub.errors.append(traceback.format_exc())


class Handler(BaseHTTPRequestHandler):
    """Reads one request, lets the faults act on it, and writes the answer."""

    protocol_version = "HTTP/1.1"
    server: Listener
    # The client sends large bodies in one connection; without this, small answers wait for its acknowledgements.
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        hub, origin = self.server.hub, self.server.name
        segments, query = split_target(self.path)
        with tempfile.SpooledTemporaryFile(1 << 20) as body:
            request = Request(self.command, segments, query, self.headers, body)
            if segments[0] == ADMIN and origin == "hub":
                self._receive(request.body)
                self._send(hub.admin(request))
                return
            entry = LoggedRequest(origin, self.command, request.path, query, self._logged_headers())
            fault = hub.faults.take(self.command, request.path)
            entry.fault = fault.kind if fault else None
            with contextlib.suppress(HubError):
                account = account_of(self.headers["Authorization"])
                entry.user = account.name if account else None
            hub.log.add(entry)
            response = self._answer(request, fault)
            if response is None:
                self._cut()
                return
            entry.status = response.status
            self._send(response, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any  # noqa: N815

    def _answer(self, request: Request, fault: Fault | None) -> Response | None:
        """Return the answer, or None when the connection is to be cut."""
        hub = self.server.hub
        if fault is not None:
            if fault.kind == "delay" and hub.stopping.wait(fault.seconds):
                return None
            if fault.kind in ("drop", "cut_upload"):
                self._receive(request.body, limit=fault.n_bytes if fault.kind == "cut_upload" else 0)
                return None
        self._receive(request.body)
        if fault is not None and fault.kind == "status":
            error = error_response(HubError(fault.status, fault.message))
            if fault.retry_after is not None:
                error.headers["Retry-After"] = str(fault.retry_after)
            return error
        response = hub.answer(self.server.name, request)
        return None if fault is not None and fault.kind == "lose_response" else response

    def _receive(self, body: IO[bytes], limit: int | None = None) -> None:
        """Copy the request's body into a file, at most `limit` bytes of it."""
        if limit != 0:
            received = 0
            for chunk in self._body_chunks():
                body.write(chunk)
                received += len(chunk)
                if limit is not None and received >= limit:
                    break
        body.seek(0)

    def _body_chunks(self) -> Iterator[bytes]:
        if "chunked" in (self.headers["Transfer-Encoding"] or "").lower():
            while (size := int(self.rfile.readline().split(b";")[0] or b"0", 16)) > 0:
                yield self._read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers["Content-Length"] or 0)
        while left > 0:
            chunk = self._read(min(CHUNK, left))
            left -= len(chunk)
            yield chunk

    def _read(self, size: int) -> bytes:
        """Read exactly `size` bytes. A client that died midway must leave no half of a request behind."""
        content = self.rfile.read(size)
        if len(content) < size:
            raise ConnectionError("The client closed the connection in the middle of a request")
        return content

    def _send(self, response: Response, fault: Fault | None = None) -> None:
        kind = fault.kind if fault is not None else ""
        limit = fault.n_bytes if fault is not None else 0
        length = min(limit, response.length) if kind == "short" else response.length
        self.send_response(response.status)
        headers = {**response.headers, "Content-Length": str(length), "X-Request-Id": uuid.uuid4().hex}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = 0
        for chunk in response.chunks():
            if kind in ("truncate", "short"):
                chunk = chunk[: max(0, limit - sent)]
            elif kind == "corrupt" and sent <= limit < sent + len(chunk):
                at = limit - sent
                chunk = chunk[:at] + bytes([chunk[at] ^ 0xFF]) + chunk[at + 1 :]
            self.wfile.write(chunk)
            sent += len(chunk)
        if kind == "truncate" and sent < response.length:
            self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _logged_headers(self) -> dict[str, str]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if "authorization" in headers:
            headers["authorization"] = "<token>"
        return headers

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are in `HubServer.log`, not on the terminal."""
