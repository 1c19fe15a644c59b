"""`setfit-quantum evaluate`: accuracy and F1 of a saved model, with intervals and a table per class."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli.console import build_table, emit_json, note, percent, results, working
from setfit_quantum.cli.errors import checking_input

if TYPE_CHECKING:
    from setfit_quantum.calibration import Abstention, Calibration
    from setfit_quantum.evaluation import Evaluation


EVALUATION_SPLITS = ("test", "val", "valid", "validation", "dev")
"""Which split of a folder of images is measured on where none is named: the first that is there."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    model: options.ModelSource,
    data: options.DataSource,
    revision: options.Revision = None,
    split: options.Split = None,
    text_column: options.TextColumn = "text",
    label_column: options.LabelColumn = "label",
    config: options.Config = None,
    limit: options.Limit = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    label_separator: options.LabelSeparator = "|",
    shots: options.Shots = None,
    noise: options.Noise = None,
    sampler: options.Sampler = None,
    backend: options.Backend = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Without shots and noise, whatever the model was saved with.",
            rich_help_panel=options.DEVICE,
        ),
    ] = False,
    abstain_below: Annotated[
        float | None,
        typer.Option(
            help="Report how often the model answers, and is right, above this probability.",
            show_default="as saved with the model",
            min=0.0,
            max=1.0,
        ),
    ] = None,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Evaluate MODEL on DATA, by default on its test split (images: where there is none, on val, valid, ...).

    Shots, noise and backend are those the model was saved with, unless given here.
    """
    from setfit_quantum.data import has_splits, image_splits, load_examples, load_images

    with checking_input():
        note("Loading ...")
    with working():
        from setfit_quantum.calibration import abstention, evaluate_probabilities
        from setfit_quantum.cli.models import (
            change_device,
            class_names,
            classify,
            encode_targets,
            is_multilabel,
            load_model,
        )
        from setfit_quantum.evaluation import evaluate_predictions

        loaded = load_model(model, revision)
        multilabel = is_multilabel(loaded)
        images = loaded.modality == "image"
        if split is None and images:
            # Image folders often have no test split, but one to validate on.
            present = image_splits(data)
            split = next((name for name in EVALUATION_SPLITS if name in present), "test" if present else None)
        elif split is None and has_splits(data):
            split = "test"
        with checking_input():
            examples = (
                load_images(data, split, limit=limit)
                if images
                else load_examples(
                    data,
                    split,
                    text_column,
                    label_column,
                    limit,
                    config=config,
                    multilabel=multilabel or None,
                    encoding=encoding,
                    delimiter=delimiter,
                    label_separator=label_separator,
                )
            )
        classes = class_names(loaded)
        targets = encode_targets(examples, classes, multilabel)
        change_device(loaded, shots=shots, noise=noise, sampler=sampler, backend=backend, exact=exact)
        note(f"Classifying {len(examples)} {loaded.modality}s ...")
        started = time.perf_counter()
        predictions, probabilities = classify(loaded, examples.texts)
        seconds = time.perf_counter() - started
        found = evaluate_predictions(targets, predictions, classes)
        trust = evaluate_probabilities(probabilities, targets)
        threshold = loaded.abstain_below if abstain_below is None else abstain_below
        with checking_input():
            answers = None if threshold is None else abstention(probabilities, targets, threshold)
    head = loaded.model_head
    device = {
        "shots": getattr(head, "shots", None),
        "noise": None if getattr(head, "noise", None) is None else head.noise.to_dict(),
    }
    if as_json:
        calibrated = {"calibration": trust.to_dict(), "abstention": None if answers is None else answers.to_dict()}
        figures = {**found.to_dict(), **calibrated, **device}
        emit_json({"model": model, "data": examples.name, **figures, "seconds": round(seconds, 3)})
        return
    show_evaluation(found, f"{model} on {examples.name}")
    show_trust(trust, answers)
    shown = ["exact expectations" if device["shots"] is None else f"{device['shots']} shots"]
    shown.append("no noise" if device["noise"] is None else f"noise: {head.noise.describe()}")
    if hasattr(head, "circuit"):
        results.print(f"Measured with {', '.join(shown)}.", markup=False)


def show_trust(trust: Calibration, answers: Abstention | None) -> None:
    """Print how far the probabilities can be believed."""
    line = (
        f"Mean confidence {percent(trust.confidence)} %, right {percent(trust.accuracy)} %; expected calibration error "
        f"{percent(trust.expected_calibration_error)} %, log loss {trust.log_loss:.3f}."
    )
    results.print(line, markup=False)
    if answers is not None:
        right = "" if answers.accuracy is None else f", right in {percent(answers.accuracy)} % of its answers"
        share = percent(answers.coverage)
        results.print(f"Above {answers.threshold:.3g} it answers {share} % of the examples{right}.", markup=False)


def show_evaluation(found: Evaluation, title: str) -> None:
    """Print an evaluation as two tables."""
    table = build_table(title, "metric", "value, %", "95 % interval")
    rows = [
        ("accuracy", found.accuracy, found.accuracy_interval),
        ("macro F1", found.macro_f1, found.macro_f1_interval),
    ]
    for name, value, (low, high) in rows:
        table.add_row(name, percent(value), f"{percent(low)} - {percent(high)}")
    results.print(table)
    per_class = build_table(None, "class", "precision, %", "recall, %", "F1, %", "examples")
    for scores in found.classes:
        figures = (percent(scores.precision), percent(scores.recall), percent(scores.f1), str(scores.support))
        per_class.add_row(scores.label, *figures)
    results.print(per_class)
