"""What the backends on PyTorch states share: the first state, where a gate's angle comes from, checks of errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import pad

from setfit_quantum.circuit import Circuit, Gate

if TYPE_CHECKING:
    from setfit_quantum.noise import PauliErrors


def prepare_state(circuit: Circuit, weights: Tensor, initial_state: Tensor | None, batch: int) -> Tensor:
    """Real amplitudes of shape (batch, 2**n_qubits): those given, filled up with zeros, or |0..0>."""
    size = 2**circuit.n_qubits
    if initial_state is None:
        initial_state = weights.new_ones(batch, 1)
    amplitudes = initial_state.to(weights)
    return pad(amplitudes, (0, size - amplitudes.shape[1]))


def build_angle_lookup(weights: Tensor, features: Tensor | None) -> Callable[[Gate], Tensor | None]:
    """A function that gives a gate's angle, shape () or (batch,), or None if it has none."""
    weight_angles = weights.unbind(-1)
    feature_angles = () if features is None else features.to(weights).unbind(-1)

    def angle_of(gate: Gate) -> Tensor | None:
        if gate.weight is not None:
            return weight_angles[gate.weight]
        if gate.feature is not None:
            return feature_angles[gate.feature]
        return None if gate.angle is None else weights.new_full((), gate.angle)

    return angle_of


def check_real(features: Tensor | None, initial_state: Tensor | None) -> None:
    """Refuse features and amplitudes that are not real floating-point numbers.

    Raises:
        ValueError: Naming the argument and its dtype.
    """
    for name, tensor in (("features", features), ("initial_state", initial_state)):
        if tensor is not None and not tensor.is_floating_point():
            raise ValueError(f"Argument `{name}` must hold real floating-point numbers, but has {tensor.dtype}.")


def check_errors(circuit: Circuit, errors: PauliErrors, batch: int) -> None:
    """Refuse Pauli codes that do not fit the circuit.

    Raises:
        ValueError: Wrong shape, or a code that its gate's wires do not have.
    """
    expected = (len(circuit.gates), batch)
    if tuple(errors.codes.shape) != expected:
        raise ValueError(
            f"Argument `errors` must have codes of shape (gates, batch) = {expected}, "
            f"but got {tuple(errors.codes.shape)}."
        )
    for position, gate in enumerate(circuit.gates):
        largest = int(errors.codes[position].max(initial=0))
        if largest >= 4 ** len(gate.wires):
            raise ValueError(
                f"Argument `errors` must have codes below {4 ** len(gate.wires)} after gate {position} ({gate.name}), "
                f"but got {largest}."
            )
