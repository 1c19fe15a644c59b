"""What `reproduce` and `compare` share: progress, running a plan, and its files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from setfit_quantum.cli.console import note, percent, results
from setfit_quantum.cli.errors import BadInput, Failure, checking_input, typed_arguments
from setfit_quantum.experiments.comparing import format_p
from setfit_quantum.experiments.executors import ClusterError, Executor, build_executor
from setfit_quantum.experiments.noise_plot import check_matplotlib, save_figure
from setfit_quantum.experiments.result_file import write_text
from setfit_quantum.experiments.run_settings import Run
from setfit_quantum.experiments.study import EMBEDDINGS_FOLDER, RUNS_FILE, StudyPlan, count_missing, run_study
from setfit_quantum.experiments.study_plot import plot_study
from setfit_quantum.experiments.study_report import (
    MISSING,
    TableRow,
    build_table_rows,
    format_csv,
    format_markdown,
    has_paper,
)
from setfit_quantum.experiments.study_result import StudyResult


def check_plots() -> None:
    """Refuse, before any work, to go without matplotlib.

    Raises:
        Failure: With the command that installs it.
    """
    try:
        check_matplotlib()
    except ImportError as error:
        raise Failure(str(error)) from error


def check_output(output: Path) -> None:
    """Refuse, before any work, a folder that holds something else than studies.

    Raises:
        BadInput: It does, or it is a file.
    """
    if output.exists() and not output.is_dir():
        raise BadInput(f"Argument `--output` must be a folder, but {str(output)!r} is a file.")
    others = [path.name for path in output.iterdir()] if output.is_dir() else []
    if others and not {RUNS_FILE, EMBEDDINGS_FOLDER} & set(others):
        known = [path for path in output.iterdir() if (path / "table.md").is_file()]
        if not known:
            raise BadInput(
                f"Argument `--output` must be a new or empty folder or one with studies, but {str(output)!r} holds "
                f"{', '.join(sorted(others)[:3])}{', ...' if len(others) > 3 else ''}."
            )


@contextmanager
def interruptible(ctx: typer.Context, output: Path) -> Iterator[None]:
    """Say after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        again = shlex.join(["setfit-quantum", *typed_arguments(ctx)])
        raise Failure(f"interrupted; what was finished is in {output}.\nGo on with: {again}") from interrupt


def choose_executor(backend: str, workers: int | None, address: str | None = None) -> Executor:
    """The executor that the options name.

    Raises:
        BadInput: An unknown name, or an address without a cluster.
        Failure: Ray is not installed.
    """
    if address is not None and backend != "ray":
        raise BadInput(f"Argument `--ray-address` needs --backend ray, but got {backend!r}.")
    try:
        with checking_input():
            return build_executor(backend, workers, address=address, say=note)
    except ImportError as error:
        raise Failure(str(error)) from error


def run_plan(
    plan: StudyPlan,
    output: Path,
    *,
    backend: str,
    workers: int | None = None,
    address: str | None = None,
    retry_failed: bool = False,
    only_found: bool = False,
) -> StudyResult:
    """Run a plan with progress on standard error; with `only_found` nothing is run, and what is there is taken.

    Raises:
        BadInput: Settings that do not fit the data.
        Failure: There is no cluster that can do runs, every run failed, or with `only_found` there are none.
    """
    if only_found:
        result = run_study(plan, output, only_found=True)
        if not result.selected:
            raise Failure(f"there are no results of this study in {output}.")
        return result
    executor = choose_executor(backend, workers, address)
    if not retry_failed and not count_missing(plan, output):
        note(f"All results are in {output}; nothing is left to run.")
        result = run_study(plan, output, only_found=True)
        return _some_result(result)
    with checking_input():
        try:
            prepare(plan)
        except OSError as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise BadInput(f"The body or its embeddings could not be read: {reason[0]}") from error
    try:
        result = run_study(plan, output, executor=executor, retry_failed=retry_failed, on_result=_say)
    except ClusterError as error:
        raise Failure(str(error)) from error
    return _some_result(result)


def _some_result(result: StudyResult) -> StudyResult:
    if not result.selected:
        raise Failure(f"every run failed; the first: {result.failures[0]}")
    return result


def prepare(plan: StudyPlan) -> None:
    """Encode what is needed and check every head, so that errors come before training."""
    for cell in plan.cells:
        for column in plan.columns:
            for seed in cell.seeds if cell.head["kind"] != "end-to-end" else ():
                plan.store.prepare(column, seed)
    plan.check()


def _say(run: Run, record: Mapping[str, Any], done: int, total: int) -> None:
    kind = run.head["kind"]
    qubits = f", {run.head['n_qubits']} qubits" if "n_qubits" in run.head else ""
    found = record.get("error") or f"validation {percent(record['validation']['accuracy'])} %"
    note(f"{done}/{total}: {kind}{qubits}, seed {run.seed}: {found} ({record.get('seconds', 0):.1f} s)")


def write_files(result: StudyResult, folder: Path, verdicts: Sequence[str] = ()) -> tuple[list[TableRow], list[Path]]:
    """Write table and figure, and the result where a specification can say what it is of.

    Returns:
        The rows and the paths.
    """
    rows = build_table_rows(result)
    lines = [format_markdown(result, rows), *(f"- {one}\n" for one in verdicts)]
    write_text(folder / "table.md", lines[0] + ("\n" if verdicts else "") + "".join(lines[1:]))
    write_text(folder / "table.csv", format_csv(result, rows))
    figures = save_figure(plot_study(result, rows), folder / "figure")
    paths = [folder / "table.md", folder / "table.csv", *figures]
    if not verdicts:
        result.save(folder / "result.json")
        paths.append(folder / "result.json")
    return rows, paths


def show_rows(result: StudyResult, rows: list[TableRow]) -> None:
    """Print the tables: for each column the paper's values beside ours, then the differences to the reference."""
    results.print(result.title, markup=False)
    reference = result.header.get("reference")
    papers = has_paper(result)
    for column in result.columns:
        shown = [(row, row.measured.get(column)) for row in rows]
        titles = ["head", "parameters", *(["paper, %"] if papers else []), "ours, %", "95 %", "seeds"]
        table = narrow_table(f"{column} body", *titles)
        for row, one in shown:
            known = [MISSING if row.paper is None else f"{row.paper:.2f}"] if papers else []
            count = MISSING if row.paper_parameters is None else f"{row.paper_parameters:,}"
            if one is None:
                table.add_row(row.name, count, *known, MISSING, MISSING, "0")
                continue
            interval = f"{percent(one.interval.low)}-{percent(one.interval.high)}"
            ours = f"{one.parameters:,.0f}"
            counts = f"{count} / {ours}" if papers else ours
            table.add_row(row.name, counts, *known, f"{100 * one.accuracy:.2f}", interval, str(one.n_seeds))
        results.print(table)
        compared = [(row, one.comparison) for row, one in shown if one is not None and one.comparison is not None]
        if compared:
            table = narrow_table(f"{column} body, against: {reference}", "head", "points (95 %)", "p (Holm)")
            for row, found in compared:
                low, high = 100 * found.interval.low, 100 * found.interval.high
                points = f"{100 * found.difference:+.1f} ({low:+.1f}, {high:+.1f})"
                table.add_row(row.name, points, format_p(found.p_corrected))
            results.print(table)
    if papers:
        results.print("Parameters: the paper's / ours.", markup=False)


def narrow_table(title: str, *columns: str) -> Table:
    """A table whose first column is folded where the terminal is narrow; figures are never cut."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=index > 0, overflow="fold")
    return table


def rows_to_json(rows: list[TableRow]) -> list[dict[str, Any]]:
    """The rows as JSON-ready values."""
    return [
        {
            "head": row.name,
            "paper": row.paper,
            "paper_parameters": row.paper_parameters,
            "measured": {
                column: {
                    "seeds": one.n_seeds,
                    "n_test": one.n_test,
                    "accuracy": one.accuracy,
                    "sd": one.sd,
                    "interval": one.interval._asdict(),
                    "parameters": one.parameters,
                    "comparison": None if one.comparison is None else one.comparison.to_dict(),
                }
                for column, one in row.measured.items()
            },
        }
        for row in rows
    ]
