"""Options of `train` that no other command has. Their defaults are the library's; a test compares them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from setfit_quantum.cli.options import DATA, HEAD, TRAINING

OptionalData = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help="A csv, tsv, json, jsonl or parquet file; a folder with one file per split; bundled:reviews, "
        "bundled:support; or a data set id on the Hub.",
        show_default=False,
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="In place of DATA: a folder of images with one subfolder per class, or per split and in it per class.",
        show_default=False,
        rich_help_panel=DATA,
    ),
]
EvalData = Annotated[
    str | None,
    typer.Option(
        metavar="DATA", help="Validation data, which selects the best epoch.", show_default=False, rich_help_panel=DATA
    ),
]
EvalSplit = Annotated[
    str | None,
    typer.Option(help="Split of the validation data.", show_default="validation", rich_help_panel=DATA),
]
TestData = Annotated[
    str | None,
    typer.Option(
        metavar="DATA", help="Test data: reported, never selected on.", show_default=False, rich_help_panel=DATA
    ),
]
TestSplit = Annotated[
    str | None, typer.Option(help="Split of the test data.", show_default="test", rich_help_panel=DATA)
]
ValidationSplit = Annotated[
    float | None,
    typer.Option(
        help="Share of the training data held out for validation, by class.", show_default=False, rich_help_panel=DATA
    ),
]
PerClass = Annotated[
    int | None,
    typer.Option(
        help="Few-shot: draw this many examples of each class.", show_default=False, min=1, rich_help_panel=DATA
    ),
]
Multilabel = Annotated[
    bool, typer.Option("--multilabel", help="A text has any number of labels, joined by |.", rich_help_panel=DATA)
]

Body = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Sentence transformer, or with --images vision model, by folder or Hub id.",
        show_default="sentence-transformers/all-MiniLM-L6-v2; microsoft/resnet-18",
        rich_help_panel=HEAD,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="A head of the paper: paper-single, paper-multi or paper-single-qm1.",
        show_default=False,
        rich_help_panel=HEAD,
    ),
]
Qubits = Annotated[int | None, typer.Option(help="Qubits.", show_default="10", rich_help_panel=HEAD)]
Encoders = Annotated[int | None, typer.Option(help="Number of encoders.", show_default="5", rich_help_panel=HEAD)]
Encoder = Annotated[
    str | None, typer.Option(help="quantum, linear or mlp.", show_default="quantum", rich_help_panel=HEAD)
]
EncoderQubits = Annotated[
    int | None,
    typer.Option(help="Qubits of each encoder.", show_default="what the embedding needs", rich_help_panel=HEAD),
]
EncoderHidden = Annotated[
    int | None, typer.Option(help="Hidden width of the mlp encoder.", show_default=False, rich_help_panel=HEAD)
]

Epochs = Annotated[int | None, typer.Option(help="Passes over the data.", show_default="40", rich_help_panel=TRAINING)]
BatchSize = Annotated[int | None, typer.Option(help="Examples per step.", show_default="16", rich_help_panel=TRAINING)]
LearningRate = Annotated[
    float | None, typer.Option(help="Learning rate of the first epoch.", show_default="0.02", rich_help_panel=TRAINING)
]
LrDecay = Annotated[
    float | None,
    typer.Option(help="Factor on the learning rate after each epoch.", show_default="1.0", rich_help_panel=TRAINING),
]
WeightDecay = Annotated[float | None, typer.Option(help="Weight decay.", show_default="0.0", rich_help_panel=TRAINING)]
ClassWeights = Annotated[
    str | None,
    typer.Option(
        metavar="WEIGHTS", help="balanced, or label=weight,label=weight.", show_default=False, rich_help_panel=TRAINING
    ),
]
Calibrate = Annotated[
    bool,
    typer.Option("--calibrate", help="Fit a temperature to the validation data afterwards.", rich_help_panel=TRAINING),
]
EarlyStopping = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Stop after N evaluations without a better validation accuracy.",
        show_default=False,
        rich_help_panel=TRAINING,
    ),
]
Seed = Annotated[
    int, typer.Option(help="Seed of draws, splits, weights, shots and noise.", min=0, rich_help_panel=TRAINING)
]
CheckpointDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder for checkpoints, kept afterwards.",
        show_default="OUTPUT-checkpoints, removed at the end",
        rich_help_panel=TRAINING,
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.", rich_help_panel=TRAINING)]
StartOver = Annotated[
    bool,
    typer.Option("--start-over", help="Discard the checkpoints of an interrupted training.", rich_help_panel=TRAINING),
]
