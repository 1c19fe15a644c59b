"""Sharing tiles among threads: plain Python threads over kernels that release the GIL.

numba's own pools either abort when two Python threads enter them at once (workqueue) or do not survive a fork
(OpenMP); this one does neither. A step at 10 qubits lasts well under a millisecond, less than it can take the
operating system to wake a thread a few times, so an idle worker first spins (without the GIL, for a fraction of a
millisecond) before it sleeps. One caller at a time gets the workers; a second caller meanwhile runs alone, since the
cores are busy anyway.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import numpy as np

from setfit_quantum.backends.cores import available_cores
from setfit_quantum.backends.numba_engine.spin import wait_for_change

MIN_ROWS_PER_TILE = 100_000
"""Rows swept in a tile below which handing it to another thread costs more than it saves (about 0.1 ms)."""
_POSTED, _DONE = 0, 1


class _Worker:
    """A daemon thread with a mailbox of two counters: jobs posted and jobs done."""

    def __init__(self, number: int) -> None:
        self._mailbox = np.zeros(2, np.int64)
        self._job: Callable[[], None] | None = None
        self._error: BaseException | None = None
        self._sleeping = [False, False]  # the worker, and the caller who waits for it
        self._wake = [threading.Event(), threading.Event()]
        threading.Thread(target=self._work, name=f"setfit-quantum-{number}", daemon=True).start()

    def post(self, job: Callable[[], None]) -> None:
        self._job, self._error = job, None
        self._signal(_POSTED)

    def join(self) -> None:
        """Wait for the posted job; raise what it raised.

        Ctrl-C is raised only when the job has ended: it still writes into the caller's arrays.
        """
        interruption: KeyboardInterrupt | None = None
        while self._mailbox[_DONE] != self._mailbox[_POSTED]:
            try:
                self._wait(_DONE, int(self._mailbox[_POSTED]) - 1)
            except KeyboardInterrupt as error:
                interruption = error
        self._job = None
        if interruption is not None or self._error is not None:
            raise interruption or self._error  # type: ignore[misc]

    def _work(self) -> None:
        seen = 0
        while True:
            self._wait(_POSTED, seen)
            seen += 1
            try:
                assert self._job is not None
                self._job()
            except BaseException as error:  # handed to the caller by `join`
                self._error = error
            self._signal(_DONE)

    def _signal(self, counter: int) -> None:
        self._mailbox[counter] += 1
        if self._sleeping[counter]:
            self._wake[counter].set()

    def _wait(self, counter: int, seen: int) -> None:
        """Return once the counter has left `seen`. The GIL orders the flag, the counter and the check."""
        if wait_for_change(self._mailbox, counter, seen):
            return
        self._sleeping[counter] = True
        while self._mailbox[counter] == seen:
            self._wake[counter].wait()
            self._wake[counter].clear()
        self._sleeping[counter] = False


_workers: list[_Worker] = []
_owner_process = 0
_in_use = threading.Lock()


def share_tiles(run: Callable[[int, int], None], n_tiles: int, rows_per_tile: int) -> None:
    """Call `run(first, last)` over all tiles, on as many threads as PyTorch is allowed to use and the work is worth."""
    n_threads = min(available_cores(), n_tiles, -(-n_tiles * rows_per_tile // MIN_ROWS_PER_TILE))
    if n_threads == 1 or not _in_use.acquire(blocking=False):
        run(0, n_tiles)
        return
    try:
        bounds = [n_tiles * part // n_threads for part in range(n_threads + 1)]
        helpers = _get_workers(n_threads - 1)
        try:
            for helper, first, last in zip(helpers, bounds[1:], bounds[2:], strict=False):
                helper.post(lambda first=first, last=last: run(first, last))  # type: ignore[misc]
            run(0, bounds[1])
        finally:
            _join_all(helpers)
    finally:
        _in_use.release()


def _join_all(helpers: list[_Worker]) -> None:
    """Join every helper, also when one of them raises."""
    if helpers:
        try:
            helpers[0].join()
        finally:
            _join_all(helpers[1:])


def _get_workers(count: int) -> list[_Worker]:
    global _owner_process
    if _owner_process != os.getpid():  # threads do not survive a fork
        _workers.clear()
        _owner_process = os.getpid()
    while len(_workers) < count:
        _workers.append(_Worker(len(_workers)))
    return _workers[:count]


def _reset_lock_after_fork() -> None:
    global _in_use
    _in_use = threading.Lock()  # its holder may be a thread that the child does not have


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_lock_after_fork)
