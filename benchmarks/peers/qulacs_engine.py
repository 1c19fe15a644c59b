"""Qulacs: its states and gates, one sample at a time, with gradients by an adjoint sweep over its gates.

Qulacs' own `backprop` starts from |0..0>, so it cannot do an encoder, whose initial state is the embedding.
"""

from __future__ import annotations

import numpy as np
import torch
from qulacs import Observable, QuantumState
from qulacs.gate import CNOT, RY, X, Y, Z
from torch import Tensor

from peers.problem import PlainCircuit, Problem, list_paulis, parity_signs
from peers.torch_engine import Simulator, TorchEngine

_PAULIS = {"X": X, "Y": Y, "Z": Z}


def _wire(n_qubits: int, wire: int) -> int:
    """Qulacs counts qubits from the least significant bit."""
    return n_qubits - 1 - wire


class QulacsSimulator(Simulator):
    """Circuits as lists of Qulacs' gates, rebuilt for every sample, since angles differ."""

    def __init__(self, problem: Problem) -> None:
        self.signs = {
            circuit: parity_signs(circuit.n_qubits).astype(np.float64) for circuit in (problem.encoder, problem.circuit)
        }
        self.fixed = {circuit: self._fixed_gates(circuit) for circuit in (problem.encoder, problem.circuit)}
        self.generators = {circuit: self._generators(circuit.n_qubits) for circuit in self.signs}

    def expectations(self, circuit, weights, features=None, amplitudes=None, codes=None) -> Tensor:
        """See `Simulator.expectations`."""
        if codes is not None and torch.is_grad_enabled():
            codes = codes.copy()
        return _Run.apply(self, circuit, codes, weights, features, amplitudes)

    def sample(self, circuit, weights, features, shots) -> Tensor:
        """See `Simulator.sample`."""
        rows = []
        for row in range(len(features)):
            state, _ = self.evolve(circuit, weights.numpy(), features[row].numpy(), None, None)
            rows.append(self.signs[circuit][:, state.sampling(shots)].mean(axis=1))
        return torch.from_numpy(np.stack(rows))

    def evolve(self, circuit, weights, features, amplitudes, codes):
        """The final state of one sample, and the gates that made it: (gate, its inverse, the angle's gate or None)."""
        n_qubits = circuit.n_qubits
        state = QuantumState(n_qubits)
        if amplitudes is not None:
            full = np.zeros(2**n_qubits, complex)
            full[: len(amplitudes)] = amplitudes
            state.load(full)
        applied = []
        for number, gate in enumerate(circuit.gates):
            if gate.name == "cx":
                operation = inverse = self.fixed[circuit][gate.wires]
                applied.append((operation, inverse, None))
            else:
                target, angle = _wire(n_qubits, gate.wires[0]), float(circuit.angle(gate, weights, features))
                operation = RY(target, -angle)  # Qulacs' RY(t) is exp(+i t Y / 2)
                applied.append((operation, RY(target, angle), gate))
            operation.update_quantum_state(state)
            if codes is not None and codes[number]:
                for letter, wire in list_paulis(gate, codes[number]):
                    operation = _PAULIS[letter](_wire(n_qubits, wire))
                    operation.update_quantum_state(state)
                    applied.append((operation, operation, None))
        return state, applied

    def measure(self, circuit: PlainCircuit, state: QuantumState) -> np.ndarray:
        """Pauli Z of every qubit."""
        return self.signs[circuit] @ np.abs(state.get_vector()) ** 2

    def sweep_back(self, circuit, state, applied, cotangent) -> tuple[np.ndarray, np.ndarray]:
        """Gradients by weights and by features of sum(cotangent * z); undoes `state`."""
        n_features = sum({gate.feature: 1 for gate in circuit.gates if gate.feature >= 0}.values())
        by_weight = np.zeros(1 + max(gate.weight for gate in circuit.gates))
        by_feature = np.zeros(n_features)
        other = QuantumState(circuit.n_qubits)
        other.load((cotangent @ self.signs[circuit]) * state.get_vector())
        for _, inverse, gate in reversed(applied):
            if gate is not None:
                # With lambda = O psi: dL/dtheta = 2 Re <lambda| -i Y / 2 |psi> = Im <lambda| Y |psi>.
                y = self.generators[circuit][gate.wires[0]]
                slope = y.get_transition_amplitude(other, state).imag
                if gate.weight >= 0:
                    by_weight[gate.weight] += slope
                else:
                    by_feature[gate.feature] += slope
            inverse.update_quantum_state(state)
            inverse.update_quantum_state(other)
        return by_weight, by_feature

    @staticmethod
    def _fixed_gates(circuit: PlainCircuit):
        n_qubits = circuit.n_qubits
        pairs = {gate.wires for gate in circuit.gates if gate.name == "cx"}
        return {(control, target): CNOT(_wire(n_qubits, control), _wire(n_qubits, target)) for control, target in pairs}

    @staticmethod
    def _generators(n_qubits: int) -> list[Observable]:
        generators = []
        for wire in range(n_qubits):
            generators.append(Observable(n_qubits))
            generators[-1].add_operator(1.0, f"Y {_wire(n_qubits, wire)}")
        return generators


class _Run(torch.autograd.Function):
    """Expectations of a batch, sample by sample."""

    @staticmethod
    def forward(ctx, simulator, circuit, codes, weights, features, amplitudes):
        batch = len(features if amplitudes is None else amplitudes)
        # The states and gates are kept only where a gradient will need them.
        ctx.runs = [] if any(ctx.needs_input_grad) else None
        ctx.simulator, ctx.circuit = simulator, circuit
        ctx.has_features = features is not None
        values = []
        for row in range(batch):
            own_features = None if features is None else features[row].numpy()
            own_amplitudes = None if amplitudes is None else amplitudes[row].numpy()
            state, applied = simulator.evolve(circuit, weights.numpy(), own_features, own_amplitudes, codes)
            values.append(simulator.measure(circuit, state))
            if ctx.runs is not None:
                ctx.runs.append((state, applied))
        return torch.from_numpy(np.stack(values)).float()

    @staticmethod
    def backward(ctx, gradient):
        parts = [
            ctx.simulator.sweep_back(ctx.circuit, *run, row.double().numpy())
            for run, row in zip(ctx.runs, gradient, strict=True)
        ]
        by_weight = torch.from_numpy(np.sum([part[0] for part in parts], axis=0)).float()
        by_feature = torch.from_numpy(np.stack([part[1] for part in parts])).float() if ctx.has_features else None
        return None, None, None, by_weight, by_feature, None


def build(problem: Problem, samples: int, chunk: int) -> TorchEngine:
    """Qulacs on a problem."""
    return TorchEngine(problem, QulacsSimulator(problem), samples, chunk)
