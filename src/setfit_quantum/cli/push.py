"""`setfit-quantum push`: a saved model, a head alone, or the demo as a Space, to the Hub."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli.console import emit_json, note, results, working
from setfit_quantum.cli.errors import BadInput, Failure, checking_input, typed_arguments

if TYPE_CHECKING:
    from setfit_quantum.hub import PushResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(push)


def push(
    ctx: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="[FOLDER] REPO_ID",
            help="Folder of a saved model (with --space: of the app, by default the package's own), and the "
            "repository's id: name or namespace/name.",
            show_default=False,
        ),
    ],
    space: Annotated[bool, typer.Option("--space", help="Push the demo as a Gradio Space, with its wheel.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Make a private repository.")] = False,
    branch: Annotated[
        str | None,
        typer.Option(help="Branch to commit to, made where it is missing.", show_default="main"),
    ] = None,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Open a pull request instead of committing to the branch.")
    ] = False,
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="Title of the commit.", show_default=False)
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            help="Token of the Hub; better left to HF_TOKEN or `hf auth login`, since others may see the arguments "
            "of a process.",
            show_default=False,
        ),
    ] = None,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Push FOLDER to the repository REPO_ID on the Hub, as one commit.

    Without --token the token is that of HF_TOKEN or of `hf auth login`. Transient errors are tried again; a push that
    failed or was interrupted goes on when it is run again.
    """
    folder, repo_id = _read_sources(sources, space)
    if token is not None and not token.strip():
        raise BadInput("Argument `--token` must not be empty.")
    note(f"Pushing to {repo_id} ...")
    with working():
        from setfit_quantum.hub import HubError, PushInterrupted, PushOptions, push_saved
        from setfit_quantum.hub.space import push_space
        from setfit_quantum.hub.wheel import WheelError

        chosen = PushOptions(private or None, branch, message, None, create_pr, token)
        try:
            with checking_input():
                result = push_space(repo_id, folder, chosen) if space else push_saved(folder or "", repo_id, chosen)
        except (HubError, WheelError) as error:
            raise Failure(_without_secret(str(error), token)) from None
        except PushInterrupted as error:
            again = shlex.join(["setfit-quantum", *_without_token(typed_arguments(ctx))])
            raise Failure(f"{error}\nGo on with: {again}") from None
    if as_json:
        emit_json(_to_json(result, space))
        return
    _show(result, space)


def _read_sources(sources: list[str], space: bool) -> tuple[Path | None, str]:
    if len(sources) > 2 or (len(sources) < 2 and not space):
        needed = "REPO_ID, or FOLDER and REPO_ID," if space else "FOLDER and REPO_ID"
        raise BadInput(f"Give {needed} but nothing else; got {len(sources)} arguments.")
    folder = Path(sources[0]) if len(sources) == 2 else None
    if folder is not None and not folder.is_dir():
        raise BadInput(f"Argument `FOLDER` must be an existing folder, but {str(folder)!r} is none.")
    return folder, sources[-1]


def _to_json(result: PushResult, space: bool) -> dict[str, Any]:
    return {
        "repo_id": result.repo_id,
        "repo_type": "space" if space else "model",
        "url": result.url,
        "commit": result.commit,
        "pull_request": result.pull_request,
        "changed": result.changed,
    }


def _show(result: PushResult, space: bool) -> None:
    if not result.changed:
        results.print(f"Nothing to do: {result.repo_id} already has these files ({result.url}).", markup=False)
        return
    results.print(f"Pushed to {result.url}", markup=False)
    if result.pull_request is not None:
        results.print(f"Merge pull request {result.pull_request} there to publish it.", markup=False)
    elif not space:
        results.print(f"  setfit-quantum predict {shlex.quote(result.repo_id)} 'a text'", markup=False)


def _without_secret(message: str, token: str | None) -> str:
    return message if token is None else message.replace(token, "<token>")


def _without_token(arguments: list[str]) -> list[str]:
    """The command to type again; the token is left out, since terminals keep what they show."""
    kept, skip = [], False
    for word in arguments:
        if skip:
            skip = False
        elif word == "--token":
            skip = True
        elif not word.startswith("--token="):
            kept.append(word)
    return kept
