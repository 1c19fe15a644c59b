"""TorchQuantum: its gates one after another, or its static mode, which fuses runs of gates into one unitary."""

from __future__ import annotations

import numpy as np
import torch
import torchquantum as tq
import torchquantum.functional as tqf
from torch import Tensor, nn

from peers.problem import PlainCircuit, Problem, list_paulis, parity_signs
from peers.torch_engine import Simulator, TorchEngine, sample_probabilities

WIRES_PER_BLOCK = (4, 3)
"""Wires per static block for encoder and second module; 4 and 3 were on the plateau at 10 and 12 qubits."""
_PAULIS = {"X": tqf.paulix, "Y": tqf.pauliy, "Z": tqf.pauliz}


class GateList(tq.QuantumModule):
    """A circuit on a `QuantumDevice`.

    Args:
        circuit: The gates.
        wires_per_block: Wires of a fused block in static mode; None: dynamic mode.
    """

    def __init__(self, circuit: PlainCircuit, wires_per_block: int | None) -> None:
        super().__init__()
        self.circuit = circuit
        if wires_per_block is not None:
            self.static_on(wires_per_block=wires_per_block)

    @tq.static_support
    def forward(
        self,
        device: tq.QuantumDevice,
        weights: Tensor,
        features: Tensor | None = None,
        codes: np.ndarray | None = None,
    ) -> None:
        """Apply the gates; `weights` is (angles,), `features` (batch, n_features), `codes` (gates,)."""
        self.q_device = device
        shared = weights.unbind()
        per_sample = () if features is None else features.unbind(1)
        options = {"static": self.static_mode, "parent_graph": self.graph}
        for number, gate in enumerate(self.circuit.gates):
            if gate.name == "cx":
                tqf.cnot(device, wires=list(gate.wires), **options)
            else:
                angle = self.circuit.angle(gate, shared, per_sample)
                tqf.ry(device, wires=list(gate.wires), params=angle, **options)
            if codes is not None and codes[number]:
                for letter, wire in list_paulis(gate, codes[number]):
                    _PAULIS[letter](device, wires=wire)


class TorchQuantumSimulator(Simulator):
    """Circuits of one problem, dynamic or static."""

    def __init__(self, problem: Problem, static: bool) -> None:
        blocks = WIRES_PER_BLOCK if static else (None, None)
        circuits = problem.encoder, problem.circuit
        self.modules = {circuit: GateList(circuit, block) for circuit, block in zip(circuits, blocks, strict=True)}
        self.encode = tq.StateEncoder()
        self.measure: nn.Module = tq.MeasureAll(tq.PauliZ)
        self.signs: Tensor | None = None

    def expectations(self, circuit, weights, features=None, amplitudes=None, codes=None) -> Tensor:
        """See `Simulator.expectations`."""
        return self.measure(self._run(circuit, weights, features, amplitudes, codes))

    def sample(self, circuit, weights, features, shots) -> Tensor:
        """See `Simulator.sample`."""
        if self.signs is None:
            self.signs = torch.from_numpy(parity_signs(circuit.n_qubits))
        state = self._run(circuit, weights, features, None, None).get_states_1d()
        return sample_probabilities(state.abs().square(), shots, self.signs)

    def _run(self, circuit, weights, features, amplitudes, codes) -> tq.QuantumDevice:
        batch = len(features if amplitudes is None else amplitudes)
        device = tq.QuantumDevice(n_wires=circuit.n_qubits, bsz=batch)
        if amplitudes is not None:
            self.encode(device, amplitudes)
        self.modules[circuit](device, weights, features, codes)
        return device


def build(problem: Problem, samples: int, chunk: int, static: bool) -> TorchEngine:
    """TorchQuantum on a problem."""
    return TorchEngine(problem, TorchQuantumSimulator(problem, static), samples, chunk)
