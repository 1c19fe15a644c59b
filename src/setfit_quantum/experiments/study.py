"""A study from its specification to its result: cells, runs, selection by validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setfit_quantum.experiments.bodies import EmbeddingStore
from setfit_quantum.experiments.executors import Executor
from setfit_quantum.experiments.expansion import Cell
from setfit_quantum.experiments.heads import check_head
from setfit_quantum.experiments.result_file import ResultFile
from setfit_quantum.experiments.run_settings import FROZEN, Run
from setfit_quantum.experiments.runner import OnResult, machine_hours, run_all
from setfit_quantum.experiments.selection import select_by_validation
from setfit_quantum.experiments.study_result import StudyResult, describe_pool
from setfit_quantum.experiments.study_work import StudyWork

RUNS_FILE = "runs.jsonl"
EMBEDDINGS_FOLDER = "embeddings"


@dataclass(frozen=True)
class StudyPlan:
    """All that is to be run, before it is.

    Args:
        name: Name of the study.
        level: Its level.
        cells: Rows of the table.
        columns: `"frozen"`, `"tuned"` or both.
        store: Sentences and embeddings.
        header: Facts for the report: title, source, notes, reference, claims, plot.
    """

    name: str
    level: str
    cells: Sequence[Cell]
    columns: Sequence[str]
    store: EmbeddingStore
    header: Mapping[str, Any]

    def runs(self) -> list[tuple[Cell, str, int, list[Run]]]:
        """Cell, column, seed, and the candidates' runs. Body and head trained together have no tuned column."""
        data = self.store.pool.identity()
        return [
            (cell, column, seed, cell.runs(seed, data, self.store.identity(column)))
            for cell in self.cells
            for column in self.columns
            for seed in cell.seeds
            if column == FROZEN or cell.head["kind"] != "end-to-end"
        ]

    def check(self) -> None:
        """Refuse heads that do not fit the data, before anything is trained. Embeddings must be prepared.

        Raises:
            TypeError, ValueError: Naming the row.
        """
        for cell in self.cells:
            if cell.head["kind"] == "end-to-end":
                continue
            for run in cell.runs(cell.seeds[0], {}, {}):
                try:
                    check_head(run, self.store.in_features, len(self.store.pool.classes))
                except (TypeError, ValueError) as error:
                    raise type(error)(f"row {cell.name!r}: {error}") from error


def count_missing(plan: StudyPlan, folder: Path) -> int:
    """How many runs have neither a result nor a recorded failure in a folder."""
    results = ResultFile(folder / RUNS_FILE)
    return sum(results.get(run.key) is None for *_, candidates in plan.runs() for run in candidates)


def run_study(
    plan: StudyPlan,
    folder: Path | None = None,
    *,
    executor: Executor | None = None,
    retry_failed: bool = False,
    only_found: bool = False,
    on_result: OnResult | None = None,
) -> StudyResult:
    """Run what has no result yet, and select one candidate per seed by validation.

    Args:
        plan: The study.
        folder: Where results are found and kept; studies that share it share their runs. None: nowhere.
        executor: Where runs are worked on; None: in this process.
        retry_failed: Whether runs that failed before are tried again.
        only_found: Run nothing, and select only where all candidates of a seed have a result.
        on_result: Called after each run.

    Returns:
        The selected run of every cell, column and seed, and what all runs took.
    """
    groups = plan.runs()
    needed = list(dict.fromkeys((column, seed) for cell, column, seed, _ in groups))
    for column, seed in needed:
        if not only_found:
            plan.store.prepare(column, seed)
    if not only_found:
        plan.check()
    results = ResultFile(None if folder is None else folder / RUNS_FILE)
    records = run_all(
        [run for *_, candidates in groups for run in candidates],
        StudyWork(plan.store.release(needed)),
        results,
        executor=executor,
        retry_failed=retry_failed,
        only_found=only_found,
        on_result=on_result,
    )
    selected: dict[tuple[str, str, int], Mapping[str, Any]] = {}
    failures: list[str] = []
    for cell, column, seed, candidates in groups:
        found = [records[run.key] for run in candidates if run.key in records]
        if len(found) < len(candidates):
            continue  # a choice among some of them would be another one
        failures += [f"{cell.name}, seed {seed}: {one['error']}" for one in found if "error" in one]
        best = select_by_validation(found)
        if best is not None:
            selected[(cell.name, column, seed)] = best
    return StudyResult(
        name=plan.name,
        level=plan.level,
        cells=list(plan.cells),
        columns=list(plan.columns),
        selected=selected,
        failures=failures,
        n_runs=len(records),
        hours=machine_hours(records.values()),
        header={
            **plan.header,
            "body": plan.store.identity(FROZEN)["name"],
            **describe_pool(plan.store.pool, [seed for _, seed in needed]),
        },
    )
