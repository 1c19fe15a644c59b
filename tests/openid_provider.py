"""An OpenID provider on 127.0.0.1, as Spaces with `hf_oauth` have one: it signs everybody in as one user.

It asks for nothing, and hands out a given access token. Its answers are as OpenID Connect Core 1.0 has them; the
identity token is signed with a shared key instead of a key pair.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey


class OpenIDProvider:
    """Answers from the moment that it is made.

    Args:
        user: Name of the user.
        access_token: The token that the login gives.

    Attributes:
        url: Address.
        scopes: What the last login asked for.
    """

    def __init__(self, user: str, access_token: str) -> None:
        self.user, self.access_token, self.scopes = user, access_token, ""
        self._key = OctKey.generate_key(256, {"kid": "only"})
        self._nonces: dict[str, str] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                values = dict(urllib.parse.parse_qsl(query))
                if path == "/oauth/authorize":
                    self.send_response(302)
                    self.send_header("Location", provider._authorize(values))
                    self.end_headers()
                    return
                self._send(provider._documents()[path])

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                assert self.path == "/oauth/token"
                self._send(provider._token(dict(urllib.parse.parse_qsl(body))["code"]))

            def _send(self, content: dict[str, Any]) -> None:
                data = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def _documents(self) -> dict[str, dict[str, Any]]:
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/oauth/authorize",
                "token_endpoint": f"{self.url}/oauth/token",
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["HS256"],
            },
            "/keys": {"keys": [self._key.as_dict(private=True)]},
        }

    def _authorize(self, values: dict[str, str]) -> str:
        self.scopes = values["scope"]
        code = secrets.token_urlsafe(16)
        self._nonces[code] = values["nonce"]
        answer = urllib.parse.urlencode({"code": code, "state": values["state"]})
        return values["redirect_uri"] + ("&" if "?" in values["redirect_uri"] else "?") + answer

    def _token(self, code: str) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "1",
            "aud": "client",
            "iat": now,
            "exp": now + 600,
            "nonce": self._nonces.pop(code),
            "name": self.user.title(),
            "preferred_username": self.user,
            "profile": f"{self.url}/{self.user}",
            "picture": f"{self.url}/{self.user}.png",
        }
        return {
            "access_token": self.access_token,
            "token_type": "bearer",
            "expires_in": 600,
            "scope": self.scopes,
            "id_token": jwt.encode({"alg": "HS256", "kid": "only"}, claims, self._key),
        }
