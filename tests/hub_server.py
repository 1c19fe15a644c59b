"""A Hugging Face Hub on 127.0.0.1 for tests: the routes that the real `huggingface_hub` client uses, and faults.

Models, datasets and Spaces; tokens, private and gated repositories; commits, branches, tags, pull requests; regular
and LFS files. As on the Hub, large files live on a second origin (here: another port) that must never see a token.

In a test use the fixture of `hub_fixtures.py`. As a process of its own, with a folder that survives it:
`python tests/hub_server.py --directory DIR --port 0` prints one JSON line with its addresses.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hub_access import account_of
from hub_faults import Fault, FaultBook, LoggedRequest, RequestLog
from hub_http import Request, Response, error_response, json_response
from hub_listener import Listener
from hub_routes import HubRoutes
from hub_store import Change, HubError, Repository, Store


class HubServer:
    """One Hub. Use it as a context manager, or call `start` and `stop`.

    Args:
        directory: Folder of all repositories; a later server on it continues where this one stopped.
            Default: a temporary folder, removed by `stop`.
        port: Port of the Hub; 0 takes a free one (kept by `restart`).
        storage_port: Port of the second origin, likewise.
        lfs_threshold: Size in bytes above which a file is LFS whatever its extension.
        multipart_size: Size in bytes of the parts of a large upload.

    Attributes:
        url: Address of the Hub, the value for HF_ENDPOINT.
        storage_url: Address of the second origin.
        faults: Faults to inject, see `hub_faults.py`.
        log: All requests so far.
        errors: Tracebacks of mistakes of the server itself; the fixture fails on any.
    """

    def __init__(
        self,
        directory: str | Path | None = None,
        port: int = 0,
        storage_port: int = 0,
        lfs_threshold: int = 10 * 1024 * 1024,
        multipart_size: int = 50 * 1024 * 1024,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="hub-") if directory is None else None
        self.directory = Path(self._temporary.name if self._temporary else directory or "")
        self._settings = (lfs_threshold, multipart_size)
        self._ports = {"hub": port, "storage": storage_port}
        self._servers: dict[str, Listener] = {}
        self.faults = FaultBook()
        self.log = RequestLog()
        self.errors: list[str] = []
        self.stopping = threading.Event()
        self._open()

    def _open(self) -> None:
        lfs_threshold, multipart_size = self._settings
        self.store = Store(self.directory, lfs_threshold)
        self.routes = HubRoutes(self.store, multipart_size)

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> HubServer:
        self.stopping.clear()
        for name in ("hub", "storage"):
            server = Listener(self, name, self._ports[name])
            self._ports[name] = server.server_port
            self._servers[name] = server
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = self.routes.url = f"http://127.0.0.1:{self._ports['hub']}"
        self.storage_url = self.routes.storage_url = f"http://127.0.0.1:{self._ports['storage']}"
        return self

    def halt(self) -> None:
        """Stop answering and cut all open connections; the repositories stay."""
        self.stopping.set()
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
            server.cut_connections()
        self._servers.clear()

    def restart(self) -> None:
        """Start again at the same addresses from what is on disk, after `halt` or while running."""
        self.halt()
        self._open()
        self.start()

    def stop(self) -> None:
        self.halt()
        if self._temporary:
            self._temporary.cleanup()

    def __enter__(self) -> HubServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- what tests ask and set --------------------------------------------------------------------------------------

    def fail(self, kind: str, path: str = ".", **options: Any) -> Fault:
        """Inject a fault, see `hub_faults.Fault` for the options; the returned object counts its `hits`."""
        return self.faults.add(kind, path, **options)

    def requests(self, method: str = "*", path: str = ".", server: str = "*") -> list[LoggedRequest]:
        """Return the logged requests with this method and a path in which the expression `path` is found."""
        return self.log.select(method, path, server)

    def repo(self, repo_id: str, repo_type: str = "model") -> Repository:
        """Return a repository: its `refs`, `branches`, `tags`, `commits`, `history()`, `private`, ..."""
        return self.store.get(repo_id, repo_type)

    def files(self, repo_id: str, revision: str = "main", repo_type: str = "model") -> dict[str, bytes]:
        """Return the content of all files of a revision, by path."""
        tree = self.repo(repo_id, repo_type).commit_at(revision).tree
        return {path: self.store.object_path(entry.etag).read_bytes() for path, entry in tree.items()}

    def seed(
        self,
        repo_id: str,
        files: Mapping[str, bytes | str] | Path,
        *,
        repo_type: str = "model",
        branch: str = "main",
        message: str = "Seed",
        **settings: Any,
    ) -> str:
        """Commit files without a client, creating the repository if needed, and return the commit id.

        Args:
            repo_id: "namespace/name".
            files: Contents by path, or a folder.
            repo_type: "model", "dataset" or "space".
            branch: Existing or new branch (a new one starts at main).
            message: Title of the commit.
            **settings: `private`, `gated`, `granted` (user names), `sdk` of a new repository.
        """
        if isinstance(files, Path):
            names = [path for path in sorted(files.rglob("*")) if path.is_file()]
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in names}
        with self.store.lock:
            repo = self.store.repos.get((repo_type, repo_id))
            if repo is None:
                author = repo_id.split("/")[0]
                repo = self.store.create(repo_id, repo_type, author, **({"sdk": "gradio"} | settings))
            changes = [self._change(repo, path, content) for path, content in files.items()]
            base = None if f"refs/heads/{branch}" in repo.refs else repo.commit_at()
            return self.store.commit(
                repo, f"refs/heads/{branch}", changes, message, author=repo.namespace, base=base
            ).id

    def _change(self, repo: Repository, path: str, content: bytes | str) -> Change:
        content = content.encode() if isinstance(content, str) else content
        if self.store.upload_mode(path, len(content)) == "regular":
            return Change("file", path, content)
        return Change("lfs", path, oid=self.store.add_lfs_content(repo, content))

    # -- answers -----------------------------------------------------------------------------------------------------

    def answer(self, server: str, request: Request) -> Response:
        """Answer one request; every refusal becomes the response that the Hub gives."""
        try:
            if server == "storage":
                return self.routes.storage(request)
            request.account = account_of(request.headers["Authorization"])
            return self.routes.hub(request)
        except HubError as error:
            return error_response(error)
        except (KeyError, TypeError, ValueError) as error:
            return error_response(HubError(400, f"Malformed request: {error!r}"))

    def admin(self, request: Request) -> Response:
        """Set and read faults, and read the log, over HTTP, for tests in other processes."""
        try:
            match request.method, request.segments[1:]:
                case "POST", ["faults"]:
                    self.faults.add(**request.json())
                case "DELETE", ["faults"]:
                    self.faults.clear()
                case "DELETE", ["requests"]:
                    self.log.clear()
                case "GET", ["faults"]:
                    return json_response(self.faults.to_json())
                case "GET", ["requests"]:
                    return json_response([asdict(entry) for entry in self.log.select()])
                case _:
                    raise ValueError(f"no admin route {request.method} {request.path}")
        except (HubError, TypeError, ValueError) as error:
            return json_response({"error": str(error)}, 400)
        return json_response({})


def main() -> None:
    parser = argparse.ArgumentParser(description="A Hugging Face Hub on 127.0.0.1 for tests.")
    parser.add_argument("--directory", help="folder that keeps the repositories; default: a temporary one")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--storage-port", type=int, default=0)
    options = parser.parse_args()
    with HubServer(options.directory, options.port, options.storage_port) as hub:
        print(json.dumps({"url": hub.url, "storage_url": hub.storage_url}), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
