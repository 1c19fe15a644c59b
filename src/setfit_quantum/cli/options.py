"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from setfit_quantum.cli.errors import set_debug

DATA = "Data"
HEAD = "Head"
TRAINING = "Training"
DEVICE = "Shots, noise and backend"

DataSource = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A csv, tsv, json, jsonl or parquet file; a folder with one file per split; bundled:reviews, "
        "bundled:support; or a data set id on the Hub.",
        show_default=False,
    ),
]
ModelSource = Annotated[str, typer.Argument(help="Folder of a saved model, or its id on the Hub.", show_default=False)]
Revision = Annotated[
    str | None,
    typer.Option(help="Branch, tag or commit of a model on the Hub.", show_default="main"),
]
Split = Annotated[
    str | None,
    typer.Option(help="Split of a folder, bundled or Hub data set.", show_default=False, rich_help_panel=DATA),
]
PooledSplit = Annotated[
    str | None,
    typer.Option(
        help="Use this part of a folder, bundled or Hub data set alone.",
        show_default="train, validation and test together",
        rich_help_panel=DATA,
    ),
]
TextColumn = Annotated[str, typer.Option(help="Column of the texts.", rich_help_panel=DATA)]
LabelColumn = Annotated[str, typer.Option(help="Column of the labels.", rich_help_panel=DATA)]
Config = Annotated[
    str | None,
    typer.Option(help="Configuration of a Hub data set that has several.", show_default=False, rich_help_panel=DATA),
]
Limit = Annotated[
    int | None, typer.Option(help="Use only the first rows.", show_default=False, min=1, rich_help_panel=DATA)
]
Encoding = Annotated[str, typer.Option(help="Encoding of a text file.", rich_help_panel=DATA)]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help="Column delimiter of a csv or tsv file; found from its header otherwise.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
LabelSeparator = Annotated[
    str, typer.Option(help="What separates the labels of one text, with --multilabel.", rich_help_panel=DATA)
]

Shots = Annotated[
    int | None,
    typer.Option(
        help="Measurement shots; exact expectations without.", show_default=False, min=1, rich_help_panel=DEVICE
    ),
]
Noise = Annotated[
    str | None,
    typer.Option(
        metavar="PRESET",
        help="Gate and readout noise: paper-low, paper-high, ionq-forte, ionq-forte-enterprise, ...",
        show_default=False,
        rich_help_panel=DEVICE,
    ),
]
Sampler = Annotated[
    str | None,
    typer.Option(
        help="How shots are drawn: gaussian, paper or multinomial.", show_default=False, rich_help_panel=DEVICE
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help="What runs the circuit: numba, torch, torchquantum, qiskit, ...",
        show_default=False,
        rich_help_panel=DEVICE,
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks.", callback=set_debug, is_eager=True, expose_value=True)
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to save the model in.")]
