"""The head: the paper's parameter counts, SetFit's contract, and clear errors."""

import copy
import inspect

import pytest
import torch

from setfit_quantum import QuantumHead, SetFitQuantumHead
from setfit_quantum.backends import get_backend
from setfit_quantum.baselines import ClassicalHead
from setfit_quantum.noise import NoiseModel
from small_heads import embeddings, small_head

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
    state = torch.nn.functional.normalize(
        torch.cat([units, torch.full((5, 1), head.config.amplitude_bias)], dim=1), dim=1
    )
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
