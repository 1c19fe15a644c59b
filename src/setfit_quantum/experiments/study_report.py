"""The table of a study: the paper's figures beside ours, with intervals, tests and what they say about its claims."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from setfit_quantum.baselines import LogisticRegressionBaseline, SVCBaseline
from setfit_quantum.experiments.comparing import Comparison, correct, format_p
from setfit_quantum.experiments.expansion import Cell
from setfit_quantum.experiments.intervals import Interval, accuracy_interval
from setfit_quantum.experiments.study_result import StudyResult

MISSING = "-"


@dataclass(frozen=True)
class Measured:
    """A cell in one column.

    Args:
        n_seeds: Seeds with a result.
        n_test: Test sentences of each.
        accuracy: Mean over seeds.
        sd: Standard deviation over seeds; None for one.
        interval: Of the mean.
        parameters: Of the selected heads; their mean where they differ.
        comparison: Against the reference; None for it, or without one.
    """

    n_seeds: int
    n_test: int
    accuracy: float
    sd: float | None
    interval: Interval
    parameters: float
    comparison: Comparison | None = None


@dataclass(frozen=True)
class TableRow:
    """A cell with the paper's figures, and ours in each column."""

    name: str
    series: str
    axes: dict[str, Any]
    paper: float | None
    paper_parameters: int | None
    measured: dict[str, Measured]


def build_table_rows(result: StudyResult) -> list[TableRow]:
    """The rows of the table, in the order of the specification."""
    reference = result.header.get("reference")
    comparisons = {
        (column, comparison.head): comparison
        for column in result.columns
        if reference is not None
        for comparison in result.compare_all(str(reference), column)
    }
    rows = []
    for cell in result.cells:
        measured = {}
        for column in result.columns:
            records = result.records(cell.name, column)
            if records:
                measured[column] = _measure(list(records.values()), comparisons.get((column, cell.name)))
        rows.append(TableRow(cell.name, cell.series, dict(cell.axes), cell.paper, cell.paper_parameters, measured))
    return rows


def _measure(records: Sequence[Any], comparison: Comparison | None) -> Measured:
    accuracies = [float(record["test"]["accuracy"]) for record in records]
    n_test = int(records[0]["test"]["n"])
    return Measured(
        n_seeds=len(records),
        n_test=n_test,
        accuracy=fmean(accuracies),
        sd=stdev(accuracies) if len(accuracies) > 1 else None,
        interval=accuracy_interval(accuracies, n_test),
        parameters=fmean(record["parameters"] for record in records),
        comparison=comparison,
    )


def judge_claims(result: StudyResult) -> list[dict[str, Any]]:
    """What the measured figures say about each claim of the specification, with Holm's correction among them.

    Returns:
        One entry per claim and column: `text`, `column`, `outcome` (`"holds"`, `"the opposite holds"`, `"cannot be told
        from chance"`, `"not measured"`) and the `comparison`.
    """
    entries: list[dict[str, Any]] = []
    for column in result.columns:
        claims = result.header.get("claims", [])
        found = [result.compare(claim["better"], claim["than"], column) for claim in claims]
        corrected = iter(correct([one for one in found if one is not None]))
        for claim, one in zip(claims, found, strict=True):
            comparison = None if one is None else next(corrected)
            entries.append(
                {"text": claim["text"], "column": column, "outcome": _outcome(comparison), "comparison": comparison}
            )
    return entries


def _outcome(comparison: Comparison | None) -> str:
    if comparison is None:
        return "not measured"
    if not comparison.is_different:
        return "cannot be told from chance"
    return "holds" if comparison.difference > 0 else "the opposite holds"


def header_cells(result: StudyResult) -> tuple[str, ...]:
    """Headings of the table for people."""
    titles = _column_titles(result)
    several = len(result.columns) > 1
    ours = [f"{title}, {column} body" if several else title for column in result.columns for title in titles]
    papers = ("parameters (paper)", "parameters (ours)", "paper, %") if has_paper(result) else ("parameters",)
    return ("head", *papers, *ours)


def has_paper(result: StudyResult) -> bool:
    """Whether there are values of the paper to stand beside ours."""
    return any(cell.paper is not None or cell.paper_parameters is not None for cell in result.cells)


def row_cells(row: TableRow, result: StudyResult) -> tuple[str, ...]:
    """A row under `header_cells`."""
    counts = list(dict.fromkeys(_count(measured.parameters) for measured in row.measured.values()))
    ours = " / ".join(counts) or MISSING
    cells = [row.name, ours]
    if has_paper(result):
        count = MISSING if row.paper_parameters is None else f"{row.paper_parameters:,}"
        cells = [row.name, count, ours, MISSING if row.paper is None else f"{row.paper:.2f}"]
    for column in result.columns:
        measured = row.measured.get(column)
        cells += [MISSING] * len(_column_titles(result)) if measured is None else _measured_cells(measured, result)
    return tuple(cells)


def _column_titles(result: StudyResult) -> list[str]:
    titles = ["ours, %", "95 % interval", "seeds"]
    return [*titles, "minus reference", "p (Holm)"] if result.header.get("reference") else titles


def _measured_cells(measured: Measured, result: StudyResult) -> list[str]:
    low, high = 100 * measured.interval.low, 100 * measured.interval.high
    cells = [f"{100 * measured.accuracy:.2f}", f"{low:.1f} to {high:.1f}", str(measured.n_seeds)]
    if not result.header.get("reference"):
        return cells
    one = measured.comparison
    if one is None:
        return [*cells, MISSING, MISSING]
    low, high = 100 * one.interval.low, 100 * one.interval.high
    p = format_p(one.p_corrected)
    return [*cells, f"{100 * one.difference:+.1f} ({low:+.1f}, {high:+.1f})", p]


def describe(result: StudyResult) -> list[str]:
    """What the figures rest on, a sentence or two per line."""
    header = result.header
    lines = [
        f"{header['source']}. Data: {header['data']}; every seed draws {header['n_train']} sentences for training and "
        f"{header['n_validation']} for validation, and tests on the other {header['n_test']} (or as many of them as a "
        f"row says). Body: {header['body']}.",
        *header.get("notes", []),
        "Epoch and settings of the grid are selected on the validation data of each seed alone. Intervals: Student's t "
        "over seeds (over the sentences of one seed where all seeds agree).",
        _describe_choices(result.cells),
    ]
    if header.get("n_seen"):
        lines.append(
            f"The data repeat sentences: up to {header['n_seen']} of the {header['n_test']} that a seed tests on are "
            "also among those that it draws."
        )
    if header.get("reference"):
        compared = [one for column in result.columns for one in result.compare_all(header["reference"], column)]
        tests = sorted({one.test for one in compared})
        lines.append(
            f"Reference: {header['reference']}, on the same sentences of the same seeds; p-values ({', '.join(tests)}) "
            "are corrected by Holm's method over the table."
        )
    absent = [cell.name for cell in result.cells if not any(result.records(cell.name, one) for one in result.columns)]
    if absent:
        lines.append(f"Specified, without a result yet: {'; '.join(absent)}.")
    took = f"{result.n_runs} runs, {format_hours(result.hours)} of one core."
    lines.append(took + (f" {len(result.failures)} runs failed." if result.failures else ""))
    return lines


def _describe_choices(cells: Sequence[Cell]) -> str:
    """How many combinations of settings each head may choose from: unequal budgets are to be seen."""
    by_number: dict[int, list[str]] = {}
    for cell in cells:
        by_number.setdefault(_count_choices(cell), []).append(cell.name)
    if len(by_number) == 1:
        number = next(iter(by_number))
        return f"Combinations of settings per seed and row: {number}."
    most = max(by_number, key=lambda number: len(by_number[number]))
    by_number[most] = ["all others"]  # named last
    ordered = sorted(by_number.items(), key=lambda entry: (entry[0] == most, entry[0]))
    listed = [f"{number} for {', '.join(names)}" for number, names in ordered]
    return f"Combinations of settings that validation chooses from, per seed: {'; '.join(listed)}."


def _count_choices(cell: Cell) -> int:
    kind = cell.head["kind"]
    if kind not in ("logistic", "svc"):
        return len(cell.candidates)
    settings = {name: value for name, value in cell.head.items() if name != "kind"}
    baseline = LogisticRegressionBaseline if kind == "logistic" else SVCBaseline
    return len(cell.candidates) * len(baseline(**settings).candidates())


def format_hours(hours: float) -> str:
    """A time that few runs took, in minutes or seconds."""
    if hours >= 0.995:
        return f"{hours:.2f} hours"
    return f"{60 * hours:.1f} minutes" if hours >= 1 / 60 else f"{3600 * hours:.0f} seconds"


def format_markdown(result: StudyResult, rows: Sequence[TableRow]) -> str:
    """The table with its explanation and the claims, as Markdown."""
    headings = header_cells(result)
    lines = [headings, ("---", *["---:"] * (len(headings) - 1)), *(row_cells(row, result) for row in rows)]
    text = [f"# {result.title}", *describe(result)]
    text.append("\n".join("| " + " | ".join(cells) + " |" for cells in lines))
    text += format_claims(result)
    if result.failures:
        text.append("Failed runs:\n\n" + "\n".join(f"- {failure}" for failure in result.failures))
    return "\n\n".join(text) + "\n"


def format_claims(result: StudyResult) -> list[str]:
    """The claims with their outcomes, as a Markdown list in one string; nothing without claims."""
    lines = []
    for entry in judge_claims(result):
        body = f" ({entry['column']} body)" if len(result.columns) > 1 else ""
        found = "" if entry["comparison"] is None else f" {entry['comparison'].verdict()}"
        lines.append(f"- {entry['text']} **{entry['outcome'].capitalize()}**{body}.{found}")
    return ["\n".join(lines)] if lines else []


def format_csv(result: StudyResult, rows: Sequence[TableRow]) -> str:
    """All figures, ours as fractions, as comma-separated values; a line per row and column."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(_CSV), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        for column, measured in row.measured.items():
            one = measured.comparison
            writer.writerow(
                {
                    "head": row.name,
                    "body": column,
                    "paper_percent": row.paper,
                    "paper_parameters": row.paper_parameters,
                    "parameters": measured.parameters,
                    "seeds": measured.n_seeds,
                    "n_test": measured.n_test,
                    "accuracy": measured.accuracy,
                    "sd": measured.sd,
                    "interval_low": measured.interval.low,
                    "interval_high": measured.interval.high,
                    "interval_kind": measured.interval.kind,
                }
                | ({} if one is None else _compared(one))
            )
    return text.getvalue()


def _compared(one: Comparison) -> dict[str, Any]:
    return {
        "reference": one.reference,
        "difference": one.difference,
        "difference_low": one.interval.low,
        "difference_high": one.interval.high,
        "bootstrap_low": one.bootstrap.low,
        "bootstrap_high": one.bootstrap.high,
        "p": one.p,
        "p_holm": one.p_corrected,
        "test": one.test,
        "effect": one.effect,
        "odds_ratio": one.odds,
    }


_CSV = (
    *("head", "body", "paper_percent", "paper_parameters", "parameters", "seeds", "n_test", "accuracy", "sd"),
    *("interval_low", "interval_high", "interval_kind", "reference", "difference", "difference_low"),
    *("difference_high", "bootstrap_low", "bootstrap_high", "p", "p_holm", "test", "effect", "odds_ratio"),
)


def _count(parameters: float) -> str:
    return f"{parameters:,.0f}"
