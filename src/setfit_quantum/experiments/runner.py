"""A study's runs: those that have a result are found, the others are done; killed studies go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from setfit_quantum.experiments.executors import Executor, Record, SerialExecutor, Work
from setfit_quantum.experiments.result_file import ResultFile
from setfit_quantum.experiments.run_settings import Run

OnResult = Callable[[Run, Record, int, int], object]
"""Called after each run with it, its record, the number of runs done or found so far, and that of all."""


def run_all(
    runs: Iterable[Run],
    work: Work,
    results: ResultFile,
    *,
    executor: Executor | None = None,
    retry_failed: bool = False,
    only_found: bool = False,
    on_result: OnResult | None = None,
) -> dict[str, Record]:
    """Do what has no result yet.

    Args:
        runs: Independent runs; the same one may occur several times and is done once.
        work: Gives the figures of a run.
        results: Where records are found and kept, each as soon as it is there.
        executor: Where the work is done; None: in this process.
        retry_failed: Whether runs that failed before are tried again.
        only_found: Do nothing; return what was found.
        on_result: See `OnResult`; not called for runs that were found.

    Returns:
        Records by key; those of failed runs have `error`.
    """
    wanted = {run.key: run for run in runs}
    found = {key: record for key in wanted if (record := results.get(key)) is not None}
    if retry_failed:
        found = {key: record for key, record in found.items() if "error" not in record}
    missing = [run for key, run in wanted.items() if key not in found]
    if missing and not only_found:
        for run, record in (executor or SerialExecutor()).execute(work, missing):
            found[run.key] = results.add(run.key, record)
            if on_result is not None:
                on_result(run, found[run.key], len(found), len(wanted))
    return {key: found[key] for key in wanted if key in found}


def machine_hours(records: Iterable[dict[str, Any]]) -> float:
    """Hours of one core that the runs took."""
    return float(sum(record.get("cpu_seconds", 0.0) for record in records)) / 3600
