"""The one compiled entry point: carry out an order together with the workers, or wait for orders as a worker.

A worker spins on its mailbox without the GIL, for a fraction of a millisecond after its last order: waking a thread
takes longer than a step at 10 qubits, and so does passing the GIL. A mailbox holds `FREE` or `ASLEEP`, the address of
an order that somebody has put there, or minus that address once the worker is at it; what a worker has not begun is
taken back in the end. Tiles are taken from a counter. So a worker that the operating system is slow to run holds
nobody up.
"""

# mypy: ignore-errors

import hashlib
from pathlib import Path

from numba import njit

from setfit_quantum.backends.numba_engine import kernels
from setfit_quantum.backends.numba_engine.atomics import add, carray, exchange, floats, integers, load, octets, store
from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS, compile_cached
from setfit_quantum.backends.numba_engine.order import (
    AMPLITUDES,
    ARGUMENTS,
    CHUNK,
    CODES,
    COTANGENTS,
    ENCODER,
    ENCODER_COS,
    ENCODER_GRADIENT,
    ENCODER_STATES,
    FORWARD,
    HELPERS,
    KEEP,
    KIND,
    LATENTS,
    MODE,
    N_ARGUMENTS,
    N_READOUT,
    N_TILES,
    NEXT_TILE,
    PROGRAM,
    SAMPLES_PER_ROW,
    SCALE,
    SHARED,
    SHARES,
    SLOT,
    STATES,
    SWEPT,
    TABLES,
    VALUES,
    WEIGHT_GRADIENT,
    WIDEST,
)

FREE, ASLEEP = 0, -1
"""What a mailbox holds while its worker is waiting, and while it must be woken."""
MAILBOX = 8
"""Numbers from one mailbox to the next: a cache line each."""
MAX_SPINS = 500_000
"""About a quarter of a millisecond of waiting."""


def _stamp_sources():
    """Hash of this folder's code: numba's disk cache looks at one file only, the kernels depend on all."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")


@njit(**COMPILE_OPTIONS)
def _number(given, position):
    return given[ARGUMENTS + SLOT * position]


@njit(**COMPILE_OPTIONS)
def _floats_1(given, position):
    at = ARGUMENTS + SLOT * position
    return carray(floats(given[at]), (given[at + 1],))


@njit(**COMPILE_OPTIONS)
def _floats_2(given, position):
    at = ARGUMENTS + SLOT * position
    return carray(floats(given[at]), (given[at + 1], given[at + 2]))


@njit(**COMPILE_OPTIONS)
def _floats_3(given, position):
    at = ARGUMENTS + SLOT * position
    return carray(floats(given[at]), (given[at + 1], given[at + 2], given[at + 3]))


@njit(**COMPILE_OPTIONS)
def _integers_1(given, position):
    at = ARGUMENTS + SLOT * position
    return carray(integers(given[at]), (given[at + 1],))


@njit(**COMPILE_OPTIONS)
def _integers_2(given, position):
    at = ARGUMENTS + SLOT * position
    return carray(integers(given[at]), (given[at + 1], given[at + 2]))


@njit(**COMPILE_OPTIONS)
def _octets_2(given, position):
    at = ARGUMENTS + SLOT * position
    return carray(octets(given[at]), (given[at + 1], given[at + 2]))


@njit(**COMPILE_OPTIONS)
def _program(given, position):
    return (
        _number(given, position),
        _integers_2(given, position + 1),
        _integers_2(given, position + 2),
        _integers_2(given, position + 3),
        _integers_1(given, position + 4),
        _integers_2(given, position + 5),
        _number(given, position + 6),
    )


@njit(**COMPILE_OPTIONS)
def _tables(given, position):
    return (
        _floats_2(given, position),
        _floats_2(given, position + 1),
        _floats_2(given, position + 2),
        _floats_2(given, position + 3),
        _floats_1(given, position + 4),
        _floats_1(given, position + 5),
    )


@njit(**COMPILE_OPTIONS)
def _call_workers(given, address, mailboxes, n_helpers):
    for worker in range(n_helpers):
        place = worker * MAILBOX
        if not (given[HELPERS] >> worker) & 1 and (
            exchange(mailboxes, place, FREE, address) or exchange(mailboxes, place, ASLEEP, address)
        ):
            given[HELPERS] |= 1 << worker


@njit(**COMPILE_OPTIONS)
def _wait(given, address, mailboxes, n_helpers):
    """Whether all workers that were called have finished, or had not begun."""
    for worker in range(n_helpers):
        place = worker * MAILBOX
        if (given[HELPERS] >> worker) & 1 and not exchange(mailboxes, place, address, ASLEEP):
            spins = 0
            while load(mailboxes, place) == -address:
                spins += 1
                if spins > MAX_SPINS:
                    return False
    return True


LEAD, WAIT, SERVE = range(3)


def _build(source_stamp):
    # One function, and one place from which each kernel is called: numba optimises what a function calls anew with it.
    @compile_cached
    def work(role, address, mailboxes, number):
        """What a thread does.

        LEAD: carry out the order at `address`, calling up to `number` workers to it as they become free. WAIT: for the
        workers that were called. Either returns whether nobody is at the order any more. SERVE, as worker `number`:
        carry out orders as they come, and return when none has come for a while.
        """
        _ = source_stamp
        place = number * MAILBOX
        slot = 0
        if role == SERVE:
            slot = number + 1
            exchange(mailboxes, place, ASLEEP, FREE)
        spins = 0
        while role != WAIT:
            if role == SERVE:
                address = load(mailboxes, place)
                if address in (FREE, ASLEEP):
                    spins += 1
                    if spins > MAX_SPINS and (address == ASLEEP or exchange(mailboxes, place, FREE, ASLEEP)):
                        return True
                    continue
                if address > 0 and not exchange(mailboxes, place, address, -address):
                    continue  # taken back in time
                address = abs(address)
            given = carray(integers(address), (ARGUMENTS + SLOT * N_ARGUMENTS,))
            if role == LEAD:
                _call_workers(given, address, mailboxes, number)
            first = add(given, NEXT_TILE, given[CHUNK])
            if first >= given[N_TILES]:
                if role == LEAD:
                    break
                store(mailboxes, place, FREE)
                spins = 0
                continue
            last = min(first + given[CHUNK], given[N_TILES])
            program, tables = _program(given, PROGRAM), _tables(given, TABLES)
            codes, states = _octets_2(given, CODES), _floats_3(given, STATES)
            mode, n_readout = _number(given, MODE), _number(given, N_READOUT)
            z, zz, probabilities = _floats_2(given, VALUES), _floats_3(given, VALUES + 1), _floats_2(given, VALUES + 2)
            swept, samples_per_row = _integers_1(given, SWEPT), _number(given, SAMPLES_PER_ROW)
            encoder = _program(given, ENCODER)
            encoder_cos, encoder_sin = _floats_2(given, ENCODER_COS), _floats_2(given, ENCODER_COS + 1)
            scale, shares, widest = _floats_1(given, SCALE), _integers_1(given, SHARES), _number(given, WIDEST)
            encoder_states, latents = _floats_3(given, ENCODER_STATES), _floats_2(given, LATENTS)
            if given[KIND] == FORWARD:
                kernels.forward(
                    first, last, slot, program, tables, codes, states, mode, n_readout, z, zz, probabilities, swept,
                    samples_per_row, encoder, encoder_cos, encoder_sin, scale, shares, widest, encoder_states, latents,
                    _floats_2(given, AMPLITUDES), _number(given, KEEP),
                )  # fmt: skip
            else:
                kernels.backward(
                    first, last, slot, program, tables, codes, states, mode, n_readout, z, zz, probabilities, swept,
                    samples_per_row, encoder, encoder_cos, encoder_sin, scale, shares, widest, encoder_states, latents,
                    _floats_3(given, COTANGENTS), _number(given, SHARED), _floats_2(given, WEIGHT_GRADIENT),
                    _floats_2(given, WEIGHT_GRADIENT + 1), _floats_2(given, WEIGHT_GRADIENT + 2),
                    _floats_3(given, ENCODER_GRADIENT), _floats_2(given, ENCODER_GRADIENT + 1),
                )  # fmt: skip
        return _wait(carray(integers(address), (ARGUMENTS,)), address, mailboxes, number)

    return work


work = _build(_stamp_sources())
