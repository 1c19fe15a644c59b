"""Measuring: from amplitudes to outcome probabilities, and from those to moments of Pauli Z."""

from __future__ import annotations

import torch
from torch import Tensor

from setfit_quantum.backends.base import Moments


def marginal_probabilities(probabilities: Tensor, n_measured: int) -> Tensor:
    """Sum over the outcomes of all but the first `n_measured` qubits.

    Args:
        probabilities: Of all basis states, shape (batch, 2**n).
        n_measured: m.

    Returns:
        Shape (batch, 2**m), qubit 0 the most significant bit.
    """
    batch, size = probabilities.shape
    return probabilities.reshape(batch, 2**n_measured, size // 2**n_measured).sum(-1)


def state_probabilities(state: Tensor) -> Tensor:
    """Born's rule: `|psi_k|**2`, shape (batch, 2**n)."""
    if state.is_complex():
        # Not abs(): its derivative does not exist where an amplitude is 0.
        return state.real.square() + state.imag.square()
    return state.square()


def pauli_z(probabilities: Tensor) -> Tensor:
    """<Z_q> of every qubit, qubit by qubit from the most significant one.

    `<Z_0> = P(bit is 0) - P(bit is 1)`; adding both halves then leaves the distribution of the other qubits.

    Args:
        probabilities: Shape (batch, 2**m).

    Returns:
        Shape (batch, m).
    """
    values = []
    while probabilities.shape[1] > 1:
        up, down = probabilities.chunk(2, dim=1)
        values.append((up - down).sum(1))
        probabilities = up + down
    return torch.stack(values, 1) if values else probabilities.new_zeros(probabilities.shape[0], 0)


def pauli_moments(probabilities: Tensor) -> Moments:
    """<Z_i> and <Z_i Z_j> from outcome probabilities of shape (batch, 2**m)."""
    z = pauli_z(probabilities)
    batch, n_measured = z.shape
    rows = []
    for qubit in range(n_measured):
        up, down = probabilities.chunk(2, dim=1)
        # up - down weighs each outcome of the later qubits with this qubit's Z.
        rows.append(torch.cat((z.new_zeros(batch, qubit + 1), pauli_z(up - down)), 1))
        probabilities = up + down
    upper = torch.stack(rows, 1)
    identity = torch.eye(n_measured, dtype=z.dtype, device=z.device)
    return Moments(z, upper + upper.mT + identity)
