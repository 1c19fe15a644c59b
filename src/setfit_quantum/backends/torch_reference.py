"""The readable reference backend: plain PyTorch, any gate, any device, differentiable to any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from setfit_quantum.backends.base import BackendError, Capabilities, Moments, check_inputs
from setfit_quantum.backends.statevector import StatevectorBackend
from setfit_quantum.backends.torch_density import MAX_QUBITS, evolve_density
from setfit_quantum.backends.torch_gates import apply_gate, apply_pauli_error
from setfit_quantum.backends.torch_inputs import build_angle_lookup, check_errors, check_real, prepare_state
from setfit_quantum.backends.torch_measure import (
    marginal_probabilities,
    pauli_moments,
)
from setfit_quantum.circuit import GATE_TYPES, Circuit, Gate

if TYPE_CHECKING:
    from setfit_quantum.noise import NoiseModel, PauliErrors


class TorchBackend(StatevectorBackend):
    """Applies the gates one after another to a batch of states and lets autograd do the rest.

    Memory grows with the number of gates when gradients are asked for: autograd keeps each intermediate
    state. Circuits of real gates are run in real arithmetic.
    """

    name: ClassVar[str] = "torch"
    capabilities: ClassVar[Capabilities] = Capabilities(
        gates=frozenset(GATE_TYPES),
        dtypes=(torch.float32, torch.float64),
        devices=("cpu", "cuda"),
        gradients="autograd",
        higher_order=True,
        trajectories=True,
        density_matrix=MAX_QUBITS,
        probabilities=True,
    )
    working_states: ClassVar[tuple[int, int]] = (3, 5)

    def state(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        errors: PauliErrors | None = None,
    ) -> Tensor:
        """The final state, shape (batch, 2**n_qubits); complex only if the circuit has complex gates.

        With `errors` it is right up to a global phase (Y errors are applied as iY).

        Raises:
            ValueError: Shapes that do not fit the circuit.
            BackendError: A precision other than float32 and float64.
        """
        batch, _ = self._check(circuit, weights, features, initial_state, None)
        if errors is not None:
            check_errors(circuit, errors, batch)
        state = prepare_state(circuit, weights, initial_state, batch)
        if not circuit.is_real:
            state = state.to(state.dtype.to_complex())
        angle_of = build_angle_lookup(weights, features)
        for position, gate in enumerate(circuit.gates):
            state = apply_gate(state, gate, angle_of(gate))
            if errors is not None and errors.codes[position].any():
                codes = errors.codes[position]
                # A two-wire code is 4 * (Pauli on the first wire) + (Pauli on the second).
                per_wire = (codes,) if len(gate.wires) == 1 else (codes // 4, codes % 4)
                for wire, wire_codes in zip(gate.wires, per_wire, strict=True):
                    state = apply_pauli_error(state, wire_codes.tolist(), wire)
        return state

    def density(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        noise: NoiseModel,
    ) -> Tensor:
        """The final density matrix under `noise`, shape (batch, 2**n_qubits, 2**n_qubits).

        Args:
            circuit: At most 8 qubits.
            weights: Angles in radians, shape (num_parameters,) or (batch, num_parameters).
            features: Angles in radians, shape (batch, n_features).
            initial_state: Real amplitudes, shape (batch, at most 2**n_qubits).
            noise: Its gate channels and coherent over-rotation act; readout error does not.

        Raises:
            BackendError: More qubits than the limit.
        """
        batch, _ = self._check(circuit, weights, features, initial_state, None)
        n_qubits = circuit.n_qubits
        if n_qubits > MAX_QUBITS:
            needed = 4**n_qubits * batch * 2 * weights.element_size()
            raise BackendError(
                f"Backend {self.name!r} evolves density matrices of at most {MAX_QUBITS} qubits, but got {n_qubits} "
                f"(one batch of {batch} would need up to {needed:,} bytes per gate); use noise trajectories instead."
            )
        self._check_memory(
            circuit, weights, features, initial_state, batch, is_complex=True, n_wires=2 * n_qubits
        )  # a density matrix is a state of twice as many wires
        angle_of = build_angle_lookup(weights, features)

        def noisy_angle(gate: Gate) -> Tensor | None:
            angle = angle_of(gate)
            if angle is None:
                return None
            scale, offset = noise.rotation_error(gate)
            return angle * scale + offset

        state = prepare_state(circuit, weights, initial_state, batch)
        return evolve_density(state, circuit, noise.kraus_channels(circuit), noisy_angle)

    def moments_density(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        noise: NoiseModel,
        n_readout: int | None = None,
    ) -> Moments:
        """Exact moments under `noise`, by evolving the density matrix (readout error not included).

        Raises:
            BackendError: More than 8 qubits.
        """
        return pauli_moments(
            self.probabilities_density(circuit, weights, features, initial_state, noise=noise, n_readout=n_readout)
        )

    def probabilities_density(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        noise: NoiseModel,
        n_readout: int | None = None,
    ) -> Tensor:
        """Exact outcome probabilities under `noise`, shape (batch, 2**n_readout) (readout error not included).

        Raises:
            BackendError: More than 8 qubits.
        """
        _, n_measured = self._check(circuit, weights, features, initial_state, n_readout)
        density = self.density(circuit, weights, features, initial_state, noise=noise)
        return marginal_probabilities(density.diagonal(dim1=1, dim2=2).real, n_measured)

    def _check(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None,
        initial_state: Tensor | None,
        n_readout: int | None,
    ) -> tuple[int, int]:
        if weights.dtype not in self.capabilities.dtypes:
            raise BackendError(
                f"Backend {self.name!r} computes in float32 or float64, but `weights` has {weights.dtype}."
            )
        check_real(features, initial_state)
        batch, n_measured = check_inputs(circuit, weights, features, initial_state, n_readout)
        self._check_memory(circuit, weights, features, initial_state, batch, is_complex=not circuit.is_real)
        return batch, n_measured
