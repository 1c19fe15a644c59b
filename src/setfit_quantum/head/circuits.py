"""The head's circuits, to look at and to take elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from setfit_quantum.circuit import Circuit
from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.head.encoders import ClassicalEncoder, QuantumEncoders

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


class HeadCircuits(nn.Module):
    """Circuits with trained angles, as `Circuit`, Qiskit, OpenQASM 3 and text."""

    config: QuantumHeadConfig
    circuit: Circuit
    circuit_weights: nn.Parameter
    encoder: QuantumEncoders | ClassicalEncoder
    _ansatz: tuple[Circuit, Circuit] | None

    @property
    def ansatz(self) -> tuple[Circuit, Circuit] | None:
        """The user's PQC1 and PQC2, or None for the paper's layers."""
        return self._ansatz

    def check_built(self) -> None:
        """Raise ValueError if the width of the embedding is not known yet."""
        if not self.encoder.is_built:
            raise ValueError("Argument `in_features` must be given, or a first batch seen, before this can be told.")

    def encoder_circuit(self, e: int = 0) -> Circuit:
        """Encoder `e`'s gates (all encoders have the same; the embedding is their initial state)."""
        if not isinstance(self.encoder, QuantumEncoders):
            raise ValueError(f"Argument `encoder` must be 'quantum' to have a circuit, but is {self.config.encoder!r}.")
        self.check_built()
        if not 0 <= e < self.config.n_encoders:
            raise ValueError(f"Argument `e` must be between 0 and {self.config.n_encoders - 1}, but got {e}.")
        assert self.encoder.circuit is not None
        return self.encoder.circuit

    def encoder_to_qiskit(self, e: int = 0) -> QuantumCircuit:
        """Encoder `e`'s gates with its trained angles, without the preparation of the state."""
        circuit = self.encoder_circuit(e)
        assert isinstance(self.encoder, QuantumEncoders)
        return circuit.bind(weights=self.encoder.weights[e].tolist()).to_qiskit()

    def bound_circuit(self, latent: Tensor | np.ndarray | None = None) -> Circuit:
        """The second module with its trained angles; the latent stays free, or is bound to one given row."""
        features = None if latent is None else torch.as_tensor(latent).flatten().tolist()
        return self.circuit.bind(weights=self.circuit_weights.tolist(), features=features)

    def to_qiskit(self, latent: Tensor | np.ndarray | None = None) -> QuantumCircuit:
        """The second module as a Qiskit circuit; see `bound_circuit`."""
        return self.bound_circuit(latent).to_qiskit()

    def to_qasm3(self, latent: Tensor | np.ndarray | None = None) -> str:
        """The second module as OpenQASM 3 text; see `bound_circuit`."""
        return self.bound_circuit(latent).to_qasm3()

    def draw(self, output: str = "text", *, max_width: int = 100) -> Any:
        """The second module as text, as a matplotlib figure or for a notebook; see `Circuit.draw`."""
        return self.circuit.draw(output, max_width=max_width)
