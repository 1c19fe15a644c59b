"""The head: the paper's parameter counts, SetFit's contract, and clear errors."""

import copy
import inspect
import json
import pickle

import numpy as np
import pytest
import torch

from setfit_quantum import QuantumHead, SetFitQuantumHead
from setfit_quantum.backends import get_backend
from setfit_quantum.backends.torch_reference import TorchBackend
from setfit_quantum.baselines import ClassicalHead
from setfit_quantum.noise import NoiseModel


def embeddings(batch=5, width=20, seed=0):
    return torch.randn(batch, width, generator=torch.Generator().manual_seed(seed))


def small_head(**settings):
    return QuantumHead(**({"in_features": 20, "n_qubits": 4, "seed": 0} | settings))


# ---- the paper's counts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "settings", "count"),
    [
        # Table II, quantum rows.
        ("paper-single", {"n_qubits": 10}, 353),
        ("paper-single", {"n_qubits": 12}, 423),
        ("paper-single", {"n_qubits": 14}, 493),
        ("paper-single", {"n_qubits": 18}, 633),
        ("paper-multi", {"n_qubits": 10}, 858),
        ("paper-multi", {"n_qubits": 14}, 886),
        ("paper-multi", {"n_qubits": 18}, 914),
        # The rival reading has the same counts.
        ("paper-single-qm1", {"n_qubits": 10}, 353),
        ("paper-single-qm1", {"n_qubits": 18}, 633),
        # Table III, classical encoders at 14 qubits.
        ("paper-single", {"n_qubits": 14, "encoder": "linear"}, 10_866),
        ("paper-single", {"n_qubits": 14, "encoder": "mlp", "encoder_hidden_dim": 48}, 37_698),
        ("paper-single", {"n_qubits": 14, "encoder": "mlp", "encoder_hidden_dim": 96}, 75_282),
        ("paper-single", {"n_qubits": 14, "encoder": "mlp", "encoder_hidden_dim": 144}, 112_866),
        ("paper-single", {"n_qubits": 14, "encoder": "mlp", "encoder_hidden_dim": 192}, 150_450),
    ],
)
def test_parameter_counts_of_tables_ii_and_iii(preset, settings, count):
    assert QuantumHead.from_preset(preset, **settings).num_parameters() == count


@pytest.mark.parametrize(
    ("hidden", "count"), [(None, 1_538), (48, 37_010), (96, 74_018), (144, 111_026), (192, 148_034)]
)
def test_parameter_counts_of_mlp_heads(hidden, count):
    assert ClassicalHead(768, 2, hidden_dim=hidden).num_parameters() == count


def test_presets_are_exact_noiseless_and_frozen_in_time():
    head = QuantumHead.from_preset("paper-single")
    assert (head.shots, head.noise, head.config.amplitude_bias) == (None, None, 0.0)
    noisy = QuantumHead.from_preset("paper-single", shots=8192, noise=NoiseModel.paper("low"))
    assert (noisy.shots, noisy.noise) == (8192, NoiseModel.paper("low"))
    with pytest.raises(ValueError, match="`name` must be one of 'paper-single', 'paper-multi'"):
        QuantumHead.from_preset("paper")


def test_one_logit_preset_measures_one_qubit():
    head = QuantumHead.from_preset("paper-single-qm1", n_qubits=4, in_features=16, seed=0)
    logits, probs = head(embeddings(width=16))
    assert head.expectations(embeddings(width=16)).shape == (5, 1)
    assert torch.equal(logits[:, 0], -logits[:, 1])
    assert torch.allclose(probs[:, 1], torch.sigmoid(2 * logits[:, 1]))


# ---- SetFit's contract ------------------------------------------------------------------------------------------


def test_alias_and_signature():
    assert QuantumHead is SetFitQuantumHead
    parameters = list(inspect.signature(QuantumHead).parameters)
    assert parameters[:2] == ["in_features", "out_features"]


def test_forward_of_tensor_and_dictionary():
    head, x = small_head(), embeddings()
    logits, probs = head(x)
    assert logits.shape == probs.shape == (5, 2)
    assert torch.allclose(probs.sum(dim=1), torch.ones(5))
    features = {"sentence_embedding": x, "token_ids": "kept"}
    returned = head(features)
    assert returned is features
    assert torch.equal(returned["logits"], logits)
    assert torch.equal(returned["probs"], probs)
    assert returned["token_ids"] == "kept"


def test_predict_switches_to_evaluation_and_takes_no_gradient():
    head = small_head().train()
    probs = head.predict_proba(embeddings())
    assert not head.training
    assert not probs.requires_grad
    assert torch.equal(head.predict(embeddings()), probs.argmax(dim=1))


def test_multitarget():
    head = small_head(out_features=3, multitarget=True)
    probs = head.predict_proba(embeddings())
    assert torch.equal(head.predict(embeddings()), (probs >= 0.5).long())
    loss = head.get_loss_fn()
    logits, _ = head(embeddings())
    labels = torch.tensor([[0, 1, 1]] * 5)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.float())
    assert torch.allclose(loss(logits, labels), expected)
    with pytest.raises(ValueError, match=r"`labels` must have shape \(5, 3\)"):
        loss(logits, labels[:, 0])


def test_temperature_divides_the_logits():
    head = small_head()
    logits, _ = head(embeddings())
    cooler, _ = head(embeddings(), temperature=2.0)
    assert torch.allclose(cooler, logits / 2)
    head.temperature = 4.0
    assert torch.allclose(head(embeddings())[0], logits / 4)


def test_loss_names_a_label_the_head_has_no_output_for():
    head = small_head()
    logits, _ = head(embeddings())
    with pytest.raises(ValueError, match="below out_features = 2, but got 3; give the head out_features=4"):
        head.get_loss_fn()(logits, torch.tensor([0, 1, 0, 3, 1]))


def test_parameters_exist_before_the_first_batch():
    """SetFit builds its optimizer before it has seen an embedding."""
    head = QuantumHead(n_qubits=4, seed=0)
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.1)
    assert head.device.type == "cpu"
    assert not head.is_built
    head.get_loss_fn()(head(embeddings())[0], torch.zeros(5, dtype=torch.long)).backward()
    before = head.encoder.weights.detach().clone()
    optimizer.step()
    assert head.in_features == 20
    assert not torch.equal(before, head.encoder.weights)


def test_lazy_and_eager_heads_are_the_same():
    lazy, eager = QuantumHead(n_qubits=4, seed=7), QuantumHead(20, n_qubits=4, seed=7)
    assert torch.equal(lazy(embeddings())[0], eager(embeddings())[0])


def test_lazy_head_can_be_copied():
    head = copy.deepcopy(QuantumHead(n_qubits=4, seed=7))
    assert torch.equal(head(embeddings())[0], QuantumHead(20, n_qubits=4, seed=7)(embeddings())[0])


def test_width_is_fixed_by_the_first_batch():
    head = QuantumHead(n_qubits=4)
    head(embeddings())
    with pytest.raises(ValueError, match="must be 20, the width this head was built for, but got 21"):
        head(embeddings(width=21))


def test_too_narrow_encoder_is_named_at_the_first_batch():
    head = QuantumHead(n_qubits=4, encoder_qubits=9)
    with pytest.raises(ValueError, match="`encoder_qubits` must be at least 10 to hold 768 features"):
        head(embeddings(width=768))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_non_finite_embeddings_name_the_row(value):
    x = embeddings()
    x[3, 2] = value
    with pytest.raises(ValueError, match="`x` must be finite, but row 3"):
        small_head()(x)


def test_huge_but_finite_embeddings_are_fine():
    assert torch.allclose(small_head()(embeddings() * 1e30)[1], small_head()(embeddings())[1], atol=1e-5)


@pytest.mark.parametrize("shape", [(20,), (0, 20), (2, 3, 20)])
def test_wrong_shapes(shape):
    with pytest.raises(ValueError, match=r"`x` must have shape \(batch, in_features\)"):
        small_head()(torch.zeros(shape))


def test_zero_embedding():
    zero = torch.zeros(2, 20)
    assert torch.isfinite(small_head(amplitude_bias=1.0)(zero)[0]).all()
    with pytest.raises(ValueError, match="no zero rows with amplitude_bias=0, but row 0 is 0"):
        small_head(amplitude_bias=0.0)(zero)


def test_amplitude_bias_tells_x_from_minus_x():
    x = embeddings()
    assert torch.allclose(small_head(amplitude_bias=0.0)(x)[0], small_head(amplitude_bias=0.0)(-x)[0], atol=1e-6)
    assert not torch.allclose(small_head(amplitude_bias=1.0)(x)[0], small_head(amplitude_bias=1.0)(-x)[0], atol=1e-3)


# ---- classes ----------------------------------------------------------------------------------------------------


def test_number_of_classes_is_taken_from_the_labels():
    head = QuantumHead(20, n_qubits=4)
    head.fit_out_features(4)
    assert head(embeddings())[0].shape == (5, 4)


def test_given_number_of_classes_is_kept():
    head = QuantumHead(20, 3, n_qubits=4)
    head.fit_out_features(2)
    assert head.out_features == 3
    with pytest.raises(ValueError, match="`out_features` must be at least 4, the number of classes in the labels"):
        head.fit_out_features(4)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_without_final_linear_layer_expectations_are_the_logits(classes):
    head = small_head(out_features=classes, final_linear=False)
    z, (logits, _) = head.expectations(embeddings()), head(embeddings())
    expected = torch.stack([-z[:, 0], z[:, 0]], dim=1) if classes == 2 else z[:, :classes]
    assert torch.equal(logits, expected)
    assert head.linear is None


# ---- encoders ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_encoders", [1, 2, 3])
def test_latents_are_scaled_expectations_of_each_encoder(n_encoders):
    head = small_head(n_encoders=n_encoders)
    with torch.no_grad():
        head.encoder.scale.copy_(torch.tensor([1.0, 2.0, -3.0])[:n_encoders])
    x = embeddings()
    units = torch.nn.functional.normalize(x, dim=1)
    state = torch.nn.functional.normalize(torch.cat([units, torch.ones(5, 1)], dim=1), dim=1)
    parts = []
    for e, share in enumerate(head.config.encoder_shares):
        z = get_backend("torch").expectations(head.encoder_circuit(e), head.encoder.weights[e], None, state)
        parts.append(z[:, :share] * head.encoder.scale[e])
    assert torch.allclose(head.latents(x), torch.cat(parts, dim=1), atol=1e-5)


@pytest.mark.parametrize("settings", [{"encoder": "linear"}, {"encoder": "mlp", "encoder_hidden_dim": 6}])
def test_classical_encoders(settings):
    head = small_head(**settings)
    assert torch.allclose(head.latents(embeddings()), head.encoder.layers(embeddings()))
    with pytest.raises(ValueError, match="`encoder` must be 'quantum' to have a circuit"):
        head.encoder_circuit()


def test_batch_norm_encoder_trains():
    head = small_head(encoder="mlp", encoder_hidden_dim=6, encoder_batch_norm=True)
    head(embeddings())[0].sum().backward()
    assert head.encoder.layers[0].weight.grad.abs().sum() > 0


def test_gradient_reaches_the_embedding():
    """Needed when body and head are trained together."""
    x = embeddings().requires_grad_()
    small_head()(x)[0][:, 1].sum().backward()
    reference = embeddings().double().requires_grad_()
    small_head().double()(reference)[0][:, 1].sum().backward()
    assert (x.grad - reference.grad).norm() < 1e-4 * reference.grad.norm()


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
    standardized = (noisy - exact) / ((1 - exact**2) / 100).sqrt()
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
