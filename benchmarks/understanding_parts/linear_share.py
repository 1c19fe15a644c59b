"""How much of what an encoder says is linear in the embedding, against the constant amplitude."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from setfit_quantum.backends import get_backend
from setfit_quantum.circuit.ansatz import build_encoder
from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.head.encoders import component_generator, initialize_angles, prepare_amplitudes


def linear_and_quadratic(
    in_features: int, n_qubits: int, n_layers: int, initialization: str, bias: float, n_inputs: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two parts of each <Z_q> of an encoder, for random unit vectors x.

    <Z_q> is a quadratic form of (x, bias) / sqrt(1 + bias^2). Of its terms, exactly those linear in x change sign with
    x, so f(x) - f(-x) and f(x) + f(-x) tell them apart.

    Args:
        in_features: Numbers of x.
        n_qubits: Qubits of the encoder.
        n_layers: Layers of its PQC.
        initialization: "uniform" or "small".
        bias: The constant amplitude.
        n_inputs: Number of x, uniform on the unit sphere.
        seed: Of the angles and of x.

    Returns:
        The linear part, and the quadratic one with its constant, each of shape (n_inputs, n_qubits).
    """
    config = QuantumHeadConfig(in_features, encoder_qubits=n_qubits, n_qubits=n_qubits, amplitude_bias=bias)
    circuit = build_encoder(n_qubits, n_layers, config.resolve_encoder_connectivity(n_qubits))
    weights = torch.empty(circuit.num_parameters)
    initialize_angles(weights, initialization, component_generator(seed, 0))
    x = torch.randn(n_inputs, in_features, generator=component_generator(seed, 1))
    backend = get_backend("numba")
    with torch.no_grad():
        plus, minus = (
            backend.expectations(circuit, weights, None, prepare_amplitudes(one, bias)).double().numpy()
            for one in (x, -x)
        )
    return (plus - minus) / 2, (plus + minus) / 2


def closed_form(bias: float) -> float:
    """Linear share of the variance of a random encoder, for many features: 2 b^2 / (2 b^2 + 1).

    With A's entries independent of variance s and x uniform on the unit sphere of d dimensions, the linear part
    2 b a.x has the variance 4 b^2 s, the quadratic part 2 s (1 + O(1/d)), both over (1 + b^2)^2.
    """
    return 2 * bias**2 / (2 * bias**2 + 1)


def scan_biases(
    biases: Sequence[float], in_features: int, n_qubits: int, n_layers: int, n_inputs: int, n_draws: int
) -> list[dict[str, Any]]:
    """Shares and spreads for each constant amplitude, over draws of the encoder's angles."""
    rows = []
    for bias in biases:
        row: dict[str, Any] = {
            "bias": bias,
            "closed_form": closed_form(bias),
            "weight_norm": 2 * bias / (1 + bias**2),
        }
        for initialization in ("uniform", "small"):
            linear = quadratic = 0.0
            for seed in range(n_draws):
                parts = linear_and_quadratic(in_features, n_qubits, n_layers, initialization, bias, n_inputs, seed)
                linear += float(parts[0].var(axis=0).mean()) / n_draws
                quadratic += float(parts[1].var(axis=0).mean()) / n_draws
            row[initialization] = {"share": linear / (linear + quadratic), "spread": float(np.sqrt(linear + quadratic))}
        rows.append(row)
    return rows
