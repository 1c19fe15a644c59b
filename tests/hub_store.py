"""Repositories, commits and files of the test Hub (`hub_server.py`), kept in a folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

# The Hub's own list for new repositories.
LFS_EXTENSIONS = (
    *("7z", "arrow", "bin", "bz2", "ckpt", "ftz", "gz", "h5", "joblib", "mlmodel", "model", "msgpack", "npy", "npz"),
    *("onnx", "ot", "parquet", "pb", "pickle", "pkl", "pt", "pth", "rar", "safetensors", "tar", "tflite", "tgz"),
    *("wasm", "xz", "zip", "zst"),
)
ATTRIBUTES = "".join(f"*.{extension} filter=lfs diff=lfs merge=lfs -text\n" for extension in LFS_EXTENSIONS)


class HubError(Exception):
    """An answer other than success: status, message and the Hub's X-Error-Code."""

    def __init__(self, status: int, message: str, code: str | None = None, **extra: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.extra = status, message, code, extra
        self.headers: dict[str, str] = {}


def git_oid(content: bytes) -> str:
    """Return git's object id of a blob; the client compares it with its own to skip unchanged files."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Entry:
    """One file of a tree: git id (of the pointer for LFS files), size in bytes, SHA-256 for LFS files."""

    oid: str
    size: int
    lfs: str | None = None

    @property
    def etag(self) -> str:
        return self.lfs or self.oid


@dataclass(frozen=True)
class Commit:
    """One commit: its whole tree by path, its parent and its message."""

    id: str
    tree: dict[str, Entry]
    parent: str | None
    title: str
    description: str
    author: str
    date: str


@dataclass
class PullRequest:
    """One discussion or pull request; a pull request's commits are on `refs/pr/<num>`."""

    num: int
    title: str
    author: str
    date: str
    is_pull_request: bool = True
    status: str = "open"
    merge_commit: str | None = None


@dataclass(frozen=True)
class Change:
    """One line of a commit: add a file by content or by LFS object, or delete a file or a folder."""

    kind: Literal["file", "lfs", "delete_file", "delete_folder"]
    path: str
    content: bytes = b""
    oid: str = ""


@dataclass
class Repository:
    """One repository with its history; branches and pull requests are in `refs`, by full name."""

    id: str
    type: str
    private: bool = False
    gated: bool = False
    granted: list[str] = field(default_factory=list)
    sdk: str | None = None
    created: str = field(default_factory=now)
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    discussions: dict[int, PullRequest] = field(default_factory=dict)
    lfs_objects: list[str] = field(default_factory=list)

    @property
    def namespace(self) -> str:
        return self.id.split("/")[0]

    @property
    def url_path(self) -> str:
        return self.id if self.type == "model" else f"{self.type}s/{self.id}"

    @property
    def branches(self) -> dict[str, str]:
        """Commit id by branch name."""
        return self._named("refs/heads/")

    @property
    def tags(self) -> dict[str, str]:
        """Commit id by tag name."""
        return self._named("refs/tags/")

    def _named(self, prefix: str) -> dict[str, str]:
        return {ref.removeprefix(prefix): sha for ref, sha in self.refs.items() if ref.startswith(prefix)}

    def commit_at(self, revision: str = "main") -> Commit:
        """Return the commit of a branch, tag, pull request (`refs/pr/1`) or commit id."""
        for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if ref in self.refs:
                return self.commits[self.refs[ref]]
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            found = [commit for sha, commit in self.commits.items() if sha.startswith(revision)]
            if len(found) == 1:
                return found[0]
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def entry_at(self, path: str, revision: str = "main") -> Entry:
        commit = self.commit_at(revision)
        if path not in commit.tree:
            error = HubError(404, "Entry not found", "EntryNotFound")
            # The client remembers, by commit, that the file does not exist.
            error.headers["X-Repo-Commit"] = commit.id
            raise error
        return commit.tree[path]

    def history(self, revision: str = "main") -> Iterator[Commit]:
        """Yield the commits from a revision back to the first."""
        commit: Commit | None = self.commit_at(revision)
        while commit is not None:
            yield commit
            commit = self.commits[commit.parent] if commit.parent else None


class Store:
    """All repositories of one Hub, in a folder; a second store on the same folder sees what the first one saved.

    Args:
        directory: Folder of the files (`objects/`) and of everything else (`state.json`).
        lfs_threshold: Size in bytes from which a file is LFS whatever its name.
    """

    def __init__(self, directory: Path, lfs_threshold: int = 10 * 1024 * 1024) -> None:
        self.directory = directory
        self.lfs_threshold = lfs_threshold
        self.lock = threading.RLock()
        self.repos: dict[tuple[str, str], Repository] = {}
        (directory / "objects").mkdir(parents=True, exist_ok=True)
        self._load()

    def get(self, repo_id: str, repo_type: str = "model") -> Repository:
        try:
            return self.repos[repo_type, repo_id]
        except KeyError:
            raise HubError(404, "Repository not found", "RepoNotFound") from None

    def create(self, repo_id: str, repo_type: str, author: str, **settings: Any) -> Repository:
        """Create a repository with the Hub's initial commit."""
        with self.lock:
            repo = Repository(repo_id, repo_type, **settings)
            changes = [Change("file", ".gitattributes", ATTRIBUTES.encode())]
            if repo_type == "space":
                readme = f"---\ntitle: {repo_id.split('/')[1]}\nemoji: 👀\ncolorFrom: blue\ncolorTo: green\n"
                readme += f"sdk: {repo.sdk}\npinned: false\n---\n"
                changes.append(Change("file", "README.md", readme.encode()))
            self.repos[repo_type, repo_id] = repo
            self.commit(repo, "refs/heads/main", changes, "initial commit", author=author)
            return repo

    def delete(self, repo: Repository) -> None:
        with self.lock:
            del self.repos[repo.type, repo.id]
            self.save()

    def commit(
        self,
        repo: Repository,
        ref: str,
        changes: Iterable[Change],
        title: str,
        description: str = "",
        author: str = "tester",
        base: Commit | None = None,
    ) -> Commit:
        """Apply all changes or none, on the head of `ref` (or on `base`), and move `ref` to the new commit."""
        with self.lock:
            if base is None and ref in repo.refs:
                base = repo.commits[repo.refs[ref]]
            tree = dict(base.tree) if base else {}
            for change in changes:
                self._apply(repo, tree, change)
            return self.add_commit(repo, ref, tree, base, title, description, author)

    def add_commit(
        self,
        repo: Repository,
        ref: str,
        tree: dict[str, Entry],
        parent: Commit | None,
        title: str,
        description: str,
        author: str,
    ) -> Commit:
        """Record a commit with this tree and move `ref` to it."""
        parent_id = parent.id if parent else None
        date = now()
        listing = sorted((path, entry.oid) for path, entry in tree.items())
        identity = json.dumps([repo.id, repo.type, listing, parent_id, title, author, date, len(repo.commits)])
        sha = hashlib.sha1(identity.encode()).hexdigest()
        repo.commits[sha] = Commit(sha, tree, parent_id, title, description, author, date)
        repo.refs[ref] = sha
        self.save()
        return repo.commits[sha]

    def _apply(self, repo: Repository, tree: dict[str, Entry], change: Change) -> None:
        path = change.path.rstrip("/")
        if not path or any(part in ("", ".", "..", ".git") for part in path.split("/")):
            raise HubError(400, f"Invalid path in repository: {change.path!r}")
        if change.kind in ("delete_file", "delete_folder"):
            doomed = [name for name in tree if name == path] if change.kind == "delete_file" else []
            doomed += [name for name in tree if change.kind == "delete_folder" and name.startswith(path + "/")]
            if not doomed:
                raise HubError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            for name in doomed:
                del tree[name]
            return
        parents = {path.rsplit("/", depth)[0] for depth in range(1, path.count("/") + 1)}
        if parents & tree.keys() or any(name.startswith(path + "/") for name in tree):
            raise HubError(400, f"A file and a folder have the same name: {path}")
        if change.kind == "lfs":
            if change.oid not in repo.lfs_objects:
                raise HubError(400, f"LFS pointer pointed to a file that does not exist: {path} ({change.oid})")
            size = self.object_path(change.oid).stat().st_size
            tree[path] = Entry(git_oid(lfs_pointer(change.oid, size)), size, change.oid)
        else:
            if len(change.content) > self.lfs_threshold:
                raise HubError(400, f"Files of {self.lfs_threshold} bytes or more must be LFS: {path}")
            tree[path] = Entry(self.add_object(change.content, git_oid(change.content)), len(change.content))

    def upload_mode(self, path: str, size: int) -> str:
        """Return "lfs" or "regular", by extension and size, as the Hub's .gitattributes would have it."""
        return "lfs" if path.rsplit(".", 1)[-1] in LFS_EXTENSIONS or size > self.lfs_threshold else "regular"

    def object_path(self, oid: str) -> Path:
        """File of a regular file (by git id) or of an LFS file (by SHA-256)."""
        return self.directory / "objects" / oid

    def add_object(self, content: bytes, oid: str) -> str:
        part = self.object_path(f"{oid}.{threading.get_ident()}")
        part.write_bytes(content)
        os.replace(part, self.object_path(oid))
        return oid

    def add_lfs_content(self, repo: Repository, content: bytes) -> str:
        """Store an LFS object of this repository and return its SHA-256."""
        oid = self.add_object(content, hashlib.sha256(content).hexdigest())
        self.add_lfs_object(repo, oid)
        return oid

    def add_lfs_object(self, repo: Repository, oid: str) -> None:
        """Note that the object, already in its place, belongs to this repository."""
        with self.lock:
            if oid not in repo.lfs_objects:
                repo.lfs_objects.append(oid)
                self.save()

    def save(self) -> None:
        """Write the state so that a reader finds the old one or the new one, whole."""
        with self.lock:
            part = self.directory / "state.json.part"
            part.write_text(json.dumps([asdict(repo) for repo in self.repos.values()]))
            os.replace(part, self.directory / "state.json")

    def _load(self) -> None:
        path = self.directory / "state.json"
        for item in json.loads(path.read_text()) if path.exists() else []:
            item["discussions"] = {int(num): PullRequest(**pull) for num, pull in item["discussions"].items()}
            for sha, commit in item["commits"].items():
                commit["tree"] = {name: Entry(**entry) for name, entry in commit["tree"].items()}
                item["commits"][sha] = Commit(**commit)
            self.repos[item["type"], item["id"]] = Repository(**item)


def lfs_pointer(oid: str, size: int) -> bytes:
    """Return the text that git keeps in place of an LFS file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()
