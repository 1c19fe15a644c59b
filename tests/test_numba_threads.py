"""Sharing tiles among threads: errors, interruptions and callers beside each other."""

import random
import signal
import threading
import time

import numpy as np
import pytest

from setfit_quantum.backends.numba_engine import threads


@pytest.fixture(autouse=True)
def _two_threads_for_any_work(monkeypatch):
    monkeypatch.setattr(threads, "MIN_ROWS_PER_TILE", 1)
    monkeypatch.setattr(threads, "available_cores", lambda: 2)


def in_main_thread():
    return threading.current_thread() is threading.main_thread()


def test_every_tile_is_done_once():
    for n_tiles in (0, 1, 2, 3, 7, 100):
        counts = np.zeros(n_tiles, np.int64)

        def run(first, last, counts=counts):
            counts[first:last] += 1

        threads.share_tiles(run, n_tiles, 10)
        assert (counts == 1).all()


def test_both_threads_work():
    names = set()

    def run(first, last):
        names.add(threading.current_thread().name)
        time.sleep(0.1)

    threads.share_tiles(run, 8, 10)
    assert len(names) == 2


def test_a_worker_that_sleeps_holds_nobody_up(monkeypatch):
    """The caller does what no worker takes."""
    monkeypatch.setattr(threads._Worker, "post", lambda self, batch: None)
    done = []
    threads.share_tiles(lambda first, last: done.extend(range(first, last)), 10, 10)
    assert done == list(range(10))


def test_an_error_in_a_worker_reaches_the_caller():
    def run(first, last):
        time.sleep(0.2)
        if not in_main_thread():
            raise IndexError("from the worker")

    with pytest.raises(IndexError, match="from the worker"):
        threads.share_tiles(run, 8, 10)
    test_every_tile_is_done_once()


def test_ctrl_c_waits_for_the_workers():
    """An interrupted caller must not leave while a worker still writes into its arrays."""
    begun, finished = [], []

    def run(first, last):
        begun.append(first)
        time.sleep(0.1)
        if in_main_thread():
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.3)
        finished.append(first)

    with pytest.raises(KeyboardInterrupt):
        threads.share_tiles(run, 8, 10)
    assert len(begun) == 2
    assert len(finished) == 1
    test_every_tile_is_done_once()


def test_interruptions_at_any_moment_break_nothing():
    """Signals at random moments, in the protocol as well as in the work: no deadlock, no lost worker."""
    hits = 0

    def interrupt(number, frame):
        raise KeyboardInterrupt

    def run(first, last):
        time.sleep(1e-4)

    former = signal.signal(signal.SIGALRM, interrupt)
    moments = random.Random(0)
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-5, 1.5e-3))
                    for _ in range(20):
                        threads.share_tiles(run, 8, 10)
                        time.sleep(moments.choice((0, 6e-4)))
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                hits += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert hits > 100
    test_every_tile_is_done_once()
    test_both_threads_work()


def test_callers_beside_each_other():
    def call():
        for _ in range(50):
            test_every_tile_is_done_once()

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert not any(caller.is_alive() for caller in callers)
