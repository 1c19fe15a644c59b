"""Sampling outcomes from probabilities, and what their bits are on average."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

GUIDED_SHOTS = 32
"""Shots of a row from which on a table of starting points pays: then an outcome is found in a step or two."""


def draw_outcomes(probabilities: np.ndarray, shots: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Sample outcomes by inverting each row's cumulative distribution.

    One uniform number per shot, whatever the probabilities: rounding in a simulation cannot shift the stream.

    Args:
        probabilities: Shape (rows, outcomes), any scale; the number of outcomes is a power of two.
        shots: Number of shots of each row, shape (rows,).
        uniforms: In [0, 1), shape (sum of shots,), row after row.

    Returns:
        Outcome numbers, shape (sum of shots,), row after row.
    """
    outcomes = np.empty(len(uniforms), np.int64)
    _compiled_drawing()(
        np.require(probabilities, requirements=["C", "W"]),
        np.require(shots, np.int64, ["C", "W"]),
        np.require(uniforms, np.float64, ["C", "W"]),
        outcomes,
        GUIDED_SHOTS,
    )
    return outcomes


def mean_bits(outcomes: np.ndarray, n_readout: int) -> np.ndarray:
    """How often each qubit was 1, shape (n_readout,); qubit 0 is the most significant bit.

    Args:
        outcomes: Outcome numbers, shape (shots,).
        n_readout: Number m of measured qubits.
    """
    if 2**n_readout > len(outcomes):
        shifts = np.arange(n_readout - 1, -1, -1)
        bits: np.ndarray = (outcomes[:, None] >> shifts & 1).astype(bool)
        means: np.ndarray = bits.mean(axis=0)
        return means
    # Fewer outcomes than shots: count them, and add up halves of the counts.
    counts = np.bincount(outcomes, minlength=2**n_readout)
    ones = np.empty(n_readout, np.int64)
    for qubit in range(n_readout):
        halves = counts.reshape(2, -1)
        ones[qubit] = halves[1].sum()
        counts = halves.sum(axis=0)
    found: np.ndarray = ones / len(outcomes)
    return found


@cache
def _compiled_drawing() -> Callable[..., None]:
    from setfit_quantum.backends.numba_engine.compiling import compile_cached

    compiled: Callable[..., None] = compile_cached(_draw)  # type: ignore[no-untyped-call]
    return compiled


def _draw(
    probabilities: np.ndarray, shots: np.ndarray, uniforms: np.ndarray, outcomes: np.ndarray, guided_shots: int
) -> None:
    """Fill `outcomes`; compiled, since rows of a single shot are what noise consists of."""
    n_rows, size = probabilities.shape
    cumulative = np.empty(size, np.float64)
    starts = np.zeros(size, np.int64)
    place = 0
    for row in range(n_rows):
        total = 0.0
        for outcome in range(size):
            total += max(probabilities[row, outcome], 0.0)
            cumulative[outcome] = total
        guided = shots[row] >= guided_shots
        if guided:
            # starts[k]: the outcome at which the k-th of `size` equal parts of the unit interval begins.
            outcome = 0
            for part in range(size):
                while outcome < size - 1 and cumulative[outcome] <= part * total / size:
                    outcome += 1
                starts[part] = outcome
        for _ in range(shots[row]):
            target = uniforms[place] * total
            if guided:
                outcome = starts[int(uniforms[place] * size)]
                while outcome < size - 1 and cumulative[outcome] <= target:
                    outcome += 1
            else:
                outcome, above = 0, size - 1
                while outcome < above:
                    middle = (outcome + above) // 2
                    if cumulative[middle] <= target:
                        outcome = middle + 1
                    else:
                        above = middle
            outcomes[place] = outcome
            place += 1
