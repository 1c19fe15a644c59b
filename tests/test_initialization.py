"""The start of training: angles with which the second module passes its latents on."""

from __future__ import annotations

import pytest
import torch

from setfit_quantum import Circuit, Gate, QuantumHead
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.config import QuantumHeadConfig

SMALLEST = {"n_reuploads": 1, "n_layers": 1, "initialization": "identity", "seed": 0}


@pytest.mark.parametrize("n_qubits", [2, 3, 6])
def test_identity_gives_minus_the_sine_of_each_latent(n_qubits: int) -> None:
    head = QuantumHead(7, n_qubits=n_qubits, latent_scale=9.0, **SMALLEST).eval()
    x = torch.randn(20, 7, generator=torch.Generator().manual_seed(0))
    latents = head.latents(x)
    assert float(latents.detach().abs().max()) > 1  # far from where any sine is a straight line
    assert torch.allclose(head.expectations(x), -latents.sin(), atol=1e-5)


def test_without_entangling_gates_the_start_is_the_same() -> None:
    head, without = (QuantumHead(7, n_qubits=4, **SMALLEST).eval() for _ in range(2))
    without.circuit = build_reuploading(4, 1, 1, 1, 1, False)
    x = torch.randn(5, 7)
    assert torch.allclose(head.expectations(x), without.expectations(x), atol=1e-5)


def test_encoders_start_near_the_identity_too() -> None:
    heads = [QuantumHead(7, n_qubits=4, **(SMALLEST | {"initialization": name})) for name in ("identity", "small")]
    assert torch.equal(heads[0].encoder.weights, heads[1].encoder.weights)
    assert not torch.equal(heads[0].circuit_weights, heads[1].circuit_weights)


def test_a_new_classifier_starts_as_the_first_did() -> None:
    head = QuantumHead(7, n_qubits=4, **SMALLEST)
    before = head.circuit_weights.detach().clone()
    with torch.no_grad():
        head.circuit_weights += 1
    assert torch.equal(head.replace_classifier("quantum").circuit_weights, before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_layers": 2}, "no `ansatz`, but got 1, 1, 2, 1"),
        ({"n_reuploads": 4}, "no `ansatz`, but got 4, 1, 1, 1"),
        ({"reupload_layers": 2, "connectivity": 2}, "no `ansatz`, but got 1, 2, 1, 2"),
        ({"ansatz": [Circuit(4, (Gate("ry", (0,), weight=0),))] * 2, "n_layers": 2}, "and an ansatz"),
    ],
)
def test_circuits_without_such_angles_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QuantumHead(7, n_qubits=4, **(SMALLEST | settings))


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        ({"n_reuploads": 1, "n_layers": 1}, "identity"),
        ({"n_reuploads": 4, "n_layers": 2}, "uniform"),
        ({"n_reuploads": 1, "n_layers": 1, "initialization": "small"}, "small"),
        ({"classifier": "linear"}, "uniform"),
    ],
)
def test_left_open_it_follows_the_circuit(settings: dict[str, object], chosen: str) -> None:
    assert QuantumHeadConfig(**settings).chosen_initialization == chosen
