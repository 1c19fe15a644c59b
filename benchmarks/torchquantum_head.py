"""The paper's head as a TorchQuantum user would write it: the rival of the training-step benchmark.

Two ways of running the same gates: one call of `torchquantum.functional` after another, and TorchQuantum's static
mode, which computes the matrices of all rotations together and fuses runs of gates on few wires into one unitary.
"""

from __future__ import annotations

import torch
import torchquantum as tq
import torchquantum.functional as tqf
from torch import Tensor, nn

from setfit_quantum import Circuit, QuantumHead


class GateList(tq.QuantumModule):
    """A circuit of RY and CNOT gates on a `QuantumDevice`.

    Args:
        circuit: The gates.
        wires_per_block: Wires of a fused block in static mode; None: dynamic mode.
    """

    def __init__(self, circuit: Circuit, wires_per_block: int | None) -> None:
        super().__init__()
        self.circuit = circuit
        if wires_per_block is not None:
            self.static_on(wires_per_block=wires_per_block)

    @tq.static_support
    def forward(self, device: tq.QuantumDevice, weights: Tensor, features: Tensor | None = None) -> None:
        """Apply the gates; `weights` is (num_parameters,), `features` (batch, n_features)."""
        self.q_device = device
        shared = weights.unbind()
        per_sample = () if features is None else features.unbind(1)
        options = {"static": self.static_mode, "parent_graph": self.graph}
        for gate in self.circuit.gates:
            if gate.name == "cx":
                tqf.cnot(device, wires=list(gate.wires), **options)
            else:
                angle = shared[gate.weight] if gate.feature is None else per_sample[gate.feature]
                tqf.ry(device, wires=list(gate.wires), params=angle, **options)


class TorchQuantumHead(nn.Module):
    """A copy of `head` (one quantum encoder, no amplitude bias) with its weights, on TorchQuantum alone.

    Args:
        head: Where circuits and weights come from.
        wires_per_block: Wires of fused blocks of the encoder and of the second module in static mode; None: dynamic.
    """

    def __init__(self, head: QuantumHead, wires_per_block: tuple[int, int] | None = None) -> None:
        super().__init__()
        circuits = head.encoder_circuit(0), head.circuit
        blocks = (None, None) if wires_per_block is None else wires_per_block
        self.encoder_gates, self.gates = (GateList(*pair) for pair in zip(circuits, blocks, strict=True))
        # Named and shaped as in `head`, so that gradients can be compared one by one.
        for name, parameter in head.named_parameters():
            if not name.startswith("linear."):
                self.register_parameter(name.replace(".", "_"), nn.Parameter(parameter.detach().clone()))
        self.linear = nn.Linear(head.config.n_measured, head.out_features)
        self.linear.load_state_dict(head.linear.state_dict())
        self.state_encoder = tq.StateEncoder()
        self.measure = tq.MeasureAll(tq.PauliZ)

    def expectations(self, x: Tensor) -> Tensor:
        """Pauli-Z expectations of the second module, shape (batch, n_qubits)."""
        device = tq.QuantumDevice(n_wires=self.encoder_gates.circuit.n_qubits, bsz=x.shape[0])
        self.state_encoder(device, x)
        self.encoder_gates(device, self.encoder_weights[0])
        n_qubits = self.gates.circuit.n_qubits
        latents = self.measure(device)[:, :n_qubits] * self.encoder_scale[0]
        device = tq.QuantumDevice(n_wires=n_qubits, bsz=x.shape[0])
        self.gates(device, self.circuit_weights, latents)
        return self.measure(device)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and probabilities, each (batch, out_features), as the head returns them."""
        logits = self.linear(self.expectations(x))
        return logits, torch.softmax(logits, dim=-1)
