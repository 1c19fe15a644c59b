"""A limit on the size of requests, which Gradio has for files only."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class LimitedBody:
    """ASGI middleware: a request with a larger body is refused, and none of it is kept.

    Args:
        app: What serves the others.
        limit: Bytes.
    """

    def __init__(self, app: Any, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._limit:
            await self._refuse(receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            # No length was declared, or a false one: no more is read.
            return {"type": "http.disconnect"} if received > self._limit else message

        await self._app(scope, counted, send)

    async def _refuse(self, receive: Receive, send: Send) -> None:
        # A client hears the answer only after it has sent all; beyond reason it is cut off.
        read, more = 0, True
        while more and read <= 8 * self._limit:
            message = await receive()
            read += len(message.get("body", b""))
            more = bool(message.get("more_body"))
        words = f"A request has at most {self._limit // 2**20} MB."
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"detail": words}).encode()})
