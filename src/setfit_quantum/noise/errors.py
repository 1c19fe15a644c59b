"""Pauli errors drawn from a noise model: for each gate and sample, which Pauli follows the gate.

Errors are rare, so they are drawn sparsely, and exactly: of all (gate, sample) cells a binomial number of candidates
is chosen at the largest rate of any gate, without replacement; a candidate then becomes each Pauli with that gate's
probability divided by the largest rate, or nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from setfit_quantum.checks import check_int
from setfit_quantum.noise.channels import pauli_probabilities
from setfit_quantum.noise.identity import ById

if TYPE_CHECKING:
    from setfit_quantum.circuit import Circuit
    from setfit_quantum.noise.model import NoiseModel


@dataclass(frozen=True, eq=False)
class PauliErrors:
    """Paulis inserted after gates.

    Args:
        codes: uint8, shape (n_gates, batch). Entry (g, b) is the Pauli that follows gate g in sample b: 0 = I,
            1 = X, 2 = Y, 3 = Z for one-wire gates; 4 * a + b for two-wire gates, `a` acting on the gate's first
            wire and `b` on its second.

    Raises:
        TypeError: `codes` is not a two-dimensional uint8 array.
    """

    codes: np.ndarray

    def __post_init__(self) -> None:
        codes = self.codes
        if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8 or codes.ndim != 2:
            raise TypeError(f"Argument `codes` must be a uint8 array of shape (n_gates, batch), but got {codes!r}.")

    @property
    def n_gates(self) -> int:
        """Number of gate positions."""
        return int(self.codes.shape[0])

    @property
    def batch(self) -> int:
        """Number of samples."""
        return int(self.codes.shape[1])


class ShotErrors(NamedTuple):
    """The errors of all shots of one sample, shots of equal errors together.

    Args:
        clean: Number of shots without any error.
        errors: One column for each different set of errors that occurred.
        shots: Number of shots of each column, shape (columns,); with `clean` they add up to all shots.
    """

    clean: int
    errors: PauliErrors
    shots: np.ndarray


def draw_errors(
    circuit: Circuit, noise: NoiseModel, batch: int, rng: np.random.Generator, shared: bool = False
) -> PauliErrors:
    """Draw the errors of one run of `circuit` for each of `batch` samples.

    Args:
        circuit: The circuit.
        noise: Its Pauli part is drawn (depolarizing, and dephasing without T1).
        batch: Number of samples.
        rng: Source of randomness.
        shared: Draw once for the whole batch, as the paper's published code does, instead of once per sample.

    Raises:
        ValueError: `noise` has amplitude damping (T1).
    """
    plan = _plan(circuit, noise)
    columns = 1 if shared else check_int("batch", batch, minimum=1)
    codes = np.zeros((len(circuit.gates), columns), dtype=np.uint8)
    gates, places, paulis = _draw_cells(plan, columns, rng)
    codes[gates, places] = paulis
    return PauliErrors(np.repeat(codes, batch, axis=1) if shared else codes)


def draw_faulty_errors(circuit: Circuit, noise: NoiseModel, count: int, rng: np.random.Generator) -> PauliErrors:
    """Draw the errors of `count` runs, each given that at least one error happens.

    Exact: the first error's place follows its conditional law, gates before it have none, and gates after it are
    drawn as usual.

    Raises:
        ValueError: `noise` never causes an error, or has amplitude damping (T1).
    """
    plan = _plan(circuit, noise)
    codes = np.zeros((len(circuit.gates), check_int("count", count, minimum=0)), dtype=np.uint8)
    if not count:
        return PauliErrors(codes)
    if plan.clean == 1:
        raise ValueError("Argument `noise` causes no errors in this circuit, so none can be drawn.")
    columns = np.arange(count)
    uniforms = rng.random((2, count))
    first = np.searchsorted(plan.first_error, uniforms[0] * plan.first_error[-1], side="right")
    first = np.minimum(first, plan.last_noisy)
    paulis = _invert(plan, first, uniforms[1] * plan.cumulative[first, -1])
    codes[first, columns] = np.minimum(paulis, 15)
    gates, places, paulis = _draw_cells(plan, count, rng)
    later = gates > first[places]
    codes[gates[later], places[later]] = paulis[later]
    return PauliErrors(codes)


def draw_shot_errors(circuit: Circuit, noise: NoiseModel, shots: int, rng: np.random.Generator) -> ShotErrors:
    """Draw fresh errors for every one of `shots` shots of one sample, as on a device.

    Shots without an error need one simulation together; so do shots whose errors happen to be the same.

    Raises:
        ValueError: `shots` is less than 1, or `noise` has amplitude damping (T1).
    """
    check_int("shots", shots, minimum=1)
    clean = int(rng.binomial(shots, clean_probability(circuit, noise)))
    faulty = draw_faulty_errors(circuit, noise, shots - clean, rng).codes
    if shots == clean:
        return ShotErrors(clean, PauliErrors(faulty), np.zeros(0, dtype=np.int64))
    # Columns as byte strings in a dict: 20 times faster here than np.unique over an axis.
    text, width = faulty.T.tobytes(), len(faulty)
    counts = Counter(text[start : start + width] for start in range(0, len(text), width))
    distinct = np.frombuffer(b"".join(counts), dtype=np.uint8).reshape(len(counts), width)
    shots_of = np.fromiter(counts.values(), dtype=np.int64, count=len(counts))
    return ShotErrors(clean, PauliErrors(np.ascontiguousarray(distinct.T)), shots_of)


def clean_probability(circuit: Circuit, noise: NoiseModel) -> float:
    """Probability that a run of `circuit` has no error at all."""
    return _plan(circuit, noise).clean


class _Plan(NamedTuple):
    """What drawing needs to know of a circuit and its noise."""

    largest: float
    """The largest total error probability of any gate."""
    cumulative: np.ndarray
    """(n_gates, 15): probability of the Paulis 1 .. c together, divided by `largest`."""
    first_error: np.ndarray
    """(n_gates,): probability that an error has happened by gate g."""
    clean: float
    last_noisy: int


def _plan(circuit: Circuit, noise: NoiseModel) -> _Plan:
    return _cached_plan(ById(circuit), noise)


@lru_cache(maxsize=64)
def _cached_plan(key: ById, noise: NoiseModel) -> _Plan:
    probabilities = pauli_probabilities(key.circuit, noise)
    cumulative = np.cumsum(probabilities[:, 1:], axis=1)
    totals = cumulative[:, -1] if len(cumulative) else np.zeros(0)
    largest = float(totals.max(initial=0.0))
    with np.errstate(divide="ignore"):  # A rate of 1 gives log(0) = -inf, which is right.
        log_clean = np.cumsum(np.log1p(-np.minimum(totals, 1.0)))
    return _Plan(
        largest=min(1.0, largest),
        cumulative=cumulative / largest if largest else cumulative,
        first_error=-np.expm1(log_clean),
        clean=float(np.prod(probabilities[:, 0])),
        last_noisy=int(np.flatnonzero(totals)[-1]) if largest else 0,
    )


def _draw_cells(plan: _Plan, columns: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gates, columns and Pauli codes of independent errors in a (n_gates, columns) table."""
    cells = len(plan.cumulative) * columns
    count = int(rng.binomial(cells, plan.largest)) if plan.largest and cells else 0
    if not count:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing
    positions = rng.choice(cells, count, replace=False, shuffle=False)
    gates, places = np.divmod(positions, columns)
    paulis = _invert(plan, gates, rng.random(count))
    # Candidates beyond their gate's own rate are no errors.
    return gates, places, np.where(paulis < 16, paulis, 0)


def _invert(plan: _Plan, gates: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Pauli code of each uniform number by the gate's cumulative probabilities; 16 beyond the last."""
    return np.asarray(1 + (uniforms[:, None] >= plan.cumulative[gates]).sum(axis=1))
