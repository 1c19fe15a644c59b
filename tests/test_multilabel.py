"""Several labels per text, with each of SetFit's strategies, through training, files and commands."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from bodies import TEXTS
from setfit_quantum import (
    ClassicalHead,
    NoiseModel,
    QuantumHead,
    QuantumHeadClassifier,
    SetFitModel,
    Trainer,
    TrainingArguments,
)
from setfit_quantum.cli.app import app
from setfit_quantum.serialization import ModelFileError
from setfit_quantum.serialization.sklearn_files import read_sklearn_head, write_sklearn_head

LABELS = ["positive", "music"]
ROWS = [
    [int(any(word in text for word in ("good", "great", "lovely", "warm"))), int("music" in text)] for text in TEXTS
]
STRATEGIES = ("one-vs-rest", "multi-output", "classifier-chain")


def classifier():
    return QuantumHeadClassifier(n_qubits=2, encoder_layers=1, num_epochs=4, random_state=0)


def load(body, head, strategy=None):
    return SetFitModel.from_pretrained(body, head=head, multi_target_strategy=strategy, labels=LABELS, device="cpu")


def check_saved(model, folder, strategy):
    predictions, shares = model.predict(TEXTS), model.predict_proba(TEXTS)
    assert np.asarray(predictions).shape == (len(TEXTS), 2)
    model.save_pretrained(folder)
    assert json.loads((folder / "config_setfit.json").read_text())["multi_target_strategy"] == strategy
    assert not list(folder.rglob("*.pkl"))
    loaded = SetFitModel.from_pretrained(folder, device="cpu")
    assert loaded.multi_target_strategy == strategy
    assert loaded.labels == LABELS
    assert np.array_equal(np.asarray(loaded.predict(TEXTS)), np.asarray(predictions))
    assert np.array_equal(np.asarray(loaded.predict_proba(TEXTS)), np.asarray(shares))
    return loaded


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("make", [classifier, LogisticRegression], ids=["quantum", "logistic"])
def test_estimators_with_every_strategy(make, strategy, tiny_body, tmp_path):
    model = load(tiny_body, make(), strategy)
    model.fit(TEXTS, ROWS)
    loaded = check_saved(model, tmp_path, strategy)
    assert type(loaded.model_head) is type(model.model_head)


@pytest.mark.parametrize("strategy", [None, "one-vs-rest", "multi-output"])
@pytest.mark.parametrize("make", [QuantumHead, ClassicalHead], ids=["quantum", "classical"])
def test_module_heads_with_the_strategies_that_are_the_same_to_them(make, strategy, tiny_body, tmp_path):
    settings = {"n_qubits": 2, "encoder_layers": 1} if make is QuantumHead else {}
    model = load(tiny_body, make(multitarget=True, seed=0, **settings), strategy)
    model.fit(TEXTS, ROWS, num_epochs=20, learning_rate=0.05, show_progress_bar=False)
    shares = model.predict_proba(TEXTS)
    assert torch.equal(torch.as_tensor(model.predict(TEXTS)), (shares >= 0.5).long())
    check_saved(model, tmp_path, strategy or "multi-output")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rows_of_names_are_what_rows_of_0_and_1_are(strategy, tiny_body):
    named = [[name for name, given in zip(LABELS, row, strict=True) if given] for row in ROWS]
    models = []
    for rows in (ROWS, named):
        models.append(
            SetFitModel.from_pretrained(tiny_body, classifier(), multi_target_strategy=strategy, labels=LABELS)
        )
        models[-1].fit(TEXTS, rows)
    assert np.array_equal(*(np.asarray(model.predict_proba(TEXTS)) for model in models))
    unnamed = SetFitModel.from_pretrained(tiny_body, classifier(), multi_target_strategy=strategy)
    unnamed.fit(TEXTS, named)
    assert unnamed.labels == sorted(LABELS)
    with pytest.raises(ValueError, match=r"must hold only known labels .'positive', 'music'., but row 0 holds 'dance'"):
        models[0].fit(TEXTS, [["dance"], *named[1:]])


def test_rows_of_names_need_a_strategy(tiny_body):
    model = SetFitModel.from_pretrained(tiny_body, classifier())
    with pytest.raises(ValueError, match=r"one label per text, but got rows of names .* multi_target_strategy="):
        model.fit(TEXTS, [["positive"]] * len(TEXTS))


@pytest.mark.parametrize(
    ("head", "strategy"), [(QuantumHead(n_qubits=2, multitarget=True, seed=0), None), (classifier(), "one-vs-rest")]
)
def test_the_trainer_tunes_trains_and_evaluates_on_rows_of_names(head, strategy, tiny_body, tmp_path):
    named = [[name for name, given in zip(LABELS, row, strict=True) if given] for row in ROWS]
    data = Dataset.from_dict({"text": TEXTS, "label": named})
    model = SetFitModel.from_pretrained(tiny_body, head, multi_target_strategy=strategy, labels=LABELS, device="cpu")
    arguments = TrainingArguments(
        output_dir=str(tmp_path), num_epochs=(1, 2), max_steps=2, show_progress_bar=False, report_to="none"
    )
    trainer = Trainer(
        model,
        args=arguments,
        train_dataset=data,
        eval_dataset=data,
        metric=lambda predicted, true: float((np.asarray(predicted) == np.asarray(true)).all(axis=1).mean()),
    )
    trainer.train()
    assert trainer.evaluate() == {"metric": float((np.asarray(model.predict(TEXTS)) == ROWS).all(axis=1).mean())}


def test_a_chain_needs_an_estimator(tiny_body):
    with pytest.raises(
        ValueError, match=r"needs a scikit-learn head, such as QuantumHeadClassifier.*got a SetFitQuantumHead"
    ):
        load(tiny_body, QuantumHead(multitarget=True), "classifier-chain")


def fitted(**settings):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 4)).astype(np.float32)
    head = QuantumHeadClassifier(n_qubits=2, encoder_layers=1, num_epochs=2, random_state=0, **settings)
    return head.fit(x, np.array(["no", "yes"])[(x[:, 0] > 0).astype(int)]), x


@pytest.mark.parametrize(
    "settings", [{}, {"noise": NoiseModel.paper("low"), "shots": 50}, {"encoder": "linear", "classifier": "linear"}]
)
def test_a_fitted_classifier_is_kept_without_pickle(settings, tmp_path):
    head, x = fitted(**settings)
    write_sklearn_head(tmp_path / "head.skops", head)
    loaded = read_sklearn_head(tmp_path / "head.skops")
    assert loaded.predict(x).tolist() == head.predict(x).tolist()
    assert np.array_equal(loaded.predict_proba(x), head.predict_proba(x))
    for other in (copy.deepcopy(head), pickle.loads(pickle.dumps(head))):
        assert np.array_equal(other.predict_proba(x), head.predict_proba(x))
    loaded.fit(x, np.where(x[:, 0] > 0, "yes", "no"))  # it trains again with the same settings
    assert loaded.get_params()["n_qubits"] == 2
    unfitted = QuantumHeadClassifier(n_qubits=2)
    assert pickle.loads(pickle.dumps(unfitted)).get_params() == unfitted.get_params()


def test_a_damaged_classifier_is_refused(tmp_path):
    head, _ = fitted()
    state = head.__getstate__()
    settings = json.loads(state["head_"]["quantum_head_config.json"].tobytes())
    settings["head"]["n_qubits"] = 60
    state["head_"]["quantum_head_config.json"] = np.frombuffer(json.dumps(settings).encode(), dtype=np.uint8)
    with pytest.raises(ModelFileError):
        QuantumHeadClassifier.__new__(QuantumHeadClassifier).__setstate__(state)


def test_commands_train_on_several_labels(tiny_body, tmp_path):
    data = tmp_path / "data.csv"
    rows = ["|".join(name for name, given in zip(LABELS, row, strict=True) if given) for row in ROWS]
    data.write_text("text,label\n" + "".join(f"{text},{row}\n" for text, row in zip(TEXTS, rows, strict=True)))
    result = CliRunner().invoke(
        app,
        ["train", str(data), "--multilabel", "--body", str(tiny_body), "-o", str(tmp_path / "model"), "--epochs", "2",
         "--qubits", "2", "--validation-split", "0.25", "--calibrate", "--json"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["temperature"] > 0
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path / "model"), str(data), "--json"])
    found = json.loads(result.stdout)
    assert found["calibration"]["n_predictions"] == 2 * len(TEXTS)
