"""`setfit-quantum quickstart`: train, compare, save and load on bundled data, in under a minute."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli.console import build_table, emit_json, is_interactive, note, percent, results, working
from setfit_quantum.cli.errors import BadInput, checking_input

EXAMPLES = {
    "reviews": "It broke after two days, and nobody answered my calls.",
    "support": "My parcel was meant to arrive on Monday.",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(quickstart)


def quickstart(
    output: options.Output = Path("setfit-quantum-quickstart"),
    dataset: Annotated[
        str, typer.Option(help="reviews (2 classes) or support (5 classes), written for this package.")
    ] = "reviews",
    qubits: Annotated[int | None, typer.Option(help="Qubits.", show_default="10")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", show_default="40")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and order.", min=0)] = 42,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Train a quantum head on bundled reviews, compare it with logistic regression, and save the model."""
    if dataset not in EXAMPLES:
        raise BadInput(f"Argument `--dataset` must be one of {', '.join(EXAMPLES)}, but got {dataset!r}.")
    note("Loading PyTorch and SetFit ...")
    with working():
        outcome = _run(output, dataset, qubits, epochs, seed)
    if as_json:
        emit_json(outcome)
    else:
        _show(outcome, EXAMPLES[dataset])


def _run(output: Path, dataset: str, qubits: int | None, epochs: int | None, seed: int) -> dict[str, Any]:
    from setfit_quantum.baselines import count_parameters, fit_logistic_regression
    from setfit_quantum.cli.models import build_model, check_output, embed, encode_targets, prepare_simulator
    from setfit_quantum.cli.training_run import build_arguments, build_head
    from setfit_quantum.data import load_examples
    from setfit_quantum.default_body import DEFAULT_BODY
    from setfit_quantum.evaluation import evaluate_predictions
    from setfit_quantum.training import train_head
    from setfit_quantum.training.card_results import results_of

    with checking_input():
        head = build_head(None, multilabel=False, n_qubits=qubits, seed=seed)
        arguments = build_arguments(num_epochs=epochs, seed=seed, show_progress_bar=is_interactive())
    check_output(output)
    train, test = load_examples(f"bundled:{dataset}"), load_examples(f"bundled:{dataset}", split="test")
    classes = train.classes
    note(f"Loading the sentence transformer {DEFAULT_BODY} ...")
    model = build_model(None, head, classes)
    note(f"Encoding {len(train)} training and {len(test)} test sentences ...")
    features, test_features = embed(model, train.texts), embed(model, test.texts)
    targets, test_targets = encode_targets(train, classes, False), encode_targets(test, classes, False)
    prepare_simulator(head)
    note("Training the quantum head ...")
    result = train_head(head, features, targets, arguments, label_names=classes)
    model.record_training(arguments, result, n_train=len(train))
    predictions = head.predict(test_features).cpu().numpy()
    quantum = evaluate_predictions(test_targets, predictions, classes)
    started = time.perf_counter()
    logistic = fit_logistic_regression(features.cpu(), targets)
    logistic_seconds = time.perf_counter() - started
    classical = evaluate_predictions(test_targets, logistic.predict(test_features.cpu()), classes)
    place: dict[str, Any] = {
        "dataset": f"bundled:{dataset}",
        "dataset_name": f"{dataset} (bundled with setfit-quantum)",
    }
    model.card_facts = model.card_facts.with_changes(language=("en",))
    model.record_results(results_of(quantum, **place))
    rival: dict[str, Any] = {"head": "logistic regression", "parameters": count_parameters(logistic)}
    model.record_results(results_of(classical, **place, **rival), compared=True)
    model.save_pretrained(str(output))
    rows = [
        (f"quantum head ({head.config.n_qubits} qubits)", head.num_parameters(), result.seconds, quantum),
        ("logistic regression", count_parameters(logistic), logistic_seconds, classical),
    ]
    return {
        "output": str(output),
        "data": f"bundled:{dataset}",
        "n_train": len(train),
        "n_test": len(test),
        "classes": classes,
        "body": DEFAULT_BODY,
        "heads": [
            {
                "head": name,
                "parameters": parameters,
                "seconds": round(seconds, 3),
                "test_accuracy": found.accuracy,
                "test_accuracy_interval": list(found.accuracy_interval),
            }
            for name, parameters, seconds, found in rows
        ],
    }


def _show(outcome: dict[str, Any], example: str) -> None:
    title = f"{outcome['data']}: {outcome['n_train']} sentences to train on, accuracy on {outcome['n_test']} others"
    table = build_table(title, "head", "parameters", "seconds", "accuracy, %", "95 % CI")
    for row in outcome["heads"]:
        low, high = row["test_accuracy_interval"]
        table.add_row(
            row["head"],
            f"{row['parameters']:,}",
            f"{row['seconds']:.2f}",
            percent(row["test_accuracy"]),
            f"{percent(low)} - {percent(high)}",
        )
    results.print(table)
    folder = outcome["output"]
    lines = [
        "Both heads read the same embeddings of the same frozen body; parameters and seconds are the heads' training.",
        "",
        f"Saved to {folder}. Load it in Python:",
        "",
        "    from setfit_quantum import SetFitModel",
        f"    model = SetFitModel.from_pretrained({json.dumps(folder)})",
        f"    print(model.predict([{json.dumps(example)}]))",
        "",
        "or on the command line:",
        "",
        f"    setfit-quantum predict {shlex.quote(folder)} {shlex.quote(example)}",
    ]
    results.print("\n".join(lines), markup=False)
