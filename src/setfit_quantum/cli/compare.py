"""`setfit-quantum compare`: quantum and classical heads on the same splits of any data, with paired tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli import training_options as training
from setfit_quantum.cli.console import emit_json, note, results, working
from setfit_quantum.cli.errors import checking_input
from setfit_quantum.cli.reproduce import STUDY, Executor, Output, RayAddress, RetryFailed, Tuned, Workers

DEFAULT_OUTPUT = Path("setfit-quantum-comparison")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    ctx: typer.Context,
    data: options.DataSource,
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
            help="Texts of every class that a seed draws, 15 % of them for validation; the rest is the test set.",
            show_default="256, or half of the smallest class",
            min=2,
            rich_help_panel=options.DATA,
        ),
    ] = None,
    body: training.Body = None,
    preset: training.Preset = None,
    qubits: training.Qubits = None,
    encoders: training.Encoders = None,
    encoder: training.Encoder = None,
    encoder_qubits: training.EncoderQubits = None,
    encoder_hidden: training.EncoderHidden = None,
    epochs: training.Epochs = None,
    batch_size: training.BatchSize = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Learning rate of all trained heads.",
            show_default="three for each kind, chosen by validation",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds, each with a split of its own.", min=1, rich_help_panel=STUDY)] = 10,
    tuned: Tuned = False,
    output: Output = DEFAULT_OUTPUT,
    workers: Workers = None,
    backend: Executor = "local",
    ray_address: RayAddress = None,
    retry_failed: RetryFailed = False,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Compare a quantum head with classical ones on DATA, and say what can be told from chance.

    Every seed draws its own few-shot split; all heads see the same. Settings are chosen on validation data alone. The
    test is Wilcoxon's over seeds (from ten on; Student's paired t for two to nine; McNemar's for one), corrected by
    Holm's method; a difference must also hold in a bootstrap over seeds and texts.
    """
    head = {
        "preset": preset,
        "n_qubits": qubits,
        "n_encoders": encoders,
        "encoder": encoder,
        "encoder_qubits": encoder_qubits,
        "encoder_hidden_dim": encoder_hidden,
    }
    settings = {"num_epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
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
        from setfit_quantum.cli import study_work as work
        from setfit_quantum.cli.models import check_body
        from setfit_quantum.experiments.comparing import format_p
        from setfit_quantum.experiments.comparison_study import (
            compare_with_classical,
            format_csv,
            plan_comparison,
            summarize,
        )
        from setfit_quantum.experiments.pools import build_pool, load_pooled_examples
        from setfit_quantum.experiments.result_file import write_text
        from setfit_quantum.experiments.study_report import describe

        work.check_plots()
        work.check_output(output)
        check_body(body)
        with checking_input():
            pool = build_pool(load_pooled_examples(data, None if split is None else [split], **source), per_class)
            if Path(data).exists():
                pool = replace(pool, name=Path(data).name)
            plan = plan_comparison(
                pool,
                head={name: value for name, value in head.items() if value is not None},
                training={name: value for name, value in settings.items() if value is not None},
                body=body,
                n_seeds=seeds,
                columns=["frozen", "tuned"] if tuned else ["frozen"],
                folder=output,
                say=note,
            )
        with work.interruptible(ctx, output):
            result = work.run_plan(
                plan, output, backend=backend, workers=workers, address=ray_address, retry_failed=retry_failed
            )
        comparisons = {column: compare_with_classical(result, column) for column in result.columns}
        verdicts = {
            column: [*(one.verdict() for one in found), summarize(found)] for column, found in comparisons.items()
        }
        said = [f"{column.capitalize()} body: {text}" for column, texts in verdicts.items() for text in texts]
        rows, files = work.write_files(result, output / "compare", said)
        files.append(output / "compare" / "comparisons.csv")
        write_text(files[-1], format_csv(comparisons))
    if as_json:
        emit_json(
            {
                "data": data,
                "rows": work.rows_to_json(rows),
                "comparisons": {column: [one.to_dict() for one in found] for column, found in comparisons.items()},
                "verdict": {column: texts[-1] for column, texts in verdicts.items()},
                "failures": list(result.failures),
                "files": [str(path) for path in files],
            }
        )
        return
    work.show_rows(result, rows)
    for column, found in comparisons.items():
        table = work.narrow_table(f"The quantum head against each, {column} body", *_COLUMNS)
        for one in found:
            table.add_row(
                one.reference,
                f"{100 * one.difference:+.1f}",
                _interval(one.interval.low, one.interval.high),
                _interval(one.bootstrap.low, one.bootstrap.high),
                format_p(one.p_corrected),
                "-" if one.effect is None else f"{one.effect:+.2f}",
            )
        results.print(table)
        results.print("\n".join(verdicts[column]), markup=False)
    results.print("\n".join(describe(result)), markup=False)
    results.print("Wrote " + ", ".join(str(path) for path in files) + ".", markup=False)


_COLUMNS = ("against", "points", "95 %", "bootstrap", "p (Holm)", "d")


def _interval(low: float, high: float) -> str:
    return f"{100 * low:+.1f}, {100 * high:+.1f}"
