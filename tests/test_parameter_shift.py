"""Gradients by evaluation alone: parameter shifts are autograd's gradients, SPSA estimates them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from measuring import HEAVY, run_measure
from setfit_quantum import Circuit, Gate, NoiseModel, QuantumHead
from setfit_quantum.backends import get_backend
from setfit_quantum.backends.parameter_shift import count_shifts, evaluate_with_shifts, unroll
from setfit_quantum.backends.qiskit_backend import QiskitBackend
from setfit_quantum.backends.spsa import evaluate_with_perturbations
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.head import estimate_circuits
from strategies import random_circuits, random_inputs

TORCH = get_backend("torch")
CIRCUIT = build_reuploading(4, 2, 1, 1, 1)
# Gates that encode features are perfect; those that turn by weights are not.
SPARING = NoiseModel(
    p1=0.05, p2=0.1, readout=(0.1, 0.02), rotation_scale=1.1, rotation_offset=0.1, noisy_encoding=False
)
SPARING_RELAXATION = replace(SPARING, t1=1e-4, t2=1e-4, gate_time_1q=1e-5, gate_time_2q=2e-5)


def leaves(circuit=CIRCUIT, batch=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    weights = torch.randn(circuit.num_parameters, generator=generator, dtype=torch.float64)
    features = torch.randn(batch, circuit.n_features, generator=generator, dtype=torch.float64)
    return weights.to(dtype).requires_grad_(), features.to(dtype).requires_grad_()


def gradients(values, inputs):
    generator = torch.Generator().manual_seed(6)
    upstream = torch.randn(values.shape, generator=generator, dtype=torch.float64).to(values.dtype)
    return torch.autograd.grad(values, inputs, upstream)


def evaluate_blindly(circuit, weights, features):
    """A backend that only evaluates."""
    with torch.no_grad():
        return TORCH.expectations(circuit, weights, features)


@settings(max_examples=25)
@given(st.data())
def test_shifts_are_float64_autograd_for_every_gate(data):
    circuit = data.draw(random_circuits(4))
    inputs = data.draw(random_inputs(circuit, with_state=False))
    tensors = [tensor.requires_grad_() for tensor in inputs[:2] if tensor is not None and tensor.numel()]
    if not tensors:
        return
    shifted = evaluate_with_shifts(evaluate_blindly, circuit, *inputs[:2])
    exact = TORCH.expectations(circuit, *inputs[:2])
    for found, expected in zip(gradients(shifted, tensors), gradients(exact, tensors), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def test_aers_gradients_are_float64_autograd():
    backend = QiskitBackend("aer")
    inputs = leaves()
    found = gradients(backend.expectations(CIRCUIT, *inputs), inputs)
    expected = gradients(TORCH.expectations(CIRCUIT, *inputs), inputs)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    # One forward job, and one of all shifted circuits.
    assert backend.engine.jobs == 2
    assert backend.engine.circuits == 3 + 3 * count_shifts(CIRCUIT)


def test_the_adjoint_engines_gradients_are_the_same_in_norm():
    single = leaves(dtype=torch.float32)
    adjoint = gradients(get_backend("numba").expectations(CIRCUIT, *single), single)
    double = leaves()
    shifted = gradients(QiskitBackend("aer").expectations(CIRCUIT, *double), double)
    for ours, theirs in zip(adjoint, shifted, strict=True):
        assert (ours.double() - theirs).norm() < 1e-4 * theirs.norm()


def test_moments_and_probabilities_have_gradients_too():
    inputs = leaves(batch=2)
    backend = QiskitBackend("aer")
    for ours, theirs in (
        (backend.moments(CIRCUIT, *inputs, n_readout=2).zz, TORCH.moments(CIRCUIT, *inputs, n_readout=2).zz),
        (backend.probabilities(CIRCUIT, *inputs, n_readout=2), TORCH.probabilities(CIRCUIT, *inputs, n_readout=2)),
    ):
        for found, expected in zip(gradients(ours, inputs), gradients(theirs, inputs), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("noise", [HEAVY, SPARING, SPARING_RELAXATION], ids=["heavy", "sparing", "sparing relaxation"])
def test_gradients_under_noise_are_the_density_matrices(noise):
    inputs = leaves(batch=2)
    options = {"noise": noise, "circuit": CIRCUIT, "angles": inputs, "n_readout": 4}
    found = gradients(run_measure(backend=QiskitBackend("aer"), **options), inputs)
    expected = gradients(run_measure(**options), inputs)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=0)


def test_only_what_is_asked_for_is_shifted():
    weights, features = leaves()
    backend = QiskitBackend("aer")
    backend.expectations(CIRCUIT, weights.detach(), features).sum().backward()
    assert backend.engine.circuits == 3 + 3 * count_shifts(CIRCUIT, weights=False)
    assert count_shifts(CIRCUIT, weights=False) == 2 * 8  # two re-uploads of four features
    assert weights.grad is None


def test_unrolling_gives_every_occurrence_an_angle():
    circuit = Circuit(2, (Gate("ry", (0,), weight=1), Gate("cry", (0, 1), weight=1), Gate("rx", (1,), angle=0.5),
                          Gate("rz", (0,), feature=0)))  # fmt: skip
    unrolled = unroll(circuit)
    assert [(gate.weight, gate.feature) for gate in unrolled.circuit.gates] == [
        (0, None), (1, None), (None, None), (None, 0),
    ]  # fmt: skip
    assert [unrolled.occurrences[place] for place in unrolled.weights] == list(circuit.gates[:2])
    assert [unrolled.occurrences[place] for place in unrolled.features] == [circuit.gates[3]]
    assert count_shifts(circuit) == 2 + 4 + 2  # a controlled rotation takes four


@pytest.mark.parametrize("noise", [None, SPARING], ids=["noiseless", "noise"])
def test_gradients_from_shots_scatter_around_the_exact_ones(noise):
    """600 estimates of one gradient, each of its own shots: no bias, and the variance that the shift rule gives."""
    shots, repeats = 100, 600
    circuit = Circuit(2, (Gate("ry", (0,), feature=0), Gate("cx", (0, 1)), Gate("ry", (1,), weight=0),
                          Gate("ry", (0,), weight=0)))  # fmt: skip
    angles = torch.tensor([0.7], dtype=torch.float64), torch.tensor([[0.4]], dtype=torch.float64)
    options = {"noise": noise, "circuit": circuit, "n_readout": 2}
    weights = angles[0].repeat(repeats, 1).requires_grad_()
    features = angles[1].repeat(repeats, 1).requires_grad_()
    values = run_measure(backend=QiskitBackend("aer"), shots=shots, angles=(weights, features), **options)
    values[:, 1].sum().backward()
    inputs = [tensor.clone().requires_grad_() for tensor in angles]
    exact = torch.autograd.grad(run_measure(angles=inputs, **options)[0, 1], inputs)
    for found, expected in zip((weights.grad, features.grad), exact, strict=True):
        error = found.std() / repeats**0.5
        assert (found.mean() - expected.item()).abs() < 4 * error
        assert found.std() < (2 * 0.5**2 * 2 / shots) ** 0.5 * 1.1  # two occurrences at most, two circuits each
        assert found.std() > 0.3 / shots**0.5


@pytest.mark.parametrize("own_weights", [False, True])
def test_spsa_estimates_the_gradient_without_bias(own_weights):
    weights, features = leaves(batch=2)
    if own_weights:
        weights = weights.detach().repeat(2, 1).requires_grad_()
    rng = np.random.default_rng(0)
    values = evaluate_with_perturbations(
        evaluate_blindly, CIRCUIT, weights, features, rng=rng, step=0.01, n_directions=4000
    )
    expected = gradients(TORCH.expectations(CIRCUIT, weights, features), (weights, features))
    for found, exact in zip(gradients(values, (weights, features)), expected, strict=True):
        # The error of n directions is about sqrt(angles / n) of the gradient, here sqrt(24 / 4000).
        assert (found - exact).norm() < 0.2 * exact.norm()


def test_spsa_takes_two_circuits_a_direction():
    backend = QiskitBackend("aer", gradients="spsa", spsa_directions=3, seed=0)
    inputs = leaves()
    backend.expectations(CIRCUIT, *inputs).sum().backward()
    assert backend.engine.circuits == 3 + 3 * 3 * 2
    assert all(tensor.grad.abs().sum() > 0 for tensor in inputs)


def build_head(**options):
    return QuantumHead(6, n_qubits=4, n_reuploads=1, n_layers=1, encoder_layers=1, seed=0, **options)


@pytest.mark.parametrize("gradient", ["parameter-shift", "spsa"])
@pytest.mark.parametrize("frozen", ["nothing", "encoder", "circuit"])
def test_the_estimate_is_what_a_training_step_takes(gradient, frozen):
    backend = QiskitBackend("aer", gradients=gradient, shots=10, spsa_directions=2)
    head = build_head(backend=backend)
    head.encoder.requires_grad_(frozen != "encoder")
    head.circuit_weights.requires_grad_(frozen != "circuit")
    estimate = estimate_circuits(head, n_samples=3, n_steps=1)
    head.train()
    head(torch.randn(3, 6))[0].sum().backward()
    assert backend.engine.circuits == estimate.circuits
    assert estimate.shots == 10 * estimate.circuits


def test_estimates_of_inference_and_prices():
    head = build_head(shots=1000)
    estimate = estimate_circuits(head, n_samples=50)
    assert (estimate.circuits, estimate.gradient, estimate.shots) == (50, 0, 50_000)
    price = estimate.price(circuits_per_job=20)
    assert (price.circuits, price.jobs, price.shots) == (50, 3, 50_000)
    assert price.usd == pytest.approx(max(12.4166, 1000 * (20 * 0.00022 + 8 * 0.000975)) * 50)
    assert "50 circuits" in str(estimate)
    with pytest.raises(ValueError, match="`shots` must be given"):
        estimate_circuits(build_head(), n_samples=1).price()
    for name, value in (("n_samples", 0), ("shots", 0), ("directions", 0)):
        with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
            estimate_circuits(head, **{"n_samples": 1, name: value})
    with pytest.raises(ValueError, match="`gradients` must be one of"):
        estimate_circuits(head, n_samples=1, gradients="")


def test_a_price_knows_how_many_shots_a_machine_takes_at_once():
    price = estimate_circuits(build_head(), n_samples=50, shots=25_000).price(circuits_per_job=20)
    assert (price.circuits, price.jobs, price.shots) == (150, 9, 1_250_000)
    assert price.usd == pytest.approx(1_250_000 * (20 * 0.00022 + 8 * 0.000975))


def test_a_head_learns_on_aer_with_shots_and_noise_as_on_numba():
    """Two clouds of points: both backends sort them, within the interval of their test points."""
    rng = np.random.default_rng(1)
    labels = np.arange(80) % 2
    points = rng.normal(size=(80, 6)) * 0.6 + np.where(labels[:, None] == 1, 1.0, -1.0) * np.linspace(-1, 1, 6)
    points, labels = torch.tensor(points, dtype=torch.float32), torch.tensor(labels)
    accuracy = {}
    for name in ("numba", "qiskit"):
        head = build_head(shots=256, noise="paper-high", backend=name, latent_scale=7.0)
        optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
        head.train()
        for step in range(12):
            chosen = slice(8 * (step % 5), 8 * (step % 5) + 8)
            optimizer.zero_grad()
            head.get_loss_fn()(head(points[chosen])[0], labels[chosen]).backward()
            optimizer.step()
        accuracy[name] = (head.predict(points[40:]) == labels[40:]).double().mean().item()
    half_width = 1.96 * (accuracy["numba"] * (1 - accuracy["numba"]) / 40 + 1 / 160) ** 0.5
    assert accuracy["qiskit"] >= 0.75
    assert abs(accuracy["qiskit"] - accuracy["numba"]) < half_width
