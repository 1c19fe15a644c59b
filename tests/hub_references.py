"""Branches, tags, discussions and pull requests of the test Hub (`hub_server.py`)."""

from __future__ import annotations

import re
from typing import Any

from hub_access import check_write, require_login
from hub_files import open_pull_request
from hub_http import Request, Response, json_response
from hub_listings import ListingRoutes
from hub_store import HubError, PullRequest, Repository


class ReferenceRoutes(ListingRoutes):
    """References, and discussions as far as pull requests need them."""

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
