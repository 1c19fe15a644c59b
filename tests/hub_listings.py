"""What the test Hub (`hub_server.py`) tells about repositories: their metadata, files and history."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

from hub_access import check_read
from hub_card import card_data, card_tags
from hub_files import FileRoutes
from hub_http import Request, Response, json_response
from hub_store import Commit, Entry, HubError, Repository, lfs_pointer


class ListingRoutes(FileRoutes):
    """Read-only listings; `page_size` is the number of items in one page."""

    page_size = 1000

    def list_repos(self, request: Request, repo_type: str) -> Response:
        author, search = (request.query.get(name, [""])[0] for name in ("author", "search"))
        found = []
        for (kind, repo_id), repo in sorted(self.store.repos.items()):
            hidden = repo.private and not (request.account and request.account.owns(repo.namespace))
            if kind == repo_type and not hidden and author in ("", repo.namespace) and search in repo_id:
                found.append(self.info(repo, repo.commit_at(), blobs=False))
        return self.page(request, found)

    def repo_info(self, request: Request, repo: Repository, revision: str = "main") -> Response:
        answer = self.info(repo, repo.commit_at(revision), request.flag("blobs"))
        if expand := request.query.get("expand"):
            answer = {key: value for key, value in answer.items() if key in ("_id", "id", *expand)}
        return json_response(answer)

    def info(self, repo: Repository, commit: Commit, blobs: bool) -> dict[str, Any]:
        siblings: list[dict[str, Any]] = [{"rfilename": path} for path in sorted(commit.tree)]
        for item in siblings if blobs else []:
            entry = commit.tree[item["rfilename"]]
            item |= {"size": entry.size, "blobId": entry.oid}
            if entry.lfs:
                pointer = len(lfs_pointer(entry.lfs, entry.size))
                item["lfs"] = {"sha256": entry.lfs, "size": entry.size, "pointerSize": pointer}
        readme = commit.tree.get("README.md")
        card = card_data(self.store.object_path(readme.oid).read_text("utf-8", "replace")) if readme else {}
        answer: dict[str, Any] = {
            "_id": git_like_id(repo.id),
            "id": repo.id,
            "modelId": repo.id,
            "author": repo.namespace,
        }
        answer |= {"sha": commit.id, "lastModified": commit.date, "createdAt": repo.created, "private": repo.private}
        answer |= {"gated": "auto" if repo.gated else False, "disabled": False, "downloads": 0, "likes": 0}
        answer |= {"tags": card_tags(card), "cardData": card, "siblings": siblings, "spaces": []}
        answer["usedStorage"] = sum(entry.size for entry in commit.tree.values())
        answer |= {key: card[key] for key in ("library_name", "pipeline_tag") if key in card}
        if repo.type == "space":
            answer |= {"sdk": card.get("sdk", repo.sdk), "subdomain": repo.id.replace("/", "-")}
        return answer

    def page(self, request: Request, items: list[Any]) -> Response:
        """Return one page of a listing, with a Link header to the next."""
        start = request.number("cursor", 0)
        end = start + min(self.page_size, request.number("limit", self.page_size))
        response = json_response(items[start:end])
        if end < len(items):
            query = {key: value for key, value in request.query.items() if key != "cursor"}
            query["cursor"] = [str(end)]
            response.headers["Link"] = f'<{self.url}{request.path}?{urlencode(query, doseq=True)}>; rel="next"'
        return response

    def tree(self, request: Request, repo: Repository, revision: str = "main", *path: str) -> Response:
        check_read(repo, request.account)
        commit = repo.commit_at(revision)
        folder = "/".join(path).strip("/")
        prefix = f"{folder}/" if folder else ""
        names = {**folders_of(commit.tree), **commit.tree}
        if folder and not isinstance(names.get(folder), str):
            raise HubError(404, f"{folder} does not exist on {revision!r}", "EntryNotFound")
        recursive, expand = request.flag("recursive"), request.flag("expand")
        chosen = [name for name in sorted(names) if name.startswith(prefix)]
        chosen = [name for name in chosen if recursive or "/" not in name[len(prefix) :]]
        return self.page(request, [self.path_info(repo, commit, name, names[name], expand) for name in chosen])

    def paths_info(self, request: Request, repo: Repository, revision: str = "main") -> Response:
        check_read(repo, request.account)
        commit = repo.commit_at(revision)
        form = request.form()
        names = {**folders_of(commit.tree), **commit.tree}
        paths = [path.strip("/") for path in form.get("paths", [])]
        expand = form.get("expand", [""])[0].lower() in ("1", "true")
        return json_response([self.path_info(repo, commit, p, names[p], expand) for p in paths if p in names])

    def path_info(self, repo: Repository, commit: Commit, path: str, entry: Entry | str, expand: bool) -> Any:
        """Return one line of a listing; a folder is given by its id, a file by its entry."""
        if isinstance(entry, str):
            return {"type": "directory", "oid": entry, "size": 0, "path": path}
        item: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
        if entry.lfs:
            pointer = len(lfs_pointer(entry.lfs, entry.size))
            item["lfs"] = {"oid": entry.lfs, "size": entry.size, "pointerSize": pointer}
        if expand:
            last = commit
            for older in repo.history(commit.id):
                if older.tree.get(path) != entry:
                    break
                last = older
            item["lastCommit"] = {"id": last.id, "title": last.title, "date": last.date}
        return item

    def commits(self, request: Request, repo: Repository, revision: str = "main") -> Response:
        check_read(repo, request.account)
        items = [
            {"id": c.id, "title": c.title, "message": c.description, "date": c.date, "authors": [{"user": c.author}]}
            for c in repo.history(revision)
        ]
        return self.page(request, items)


def folders_of(tree: dict[str, Entry]) -> dict[str, Entry | str]:
    """Return the id of every folder of a tree, by path."""
    members: dict[str, list[str]] = {}
    for path, entry in tree.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            members.setdefault("/".join(parts[:depth]), []).append(f"{path} {entry.oid}")
    return {name: git_like_id("\n".join(sorted(lines))) for name, lines in members.items()}


def git_like_id(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()
