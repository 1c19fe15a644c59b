"""Sharing tiles among threads: sleeping workers, errors, interruptions and callers beside each other."""

import random
import signal
import threading
import time

import numpy as np
import pytest
import torch

from setfit_quantum.backends import get_backend
from setfit_quantum.backends.numba_engine import threads
from setfit_quantum.backends.numba_engine.order import ARGUMENTS, CHUNK, COTANGENTS, N_TILES, NEXT_TILE, SLOT, STATES
from setfit_quantum.backends.numba_engine.work import ASLEEP, FREE, MAILBOX, SERVE
from setfit_quantum.circuit.ansatz import build_reuploading

LANES = 8
CIRCUIT = build_reuploading(6, 2, 1, 2, 1)


@pytest.fixture(autouse=True)
def _two_threads_for_any_work(monkeypatch):
    monkeypatch.setattr(threads, "MIN_ROWS_PER_THREAD", 1)
    monkeypatch.setattr(threads, "available_cores", lambda: 2)


@pytest.fixture
def orders(monkeypatch):
    """Every order that was carried out."""
    seen = []
    carry_out = threads.carry_out

    def remember(order, *arguments):
        seen.append(order)
        carry_out(order, *arguments)

    monkeypatch.setattr("setfit_quantum.backends.numba_engine.backend.carry_out", remember)
    return seen


def run(batch, backend=None):
    """Expectations and gradients of a fixed problem."""
    generator = torch.Generator().manual_seed(batch)
    weights = torch.randn(CIRCUIT.num_parameters, generator=generator, requires_grad=True)
    features = torch.randn(batch, 6, generator=generator)
    z = (backend or get_backend("numba")).expectations(CIRCUIT, weights, features)
    z.square().sum().backward()
    return z.detach(), weights.grad


@pytest.fixture
def alone(monkeypatch):
    """The same on one thread, by batch size."""
    batches = [1, 8, 16, 17, 24, 100, 800]
    with monkeypatch.context() as patch:
        patch.setattr(threads, "available_cores", lambda: 1)
        return {batch: run(batch) for batch in batches}


def check(alone, batch):
    for found, expected in zip(run(batch), alone[batch], strict=True):
        assert torch.equal(found, expected)


def test_every_tile_is_done_once(alone, orders):
    for batch in alone:
        backend = get_backend("numba")
        before = backend.rows_swept
        run(batch, backend)
        tiles = -(-batch // LANES)
        assert orders[-1][N_TILES] == tiles
        rows = backend.rows_swept - before
        assert rows % tiles == 0
        check(alone, batch)


def both_worked(order):
    """Whoever finds no tile left has moved the counter once more."""
    return order[NEXT_TILE] // order[CHUNK] - -(-order[N_TILES] // order[CHUNK]) == 2


def test_both_threads_work(alone, orders):
    end = time.monotonic() + 30  # a busy machine may have no core to spare for a while
    while not any(both_worked(order) for order in orders) and time.monotonic() < end:
        orders.clear()
        check(alone, 800)
    assert orders
    assert any(both_worked(order) for order in orders)


@pytest.mark.parametrize(("batch", "apart"), [(16, True), (64, True), (800, False)])
def test_threads_work_far_from_each_other(orders, batch, apart):
    """Or a core's prefetching takes lines from the other that writes them; many tiles are taken in runs."""
    run(batch)
    forward, backward = (
        order[ARGUMENTS + SLOT * first :][:4] for order, first in zip(orders, (STATES, COTANGENTS), strict=True)
    )
    rows = 2**CIRCUIT.n_qubits
    gap = 1024
    assert forward[2] == rows + gap * apart
    assert backward[1:3].tolist() == [2, rows + gap]


def test_a_worker_that_sleeps_holds_nobody_up(alone, monkeypatch):
    """The caller does what no worker takes, and takes its order back."""
    check(alone, 16)
    time.sleep(0.05)
    monkeypatch.setattr(threads._Worker, "wake", lambda self: None)
    check(alone, 800)
    assert threads._mailboxes[0] == ASLEEP


def test_an_error_in_a_worker_reaches_the_caller(alone, monkeypatch):
    work = threads.work
    failures = []

    def fail(role, address, mailboxes, number):
        if role != SERVE or failures:  # only once, or later tests would meet it
            return work(role, address, mailboxes, number)
        while (given := int(mailboxes[number * MAILBOX])) <= 0:
            time.sleep(0)
        mailboxes[number * MAILBOX] = -given
        failures.append(given)
        raise MemoryError

    fail.overloads = work.overloads
    check(alone, 16)
    time.sleep(0.05)
    monkeypatch.setattr(threads, "work", fail)

    def run_often():
        for _ in range(100):
            run(800)

    with pytest.raises(MemoryError, match="ran out of memory"):
        run_often()
    monkeypatch.undo()
    check(alone, 800)


def test_interruptions_at_any_moment_break_nothing(alone, orders):
    """Signals at random moments, in the protocol as well as in the work: no deadlock, no lost worker."""
    hits = 0

    def interrupt(number, frame):
        raise KeyboardInterrupt

    weights = torch.zeros(CIRCUIT.num_parameters)
    features = torch.zeros(100, 6)
    backend = get_backend("numba")
    former = signal.signal(signal.SIGALRM, interrupt)
    moments = random.Random(0)
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-5, 1.5e-3))
                    for _ in range(20):
                        backend.expectations(CIRCUIT, weights, features)
                        time.sleep(moments.choice((0, 6e-4)))
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                hits += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert hits > 20
    assert threads._mailboxes[0] in (FREE, ASLEEP)
    orders.clear()  # the last may have been interrupted before it began
    test_both_threads_work(alone, orders)


def test_callers_beside_each_other(alone):
    failures = []

    def call():
        try:
            for _ in range(30):
                for batch in alone:
                    check(alone, batch)
        except BaseException as error:
            failures.append(error)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert not any(caller.is_alive() for caller in callers)
    assert not failures


def test_orders_keep_their_arguments(orders):
    """A backward sweep may come long after, when much else has been allocated."""
    weights = torch.randn(CIRCUIT.num_parameters, generator=torch.Generator().manual_seed(0))
    features = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
    results = []
    for crowd in (0, 50):
        leaf = weights.clone().requires_grad_()
        z = get_backend("numba").expectations(CIRCUIT, leaf, features)
        rubbish = [np.full((8, 64, 8), np.nan, np.float32) for _ in range(crowd)]
        z.square().sum().backward()
        results.append(leaf.grad)
        del rubbish
    assert torch.equal(*results)
