"""`setfit-quantum noise-study`: accuracy over a grid of noise levels and shot numbers, with intervals and a figure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli import training_options as training
from setfit_quantum.cli.console import build_table, emit_json, note, percent, results, working
from setfit_quantum.cli.errors import BadInput, Failure, typed_arguments
from setfit_quantum.cli.many_values import ManyValuesCommand, split_values

if TYPE_CHECKING:
    from setfit_quantum.cli.noise_study_work import Outcome

STUDY = "Study"
DEFAULT_SEEDS = 3


def _is_noise(word: str) -> bool:
    from setfit_quantum.noise.presets import NOISE_PRESETS

    return all(part in ("none", *NOISE_PRESETS) for part in word.split(","))


def _is_shots(word: str) -> bool:
    return all(part.isdecimal() for part in word.split(","))


def _is_condition(word: str) -> bool:
    parts = [part.partition(":") for part in word.split(",")]
    return all(noise == "exact" or (_is_noise(noise) and (shots or "0").isdecimal()) for noise, _, shots in parts)


class _Command(ManyValuesCommand):
    many = {  # noqa: RUF012 (ManyValuesCommand declares it)
        "--train": _is_condition,
        "--train-noise": _is_noise,
        "--train-shots": _is_shots,
        "--eval-noise": _is_noise,
        "--eval-shots": _is_shots,
    }


def _several(metavar: str, help_text: str, show_default: str | bool = False) -> Any:
    return typer.Option(metavar=f"{metavar}...", help=help_text, show_default=show_default, rich_help_panel=STUDY)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="noise-study", cls=_Command)(noise_study)


def noise_study(
    ctx: typer.Context,
    data: options.DataSource,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for results, table and figure.", show_default=False)
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Evaluate this saved model instead of training heads.",
            show_default=False,
            rich_help_panel=STUDY,
        ),
    ] = None,
    train: Annotated[
        list[str] | None,
        _several("CONDITION", "exact, PRESET, PRESET:SHOTS or none:SHOTS.", "exact paper-low:8192"),
    ] = None,
    train_noise: Annotated[
        list[str] | None, _several("PRESET", "Instead of --train: every one with every --train-shots.")
    ] = None,
    train_shots: Annotated[list[str] | None, _several("SHOTS", "See --train-noise; 0: exact expectations.")] = None,
    eval_noise: Annotated[
        list[str] | None,
        _several("PRESET", "Noise at inference.", "none paper-low paper-high ionq-forte-enterprise"),
    ] = None,
    eval_shots: Annotated[
        list[str] | None, _several("SHOTS", "Shots at inference; 0: exact expectations.", "0 128 1024 8192")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Heads per training condition.", show_default=str(DEFAULT_SEEDS), min=1, rich_help_panel=STUDY
        ),
    ] = None,
    first_seed: Annotated[
        int, typer.Option(help="The first seed; of splits, weights, shots and noise.", min=0, rich_help_panel=STUDY)
    ] = 0,
    max_test: Annotated[
        int, typer.Option(help="Measure this many test texts, drawn at random.", min=1, rich_help_panel=STUDY)
    ] = 500,
    split: options.Split = None,
    text_column: options.TextColumn = "text",
    label_column: options.LabelColumn = "label",
    config: options.Config = None,
    limit: options.Limit = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    per_class: Annotated[
        int | None,
        typer.Option(
            help="Texts of every class that a seed draws; 15 % of them select the epoch.",
            show_default="256, or half of the smallest class; all with --test-data",
            min=2,
            rich_help_panel=options.DATA,
        ),
    ] = None,
    test_data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Test data.",
            show_default="what a seed's draw leaves of DATA",
            rich_help_panel=options.DATA,
        ),
    ] = None,
    test_split: training.TestSplit = None,
    body: training.Body = None,
    qubits: training.Qubits = None,
    encoders: training.Encoders = None,
    encoder: training.Encoder = None,
    encoder_qubits: training.EncoderQubits = None,
    encoder_hidden: training.EncoderHidden = None,
    epochs: training.Epochs = None,
    batch_size: training.BatchSize = None,
    learning_rate: training.LearningRate = None,
    lr_decay: training.LrDecay = None,
    backend: options.Backend = None,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Evaluate heads over a grid of noise levels and shot numbers.

    Heads are trained on DATA, once per training condition and seed, or one saved model is evaluated on DATA. Options
    with several values take them after one another: `--eval-shots 0 128 8192`. A study that was interrupted goes on
    where it was when the same command is given again.
    """
    given = {
        "--train": train,
        "--train-noise": train_noise,
        "--train-shots": train_shots,
        "--seeds": seeds,
        "--per-class": per_class,
        "--test-data": test_data,
        "--test-split": test_split,
        "--body": body,
        "--qubits": qubits,
        "--encoders": encoders,
        "--encoder": encoder,
        "--encoder-qubits": encoder_qubits,
        "--encoder-hidden": encoder_hidden,
        "--epochs": epochs,
        "--batch-size": batch_size,
        "--learning-rate": learning_rate,
        "--lr-decay": lr_decay,
        "--backend": backend,
    }
    head_settings = {
        "n_qubits": qubits,
        "n_encoders": encoders,
        "encoder": encoder,
        "encoder_qubits": encoder_qubits,
        "encoder_hidden_dim": encoder_hidden,
        "backend": backend,
    }
    training_settings = {
        "num_epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "lr_decay": lr_decay,
    }
    source = {
        "text_column": text_column,
        "label_column": label_column,
        "config": config,
        "encoding": encoding,
        "delimiter": delimiter,
    }
    note("Loading ...")
    with working():
        from setfit_quantum.cli import noise_study_work as work

        work.check_plots()
        work.check_output(output)
        eval_conditions = work.parse_grid(split_values(eval_noise), split_values(eval_shots))
        with _interruptible(ctx, output):
            if model is not None:
                work.check_not_given("--model", given)
                test = work.load_part(data, split, "test", limit, source)
                outcome = work.study_model(
                    model, test, eval_conditions, seed=first_seed, max_test=max_test, output=output
                )
            else:
                train_conditions = work.parse_conditions(
                    split_values(train), split_values(train_noise), split_values(train_shots)
                )
                if test_data is None and test_split is not None:
                    raise BadInput("Argument `--test-split` needs --test-data.")
                pool = work.load_part(data, split, None, limit, source)
                test_part = None if test_data is None else work.load_part(test_data, test_split, "test", None, source)
                outcome = work.study_new_heads(
                    pool,
                    test_part,
                    train_conditions,
                    eval_conditions,
                    range(first_seed, first_seed + (seeds or DEFAULT_SEEDS)),
                    body=body,
                    per_class=per_class,
                    head_settings=head_settings,
                    training_settings=training_settings,
                    max_test=max_test,
                    output=output,
                )
    if as_json:
        emit_json(
            {
                "output": str(output),
                "data": data,
                "model": model,
                "rows": [row.to_dict() for row in outcome.rows],
                "records": [
                    {key: value for key, value in found.items() if key != "right"} for found in outcome.records
                ],
                "files": [str(path) for path in outcome.files],
            }
        )
    else:
        _show(outcome)


@contextmanager
def _interruptible(ctx: typer.Context, output: Path) -> Iterator[None]:
    """Say after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        again = shlex.join(["setfit-quantum", *typed_arguments(ctx)])
        raise Failure(f"interrupted; what was measured is in {output}.\nGo on with: {again}") from interrupt


def _show(outcome: Outcome) -> None:
    from setfit_quantum.experiments.noise_report import describe_study

    for trained in dict.fromkeys(row.train for row in outcome.rows):
        rows = [row for row in outcome.rows if row.train == trained]
        step = "" if rows[0].ms_per_step is None else f" ({rows[0].ms_per_step:.2f} ms per step)"
        table = build_table(f"Trained: {trained}{step}", "noise", "shots", "acc. %", "95 % interval", "minus exact")
        for row in rows:
            shots = "exact" if row.shots is None else str(row.shots)
            table.add_row(row.noise, shots, percent(row.accuracy), *row.interval_cells())
        results.print(table)
    results.print(describe_study(outcome.rows), markup=False)
    results.print("Wrote " + ", ".join(str(path) for path in outcome.files) + ".", markup=False)
