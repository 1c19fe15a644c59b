"""`RESULTS.md`: all committed results on one page, written from their files and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from setfit_quantum.experiments import energy_study
from setfit_quantum.experiments.specification import list_specifications, load_specification
from setfit_quantum.experiments.study_report import (
    build_table_rows,
    describe,
    format_claims,
    header_cells,
    judge_claims,
    row_cells,
)
from setfit_quantum.experiments.study_result import StudyResult

PAPER_HOURS = {10: "6.8 h on an A100", 16: "43 h on an A100", 18: "90 h on an H100"}
"""Times that the paper prints for 800 epochs, by qubits."""

_INTRODUCTION = """# Results

What this repository measured of arXiv 2504.08732, and of what the paper leaves open. This page is written by
`python benchmarks/build_results.py` from the files in `benchmarks/results/studies/`, which hold numbers only; each is
the result of a specification in `src/setfit_quantum/experiments/specs/`, which was committed before its results. Run
one again with `setfit-quantum reproduce NAME`.

A claim *holds* where a paired test over seeds, corrected for all claims of its study, finds a difference in its
direction at the 5 % level, and a bootstrap over seeds and sentences finds it too; *cannot be told from chance* says
that these seeds and sentences show no difference, not that there is none.

All of it is for the body, epochs and seeds that each study names. Where these are not the paper's (a smaller body,
fewer epochs), an opposite outcome says how the heads compare here; it does not refute the paper's figures for its
own body and training, which `--full` would run.

Studies called *small* (`--small`) have few seeds and epochs, so that all of them took minutes: they show how the heads
compare after short training and find large differences, and they cannot tell small ones from chance."""

SMALL = "small"


def load_results(folder: Path) -> list[StudyResult]:
    """All results in a folder, by name; a small one only where there is no larger one.

    Raises:
        ValueError: A file that is no result.
    """
    found = [StudyResult.load(path) for path in sorted(folder.glob("*.json"))]
    larger = {result.name for result in found if result.level != SMALL}
    return [result for result in found if result.level != SMALL or result.name not in larger]


def format_page(results: Sequence[StudyResult]) -> str:
    """The page."""
    parts = [_INTRODUCTION]
    if results:
        parts += ["## What holds and what does not", _format_outcomes(results)]
    hours = _format_hours(results)
    if hours:
        parts += ["## What it took", hours]
    for result in results:
        parts += _format_study(result)
    parts += [_format_energy(name) for name in list_specifications() if load_specification(name).kind == "energy"]
    missing = [name for name in list_specifications() if name not in {result.name for result in results}]
    missing = [name for name in missing if load_specification(name).kind == "heads"]
    if missing:
        parts += ["## Specified, not run here", f"{', '.join(missing)}: see `setfit-quantum reproduce --list`."]
    return "\n\n".join(parts) + "\n"


def _format_outcomes(results: Sequence[StudyResult]) -> str:
    lines = ["| study | claim | outcome | points (95 %) |", "| --- | --- | --- | ---: |"]
    for result in results:
        for entry in judge_claims(result):
            one = entry["comparison"]
            points = "-"
            if one is not None:
                low, high = 100 * one.interval.low, 100 * one.interval.high
                points = f"{100 * one.difference:+.1f} ({low:+.1f}, {high:+.1f})"
            body = f" ({entry['column']} body)" if len(result.columns) > 1 else ""
            lines.append(f"| {_name(result)}{body} | {entry['text']} | {entry['outcome']} | {points} |")
    return "\n".join(lines)


def _format_hours(results: Sequence[StudyResult]) -> str:
    """Core-time of the selected exact one-encoder heads by qubits, beside the paper's GPU-hours."""
    found: dict[tuple[int, int], list[float]] = {}
    for result in results:
        for cell in result.cells:
            exact = all(value == "exact" for value in cell.conditions.values())
            if cell.head.get("preset") != "paper-single" or not exact or len(cell.head) > 3:
                continue
            for column in result.columns:
                for record in result.records(cell.name, column).values():
                    place = (int(cell.head["n_qubits"]), int(record["epochs"]))
                    found.setdefault(place, []).append(float(record["cpu_seconds"]))
    hours, runs = sum(result.hours for result in results), sum(result.n_runs for result in results)
    lines = [
        f"{runs} runs, {hours:.1f} hours of one CPU core for all of the studies below (runs that two studies share are "
        "counted in both). One run of the one-encoder head, training and test:",
        "",
        "| qubits | epochs | core-minutes, median | the paper, 800 epochs |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for (qubits, epochs), seconds in sorted(found.items()):
        lines.append(f"| {qubits} | {epochs} | {median(seconds) / 60:.2g} | {PAPER_HOURS.get(qubits, '-')} |")
    return "\n".join(lines) if found else ""


def _name(result: StudyResult) -> str:
    return result.name if result.level == "default" else f"{result.name} ({result.level})"


def _format_study(result: StudyResult) -> list[str]:
    rows = build_table_rows(result)
    headings = header_cells(result)
    lines = [headings, ("---", *["---:"] * (len(headings) - 1)), *(row_cells(row, result) for row in rows)]
    parts = [f"## {result.title}", *describe(result)]
    parts.append("\n".join("| " + " | ".join(cells) + " |" for cells in lines))
    parts += format_claims(result)
    if result.failures:
        parts.append("Failed runs:\n\n" + "\n".join(f"- {failure}" for failure in result.failures))
    return parts


def _format_energy(name: str) -> str:
    """A study of energy needs no results: its formulas are evaluated."""
    values = load_specification(name).at_level("default")
    return "#" + energy_study.format_markdown(energy_study.study_energy(values["energy"]), values).strip()


def summarize_files(results: Sequence[StudyResult]) -> Mapping[str, Any]:
    """Runs, core-hours and failures by study."""
    return {
        _name(result): {"runs": result.n_runs, "hours": result.hours, "failures": len(result.failures)}
        for result in results
    }
