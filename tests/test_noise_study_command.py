"""`setfit-quantum noise-study`: files, resuming, errors, and options with several values."""

import csv
import json

import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from bodies import NAMES, TEXTS
from setfit_quantum.cli.app import app
from setfit_quantum.cli.many_values import repeat_options, split_values
from setfit_quantum.experiments import noise_study, trained_heads

GRID = ["--eval-noise", "none", "paper-high", "--eval-shots", "0", "16"]
FAST = ["--qubits", 4, "--epochs", 2, "--seeds", 2, "--per-class", 5]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="setfit-quantum")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "films.csv"
    rows = [f"{text},{name}" for text, name in zip(TEXTS, NAMES, strict=True)]
    path.write_text("\n".join(["text,label", *rows]))
    return path


def test_command(table, tiny_body, tmp_path, monkeypatch):
    output = tmp_path / "study"
    command = [
        "noise-study",
        *GRID,
        table,
        "-o",
        output,
        "--body",
        tiny_body,
        "--train",
        "exact",
        "paper-low:16",
        *FAST,
    ]
    first = run(*command)
    assert first.exit_code == 0, first.output
    assert "Trained: paper-low, 16 shots" in first.stdout
    assert {path.name for path in output.iterdir()} == {
        "embeddings.npz",
        "heads",
        "results.jsonl",
        "table.md",
        "table.csv",
        "figure.png",
        "figure.svg",
    }
    assert imread(output / "figure.png").std() > 0.01
    monkeypatch.setattr(noise_study, "measured_under", None)  # nothing is measured, and nothing trained, again
    monkeypatch.setattr(trained_heads, "train_head", None)
    again = run(*command, "--json")
    assert again.exit_code == 0, again.output
    report = json.loads(again.stdout)
    assert len(report["rows"]) == 8
    assert len(report["records"]) == 16
    assert {record["n_test"] for record in report["records"]} == {6}  # 16 texts without the 10 that are drawn
    assert len(list(csv.DictReader((output / "table.csv").open()))) == 8


def test_command_with_a_saved_model_and_with_test_data(table, tiny_body, tmp_path):
    model = tmp_path / "model"
    trained = run(
        "train", table, "-o", model, "--body", tiny_body, "--qubits", 4, "--epochs", 2, "--noise", "paper-low"
    )
    assert trained.exit_code == 0, trained.output
    result = run("noise-study", table, "-o", tmp_path / "one", "--model", model, *GRID, "--max-test", 10, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [row["train"] for row in report["rows"]] == ["paper-low"] * 4
    assert report["rows"][0]["interval"]["kind"] == "Wilson, 10 texts"
    options = ["--test-data", table, "--train-noise", "none", "--train-shots", "0,16", "--body", tiny_body]
    result = run("noise-study", table, "-o", tmp_path / "two", *options, *FAST, *GRID, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert {row["train"] for row in report["rows"]} == {"exact", "16 shots"}
    assert {row["n_test"] for row in report["rows"]} == {16}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--eval-noise", "paper-middle"], "must be one of none, paper-low"),
        (["--eval-shots", "many"], "`--eval-shots` must be whole numbers"),
        (["--train", "exact", "--train-noise", "none"], "`--train` excludes"),
        (["--train", "paper-low:x"], "PRESET:SHOTS"),
        (["--model", "somewhere", "--seeds", "2"], "excludes --seeds"),
        (["--per-class", "9"], "fewer than the 9 asked for"),
        (["--test-split", "test"], "needs --test-data"),
        (["--qubits", "1"], "`n_qubits` must be at least 2"),
    ],
)
def test_bad_input(table, tmp_path, options, message):
    result = run("noise-study", table, "-o", tmp_path / "study", *options)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not (tmp_path / "study").exists()


def test_output_that_is_something_else(table, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    result = run("noise-study", table, "-o", tmp_path)
    assert result.exit_code == 2
    assert "holds thesis.tex" in result.stderr


def test_command_without_matplotlib(table, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    result = run("noise-study", table, "-o", tmp_path / "study")
    assert result.exit_code == 1
    assert 'pip install "setfit-quantum[plots]"' in result.stderr


def test_interrupted_command(table, tiny_body, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(noise_study, "measured_under", interrupt)
    result = run("noise-study", table, "-o", tmp_path / "study", "--body", tiny_body, *FAST)
    assert result.exit_code == 1
    assert "Go on with: setfit-quantum noise-study" in result.stderr


def test_options_with_several_values():
    many = {"--shots": str.isdecimal}
    assert repeat_options(["--shots", "0", "128", "data", "7", "-o", "3", "4"], many) == [
        "--shots", "0", "--shots", "128", "data", "7", "-o", "3", "4",
    ]  # fmt: skip
    assert repeat_options(["--shots", "x", "1", "--", "--shots", "1", "2"], many) == [
        "--shots", "x", "--shots", "1", "--", "--shots", "1", "2",
    ]  # fmt: skip
    assert repeat_options(["--other", "1", "2"], many) == ["--other", "1", "2"]
    assert split_values(["0,128", "8192"]) == ["0", "128", "8192"]
    assert split_values(None) is None
