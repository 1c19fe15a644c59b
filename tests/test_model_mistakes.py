"""Mistakes with whole models: settings in the wrong place, classes without names, damaged bodies, stale figures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from bodies import NAMES, NUMBERS, TEXTS
from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.card import CardResult
from setfit_quantum.serialization import ModelFileError

SMALL: dict[str, Any] = {"n_qubits": 3, "encoder_layers": 1, "seed": 1, "backend": "torch"}
QUICK: dict[str, Any] = {"num_epochs": 1, "show_progress_bar": False}


def load(body: Path, head: Any = None, **options: Any) -> SetFitModel:
    return SetFitModel.from_pretrained(body, QuantumHead(**SMALL) if head is None else head, device="cpu", **options)


@pytest.mark.parametrize("name", ["shots", "noise", "backend", "temperature", "sampler"])
def test_settings_of_the_head_are_not_the_models(tiny_body: Path, name: str) -> None:
    model = load(tiny_body)
    with pytest.raises(AttributeError, match=rf"assign `model\.model_head\.{name}` instead"):
        setattr(model, name, 5)
    model.notes = "mine"  # what is no setting is the user's


# ---- names of classes -----------------------------------------------------------------------------------------------


def one_sided(n_classes: int) -> QuantumHead:
    """A head for which the last class always wins."""
    head = QuantumHead(32, n_classes, **SMALL)
    with torch.no_grad():
        assert head.linear is not None
        head.linear.weight.zero_()
        head.linear.bias.copy_(torch.arange(n_classes))
    return head


def test_a_class_without_a_name_is_told(tiny_body: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = load(tiny_body, one_sided(3), labels=["no", "yes"])
    assert "The head has 3 classes, but only 2 names ('no', 'yes')" in caplog.text
    with pytest.raises(ValueError, match=r"`labels` must name all 3 classes of the head, but names 2 \('no', 'yes'\)"):
        model.predict(TEXTS)
    with pytest.raises(ValueError, match="predict with use_labels=False"):
        model.predict(TEXTS[0])
    assert model.predict(TEXTS, use_labels=False).tolist() == [2] * len(TEXTS)
    model.labels = ["no", "yes", "maybe"]
    assert model.predict(TEXTS[:1]) == ["maybe"]


def test_fewer_names_than_classes_in_training_are_told(tiny_body: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = load(tiny_body, QuantumHead(out_features=3, **SMALL))
    model.fit(TEXTS, NAMES, **QUICK)
    assert "The head has 3 classes, but only 2 names ('negative', 'positive')" in caplog.text


def test_other_errors_of_an_index_stay_what_they_are(tiny_body: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(tiny_body, one_sided(2), labels=["no", "yes"])

    def fail(*_: Any, **__: Any) -> None:
        raise IndexError("index out of range in self")

    monkeypatch.setattr(model.model_body, "encode", fail)
    with pytest.raises(IndexError, match="index out of range"):
        model.predict(TEXTS)


def test_names_may_be_given_to_fit(tiny_body: Path) -> None:
    model = load(tiny_body)
    model.fit(TEXTS, [2 * number for number in NUMBERS], label_names=["bad", "mixed", "good"], **QUICK)
    assert model.labels == ["bad", "mixed", "good"]
    assert model.model_head.out_features == 3
    with pytest.raises(ValueError, match="must hold class numbers below 2, the number of label names"):
        load(tiny_body).fit(TEXTS, [2 * number for number in NUMBERS], label_names=["bad", "good"], **QUICK)
    with pytest.raises(ValueError, match=r"Arguments \['label_names'\] need a module head"):
        load(tiny_body, LogisticRegression()).fit(TEXTS, NAMES, label_names=["a", "b"])
    with pytest.raises(ValueError, match=r"Arguments \['end_to_end'\] need a module head"):
        load(tiny_body, LogisticRegression()).fit(TEXTS, NAMES, end_to_end=True)


def test_labels_of_another_task_are_told_where_to_go(tiny_body: Path) -> None:
    model = load(tiny_body)
    model.fit(TEXTS, NAMES, **QUICK)
    topics = [["film", "music", "cast"][number % 3] for number in range(len(TEXTS))]
    model.model_head.replace_classifier("linear")  # of the head alone: the model keeps its names
    with pytest.raises(ValueError, match=r"holds 'film'\. For a task .* new classifier \(model\.replace_classifier\)"):
        model.fit(TEXTS, topics, **QUICK)
    model.replace_classifier("linear")
    model.fit(TEXTS, topics, **QUICK)
    assert model.labels == ["cast", "film", "music"]
    model.model_head.freeze("encoder").freeze("classifier")
    with pytest.raises(ValueError, match=r"trains again after head\.unfreeze"):
        model.fit(TEXTS, topics, **QUICK)


def test_rows_of_names_train_a_head_of_several_labels(tiny_body: Path) -> None:
    rows = [[name, "short"] if len(text) < 10 else [name] for name, text in zip(NAMES, TEXTS, strict=True)]
    model = load(tiny_body, QuantumHead(multitarget=True, **SMALL))
    model.fit(TEXTS, rows, validation_data=(TEXTS[:4], [[], *rows[1:4]]), **QUICK)
    assert model.labels == ["negative", "positive", "short"]
    assert model.predict(TEXTS).shape == (len(TEXTS), 3)
    same = load(tiny_body, QuantumHead(multitarget=True, **SMALL))
    names = ["negative", "positive", "short"]
    same.fit(TEXTS, [[int(name in row) for name in names] for row in rows], label_names=names, **QUICK)
    other = load(tiny_body, QuantumHead(multitarget=True, **SMALL))
    other.fit(TEXTS, rows, **QUICK)
    assert (same.predict_proba(TEXTS, as_numpy=True) == other.predict_proba(TEXTS, as_numpy=True)).all()


# ---- figures of former heads ----------------------------------------------------------------------------------------


def test_held_out_texts_are_not_called_trained_on(tiny_body: Path) -> None:
    model = load(tiny_body)
    result = model.fit(TEXTS, NUMBERS, validation_split=0.3, **QUICK)
    assert result is not None
    held_out = math.ceil(0.3 * len(TEXTS))
    training = model.card_facts.training
    assert (training["training texts"], training["validation texts"]) == (len(TEXTS) - held_out, held_out)
    model.fit(TEXTS, NUMBERS, validation_data=(TEXTS[:4], NUMBERS[:4]), **QUICK)
    assert model.card_facts.training["training texts"] == len(TEXTS)
    assert model.card_facts.training["validation texts"] == 4


def test_fitting_a_classical_head_drops_figures_of_the_former_one(tiny_body: Path) -> None:
    model = load(tiny_body, LogisticRegression())
    model.record_results([CardResult("accuracy", 0.9, (0.8, 1.0))])
    model.fit(TEXTS, NAMES)
    assert model.card_facts.results == ()
    assert model.card_facts.training["training texts"] == len(TEXTS)
    assert "LogisticRegression, by scikit-learn" in model.generate_model_card()


# ---- bodies that cannot be loaded -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{"),
        ("model.safetensors", b""),
        ("config.json", b"{"),
        ("config.json", b"{}"),
        ("modules.json", b'[{"type": "os.system"}]'),
        ("modules.json", b"3"),
        ("tokenizer.json", b"\xff"),
    ],
)
def test_a_damaged_body_is_named(tiny_body: Path, tmp_path: Path, name: str, content: bytes) -> None:
    model = load(tiny_body)
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=name):
        SetFitModel.from_pretrained(tmp_path / "model", device="cpu")
    with pytest.raises(ModelFileError, match="holds no sentence transformer that can be loaded") as caught:
        SetFitModel.from_pretrained(tmp_path / "model", device="cpu", verify=False)
    assert caught.value.file == tmp_path / "model"


def test_a_head_that_is_gone_is_not_replaced_by_a_new_one(tiny_body: Path, tmp_path: Path) -> None:
    load(tiny_body).save_pretrained(tmp_path / "model")
    for path in (tmp_path / "model").glob("quantum_head*"):
        path.unlink()
    with pytest.raises(ModelFileError, match="is missing, though the manifest lists it"):
        SetFitModel.from_pretrained(tmp_path / "model", device="cpu")
    with pytest.raises(ModelFileError, match="is missing, and so is every other kind of head"):
        SetFitModel.from_pretrained(tmp_path / "model", device="cpu", verify=False)
    assert load(tmp_path / "model", verify=False).model_head.config.n_qubits == 3
    classical = load(tiny_body, LogisticRegression())
    classical.fit(TEXTS, NAMES)
    classical.save_pretrained(tmp_path / "classical")
    (tmp_path / "classical" / "setfit_quantum_manifest.json").unlink()  # a folder that was not copied as a whole
    with pytest.raises(ModelFileError, match=r"setfit_quantum_manifest\.json: is missing"):
        SetFitModel.from_pretrained(tmp_path / "classical", device="cpu")
