"""Sharing tiles among threads: plain Python threads over kernels that release the GIL.

numba's own pools either abort when two Python threads enter them at once (workqueue) or do not survive a fork
(OpenMP); this one does neither. Nothing is handed out: the caller puts ranges of tiles into a deque, and the caller
and whichever workers are awake take them out one by one. So a worker that the operating system is slow to wake holds
nobody up, any number of callers may share the workers, and an interrupted caller has only to empty the deque and to
wait for what was taken. Only C-level operations carry the protocol, which a signal cannot tear.

A step at 10 qubits lasts well under a millisecond, less than waking a thread a few times can take, so an idle worker
first spins (without the GIL, for a fraction of a millisecond) before it sleeps.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from queue import SimpleQueue

import numpy as np

from setfit_quantum.backends.cores import available_cores
from setfit_quantum.backends.numba_engine.spin import wait_for_change, wait_for_pair

MIN_ROWS_PER_TILE = 100_000
"""Rows swept in a tile below which handing it to another thread costs more than it saves (about 0.1 ms)."""
RANGES_PER_THREAD = 4
"""Ranges that many tiles are cut into, so that threads of unequal speed end together."""
_POLL_SECONDS = 2e-4


class _Batch:
    """One call's ranges of tiles, and for each worker how many it has begun to take and how many it has finished."""

    def __init__(self, run: Callable[[int, int], None], ranges: list[tuple[int, int]], n_workers: int) -> None:
        self.run = run
        self.ranges = deque(ranges)
        self.progress = np.zeros((n_workers, 2), np.int64)
        self.errors: list[BaseException] = []

    def work(self, number: int) -> None:
        """What worker `number` does. It counts a range as begun before it takes one, so that none goes unseen."""
        counts = self.progress[number]
        while self.ranges:
            counts[0] += 1
            try:
                part = self.take()
                if part is not None:
                    self.run(*part)
            except BaseException as error:
                self.errors.append(error)
                self.ranges.clear()
            counts[1] += 1

    def take(self) -> tuple[int, int] | None:
        """The next range, or None where another thread was faster."""
        try:
            return self.ranges.popleft()
        except IndexError:
            return None

    def finish(self) -> None:
        """Wait for what workers took, and only then raise an interruption: they write into the caller's arrays."""
        interruption: BaseException | None = None
        waiting = True
        while waiting:
            try:
                self.ranges.clear()
                for counts in self.progress:
                    while not wait_for_pair(counts):
                        time.sleep(_POLL_SECONDS)
                waiting = False
            except BaseException as error:
                interruption = error
        if interruption is not None:
            raise interruption
        if self.errors:
            raise self.errors[0]


class _Worker:
    """A daemon thread that helps with the batches put into its inbox."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._inbox: SimpleQueue[_Batch] = SimpleQueue()
        self._posted = np.zeros(1, np.int64)  # only a hint for the spinning
        threading.Thread(target=self._work, name=f"setfit-quantum-{number}", daemon=True).start()

    def post(self, batch: _Batch) -> None:
        self._posted[0] += 1
        self._inbox.put(batch)

    def _work(self) -> None:
        seen = 0
        while True:
            wait_for_change(self._posted, 0, seen)
            batch = self._inbox.get()
            seen = int(self._posted[0])
            batch.work(self._number)
            del batch  # its arrays may be large


_workers: list[_Worker] = []
_owner_process = 0


def share_tiles(run: Callable[[int, int], None], n_tiles: int, rows_per_tile: int) -> None:
    """Call `run(first, last)` over all tiles, on as many threads as PyTorch is allowed to use and the work is worth."""
    n_threads = min(available_cores(), n_tiles, -(-n_tiles * rows_per_tile // MIN_ROWS_PER_TILE))
    if n_threads <= 1:
        if n_tiles:
            run(0, n_tiles)
        return
    n_ranges = min(n_tiles, n_threads * RANGES_PER_THREAD)
    bounds = [n_tiles * part // n_ranges for part in range(n_ranges + 1)]
    workers = _get_workers(n_threads - 1)
    batch = _Batch(run, list(pairwise(bounds)), len(workers))
    try:
        for worker in workers:
            worker.post(batch)
        while (part := batch.take()) is not None:
            run(*part)
    finally:
        batch.finish()


def _get_workers(count: int) -> list[_Worker]:
    global _owner_process
    if _owner_process != os.getpid():  # threads do not survive a fork
        _workers.clear()
        _owner_process = os.getpid()
    while len(_workers) < count:
        _workers.append(_Worker(len(_workers)))
    return _workers[:count]
