"""What goes wrong with the Hub, said so that one knows what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOG_IN = "log in with `hf auth login`, set HF_TOKEN, or give a token"
_CLIENTS = ("httpx", "httpx2", "httpcore", "requests", "urllib3")
_LOST = ("TransportError", "ConnectionError", "Timeout", "TimeoutError", "TimeoutException", "ChunkedEncodingError")


class HubError(OSError):
    """The Hub could not be read: not reachable, no such repository or revision, or no permission."""


@contextmanager
def explained(repo_id: str, error_class: type[HubError] = HubError) -> Iterator[None]:
    """Turn what the client raises in this block into a `HubError` with a message for people.

    Errors that are not the Hub's, such as a full disk, pass as they are.
    """
    try:
        yield
    except HubError:
        raise
    except Exception as error:
        problem = describe_problem(error, repo_id)
        if problem is None:
            raise
        raise error_class(f"{repo_id}: {problem}") from error


def describe_problem(error: BaseException, repo_id: str) -> str | None:
    """What an error of the Hub's client means, as a sentence; None for errors of other kinds."""
    from huggingface_hub import errors

    if str(error).startswith(("Force download failed", "Cannot pass 'force_download")) and error.__cause__ is not None:
        # A plain ValueError is what the client makes of any failure with force_download=True.
        return describe_problem(error.__cause__, repo_id)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "the Hub is not asked, because HF_HUB_OFFLINE is set."
    if isinstance(error, errors.LocalTokenNotFoundError):
        return f"no token was found: {LOG_IN}."
    if isinstance(error, errors.HFValidationError):
        return f"is no id of a repository on the Hub ({_first_line(error)})."
    if isinstance(error, errors.GatedRepoError):
        return "access to this repository is restricted: ask for it on its page, and log in."
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no such repository, or it is private and not yours: check the id, and {LOG_IN}."
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision."
    status = status_of(error)
    if status == 401:
        return f"the Hub did not accept the token: {LOG_IN}."
    if status == 403:
        return f"the token may not do this here: it needs write access to {repo_id.split('/')[0]!r}."
    if status is not None:
        said = str(getattr(error, "server_message", None) or "").strip() or _first_line(error)
        return f"the Hub answered {status}: {said.rstrip('.')}."
    if is_connection_error(error):
        return f"the Hub cannot be reached ({type(error).__name__}: {_first_line(error)})."
    if isinstance(error, errors.LocalEntryNotFoundError):
        return f"not in the cache, and {_why_not_asked(error, repo_id)}"
    return None


def is_unreachable(error: BaseException) -> bool:
    """Whether a `HubError` says that the Hub did not or must not answer, and not that it refused."""
    from huggingface_hub import errors

    cause = error.__cause__
    if cause is None:
        return False
    return isinstance(cause, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled) or is_connection_error(cause)


def _why_not_asked(error: BaseException, repo_id: str) -> str:
    cause = error.__cause__
    if cause is None:
        return "the Hub must not be asked (local_files_only or HF_HUB_OFFLINE)."
    return describe_problem(cause, repo_id) or f"the Hub cannot be reached ({_first_line(cause)})."


def status_of(error: BaseException) -> int | None:
    """The HTTP status of an error's answer, where there was one."""
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def is_connection_error(error: BaseException) -> bool:
    """Whether the connection failed or broke, in any HTTP library that `huggingface_hub` has used.

    Told by name: which library it is depends on the client's version, and importing all of them helps nobody.
    """
    if status_of(error) is not None:
        return False
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    return any(
        base.__name__ in _LOST and base.__module__.split(".")[0].lstrip("_") in _CLIENTS for base in type(error).__mro__
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
