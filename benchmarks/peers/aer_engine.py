"""Qiskit Aer: statevector simulation of one circuit per sample; it has no gradients but parameter shifts."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator

from peers.problem import PlainCircuit, Problem, list_paulis, parity_signs

_PAULIS = {"X": "x", "Y": "y", "Z": "z"}


class AerEngine:
    """One problem, inference only, in single precision.

    Args:
        problem: What to compute.
        samples: The first so many samples are used.
        threads: Threads of one simulation.
    """

    def __init__(self, problem: Problem, samples: int, threads: int) -> None:
        self.problem = problem
        self.x = problem.x[:samples]
        self.rng = np.random.default_rng(0)
        options = {"method": "statevector", "precision": "single", "max_parallel_threads": threads}
        # Fusion is on by default. Circuits of a batch are run side by side where they are small.
        self.simulator = AerSimulator(max_parallel_experiments=threads, **options)
        self.signs = {circuit: parity_signs(circuit.n_qubits) for circuit in (problem.encoder, problem.circuit)}

    def values(self, codes: np.ndarray | None = None) -> np.ndarray:
        """Exact expectations, under fixed errors where given."""
        circuits = [self._build_second(latents, codes) for latents in self._latents()]
        return self._probabilities(self.problem.circuit, circuits) @ self.signs[self.problem.circuit].T

    def sampled(self) -> np.ndarray:
        """Expectations from shots."""
        circuits = []
        for latents in self._latents():
            circuit = self._build_second(latents, None)
            circuit.measure_all()
            circuits.append(circuit)
        result = self.simulator.run(circuits, shots=self.problem.shots).result()
        rows = []
        for number in range(len(circuits)):
            total = np.zeros(self.problem.circuit.n_qubits)
            for outcome, count in result.get_counts(number).items():
                total += count * self.signs[self.problem.circuit][:, int(outcome, 2)]
            rows.append(total / self.problem.shots)
        return np.stack(rows)

    def infer(self) -> None:
        """One inference under the case's condition."""
        condition = self.problem.case.condition
        if condition == "shots":
            self.sampled()
        else:
            self.values(self.problem.draw_codes(self.rng)[:, 0] if condition == "noisy" else None)

    def _latents(self) -> np.ndarray:
        parts = []
        for e, share in enumerate(self.problem.shares):
            circuits = []
            for x in self.x:
                amplitudes = np.zeros(2**self.problem.encoder.n_qubits)
                amplitudes[: len(x)] = x
                circuit = QuantumCircuit(self.problem.encoder.n_qubits)
                circuit.set_statevector(amplitudes / np.linalg.norm(amplitudes))
                _apply(circuit, self.problem.encoder, self.problem.parameters["encoder_weights"][e], None, None)
                circuits.append(circuit)
            z = self._probabilities(self.problem.encoder, circuits) @ self.signs[self.problem.encoder][:share].T
            parts.append(z * self.problem.parameters["scale"][e])
        return np.concatenate(parts, axis=1)

    def _build_second(self, latents: np.ndarray, codes: np.ndarray | None) -> QuantumCircuit:
        circuit = QuantumCircuit(self.problem.circuit.n_qubits)
        _apply(circuit, self.problem.circuit, self.problem.parameters["circuit_weights"], latents, codes)
        return circuit

    def _probabilities(self, plain: PlainCircuit, circuits: list[QuantumCircuit]) -> np.ndarray:
        """Outcome probabilities, shape (batch, 2**n_qubits)."""
        for circuit in circuits:
            circuit.save_probabilities()
        result = self.simulator.run(circuits).result()
        return np.stack([result.data(number)["probabilities"] for number in range(len(circuits))])


def _apply(circuit: QuantumCircuit, plain: PlainCircuit, weights, features, codes) -> None:
    """Append the gates; Qiskit's qubit 0 is the least significant bit."""
    last = plain.n_qubits - 1
    for number, gate in enumerate(plain.gates):
        wires = [last - wire for wire in gate.wires]
        if gate.name == "cx":
            circuit.cx(*wires)
        else:
            circuit.ry(float(plain.angle(gate, weights, features)), wires[0])
        if codes is not None and codes[number]:
            for letter, wire in list_paulis(gate, codes[number]):
                getattr(circuit, _PAULIS[letter])(last - wire)


def build(problem: Problem, samples: int, chunk: int, threads: int = 1) -> AerEngine:
    """Aer on a problem."""
    return AerEngine(problem, samples, threads)
