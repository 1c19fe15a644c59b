"""The head after training: its settings, its circuits, and what a careful user would trip over."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch

from setfit_quantum import QuantumHead
from setfit_quantum.backends import get_backend
from setfit_quantum.backends.torch_reference import TorchBackend
from setfit_quantum.noise import NoiseModel
from small_heads import embeddings, small_head

# ---- settings after training ------------------------------------------------------------------------------------


def test_backends_agree_and_can_be_exchanged():
    head = small_head(n_encoders=2)
    assert head.backend.name == "numba"
    fast = head(embeddings())[0]
    head.backend = "torch"
    assert torch.allclose(fast, head(embeddings())[0], atol=1e-5)
    with pytest.raises(ValueError, match="'auto', 'numba', 'torch'"):
        head.backend = "nonesuch"
    head.backend = get_backend("numba")
    assert torch.equal(head(embeddings())[0], fast)


def test_double_precision_goes_to_the_reference():
    assert small_head().double().backend.name == "torch"


def test_noise_and_shots_can_be_changed():
    head, x = small_head(), embeddings(200)
    exact = head.predict_proba(x)
    head.shots = 50
    assert not torch.equal(head.predict_proba(x), exact)
    head.noise = "paper-high"
    assert head.config.noise == NoiseModel.paper("high").to_dict()
    head.shots, head.noise = None, None
    assert torch.equal(head.predict_proba(x), exact)


def test_seeded_predictions_repeat_and_training_draws_do_not():
    head, x = small_head(shots=20, noise="paper-high"), embeddings()
    assert torch.equal(head.predict_proba(x), head.predict_proba(x))
    head.train()
    assert not torch.equal(head(x)[0], head(x)[0])


def test_random_state_can_be_restored():
    head, x = small_head(shots=20).train(), embeddings()
    state = head.rng_state()
    first = head(x)[0]
    head.set_rng_state(state)
    assert torch.equal(head(x)[0], first)


def test_seed_decides_the_weights():
    assert torch.equal(small_head(seed=1)(embeddings())[0], small_head(seed=1)(embeddings())[0])
    assert not torch.equal(small_head(seed=1)(embeddings())[0], small_head(seed=2)(embeddings())[0])
    torch.manual_seed(5)
    first = small_head(seed=None)(embeddings())[0]
    torch.manual_seed(5)
    assert torch.equal(small_head(seed=None)(embeddings())[0], first)


# ---- circuits ---------------------------------------------------------------------------------------------------


def test_exported_circuit_gives_the_heads_expectations():
    from qiskit.quantum_info import Statevector

    head, x = small_head(), embeddings(1)
    latent = head.latents(x)
    state = Statevector(head.to_qiskit(latent[0].detach()))
    z = [1 - 2 * float(state.probabilities([wire])[1]) for wire in range(4)]
    assert torch.allclose(head.expectations(x), torch.tensor([z]), atol=1e-5)
    assert [parameter.name for parameter in head.to_qiskit().parameters] == ["x_0", "x_1", "x_2", "x_3"]
    assert "input float[64] x_3;" in head.to_qasm3()
    assert head.encoder_to_qiskit(0).num_parameters == 0
    assert head.draw().startswith("q0")


# ---- what a careful user would trip over ------------------------------------------------------------------------


def test_numpy_numbers_become_pythons():
    head = QuantumHead(np.int64(16), n_qubits=np.int64(4), amplitude_bias=np.float32(0.5), shots=np.int64(8))
    assert json.loads(json.dumps(head.config.to_dict()))["shots"] == 8


def test_settings_that_cannot_change_say_so():
    head = small_head()
    with pytest.raises(AttributeError, match="`n_qubits` cannot be changed; those that can are noise, shots"):
        head.n_qubits = 5
    with pytest.raises(AttributeError, match="`amplitude_bias` cannot be changed"):
        head.amplitude_bias = 2.0
    head.shared_trajectories = True
    head.renormalise = False
    head.share_trajectories_among_shots = True
    assert (head.config.shared_trajectories, head.config.renormalise) == (True, False)


def test_seeded_shots_of_separate_calls_are_independent():
    """One text after the other must not meet the same shot noise, or it would never average out."""
    head, x = small_head(shots=100, seed=7).eval(), embeddings(200)
    with torch.no_grad():
        noisy = torch.cat([head.expectations(row[None]) for row in x])
        head.shots = None
        exact = head.expectations(x)
    variance = (1 - exact**2).clamp(min=1e-6)  # rounding may leave less than nothing of an outcome that is certain
    standardized = (noisy - exact) / (variance / 100).sqrt()
    assert (standardized.mean(dim=0).abs() < 4 / 200**0.5).all()


def test_heads_of_one_shape_share_their_circuits():
    first, second = small_head(seed=1), copy.deepcopy(small_head(seed=2))
    assert first.circuit is second.circuit
    assert first.encoder_circuit() is second.encoder_circuit()
    assert pickle.loads(pickle.dumps(first.circuit)) == first.circuit


def test_backend_of_ones_own():
    class Mine(TorchBackend):
        name = "mine"

    head = small_head(backend=Mine())
    assert head.backend.name == "mine"
    assert torch.allclose(head(embeddings())[0], small_head()(embeddings())[0], atol=1e-5)
    reloaded = QuantumHead.from_config(head.config)
    assert reloaded.config.backend == "auto"
    with pytest.raises(TypeError, match="`backend` must be a name or a Backend, but got None"):
        small_head(backend=None)


def test_negative_labels_and_zero_temperature_are_refused():
    head = small_head()
    logits, _ = head(embeddings())
    with pytest.raises(ValueError, match="`labels` must be at least 0, but got -1"):
        head.get_loss_fn()(logits, torch.tensor([0, 1, 0, -1, 1]))
    with pytest.raises(ValueError, match="`temperature` must be greater than 0"):
        head(embeddings(), temperature=0.0)
