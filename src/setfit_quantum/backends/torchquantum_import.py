"""Importing TorchQuantum without its side effects on the rest of the process."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from types import ModuleType
from typing import Any

# scikit-learn, which this package needs, sets it too: without it macOS aborts on a second OpenMP runtime.
_KEPT_VARIABLES = frozenset({"KMP_DUPLICATE_LIB_OK"})


@cache
def import_torchquantum() -> ModuleType:
    """TorchQuantum, imported once.

    Its import adds warning filters and environment variables and replaces the user's log sinks of loguru; all of
    that is undone.

    Raises:
        ImportError: TorchQuantum, or something that it needs, is not installed; the message names the pip command.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(_keep_environment())
        stack.enter_context(_keep_log_sinks())
        try:
            return importlib.import_module("torchquantum")
        except ImportError as error:
            raise ImportError(
                "Argument `backend` = 'torchquantum' needs TorchQuantum: "
                f'pip install "setfit-quantum[torchquantum]" ({error})'
            ) from error


@contextmanager
def _keep_environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in (set(os.environ) | set(before)) - _KEPT_VARIABLES:
            if name not in before:
                del os.environ[name]
            elif os.environ.get(name) != before[name]:
                os.environ[name] = before[name]


@contextmanager
def _keep_log_sinks() -> Iterator[None]:
    """Let nobody remove or add loguru's sinks: torchpack replaces all of them by its own when it is imported."""
    try:
        from loguru import logger
    except ImportError:  # then TorchQuantum cannot be imported either, and that error is the one to report
        yield
        return
    target: Any = logger
    target.remove = target.add = lambda *args, **kwargs: None
    try:
        yield
    finally:
        del target.remove, target.add  # what the class defines is visible again
