"""`setfit-quantum tune`: a search for the settings of head and training, then the model trained with the best."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli import training_options as training
from setfit_quantum.cli.console import emit_json, note, percent, results, working
from setfit_quantum.cli.errors import Failure, checking_input, typed_arguments

SEARCH = "Search"
SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tune)


def tune(
    ctx: typer.Context,
    data: options.DataSource,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to save the best model in.", show_default=False)
    ],
    trials: Annotated[int, typer.Option(help="Settings to try in all.", min=1, rich_help_panel=SEARCH)] = 30,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Begin no further trial after this time.",
            show_default=False,
            min=0,
            rich_help_panel=SEARCH,
        ),
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON of what is varied, by setting: a list of values, or low, high and log.",
            show_default="qubits, layers, scale of embeddings, learning rate and its course, batch size",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option(
            help="Stop trials early that are worse than the median of others after as many epochs.",
            rich_help_panel=SEARCH,
        ),
    ] = True,
    search_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the search's journal and table.", show_default="OUTPUT-search", rich_help_panel=SEARCH
        ),
    ] = None,
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
    validation_split: Annotated[
        float | None,
        typer.Option(
            help="Share of the training data held out for validation, by class.",
            show_default="0.2 without --eval-data",
            rich_help_panel=options.DATA,
        ),
    ] = None,
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
    early_stopping: training.EarlyStopping = None,
    seed: training.Seed = 42,
    shots: options.Shots = None,
    noise: options.Noise = None,
    sampler: options.Sampler = None,
    backend: options.Backend = None,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Search settings of head and training by validation, and save the model trained with the best.

    A setting that an option fixes is not varied. Test data are looked at once, with the model that was chosen. A search
    that was interrupted or killed goes on where it was when the same command is given again.
    """
    fixed = {
        "head.n_qubits": qubits,
        "head.n_encoders": encoders,
        "head.encoder": encoder,
        "head.encoder_qubits": encoder_qubits,
        "head.encoder_hidden_dim": encoder_hidden,
        "head.shots": shots,
        "head.sampler": sampler,
        "head.backend": backend,
        "num_epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "lr_decay": lr_decay,
        "weight_decay": weight_decay,
        "early_stopping_patience": early_stopping,
    }
    note("Loading ...")
    with working():
        from setfit_quantum.cli import tune_work as work
        from setfit_quantum.cli.models import check_body, check_output
        from setfit_quantum.cli.training_run import load_parts, parse_class_weights

        check_output(output)
        check_body(body)
        work.check_optuna()
        source: dict[str, Any] = {
            "text_column": text_column,
            "label_column": label_column,
            "config": config,
            "multilabel": multilabel or None,
            "label_separator": label_separator,
            "encoding": encoding,
            "delimiter": delimiter,
        }
        named = output if output.name else output.absolute()
        folder = search_dir or named.with_name(f"{named.name}-search")
        with checking_input():
            parts = load_parts(
                data,
                split,
                eval_data,
                eval_split,
                test_data,
                test_split,
                limit=limit,
                per_class=per_class,
                seed=seed,
                source=source,
            )
            search = work.Search(
                parts,
                body,
                preset=preset,
                noise=noise,
                fixed={name: value for name, value in fixed.items() if value is not None},
                class_weights=parse_class_weights(class_weights, parts.train.classes),
                validation_split=work.choose_split(validation_split, parts),
                seed=seed,
                space=space,
            )
        try:
            found = search.run(trials, timeout=timeout, prune=prune, folder=folder)
            outcome = search.train_best(found, output)
        except KeyboardInterrupt as interrupt:
            again = shlex.join(["setfit-quantum", *typed_arguments(ctx)])
            raise Failure(f"interrupted; what was tried is in {folder}.\nGo on with: {again}") from interrupt
        table = work.write_table(found, folder)
    if as_json:
        emit_json(work.to_json(found, outcome, table))
        return
    _show(found, outcome, table)


def _show(found: Any, outcome: dict[str, Any], table_file: Path) -> None:
    from setfit_quantum.cli.study_work import narrow_table
    from setfit_quantum.cli.tune_work import describe_settings, ranked

    table = narrow_table(f"The best of {len(found.trials)} trials", "settings", "trial", "val. %", "loss", "param.")
    for trial in ranked(found.trials)[:SHOWN]:
        loss = "-" if trial.loss is None else f"{trial.loss:.3f}"
        accuracy = percent(trial.accuracy or 0.0) + ("" if trial.state == "complete" else " *")
        settings = describe_settings(trial.settings)
        table.add_row(settings, str(trial.number), accuracy, loss, str(trial.details["parameters"]))
    results.print(table)
    states = [trial.state for trial in found.trials]
    if "pruned" in states:
        results.print(f"* stopped early ({states.count('pruned')} trials).", markup=False)
    if "failed" in states:
        first = next(trial.error for trial in found.trials if trial.error)
        results.print(f"{states.count('failed')} trials failed; the first: {first}", markup=False)
    results.print(f"Best settings: {describe_settings(found.best.settings)}", markup=False)
    best = f"{percent(outcome['validation_accuracy'])} % of {outcome['n_validation']} validation texts"
    results.print(f"The model trained with them is right for {best}.", markup=False)
    if outcome["test"] is not None:
        low, high = outcome["test"]["accuracy_interval"]
        interval = f"{percent(outcome['test']['accuracy'])} ({percent(low)} - {percent(high)})"
        results.print(f"Test accuracy, %: {interval}, {outcome['test']['n_examples']} examples.", markup=False)
    results.print(f"Saved to {outcome['output']}; all trials are in {table_file}.", markup=False)
