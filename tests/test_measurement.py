"""`measure`: what it does by default, readout error, gradients, refusals."""

import numpy as np
import pytest
import torch

from measuring import CIRCUIT, HEAVY, NOISE, RELAXING, TORCH, example_angles, run_measure
from setfit_quantum import Circuit, Gate, NoiseModel
from setfit_quantum.backends import BackendError, get_backend
from setfit_quantum.backends.base import Backend, Capabilities, Moments
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.measurement.outcomes import draw_outcomes, mean_bits
from setfit_quantum.measurement.readout import misread_expectations, misread_moments, misread_probabilities
from setfit_quantum.measurement.samplers import expectations_from_probabilities
from setfit_quantum.noise import draw_errors

# --- what is measured -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_without_noise_and_shots_it_is_the_backends_expectations(training):
    weights, features = example_angles()
    expected = TORCH.expectations(CIRCUIT, weights, features, n_readout=2)
    torch.testing.assert_close(run_measure(training=training, n_readout=2), expected, rtol=0, atol=0)
    noiseless = run_measure(training=training, n_readout=2, noise=NoiseModel())
    torch.testing.assert_close(noiseless, expected, rtol=0, atol=0)


def test_small_circuits_are_exact_at_inference():
    weights, features = example_angles()
    exact = TORCH.moments_density(CIRCUIT, weights, features, noise=NOISE).z
    expected = misread_expectations(exact, NOISE.readout_pairs(3))
    torch.testing.assert_close(run_measure(seed=1, noise=NOISE), expected)


def test_training_draws_one_trajectory_per_sample():
    weights, _ = example_angles()
    same = weights, torch.zeros(200, 3, dtype=torch.float64)
    z = run_measure(training=True, angles=same, noise=NoiseModel(p1=0.02, p2=0.05))
    clean = TORCH.expectations(CIRCUIT, weights, same[1][:1])
    hit = (z - clean).abs().amax(1) > 1e-9
    assert 20 < int(hit.sum()) < 180
    assert len(torch.unique(z.round(decimals=9), dim=0)) > 20
    shared = run_measure(training=True, angles=same, noise=NoiseModel(p1=0.02, p2=0.05), shared_trajectories=True)
    torch.testing.assert_close(shared, shared[:1].expand_as(shared))


def test_a_batch_can_share_its_trajectories_at_inference_too():
    weights, _ = example_angles()
    same = weights, torch.zeros(6, 3, dtype=torch.float64)
    noise = NoiseModel(p1=0.02, p2=0.05)
    shared = run_measure(angles=same, noise=noise, n_trajectories=5, shared_trajectories=True)
    torch.testing.assert_close(shared, shared[:1].expand_as(shared))
    own = run_measure(angles=same, noise=noise, n_trajectories=5)
    assert (own - own[:1]).abs().max() > 1e-3
    runs = {}
    for share in (True, False):
        errors = []

        class Recording(type(TORCH)):
            def probabilities(self, circuit, weights, features=None, *args, errors=None, seen=errors, **options):
                seen.append(errors.codes)
                return super().probabilities(circuit, weights, features, *args, errors=errors, **options)

        run_measure(backend=Recording(), angles=same, noise=noise, shots=20, shared_trajectories=share)
        runs[share] = len({column.tobytes() for column in errors[0].T})
    assert runs[True] < runs[False]


def test_trajectories_average_to_the_exact_value():
    weights, features = example_angles(batch=2)
    exact = TORCH.moments_density(CIRCUIT, weights, features, noise=NOISE).z
    expected = misread_expectations(exact, NOISE.readout_pairs(3))
    for training in (True, False):
        averaged = run_measure(training=training, angles=(weights, features), noise=NOISE, n_trajectories=4000)
        assert (averaged - expected).abs().max() < 0.03
        assert (averaged - expected).abs().max() > 1e-6


def test_the_error_free_run_is_weighted_exactly_at_inference():
    weights, _ = example_angles()
    same = weights, torch.zeros(3000, 3, dtype=torch.float64)
    noise = NoiseModel(p1=0.002, p2=0.004)
    exact = TORCH.moments_density(CIRCUIT, weights, same[1][:1], noise=noise).z
    plain = run_measure(training=True, angles=same, noise=noise, n_trajectories=8)
    weighted = run_measure(angles=same, noise=noise, n_trajectories=8)
    for averaged in (plain, weighted):
        error = averaged.mean(0) - exact[0]
        assert (error.abs() < 5 * averaged.std(0) / 3000**0.5).all()
    assert (weighted.var(0) < 0.3 * plain.var(0)).all()


def test_readout_error_alone_needs_no_trajectories():
    noise = NoiseModel(readout=NOISE.readout)
    expected = misread_expectations(run_measure(), NOISE.readout_pairs(3))
    for training in (True, False):
        torch.testing.assert_close(run_measure(noise=noise, training=training, n_trajectories=5), expected)


def test_over_rotation_acts_on_weights_features_and_constants():
    circuit = CIRCUIT + Circuit(3, (Gate("ry", (0,), angle=0.4), Gate("cry", (0, 1), angle=-0.3)))
    weights, features = example_angles(circuit=circuit)
    for noisy_encoding in (True, False):
        noise = NoiseModel(rotation_scale=1.07, rotation_offset=0.05, noisy_encoding=noisy_encoding)
        exact = TORCH.moments_density(circuit, weights, features, noise=noise).z
        for training in (True, False):
            got = run_measure(circuit=circuit, angles=(weights, features), noise=noise, training=training)
            torch.testing.assert_close(got, exact)
    assert (exact - TORCH.expectations(circuit, weights, features)).abs().max() > 0.01


@pytest.mark.parametrize("training", [True, False])
def test_amplitude_damping_is_exact_on_torch(training):
    weights, features = example_angles()
    expected = TORCH.moments_density(CIRCUIT, weights, features, noise=RELAXING).z
    torch.testing.assert_close(run_measure(noise=RELAXING, training=training), expected)


def test_default_samplers():
    trained = run_measure(training=True, shots=64)
    torch.testing.assert_close(trained, run_measure(training=True, shots=64, sampler="gaussian"))
    sampled = run_measure(shots=64)
    torch.testing.assert_close(sampled, run_measure(shots=64, sampler="multinomial"))
    # 64 shots give multiples of 2 / 64.
    torch.testing.assert_close(sampled * 32, (sampled * 32).round())
    assert not torch.allclose(trained * 32, (trained * 32).round())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sampler", ["gaussian", "paper", "multinomial"])
@pytest.mark.parametrize("noise", [None, NOISE, RELAXING])
def test_every_sampler_approaches_the_exact_value(dtype, sampler, noise):
    angles = example_angles(dtype=dtype)
    exact = run_measure(angles=angles, noise=noise)
    got = run_measure(angles=angles, noise=noise, shots=40_000, sampler=sampler)
    assert got.dtype == dtype
    assert got.shape == (5, 3)
    assert (got - exact).abs().max() < 5 / 40_000**0.5
    assert (got - exact).abs().max() > 1e-4


def test_circuits_without_features_and_with_weights_per_row():
    circuit = Circuit(2, (Gate("ry", (0,), weight=0), Gate("cx", (0, 1))))
    noise = NoiseModel(p1=0.1, p2=0.2, readout=(0.1, 0.0))
    for weights, batch in ((torch.tensor([0.3]), 1), (torch.tensor([[0.3], [0.9], [1.7]]), 3)):
        exact = run_measure(circuit=circuit, angles=(weights, None), noise=noise, n_readout=2)
        assert exact.shape == (batch, 2)
        for options in ({"n_trajectories": 3000}, {"shots": 3000}, {"shots": 3000, "sampler": "gaussian"}):
            got = run_measure(circuit=circuit, angles=(weights, None), noise=noise, n_readout=2, **options)
            assert got.shape == (batch, 2)
            assert (got - exact).abs().max() < 5 / 3000**0.5


def test_the_fast_backend_gives_the_same_numbers_for_the_same_seed():
    numba = get_backend("numba")
    angles = example_angles(dtype=torch.float32)
    for options in (
        {"training": True},
        {"training": True, "shots": 100},
        {"training": True, "shots": 100, "sampler": "paper"},
        {"n_trajectories": 20},
        {"shots": 300},
        {"shots": 300, "share_trajectories_among_shots": True},
    ):
        first, second = (
            run_measure(seed=4, backend=one, angles=angles, noise=NOISE, **options) for one in (TORCH, numba)
        )
        torch.testing.assert_close(first, second, rtol=0, atol=3e-5)


# --- readout error ----------------------------------------------------------------------------------------------


def test_readout_error_is_affine_on_z_and_a_tensor_product_on_outcomes():
    pairs = NOISE.readout_pairs(3)
    weights, features = example_angles()
    probabilities = TORCH.probabilities(CIRCUIT, weights, features)
    moments = TORCH.moments(CIRCUIT, weights, features)
    matrices = [np.array([[1 - up, down], [up, 1 - down]]) for up, down in pairs]
    full = np.kron(np.kron(matrices[0], matrices[1]), matrices[2])
    read = misread_probabilities(probabilities, pairs)
    np.testing.assert_allclose(read.numpy(), probabilities.numpy() @ full.T, atol=1e-12)
    expected = expectations_from_probabilities(read)
    torch.testing.assert_close(misread_expectations(moments.z, pairs), expected)
    misread = misread_moments(moments, pairs)
    torch.testing.assert_close(misread.z, expected)
    signs = torch.tensor([[1.0 - 2 * (k >> 2 - q & 1) for q in range(3)] for k in range(8)], dtype=torch.float64)
    torch.testing.assert_close(misread.zz, torch.einsum("bk,ki,kj->bij", read, signs, signs))
    assert (misread.z - moments.z).abs().max() > 0.05


def test_which_flip_is_which():
    up = Circuit(1, (Gate("x", (0,)), Gate("x", (0,))))
    down = Circuit(1, (Gate("x", (0,)),))
    noise = NoiseModel(readout=(0.25, 0.1))  # p(1|0), p(0|1)
    for circuit, expected in ((up, 1 - 2 * 0.25), (down, -1 + 2 * 0.1)):
        angles = torch.zeros(0, dtype=torch.float64), None
        for options in ({}, {"shots": 100_000}, {"shots": 100_000, "sampler": "gaussian"}):
            z = run_measure(circuit=circuit, angles=angles, n_readout=1, noise=noise, **options)
            assert z.item() == pytest.approx(expected, abs=0.015 if options else 1e-12)


# --- gradients --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"noise": HEAVY},
        {"noise": HEAVY, "n_trajectories": 3},
        {"noise": HEAVY, "shared_trajectories": True},
        {"shots": 50},
        {"shots": 50, "noise": HEAVY},
        {"shots": 20_000, "sampler": "paper", "noise": HEAVY},
        {"shots": 20_000, "sampler": "paper", "renormalise": False},
        {"noise": RELAXING, "shots": 50},
        {"noise": NoiseModel(p1=0.05, rotation_scale=1.2, rotation_offset=0.1)},
    ],
)
def test_gradients_with_fixed_randomness_match_finite_differences(options):
    weights, features = (angle.requires_grad_() for angle in example_angles(batch=2))

    def function(weights, features):
        return run_measure(seed=11, training=True, angles=(weights, features), **options)

    assert torch.autograd.gradcheck(function, (weights, features), eps=1e-6, atol=1e-5)


def test_the_gradient_tests_draw_errors():
    assert draw_errors(CIRCUIT, HEAVY, 2, np.random.default_rng(11)).codes.any(axis=0).all()


def test_gradients_through_the_fast_backend():
    angles = example_angles(dtype=torch.float32)
    gradients = []
    for backend in (TORCH, get_backend("numba")):
        leaves = [tensor.clone().requires_grad_() for tensor in angles]
        z = run_measure(seed=2, backend=backend, training=True, angles=leaves, noise=NOISE, shots=200)
        (z * torch.linspace(-1, 1, z.numel()).reshape(z.shape)).sum().backward()
        gradients.append([leaf.grad for leaf in leaves])
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sampler", ["gaussian", "paper"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_certain_outcomes_have_finite_gradients(sampler, dtype):
    weights = torch.zeros(CIRCUIT.num_parameters, dtype=dtype, requires_grad=True)
    features = torch.zeros(4, 3, dtype=dtype, requires_grad=True)
    z = run_measure(training=True, angles=(weights, features), shots=100, sampler=sampler)
    assert (z - 1).abs().max() < 1e-3
    z.square().sum().backward()
    assert torch.isfinite(weights.grad).all()
    assert torch.isfinite(features.grad).all()
    assert weights.grad.abs().max() < 100


def test_perfectly_correlated_outcomes_have_a_root():
    ghz = Circuit(4, (Gate("ry", (0,), weight=0), *(Gate("cx", (q, q + 1)) for q in range(3))))
    weights = torch.full((200, 1), np.pi / 2, dtype=torch.float32, requires_grad=True)
    z = run_measure(circuit=ghz, angles=(weights, None), training=True, shots=100, n_readout=4)
    assert (z - z[:, :1]).abs().max() < 1e-3
    assert z[:, 0].std().item() == pytest.approx(0.1, rel=0.2)
    z.sum().backward()
    assert torch.isfinite(weights.grad).all()


# --- refusals ---------------------------------------------------------------------------------------------------


class _Limited(Backend):
    """Exact expectations and nothing else."""

    name = "limited"
    capabilities = Capabilities(frozenset({"ry", "cx"}), (torch.float64,), ("cpu",), None, probabilities=False)

    def expectations(self, circuit, weights, features=None, initial_state=None, *, n_readout=None, errors=None):
        assert errors is None
        return torch.zeros(len(features), n_readout)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": NOISE}, "'limited' does not simulate gate noise; backend='numba' and backend='torch' do"),
        ({"noise": RELAXING}, r"'limited' cannot simulate amplitude damping \(`t1`\).*backend='torch' does"),
        ({"shots": 10, "sampler": "gaussian"}, "'limited' does not give second moments"),
        ({"shots": 10, "sampler": "multinomial"}, "'limited' does not give outcome probabilities.*'gaussian'"),
        ({"shots": 10, "sampler": "paper"}, "'limited' does not give outcome probabilities.*'gaussian'"),
    ],
)
def test_what_a_backend_cannot_do_is_refused_by_name(options, message):
    with pytest.raises(BackendError, match=message):
        run_measure(backend=_Limited(), **options)


def test_readout_and_rotation_errors_need_no_support():
    z = run_measure(backend=_Limited(), noise=NoiseModel(readout=(0.1, 0.3), rotation_scale=1.1))
    torch.testing.assert_close(z, torch.full((5, 3), 0.2))


@pytest.mark.parametrize("training", [True, False])
def test_amplitude_damping_is_refused_where_it_cannot_be_exact(training):
    numba, angles = get_backend("numba"), example_angles(dtype=torch.float32)
    with pytest.raises(BackendError, match=r"'numba' cannot simulate amplitude damping.*not a Pauli.*backend='torch'"):
        run_measure(backend=numba, angles=angles, noise=RELAXING, training=training)
    wide = build_reuploading(9, 1, 1, 1, 1)
    with pytest.raises(BackendError, match=r"of 9 qubits.*at most 8 qubits"):
        run_measure(circuit=wide, noise=RELAXING, training=training)
    with pytest.raises(ValueError, match="`n_trajectories` must be None with amplitude damping"):
        run_measure(noise=RELAXING, training=training, n_trajectories=4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"shots": 0}, ValueError, "`shots` must be at least 1, but got 0"),
        ({"shots": 1.5}, TypeError, "`shots` must be an integer"),
        ({"sampler": "poisson"}, ValueError, "`sampler` must be one of 'gaussian', 'paper', 'multinomial'"),
        ({"n_trajectories": 0}, ValueError, "`n_trajectories` must be at least 1"),
        ({"n_readout": 4}, ValueError, "`n_readout` must be between 1 and 3"),
        ({"noise": "paper-low"}, TypeError, "`noise` must be a NoiseModel or None, but got 'paper-low'"),
        ({"noise": NoiseModel(readout=((0.1, 0.1),) * 2)}, ValueError, "each of the circuit's 3 qubits, but got 2"),
        ({"seed": np.random.RandomState(0)}, TypeError, "`rng` must be a numpy random Generator"),
        ({"shots": 10, "sampler": "multinomial", "training": True}, ValueError, "'gaussian' or 'paper' in training"),
    ],
)
def test_impossible_arguments(options, error, message):
    with pytest.raises(error, match=message):
        run_measure(**options)


def test_moments_of_no_distribution_are_refused():
    class Broken(_Limited):
        def moments(self, circuit, weights, features=None, initial_state=None, *, n_readout=None, errors=None):
            return Moments(torch.full((2, 3), float("nan")), torch.eye(3).expand(2, 3, 3))

    with pytest.raises(ValueError, match=r"samples \[0, 1\] are not those of any distribution"):
        run_measure(backend=Broken(), shots=10, sampler="gaussian")


def test_inverting_the_cumulative_distribution():
    probabilities = np.array([[0.0, 0.5, 0.0, 0.5], [1.0, 0.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4]])
    uniforms = np.array([0.0, 0.49, 0.51, 0.999999999, 0.0, 0.999999999, 0.05, 0.15, 0.35, 0.7])
    np.testing.assert_array_equal(
        draw_outcomes(probabilities, np.array([4, 2, 4]), uniforms), [1, 1, 3, 3, 0, 0, 0, 1, 2, 3]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outcomes_are_those_of_a_search_in_the_cumulative_distribution(dtype):
    rng = np.random.default_rng(3)
    probabilities = rng.random((5, 64)).astype(dtype) ** 4 - 0.05  # some are below 0, as rounding may leave them
    probabilities[:, 40:] = 0.0
    shots = np.array([0, 1, 31, 32, 3000])  # few shots are searched for, many found from a table
    uniforms = rng.random(shots.sum())
    uniforms[-2:] = 0.0, np.nextafter(1.0, 0.0)
    found = np.split(draw_outcomes(probabilities, shots, uniforms), np.cumsum(shots)[:-1])
    for row, outcomes, chosen in zip(probabilities, found, np.split(uniforms, np.cumsum(shots)[:-1]), strict=True):
        cumulative = np.cumsum(np.maximum(row, 0), dtype=np.float64)
        np.testing.assert_array_equal(outcomes, np.searchsorted(cumulative, chosen * cumulative[-1], side="right"))
        assert (row[outcomes] > 0).all()


@pytest.mark.parametrize("shots", [5, 400])
def test_mean_bits(shots):
    outcomes = np.random.default_rng(0).integers(0, 2**6, shots)
    bits = np.array([[int(bit) for bit in f"{outcome:06b}"] for outcome in outcomes])
    np.testing.assert_array_equal(mean_bits(outcomes, 6), bits.mean(axis=0))
