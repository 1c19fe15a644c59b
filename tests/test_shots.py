"""Shot noise: bias, variance and covariance of the three samplers, alone and together with gate noise."""

import numpy as np
import pytest
import torch

from fixed_distribution import FixedDistribution
from setfit_quantum import Circuit, Gate, NoiseModel
from setfit_quantum.backends import get_backend
from setfit_quantum.measurement import measure
from setfit_quantum.measurement.readout import misread_moments
from setfit_quantum.noise import draw_errors

TORCH = get_backend("torch")
CIRCUIT = Circuit(3, (Gate("ry", (0,), weight=0), Gate("cx", (0, 1)), Gate("ry", (1,), weight=1), Gate("cx", (1, 2))))
WEIGHTS = torch.tensor([1.1, 0.4], dtype=torch.float64)
NOISE = NoiseModel.depolarizing(0.05, 0.2, readout=[(0.05, 0.1), (0.0, 0.0), (0.1, 0.02)])


def _repeat(repeats, *, seed=0, noise=None, training=False, **options):
    """`repeats` independent measurements of the same state, (repeats, 3)."""
    rows = WEIGHTS.expand(repeats, -1)
    rng = np.random.default_rng(seed)
    return measure(TORCH, CIRCUIT, rows, None, n_readout=3, noise=noise, training=training, rng=rng, **options).numpy()


def _moments(noise=None):
    """Exact mean (3,) and covariance (3, 3) of one shot, all noise included."""
    if noise is None:
        moments = TORCH.moments(CIRCUIT, WEIGHTS)
    else:
        moments = TORCH.moments_density(CIRCUIT, WEIGHTS, noise=noise)
        moments = misread_moments(moments, noise.readout_pairs(3))
    z = moments.z[0].numpy()
    return z, moments.zz[0].numpy() - np.outer(z, z)


def _assert_moments(values, mean, covariance):
    """Sample mean and covariance within 5 standard errors."""
    repeats = len(values)
    assert np.all(np.abs(values.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(covariance) / repeats))
    variances = np.diag(covariance)
    spread = np.sqrt((np.outer(variances, variances) + covariance**2) / repeats)
    assert np.all(np.abs(np.cov(values.T) - covariance) < 5 * spread)


@pytest.mark.parametrize("sampler", ["gaussian", "multinomial"])
@pytest.mark.parametrize("shots", [1, 20, 1000])
def test_shot_variance_is_one_minus_z_squared_over_s(sampler, shots):
    mean, covariance = _moments()
    np.testing.assert_allclose(np.diag(covariance), 1 - mean**2)
    assert abs(covariance[0, 1]) > 0.1
    if shots == 1 and sampler == "multinomial":
        repeats = 4000
        values = _repeat(repeats, shots=shots, sampler=sampler)
        assert set(np.unique(values)) == {-1.0, 1.0}
        assert np.all(np.abs(values.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(covariance) / repeats))
        return
    _assert_moments(_repeat(4000, shots=shots, sampler=sampler), mean, covariance / shots)


def test_few_qubits_many_shots_make_the_papers_sampler_right_too():
    mean, covariance = _moments()
    values = _repeat(4000, shots=5000, sampler="paper")
    _assert_moments(values, mean, covariance / 5000)


@pytest.mark.parametrize("shots", [10, 200])
def test_noise_and_shots_together_vary_as_on_a_device(shots):
    mean, covariance = _moments(NOISE)
    np.testing.assert_allclose(np.diag(covariance), 1 - mean**2)
    _assert_moments(_repeat(4000, shots=shots, noise=NOISE), mean, covariance / shots)


def test_gaussian_shots_around_the_exact_noisy_value():
    mean, covariance = _moments(NOISE)
    _assert_moments(_repeat(4000, shots=100, noise=NOISE, sampler="gaussian"), mean, covariance / 100)


@pytest.mark.parametrize("n_trajectories", [1, 5])
def test_sharing_trajectories_among_shots_inflates_the_variance_as_documented(n_trajectories):
    gates_only = NoiseModel(p1=0.05, p2=0.2)
    mean, covariance = _moments(gates_only)
    shots, repeats = 100, 4000
    errors = draw_errors(CIRCUIT, gates_only, 40_000, np.random.default_rng(5))
    single = TORCH.expectations(CIRCUIT, WEIGHTS.expand(40_000, -1), errors=errors).numpy()
    inflated = covariance / shots + np.cov(single.T) * (1 / n_trajectories - 1 / shots)
    options = {"n_trajectories": n_trajectories, "share_trajectories_among_shots": True}
    values = _repeat(repeats, shots=shots, noise=gates_only, **options)
    assert np.all(np.abs(values.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(inflated) / repeats))
    np.testing.assert_allclose(np.var(values, axis=0), np.diag(inflated), rtol=0.12)
    assert np.all(np.diag(inflated) > 2 * np.diag(covariance) / shots)
    # Fresh errors, the default, are not inflated.
    fresh = _repeat(2000, shots=shots, noise=gates_only)
    np.testing.assert_allclose(np.var(fresh, axis=0), np.diag(covariance) / shots, rtol=0.2)


def test_shots_without_an_error_share_one_simulation(monkeypatch):
    rows = []
    original = type(TORCH).probabilities

    def counting(self, circuit, weights, *args, **kwargs):
        rows.append(len(weights))
        return original(self, circuit, weights, *args, **kwargs)

    monkeypatch.setattr(type(TORCH), "probabilities", counting)
    _repeat(10, shots=10_000)
    assert sum(rows) == 10
    rows.clear()
    _repeat(10, shots=10_000, noise=NoiseModel.paper("high"))
    # About 10 * 10,000 * 4.4e-3 = 440 faulty shots, fewer different ones, and 10 clean runs.
    assert 100 < sum(rows) < 450


# --- the bias of the paper's sampler ----------------------------------------------------------------------------


def _porter_thomas(n_qubits, z, seed=0):
    """Outcome probabilities of a random real state (squares of normal numbers), scaled to <Z_0> = z."""
    halves = np.random.default_rng(seed).normal(size=(2, 2 ** (n_qubits - 1))) ** 2
    halves *= np.array([[1 + z], [1 - z]]) / 2 / halves.sum(axis=1, keepdims=True)
    return halves.reshape(-1)


def _first_z(n_qubits, z, sampler, batch, **options):
    backend = FixedDistribution(_porter_thomas(n_qubits, z))
    circuit = Circuit(n_qubits)
    measured = measure(
        backend,
        circuit,
        torch.zeros(0, dtype=torch.float64),
        torch.zeros(batch, 0, dtype=torch.float64),
        n_readout=n_qubits,
        shots=8192,
        sampler=sampler,
        training=sampler != "multinomial",
        rng=np.random.default_rng(1),
        **options,
    )
    assert backend.calls == [batch]
    return measured[:, 0].numpy()


@pytest.mark.parametrize("sampler", ["gaussian", "multinomial"])
def test_at_14_qubits_gaussian_and_multinomial_shots_are_unbiased(sampler):
    values = _first_z(14, 0.6, sampler, batch=400 if sampler == "gaussian" else 50)
    standard_error = ((1 - 0.6**2) / 8192 / len(values)) ** 0.5
    assert abs(values.mean() - 0.6) < 5 * standard_error
    assert values.std() == pytest.approx(((1 - 0.6**2) / 8192) ** 0.5, rel=0.35)


@pytest.mark.parametrize(("n_qubits", "z", "expected"), [(14, 0.6, 0.528), (14, 0.9, 0.820), (16, 0.6, 0.462)])
def test_the_papers_sampler_is_biased(n_qubits, z, expected):
    values = _first_z(n_qubits, z, "paper", batch=10)
    assert values.mean() == pytest.approx(expected, abs=0.004)
    # Many standard errors away from the truth.
    assert z - values.mean() > 20 * values.std() / len(values) ** 0.5


def test_without_renormalising_the_bias_changes_sign():
    # At 14 qubits both errors happen to cancel.
    assert _first_z(14, 0.6, "paper", batch=10, renormalise=False).mean() == pytest.approx(0.6, abs=0.01)
    assert _first_z(16, 0.6, "paper", batch=3, renormalise=False).mean() == pytest.approx(0.68, abs=0.02)
