"""The typer application: every command group is one module with a `register` function."""

from __future__ import annotations

from typing import Annotated

import typer

from setfit_quantum.cli import (
    compare,
    demo,
    draw,
    energy,
    evaluate,
    noise_study,
    predict,
    push,
    quickstart,
    reproduce,
    screen,
    train,
    tune,
)
from setfit_quantum.cli.errors import Group

app = typer.Typer(
    cls=Group,
    name="setfit-quantum",
    help="Few-shot text classification with a quantum head for SetFit.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        from setfit_quantum import __version__

        typer.echo(f"setfit-quantum {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


for module in (
    *(quickstart, train, tune, evaluate, predict, draw),
    *(compare, reproduce, noise_study, screen, energy, demo, push),
):
    module.register(app)
