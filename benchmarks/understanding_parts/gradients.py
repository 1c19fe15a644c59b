"""Variance of the gradient over random starts, against qubits and depth (barren plateaus)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from setfit_quantum.backends import get_backend
from setfit_quantum.circuit.ansatz import build_encoder, build_reuploading
from setfit_quantum.config import MAX_CONNECTIVITY
from setfit_quantum.head.encoders import (
    component_generator,
    identity_angles,
    initialize_angles,
    prepare_amplitudes,
)

N_BLOCKS = 10
"""The draws are cut into so many blocks, whose slopes tell the slope's standard error."""

NEAR = 0.1
"""Standard deviation in radians of the latents of `latent_response`."""
MAX_RESPONSE = 500
"""Draws of `latent_response` at most: it has a backward sweep for each qubit."""
FROM = 8
"""`slope_end` is that of the circuits of so many qubits and more."""

Gradients = NDArray[np.float64]


def second_module_gradients(
    n_qubits: int, n_reuploads: int, n_layers: int, initialization: str, n_draws: int, seed: int
) -> Gradients:
    """Derivatives of <Z_0> of the second module by each of its angles, one draw a row.

    A draw is of the angles, as `initialization` says ("identity" has nothing to draw), and of the latents, uniform in
    [-pi, pi].

    Args:
        n_qubits: Q.
        n_reuploads: N.
        n_layers: L of PQC2; PQC1 has one, and the connectivity is 1.
        initialization: As in `QuantumHeadConfig`.
        n_draws: Rows.
        seed: Of the draws.

    Returns:
        Shape (n_draws, number of angles).
    """
    circuit = build_reuploading(n_qubits, n_reuploads, 1, n_layers, 1)
    weights = _draw_angles(circuit.num_parameters, n_qubits, initialization, n_draws, seed)
    latents = torch.empty(n_draws, n_qubits)
    initialize_angles(latents, "uniform", component_generator(seed, 1))
    weights.requires_grad_()
    get_backend("numba").expectations(circuit, weights, latents, n_readout=1).sum().backward()
    assert weights.grad is not None
    return weights.grad.double().numpy()


def latent_response(
    n_qubits: int, n_reuploads: int, n_layers: int, initialization: str, n_draws: int, seed: int
) -> float:
    """How much of an encoder's change the second module passes on: 1 if each <Z_q> follows its latent one to one.

    The root mean square of the Jacobian's norm, d<Z> by d latent, over sqrt(Q). Latents are normal with standard
    deviation `NEAR`, since an encoder that has not been trained gives little else than numbers near 0.

    Args:
        n_qubits: Q.
        n_reuploads: N.
        n_layers: L of PQC2.
        initialization: Of the angles.
        n_draws: Draws of angles and latents.
        seed: Of the draws.
    """
    circuit = build_reuploading(n_qubits, n_reuploads, 1, n_layers, 1)
    weights = _draw_angles(circuit.num_parameters, n_qubits, initialization, n_draws, seed)
    latents = NEAR * torch.randn(n_draws, n_qubits, generator=component_generator(seed, 1))
    latents.requires_grad_()
    measured = get_backend("numba").expectations(circuit, weights, latents)
    rows = [torch.autograd.grad(measured[:, q].sum(), latents, retain_graph=True)[0] for q in range(n_qubits)]
    return float(torch.stack(rows).double().square().sum(dim=(0, 2)).mean().div(n_qubits).sqrt())


def encoder_gradients(
    n_qubits: int, n_layers: int, initialization: str, bias: float, n_draws: int, seed: int
) -> tuple[Gradients, Gradients]:
    """Derivatives of <Z_0> of an encoder by each of its angles, one draw of angles and embedding a row.

    Embeddings are uniform on the unit sphere of 2**n_qubits - 1 dimensions; with the constant amplitude the register
    is full.

    Args:
        n_qubits: Qubits of the encoder.
        n_layers: Layers of its PQC, of connectivity 9 (or n_qubits - 1 where less).
        initialization: "uniform" or "small".
        bias: The constant amplitude, greater than 0.
        n_draws: Rows.
        seed: Of the draws.

    Returns:
        The derivatives, and those of the part of <Z_0> that is linear in the embedding (the one that changes sign with
        it), each of shape (n_draws, number of angles).
    """
    circuit = build_encoder(n_qubits, n_layers, min(MAX_CONNECTIVITY, n_qubits - 1))
    weights = torch.empty(n_draws, circuit.num_parameters)
    initialize_angles(weights, initialization, component_generator(seed, 0))
    embeddings = torch.randn(n_draws, 2**n_qubits - 1, generator=component_generator(seed, 1))
    found = []
    for sign in (1, -1):
        leaf = weights.clone().requires_grad_()
        amplitudes = prepare_amplitudes(sign * embeddings, bias)
        get_backend("numba").expectations(circuit, leaf, None, amplitudes, n_readout=1).sum().backward()
        assert leaf.grad is not None
        found.append(leaf.grad.double().numpy())
    return found[0], (found[0] - found[1]) / 2


def _draw_angles(n_angles: int, n_qubits: int, initialization: str, n_draws: int, seed: int) -> torch.Tensor:
    if initialization == "identity":
        return identity_angles(n_qubits).repeat(n_draws, 1)
    weights = torch.empty(n_draws, n_angles)
    initialize_angles(weights, initialization, component_generator(seed, 0))
    return weights


def mean_variance(gradients: Gradients) -> float:
    """Variance over the draws, its mean over the angles."""
    return float(gradients.var(axis=0, ddof=1).mean())


def slope(qubits: Sequence[int], variances: Sequence[float]) -> float:
    """Least-squares slope of log2(variance) against the number of qubits."""
    return float(np.polyfit(qubits, np.log2(variances), 1)[0])


def describe(qubits: Sequence[int], found: Sequence[Gradients]) -> dict[str, Any]:
    """Variances and their slopes for one kind of circuit.

    Args:
        qubits: Numbers of qubits.
        found: Gradients for each, shape (draws, angles).

    Returns:
        `variance` (over draws, mean over angles), `largest` (of the angle with most), and slopes in log2 per qubit:
        `slope` with its standard error `slope_error`, `slope_end` from `FROM` qubits on, and `slope_largest`.
    """
    variances = [mean_variance(gradients) for gradients in found]
    largest = [float(gradients.var(axis=0, ddof=1).max()) for gradients in found]
    first = min(sum(n_qubits < FROM for n_qubits in qubits), len(qubits) - 2)
    blocks = [
        slope(qubits, [mean_variance(gradients[block::N_BLOCKS]) for gradients in found]) for block in range(N_BLOCKS)
    ]
    return {
        "variance": variances,
        "largest": largest,
        "slope": slope(qubits, variances),
        "slope_error": float(np.std(blocks, ddof=1) / np.sqrt(N_BLOCKS)),
        "slope_end": slope(qubits[first:], variances[first:]),
        "slope_largest": slope(qubits, largest),
    }


def scan_second_module(
    cases: Sequence[tuple[int, int, str]], qubits: Sequence[int], n_draws: int
) -> list[dict[str, Any]]:
    """`describe` and `latent_response` for cases of (n_reuploads, n_layers, initialization)."""
    rows = []
    for case in cases:
        found = [second_module_gradients(n_qubits, *case, n_draws, n_qubits) for n_qubits in qubits]
        response = [latent_response(n_qubits, *case, min(n_draws, MAX_RESPONSE), n_qubits) for n_qubits in qubits]
        row = dict(zip(("n_reuploads", "n_layers", "initialization"), case, strict=True))
        rows.append(row | describe(qubits, found) | {"response": response})
    return rows


def scan_encoder(
    cases: Sequence[tuple[int, str]], bias: float, qubits: Sequence[int], n_draws: int
) -> list[dict[str, Any]]:
    """`describe` for cases of (n_layers, initialization), of all and of the linear part (`linear`)."""
    rows = []
    for case in cases:
        found = [encoder_gradients(n_qubits, *case, bias, n_draws, n_qubits) for n_qubits in qubits]
        row: dict[str, Any] = dict(zip(("n_layers", "initialization"), case, strict=True))
        row |= describe(qubits, [both[0] for both in found])
        rows.append(row | {"linear": describe(qubits, [both[1] for both in found])})
    return rows
