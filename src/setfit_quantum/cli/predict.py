"""`setfit-quantum predict`: texts from arguments, a file or standard input; one JSON object per line out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli.console import note, working
from setfit_quantum.cli.errors import BadInput, checking_input

if TYPE_CHECKING:
    from setfit_quantum.model import SetFitModel

CHUNK = 64
"""Texts classified at once: results appear while a long input is still being read."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)


def predict(
    model: options.ModelSource,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts to classify.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            "-f",
            show_default=False,
            help="Texts from a .txt file (one per line), or from the text column of a csv, tsv, json, jsonl or "
            "parquet file.",
        ),
    ] = None,
    revision: options.Revision = None,
    text_column: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    encoding: Annotated[str, typer.Option(help="Encoding of the file or of standard input.")] = "utf-8",
    shots: options.Shots = None,
    noise: options.Noise = None,
    sampler: options.Sampler = None,
    backend: options.Backend = None,
    debug: options.Debug = False,
) -> None:
    """Classify texts with MODEL: TEXT arguments, --file, or else standard input with one text per line.

    Each result is one line of JSON with "text", "label" (a list for multi-label models) and "probabilities". Models of
    images take paths in place of texts, and answer with "image". A model that abstains answers with the label null.
    """
    source = _read_texts(texts, file, text_column, encoding)
    with working():
        from setfit_quantum.cli.models import change_device, load_model
        from setfit_quantum.data import DataError

        loaded = load_model(model, revision)
        change_device(loaded, shots=shots, noise=noise, sampler=sampler, backend=backend, exact=False)
    count = 0
    texts_left = iter(source)
    while chunk := list(islice(texts_left, CHUNK)):
        with working():
            try:
                records = classify_records(loaded, chunk)
            except DataError as error:  # no file, or no image
                raise BadInput(str(error)) from error
        for record in records:
            sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        count += len(chunk)
    if count == 0:
        raise BadInput("There is no text to classify: standard input is empty.")


def classify_records(model: SetFitModel, texts: Sequence[str]) -> list[dict[str, Any]]:
    """For each text its label and the probability of every class."""
    from setfit_quantum.cli.models import class_names, classify

    names = class_names(model)
    predictions, probabilities = classify(model, texts)
    records = []
    for text, prediction, shares in zip(texts, predictions, probabilities, strict=True):
        if predictions.ndim == 2:
            label: Any = [name for name, given in zip(names, prediction, strict=True) if given]
        else:
            unsure = model.abstain_below is not None and shares.max() < model.abstain_below
            label = None if unsure else names[int(prediction)]
        rounded = {name: round(float(share), 6) for name, share in zip(names, shares, strict=True)}
        records.append({model.modality: text, "label": label, "probabilities": rounded})
    return records


def _read_texts(
    texts: list[str] | None, file: Path | None, text_column: str, encoding: str
) -> Iterator[str] | Sequence[str]:
    if texts and file is not None:
        raise BadInput("Give texts as arguments or --file, not both.")
    if texts:
        empty = next((number for number, text in enumerate(texts, start=1) if not text.strip()), None)
        if empty is not None:
            raise BadInput(f"Argument `TEXT` must not be empty, but text {empty} is.")
        return texts
    if file is not None:
        from setfit_quantum.data import load_texts

        with checking_input():
            return load_texts(file, text_column=text_column, encoding=encoding)
    if sys.stdin.isatty():
        note("Reading one text per line; end with Ctrl-D.")
    return _read_lines(encoding)


def _read_lines(encoding: str) -> Iterator[str]:
    """Lines of standard input, blank ones left out."""
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            text = line.decode(encoding).rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise BadInput(f"Standard input, line {number}: not {encoding} text; name its --encoding.") from error
        except LookupError as error:
            raise BadInput(f"Argument `--encoding` must be one that Python knows, but got {encoding!r}.") from error
        if text.strip():
            yield text.removeprefix("\ufeff") if number == 1 else text
