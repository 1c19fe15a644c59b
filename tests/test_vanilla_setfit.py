"""Our head in SetFit's own model, and our model in SetFit's own trainers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import setfit
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from bodies import NAMES, NUMBERS, TEXTS
from setfit_quantum import QuantumHead, SetFitModel, TrainingArguments
from setfit_quantum.model import setfit_model

TRAIN = Dataset.from_dict({"text": TEXTS, "label": NUMBERS})
SMALL: dict[str, Any] = {"n_qubits": 3, "encoder_layers": 1, "seed": 5}


def accuracy(predicted: torch.Tensor, expected: list[int]) -> dict[str, float]:
    return {"accuracy": float((torch.as_tensor(predicted) == torch.tensor(expected)).float().mean())}


def named_accuracy(predicted: Any, expected: Any) -> dict[str, float]:
    assert len(predicted) == len(expected)
    return {"accuracy": float((predicted == expected).mean())}


def arguments(folder: Path, **changes: Any) -> setfit.TrainingArguments:
    settings: dict[str, Any] = {
        "output_dir": str(folder),
        "num_epochs": (1, 2),
        "max_steps": 2,
        "report_to": "none",
        "save_strategy": "no",
        "show_progress_bar": False,
    }
    return setfit.TrainingArguments(**(settings | changes))


@pytest.mark.parametrize(
    "settings", [{}, {"in_features": 32}, {"encoder": "linear"}, {"shots": 64, "noise": "paper-low"}]
)
def test_plain_model_and_trainer_with_a_quantum_head(tiny_body: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    head = QuantumHead(**(SMALL | settings))
    model = setfit.SetFitModel(model_body=SentenceTransformer(str(tiny_body), device="cpu"), model_head=head)
    assert model.has_differentiable_head
    before = [parameter.clone() for name, parameter in head.named_parameters() if name == "circuit_weights"]
    trainer = setfit.Trainer(model, arguments(tmp_path), TRAIN, TRAIN, metric=accuracy)
    trainer.train()
    assert not torch.equal(head.circuit_weights, before[0])
    assert head.is_built  # the first batch gave the width, and the optimizer trained what it gave shape to
    weights = head.encoder.weights if settings.get("encoder") is None else next(head.encoder.parameters())
    fresh = QuantumHead(**(SMALL | settings | {"in_features": 32}))
    started = fresh.encoder.weights if settings.get("encoder") is None else next(fresh.encoder.parameters())
    assert not torch.equal(weights, started)
    assert 0 <= trainer.evaluate()["accuracy"] <= 1
    assert model.predict_proba(TEXTS).shape == (16, 2)


def test_plain_model_trains_the_head_end_to_end(tiny_body: Path) -> None:
    model = setfit.SetFitModel(SentenceTransformer(str(tiny_body), device="cpu"), QuantumHead(**SMALL))
    before = model.encode(TEXTS)
    model.fit(
        TEXTS, NUMBERS, num_epochs=1, batch_size=8, head_learning_rate=0.01, body_learning_rate=1e-3, end_to_end=True,
        show_progress_bar=False,
    )  # fmt: skip
    assert not torch.equal(model.encode(TEXTS), before)


def captured_arguments(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []
    original = setfit_model.fit_module_head

    def record(model: Any, texts: Any, labels: Any, arguments: Any, **kwargs: Any) -> Any:
        seen.append(arguments)
        return original(model, texts, labels, arguments, **kwargs)

    monkeypatch.setattr(setfit_model, "fit_module_head", record)
    return seen


def test_our_model_in_the_plain_trainer(
    tiny_body: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen = captured_arguments(monkeypatch)
    model = SetFitModel.from_pretrained(tiny_body, QuantumHead(**SMALL), device="cpu")
    trainer = setfit.Trainer(model, arguments(tmp_path), TRAIN, TRAIN, metric=accuracy)
    trainer.train()
    assert len(model.head_history) == 2
    assert (seen[0].batch_size, seen[0].weight_decay) == (16, 0.0)
    assert "batches of 16" in caplog.text
    assert trainer.evaluate()["accuracy"] == accuracy(model.predict(TEXTS), NUMBERS)["accuracy"]


def test_what_the_user_sets_is_honoured_by_the_plain_trainer(
    tiny_body: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen = captured_arguments(monkeypatch)
    model = SetFitModel.from_pretrained(tiny_body, QuantumHead(**SMALL), device="cpu")
    explicit = arguments(tmp_path, batch_size=(16, 2), l2_weight=float("0.01"))
    setfit.Trainer(model, explicit, TRAIN).train()
    assert (seen[0].batch_size, seen[0].weight_decay) == (2, 0.01)
    with caplog.at_level(logging.INFO):
        model.fit(TEXTS, NUMBERS, 1, batch_size=2, head_learning_rate=0.01, l2_weight=0.01, show_progress_bar=False)
    assert (seen[1].batch_size, seen[1].weight_decay) == (2, 0.01)  # a direct call after a trainer's
    assert "SetFit's default" not in caplog.text


def test_our_arguments_reach_the_head_through_the_plain_trainer(
    tiny_body: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = captured_arguments(monkeypatch)
    model = SetFitModel.from_pretrained(tiny_body, QuantumHead(**SMALL), device="cpu")
    args = TrainingArguments(
        output_dir=str(tmp_path), num_epochs=(1, 2), max_steps=2, report_to="none", show_progress_bar=False,
        lr_decay=0.5, lr_schedule="constant", validation_split=0.25, head_metric="f1", seed=7,
    )  # fmt: skip
    setfit.Trainer(model, args, TRAIN).train()
    assert (seen[0].lr_decay, seen[0].validation_split, seen[0].metric) == (0.5, 0.25, "f1")
    assert [entry["learning_rate"] for entry in model.head_history] == [0.02, 0.01]


def test_string_labels_in_the_plain_trainer(tiny_body: Path, tmp_path: Path) -> None:
    model = SetFitModel.from_pretrained(tiny_body, QuantumHead(**SMALL), device="cpu")
    named = Dataset.from_dict({"text": TEXTS, "label": NAMES})
    trainer = setfit.Trainer(model, arguments(tmp_path), named, named, metric=named_accuracy)
    trainer.train()
    assert set(model.predict(TEXTS)) <= set(NAMES)
    expected = sum(name == given for name, given in zip(model.predict(TEXTS), NAMES, strict=True)) / len(NAMES)
    assert trainer.evaluate() == {"accuracy": expected}  # names with names
    assert setfit.Trainer(model, arguments(tmp_path), TRAIN, TRAIN, metric=accuracy).evaluate()["accuracy"] == expected
    assert model.predict(TEXTS, use_labels=False).dtype == torch.int64


def test_distillation_from_a_teacher_with_labels(tiny_body: Path, tmp_path: Path) -> None:
    """A teacher with labels predicts strings, on which plain SetFit's student crashes."""
    teacher = SetFitModel.from_pretrained(tiny_body, QuantumHead(**SMALL, out_features=2), device="cpu")
    teacher.fit(TEXTS, NAMES, num_epochs=40, head_learning_rate=0.05, show_progress_bar=False)
    assert len(set(teacher.predict(TEXTS))) == 2
    student = SetFitModel.from_pretrained(tiny_body, QuantumHead(**SMALL), device="cpu")
    unlabelled = Dataset.from_dict({"text": TEXTS})
    setfit.DistillationTrainer(teacher, student, arguments(tmp_path), unlabelled).train()
    assert student.labels == ["negative", "positive"]
    assert set(student.predict(TEXTS)) <= set(NAMES)


@pytest.mark.parametrize("settings", [{"head": LogisticRegression()}, {"use_differentiable_head": True}])
def test_export_for_plain_setfit_is_the_same_model(tiny_body: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    model = SetFitModel.from_pretrained(tiny_body, device="cpu", normalize_embeddings=True, **settings)
    model.fit(TEXTS, NUMBERS, num_epochs=1)
    model.export_plain_setfit(tmp_path / "plain")
    plain = setfit.SetFitModel.from_pretrained(str(tmp_path / "plain"), device="cpu")
    expected = model.predict_proba(TEXTS, as_numpy=True)
    assert (plain.predict_proba(TEXTS, as_numpy=True) == expected).all()
    with pytest.raises(ValueError, match="must be new or empty"):
        model.export_plain_setfit(tmp_path / "plain")


def test_a_quantum_head_is_not_exported_as_something_else(tiny_body: Path, tmp_path: Path) -> None:
    model = SetFitModel.from_pretrained(tiny_body, QuantumHead(**SMALL), device="cpu")
    with pytest.raises(TypeError, match="nothing that computes it exactly"):
        model.export_plain_setfit(tmp_path / "plain")
    assert not (tmp_path / "plain").exists()


def test_plain_setfit_finds_no_head_in_our_files_and_says_so(
    tiny_body: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As the card tells: no prediction comes out of the wrong class by mistake."""
    model = SetFitModel.from_pretrained(tiny_body, QuantumHead(**SMALL), device="cpu", labels=["no", "yes"])
    model.save_pretrained(tmp_path)
    with caplog.at_level(logging.INFO, logger="setfit"):
        plain = setfit.SetFitModel.from_pretrained(str(tmp_path), device="cpu")
    assert "model_head.pkl not found" in caplog.text
    assert (type(plain), plain.labels) == (setfit.SetFitModel, ["no", "yes"])
    with pytest.raises(NotFittedError):
        plain.predict(TEXTS)
    card = (tmp_path / "README.md").read_text()
    assert "Its `predict` then raises `NotFittedError`" in card


def test_plain_setfit_stops_at_settings_that_it_does_not_know(tiny_body: Path, tmp_path: Path) -> None:
    head = QuantumHead(**SMALL, multitarget=True, out_features=2)
    SetFitModel.from_pretrained(tiny_body, head, device="cpu").save_pretrained(tmp_path)
    with pytest.raises(TypeError, match="multi_target_strategy"):
        setfit.SetFitModel.from_pretrained(str(tmp_path), device="cpu")
    card = (tmp_path / "README.md").read_text()
    assert "nor the setting `multi_target_strategy`, at which it stops with a `TypeError`" in card
