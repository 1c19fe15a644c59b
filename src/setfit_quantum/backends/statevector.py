"""Backends that have the whole final state: what they measure follows from it in one way."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from setfit_quantum.backends.base import Backend, Moments
from setfit_quantum.backends.memory import check_memory
from setfit_quantum.backends.torch_measure import (
    marginal_probabilities,
    pauli_moments,
    pauli_z,
    state_probabilities,
)

if TYPE_CHECKING:
    from setfit_quantum.circuit import Circuit
    from setfit_quantum.noise import PauliErrors


class StatevectorBackend(Backend):
    """A backend that gives the final state as a differentiable tensor, which autograd keeps after every rotation."""

    working_states: ClassVar[tuple[int, int]]
    """States that are held at once beside the kept ones: when evaluating, and in a backward pass (as measured)."""

    @abstractmethod
    def state(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        errors: PauliErrors | None = None,
    ) -> Tensor:
        """The final state, shape (batch, 2**n_qubits)."""

    @abstractmethod
    def _check(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None,
        initial_state: Tensor | None,
        n_readout: int | None,
    ) -> tuple[int, int]:
        """Refuse what cannot be run, and return (batch size, number of measured qubits)."""

    def _check_memory(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None,
        initial_state: Tensor | None,
        batch: int,
        *,
        is_complex: bool,
        n_wires: int | None = None,
    ) -> None:
        """Refuse states that do not fit into memory; `n_wires` where they are wider than the circuit.

        Raises:
            InsufficientMemoryError: With the bytes needed and available.
        """
        inputs = (weights, features, initial_state)
        training = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in inputs)
        n_states = self.working_states[training]
        if training:
            by_weight = weights.requires_grad
            by_feature = features is not None and features.requires_grad
            n_states += sum(
                (by_weight and gate.weight is not None) or (by_feature and gate.feature is not None)
                for gate in circuit.gates
            )
        amplitude = weights.element_size() * (2 if is_complex else 1)
        per_sample = n_states * amplitude * 2 ** (circuit.n_qubits if n_wires is None else n_wires)
        check_memory(
            self.name, lambda samples: samples * per_sample, n_qubits=circuit.n_qubits, batch=batch, training=training,
            device=weights.device,
        )  # fmt: skip

    def probabilities(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        n_readout: int | None = None,
        errors: PauliErrors | None = None,
    ) -> Tensor:
        """Outcome probabilities of the first `n_readout` qubits, shape (batch, 2**n_readout)."""
        _, n_measured = self._check(circuit, weights, features, initial_state, n_readout)
        state = self.state(circuit, weights, features, initial_state, errors=errors)
        return marginal_probabilities(state_probabilities(state), n_measured)

    def expectations(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        n_readout: int | None = None,
        errors: PauliErrors | None = None,
    ) -> Tensor:
        """Expectation of Pauli Z on the first `n_readout` qubits, shape (batch, n_readout)."""
        return pauli_z(
            self.probabilities(circuit, weights, features, initial_state, n_readout=n_readout, errors=errors)
        )

    def moments(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        n_readout: int | None = None,
        errors: PauliErrors | None = None,
    ) -> Moments:
        """Expectations of Z_i and of Z_i Z_j on the first `n_readout` qubits."""
        return pauli_moments(
            self.probabilities(circuit, weights, features, initial_state, n_readout=n_readout, errors=errors)
        )
