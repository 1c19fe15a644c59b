"""One case as plain arrays and gate lists, so that a rival's process needs nothing of this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from peers.cases import NOISE_PRESET, Case

if TYPE_CHECKING:
    from setfit_quantum import Circuit, QuantumHead

PAULI_LETTERS = "IXYZ"
CHECK_RATE = 0.02
"""Error probability of a gate in the fixed errors by which noisy runs are compared: a few errors at every size."""


class PlainGate(NamedTuple):
    """`"ry"` with the number of its weight or feature (else -1), or `"cx"` with control and target."""

    name: str
    wires: tuple[int, ...]
    weight: int
    feature: int


@dataclass(frozen=True, eq=False)  # looked up by identity, which costs nothing
class PlainCircuit:
    """A circuit of RY and CNOT gates; qubit 0 is the most significant bit of a basis state's number."""

    n_qubits: int
    gates: tuple[PlainGate, ...]

    def angle(self, gate: PlainGate, weights, features):
        """The angle of an `"ry"`, out of anything that can be indexed."""
        return weights[gate.weight] if gate.weight >= 0 else features[gate.feature]


@dataclass(frozen=True)
class Problem:
    """A head's circuits and weights, and a batch.

    Args:
        case: What it belongs to.
        encoder: Circuit of every encoder; its initial state is the embedding.
        circuit: The second module; feature q is the latent of qubit q.
        shares: How many of its expectations each encoder hands on.
        parameters: `encoder_weights` (encoders, angles), `scale` (encoders,), `circuit_weights`, `linear_weight`
            (classes, qubits) and `linear_bias`, all float32; gradients are compared in this order.
        x: Embeddings of norm 1, shape (batch, in_features), float32.
        labels: Shape (batch,).
        codes: Fixed Pauli errors behind the second module's gates, the same for all samples, uint8 (gates,).
        rates: Probability of an error behind a one-qubit and behind a two-qubit gate.
        shots: Shots per sample, or None.
        seed: What weights and batch were drawn from.
    """

    case: Case
    encoder: PlainCircuit
    circuit: PlainCircuit
    shares: tuple[int, ...]
    parameters: dict[str, np.ndarray]
    x: np.ndarray
    labels: np.ndarray
    codes: np.ndarray
    rates: tuple[float, float]
    shots: int | None
    seed: int

    def draw_codes(self, rng: np.random.Generator, columns: int = 1) -> np.ndarray:
        """Fresh Pauli errors behind the second module's gates, uint8 (gates, columns)."""
        return draw_codes(self.circuit, self.rates, rng, columns)


def build_head(case: Case, seed: int) -> QuantumHead:
    """The package's head of a case, with that case's noise and shots."""
    from peers.cases import SHOTS
    from setfit_quantum import QuantumHead

    return QuantumHead.from_preset(
        case.preset,
        case.qubits,
        case.in_features,
        seed=seed,
        backend="numba",
        noise=NOISE_PRESET if case.condition == "noisy" else None,
        n_trajectories=1 if case.condition == "noisy" else None,
        shots=SHOTS if case.condition == "shots" else None,
    )


def build_problem(head: QuantumHead, case: Case, seed: int) -> Problem:
    """Take a head's circuits and weights apart, and draw a batch."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((case.batch, case.in_features), dtype=np.float32)
    noise = head.noise
    rates = (0.0, 0.0) if noise is None else (noise.p1, noise.p2)
    circuit = _plain(head.circuit)
    tensors = {
        "encoder_weights": head.encoder.weights,
        "scale": head.encoder.scale,
        "circuit_weights": head.circuit_weights,
        "linear_weight": head.linear.weight,
        "linear_bias": head.linear.bias,
    }
    return Problem(
        case=case,
        encoder=_plain(head.encoder_circuit(0)),
        circuit=circuit,
        shares=tuple(head.encoder.shares),
        parameters={name: tensor.detach().numpy().copy() for name, tensor in tensors.items()},
        x=x / np.linalg.norm(x, axis=1, keepdims=True),
        labels=np.arange(case.batch) % 2,
        codes=draw_codes(circuit, (CHECK_RATE, CHECK_RATE), rng, 1)[:, 0],
        rates=rates,
        shots=head.shots,
        seed=seed,
    )


def draw_codes(circuit: PlainCircuit, rates: tuple[float, float], rng: np.random.Generator, columns: int) -> np.ndarray:
    """Pauli errors, uint8 (gates, columns): 0 none; 1 to 3 on one wire; 4 a + b on two."""
    two = np.array([len(gate.wires) == 2 for gate in circuit.gates])[:, None]
    shape = (len(circuit.gates), columns)
    happens = rng.random(shape) < np.where(two, rates[1], rates[0])
    which = 1 + (rng.random(shape) * np.where(two, 15, 3)).astype(np.uint8)
    return np.where(happens, which, 0).astype(np.uint8)


def list_paulis(gate: PlainGate, code: int) -> list[tuple[str, int]]:
    """Letters and wires of the Pauli behind a gate; empty for code 0."""
    digits = (code,) if len(gate.wires) == 1 else divmod(int(code), 4)
    return [(PAULI_LETTERS[digit], wire) for digit, wire in zip(digits, gate.wires, strict=True) if digit]


def parity_signs(n_qubits: int) -> np.ndarray:
    """Pauli Z of every qubit on every basis state, shape (n_qubits, 2**n_qubits), float32."""
    states = np.arange(2**n_qubits)
    return np.stack([1 - 2 * ((states >> (n_qubits - 1 - qubit)) & 1) for qubit in range(n_qubits)]).astype(np.float32)


def _plain(circuit: Circuit) -> PlainCircuit:
    gates = tuple(
        PlainGate(
            gate.name,
            tuple(gate.wires),
            -1 if gate.weight is None else gate.weight,
            -1 if gate.feature is None else gate.feature,
        )
        for gate in circuit.gates
    )
    return PlainCircuit(circuit.n_qubits, gates)
