"""`Trainer` and `TrainingArguments`: contrastive tuning, then a head phase that is not blind."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import setfit
import torch
from datasets import Dataset
from huggingface_hub import ModelCard
from sklearn.linear_model import LogisticRegression
from torch import nn
from transformers import TrainerCallback

from bodies import NAMES, NUMBERS, TEXTS
from setfit_quantum import QuantumHead, SetFitModel, Trainer, TrainingArguments
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingCallback, HeadTrainingState
from setfit_quantum.training.setfit_arguments import head_arguments_of

TRAIN = Dataset.from_dict({"text": TEXTS, "label": NUMBERS})
NAMED = Dataset.from_dict({"text": TEXTS, "label": NAMES})
EVAL = Dataset.from_dict({"text": TEXTS[:6], "label": NUMBERS[:6]})


def make_model(body: Path, **settings: Any) -> SetFitModel:
    head = QuantumHead(**({"n_qubits": 3, "encoder_layers": 1, "seed": 5} | settings))
    return SetFitModel.from_pretrained(body, head, device="cpu")


def arguments(folder: Path, **changes: Any) -> TrainingArguments:
    settings: dict[str, Any] = {
        "output_dir": str(folder),
        "num_epochs": (1, 3),
        "max_steps": 3,
        "report_to": "none",
        "show_progress_bar": False,
    }
    return TrainingArguments(**(settings | changes))


class Recorder(TrainerCallback):
    """Notes the events of transformers in their order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.logs: list[dict[str, Any]] = []

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.events.append("begin")

    def on_epoch_end(self, *args: Any, **kwargs: Any) -> None:
        self.events.append("epoch")

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        self.events.append("end")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:
        self.logs.append({**logs, "step": state.global_step})
        if "head_loss" in logs:
            self.events.append("head log")


def test_defaults_suit_a_quantum_head() -> None:
    args = TrainingArguments()
    assert isinstance(args, setfit.TrainingArguments)
    assert args.classifier_batch_size == 16
    assert args.embedding_batch_size == 16
    assert args.l2_weight == 0
    assert args.save_strategy == "no"
    assert args.head_arguments() == HeadTrainingArguments()


def test_pairs_and_single_numbers() -> None:
    args = TrainingArguments(num_epochs=(2, 7), batch_size=(8, 4), head_learning_rate=0.1, l2_weight=0.0)
    assert (args.embedding_num_epochs, args.embedding_batch_size) == (2, 8)
    head = args.head_arguments()
    assert (head.num_epochs, head.batch_size, head.learning_rate, head.weight_decay) == (7, 4, 0.1, 0.0)
    assert TrainingArguments(num_epochs=5, batch_size=3).head_arguments().num_epochs == 5


def test_head_settings_reach_the_head() -> None:
    args = TrainingArguments(
        lr_decay=0.9, validation_split=0.2, early_stopping_patience=3, class_weights="balanced", head_metric="f1",
        head_optimizer="sgd", checkpoint_dir="x", resume=False, seed=3,
    )  # fmt: skip
    assert args.head_arguments() == HeadTrainingArguments(
        lr_decay=0.9, validation_split=0.2, early_stopping_patience=3, class_weights="balanced", metric="f1",
        optimizer="sgd", checkpoint_dir="x", resume=False, seed=3,
    )  # fmt: skip


def test_wrong_settings_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="`lr_decay` must be at most 1"):
        TrainingArguments(lr_decay=2.0)
    with pytest.raises(ValueError, match="`batch_size` must be at least 1"):
        TrainingArguments(batch_size=(16, 0))


def test_update_keeps_our_settings() -> None:
    """Hyperparameter search changes arguments by `update`."""
    args = TrainingArguments(lr_decay=0.9, validation_split=0.2)
    updated = args.update({"num_epochs": (1, 9), "unknown": 1}, ignore_extra=True)
    assert type(updated) is TrainingArguments
    assert (updated.lr_decay, updated.validation_split, updated.classifier_num_epochs) == (0.9, 0.2, 9)
    assert TrainingArguments.from_dict(args.to_dict()) == args


def test_setfits_own_arguments(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        head = head_arguments_of(setfit.TrainingArguments())
    assert (head.batch_size, head.weight_decay, head.num_epochs) == (16, 0.0, 16)
    assert "batches of 16" in caplog.text
    assert "weight decay of 0 " in caplog.text
    caplog.clear()
    # What the user set is honoured, also where it equals SetFit's default.
    args = setfit.TrainingArguments(batch_size=(16, 2), l2_weight=float("0.01"), num_epochs=(1, 5), seed=3)
    head = head_arguments_of(args)
    assert (head.batch_size, head.weight_decay, head.num_epochs, head.seed) == (2, 0.01, 5, 3)
    assert caplog.text == ""
    assert head_arguments_of(setfit.TrainingArguments(batch_size=4, l2_weight=0.0)).weight_decay == 0.0


def test_tunes_the_body_then_the_head_and_ends_after_both(tiny_body: Path, tmp_path: Path) -> None:
    model = make_model(tiny_body)
    before = model.encode(TEXTS)
    modes = [module.training for module in model.model_body.modules()]
    recorder = Recorder()
    trainer = Trainer(model, arguments(tmp_path / "out"), TRAIN, EVAL, callbacks=[recorder])
    trainer.train()
    assert [module.training for module in model.model_body.modules()] == modes
    assert not torch.equal(model.encode(TEXTS), before)
    assert recorder.events[0] == "begin"
    assert recorder.events.count("end") == 1
    assert recorder.events[-7:] == ["head log", "epoch"] * 3 + ["end"]
    head_logs = [entry for entry in recorder.logs if "head_loss" in entry]
    assert [entry["step"] for entry in head_logs] == [4, 5, 6]  # one step of 16 texts per epoch, after the body's 3
    assert {"head_loss", "head_metric", "eval_head_loss", "eval_head_metric", "head_learning_rate"} <= set(head_logs[0])
    assert "head_loss" in str(trainer.st_trainer.state.log_history)
    assert model.head_training is not None
    assert model.head_training.best_epoch is not None  # chosen on eval_dataset
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())  # no checkpoint without the head


def test_a_callback_stops_the_head(tiny_body: Path, tmp_path: Path) -> None:
    class Stop(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:
            if "head_loss" in logs:
                control.should_training_stop = True

    model = make_model(tiny_body)
    Trainer(model, arguments(tmp_path), TRAIN, callbacks=[Stop()]).train()
    assert len(model.head_history) == 1


def test_callbacks_of_the_head(tiny_body: Path, tmp_path: Path) -> None:
    epochs: list[int] = []

    class Watch(HeadTrainingCallback):
        def on_epoch_end(self, head: nn.Module, state: HeadTrainingState) -> None:
            epochs.append(state.epoch)

    Trainer(make_model(tiny_body), arguments(tmp_path), TRAIN, callbacks=[Watch()]).train()
    assert epochs == [1, 2, 3]


@pytest.mark.parametrize("freeze", [False, True])
def test_the_head_alone(tiny_body: Path, tmp_path: Path, freeze: bool) -> None:
    model = make_model(tiny_body)
    before = model.encode(TEXTS)
    recorder = Recorder()
    changes: dict[str, Any] = {} if freeze else {"num_epochs": (0, 3), "max_steps": -1}
    if freeze:
        model.freeze("body")
    Trainer(model, arguments(tmp_path, **changes), TRAIN, callbacks=[recorder]).train()
    assert torch.equal(model.encode(TEXTS), before)
    assert len(model.head_history) == 3
    assert recorder.events == ["begin"] + ["head log", "epoch"] * 3 + ["end"]
    assert all(parameter.requires_grad != freeze for parameter in model.model_body.parameters())


def test_head_settings_are_used(tiny_body: Path, tmp_path: Path) -> None:
    model = make_model(tiny_body)
    args = arguments(
        tmp_path,
        num_epochs=(0, 50),
        max_steps=-1,
        lr_decay=0.5,
        lr_schedule="constant",
        validation_split=0.25,
        early_stopping_patience=2,
        early_stopping_threshold=1.0,
        checkpoint_dir=tmp_path / "head",
    )
    Trainer(model, args, TRAIN).train()
    assert len(model.head_history) == 3
    assert [entry["learning_rate"] for entry in model.head_history] == [0.02, 0.01, 0.005]
    assert list((tmp_path / "head").glob("*.safetensors"))


def test_end_to_end(tiny_body: Path, tmp_path: Path) -> None:
    model = make_model(tiny_body)
    before = model.encode(TEXTS)
    args = arguments(tmp_path, num_epochs=(0, 2), max_steps=-1, end_to_end=True, body_learning_rate=(1e-5, 1e-3))
    Trainer(model, args, TRAIN).train()
    assert not torch.equal(model.encode(TEXTS), before)


def test_string_labels_and_column_names(tiny_body: Path, tmp_path: Path) -> None:
    data = NAMED.rename_columns({"text": "review", "label": "mood"})
    model = make_model(tiny_body)
    trainer = Trainer(
        model,
        arguments(tmp_path, num_epochs=(1, 40), head_learning_rate=0.05),
        data,
        data,
        metric=lambda predicted, expected: float((torch.as_tensor(predicted) == torch.tensor(expected)).float().mean()),
        column_mapping={"review": "text", "mood": "label"},
    )
    trainer.train()
    assert model.labels == ["negative", "positive"]
    expected = sum(a == b for a, b in zip(model.predict(TEXTS), NAMES, strict=True)) / len(NAMES)
    assert trainer.evaluate() == {"metric": pytest.approx(expected)}
    assert trainer.evaluate(data) == {"metric": pytest.approx(expected)}
    with pytest.raises(ValueError, match="row 0 has 'fine'"):
        trainer.evaluate(Dataset.from_dict({"review": ["good"], "mood": ["fine"]}))


def test_labels_are_checked_before_the_body_is_tuned(tiny_body: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    wrong = Dataset.from_dict({"text": TEXTS[:2], "label": [0, 7]})
    for train, evaluation, match in ((wrong, None, "without gaps"), (TRAIN, wrong, "`eval labels`")):
        trainer = Trainer(make_model(tiny_body), arguments(tmp_path), train, evaluation, callbacks=[recorder])
        with pytest.raises(ValueError, match=match):
            trainer.train()
    assert recorder.events == []
    with pytest.raises(ValueError, match="`train_dataset` must be given"):
        Trainer(make_model(tiny_body), arguments(tmp_path)).train()


def test_accuracy_without_the_hub(
    tiny_body: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: Any, **kwargs: Any) -> None:
        raise FileNotFoundError("Couldn't find a module script")

    monkeypatch.setattr("evaluate.load", unreachable)
    model = make_model(tiny_body)
    trainer = Trainer(model, arguments(tmp_path), NAMED, NAMED)
    trainer.train()
    correct = sum(a == b for a, b in zip(model.predict(TEXTS), NAMES, strict=True)) / len(NAMES)
    assert trainer.evaluate() == {"accuracy": pytest.approx(correct)}
    assert "computed with scikit-learn" in caplog.text
    assert model.model_card_data.eval_results_dict == {"test_accuracy": pytest.approx(correct)}
    card = ModelCard(model.generate_model_card())
    assert [(r.metric_type, r.metric_value) for r in card.data.eval_results] == [("accuracy", pytest.approx(correct))]
    trainer.metric, trainer.metric_kwargs = "f1", {"average": "macro"}
    assert 0 <= trainer.evaluate()["f1"] <= 1
    trainer.metric = "bleu"
    with pytest.raises(ValueError, match="cannot be reached; without it 'accuracy'"):
        trainer.evaluate()


def test_several_labels(tiny_body: Path, tmp_path: Path) -> None:
    data = Dataset.from_dict({"text": TEXTS, "label": [[1, 0, 0], [0, 1, 1]] * 8})
    model = make_model(tiny_body, multitarget=True)
    trainer = Trainer(model, arguments(tmp_path), data, data, metric=lambda predicted, expected: predicted.shape[1])
    trainer.train()
    assert trainer.evaluate() == {"metric": 3}


def test_model_init_and_trial(tiny_body: Path, tmp_path: Path) -> None:
    trainer = Trainer(
        args=arguments(tmp_path, num_epochs=(0, 2), max_steps=-1, lr_decay=0.5, lr_schedule="constant"),
        train_dataset=TRAIN,
        model_init=lambda: make_model(tiny_body),
    )
    trainer.model_init = lambda params: make_model(tiny_body)
    trainer.apply_hyperparameters({"head_learning_rate": 0.02}, final_model=True)
    trainer.train()
    assert [entry["learning_rate"] for entry in trainer.model.head_history] == [0.02, 0.01]


def test_setfits_own_arguments_with_our_trainer(tiny_body: Path, tmp_path: Path) -> None:
    model = make_model(tiny_body)
    args = setfit.TrainingArguments(
        output_dir=str(tmp_path), num_epochs=(1, 2), max_steps=2, report_to="none", save_strategy="no"
    )
    recorder = Recorder()
    Trainer(model, args, TRAIN, callbacks=[recorder]).train()
    steps = [entry["step"] for entry in recorder.logs if "head_loss" in entry]
    assert steps == [3, 4]  # batches of 16, not of 2
    assert len(model.head_history) == 2


def test_end_to_end_needs_a_module_head(tiny_body: Path, tmp_path: Path) -> None:
    model = SetFitModel.from_pretrained(tiny_body, LogisticRegression(), device="cpu")
    trainer = Trainer(model, args=arguments(tmp_path, end_to_end=True), train_dataset=NAMED)
    with pytest.raises(ValueError, match="`end_to_end=True` needs a module head, such as QuantumHead, but the head is"):
        trainer.train()


def test_other_models_and_heads(tiny_body: Path, tmp_path: Path) -> None:
    classical = SetFitModel.from_pretrained(tiny_body, LogisticRegression(), device="cpu")
    plain = setfit.SetFitModel.from_pretrained(str(tiny_body), device="cpu")
    for model in (classical, plain):
        recorder = Recorder()
        accuracy = lambda predicted, expected: {"accuracy": float((predicted == expected).mean())}  # noqa: E731
        trainer = Trainer(model, arguments(tmp_path), NAMED, NAMED, metric=accuracy, callbacks=[recorder])
        trainer.train()
        assert trainer.evaluate()["accuracy"] > 0.5
        assert recorder.events[-1] == "end"


def test_push_to_hub_names_a_repository(tiny_body: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="full repository ID"):
        Trainer(make_model(tiny_body), arguments(tmp_path)).push_to_hub("model")
