"""`setfit-quantum train`: a model with a quantum head from a file or a data set, resumable after Ctrl-C."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli import training_options as training
from setfit_quantum.cli.console import build_table, emit_json, is_interactive, note, percent, results, working
from setfit_quantum.cli.errors import Failure, checking_input, typed_arguments


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(train)


def train(
    ctx: typer.Context,
    data: training.OptionalData = None,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to save the model in.", show_default=False)],
    images: training.Images = None,
    split: options.Split = None,
    text_column: options.TextColumn = "text",
    label_column: options.LabelColumn = "label",
    config: options.Config = None,
    limit: options.Limit = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    multilabel: training.Multilabel = False,
    label_separator: options.LabelSeparator = "|",
    per_class: training.PerClass = None,
    validation_split: training.ValidationSplit = None,
    eval_data: training.EvalData = None,
    eval_split: training.EvalSplit = None,
    test_data: training.TestData = None,
    test_split: training.TestSplit = None,
    body: training.Body = None,
    preset: training.Preset = None,
    qubits: training.Qubits = None,
    encoders: training.Encoders = None,
    encoder: training.Encoder = None,
    encoder_qubits: training.EncoderQubits = None,
    encoder_hidden: training.EncoderHidden = None,
    epochs: training.Epochs = None,
    batch_size: training.BatchSize = None,
    learning_rate: training.LearningRate = None,
    lr_decay: training.LrDecay = None,
    weight_decay: training.WeightDecay = None,
    class_weights: training.ClassWeights = None,
    calibrate: training.Calibrate = False,
    early_stopping: training.EarlyStopping = None,
    seed: training.Seed = 42,
    checkpoint_dir: training.CheckpointDir = None,
    resume: training.Resume = False,
    start_over: training.StartOver = False,
    shots: options.Shots = None,
    noise: options.Noise = None,
    sampler: options.Sampler = None,
    backend: options.Backend = None,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Train a quantum head on DATA over a frozen sentence transformer, and save the model.

    The body encodes every text once; the head trains on the embeddings. Ctrl-C saves a checkpoint and prints the
    command that goes on from it. With --images the body is a vision model, and a folder's name the label of its images.
    """
    note("Loading ...")
    with working():
        from setfit_quantum.cli import training_run as work
        from setfit_quantum.cli.models import check_body, check_output

        check_output(output)
        check_body(body)
        source: dict[str, Any] = {
            "text_column": text_column,
            "label_column": label_column,
            "config": config,
            "multilabel": multilabel or None,
            "label_separator": label_separator,
            "encoding": encoding,
            "delimiter": delimiter,
        }
        with checking_input():
            parts = work.load_parts(
                work.choose_source(data, images, multilabel=multilabel),
                split,
                eval_data,
                eval_split,
                test_data,
                test_split,
                limit=limit,
                per_class=per_class,
                seed=seed,
                source=source,
                images=images is not None,
            )
            head = work.build_head(
                preset,
                multilabel=parts.train.multilabel,
                n_qubits=qubits,
                n_encoders=encoders,
                encoder=encoder,
                encoder_qubits=encoder_qubits,
                encoder_hidden_dim=encoder_hidden,
                shots=shots,
                noise=noise,
                sampler=sampler,
                backend=backend,
                seed=seed,
            )
            arguments = work.build_arguments(
                num_epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                lr_decay=lr_decay,
                weight_decay=weight_decay,
                class_weights=work.parse_class_weights(class_weights, parts.train.classes),
                calibrate=calibrate,
                early_stopping_patience=early_stopping,
                validation_split=validation_split,
                seed=seed,
                show_progress_bar=is_interactive(),
            )
            checkpoints = work.Checkpoints(checkpoint_dir, output, resume=resume, start_over=start_over)
        try:
            outcome = work.run(parts, body, head, checkpoints.apply(arguments), output)
        except work.TrainingInterrupted as interrupt:
            again = [word for word in typed_arguments(ctx) if word not in ("--resume", "--start-over")]
            if interrupt.checkpoint is None:
                raise Failure(
                    "interrupted before the first epoch ended; nothing was saved.\n"
                    f"Start again with: {shlex.join(['setfit-quantum', *again])}"
                ) from interrupt
            raise Failure(
                f"interrupted after {interrupt.epoch} of {arguments.num_epochs} epochs; saved {interrupt.checkpoint}.\n"
                f"Go on with: {shlex.join(['setfit-quantum', *again, '--resume'])}"
            ) from interrupt
        checkpoints.discard()
    if as_json:
        emit_json(outcome)
    else:
        _show(outcome, output)


def _show(outcome: dict[str, Any], output: Path) -> None:
    table = build_table(f"Trained on {outcome['data']}", "", "")
    table.show_header = False
    n_validation = outcome["n_validation"]
    table.add_row("training examples", str(outcome["n_train"]))
    table.add_row("classes", ", ".join(outcome["classes"][:6]) + (", ..." if len(outcome["classes"]) > 6 else ""))
    table.add_row("trained parameters", str(outcome["parameters"]))
    table.add_row("epochs", f"{outcome['epochs']}{' (stopped early)' if outcome['stopped_early'] else ''}")
    table.add_row("seconds of head training", f"{outcome['seconds']:.1f}")
    if n_validation:
        best = f"{percent(outcome['validation_accuracy'])} (epoch {outcome['best_epoch']})"
        table.add_row(f"validation accuracy, % ({n_validation} examples)", best)
    if outcome["temperature"] is not None:
        table.add_row("temperature fitted to them", f"{outcome['temperature']:.3g}")
    if outcome["test"] is not None:
        low, high = outcome["test"]["accuracy_interval"]
        interval = f"{percent(outcome['test']['accuracy'])} ({percent(low)} - {percent(high)})"
        table.add_row(f"test accuracy, % ({outcome['test']['n_examples']} examples)", interval)
        error = outcome["test"]["calibration"]["expected_calibration_error"]
        table.add_row("expected calibration error on them, %", percent(error))
    results.print(table)
    results.print(f"Saved to {output}. Classify with:", markup=False)
    example = "'a text'" if outcome["modality"] == "text" else "image.jpg"
    results.print(f"  setfit-quantum predict {shlex.quote(str(output))} {example}", markup=False)
