"""Trajectories, density matrices, Qiskit Aer and analytic cases agree about noise."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aer_reference import exact_probabilities, relaxed_probabilities, sampled_expectations
from setfit_quantum import Circuit, Gate, NoiseModel
from setfit_quantum.backends import get_backend
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.measurement import measure
from setfit_quantum.measurement.readout import misread_expectations
from setfit_quantum.noise import NOISE_PRESETS, draw_errors
from strategies import random_circuits, random_inputs

TORCH = get_backend("torch")
HEAVY = NoiseModel.depolarizing(0.02, 0.08)


def _numpy(inputs):
    weights, features, _ = inputs.row(0)
    return weights, features


def _exact(circuit, noise, inputs):
    return TORCH.probabilities_density(circuit, inputs.weights, inputs.features, noise=noise)


def _trajectory_mean(backend, circuit, noise, weights, features, count, seed=0):
    """Plain mean of single trajectories and its standard error, for one sample: two arrays of shape (n,)."""
    rows = weights.expand(count, -1) if features is None else weights
    repeated = None if features is None else features.expand(count, -1)
    errors = draw_errors(circuit, noise, count, np.random.default_rng(seed))
    z = backend.expectations(circuit, rows, repeated, errors=errors).double().numpy()
    return z.mean(axis=0), z.std(axis=0) / count**0.5


# --- density matrices against Aer -------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.data())
def test_depolarized_density_matrices_are_aers(data):
    circuit = data.draw(random_circuits(6))
    inputs = data.draw(random_inputs(circuit, max_batch=1, with_state=False))
    noise = NoiseModel(p1=data.draw(st.floats(0, 0.3)), p2=data.draw(st.floats(0, 0.3)))
    ours = _exact(circuit, noise, inputs)[0].numpy()
    np.testing.assert_allclose(ours, exact_probabilities(circuit, noise, *_numpy(inputs)), atol=1e-9)


@settings(max_examples=15)
@given(st.data())
def test_relaxing_density_matrices_are_aers(data):
    circuit = data.draw(random_circuits(5))
    inputs = data.draw(random_inputs(circuit, max_batch=1, with_state=False))
    t1 = data.draw(st.sampled_from([None, 20.0]))
    t2 = data.draw(st.sampled_from([8.0, 30.0] if t1 is None else [None, 8.0, 30.0, 40.0]))
    noise = NoiseModel(p1=0.01, p2=0.03, t1=t1, t2=t2, gate_time_1q=0.5, gate_time_2q=2.0)
    ours = _exact(circuit, noise, inputs)[0].numpy()
    np.testing.assert_allclose(ours, relaxed_probabilities(circuit, noise, *_numpy(inputs)), atol=1e-9)


@pytest.mark.parametrize("name", NOISE_PRESETS)
def test_presets_are_aers(name):
    circuit = build_reuploading(6, 2, 1, 2, 1)
    rng = np.random.default_rng(0)
    weights, features = rng.normal(size=circuit.num_parameters), rng.normal(size=6)
    noise = NoiseModel.from_preset(name)
    ours = TORCH.probabilities_density(
        circuit, torch.from_numpy(weights), torch.from_numpy(features)[None], noise=noise
    )
    np.testing.assert_allclose(ours[0].numpy(), exact_probabilities(circuit, noise, weights, features), atol=1e-9)


def test_a_whole_noisy_measurement_is_aers():
    circuit = build_reuploading(4, 2, 1, 1, 1)
    rng = np.random.default_rng(1)
    weights, features = rng.normal(size=circuit.num_parameters), rng.normal(size=4)
    noise = NoiseModel.depolarizing(0.01, 0.05, readout=[(0.02, 0.1), (0.0, 0.2), (0.1, 0.0), (0.05, 0.05)])
    shots = 100_000
    theirs = sampled_expectations(circuit, noise, weights, features, shots, seed=7)
    angles = torch.from_numpy(weights), torch.from_numpy(features)[None]
    for options in ({}, {"shots": shots}):
        ours = measure(
            TORCH, circuit, *angles, n_readout=4, noise=noise, training=False, rng=np.random.default_rng(2), **options
        )
        assert np.abs(ours[0].numpy() - theirs).max() < 5 * math.sqrt(2 / shots)


# --- trajectories against density matrices ----------------------------------------------------------------------


@settings(max_examples=8)
@given(st.data())
def test_trajectories_average_to_the_density_matrix(data):
    circuit = data.draw(random_circuits(6, min_qubits=2))
    inputs = data.draw(random_inputs(circuit, max_batch=1, batched_weights=False, with_state=False))
    dephasing = data.draw(st.booleans())
    noise = NoiseModel(p1=0.1, p2=0.3)
    if dephasing:
        noise = NoiseModel(p1=0.05, p2=0.1, t2=5.0, gate_time_1q=0.5, gate_time_2q=2.0)
    mean, error = _trajectory_mean(TORCH, circuit, noise, inputs.weights, inputs.features, 4000)
    exact = TORCH.moments_density(circuit, inputs.weights, inputs.features, noise=noise).z[0].numpy()
    assert np.all(np.abs(mean - exact) < 5 * error + 1e-9)


@pytest.mark.parametrize("noise", [HEAVY, *map(NoiseModel.from_preset, NOISE_PRESETS)], ids=lambda noise: noise.name)
def test_fast_trajectories_average_to_the_density_matrix(noise):
    circuit = build_reuploading(6, 2, 1, 2, 1)
    rng = np.random.default_rng(0)
    weights, features = rng.normal(size=circuit.num_parameters), rng.normal(size=(1, 6))
    angles = [torch.from_numpy(array) for array in (weights, features)]
    exact = TORCH.moments_density(circuit, *angles, noise=noise).z[0].numpy()
    clean = TORCH.expectations(circuit, *angles)[0].numpy()
    fast = [angle.float() for angle in angles]
    mean, error = _trajectory_mean(get_backend("numba"), circuit, noise, *fast, 60_000)
    assert np.all(np.abs(mean - exact) < 5 * error + 1e-6)
    # Noise of 3/4 the strength would be seen: its effect is nearly linear in the rate.
    missing = np.abs(clean - exact) / 4
    if noise is HEAVY:
        assert np.any(missing > 10 * error)


# --- analytic cases, derived in tests/README.md -----------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 0.1, 0.6])
def test_a_one_qubit_pauli_shrinks_by_4p_over_3(p):
    circuit = Circuit(1, (Gate("ry", (0,), weight=0),))
    weights = torch.tensor([0.7], dtype=torch.float64)
    expected = (1 - 4 * p / 3) * math.cos(0.7)
    noise = NoiseModel(p1=p)
    assert TORCH.moments_density(circuit, weights, noise=noise).z.item() == pytest.approx(expected, abs=1e-12)
    mean, error = _trajectory_mean(TORCH, circuit, noise, weights, None, 40_000)
    assert abs(mean[0] - expected) <= 5 * error[0] + 1e-12
    if p:
        wrong = (1 - p) * math.cos(0.7)  # p taken for Qiskit's lambda
        assert abs(mean[0] - wrong) > 10 * error[0]


@pytest.mark.parametrize("p", [0.0, 0.1, 0.6])
def test_two_qubit_paulis_shrink_by_16p_over_15(p):
    circuit = Circuit(2, (Gate("ry", (0,), weight=0), Gate("cx", (0, 1))))
    weights = torch.tensor([0.7], dtype=torch.float64)
    shrink, noise = 1 - 16 * p / 15, NoiseModel(p2=p)
    moments = TORCH.moments_density(circuit, weights, noise=noise)
    np.testing.assert_allclose(moments.z[0], [shrink * math.cos(0.7)] * 2, atol=1e-12)
    assert moments.zz[0, 0, 1].item() == pytest.approx(shrink, abs=1e-12)
    mean, error = _trajectory_mean(TORCH, circuit, noise, weights, None, 100_000)
    assert np.all(np.abs(mean - shrink * math.cos(0.7)) <= 5 * error + 1e-9)
    if p == 0.6:
        for wrong in (1 - p, 1 - 0.75 * 16 * p / 15):
            assert np.all(np.abs(mean - wrong * math.cos(0.7)) > 5 * error)


def test_many_gates_shrink_one_after_another():
    p, gates = 0.02, 12
    circuit = Circuit(1, (Gate("ry", (0,), weight=0), *(Gate("z", (0,)) for _ in range(gates - 1))))
    z = TORCH.moments_density(circuit, torch.tensor([0.4], dtype=torch.float64), noise=NoiseModel(p1=p)).z.item()
    assert z == pytest.approx((1 - 4 * p / 3) ** gates * math.cos(0.4), abs=1e-12)


def test_an_excited_qubit_decays_while_it_waits():
    # Wire 1 is excited in the first moment (1 s) and waits for three two-qubit gates of 5 s on wires 0 and 2.
    circuit = Circuit(3, (Gate("x", (1,)), Gate("x", (0,)), *(Gate("cx", (0, 2)) for _ in range(3))))
    noise = NoiseModel(t1=20.0, gate_time_1q=1.0, gate_time_2q=5.0)
    z = TORCH.moments_density(circuit, torch.zeros(0, dtype=torch.float64), noise=noise).z[0]
    assert z[1].item() == pytest.approx(1 - 2 * math.exp(-16 / 20), abs=1e-12)


def test_coherences_decay_with_t2():
    circuit = Circuit(1, (Gate("h", (0,)), Gate("z", (0,)), Gate("h", (0,))))
    noise = NoiseModel(t2=10.0, gate_time_1q=1.0, gate_time_2q=0.0)
    expected = -math.exp(-2 / 10)  # two gates of waiting between the Hadamards
    z = TORCH.moments_density(circuit, torch.zeros(0, dtype=torch.float64), noise=noise).z.item()
    assert z == pytest.approx(expected, abs=1e-12)
    mean, error = _trajectory_mean(TORCH, circuit, noise, torch.zeros(0, dtype=torch.float64), None, 40_000)
    assert abs(mean[0] - expected) < 5 * error[0]


def test_readout_of_an_exact_noisy_value():
    circuit = Circuit(1, (Gate("ry", (0,), weight=0),))
    noise = NoiseModel(p1=0.3, readout=(0.1, 0.25))
    z = measure(
        TORCH,
        circuit,
        torch.tensor([0.7], dtype=torch.float64),
        None,
        n_readout=1,
        noise=noise,
        training=False,
        rng=np.random.default_rng(0),
    )
    expected = (1 - 0.1 - 0.25) * (1 - 4 * 0.3 / 3) * math.cos(0.7) + (0.25 - 0.1)
    assert z.item() == pytest.approx(expected, abs=1e-12)
    affine = misread_expectations(torch.tensor([[0.6 * math.cos(0.7)]], dtype=torch.float64), np.array([[0.1, 0.25]]))
    assert affine.item() == pytest.approx(expected, abs=1e-12)
