"""Sharing an order's tiles among threads: plain Python threads over compiled code that needs no GIL.

numba's own pools either abort when two Python threads enter them at once (workqueue) or do not survive a fork
(OpenMP); this one does neither. Any number of callers may share the workers: each worker has a mailbox (see `work`),
and a caller works by itself where none is free. An interrupted caller leaves only when nobody writes into its arrays.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
import time
from queue import SimpleQueue

import numpy as np

from setfit_quantum.backends.cores import available_cores
from setfit_quantum.backends.numba_engine.order import ARGUMENTS, FAILED, N_TILES, NEXT_TILE
from setfit_quantum.backends.numba_engine.work import ASLEEP, LEAD, MAILBOX, SERVE, WAIT, work

logger = logging.getLogger(__name__)

MIN_ROWS_PER_THREAD = 20_000
"""Rows swept below which another thread costs more than it saves (about 0.02 ms)."""
CHUNKS_PER_THREAD = 4
"""Portions that many tiles are taken in, so that threads of unequal speed end together."""
MOST_WORKERS = 62
"""As many as have a bit in an order."""
_POLL_SECONDS = 2e-4
_PATIENCE_SECONDS = 3.0
"""Loading compiled code from disk takes less."""


class _Worker:
    """A daemon thread that serves through its mailbox, and sleeps while there is nothing to do."""

    def __init__(self, number: int, mailboxes: np.ndarray) -> None:
        self._number = number
        self._mailboxes = mailboxes
        self._place = number * MAILBOX
        self._calls: SimpleQueue[None] = SimpleQueue()
        mailboxes[self._place] = ASLEEP
        threading.Thread(target=self._work, name=f"setfit-quantum-{number}", daemon=True).start()

    def wake(self) -> None:
        if self._calls.empty():
            self._calls.put(None)

    def _work(self) -> None:
        while True:
            self._calls.get()
            try:
                work(SERVE, 0, self._mailboxes, self._number)
            except BaseException:  # out of memory; the caller says so
                address = -int(self._mailboxes[self._place])
                ctypes.c_int64.from_address(address + FAILED * self._mailboxes.itemsize).value = 1
                self._mailboxes[self._place] = ASLEEP


_workers: list[_Worker] = []
_mailboxes = np.zeros(MOST_WORKERS * MAILBOX, np.int64)
_owner_process = os.getpid()
_lock = threading.Lock()


def count_threads(n_tiles: int, rows_per_tile: int) -> int:
    """How many threads so many tiles are worth, of those that PyTorch is allowed to use."""
    return max(1, min(available_cores(), n_tiles, n_tiles * rows_per_tile // MIN_ROWS_PER_THREAD, MOST_WORKERS + 1))


def count_chunk(n_tiles: int, n_threads: int) -> int:
    """Tiles that a thread takes at once."""
    return -(-n_tiles // (n_threads * CHUNKS_PER_THREAD))


def are_apart(n_tiles: int, n_threads: int) -> bool:
    """Whether neighbouring tiles are likely to be in the hands of different threads."""
    return n_threads > 1 and count_chunk(n_tiles, n_threads) == 1


def carry_out(order: np.ndarray, kind: int, n_tiles: int, n_threads: int) -> None:
    """Carry out an order on `n_threads` threads, this one and workers, with a slot of scratch memory for each.

    Args:
        order: With all its arguments set.
        kind: `FORWARD` or `BACKWARD`.
        n_tiles: Tiles in all.
        n_threads: At most this many threads, as `count_threads` says.

    Raises:
        MemoryError: A thread could not allocate its scratch memory.
        KeyboardInterrupt: Ctrl-C; all threads have stopped by then.
    """
    if not n_tiles:
        return
    order[:ARGUMENTS] = kind, n_tiles, 0, count_chunk(n_tiles, n_threads), 0, 0, 0, 0
    address = order.__array_interface__["data"][0]
    n_helpers = n_threads - 1
    mailboxes = _wake_workers(n_helpers)
    role, finished = LEAD, False
    interruption: BaseException | None = None
    patience = None if work.overloads else _announce_compiling()
    while not finished:
        try:
            finished = work(role, address, mailboxes, n_helpers)
            role = WAIT
            if not finished:
                time.sleep(_POLL_SECONDS)
        except BaseException as error:
            interruption = error
            role = WAIT
            order[NEXT_TILE] = order[N_TILES]
    if patience is not None:
        patience.cancel()
    if interruption is not None:
        raise interruption
    if order[FAILED]:
        raise MemoryError("A thread of the numba backend ran out of memory.")


def _announce_compiling() -> threading.Timer:
    """Say what takes so long, unless compiled code is found on disk."""
    message = "Compiling the simulator for this machine; this happens once and takes about half a minute ..."
    timer = threading.Timer(_PATIENCE_SECONDS, logger.warning, (message,))
    timer.daemon = True
    timer.start()
    return timer


def _wake_workers(count: int) -> np.ndarray:
    global _mailboxes, _owner_process
    if _owner_process != os.getpid() or len(_workers) < count:
        with _lock:
            if _owner_process != os.getpid():  # threads do not survive a fork
                _workers.clear()
                _mailboxes = np.zeros(MOST_WORKERS * MAILBOX, np.int64)
                _owner_process = os.getpid()
            while len(_workers) < count:
                _workers.append(_Worker(len(_workers), _mailboxes))
    for number, worker in enumerate(_workers[:count]):
        if _mailboxes[number * MAILBOX] == ASLEEP:
            worker.wake()
    return _mailboxes
