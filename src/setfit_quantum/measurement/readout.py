"""Readout error: what flips of the measured bits do to expectations, to moments, to probabilities, and to bits.

With a = p(1|0) and b = p(0|1), `P'(0) = (1 - a) P(0) + b P(1)`, so `z' = (1 - a - b) z + (b - a)`: affine on Z. Flips
of different qubits are independent, so the error of an outcome distribution is the tensor product of the qubits'.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.backends.base import Moments


def readout_affine(pairs: np.ndarray, like: Tensor) -> tuple[Tensor, Tensor]:
    """Slope and intercept of each qubit's Z, two tensors of shape (m,).

    Args:
        pairs: `(p(1|0), p(0|1))` of each measured qubit, shape (m, 2).
        like: Gives the dtype and device.
    """
    slope, intercept = 1 - pairs[:, 0] - pairs[:, 1], pairs[:, 1] - pairs[:, 0]
    return torch.as_tensor(slope).to(like), torch.as_tensor(intercept).to(like)


def misread_expectations(z: Tensor, pairs: np.ndarray) -> Tensor:
    """Expectations of the measured bits, shape (batch, m)."""
    slope, intercept = readout_affine(pairs, z)
    return slope * z + intercept


def misread_moments(moments: Moments, pairs: np.ndarray) -> Moments:
    """Moments of the measured bits; `<Z_i Z_j>' = <(a_i Z_i + b_i)(a_j Z_j + b_j)>` for i != j, and 1 for i = j."""
    slope, intercept = readout_affine(pairs, moments.z)
    z = slope * moments.z
    zz = (
        torch.outer(slope, slope) * moments.zz
        + z[:, :, None] * intercept
        + z[:, None, :] * intercept[:, None]
        + torch.outer(intercept, intercept)
    )
    identity = torch.eye(len(slope), dtype=zz.dtype, device=zz.device)
    return Moments(z + intercept, zz * (1 - identity) + identity)


def misread_probabilities(probabilities: Tensor, pairs: np.ndarray) -> Tensor:
    """Probabilities of the outcomes as read, shape (batch, 2**m)."""
    batch = probabilities.shape[0]
    for qubit, (up, down) in enumerate(pairs):
        matrix = probabilities.new_tensor([[1 - up, down], [up, 1 - down]])  # [read, true]
        split = probabilities.reshape(batch, 2**qubit, 2, -1)
        probabilities = torch.einsum("rt,bltk->blrk", matrix, split).reshape(batch, -1)
    return probabilities


def flip_bits(bits: np.ndarray, pairs: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Flip 0 with p(1|0) and 1 with p(0|1).

    Args:
        bits: 0 or 1, shape (shots, m).
        pairs: `(p(1|0), p(0|1))` of each qubit, shape (m, 2).
        uniforms: Random numbers in [0, 1), shape (shots, m).
    """
    return bits ^ (uniforms < np.where(bits, pairs[:, 1], pairs[:, 0]))
