"""Transfer between tasks: freezing, new classifiers, the four kinds; and heads of every kind through files."""

from __future__ import annotations

import json

import pytest
import torch

from bodies import NAMES, TEXTS
from setfit_quantum import ClassicalHead, QuantumHead, SetFitModel, TransferKind
from setfit_quantum.card import CardFacts
from setfit_quantum.serialization import ModelFileError, load_head
from setfit_quantum.serialization.layout import (
    CIRCUIT,
    CLASSICAL_HEAD_CONFIG,
    CLASSICAL_HEAD_WEIGHTS,
    HEAD_CONFIG,
)
from setfit_quantum.training import HeadTrainingArguments, train_head
from training_heads import make_blobs, weights_of

QUANTUM = {"n_qubits": 3, "n_encoders": 1, "encoder_layers": 1, "amplitude_noise": 0.0, "n_reuploads": 4, "seed": 0}
CLASSICAL = QUANTUM | {"encoder": "mlp", "encoder_hidden_dim": 5, "encoder_batch_norm": True}


def settings(**changes):
    return HeadTrainingArguments(**({"num_epochs": 3, "show_progress_bar": False} | changes))


def trained(**arguments):
    head = QuantumHead(**arguments)
    train_head(head, *make_blobs(40), settings())
    return head


@pytest.mark.parametrize(
    ("arguments", "classifier", "kind"),
    [
        (CLASSICAL, "linear", TransferKind.CC),
        (CLASSICAL, "quantum", TransferKind.CQ),
        (QUANTUM, "linear", TransferKind.QC),
        (QUANTUM, "quantum", TransferKind.QQ),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_a_frozen_encoder_serves_another_task(arguments, classifier, kind, tmp_path):
    head = trained(**arguments)
    x, labels = make_blobs(45, n_classes=3, seed=1)
    encoder = weights_of(head.encoder)
    latents = head.eval().latents(x)
    head.freeze("encoder").replace_classifier(classifier)
    assert head.transfer_kind is kind
    assert (kind.pretrained == "quantum") == (arguments is QUANTUM)
    assert (kind.trained == "quantum") == (classifier == "quantum")
    result = train_head(head, x, labels, settings(num_epochs=60, learning_rate=0.05, lr_schedule="constant"))
    assert head.out_features == 3
    for name, tensor in weights_of(head.encoder).items():
        assert torch.equal(tensor, encoder[name]), name
    assert torch.equal(head.eval().latents(x), latents)
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    assert result.history[-1]["train_metric"] > 0.6  # three balanced classes: guessing gives 0.33
    head.save_pretrained(tmp_path)
    loaded = QuantumHead.from_pretrained(tmp_path)
    assert loaded.transfer_kind is kind
    assert torch.equal(loaded.predict_proba(x), head.predict_proba(x))
    assert loaded.num_parameters() == head.num_parameters()
    assert (tmp_path / CIRCUIT).exists() == (classifier == "quantum")


def test_only_what_is_not_frozen_counts_as_trained():
    head = QuantumHead(8, 4, **QUANTUM)
    encoder = sum(parameter.numel() for parameter in head.encoder.parameters())
    everything = head.num_parameters()
    assert head.freeze("encoder").num_parameters() == everything - encoder
    assert head.freeze("classifier").num_parameters() == 0
    assert head.unfreeze("encoder").num_parameters() == encoder
    assert head.config.frozen == ("classifier",)
    assert head.unfreeze().num_parameters() == everything
    head.replace_classifier("linear", out_features=4)
    assert head.num_parameters() == encoder + 3 * 4 + 4
    head.replace_classifier("mlp", out_features=4, hidden_dim=7)
    assert head.num_parameters() == encoder + 3 * 7 + 7 + 7 * 4 + 4


def test_an_encoder_that_trains_belongs_to_the_new_network():
    assert QuantumHead(classifier="linear").transfer_kind is TransferKind.CQ
    assert QuantumHead(classifier="linear", encoder="linear").transfer_kind is TransferKind.CC
    assert QuantumHead(classifier="linear", frozen=["encoder"]).transfer_kind is TransferKind.QC
    assert str(TransferKind.QC) == "QC: a quantum network, pre-trained, feeds a classical one"
    assert ClassicalHead(hidden_dim=3).transfer_kind is TransferKind.CC


def test_a_linear_classifier_is_a_linear_map_of_the_latents():
    head = QuantumHead(8, 3, classifier="linear", **QUANTUM)
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    logits, probs = head(x)
    assert torch.allclose(logits, head.latents(x) @ head.linear.weight.T + head.linear.bias)
    assert torch.allclose(probs, torch.softmax(logits, -1))
    assert head.circuit.gates == ()
    with pytest.raises(ValueError, match="`classifier` must be 'quantum' to measure, but is 'linear'"):
        head.expectations(x)
    with torch.no_grad():
        assert torch.allclose(head(x)[0], logits)


def test_a_new_circuit_has_its_own_settings_and_weights():
    head = QuantumHead(8, 2, shots=100, noise="paper-low", **QUANTUM)
    before = head.circuit_weights.detach().clone()
    head.replace_classifier("quantum", out_features=5, n_layers=3, seed=7)
    assert (head.config.n_layers, head.config.n_reuploads, head.shots, head.out_features) == (3, 4, 100, 5)
    assert head.noise is not None
    assert head.circuit_weights.shape == (head.circuit.num_parameters,)
    assert head.circuit_weights.shape != before.shape
    head.replace_classifier("linear")
    assert (head.shots, head.noise) == (None, None)
    head.replace_classifier("quantum")
    assert (head.config.n_layers, head.shots) == (1, None)
    other = QuantumHead(8, 2, **QUANTUM).replace_classifier("quantum", seed=8).circuit_weights
    assert not torch.equal(head.circuit_weights, other)


def test_a_refused_classifier_leaves_the_head_as_it_was():
    head = QuantumHead(8, 2, **QUANTUM)
    config, weights = head.config, weights_of(head)
    for call, error, message in (
        ({"classifier": "forest"}, ValueError, "Argument `classifier` must be one of"),
        (
            {"classifier": "linear", "n_layers": 3},
            TypeError,
            "`n_layers` is no setting of classifier='linear'",
        ),
        ({"classifier": "quantum", "n_qubits": 3}, TypeError, "Argument `n_qubits` is no setting"),
        ({"classifier": "mlp"}, ValueError, "`hidden_dim` must be given with classifier='mlp' and only then"),
        ({"classifier": "linear", "hidden_dim": 4}, ValueError, "`hidden_dim` must be given with classifier='mlp'"),
        ({"classifier": "quantum", "connectivity": 3}, ValueError, "`connectivity` must be less than n_qubits"),
    ):
        with pytest.raises(error, match=message):
            head.replace_classifier(**call)
    assert head.config == config
    assert weights_of(head).keys() == weights.keys()
    with pytest.raises(ValueError, match="Argument `part` must be one of 'encoder', 'classifier'"):
        head.freeze("body")


def test_settings_that_a_classical_classifier_would_ignore_are_refused():
    with pytest.raises(ValueError, match="Argument `shots` must keep its default None with classifier='linear'"):
        QuantumHead(classifier="linear", shots=10)
    head = QuantumHead(classifier="linear")
    with pytest.raises(ValueError, match="Argument `noise` must keep its default"):
        head.noise = "paper-low"
    with pytest.raises(ValueError, match="Argument `frozen` must hold none or some of"):
        QuantumHead(frozen=["body"])


def test_batch_statistics_of_a_frozen_encoder_stay():
    head = trained(**CLASSICAL)
    head.freeze("encoder").train()
    assert not head.encoder.training
    assert head.training
    classical = ClassicalHead(6, hidden_dim=4, batch_norm=True, seed=0)
    train_head(classical, *make_blobs(40), settings())
    running = classical.layers[1].running_mean.clone()
    classical.freeze("encoder").replace_classifier("linear", out_features=3)
    train_head(classical, *make_blobs(45, n_classes=3), settings())
    assert torch.equal(classical.layers[1].running_mean, running)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ClassicalHead(seed=0),
        lambda: ClassicalHead(hidden_dim=4, batch_norm=True, seed=0),
        lambda: ClassicalHead(hidden_dim=4, classifier_hidden_dim=3, seed=0),
    ],
)
def test_classical_heads_go_through_files(make, tmp_path):
    head = make()
    x, labels = make_blobs(45, n_classes=3)
    train_head(head, x, labels, settings())
    head.temperature = 2.0
    head.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {CLASSICAL_HEAD_CONFIG, CLASSICAL_HEAD_WEIGHTS}
    loaded = ClassicalHead.from_pretrained(tmp_path)
    assert torch.equal(loaded.predict_proba(x), head.predict_proba(x))
    assert loaded.settings() == head.settings()


def test_a_classical_head_is_carried_over_too():
    head = ClassicalHead(6, hidden_dim=8, seed=0)
    train_head(head, *make_blobs(40), settings())
    x, labels = make_blobs(45, n_classes=3)
    latents = head.latents(x)
    head.freeze("encoder").replace_classifier("mlp", hidden_dim=4)
    train_head(head, x, labels, settings())
    assert torch.equal(head.latents(x), latents)
    assert head.num_parameters() == 8 * 4 + 4 + 4 * 3 + 3
    assert head.unfreeze("encoder").num_parameters() == 6 * 8 + 8 + 8 * 4 + 4 + 4 * 3 + 3
    with pytest.raises(ValueError, match="needs a hidden layer"):
        ClassicalHead(6).freeze("encoder")
    with pytest.raises(ValueError, match="must be 'linear' or 'mlp' for a ClassicalHead"):
        head.replace_classifier("quantum")
    with pytest.raises(ValueError, match="`hidden_dim` must be given with classifier='mlp' and only then"):
        head.replace_classifier("linear", hidden_dim=3)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda head: head.pop("seed"), "head.seed"),
        (lambda head: head.update(more=1), "head.more"),
        (lambda head: head.update(in_features=2**21), "head.in_features"),
        (lambda head: head.update(hidden_dim=-1), "head.hidden_dim"),
        (lambda head: head.update(frozen="encoder"), "head.frozen"),
        (lambda head: head.update(temperature=0.0), "head"),
        (lambda head: head.update(out_features=4), "layers.2.weight"),
    ],
)
def test_a_damaged_classical_head_is_refused(change, field, tmp_path):
    ClassicalHead(6, 3, hidden_dim=4, seed=0).save_pretrained(tmp_path)
    path = tmp_path / CLASSICAL_HEAD_CONFIG
    values = json.loads(path.read_text())
    change(values["head"])
    path.write_text(json.dumps(values))
    with pytest.raises(ModelFileError) as caught:
        ClassicalHead.from_pretrained(tmp_path, verify=False)
    assert caught.value.field == field


def test_settings_of_the_classifier_are_not_optional(tmp_path):
    QuantumHead(6, **QUANTUM).save_pretrained(tmp_path)
    values = json.loads((tmp_path / HEAD_CONFIG).read_text())
    del values["head"]["classifier"]
    (tmp_path / HEAD_CONFIG).write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match=r"`head\.classifier` is missing"):
        load_head(tmp_path, verify=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: QuantumHead(classifier="linear", **QUANTUM),
        lambda: QuantumHead(classifier="mlp", classifier_hidden_dim=4, **QUANTUM),
        lambda: QuantumHead(classifier="linear", **CLASSICAL),
        lambda: QuantumHead(**CLASSICAL),
        lambda: ClassicalHead(seed=0),
        lambda: ClassicalHead(hidden_dim=6, batch_norm=True, seed=0),
    ],
    ids=["QC", "QC mlp", "CC", "CQ", "linear", "mlp"],
)
def test_models_with_every_kind_of_head_are_saved_and_carried_over(make, tiny_body, tmp_path):
    model = SetFitModel.from_pretrained(tiny_body, head=make(), device="cpu")
    model.fit(TEXTS, NAMES, num_epochs=2, show_progress_bar=False)
    model.save_pretrained(tmp_path / "first")
    card = (tmp_path / "first" / "README.md").read_text()
    assert ("quantum head" in card.split("\n# ")[1].split("\n")[0]) == getattr(model.model_head, "is_quantum", False)
    loaded = SetFitModel.from_pretrained(tmp_path / "first", device="cpu")
    assert loaded.labels == ["negative", "positive"]
    assert torch.equal(loaded.predict_proba(TEXTS), model.predict_proba(TEXTS))
    # On to another task: three classes.
    if getattr(loaded.model_head, "hidden_dim", 1) is not None:
        loaded.model_head.freeze("encoder")
    loaded.replace_classifier("linear")
    assert loaded.labels is None
    assert loaded.card_facts.training == CardFacts().training
    topics = [["film", "cast", "music"][number % 3] for number in range(len(TEXTS))]
    loaded.fit(TEXTS, topics, num_epochs=2, show_progress_bar=False)
    assert loaded.labels == ["cast", "film", "music"]
    loaded.save_pretrained(tmp_path / "second")
    again = SetFitModel.from_pretrained(tmp_path / "second", device="cpu")
    assert again.predict(TEXTS) == loaded.predict(TEXTS)
    assert torch.equal(again.predict_proba(TEXTS), loaded.predict_proba(TEXTS))


def test_a_foreign_head_has_no_classifier_to_replace(tiny_body):
    from sklearn.linear_model import LogisticRegression

    model = SetFitModel.from_pretrained(tiny_body, head=LogisticRegression(), device="cpu")
    with pytest.raises(TypeError, match="must be a QuantumHead or a ClassicalHead, but is a LogisticRegression"):
        model.replace_classifier("linear")


def test_a_head_that_starts_as_the_identity_takes_a_linear_classifier():
    head = QuantumHead(8, 2, n_qubits=3, initialization="identity", seed=0).replace_classifier("linear")
    assert head.config.classifier == "linear"
    assert head.replace_classifier("quantum").config.chosen_initialization == "identity"
