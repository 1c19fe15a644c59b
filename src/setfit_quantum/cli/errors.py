"""How commands end: 0 done, 2 bad input, 1 failure; one or two lines on stderr, a traceback only with `--debug`."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
import typer.core

FAILURE = 1
BAD_INPUT = 2


class BadInput(Exception):  # noqa: N818 (it names whose fault it is)
    """What the user gave cannot be used; the message says what is wrong and what is allowed."""


class Failure(Exception):  # noqa: N818 (the counterpart of BadInput)
    """The command could not do its work; the message says how to go on."""


@contextmanager
def checking_input() -> Iterator[None]:
    """Errors of this block are the user's input: report them as such.

    For the phase of a command that reads and checks arguments, data and models; work is done outside of it, so that
    a mistake of ours is never blamed on the user.
    """
    try:
        yield
    except (ValueError, TypeError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise BadInput(describe(error)) from error


def describe(error: BaseException) -> str:
    """The error's message on one or two lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "\n".join(lines[:2]) if lines else type(error).__name__


class Group(typer.core.TyperGroup):
    """The command group: keeps the arguments for messages, and turns exceptions into exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember the arguments as they were typed."""
        ctx.meta[_ARGUMENTS] = list(args)
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except BadInput as error:
            _report(ctx, error, describe(error))
            raise typer.Exit(BAD_INPUT) from error
        except Failure as error:
            _report(ctx, error, describe(error))
            raise typer.Exit(FAILURE) from error
        except KeyboardInterrupt as error:
            _report(ctx, error, "Interrupted.")
            raise typer.Exit(FAILURE) from error
        except BrokenPipeError as error:
            # Who read our output has seen enough; Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILURE) from error
        except Exception as error:
            if hasattr(error, "exit_code"):  # typer's own usage errors know how to show themselves
                raise
            hint = "" if is_debugging(ctx) else "\nRun it again with --debug to see where."
            _report(ctx, error, f"{type(error).__name__}: {describe(error)}{hint}")
            raise typer.Exit(FAILURE) from error


_ARGUMENTS = "setfit_quantum.arguments"
_DEBUG = "setfit_quantum.debug"


def typed_arguments(ctx: Any) -> list[str]:
    """The arguments as the user typed them, without the program's name."""
    return list(ctx.meta.get(_ARGUMENTS, []))


def set_debug(ctx: typer.Context, value: bool) -> bool:
    """Callback of the option `--debug`."""
    # `meta` is shared by all contexts of one run.
    ctx.meta[_DEBUG] = value
    return value


def is_debugging(ctx: Any) -> bool:
    """Whether `--debug` was given."""
    return bool(ctx.meta.get(_DEBUG, False))


def _report(ctx: Any, error: BaseException, message: str) -> None:
    if is_debugging(ctx):
        traceback.print_exception(error)
    prefix = "" if isinstance(error, KeyboardInterrupt) else "Error: "
    print(f"{prefix}{message}", file=sys.stderr)
