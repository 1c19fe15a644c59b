"""Shot noise: the differentiable samplers `"gaussian"` and `"paper"`.

All random numbers come from one numpy generator, row after row, so that they depend neither on the number of threads
nor on how a batch is cut into pieces.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.backends.base import Moments

JITTER = 1e-6
"""Added to the covariance of one shot (whose diagonal is at most 1), so that certain outcomes have a root and a finite
gradient. It adds 1e-6 / shots to a variance of up to 1 / shots."""


def add_gaussian_shots(moments: Moments, shots: int, rng: np.random.Generator) -> Tensor:
    """Expectations as estimated from `shots` shots: Gaussian, with their exact mean and covariance.

    The covariance of the estimates is `(<Z_i Z_j> - <Z_i><Z_j>) / shots`. Unbiased at any number of qubits, and
    differentiable; a value may lie outside [-1, 1] by about one standard error, since cutting it off would bias it.

    Args:
        moments: Exact moments of the outcomes, readout error included, of m qubits.
        shots: Number of shots.
        rng: Source of randomness.

    Returns:
        Shape (batch, m), dtype and device of the moments.
    """
    z = moments.z.double()
    root = _cholesky(moments.zz.double() - z[:, :, None] * z[:, None, :])
    normal = torch.from_numpy(rng.standard_normal(tuple(z.shape))).to(z.device)
    noise = (root @ normal[:, :, None]).squeeze(2) / shots**0.5
    result: Tensor = moments.z + noise.to(moments.z.dtype)
    return result


def _cholesky(covariance: Tensor) -> Tensor:
    """Lower Cholesky factors, shape (batch, m, m).

    Moments in single precision may leave a singular covariance slightly negative; such rows, and only they, get
    more jitter.

    Raises:
        ValueError: A row is no covariance at all (or not finite).
    """
    identity = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    jitter = covariance.new_full((len(covariance), 1, 1), JITTER)
    for _ in range(4):
        factor: Tensor
        factor, info = torch.linalg.cholesky_ex(covariance + jitter * identity)
        if not bool(info.any()):
            return factor
        jitter = torch.where(info[:, None, None] > 0, 10 * jitter, jitter)
    rows = torch.nonzero(info).flatten().tolist()
    raise ValueError(
        f"The moments of samples {rows[:5]} are not those of any distribution (covariance not positive, or not finite)."
    )


def add_paper_shots(probabilities: Tensor, shots: int, rng: np.random.Generator, renormalise: bool = True) -> Tensor:
    """Outcome probabilities as estimated from `shots` shots, by the paper's equations (1) and (2).

    `p~ = p + shots**-0.5 * A eps` with `A A^T = diag(p) - p p^T`; negative entries are then set to 0. Where
    `shots * p` is small for most outcomes, that over-weights rare outcomes and pulls expectations towards 0: use it to
    reproduce the paper, and `"gaussian"` to train.

    Args:
        probabilities: Exact probabilities of the outcomes, readout error included, shape (batch, 2**m).
        shots: Number of shots.
        rng: Source of randomness.
        renormalise: Whether the rectified probabilities are scaled to add up to 1, as the paper's published code does.

    Returns:
        Shape (batch, 2**m).

    Source: arXiv 2504.08732, Eq. (1), (2).
    """
    normal = torch.from_numpy(rng.standard_normal(tuple(probabilities.shape))).to(probabilities)
    # The floor keeps the root's gradient finite where an outcome is impossible.
    scaled = probabilities.clamp_min(1e-12).sqrt() * normal
    # (sqrt(p) eps - p sum(sqrt(p) eps)) has covariance diag(p) - p p^T.
    noise = scaled - probabilities * scaled.sum(1, keepdim=True)
    noisy: Tensor = (probabilities + noise / shots**0.5).clamp_min(0)
    return noisy / noisy.sum(1, keepdim=True) if renormalise else noisy


def expectations_from_probabilities(probabilities: Tensor) -> Tensor:
    """<Z_q> of each measured qubit, shape (batch, m); qubit 0 is the most significant bit."""
    values = []
    while probabilities.shape[1] > 1:
        zero, one = probabilities.chunk(2, dim=1)
        values.append((zero - one).sum(1))
        probabilities = zero + one
    return torch.stack(values, 1)
