"""Probabilities that mean what they say: calibration error, temperatures, abstention; alone, in models, in commands."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bodies import NAMES, TEXTS
from setfit_quantum import ClassicalHead, QuantumHead, SetFitModel, Trainer, TrainingArguments
from setfit_quantum.calibration import (
    abstention,
    choose_threshold,
    evaluate_probabilities,
    expected_calibration_error,
    fit_temperature,
)
from setfit_quantum.cli.app import app
from setfit_quantum.training import HeadTrainingArguments, train_head
from training_heads import PlainHead, make_blobs

QUIET = {"show_progress_bar": False}


def draw(temperature: float, n: int = 20_000, k: int = 3, seed: int = 0):
    """Logits whose softmax at `temperature` is the truth that the targets were drawn from."""
    rng = np.random.default_rng(seed)
    logits = 4 * rng.standard_normal((n, k))
    shares = np.exp(logits / temperature)
    shares /= shares.sum(axis=1, keepdims=True)
    targets = (shares.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return logits, shares, targets


def test_a_calibration_error_by_hand():
    shares = np.array([[0.8, 0.2], [0.8, 0.2], [0.3, 0.7], [0.35, 0.65]])
    found = evaluate_probabilities(shares, [0, 1, 1, 1], n_bins=2)
    # One bin, 0.5 to 1: confidences 0.8, 0.8, 0.7, 0.65; three of four are right.
    assert found.expected_calibration_error == pytest.approx(abs(0.7375 - 0.75))
    assert (found.confidence, found.accuracy) == (pytest.approx(0.7375), 0.75)
    assert found.log_loss == pytest.approx(-np.mean(np.log([0.8, 0.2, 0.7, 0.65])))
    assert found.brier == pytest.approx(np.mean([2 * 0.04, 2 * 0.64, 2 * 0.09, 2 * 0.35**2]))
    assert [one.count for one in found.bins] == [4]
    fine = evaluate_probabilities(shares, [0, 1, 1, 1], n_bins=10)
    assert [(round(one.low, 1), one.count) for one in fine.bins] == [(0.6, 1), (0.7, 1), (0.8, 2)]
    assert fine.expected_calibration_error == pytest.approx((0.35 + 0.3 + 2 * 0.3) / 4)
    assert evaluate_probabilities([[1.0, 0.0]], [0]).expected_calibration_error == 0


def test_true_probabilities_have_hardly_an_error():
    _, shares, targets = draw(1.0)
    assert expected_calibration_error(shares, targets) < 0.015
    assert expected_calibration_error(shares**3 / (shares**3).sum(axis=1, keepdims=True), targets) > 0.05


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.5])
def test_the_temperature_is_found(temperature):
    logits, _, targets = draw(temperature)
    found = fit_temperature(logits, targets)
    assert found == pytest.approx(temperature, rel=0.03)
    rng = np.random.default_rng(1)
    # Several labels: a sigmoid for each.
    rows = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits / temperature))).astype(int)
    assert fit_temperature(logits, rows) == pytest.approx(temperature, rel=0.03)


def test_a_temperature_stays_within_its_bounds():
    assert fit_temperature([[5.0, 0.0], [0.0, 5.0]], [0, 1]) < 0.2  # never wrong
    assert fit_temperature([[5.0, 0.0], [0.0, 5.0]], [1, 0]) == pytest.approx(20, rel=1e-3)  # always


def test_abstaining_by_hand():
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.7, 0.3], [0.6, 0.4]])
    targets = [0, 0, 1, 0, 1]
    found = abstention(shares, targets, 0.7)
    assert (found.coverage, found.accuracy) == (0.8, 0.75)
    assert abstention(shares, targets, 0.95).accuracy is None
    assert choose_threshold(shares, targets, 1.0).to_dict() == {"threshold": 0.8, "coverage": 0.4, "accuracy": 1.0}
    assert choose_threshold(shares, targets, 0.7).threshold == 0.7  # two of equal confidence go together
    assert choose_threshold(shares, targets, 0.5).to_dict() == {"threshold": 0.0, "coverage": 1.0, "accuracy": 0.6}
    with pytest.raises(ValueError, match=r"must be at most 0\.000, the best that abstaining reaches on these 2"):
        choose_threshold([[0.9, 0.1], [0.8, 0.2]], [1, 1], 0.9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evaluate_probabilities([[0.5, 0.5]], [0, 1]), "must have shapes"),
        (lambda: evaluate_probabilities([[1.5, -0.5]], [0]), "numbers between 0 and 1"),
        (lambda: evaluate_probabilities([[0.5, 0.5]], [2]), "class numbers below 2, but got 2"),
        (lambda: evaluate_probabilities(np.zeros((0, 2)), []), "not be empty"),
        (lambda: fit_temperature([0.5], [0]), "Arguments `logits` and `targets` must have shapes"),
        (lambda: abstention([[0.5, 0.5]], [0], 2.0), "Argument `threshold` must be between"),
        (lambda: abstention([[0.5, 0.5]], [[0, 1]], 0.5), "must hold one label per example"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "make",
    [lambda: ClassicalHead(hidden_dim=16, seed=0), lambda: QuantumHead(n_qubits=3, encoder_layers=1, seed=0)],
    ids=["classical", "quantum"],
)
def test_training_ends_with_the_temperature_of_the_validation_data(make):
    embeddings, labels = make_blobs(80, n_classes=3, spread=1.5)
    held_out, truth = make_blobs(300, n_classes=3, spread=1.5, seed=1)
    settings = HeadTrainingArguments(num_epochs=40, learning_rate=0.05, select_best=False, **QUIET)
    plain, calibrated = make(), make()
    train_head(plain, embeddings, labels, settings, eval_embeddings=held_out, eval_labels=truth)
    result = train_head(
        calibrated,
        embeddings,
        labels,
        settings.with_changes(calibrate=True),
        eval_embeddings=held_out,
        eval_labels=truth,
    )
    assert result.temperature == calibrated.temperature != 1.0
    assert torch.equal(calibrated.predict(held_out), plain.predict(held_out))  # no prediction changes
    before = evaluate_probabilities(plain.predict_proba(held_out), truth).log_loss
    assert evaluate_probabilities(calibrated.predict_proba(held_out), truth).log_loss < before
    # A second training starts from the logits as they are.
    again = train_head(
        calibrated,
        embeddings,
        labels,
        settings.with_changes(calibrate=True),
        eval_embeddings=held_out,
        eval_labels=truth,
    )
    assert again.temperature == calibrated.temperature


def test_calibration_needs_held_out_data_and_a_temperature():
    with pytest.raises(ValueError, match="Argument `calibrate=True` needs validation data"):
        train_head(ClassicalHead(seed=0), *make_blobs(20), HeadTrainingArguments(calibrate=True, **QUIET))
    with pytest.raises(TypeError, match=r"`calibrate=True` needs a head with a temperature .* got a PlainHead"):
        train_head(PlainHead(), *make_blobs(20), HeadTrainingArguments(calibrate=True, validation_split=0.2, **QUIET))


def model_of(body, **changes):
    head = QuantumHead(n_qubits=3, encoder_layers=1, seed=0, **changes)
    return SetFitModel.from_pretrained(body, head=head, device="cpu")


def test_a_calibrated_model_is_saved_with_its_temperature(tiny_body, tmp_path):
    model = model_of(tiny_body)
    result = model.fit(TEXTS, NAMES, num_epochs=3, validation_split=0.25, calibrate=True, **QUIET)
    assert model.model_head.temperature == result.temperature
    model.save_pretrained(tmp_path)
    loaded = SetFitModel.from_pretrained(tmp_path, device="cpu")
    assert loaded.model_head.temperature == result.temperature
    assert torch.equal(loaded.predict_proba(TEXTS), model.predict_proba(TEXTS))
    card = (tmp_path / "README.md").read_text()
    assert "Probabilities were calibrated on held-out data" in card
    assert f"{result.temperature:.4g}, fitted to the validation data" in card


def test_a_model_is_calibrated_afterwards(tiny_body):
    model = model_of(tiny_body)
    model.fit(TEXTS, NAMES, num_epochs=5, **QUIET)
    before = model.predict(TEXTS)
    found = model.calibrate(TEXTS[:6], NAMES[:6])
    assert model.model_head.temperature == found != 1.0
    assert model.predict(TEXTS) == before
    assert "fitted to 6 held-out examples" in model.generate_model_card()
    with pytest.raises(ValueError, match="same length"):
        model.calibrate(TEXTS[:6], NAMES[:5])
    with pytest.raises(ValueError, match="'other'"):
        model.calibrate(TEXTS[:1], ["other"])


def test_body_and_head_are_calibrated_together(tiny_body):
    model = model_of(tiny_body)
    result = model.fit(
        TEXTS, NAMES, num_epochs=1, end_to_end=True, validation_data=(TEXTS[:6], NAMES[:6]), calibrate=True, **QUIET
    )
    assert model.model_head.temperature == result.temperature


def test_the_trainer_calibrates_too(tiny_body):
    from datasets import Dataset

    data = Dataset.from_dict({"text": TEXTS, "label": NAMES})
    arguments = TrainingArguments(num_epochs=(0, 2), validation_split=0.25, calibrate=True, report_to="none", **QUIET)
    model = model_of(tiny_body)
    Trainer(model=model, args=arguments, train_dataset=data).train()
    assert model.model_head.temperature == model.head_training.temperature != 1.0


def test_a_model_abstains_and_remembers_when(tiny_body, tmp_path):
    model = model_of(tiny_body)
    model.fit(TEXTS, NAMES, num_epochs=8, **QUIET)
    shares = model.predict_proba(TEXTS)
    threshold = float(shares.max(dim=1).values.median())
    model.abstain_below = threshold
    sure = (shares.max(dim=1).values >= threshold).tolist()
    assert 0 < sum(sure) < len(TEXTS)
    names = model.predict(TEXTS)
    assert [name is not None for name in names] == sure
    numbers = model.predict(TEXTS, use_labels=False)
    assert [number >= 0 for number in numbers.tolist()] == sure
    assert model.predict(TEXTS, as_numpy=True, use_labels=False).tolist() == numbers.tolist()
    assert model.predict(TEXTS[0]) == names[0]
    model.save_pretrained(tmp_path)
    loaded = SetFitModel.from_pretrained(tmp_path, device="cpu")
    assert loaded.abstain_below == threshold
    assert loaded.predict(TEXTS) == names
    with pytest.raises(ValueError, match="Argument `abstain_below` must be between"):
        model.abstain_below = 1.5


def test_the_threshold_is_chosen_on_held_out_texts(tiny_body):
    model = model_of(tiny_body)
    model.fit(TEXTS, NAMES, num_epochs=2, **QUIET)
    found = model.choose_abstention(TEXTS, NAMES, accuracy=0.5)
    assert model.abstain_below == found.threshold
    answers = model.predict(TEXTS)
    given = [a == b for a, b in zip(answers, NAMES, strict=True) if a is not None]
    assert len(given) / len(TEXTS) == found.coverage
    assert sum(given) / len(given) == pytest.approx(found.accuracy)
    several = model_of(tiny_body, multitarget=True)
    with pytest.raises(ValueError, match="needs one label per text"):
        several.choose_abstention(TEXTS, [[1, 0]] * len(TEXTS), 0.9)
    model.abstain_below = None
    wrong = ["negative" if name == "positive" else "positive" for name in model.predict(TEXTS)]
    with pytest.raises(ValueError, match=r"`accuracy` must be at most 0\.000"):
        model.choose_abstention(TEXTS, wrong, accuracy=0.9)
    assert model.abstain_below is None  # as it was


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_commands_calibrate_report_and_abstain(tiny_body, tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("text,label\n" + "".join(f"{text},{name}\n" for text, name in zip(TEXTS, NAMES, strict=True)))
    output = tmp_path / "model"
    words = [
        "train", data, "--body", tiny_body, "-o", output, "--epochs", 3, "--qubits", 3, "--validation-split", 0.25,
        "--calibrate", "--test-data", data, "--class-weights", "balanced",
    ]  # fmt: skip
    shown = run(*words)
    assert shown.exit_code == 0, shown.output
    for row in ("temperature fitted to them", "expected calibration error on them, %"):
        assert row in shown.stdout
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    trained = json.loads(result.stdout)
    assert trained["temperature"] > 0
    found = json.loads(run("evaluate", output, data, "--abstain-below", 0.5, "--json").stdout)
    assert found["calibration"] == trained["test"]["calibration"]
    assert found["calibration"]["n_predictions"] == len(TEXTS)
    assert found["abstention"] == {"threshold": 0.5, "coverage": 1.0, "accuracy": found["accuracy"]}
    shown = run("evaluate", output, data, "--abstain-below", 1.0).stdout
    assert "expected calibration error" in shown
    assert "Above 1 it answers 0.0 % of the examples" in " ".join(shown.split())
    model = SetFitModel.from_pretrained(output, device="cpu")
    model.abstain_below = 1.0
    model.save_pretrained(output)
    assert json.loads(run("predict", output, "good film").stdout)["label"] is None
    result = run("train", data, "-o", tmp_path / "other", "--calibrate")
    assert result.exit_code == 2
    assert "`calibrate=True` needs validation data" in result.stderr
