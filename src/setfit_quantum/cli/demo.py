"""`setfit-quantum demo`: the web demo, on this machine."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli.console import note, results, working
from setfit_quantum.cli.errors import BadInput, Failure, checking_input


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    port: Annotated[
        int | None,
        typer.Option(help="Port on this machine.", show_default="the first free one from 7860", min=1, max=65535),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Folder of a saved model, or its id on the Hub.",
            show_default="one trained on bundled reviews at the first start, then kept",
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the demo in a browser.")] = True,
    debug: options.Debug = False,
) -> None:
    """Try a quantum head in the browser: classify, watch noise, train your own."""
    if importlib.util.find_spec("gradio") is None:
        raise Failure('the demo needs Gradio; install it with: pip install "setfit-quantum[demo]"')
    note("Loading PyTorch and SetFit ...")
    with working():
        from setfit_quantum.demo import build_app, load_engine, serve

        try:
            with checking_input():
                engine = load_engine(model, report=note)
        except OSError as error:
            reason = str(error).strip().splitlines()
            raise BadInput(
                f"The model could be loaded neither from a folder nor from the Hub:\n{reason[0] if reason else error!r}"
            ) from error
        app = build_app(engine)
    try:
        serve(app, port=port, open_browser=browser, report=lambda url: results.print(f"Running on {url}", markup=False))
    except OSError as error:
        raise BadInput(f"Argument `--port`: {error}") from error
