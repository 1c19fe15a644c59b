"""Runs on a Ray cluster: what a lost worker was doing is tried again, and results are those of this machine.

Sentences and embeddings travel through Ray's object store, once to every node, so that nodes share no folder and load
no body. Only rows that train body and head together need the body itself, on every node under the same name.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from setfit_quantum import __version__
from setfit_quantum.checks import check_int
from setfit_quantum.experiments.executors import MAX_DEATHS, ClusterError, Record, Work, report_death
from setfit_quantum.experiments.run_settings import Run
from setfit_quantum.experiments.study_work import attempt

ADDRESS_VARIABLE = "RAY_ADDRESS"
"""Environment variable: where the cluster is, if the caller does not say."""

_WAIT_SECONDS = 5.0
_HEARTBEAT_SECONDS = 60.0
_KNOCK_SECONDS = 10.0


class RayExecutor:
    """Runs on the cores of a Ray cluster, each on one core.

    Args:
        n_workers: Runs at the same time; None: as many as the cluster has cores, also when it grows or shrinks.
        address: The cluster: `host:port`, or `"auto"` for the one that was started on this machine; None: that of
            `$RAY_ADDRESS`, else a cluster of this machine alone that ends with the study.
        say: Told of the cluster, of lost workers, and once a minute of what is running.

    Raises:
        ImportError: Ray is not installed.
        TypeError, ValueError: Naming the argument.
    """

    def __init__(
        self, n_workers: int | None = None, address: str | None = None, say: Callable[[str], object] | None = None
    ) -> None:
        self.n_workers = None if n_workers is None else check_int("n_workers", n_workers, minimum=1)
        self.address = address or os.environ.get(ADDRESS_VARIABLE) or None
        self._say = say or (lambda _: None)
        import_ray()

    def execute(self, work: Work, runs: Iterable[Run]) -> Iterator[tuple[Run, Record]]:
        """Yield `(run, record)` for every run, as they end.

        Raises:
            ClusterError: There is no cluster at the address, or a node cannot do runs: the package is missing there,
                or is of another version.
        """
        ray = import_ray()
        waiting = list(runs)[::-1]
        deaths: dict[str, int] = {}
        running: dict[Any, Run] = {}
        with _connected(self.address, self.n_workers):
            self._describe_cluster(ray)
            # One run per process at a time; a retry is ours to count, since Ray's own would not tell.
            task = ray.remote(num_cpus=1, max_retries=0)(_work_on)
            shared = ray.put(work)
            said = time.monotonic()
            try:
                while waiting or running:
                    limit = self.n_workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
                    while waiting and len(running) < limit:
                        run = waiting.pop()
                        running[task.remote(shared, run, __version__)] = run
                    done, _ = ray.wait(list(running), timeout=_WAIT_SECONDS)
                    for reference in done:
                        run = running.pop(reference)
                        record = self._collect(ray, reference, run, deaths)
                        if record is None:
                            waiting.append(run)
                        else:
                            yield run, record
                    if done or time.monotonic() - said >= _HEARTBEAT_SECONDS:
                        if not done:
                            self._say(
                                f"{_count(len(running), 'run')} at work on {_count(_count_nodes(ray), 'node')} ..."
                            )
                        said = time.monotonic()
            finally:
                # After an interruption nobody waits for them.
                for reference in running:
                    ray.cancel(reference, force=True)

    def _collect(self, ray: Any, reference: Any, run: Run, deaths: dict[str, int]) -> Record | None:
        """The record of a run that ended, or None where it must be tried again."""
        errors = ray.exceptions
        lost = (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.LocalRayletDiedError,
            errors.OutOfMemoryError,
            errors.ObjectLostError,
        )
        try:
            record: Record = ray.get(reference)
        except lost as error:
            deaths[run.key] = deaths.get(run.key, 0) + 1
            again = deaths[run.key] < MAX_DEATHS
            what = "its run is tried again" if again else "its run is recorded as failed"
            self._say(f"Lost a worker (seed {run.seed}, {type(error).__name__}): {what}.")
            return None if again else attempt(report_death, run)
        except errors.RayTaskError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ClusterError(
                f"A node of the Ray cluster cannot do runs ({reason}); install setfit-quantum {__version__} and what "
                "it needs on every node."
            ) from error
        return record

    def _describe_cluster(self, ray: Any) -> None:
        cores = int(ray.cluster_resources().get("CPU", 0))
        self._say(f"Ray cluster: {_count(_count_nodes(ray), 'node')}, {_count(cores, 'core')}.")


def import_ray() -> Any:
    """Ray, imported when it is needed.

    Raises:
        ImportError: With the command that installs it.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("Argument `backend` = 'ray' needs Ray: pip install \"setfit-quantum[ray]\"") from error
    return ray


@contextmanager
def _connected(address: str | None, n_workers: int | None) -> Iterator[None]:
    """Connect to a cluster, or start one here; a connection that the caller made before is used and left alone."""
    ray = import_ray()
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": "WARNING"}
    try:
        if address is None or address == "local":
            with _without_usage_report():
                ray.init(address="local", num_cpus=n_workers, include_dashboard=False, **options)
        else:
            _knock(address)
            ray.init(address=address, **options)
    except (OSError, ValueError, RuntimeError) as error:
        where = "on this machine" if address is None else f"at {address!r}"
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClusterError(f"There is no Ray cluster {where}, or it cannot be used: {reason}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Find out at once whether somebody listens: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and "/" not in host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


@contextmanager
def _without_usage_report() -> Iterator[None]:
    """A cluster of our own reports nothing to anybody."""
    name = "RAY_USAGE_STATS_ENABLED"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _count_nodes(ray: Any) -> int:
    return sum(node["Alive"] for node in ray.nodes())


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _work_on(work: Work, run: Run, version: str) -> Record:
    if version != __version__:
        raise RuntimeError(f"setfit-quantum {__version__} is installed on a node, but {version} asks for the run")
    return attempt(work, run)
