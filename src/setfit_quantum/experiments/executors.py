"""Where runs are worked on: here, in local processes, or (see `ray_executor`) on a cluster."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import Any, Protocol

from setfit_quantum.checks import check_choice, check_int
from setfit_quantum.experiments.run_settings import Run
from setfit_quantum.experiments.study_work import attempt

Work = Callable[[Run], dict[str, Any]]
Record = dict[str, Any]

MAX_DEATHS = 2
"""Workers that may die of one run before it is recorded as failed."""


class ClusterError(RuntimeError):
    """A cluster is not there, or cannot do runs; the message says what to do."""


class Executor(Protocol):
    """Does independent runs, in any order.

    `execute` gets the work (which can be pickled) and the runs, and yields each run with its record as soon as it is
    there. Failures of a run are records too (`attempt` makes them); only an interruption ends the iteration early.
    """

    def execute(self, work: Work, runs: Iterable[Run]) -> Iterator[tuple[Run, Record]]:
        """Yield `(run, record)` for every run."""
        ...


class SerialExecutor:
    """One run after another in this process."""

    def execute(self, work: Work, runs: Iterable[Run]) -> Iterator[tuple[Run, Record]]:
        """Yield `(run, record)` for every run, in order."""
        for run in runs:
            yield run, attempt(work, run)


class ProcessExecutor:
    """Runs in processes of this machine, each on one core.

    A process that dies (out of memory, killed) is replaced, and its run tried once more.

    Args:
        n_workers: Number of processes.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = check_int("n_workers", n_workers, minimum=1)

    def execute(self, work: Work, runs: Iterable[Run]) -> Iterator[tuple[Run, Record]]:
        """Yield `(run, record)` for every run, as they end."""
        waiting = list(runs)[::-1]
        deaths: dict[str, int] = {}
        while waiting:
            # Spawned, not forked: threads of PyTorch and of the simulator do not survive a fork.
            pool = ProcessPoolExecutor(
                self.n_workers, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(work,)
            )
            running: dict[Future[Record], Run] = {}
            try:
                while waiting or running:
                    # No more than can be worked on: whatever is handed out when a process dies is lost with it.
                    while waiting and len(running) < self.n_workers:
                        running[pool.submit(_work_on, waiting[-1])] = waiting[-1]
                        waiting.pop()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        record = future.result()
                        yield running.pop(future), record
            except BrokenProcessPool:
                for run in running.values():
                    deaths[run.key] = deaths.get(run.key, 0) + 1
                    if deaths[run.key] >= MAX_DEATHS:
                        yield run, attempt(report_death, run)
                    else:
                        waiting.append(run)
            finally:
                _stop(pool)


BACKENDS = ("local", "ray")


def build_executor(
    backend: str,
    n_workers: int | None = None,
    *,
    address: str | None = None,
    say: Callable[[str], object] | None = None,
) -> Executor:
    """The executor of a name.

    Args:
        backend: `"local"`, in this process with one worker, else in processes; or `"ray"`, on a Ray cluster.
        n_workers: Runs at the same time; None: one, or on a cluster as many as it has cores.
        address: Of the cluster, see `RayExecutor`; only for `"ray"`.
        say: Told what happens to the cluster.

    Raises:
        ImportError: Ray is not installed.
        ValueError: Unknown name, or an address without a cluster.
    """
    check_choice("backend", backend, BACKENDS)
    if backend == "ray":
        from setfit_quantum.experiments.ray_executor import RayExecutor

        return RayExecutor(n_workers, address, say)
    if address is not None:
        raise ValueError(f"Argument `address` needs `backend` 'ray', but got {address!r} with 'local'.")
    number = 1 if n_workers is None else check_int("n_workers", n_workers, minimum=1)
    return SerialExecutor() if number == 1 else ProcessExecutor(number)


_work: Work | None = None


def _start_worker(work: Work) -> None:
    global _work
    _work = work
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed study leaves no process behind: its workers would wait for work for ever, with all their memory."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work_on(run: Run) -> Record:
    assert _work is not None
    return attempt(_work, run)


def report_death(run: Run) -> Record:
    """Work that fails: `attempt` makes of it the record of a run that its workers did not survive."""
    raise RuntimeError(f"{MAX_DEATHS} workers died of this run (out of memory?)")


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the processes at once: on Ctrl-C nobody waits for the runs they are in."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        if process.is_alive():
            process.terminate()
