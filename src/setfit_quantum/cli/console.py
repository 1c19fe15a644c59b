"""Where commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from rich.console import Console
from rich.table import Table

# rich looks up sys.stdout and sys.stderr at each use.
results = Console(highlight=False, soft_wrap=True)
progress = Console(stderr=True, highlight=False, soft_wrap=True)


def note(message: str) -> None:
    """Say on standard error what is being done."""
    progress.print(message, style="dim", markup=False)


def is_interactive() -> bool:
    """Whether a person watches standard error: progress bars are for people, not for logs."""
    return sys.stderr.isatty()


def emit_json(values: Mapping[str, Any]) -> None:
    """Write one JSON document to standard output, and nothing else."""
    sys.stdout.write(json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def build_table(title: str | None, *columns: str) -> Table:
    """A table whose first column is text and the others numbers."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=index > 0 or len(columns) > 2)
    return table


def percent(share: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * share:.1f}"


@contextmanager
def working() -> Iterator[None]:
    """Keep libraries quiet, and what they print all the same away from standard output."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    had_bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
