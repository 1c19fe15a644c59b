"""The API of the test Hub (`hub_server.py`): accounts, repositories, and the table of all routes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hub_access import check_read, check_write, require_login
from hub_card import SDKS, card_problems
from hub_http import Request, Response, json_response
from hub_references import ReferenceRoutes
from hub_store import HubError, Repository

ACTIONS: tuple[str, ...] = (
    "revision",
    "tree",
    "paths-info",
    "refs",
    "commits",
    "branch",
    "tag",
    "preupload",
    "commit",
    "settings",
)
ACTIONS += ("auth-check", "discussions", "runtime", "resolve", "raw")


class HubRoutes(ReferenceRoutes):
    """All routes of the Hub proper."""

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

    def runtime(self, request: Request, repo: Repository) -> Response:
        hardware = {"current": "cpu-basic", "requested": "cpu-basic"}
        return json_response({"stage": "RUNNING", "hardware": hardware, "storage": None, "gcTimeout": 172800})
