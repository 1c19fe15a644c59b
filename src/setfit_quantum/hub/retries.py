"""Trying again when the Hub is busy or a connection breaks. The client itself does so for some requests only."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from setfit_quantum.checks import check_float, check_int
from setfit_quantum.serialization.hub_errors import is_connection_error, status_of

logger = logging.getLogger(__name__)

T = TypeVar("T")

TRANSIENT_STATUSES = frozenset({408, 412, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed. 412: somebody else committed between our two requests."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to wait.

    Args:
        attempts: Attempts in all.
        first_wait: Seconds before the second attempt; doubled each time.
        longest_wait: Limit of that doubling, in seconds.
        longest_retry_after: The longest wait that the Hub may ask for; if it asks for more, we give up.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 30.0
    longest_retry_after: float = 300.0

    def __post_init__(self) -> None:
        check_int("attempts", self.attempts, minimum=1)
        for name in ("first_wait", "longest_wait", "longest_retry_after"):
            check_float(name, getattr(self, name), minimum=0.0)


def retry_transient(action: Callable[[], T], what: str, policy: RetryPolicy | None = None) -> T:
    """Run `action`, again after transient errors, and return what it returns.

    Args:
        action: What to do; it must be safe to repeat.
        what: What it does, for the log.
        policy: How often and how long to wait.

    Raises:
        Exception: What `action` raised: at once if trying again would not help, else in the last attempt.
    """
    policy = policy or RetryPolicy()
    for attempt in range(1, policy.attempts + 1):
        try:
            return action()
        except Exception as error:
            wait = _wait_after(error, attempt, policy)
            if wait is None:
                raise
            logger.warning(
                "%s failed (%s); attempt %d of %d in %.0f s.",
                what,
                _short(error),
                attempt + 1,
                policy.attempts,
                wait,
            )
            time.sleep(wait)
    raise AssertionError("unreachable: the last attempt returns or raises")


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return False
    return status_of(error) in TRANSIENT_STATUSES or is_connection_error(error)


def _wait_after(error: BaseException, attempt: int, policy: RetryPolicy) -> float | None:
    """Seconds to wait before the next attempt; None: there is none."""
    if attempt == policy.attempts or not is_transient(error):
        return None
    wait = min(policy.first_wait * 2.0 ** (attempt - 1), policy.longest_wait)
    asked = parse_retry_after(_headers_of(error).get("Retry-After"))
    if asked is None:
        return wait
    if asked > policy.longest_retry_after:
        return None
    return max(wait, asked)


def parse_retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date; None where it says neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _headers_of(error: BaseException) -> Any:
    return getattr(getattr(error, "response", None), "headers", None) or {}


def _short(error: BaseException) -> str:
    status = status_of(error)
    return type(error).__name__ if status is None else f"{type(error).__name__}, status {status}"
