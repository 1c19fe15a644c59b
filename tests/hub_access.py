"""Users and permissions of the test Hub (`hub_server.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from hub_store import HubError, Repository

WRITE_TOKEN = "hf_tester_write"
READ_TOKEN = "hf_tester_read"
STRANGER_TOKEN = "hf_stranger_write"


@dataclass(frozen=True)
class Account:
    """A user as seen through one token; `role` is "read" or "write"."""

    name: str
    role: str
    orgs: tuple[str, ...] = ()

    def owns(self, namespace: str) -> bool:
        return namespace == self.name or namespace in self.orgs


ACCOUNTS = {
    WRITE_TOKEN: Account("tester", "write", ("team",)),
    READ_TOKEN: Account("tester", "read", ("team",)),
    STRANGER_TOKEN: Account("stranger", "write"),
}


def account_of(authorization: str | None) -> Account | None:
    """Return the account of an Authorization header, None without one.

    Raises:
        HubError: 401, the token is not known.
    """
    if not authorization:
        return None
    account = ACCOUNTS.get(authorization.removeprefix("Bearer ").strip())
    if account is None:
        raise HubError(401, "Invalid credentials in Authorization header")
    return account


def require_login(account: Account | None) -> Account:
    if account is None:
        raise HubError(401, "Invalid username or password.")
    return account


def check_read(repo: Repository | None, account: Account | None, content: bool = True) -> Repository:
    """Return the repository if this account may see it (and, with `content`, download its files).

    The Hub does not tell a missing repository from one that is private to others. Without a token it answers 401;
    the code RepoNotFound is needed there, because the client guesses it from https addresses only.
    """
    if repo is None or (repo.private and not (account and account.owns(repo.namespace))):
        if account is None:
            raise HubError(401, "Invalid username or password.", "RepoNotFound")
        raise HubError(404, "Repository not found", "RepoNotFound")
    if content and repo.gated and not (account and (account.owns(repo.namespace) or account.name in repo.granted)):
        raise HubError(401 if account is None else 403, f"Access to {repo.type} {repo.id} is restricted.", "GatedRepo")
    return repo


def check_write(namespace: str, account: Account | None) -> Account:
    """Return the account if it may write in this namespace."""
    account = require_login(account)
    if not account.owns(namespace):
        raise HubError(403, f"Forbidden: you don't have the rights to write in the namespace {namespace!r}")
    if account.role != "write":
        raise HubError(403, "Forbidden: you must use a write token to upload to a repository.")
    return account
