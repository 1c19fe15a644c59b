"""Bitstrings as a device gives them: fresh errors in every shot, then outcomes, then readout flips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.circuit import Circuit
from setfit_quantum.measurement.outcomes import draw_outcomes, mean_bits
from setfit_quantum.measurement.readout import flip_bits
from setfit_quantum.measurement.trajectories import Program, drop_if_none, is_random
from setfit_quantum.noise import NoiseModel, PauliErrors, draw_errors, draw_shot_errors

Probabilities = Callable[[Program, "PauliErrors | None"], Tensor]
"""Outcome probabilities of each row, shape (rows, 2**m)."""
MAX_RANDOM_NUMBERS = 2**23
"""Random numbers that are held at once."""


class _Sample(NamedTuple):
    """Everything random about one sample; `codes` and `shots` have a row for each different run."""

    codes: np.ndarray
    """(n_gates, runs)."""
    shots: np.ndarray
    """(runs,)."""
    outcomes: np.ndarray
    """Uniform numbers, (total shots,)."""
    flips: np.ndarray | None
    """Uniform numbers, (total shots, m)."""


def sample_expectations(
    probabilities: Probabilities,
    program: Program,
    noise: NoiseModel | None,
    pairs: np.ndarray,
    shots: int,
    rng: np.random.Generator,
    *,
    n_shared: int | None = None,
    shared: bool = False,
) -> Tensor:
    """Expectations of Z estimated from `shots` sampled bitstrings.

    Args:
        probabilities: Gives the outcome probabilities of rows.
        program: Circuit and angles.
        noise: Gate errors that are drawn afresh for every shot; None if there are none, or if `probabilities`
            contains them.
        pairs: Readout flip probabilities of each measured qubit, shape (m, 2).
        shots: Shots per sample.
        rng: Source of randomness; used sample after sample.
        n_shared: Instead of fresh errors, spread the shots evenly over this many trajectories. That inflates the
            variance from `(1 - z^2) / s` by `V (1 / n_shared - 1 / s)`, V being the variance of a single
            trajectory's expectation.
        shared: Use the same errors for all samples.

    Returns:
        Shape (batch, m), without gradients.
    """
    drawn = _draw_samples(program.circuit, program.batch, noise, pairs, shots, rng, n_shared, shared)
    results: list[np.ndarray] = []
    block: list[_Sample] = []
    runs = 0
    for number, sample in enumerate(drawn, start=1):
        block.append(sample)
        runs += len(sample.shots)
        numbers = len(block) * shots * (1 + len(pairs))
        if runs >= program.max_rows or numbers >= MAX_RANDOM_NUMBERS or number == program.batch:
            results.append(_measure_block(probabilities, program, number - len(block), block, pairs))
            block, runs = [], 0
    return torch.from_numpy(np.concatenate(results)).to(program.weights)


def _draw_samples(
    circuit: Circuit,
    batch: int,
    noise: NoiseModel | None,
    pairs: np.ndarray,
    shots: int,
    rng: np.random.Generator,
    n_shared: int | None,
    shared: bool,
) -> Iterator[_Sample]:
    runs: tuple[np.ndarray, np.ndarray] | None = None
    for _ in range(batch):
        if runs is None or not shared:
            runs = _draw_runs(circuit, noise, shots, rng, n_shared)
        flips = rng.random((shots, len(pairs))) if pairs.any() else None
        yield _Sample(*runs, rng.random(shots), flips)


def _draw_runs(
    circuit: Circuit, noise: NoiseModel | None, shots: int, rng: np.random.Generator, n_shared: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Errors of one sample's different runs, (n_gates, runs), and the number of shots of each."""
    clean = np.zeros((len(circuit.gates), 1), dtype=np.uint8)
    if noise is None or not is_random(circuit, noise):
        return clean, np.array([shots])
    if n_shared is not None:
        runs = min(n_shared, shots)
        counts = np.full(runs, shots // runs)
        counts[: shots % runs] += 1
        return draw_errors(circuit, noise, runs, rng).codes, counts
    drawn = draw_shot_errors(circuit, noise, shots, rng)
    if not drawn.clean:
        return drawn.errors.codes, drawn.shots
    return np.concatenate([clean, drawn.errors.codes], axis=1), np.concatenate([[drawn.clean], drawn.shots])


def _measure_block(
    probabilities: Probabilities, program: Program, first: int, block: list[_Sample], pairs: np.ndarray
) -> np.ndarray:
    """Measured expectations of the samples `first`, `first + 1`, .., shape (samples, m)."""
    codes = np.concatenate([sample.codes for sample in block], axis=1)
    shots = np.concatenate([sample.shots for sample in block])
    uniforms = np.concatenate([sample.outcomes for sample in block])
    owners = np.repeat(np.arange(first, first + len(block)), [len(sample.shots) for sample in block])
    ends = np.concatenate([[0], np.cumsum(shots)])
    outcomes = np.empty(len(uniforms), dtype=np.int64)
    for start in range(0, len(shots), program.max_rows):
        stop = min(len(shots), start + program.max_rows)
        errors = PauliErrors(np.ascontiguousarray(codes[:, start:stop]))
        rows = probabilities(program.rows(owners[start:stop]), drop_if_none(errors))
        span = slice(ends[start], ends[stop])
        outcomes[span] = draw_outcomes(rows.detach().cpu().numpy(), shots[start:stop], uniforms[span])
    n_readout = len(pairs)
    shifts = np.arange(n_readout - 1, -1, -1)  # qubit 0 is the most significant bit
    measured = np.empty((len(block), n_readout))
    for place, (sample, found) in enumerate(zip(block, outcomes.reshape(len(block), -1), strict=True)):
        if sample.flips is None:
            measured[place] = 1 - 2 * mean_bits(found, n_readout)
        else:
            bits = flip_bits((found[:, None] >> shifts & 1).astype(bool), pairs, sample.flips)
            measured[place] = 1 - 2 * bits.mean(axis=0)
    return measured
