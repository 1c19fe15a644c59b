"""The command line: each command, what it prints where, exit codes, and resuming after Ctrl-C."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from setfit_quantum.cli.app import app
from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.training import HeadTrainingArguments

FAST = ["--qubits", "4", "--epochs", "3"]
PROGRAM = [sys.executable, "-m", "setfit_quantum"]
ENVIRONMENT = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def run(*arguments, **options):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="setfit-quantum", **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model trained on bundled support requests, and what `train --json` printed."""
    output = tmp_path_factory.mktemp("trained") / "model"
    arguments = ["bundled:support", "-o", output, "--per-class", 10, "--validation-split", 0.2, "--seed", 3]
    test = ["--test-data", "bundled:support", "--class-weights", "balanced"]
    result = run("train", *arguments, *test, *FAST, "--epochs", 20, "--learning-rate", 0.05, "--json")
    assert result.exit_code == 0, result.output
    return output, json.loads(result.stdout)


@pytest.fixture(scope="module")
def multilabel_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("multilabel")
    rows = ["text,label"] + [
        f"{text},{label}"
        for text, label in [
            ("The food was cold.", "food"),
            ("The waiter was rude.", "service"),
            ("Tasty pasta and a friendly waiter.", "food|service"),
            ("We came by train.", ""),
        ]
        for _ in range(3)
    ]
    (folder / "data.csv").write_text("\n".join(rows))
    result = run("train", folder / "data.csv", "-o", folder / "model", "--multilabel", *FAST, "--epochs", 40)
    assert result.exit_code == 0, result.output
    return folder


def test_train_reports_what_it_did(trained):
    output, report = trained
    assert (output / "quantum_head_config.json").is_file()
    assert report["n_train"] == 40
    assert report["n_validation"] == 10
    assert report["classes"] == ["account", "billing", "delivery", "returns", "technical"]
    assert report["epochs"] == len(report["history"]) == 20
    assert 1 <= report["best_epoch"] <= 20
    assert report["head"]["n_qubits"] == 4
    assert report["head"]["seed"] == 3
    assert report["training"]["class_weights"] == "balanced"
    assert report["training"]["learning_rate"] == 0.05
    assert report["test"]["accuracy"] > 0.4  # chance is 0.2
    assert not output.with_name("model-checkpoints").exists()


def test_train_is_reproducible(trained, tmp_path):
    first = trained[1]
    arguments = ["bundled:support", "-o", tmp_path / "again", "--per-class", 10, "--validation-split", 0.2]
    others = [*FAST, "--epochs", 20, "--learning-rate", 0.05, "--class-weights", "balanced", "--seed", 3]
    again = json.loads(run("train", *arguments, *others, "--json").stdout)
    assert [epoch["train_loss"] for epoch in again["history"]] == pytest.approx(
        [epoch["train_loss"] for epoch in first["history"]], rel=1e-4
    )


def test_evaluate_agrees_with_train(trained):
    output, report = trained
    result = run("evaluate", output, "bundled:support", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["n_examples"] == report["test"]["n_examples"]
    assert found["accuracy"] == pytest.approx(report["test"]["accuracy"])
    assert [scores["label"] for scores in found["classes"]] == report["classes"]
    low, high = found["accuracy_interval"]
    assert low < found["accuracy"] < high
    assert found["shots"] is None
    assert found["noise"] is None


def test_evaluate_under_shots_and_noise(trained):
    output, _ = trained
    result = run("evaluate", output, "bundled:support", "--limit", 20, "--shots", 64, "--noise", "paper-high", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["shots"] == 64
    assert found["noise"] is not None
    assert found["n_examples"] == 20
    exact = run("evaluate", output, "bundled:support", "--limit", 20, "--exact")
    assert exact.exit_code == 0
    assert "exact expectations, no noise" in exact.stdout
    assert "accuracy" in exact.stdout


def test_predict_from_arguments_file_and_standard_input(trained, tmp_path):
    output, report = trained
    texts = ["Where is my parcel?", "I forgot my password, 日本語."]
    table = tmp_path / "texts.csv"
    table.write_text('id,text\n1,Where is my parcel?\n2,"I forgot my password, 日本語."\n')
    from_arguments = run("predict", output, *texts)
    assert from_arguments.exit_code == 0, from_arguments.output
    records = [json.loads(line) for line in from_arguments.stdout.splitlines()]
    assert [record["text"] for record in records] == texts
    for record in records:
        assert list(record["probabilities"]) == report["classes"]
        assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert record["label"] == max(record["probabilities"], key=record["probabilities"].get)
    assert run("predict", output, "--file", table).stdout == from_arguments.stdout
    assert run("predict", output, input="\n".join(texts) + "\n\n").stdout == from_arguments.stdout


def test_predict_answers_while_input_goes_on(trained, monkeypatch):
    monkeypatch.setattr("setfit_quantum.cli.predict.CHUNK", 2)
    result = run("predict", trained[0], input="one\ntwo\nthree\n")
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["one", "two", "three"]


def test_several_labels(multilabel_model):
    folder = multilabel_model
    result = run("predict", folder / "model", "Tasty pasta and a friendly waiter.", "The food was cold.")
    both, food = [json.loads(line) for line in result.stdout.splitlines()]
    assert both["label"] == ["food", "service"]
    assert food["label"] == ["food"]
    evaluated = json.loads(run("evaluate", folder / "model", folder / "data.csv", "--json").stdout)
    assert evaluated["accuracy"] > 0.7
    mismatch = run("evaluate", folder / "model", "bundled:reviews")
    assert mismatch.exit_code == 2
    assert "labels that are not the model's: 'negative', 'positive'" in mismatch.stderr


def test_draw(trained):
    output, _ = trained
    ours = run("draw", output)
    assert ours.exit_code == 0
    assert "4 qubits" in ours.stderr
    new = run("draw", "--qubits", 4)
    assert new.stdout == ours.stdout
    assert "RY(θ0)" in new.stdout
    assert "OPENQASM 3" in run("draw", output, "--qasm").stdout
    assert "9 qubits" in run("draw", "--encoder", "--preset", "paper-single", "--qubits", 4).stderr
    assert run("draw", output, "--qubits", 4).exit_code == 2


BAD_INPUT = {
    "missing data": (["train", "nowhere.csv", "-o", "out"], "'nowhere.csv' does not exist"),
    "missing output": (["train", "bundled:reviews"], "--output"),
    "unknown column": (["train", "data.csv", "-o", "out", "--label-column", "stars"], "no column 'stars'"),
    "one class": (["train", "one.csv", "-o", "out"], "at least two classes"),
    "missing label": (["train", "torn.csv", "-o", "out"], "line 3: the label in column 'label' is missing"),
    "too few": (["train", "data.csv", "-o", "out", "--per-class", "9"], "Class 'a' has 1 examples"),
    "qubits": (["train", "data.csv", "-o", "out", "--qubits", "1"], "`n_qubits` must be at least 2"),
    "encoders": (["train", "data.csv", "-o", "out", "--encoders", "11"], "`n_encoders` must be at most"),
    "noise": (["train", "data.csv", "-o", "out", "--noise", "loud"], "paper-low"),
    "backend": (["train", "data.csv", "-o", "out", "--backend", "abacus"], "`backend` must be one of"),
    "preset": (["train", "data.csv", "-o", "out", "--preset", "paper"], "'paper-single'"),
    "learning rate": (["train", "data.csv", "-o", "out", "--learning-rate", "0"], "`learning_rate` must be greater"),
    "weights": (["train", "data.csv", "-o", "out", "--class-weights", "heavy"], "label=weight"),
    "weight of": (["train", "data.csv", "-o", "out", "--class-weights", "z=2"], "names 'z'"),
    "nothing to resume": (["train", "data.csv", "-o", "out", "--resume"], "nothing to resume"),
    "eval labels": (
        ["train", "data.csv", "-o", "out", "--eval-data", "other.csv"],
        "labels that are not the model's: 'c'",
    ),
    "eval split": (["train", "data.csv", "-o", "out", "--eval-split", "dev"], "needs --eval-data"),
    "output file": (["train", "data.csv", "-o", "data.csv"], "is a file"),
    "full folder": (["train", "data.csv", "-o", "."], "new or empty folder"),
    "missing body": (["train", "data.csv", "-o", "out", "--body", "./nowhere"], "./nowhere"),
    "missing model": (["predict", "./nowhere", "text"], "'./nowhere' is not an existing folder"),
    "hub model": (["predict", "nobody/nothing", "text"], "'nobody/nothing'"),
    "two sources": (["predict", "./m", "text", "--file", "x.txt"], "not both"),
    "empty text": (["predict", "./m", "a", " "], "text 2 is"),
    "dataset": (["quickstart", "--dataset", "films"], "reviews, support"),
    "unknown option": (["train", "data.csv", "-o", "out", "--qbits", "4"], "--qbits"),
    "unknown command": (["tarin"], "tarin"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_ends_with_2_and_a_short_message(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "data.csv").write_text("text,label\none,a\ntwo,b\n")
    (tmp_path / "other.csv").write_text("text,label\none,a\ntwo,c\n")
    (tmp_path / "one.csv").write_text("text,label\none,a\ntwo,a\n")
    (tmp_path / "torn.csv").write_text("text,label\none,a\ntwo,\n")
    arguments, message = BAD_INPUT[case]
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_damaged_and_classical_models_are_refused_by_name(trained, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(trained[0], copy)
    weights = copy / "quantum_head.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    result = run("predict", copy, "text")
    assert result.exit_code == 2
    assert "quantum_head.safetensors" in result.stderr


def test_failures_end_with_1_and_show_where_with_debug(trained, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("the simulator is on fire")

    monkeypatch.setattr("setfit_quantum.model.SetFitModel.predict_proba", fail)
    result = run("predict", trained[0], "text")
    assert result.exit_code == 1
    assert "RuntimeError: the simulator is on fire" in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" not in result.stderr
    with_trace = run("predict", trained[0], "text", "--debug")
    assert with_trace.exit_code == 1
    assert "Traceback" in with_trace.stderr


def test_checkpoints_are_not_overwritten_unasked(tmp_path):
    (tmp_path / "out-checkpoints").mkdir()
    (tmp_path / "out-checkpoints" / "checkpoint-000010.safetensors").write_bytes(b"")
    result = run("train", "bundled:reviews", "-o", tmp_path / "out", *FAST)
    assert result.exit_code == 2
    assert "--resume" in result.stderr
    assert "--start-over" in result.stderr


def test_ctrl_c_saves_and_the_printed_command_resumes(tmp_path):
    output = tmp_path / "my model"
    arguments = ["train", "bundled:reviews", "-o", str(output), "--per-class", "8", "--qubits", "4"]
    arguments += ["--epochs", "500", "--json"]
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        # A test run in the background may have been started with the signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    checkpoints = tmp_path / "my model-checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("checkpoint-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert "interrupted after" in stderr
    assert not output.exists()
    command = shlex.split(stderr.rstrip().splitlines()[-1].removeprefix("Go on with: "))
    assert command == ["setfit-quantum", *arguments, "--resume"]
    resumed = run(*command[1:])
    assert resumed.exit_code == 0, resumed.output
    report = json.loads(resumed.stdout)
    assert report["resumed"]
    assert report["epochs"] == len(report["history"]) == 500
    assert not checkpoints.exists()
    losses = [epoch["train_loss"] for epoch in report["history"]]
    assert np.mean(losses[-100:]) < np.mean(losses[:100]) / 2


def test_quickstart_in_a_process_of_its_own(tmp_path):
    process = subprocess.run(
        [*PROGRAM, "quickstart", "-o", "first", *FAST],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    for part in ("quantum head (4 qubits)", "logistic regression", "385", 'SetFitModel.from_pretrained("first")'):
        assert part in process.stdout
    command = process.stdout.rstrip().splitlines()[-1].strip()
    assert command.startswith("setfit-quantum predict first ")
    result = run("predict", tmp_path / "first", *shlex.split(command)[3:])
    assert json.loads(result.stdout)["label"] in ("negative", "positive")
    assert "sentence-transformers/all-MiniLM-L6-v2" in (tmp_path / "first" / "README.md").read_text()


def test_quickstart_json(tmp_path):
    result = run("quickstart", "-o", tmp_path / "q", "--dataset", "support", *FAST, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [head["head"] for head in report["heads"]] == ["quantum head (4 qubits)", "logistic regression"]
    assert report["heads"][1]["parameters"] == 5 * 385
    assert report["heads"][1]["test_accuracy"] > 0.6


def test_starting_is_quick_and_imports_no_torch():
    code = (
        "import sys, setfit_quantum.cli.app; "
        "print([name for name in ('torch', 'setfit', 'numba', 'datasets', 'pandas') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


def test_help_states_the_librarys_defaults():
    text = " ".join(run("train", "--help", env={"COLUMNS": "400", "TERMINAL_WIDTH": "400"}).stdout.split())
    arguments, config = HeadTrainingArguments(), QuantumHeadConfig()
    expected = {
        "--epochs": arguments.num_epochs,
        "--batch-size": arguments.batch_size,
        "--learning-rate": arguments.learning_rate,
        "--lr-decay": arguments.lr_decay,
        "--weight-decay": arguments.weight_decay,
        "--qubits": config.n_qubits,
        "--encoders": config.n_encoders,
        "--encoder ": config.encoder,
    }
    for option, default in expected.items():
        after = text[text.index(option) :]
        assert after[after.index("[default: ") :].startswith(f"[default: ({default})]"), option


def test_version():
    from setfit_quantum import __version__

    assert run("--version").stdout == f"setfit-quantum {__version__}\n"
