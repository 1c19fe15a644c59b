"""What a noise model does after each gate: idle times, Kraus operators, and Pauli probabilities.

The codes of Paulis are I = 0, X = 1, Y = 2, Z = 3, so that the product of two Paulis has (up to a phase) the XOR of
their codes; on two wires the code is 4 * first + second.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from setfit_quantum.circuit import Circuit
    from setfit_quantum.noise.model import NoiseModel

Channel: TypeAlias = tuple[tuple[int, ...], np.ndarray]

PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=complex)
"""I, X, Y, Z."""


def relaxation_times(circuit: Circuit, noise: NoiseModel) -> list[tuple[float, ...]]:
    """Seconds for which each wire of each gate relaxes: from the gate's start to the wire's next gate, or the end.

    Gates are scheduled in moments, each gate as early as its wires allow. A moment lasts as long as its longest
    gate. All wires are measured together, after the last moment.

    Returns:
        For each gate, one time per wire, in the order of `gate.wires`.
    """
    free_from = [0] * circuit.n_qubits
    moments: list[int] = []
    durations: list[float] = []
    for gate in circuit.gates:
        moment = max(free_from[wire] for wire in gate.wires)
        moments.append(moment)
        if moment == len(durations):
            durations.append(0.0)
        durations[moment] = max(durations[moment], noise.gate_time(gate))
        for wire in gate.wires:
            free_from[wire] = moment + 1
    starts = np.concatenate([[0.0], np.cumsum(durations)])
    next_start = [float(starts[-1])] * circuit.n_qubits
    times: list[tuple[float, ...]] = []
    for gate, moment in zip(reversed(circuit.gates), reversed(moments), strict=True):
        begin = float(starts[moment])
        times.append(tuple(next_start[wire] - begin for wire in gate.wires))
        for wire in gate.wires:
            next_start[wire] = begin
    return times[::-1]


def depolarizing_kraus(p: float, n_wires: int) -> np.ndarray:
    """Kraus operators of depolarizing with total Pauli probability `p`, shape (4**n, 2**n, 2**n)."""
    paulis = PAULIS
    if n_wires == 2:
        paulis = np.stack([np.kron(first, second) for first in PAULIS for second in PAULIS])
    count = len(paulis)
    weights = np.full(count, p / (count - 1))
    weights[0] = 1 - p
    return np.asarray(np.sqrt(weights)[:, None, None] * paulis)


def relaxation_kraus(time: float, t1: float | None, t2: float | None) -> np.ndarray:
    """Kraus operators of amplitude damping to |0> and dephasing for `time` seconds, shape (3, 2, 2).

    The population of |1> decays as exp(-time / T1), coherences as exp(-time / T2).
    """
    decay = 1.0 if t1 is None else math.exp(-time / t1)
    coherence = math.sqrt(decay) if t2 is None else math.exp(-time / t2)
    # What dephasing must add to the coherence left by damping, sqrt(decay); at most 1 because T2 <= 2 T1.
    pure = min(1.0, coherence / math.sqrt(decay)) if decay else 0.0
    keep = math.sqrt((1 + pure) / 2) * np.diag([1, math.sqrt(decay)])
    flip = math.sqrt((1 - pure) / 2) * np.diag([1, -math.sqrt(decay)])
    jump = np.array([[0, math.sqrt(1 - decay)], [0, 0]])
    return np.stack([keep, flip, jump]).astype(complex)


def build_channels(circuit: Circuit, noise: NoiseModel) -> list[list[Channel]]:
    """See `NoiseModel.kraus_channels`."""
    times = relaxation_times(circuit, noise) if noise.has_relaxation else None
    channels: list[list[Channel]] = []
    for position, gate in enumerate(circuit.gates):
        after: list[Channel] = []
        if noise.gate_error(gate) > 0:
            after.append((gate.wires, depolarizing_kraus(noise.gate_error(gate), len(gate.wires))))
        if times is not None:
            for wire, time in zip(gate.wires, times[position], strict=True):
                if time > 0:
                    after.append(((wire,), relaxation_kraus(time, noise.t1, noise.t2)))
        channels.append(after)
    return channels


def pauli_probabilities(circuit: Circuit, noise: NoiseModel) -> np.ndarray:
    """Probability of each Pauli after each gate, shape (n_gates, 16); one-wire gates use codes 0 .. 3.

    Raises:
        ValueError: The noise has amplitude damping (T1), which is no mixture of Paulis.
    """
    if not noise.is_pauli:
        raise ValueError(
            "Amplitude damping (`t1`) is not a mixture of Pauli errors and cannot be drawn as one; "
            "backend='torch' evolves the density matrix exactly."
        )
    probabilities = np.zeros((len(circuit.gates), 16))
    times = relaxation_times(circuit, noise) if noise.has_relaxation else None
    for position, gate in enumerate(circuit.gates):
        count = 4 ** len(gate.wires)
        row = probabilities[position]
        row[:count] = noise.gate_error(gate) / (count - 1)
        row[0] = 1 - noise.gate_error(gate)
        if times is not None and noise.t2 is not None:
            for place, time in enumerate(reversed(times[position])):
                phase_flip = -math.expm1(-time / noise.t2) / 2
                # Multiplying by Z on one wire XORs that wire's two bits of the code with 3.
                row[:] = (1 - phase_flip) * row + phase_flip * row[np.arange(16) ^ (3 << (2 * place))]
    return probabilities
