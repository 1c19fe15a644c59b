"""Backends that have the whole final state: what they measure follows from it in one way."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from torch import Tensor

from setfit_quantum.backends.base import Backend, Moments
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
    """A backend that gives the final state as a differentiable tensor."""

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
