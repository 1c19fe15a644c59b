"""The API of the test Hub (`hub_server.py`): accounts, repositories, references, listings, discussions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from hub_access import check_read, check_write, require_login
from hub_card import card_data, card_problems, card_tags
from hub_files import FileRoutes, open_pull_request
from hub_http import Request, Response, json_response
from hub_store import Commit, Entry, HubError, PullRequest, Repository, lfs_pointer

ACTIONS = ("revision", "tree", "paths-info", "refs", "commits", "branch", "tag", "preupload", "commit", "settings")
ACTIONS += ("auth-check", "discussions", "runtime", "resolve", "raw")
SDKS = ("gradio", "streamlit", "docker", "static")


class HubRoutes(FileRoutes):
    """All routes of the Hub proper; `page_size` is the number of items in one page of a listing."""

    page_size = 1000

    def hub(self, request: Request) -> Response:
        """Dispatch one request to the Hub."""
        match request.method, request.segments:
            case "GET", ["api", "whoami-v2"]:
                return self.whoami(request)
            case "POST", ["api", "validate-yaml"]:
                return self.validate_yaml(request)
            case "POST", ["api", "repos", "create"]:
                return self.create_repo(request)
            case "DELETE", ["api", "repos", "delete"]:
                return self.delete_repo(request)
            case "POST", ["api", "complete_multipart", types, namespace, name, oid]:
                return self.complete_multipart(request, self.store.get(f"{namespace}/{name}", types[:-1]), oid)
            case "GET", ["api", ("models" | "datasets" | "spaces") as types]:
                return self.list_repos(request, types[:-1])
            case _, ["api", ("models" | "datasets" | "spaces") as types, *rest]:
                return self.repo_api(request, types[:-1], rest)
            case _, [("datasets" | "spaces") as types, *rest]:
                return self.repo_page(request, types[:-1], rest)
        return self.repo_page(request, "model", request.segments)

    def find(self, request: Request, repo_type: str, rest: list[str]) -> tuple[Repository, list[str]]:
        """Return the visible repository at the head of a path, and what follows it."""
        width = 1 if len(rest) < 2 or rest[1] in ACTIONS else 2
        repo = self.store.repos.get((repo_type, "/".join(rest[:width])))
        return check_read(repo, request.account, content=False), rest[width:]

    def repo_page(self, request: Request, repo_type: str, rest: list[str]) -> Response:
        """Routes without /api: files, and LFS under the git address."""
        if len(rest) == 6 and rest[2:5] == ["info", "lfs", "objects"] and rest[1].endswith(".git"):
            repo, _ = self.find(request, repo_type, [rest[0], rest[1].removesuffix(".git")])
            return self.lfs_batch(request, repo) if rest[5] == "batch" else self.lfs_verify(request, repo)
        if request.method in ("GET", "HEAD") and {"resolve", "raw"} & set(rest[1:3]):
            repo, (_, revision, *path) = self.find(request, repo_type, rest)
            return self.resolve(request, repo, revision, "/".join(path))
        raise HubError(404, f"The test Hub has no route {request.method} {request.path}")

    def repo_api(self, request: Request, repo_type: str, rest: list[str]) -> Response:
        repo, tail = self.find(request, repo_type, rest)
        routes: dict[tuple[str, str], Callable[..., Response]] = {
            ("GET", "revision"): self.repo_info,
            ("GET", "tree"): self.tree,
            ("POST", "paths-info"): self.paths_info,
            ("GET", "refs"): self.refs,
            ("GET", "commits"): self.commits,
            ("POST", "branch"): self.create_branch,
            ("DELETE", "branch"): self.delete_branch,
            ("POST", "tag"): self.create_tag,
            ("DELETE", "tag"): self.delete_tag,
            ("POST", "preupload"): self.preupload,
            ("POST", "commit"): self.commit,
            ("PUT", "settings"): self.settings,
            ("GET", "auth-check"): self.auth_check,
            ("GET", "discussions"): self.discussions,
            ("POST", "discussions"): self.change_discussion,
            ("GET", "runtime"): self.runtime,
        }
        if not tail and request.method == "GET":
            return self.repo_info(request, repo)
        route = routes.get((request.method, tail[0])) if tail else None
        if route is None:
            raise HubError(404, f"The test Hub has no route {request.method} {request.path}")
        return route(request, repo, *tail[1:])

    # -- accounts and repositories -----------------------------------------------------------------------------------

    def whoami(self, request: Request) -> Response:
        account = require_login(request.account)
        token = {"displayName": "test token", "role": account.role}
        answer: dict[str, Any] = {"type": "user", "id": account.name, "name": account.name, "fullname": account.name}
        answer |= {"email": f"{account.name}@example.com", "isPro": False, "canPay": False, "avatarUrl": ""}
        answer["orgs"] = [{"type": "org", "name": org, "roleInOrg": account.role} for org in account.orgs]
        return json_response(answer | {"auth": {"type": "access_token", "accessToken": token}})

    def validate_yaml(self, request: Request) -> Response:
        payload = request.json()
        errors, warnings = card_problems(payload["content"], payload.get("repoType", "model"))
        answer = {"errors": [{"message": text} for text in errors], "warnings": [{"message": w} for w in warnings]}
        return json_response(answer, 400 if errors else 200)

    def create_repo(self, request: Request) -> Response:
        payload = request.json()
        account = require_login(request.account)
        repo_type, name = payload.get("type") or "model", payload["name"]
        namespace = payload.get("organization") or account.name
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}", name) or name.endswith(".git"):
            raise HubError(400, f"Invalid repository name: {name!r}")
        if repo_type == "space" and payload.get("sdk") not in SDKS:
            raise HubError(400, f"A Space needs an sdk, one of {SDKS}")
        check_write(namespace, account)
        repo_id = f"{namespace}/{name}"
        url = f"{self.url}/{repo_id if repo_type == 'model' else f'{repo_type}s/{repo_id}'}"
        with self.store.lock:
            if (repo_type, repo_id) in self.store.repos:
                raise HubError(409, f"You already created this {repo_type} repo", url=url)
            private = bool(payload.get("private")) or payload.get("visibility") == "private"
            self.store.create(repo_id, repo_type, account.name, private=private, sdk=payload.get("sdk"))
        return json_response({"url": url, "name": repo_id, "id": repo_id})

    def delete_repo(self, request: Request) -> Response:
        payload = request.json()
        account = require_login(request.account)
        repo_id = f"{payload.get('organization') or account.name}/{payload['name']}"
        repo = check_read(self.store.repos.get((payload.get("type") or "model", repo_id)), account, content=False)
        check_write(repo.namespace, account)
        self.store.delete(repo)
        return json_response({})

    def settings(self, request: Request, repo: Repository) -> Response:
        check_write(repo.namespace, request.account)
        payload = request.json()
        with self.store.lock:
            if "visibility" in payload or "private" in payload:
                repo.private = payload.get("visibility") == "private" or bool(payload.get("private"))
            repo.gated = bool(payload.get("gated", repo.gated))
            self.store.save()
        return json_response({"private": repo.private, "gated": repo.gated})

    def auth_check(self, request: Request, repo: Repository, write: str = "") -> Response:
        check_read(repo, request.account)
        if write:
            check_write(repo.namespace, request.account)
        return json_response({})

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
        answer = {"_id": git_like_id(repo.id), "id": repo.id, "modelId": repo.id, "author": repo.namespace}
        answer |= {"sha": commit.id, "lastModified": commit.date, "createdAt": repo.created, "private": repo.private}
        answer |= {"gated": "auto" if repo.gated else False, "disabled": False, "downloads": 0, "likes": 0}
        answer |= {"tags": card_tags(card), "cardData": card, "siblings": siblings, "spaces": []}
        answer["usedStorage"] = sum(entry.size for entry in commit.tree.values())
        answer |= {key: card[key] for key in ("library_name", "pipeline_tag") if key in card}
        if repo.type == "space":
            answer |= {"sdk": card.get("sdk", repo.sdk), "subdomain": repo.id.replace("/", "-")}
        return answer

    def runtime(self, request: Request, repo: Repository) -> Response:
        hardware = {"current": "cpu-basic", "requested": "cpu-basic"}
        return json_response({"stage": "RUNNING", "hardware": hardware, "storage": None, "gcTimeout": 172800})

    # -- listings ----------------------------------------------------------------------------------------------------

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
        names = folders_of(commit.tree) | {name: entry for name, entry in commit.tree.items()}
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
        names = folders_of(commit.tree) | {name: entry for name, entry in commit.tree.items()}
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

    # -- references --------------------------------------------------------------------------------------------------

    def refs(self, request: Request, repo: Repository) -> Response:
        def lines(prefix: str, shorten: bool) -> list[dict[str, str]]:
            chosen = [(ref, sha) for ref, sha in sorted(repo.refs.items()) if ref.startswith(prefix)]
            return [
                {"name": ref.removeprefix(prefix) if shorten else ref, "ref": ref, "targetCommit": sha}
                for ref, sha in chosen
            ]

        answer = {"branches": lines("refs/heads/", True), "converts": [], "tags": lines("refs/tags/", True)}
        return json_response(answer | {"pullRequests": lines("refs/pr/", False)})

    def create_branch(self, request: Request, repo: Repository, branch: str) -> Response:
        return self._create_ref(request, repo, f"refs/heads/{branch}", request.json().get("startingPoint") or "main")

    def create_tag(self, request: Request, repo: Repository, revision: str) -> Response:
        return self._create_ref(request, repo, f"refs/tags/{request.json()['tag']}", revision)

    def _create_ref(self, request: Request, repo: Repository, ref: str, revision: str) -> Response:
        check_write(repo.namespace, request.account)
        if not re.fullmatch(r"refs/(heads|tags)/(?!refs/|-)[\w.-]+(/[\w.-]+)*", ref):
            raise HubError(400, f"Invalid reference name: {ref}")
        with self.store.lock:
            if ref in repo.refs:
                raise HubError(409, f"Reference already exists: {ref}")
            repo.refs[ref] = repo.commit_at(revision).id
            self.store.save()
        return json_response({})

    def delete_branch(self, request: Request, repo: Repository, branch: str) -> Response:
        if branch == "main":
            raise HubError(403, "The branch main cannot be deleted")
        return self._delete_ref(request, repo, f"refs/heads/{branch}")

    def delete_tag(self, request: Request, repo: Repository, tag: str) -> Response:
        return self._delete_ref(request, repo, f"refs/tags/{tag}")

    def _delete_ref(self, request: Request, repo: Repository, ref: str) -> Response:
        check_write(repo.namespace, request.account)
        with self.store.lock:
            if repo.refs.pop(ref, None) is None:
                raise HubError(404, f"Invalid rev id: {ref}", "RevisionNotFound")
            self.store.save()
        return json_response({})

    # -- discussions and pull requests -------------------------------------------------------------------------------

    def discussions(self, request: Request, repo: Repository, num: str = "") -> Response:
        if num:
            return json_response(self.discussion(repo, self.pull_request(repo, num)))
        items = [self.discussion(repo, pull) for pull in repo.discussions.values()]
        return json_response({"discussions": items, "count": len(items), "start": 0})

    def change_discussion(self, request: Request, repo: Repository, num: str = "", action: str = "") -> Response:
        """Open a discussion or an empty pull request, or merge a pull request."""
        account = require_login(request.account)
        with self.store.lock:
            if not num:
                payload = request.json()
                base = repo.commit_at() if payload.get("pullRequest") else None
                pull = open_pull_request(repo, payload["title"], account.name, base)
            elif action == "merge":
                check_write(repo.namespace, account)
                pull = self.pull_request(repo, num)
                self.store_merge(repo, pull, account.name)
            else:
                raise HubError(404, f"The test Hub has no route POST {request.path}")
            self.store.save()
        return json_response(self.discussion(repo, pull))

    def store_merge(self, repo: Repository, pull: PullRequest, author: str) -> None:
        """Squash a pull request onto main: its changes since the commit it started from."""
        ref = f"refs/pr/{pull.num}"
        if pull.status != "open" or ref not in repo.refs:
            raise HubError(400, f"Discussion {pull.num} is not an open pull request")
        head, main = repo.commit_at(ref), repo.commit_at()
        mains = {commit.id for commit in repo.history()}
        base = next(commit for commit in repo.history(ref) if commit.id in mains)
        changed = {path for path in base.tree | head.tree if base.tree.get(path) != head.tree.get(path)}
        if conflicts := [path for path in sorted(changed) if base.tree.get(path) != main.tree.get(path)]:
            raise HubError(409, f"Merge conflicts in {conflicts}")
        tree = {path: entry for path, entry in main.tree.items() if path not in changed}
        tree |= {path: entry for path, entry in head.tree.items() if path in changed}
        pull.merge_commit = self.store.add_commit(repo, "refs/heads/main", tree, main, pull.title, "", author).id
        pull.status = "merged"

    def pull_request(self, repo: Repository, num: str) -> PullRequest:
        if not num.isdigit() or int(num) not in repo.discussions:
            raise HubError(404, f"Discussion {num} does not exist")
        return repo.discussions[int(num)]

    def discussion(self, repo: Repository, pull: PullRequest) -> dict[str, Any]:
        answer: dict[str, Any] = {"num": pull.num, "title": pull.title, "status": pull.status, "events": []}
        answer |= {"author": {"name": pull.author}, "createdAt": pull.date, "isPullRequest": pull.is_pull_request}
        answer["repo"] = {"name": repo.id, "type": repo.type}
        if pull.is_pull_request:
            answer["changes"] = {"base": "refs/heads/main", "mergeCommitId": pull.merge_commit}
            answer["filesWithConflicts"] = []
        return answer


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
