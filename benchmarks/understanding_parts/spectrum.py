"""Fourier spectrum of the second module's expectations as functions of one latent angle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from setfit_quantum.backends import Backend, get_backend
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.head.encoders import component_generator, initialize_angles

N_POINTS = 16
"""Points of the grid on [0, 2 pi): frequencies below 8 are told apart exactly."""
FREQUENCIES = 7


def amplitudes(
    n_qubits: int,
    n_reuploads: int,
    n_layers: int,
    n_draws: int,
    *,
    initialization: str = "uniform",
    backend: Backend | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Amplitude of each frequency of <Z_q> as a function of latent 0, `sum_k a_k cos(k x + phase_k)`.

    Args:
        n_qubits: Q.
        n_reuploads: N; no frequency is higher.
        n_layers: L of PQC2.
        n_draws: Draws of all angles and of the other latents (uniform in [-pi, pi]).
        initialization: Of the angles, as in `QuantumHeadConfig`, but "identity".
        backend: What runs it; None: the CPU engine.
        dtype: Precision.
        seed: Of the draws.

    Returns:
        Shape (n_draws, FREQUENCIES, n_qubits), from frequency 0 on.

    Source: Schuld, Sweke, Meyer, arXiv 2008.08605.
    """
    circuit = build_reuploading(n_qubits, n_reuploads, 1, n_layers, 1)
    weights = torch.empty(n_draws, circuit.num_parameters, dtype=dtype)
    initialize_angles(weights, initialization, component_generator(seed, 0))
    latents = torch.empty(n_draws, n_qubits, dtype=dtype)
    initialize_angles(latents, "uniform", component_generator(seed, 1))
    latents = latents.repeat_interleave(N_POINTS, dim=0)
    grid = torch.arange(N_POINTS, dtype=dtype) * (2 * torch.pi / N_POINTS)
    latents[:, 0] = grid.repeat(n_draws)
    engine = get_backend("numba") if backend is None else backend
    with torch.no_grad():
        values = engine.expectations(circuit, weights.repeat_interleave(N_POINTS, dim=0), latents)
    found = np.abs(np.fft.rfft(values.double().numpy().reshape(n_draws, N_POINTS, n_qubits), axis=1)) / N_POINTS
    found[:, 1:] *= 2
    return found[:, :FREQUENCIES]


def scan_reuploads(
    reuploads: Sequence[int], n_qubits: int, n_layers: int, n_draws: int, initializations: Sequence[str]
) -> list[dict[str, Any]]:
    """Mean amplitudes over draws and qubits, and the largest one above the cut-off, for each number of re-uploads."""
    rows = []
    for initialization in initializations:
        for n_reuploads in reuploads:
            found = amplitudes(n_qubits, n_reuploads, n_layers, n_draws, initialization=initialization)
            rows.append(
                {
                    "initialization": initialization,
                    "n_reuploads": n_reuploads,
                    "amplitude": found.mean(axis=(0, 2)).tolist(),
                    "above": float(found[:, n_reuploads + 1 :].max()),
                }
            )
    return rows
