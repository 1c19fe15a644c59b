"""Averages over noise trajectories: a circuit run several times, each time with its own random Pauli errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.circuit import Circuit
from setfit_quantum.noise import (
    NoiseModel,
    PauliErrors,
    clean_probability,
    draw_errors,
    draw_faulty_errors,
    rotate_constants,
)

MAX_AMPLITUDES = 2**24
"""Amplitudes that one call of a backend may hold; more rows are run in several calls."""


class Program(NamedTuple):
    """A circuit with its angles: `weights` (P,) or (batch, P), `features` (batch, F) or None."""

    circuit: Circuit
    weights: Tensor
    features: Tensor | None

    @property
    def batch(self) -> int:
        """Number of samples."""
        if self.features is not None:
            return int(self.features.shape[0])
        return int(self.weights.shape[0]) if self.weights.ndim == 2 else 1

    @property
    def max_rows(self) -> int:
        """Number of rows that one call of a backend may run."""
        return int(max(1, MAX_AMPLITUDES // 2**self.circuit.n_qubits))

    def rows(self, numbers: np.ndarray) -> Program:
        """The samples of the given numbers (repeats allowed) as a batch; without features, one row per number."""
        index = None
        weights, features = self.weights, self.features
        if features is not None:
            index = _index(numbers, features)
            features = features[index]
        if weights.ndim == 2:
            weights = weights[_index(numbers, weights) if index is None else index]
        elif features is None:
            # Nothing else says how many rows there are.
            weights = weights.expand(len(numbers), -1)
        return Program(self.circuit, weights, features)


Statistic = Callable[[Program, "PauliErrors | None"], "tuple[Tensor, ...]"]
"""Something exact about the outcomes of each row: tensors of shape (rows, ...)."""


def apply_rotation_error(program: Program, noise: NoiseModel) -> Program:
    """The same program with coherent over-rotation: every angle becomes `scale * angle + offset`."""
    if not noise.has_rotation_error:
        return program
    scale, offset = noise.rotation_scale, noise.rotation_offset
    features = program.features
    if features is not None and noise.noisy_encoding:
        features = features * scale + offset
    return Program(rotate_constants(program.circuit, noise), program.weights * scale + offset, features)


def is_random(circuit: Circuit, noise: NoiseModel | None) -> bool:
    """Whether runs of the circuit differ from one another."""
    return noise is not None and clean_probability(circuit, noise) < 1


def average_trajectories(
    statistic: Statistic,
    program: Program,
    noise: NoiseModel,
    n_trajectories: int,
    rng: np.random.Generator,
    *,
    stratified: bool,
    shared: bool,
) -> tuple[Tensor, ...]:
    """Average a statistic over trajectories.

    Args:
        statistic: What to average.
        program: Circuit and angles.
        noise: A model whose channels are Pauli channels.
        n_trajectories: Runs per sample.
        rng: Source of randomness; used sample after sample.
        stratified: Make one of several runs the run without errors and give it the probability of that, and draw
            errors only for the others. The mean stays the same and its variance falls to at most
            (1 - P0) n / (n - 1) of that of plain averaging of n runs, P0 being the probability of no error.
        shared: Use the same errors for all samples.

    Returns:
        The statistic's tensors, shape (batch, ...).
    """
    circuit, batch = program.circuit, program.batch
    if not is_random(circuit, noise):
        return statistic(program, None)
    if n_trajectories == 1:
        errors = draw_errors(circuit, noise, batch, rng, shared=shared)
        return statistic(program, drop_if_none(errors))
    shares = np.full(n_trajectories, 1 / n_trajectories)
    if stratified:
        clean = clean_probability(circuit, noise)
        shares = np.full(n_trajectories, (1 - clean) / (n_trajectories - 1))
        shares[0] = clean

    def draw() -> np.ndarray:
        if not stratified:
            return draw_errors(circuit, noise, n_trajectories, rng).codes
        faulty = draw_faulty_errors(circuit, noise, n_trajectories - 1, rng).codes
        return np.concatenate([np.zeros_like(faulty[:, :1]), faulty], axis=1)

    common = draw() if shared else None
    samples = max(1, program.max_rows // n_trajectories)
    blocks = []
    for start in range(0, batch, samples):
        numbers = np.arange(start, min(batch, start + samples))
        # (n_gates, samples, n_trajectories)
        codes = np.stack([draw() if common is None else common for _ in numbers], axis=1)
        blocks.append(_average_block(statistic, program, numbers, codes, shares))
    return _join(blocks)


def _average_block(
    statistic: Statistic, program: Program, numbers: np.ndarray, codes: np.ndarray, shares: np.ndarray
) -> tuple[Tensor, ...]:
    """Weighted mean over trajectories for the samples `numbers`, in pieces that fit into one call."""
    totals: list[Tensor] = []
    step = max(1, program.max_rows // len(numbers))
    for start in range(0, len(shares), step):
        piece = codes[:, :, start : start + step]
        rows = program.rows(np.repeat(numbers, piece.shape[2]))
        errors = PauliErrors(np.ascontiguousarray(piece.reshape(len(codes), -1)))
        values = statistic(rows, drop_if_none(errors))
        for place, value in enumerate(values):
            split = value.reshape(len(numbers), piece.shape[2], *value.shape[1:])
            weight = value.new_tensor(shares[start : start + step]).reshape(1, -1, *[1] * (value.ndim - 1))
            part = (split * weight).sum(1)
            if start:
                totals[place] = totals[place] + part
            else:
                totals.append(part)
    return tuple(totals)


def drop_if_none(errors: PauliErrors) -> PauliErrors | None:
    """The errors, or None where there are none, which lets a backend run its noiseless path."""
    return errors if errors.codes.any() else None


def _join(blocks: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return blocks[0] if len(blocks) == 1 else tuple(torch.cat(parts) for parts in zip(*blocks, strict=True))


def _index(numbers: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(numbers, dtype=np.int64)).to(like.device)
