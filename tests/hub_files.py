"""Downloads, uploads and commits of the test Hub (`hub_server.py`)."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import os
import re
from threading import get_ident
from typing import Any
from urllib.parse import quote

from hub_access import check_read, check_write, require_login
from hub_http import CHUNK, Request, Response, file_response, json_response
from hub_store import Change, Commit, HubError, PullRequest, Repository, Store, git_oid, now


class FileRoutes:
    """Files of repositories; large ones live on a second origin, as on the Hub.

    Args:
        store: The repositories.
        multipart_size: LFS files above this size in bytes are uploaded in parts of this size.
    """

    def __init__(self, store: Store, multipart_size: int) -> None:
        self.store = store
        self.multipart_size = multipart_size
        self.url = ""
        self.storage_url = ""

    # -- downloads ---------------------------------------------------------------------------------------------------

    def resolve(self, request: Request, repo: Repository, revision: str, path: str) -> Response:
        """HEAD or GET of one file: its content, or for LFS a redirect to a signed address of the storage."""
        check_read(repo, request.account)
        commit = repo.commit_at(revision)
        entry = repo.entry_at(path, revision)
        name = quote(path.rsplit("/", 1)[-1])
        headers = {"X-Repo-Commit": commit.id, "ETag": f'"{entry.oid}"', "Cache-Control": "no-cache"}
        headers["Content-Disposition"] = f"inline; filename*=UTF-8''{name}; filename=\"{name}\";"
        if entry.lfs is None:
            return file_response(self.store.object_path(entry.oid), request.headers["Range"], headers)
        target = self.signed(f"download/{repo.type}s/{repo.id}/{entry.lfs}/{path}")
        headers |= {"X-Linked-Size": str(entry.size), "X-Linked-Etag": f'"{entry.lfs}"', "Location": target}
        return Response(302, headers | {"Content-Type": "text/plain"}, b"Found. Redirecting to " + target.encode())

    def signed(self, path: str, origin: str | None = None, part: int | None = None) -> str:
        """Return an address that works without a token, for this path only."""
        query = f"?signature={signature('/' + path)}" + (f"&part={part}" if part is not None else "")
        return f"{origin or self.storage_url}/{quote(path)}{query}"

    def storage(self, request: Request) -> Response:
        """Requests to the second origin. A token must never reach it."""
        if request.headers["Authorization"]:
            raise HubError(400, "Only one auth mechanism allowed: the token was sent to the storage host")
        check_signature(request)
        match request.method, request.segments:
            case (("GET" | "HEAD"), ["download", _, _, _, oid, *_]):
                etag = {"ETag": f'"{hashlib.md5(oid.encode()).hexdigest()}"'}
                return file_response(self.store.object_path(oid), request.headers["Range"], etag)
            case "PUT", ["upload", types, namespace, name, oid]:
                repo = self.store.get(f"{namespace}/{name}", types.removesuffix("s"))
                return self.receive(request, repo, oid)
        raise HubError(404, f"The storage has no route {request.method} {request.path}")

    # -- large file uploads ------------------------------------------------------------------------------------------

    def lfs_batch(self, request: Request, repo: Repository) -> Response:
        check_read(repo, request.account)
        payload = request.json()
        if payload.get("ref"):  # without it the objects are for a pull request, open to every user
            check_write(repo.namespace, request.account)
        require_login(request.account)
        multipart = "multipart" in payload.get("transfers", [])
        objects = [self._batch_object(repo, item["oid"], item["size"], multipart) for item in payload["objects"]]
        parts = any("chunk_size" in item.get("actions", {}).get("upload", {}).get("header", {}) for item in objects)
        answer = {"transfer": "multipart" if parts else "basic", "objects": objects}
        return json_response(answer, content_type="application/vnd.git-lfs+json")

    def _batch_object(self, repo: Repository, oid: str, size: int, multipart: bool) -> dict[str, Any]:
        item: dict[str, Any] = {"oid": oid, "size": size, "authenticated": True}
        if not re.fullmatch(r"[0-9a-f]{64}", oid):
            return {**item, "error": {"code": 422, "message": "Invalid oid"}}
        if oid in repo.lfs_objects:
            return item
        upload = f"upload/{repo.type}s/{repo.id}/{oid}"
        action: dict[str, Any] = {"href": self.signed(upload)}
        if multipart and size > self.multipart_size:
            count = -(-size // self.multipart_size)
            complete = self.signed(f"api/complete_multipart/{repo.type}s/{repo.id}/{oid}", self.url)
            header = {str(part): self.signed(upload, part=part) for part in range(1, count + 1)}
            action = {"href": complete, "header": {"chunk_size": str(self.multipart_size), **header}}
        verify = {"href": f"{self.url}/{repo.url_path}.git/info/lfs/objects/verify"}
        return {**item, "actions": {"upload": action, "verify": verify}}

    def receive(self, request: Request, repo: Repository, oid: str) -> Response:
        """PUT of an LFS object, or of one part of it."""
        part = request.query.get("part", [None])[0]
        # Two uploads of the same object at once must not write into the same file.
        temporary = self.store.object_path(f"{oid}.{f'upload{get_ident()}' if part is None else f'part{part}'}")
        digest = hashlib.sha256()
        with temporary.open("wb") as file:
            while chunk := request.body.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
        if part is None:
            self._accept(repo, oid, temporary.name, digest.hexdigest())
        return Response(200, {"ETag": f'"{digest.hexdigest()[:32]}"'})

    def complete_multipart(self, request: Request, repo: Repository, oid: str) -> Response:
        check_signature(request)
        parts = [self.store.object_path(f"{oid}.part{item['partNumber']}") for item in request.json()["parts"]]
        joined = self.store.object_path(f"{oid}.upload{get_ident()}")
        digest = hashlib.sha256()
        with joined.open("wb") as file:
            for part in parts:
                if not part.exists():
                    raise HubError(400, f"InvalidPart: {part.name}")
                content = part.read_bytes()
                digest.update(content)
                file.write(content)
        self._accept(repo, oid, joined.name, digest.hexdigest())
        for part in parts:
            part.unlink()
        return json_response({"success": True})

    def _accept(self, repo: Repository, oid: str, temporary: str, digest: str) -> None:
        if digest != oid:
            self.store.object_path(temporary).unlink()
            raise HubError(400, f"BadDigest: the content's SHA-256 is {digest}, not {oid}")
        os.replace(self.store.object_path(temporary), self.store.object_path(oid))
        self.store.add_lfs_object(repo, oid)

    def lfs_verify(self, request: Request, repo: Repository) -> Response:
        check_read(repo, request.account)
        payload = request.json()
        path = self.store.object_path(payload["oid"])
        if payload["oid"] not in repo.lfs_objects or path.stat().st_size != payload["size"]:
            raise HubError(404, "Object not found")
        return json_response({"message": "Upload verified"})

    # -- commits -----------------------------------------------------------------------------------------------------

    def preupload(self, request: Request, repo: Repository, revision: str) -> Response:
        """Say for each file how to upload it, whether .gitignore excludes it, and its present id."""
        check_read(repo, request.account)
        if request.flag("create_pr"):
            require_login(request.account)
        else:
            check_write(repo.namespace, request.account)
        tree = repo.commit_at(revision).tree
        payload = request.json()
        ignored = payload.get("gitIgnore")
        if ignored is None:
            ignored = self.store.object_path(tree[".gitignore"].oid).read_text() if ".gitignore" in tree else ""
        patterns = [line.strip() for line in ignored.splitlines() if line.strip() and not line.startswith("#")]
        files = []
        for item in payload["files"]:
            path = item["path"]
            answer = {"path": path, "uploadMode": self.store.upload_mode(path, item["size"])}
            answer["shouldIgnore"] = any(is_ignored(path, pattern) for pattern in patterns)
            files.append(answer | ({"oid": tree[path].etag} if path in tree else {}))
        return json_response({"files": files, "commitOid": repo.commit_at(revision).id})

    def commit(self, request: Request, repo: Repository, revision: str) -> Response:
        """Apply one commit, on a branch or as a new pull request."""
        check_read(repo, request.account)
        create_pr = request.flag("create_pr")
        account = require_login(request.account) if create_pr else check_write(repo.namespace, request.account)
        lines = [json.loads(line) for line in request.body.read().splitlines() if line.strip()]
        if not lines or lines[0]["key"] != "header":
            raise HubError(400, "The first line of a commit must be its header")
        header = lines[0]["value"]
        if not header.get("summary"):
            raise HubError(400, '"value.summary" is not allowed to be empty')
        changes = [change_of(line["key"], line["value"]) for line in lines[1:]]
        with self.store.lock:
            base = repo.commit_at(revision)
            if header.get("parentCommit") not in (None, base.id):
                raise HubError(412, "A commit has happened since. Please refresh and try again.")
            pull = open_pull_request(repo, header["summary"], account.name, base) if create_pr else None
            ref = f"refs/pr/{pull.num}" if pull else revision
            ref = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
            if ref not in repo.refs:
                raise HubError(400, f"A commit must go to a branch or a pull request, not to {revision!r}")
            try:
                commit = self.store.commit(
                    repo, ref, changes, header["summary"], header.get("description", ""), account.name
                )
            except HubError:
                if pull:
                    del repo.discussions[pull.num], repo.refs[ref]
                raise
        answer: dict[str, Any] = {"success": True, "commitOid": commit.id, "hookOutput": ""}
        answer["commitUrl"] = f"{self.url}/{repo.url_path}/commit/{commit.id}"
        if pull:
            answer["pullRequestUrl"] = f"{self.url}/{repo.url_path}/discussions/{pull.num}"
        return json_response(answer)


def open_pull_request(repo: Repository, title: str, author: str, base: Commit | None) -> PullRequest:
    """Open the next discussion; with a `base` it is a pull request whose branch starts there."""
    num = max(repo.discussions, default=0) + 1
    repo.discussions[num] = PullRequest(num, title, author, now(), base is not None)
    if base is not None:
        repo.refs[f"refs/pr/{num}"] = base.id
    return repo.discussions[num]


def change_of(key: str, value: dict[str, Any]) -> Change:
    """Return one line of a commit's body as a change."""
    match key:
        case "file":
            content = value["content"]
            if value.get("encoding") == "base64":
                return Change("file", value["path"], base64.b64decode(content, validate=True))
            return Change("file", value["path"], content.encode())
        case "lfsFile":
            return Change("lfs", value["path"], oid=value["oid"])
        case "deletedFile":
            return Change("delete_file", value["path"])
        case "deletedFolder":
            return Change("delete_folder", value["path"])
    raise HubError(400, f"Unknown key in a commit: {key!r}")


def is_ignored(path: str, pattern: str) -> bool:
    """Follow the common part of .gitignore: names, paths from the root, folders; no negation."""
    parts = path.split("/")
    if pattern.endswith("/"):
        parts, pattern = parts[:-1], pattern.rstrip("/")
    if "/" in pattern:
        heads = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        return any(fnmatch.fnmatchcase(head, pattern.lstrip("/")) for head in heads)
    return any(fnmatch.fnmatchcase(part, pattern) for part in parts)


def signature(path: str) -> str:
    return git_oid(f"signed {path}".encode())


def check_signature(request: Request) -> None:
    if request.query.get("signature") != [signature(request.path)]:
        raise HubError(403, "SignatureDoesNotMatch")
