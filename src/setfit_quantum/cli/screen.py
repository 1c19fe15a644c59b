"""`setfit-quantum screen`: which settings matter, by the main effects of a space-filling design."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli import training_options as training
from setfit_quantum.cli.console import emit_json, note, results, working
from setfit_quantum.cli.errors import checking_input
from setfit_quantum.cli.reproduce import STUDY, Executor, RayAddress, RetryFailed, Workers

DESIGN = "Design"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(screen)


def screen(
    ctx: typer.Context,
    data: options.DataSource,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for results, table and figure.", show_default=False)
    ],
    settings: Annotated[int, typer.Option(help="Settings of the design.", min=2, rich_help_panel=DESIGN)] = 32,
    design: Annotated[str, typer.Option(help="latin-hypercube or sobol.", rich_help_panel=DESIGN)] = "latin-hypercube",
    space: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON of what is varied, by setting: a list of values, or low, high and log.",
            show_default="as tune",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    design_seed: Annotated[int, typer.Option(help="Seed of the design.", min=0, rich_help_panel=DESIGN)] = 0,
    response: Annotated[
        str,
        typer.Option(help="Whose accuracy is explained: validation, or test.", rich_help_panel=DESIGN),
    ] = "validation",
    seeds: Annotated[
        int, typer.Option(help="Seeds of every setting, each with its own split.", min=1, rich_help_panel=STUDY)
    ] = 1,
    split: options.PooledSplit = None,
    text_column: options.TextColumn = "text",
    label_column: options.LabelColumn = "label",
    config: options.Config = None,
    limit: options.Limit = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    per_class: Annotated[
        int | None,
        typer.Option(
            help="Texts of every class that a seed draws.",
            show_default="256, or half of the smallest class",
            min=2,
            rich_help_panel=options.DATA,
        ),
    ] = None,
    validation_split: Annotated[
        float, typer.Option(help="Share of them for validation, by class.", rich_help_panel=options.DATA)
    ] = 0.5,
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
    workers: Workers = None,
    backend: Executor = "local",
    ray_address: RayAddress = None,
    retry_failed: RetryFailed = False,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Screen settings: train heads at the settings of a space-filling design, and estimate the main effects.

    A setting that an option fixes is not varied. Effects are those of a linear model without interactions, with the
    settings of the design as units. A screening that was interrupted goes on when the same command is given again.
    """
    head = {
        "preset": preset,
        "n_qubits": qubits,
        "n_encoders": encoders,
        "encoder": encoder,
        "encoder_qubits": encoder_qubits,
        "encoder_hidden_dim": encoder_hidden,
    }
    head = {name: value for name, value in head.items() if value is not None}
    given = {"num_epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    given = {name: value for name, value in given.items() if value is not None}
    source = {
        "text_column": text_column,
        "label_column": label_column,
        "config": config,
        "limit": limit,
        "encoding": encoding,
        "delimiter": delimiter,
    }
    note("Loading ...")
    with working():
        from setfit_quantum.checks import check_choice
        from setfit_quantum.cli import screen_work, study_work
        from setfit_quantum.cli.models import check_body
        from setfit_quantum.experiments import screening
        from setfit_quantum.experiments.pools import build_pool, load_pooled_examples
        from setfit_quantum.experiments.search_space import DEFAULT_SPACE, choose_space

        study_work.check_plots()
        study_work.check_output(output)
        check_body(body)
        with checking_input():
            check_choice("response", response, screening.RESPONSES)
            factors = choose_space(space, [*(f"head.{name}" for name in head), *given], DEFAULT_SPACE)
            drawn = screening.draw_design(factors, settings, design, design_seed)
            examples = load_pooled_examples(data, None if split is None else [split], **source)
            pool = build_pool(examples, per_class, validation_split)
            plan = screening.plan_screening(
                pool, drawn, head=head, training=given, body=body, n_seeds=seeds, folder=output, say=note
            )
        with study_work.interruptible(ctx, output):
            result = study_work.run_plan(
                plan, output, backend=backend, workers=workers, address=ray_address, retry_failed=retry_failed
            )
        outcome = screen_work.report(result, factors, drawn, response, output / f"screen-{response}")
    if as_json:
        emit_json(outcome.to_json())
        return
    table = study_work.narrow_table(outcome.title, "setting", "from, to", "points (95 %)", "p (Holm)")
    for row in outcome.rows():
        table.add_row(*row)
    results.print(table)
    results.print("\n".join(outcome.notes), markup=False)
    results.print("Wrote " + ", ".join(str(path) for path in outcome.files) + ".", markup=False)
