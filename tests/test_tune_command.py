"""`setfit-quantum tune`: trials on validation data, the model of the best one, going on, mistakes."""

import csv
import json
import sys

import pytest
from typer.testing import CliRunner

from bodies import NAMES, TEXTS
from setfit_quantum import SetFitModel
from setfit_quantum.cli import tune_work
from setfit_quantum.cli.app import app

SPACE = {
    "head.n_qubits": [2, 3],
    "head.n_reuploads": {"low": 1, "high": 2},
    "learning_rate": {"low": 0.001, "high": 0.3, "log": True},
}


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="setfit-quantum")


def write_data(path, numbers):
    rows = [f"{text} {number},{name}" for number in numbers for text, name in zip(TEXTS, NAMES, strict=True)]
    path.write_text("\n".join(["text,label", *rows]))
    return path


@pytest.fixture(scope="module")
def command(tmp_path_factory, tiny_body):
    folder = tmp_path_factory.mktemp("tune")
    data, test = write_data(folder / "train.csv", range(3)), write_data(folder / "test.csv", range(3, 5))
    space = folder / "space.json"
    space.write_text(json.dumps(SPACE))
    options = ("--body", tiny_body, "--epochs", 3, "--seed", 1, "--space", space)
    return ("tune", data, "--test-data", test, *options)


@pytest.fixture(scope="module")
def tuned(command, tmp_path_factory):
    output = tmp_path_factory.mktemp("tuned") / "model"
    evaluations = []
    with pytest.MonkeyPatch.context() as patch:
        train = tune_work.train_head
        patch.setattr(tune_work, "train_head", lambda *a, **k: evaluations.append(k) or train(*a, **k))
        result = run(*command, "--trials", 7, "-o", output, "--json")
    assert result.exit_code == 0, result.output
    return output, json.loads(result.stdout), result.stderr, evaluations


def test_the_best_settings_make_the_model(tuned):
    output, report, said, _ = tuned
    assert len(report["trials"]) == 7
    assert "7/7: n_qubits" in said
    complete = [trial for trial in report["trials"] if trial["state"] == "complete"]
    best = next(trial for trial in report["trials"] if trial["trial"] == report["best"]["trial"])
    assert best["validation_accuracy"] == max(trial["validation_accuracy"] for trial in complete)
    assert set(best["settings"]) == set(SPACE)
    model = report["model"]
    assert model["validation_accuracy"] == best["validation_accuracy"]
    assert model["best_epoch"] == best["best_epoch"]
    assert model["head"]["n_qubits"] == best["settings"]["head.n_qubits"]
    assert model["training"]["learning_rate"] == best["settings"]["learning_rate"]
    assert model["training"]["num_epochs"] == 3
    assert model["n_validation"] == 10
    loaded = SetFitModel.from_pretrained(str(output))
    assert loaded.model_head.config.n_reuploads == best["settings"]["head.n_reuploads"]
    assert set(loaded.predict(TEXTS)) <= set(NAMES)


def test_test_data_are_looked_at_once(tuned):
    _, report, said, seen = tuned
    assert said.count("Classifying 32 test texts") == 1
    assert report["model"]["test"]["n_examples"] == 32
    assert all("test" not in trial for trial in report["trials"])
    # Trials train on the training data alone: 48 texts, of which each holds out a fifth.
    assert {len(keywords["embeddings"]) for keywords in seen} == {48}
    assert {keywords["arguments"].validation_split for keywords in seen} == {0.2}


def test_table_of_all_trials(tuned):
    output, report, _, _ = tuned
    assert report["table"] == str(output.with_name("model-search") / "trials.csv")
    with open(report["table"]) as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == list(range(7))
    assert [row["learning_rate"] for row in rows] == [str(t["settings"]["learning_rate"]) for t in report["trials"]]


def test_the_same_command_goes_on(tuned, command, monkeypatch):
    output, report, _, _ = tuned
    counted = []
    train = tune_work.train_head
    monkeypatch.setattr(tune_work, "train_head", lambda *a, **k: counted.append(1) or train(*a, **k))
    result = run(*command, "--trials", 8, "-o", output)
    assert result.exit_code == 0, result.output
    assert len(counted) == 1
    assert "The best of 8 trials" in result.stdout
    assert "Best settings: n_qubits" in result.stdout
    assert "Test accuracy, %" in result.stdout
    other = run(*command, "--trials", 8, "-o", output, "--batch-size", 4)
    assert other.exit_code == 2
    assert "holds a search with other data, settings, space or seed" in other.stderr
    assert report["best"]["settings"]


def test_interruption_says_how_to_go_on(command, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tune_work, "train_head", interrupt)
    result = run(*command, "-o", tmp_path / "model")
    assert result.exit_code == 1
    assert "Go on with: setfit-quantum tune" in result.stderr
    monkeypatch.undo()
    assert run(*command, "-o", tmp_path / "model", "--trials", 1).exit_code == 0


def test_validation_data_of_its_own_and_several_labels(tiny_body, tmp_path):
    rows = [f"{text},{name}|{name[:3]}" if row % 3 else f"{text},{name}" for row, (text, name) in enumerate(
        zip(TEXTS, NAMES, strict=True))]  # fmt: skip
    path = tmp_path / "films.csv"
    path.write_text("\n".join(["text,label", *rows]))
    command = ["tune", path, "--multilabel", "--eval-data", path, "--body", tiny_body, "--epochs", 2, "--qubits", 2]
    result = run(*command, "--trials", 2, "-o", tmp_path / "model", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["model"]["multilabel"]
    assert report["model"]["n_validation"] == 16
    # What an option fixes is not varied.
    assert "head.n_qubits" not in report["best"]["settings"]
    assert report["model"]["head"]["n_qubits"] == 2
    assert report["model"]["test"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--space", "nowhere.json"], "There is no file 'nowhere.json'"),
        (["--qubits", 3], "varies head.n_qubits, which options fix"),
        (["--validation-split", 1.5], "`validation_split` must be a fraction"),
        (["--eval-data", "DATA", "--validation-split", 0.2], "`--validation-split` excludes --eval-data"),
        (["--preset", "paper-triple"], "paper-triple"),
    ],
)
def test_bad_input(options, message, command, tmp_path):
    options = [command[1] if option == "DATA" else option for option in options]
    result = run(*command, *options, "-o", tmp_path / "model")
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not (tmp_path / "model-search").exists()


def test_every_trial_fails(command, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("out of qubits")

    monkeypatch.setattr(tune_work, "train_head", fail)
    result = run(*command, "--trials", 2, "-o", tmp_path / "model")
    assert result.exit_code == 1
    assert "every trial failed; the first: RuntimeError: out of qubits" in result.stderr
    result = run(*command, "--timeout", 0, "-o", tmp_path / "other")
    assert result.exit_code == 1
    assert "there was no time for a trial" in result.stderr


def test_optuna_is_named_where_it_is_missing(command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = run(*command, "-o", tmp_path / "model")
    assert result.exit_code == 1
    assert 'pip install "setfit-quantum[search]"' in result.stderr
