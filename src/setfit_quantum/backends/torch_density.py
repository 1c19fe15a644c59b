"""Exact noisy evolution in plain PyTorch: the density matrix instead of a state.

A density matrix rho evolves as `U rho U^+` under a gate and as `sum_k K_k rho K_k^+` under a noise channel
with Kraus operators K_k. Written row by row as one vector, rho of n qubits is a "state" of 2n wires: the
first n are its rows, the last n its columns. Then U acts on the row wires and its conjugate on the column
wires, and a channel is the matrix `sum_k K_k (x) conj(K_k)` on both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from setfit_quantum.backends.torch_gates import apply_dense, apply_gate
from setfit_quantum.circuit import Circuit, Gate

Channel = tuple[tuple[int, ...], NDArray[np.complex128]]
"""Wires, and Kraus operators of shape (K, 2**m, 2**m) on them."""
MAX_QUBITS = 8
"""A density matrix has 4**n entries, and autograd keeps a few per gate."""


def evolve_density(
    state: Tensor,
    circuit: Circuit,
    channels: Sequence[Sequence[Channel]],
    angle_of: Callable[[Gate], Tensor | None],
) -> Tensor:
    """Run a circuit with a list of channels after each gate.

    Args:
        state: Initial real amplitudes, shape (batch, 2**n).
        circuit: The circuit.
        channels: For each position in `circuit.gates`, the channels that follow that gate.
        angle_of: Gives a gate's angle in radians, shape () or (batch,).

    Returns:
        Density matrices, shape (batch, 2**n, 2**n); real where the gates and channels keep them real.

    Raises:
        ValueError: The channels do not fit the circuit.
    """
    if len(channels) != len(circuit.gates):
        raise ValueError(
            f"`noise.kraus_channels` must give a list for each of {len(circuit.gates)} gates, but gave {len(channels)}."
        )
    maps = [[(wires, _superoperator(wires, kraus)) for wires, kraus in after] for after in channels]
    is_real = circuit.is_real and not any(np.any(matrix.imag) for after in maps for _, matrix in after)
    batch, size = state.shape
    density = (state[:, :, None] * state[:, None, :]).reshape(batch, size * size)
    if not is_real:
        density = density.to(density.dtype.to_complex())
    for gate, after in zip(circuit.gates, maps, strict=True):
        angle = angle_of(gate)
        density = apply_gate(density, gate, angle)
        density = apply_gate(density, gate, angle, first_wire=circuit.n_qubits, conjugate=True)
        for wires, matrix in after:
            tensor = torch.as_tensor(matrix.real if is_real else matrix).to(density)
            density = apply_dense(density, tensor, (*wires, *(wire + circuit.n_qubits for wire in wires)))
    return density.reshape(batch, size, size)


def _superoperator(wires: tuple[int, ...], kraus: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """`sum_k K_k (x) conj(K_k)`, shape (4**m, 4**m): what a channel does to the entries of rho."""
    size = 2 ** len(wires)
    if kraus.ndim != 3 or kraus.shape[1:] != (size, size):
        raise ValueError(
            f"Kraus operators on wires {wires} must have shape (K, {size}, {size}), but got {kraus.shape}."
        )
    product: NDArray[np.complex128] = np.einsum("kij,klm->iljm", kraus, kraus.conj())
    return product.reshape(size * size, size * size)
