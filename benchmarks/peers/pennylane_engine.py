"""PennyLane: default.qubit with backpropagation and broadcasting, lightning.qubit with adjoint gradients in a loop."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import torch
from torch import Tensor

from peers.problem import PlainCircuit, Problem, list_paulis
from peers.torch_engine import Simulator, TorchEngine

_PAULIS = {"X": qml.PauliX, "Y": qml.PauliY, "Z": qml.PauliZ}


class PennyLaneSimulator(Simulator):
    """QNodes that are built from the gate list.

    Args:
        lightning: lightning.qubit, one sample at a time, instead of default.qubit with broadcasting.
    """

    def __init__(self, lightning: bool) -> None:
        self.lightning = lightning
        self.devices: dict[int, qml.devices.Device] = {}

    def expectations(self, circuit, weights, features=None, amplitudes=None, codes=None) -> Tensor:
        """See `Simulator.expectations`."""
        return self._run(circuit, weights, features, amplitudes, codes, None)

    def sample(self, circuit, weights, features, shots) -> Tensor:
        """See `Simulator.sample`."""
        return self._run(circuit, weights, features, None, None, shots)

    def _run(self, circuit, weights, features, amplitudes, codes, shots) -> Tensor:
        node = self._build_node(circuit, codes, shots)
        if not self.lightning:
            return torch.stack(node(weights, features, amplitudes), dim=-1)
        rows = range(len(features if amplitudes is None else amplitudes))
        results = [
            torch.stack(
                node(weights, *(None if rows_of is None else rows_of[row] for rows_of in (features, amplitudes)))
            )
            for row in rows
        ]
        return torch.stack(results)

    def _build_node(self, circuit: PlainCircuit, codes: np.ndarray | None, shots: int | None):
        def program(weights, features, amplitudes):
            if amplitudes is not None:
                qml.StatePrep(amplitudes, wires=range(circuit.n_qubits), pad_with=0.0)
            columns = () if features is None else features.unbind(-1)
            for number, gate in enumerate(circuit.gates):
                if gate.name == "cx":
                    qml.CNOT(gate.wires)
                else:
                    qml.RY(circuit.angle(gate, weights, columns), wires=gate.wires)
                if codes is not None and codes[number]:
                    for letter, wire in list_paulis(gate, codes[number]):
                        _PAULIS[letter](wire)
            return [qml.expval(qml.PauliZ(wire)) for wire in range(circuit.n_qubits)]

        method = None if shots else "adjoint" if self.lightning else "backprop"
        node = qml.QNode(program, self._device(circuit.n_qubits), interface="torch", diff_method=method)
        return qml.set_shots(node, shots=shots) if shots else node

    def _device(self, n_qubits: int) -> qml.devices.Device:
        if n_qubits not in self.devices:
            self.devices[n_qubits] = (
                qml.device("lightning.qubit", wires=n_qubits, c_dtype=np.complex64)
                if self.lightning
                else qml.device("default.qubit", wires=n_qubits)
            )
        return self.devices[n_qubits]


def build(problem: Problem, samples: int, chunk: int, lightning: bool) -> TorchEngine:
    """PennyLane on a problem; lightning's loop holds one sample at a time anyway."""
    return TorchEngine(problem, PennyLaneSimulator(lightning), samples, 1 if lightning else chunk)
