"""Gates in plain PyTorch: their matrices, and how a gate acts on the amplitudes of a state.

A state of n qubits is a tensor of 2**n amplitudes, psi[k] for basis state |k>, qubit 0 being the most
significant bit of k. A gate on one wire mixes the amplitudes in pairs whose numbers differ in that wire's
bit alone: (psi_0, psi_1) -> U (psi_0, psi_1). A controlled gate does the same with those pairs whose
control bit is 1. So it is enough to reshape the state until each wire has an axis of its own.

Everything here is out of place and made of sums and products, so autograd differentiates it to any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from setfit_quantum.circuit import GATE_TYPES, Gate

Entry = complex | Tensor
"""A matrix entry: a number, or a tensor of shape () or (batch,)."""
Matrix = tuple[tuple[Entry, Entry], tuple[Entry, Entry]]

_ROOT_HALF = math.sqrt(0.5)
# Entries of real gates are real numbers, so that they leave a real state real.
FIXED_MATRICES: dict[str, Matrix] = {
    "h": ((_ROOT_HALF, _ROOT_HALF), (_ROOT_HALF, -_ROOT_HALF)),
    "x": ((0, 1), (1, 0)),
    "y": ((0, -1j), (1j, 0)),
    "z": ((1, 0), (0, -1)),
    "s": ((1, 0), (0, 1j)),
    "sdg": ((1, 0), (0, -1j)),
    "t": ((1, 0), (0, _ROOT_HALF * (1 + 1j))),
    "tdg": ((1, 0), (0, _ROOT_HALF * (1 - 1j))),
}

# I, X, iY, Z: an error's global phase cannot be measured, and with iY real circuits stay real.
_ERRORS = (((1, 0), (0, 1)), ((0, 1), (1, 0)), ((0, 1), (-1, 0)), ((1, 0), (0, -1)))


def rotation_matrix(axis: str, angle: Tensor) -> Matrix:
    """`R_P(angle) = exp(-i angle P / 2) = cos(angle/2) - i sin(angle/2) P` for the Pauli P of `axis`.

    Args:
        axis: `"x"`, `"y"` or `"z"`.
        angle: Radians, shape () or (batch,).
    """
    cosine, sine = torch.cos(angle / 2), torch.sin(angle / 2)
    if axis == "x":
        return (cosine, -1j * sine), (-1j * sine, cosine)
    if axis == "y":
        return (cosine, -sine), (sine, cosine)
    return (cosine - 1j * sine, 0), (0, cosine + 1j * sine)


def apply_gate(
    state: Tensor, gate: Gate, angle: Tensor | None, *, first_wire: int = 0, conjugate: bool = False
) -> Tensor:
    """Apply one gate to a batch of states.

    Args:
        state: Amplitudes, shape (batch, 2**n).
        gate: The gate.
        angle: Its angle in radians, shape () or (batch,); None for a gate without one.
        first_wire: Added to the gate's wires.
        conjugate: Apply the complex conjugate of the gate's matrix.

    Returns:
        The new amplitudes, shape (batch, 2**n).
    """
    wires = tuple(wire + first_wire for wire in gate.wires)
    if gate.name == "swap":
        split, axes = split_wires(state, wires)
        return split.transpose(*axes).reshape(state.shape)
    controlled = GATE_TYPES[gate.name].n_wires == 2
    name = gate.name[1:] if controlled else gate.name
    matrix = FIXED_MATRICES[name] if angle is None else rotation_matrix(name[1:], angle)
    if conjugate:
        (a, b), (c, d) = matrix
        matrix = (_conjugate(a), _conjugate(b)), (_conjugate(c), _conjugate(d))
    return _apply_controlled(state, matrix, *wires) if controlled else apply_one_wire(state, matrix, *wires)


def apply_one_wire(state: Tensor, matrix: Matrix, wire: int) -> Tensor:
    """Apply a 2x2 matrix to one wire of the states, shape (batch, 2**n)."""
    split, (axis,) = split_wires(state, (wire,))
    return _mix(split, matrix, axis).reshape(state.shape)


def apply_dense(state: Tensor, matrix: Tensor, wires: Sequence[int]) -> Tensor:
    """Apply a matrix of shape (2**m, 2**m) to m wires; the first wire is its most significant bit."""
    split, axes = split_wires(state, wires)
    last = tuple(range(split.ndim - len(axes), split.ndim))
    moved = split.movedim(axes, last)
    mixed = moved.reshape(-1, matrix.shape[0]) @ matrix.T
    return mixed.reshape(moved.shape).movedim(last, axes).reshape(state.shape)


def apply_pauli_error(state: Tensor, codes: Sequence[int], wire: int) -> Tensor:
    """Apply to each sample its own Pauli, up to a global phase.

    Args:
        state: Amplitudes, shape (batch, 2**n).
        codes: One of 0 (I), 1 (X), 2 (Y), 3 (Z) per sample.
        wire: The wire that it acts on.
    """
    real = state.real.dtype
    table = torch.tensor([_ERRORS[code] for code in codes], dtype=real, device=state.device)  # (batch, 2, 2)
    matrix = (table[:, 0, 0], table[:, 0, 1]), (table[:, 1, 0], table[:, 1, 1])
    return apply_one_wire(state, matrix, wire)


def split_wires(state: Tensor, wires: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
    """View a state with an axis of length 2 for each of `wires`.

    Returns:
        The view, shape (batch, 2**a, 2, 2**b, 2, ..), and the axis that belongs to each wire.
    """
    n_qubits = state.shape[1].bit_length() - 1
    ordered = sorted(wires)
    shape = [state.shape[0]]
    for before, wire in zip([-1, *ordered], ordered, strict=False):
        shape += [2 ** (wire - before - 1), 2]
    shape.append(2 ** (n_qubits - ordered[-1] - 1))
    return state.reshape(shape), tuple(2 + 2 * ordered.index(wire) for wire in wires)


def _apply_controlled(state: Tensor, matrix: Matrix, control: int, target: int) -> Tensor:
    split, (control_axis, target_axis) = split_wires(state, (control, target))
    off, on = split.unbind(control_axis)  # amplitudes with control bit 0, and 1
    on = _mix(on, matrix, target_axis - int(target_axis > control_axis))
    return torch.stack((off, on), control_axis).reshape(state.shape)


def _mix(split: Tensor, matrix: Matrix, axis: int) -> Tensor:
    zero, one = split.unbind(axis)
    return torch.stack([_combine(row, zero, one) for row in matrix], axis)


def _combine(row: tuple[Entry, Entry], zero: Tensor, one: Tensor) -> Tensor:
    """`row[0] * zero + row[1] * one`, without the products by the numbers 0 and 1."""
    terms = []
    for entry, amplitudes in zip(row, (zero, one), strict=True):
        if isinstance(entry, Tensor):
            terms.append(entry.reshape(-1, *[1] * (amplitudes.ndim - 1)) * amplitudes)
        elif entry != 0:
            terms.append(amplitudes if entry == 1 else entry * amplitudes)
    return terms[0] if len(terms) == 1 else terms[0] + terms[1]


def _conjugate(entry: Entry) -> Entry:
    return entry.conj() if isinstance(entry, Tensor) else entry.conjugate()
