"""`setfit-quantum compare`: quantum against classical heads on the user's data, with tests and a verdict."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bodies import NAMES, TEXTS
from setfit_quantum.cli.app import app
from setfit_quantum.experiments.comparing import Answers, compare_heads, correct
from setfit_quantum.experiments.comparison_study import summarize

FAST = ["--qubits", 3, "--epochs", 2, "--per-class", 6]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="setfit-quantum")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "films.csv"
    rows = [f"{text} {number},{name}" for number in range(2) for text, name in zip(TEXTS, NAMES, strict=True)]
    path.write_text("\n".join(["text,label", *rows]))
    return path


def test_command(table, tiny_body, tmp_path):
    command = ["compare", table, "--body", tiny_body, *FAST, "--seeds", 2, "-o", tmp_path / "out"]
    result = run(*command, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    heads = [row["head"] for row in report["rows"]]
    assert heads[0] == "quantum head"
    assert {"logistic regression", "SVC", "linear softmax head", "MLP head, 48 hidden", "SetFit's default head"} < set(
        heads
    )
    comparisons = report["comparisons"]["frozen"]
    assert [one["reference"] for one in comparisons] == heads[1:]
    for one in comparisons:
        assert one["n_texts"] == 2 * (32 - 12)
        assert one["p_corrected"] >= one["p"]
        assert one["reference"] in one["verdict"]
    assert report["verdict"]["frozen"].startswith("On these data the quantum head ")
    # The quantum head and the linear one choose among equally many learning rates.
    kinds = [json.loads(line)["settings"] for line in (tmp_path / "out" / "runs.jsonl").read_text().splitlines()]
    count = {kind: sum(one["head"]["kind"] == kind for one in kinds) for kind in ("quantum", "neural", "svc")}
    assert count == {"quantum": 6, "neural": 12, "svc": 2}
    again = run(*command)
    assert again.exit_code == 0
    assert "On these data the quantum head" in again.stdout
    assert {path.name for path in (tmp_path / "out" / "compare").iterdir()} == {
        "table.md",
        "table.csv",
        "comparisons.csv",
        "figure.png",
        "figure.svg",
    }
    assert "every seed draws 10 sentences for training and 2 for validation" in again.stdout.replace("\n", " ")
    assert "nothing is left to run" in again.stderr
    assert "Quantum and classical heads on films.csv" in again.stdout
    with (tmp_path / "out" / "compare" / "comparisons.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [(one["body"], one["reference"]) for one in written] == [("frozen", name) for name in heads[1:]]
    assert [float(one["difference"]) for one in written] == [one["difference"] for one in comparisons]
    assert report["verdict"]["frozen"] in (tmp_path / "out" / "compare" / "table.md").read_text()


def test_one_learning_rate_and_one_seed(table, tiny_body, tmp_path):
    result = run("compare", table, "--body", tiny_body, *FAST, "--seeds", 1, "--learning-rate", 0.02, "-o",
                 tmp_path / "out", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert {one["test"] for one in report["comparisons"]["frozen"]} == {"McNemar, exact"}
    assert report["verdict"]["frozen"].endswith("With one seed this concerns these trained heads alone.")
    assert "concerns these two trained heads" in report["comparisons"]["frozen"][0]["verdict"]


def simulated(difference):
    rng = np.random.default_rng(0)
    rows = np.arange(300)
    base = {seed: Answers(rows, rng.uniform(size=300) < 0.8) for seed in range(8)}
    other = {seed: Answers(rows, rng.uniform(size=300) < 0.8 + difference) for seed in range(8)}
    return compare_heads("quantum head", other, f"head {difference}", base)


def test_verdict_in_one_sentence():
    found = correct([simulated(0.12), simulated(-0.12), simulated(0.0), simulated(0.001)])
    assert summarize(found) == (
        "On these data the quantum head is better than head 0.12, and is worse than head -0.12, and cannot be told "
        "apart from head 0.0 and head 0.001."
    )
    assert "Nothing could be compared" in summarize([])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--per-class", "17"], "fewer than the 17 asked for"),
        (["--qubits", "1"], "`n_qubits` must be at least 2"),
        (["--preset", "paper-double"], "must be one of 'paper-single'"),
        (["--learning-rate", "-1"], "`learning_rate` must be greater than 0"),
    ],
)
def test_bad_input(table, tiny_body, tmp_path, options, message):
    result = run("compare", table, "--body", tiny_body, "-o", tmp_path / "out", *options)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not (tmp_path / "out" / "runs.jsonl").exists()


def test_several_labels_per_text(tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_text('{"text": "a", "label": ["x", "y"]}\n{"text": "b", "label": ["x"]}\n')
    result = run("compare", path, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "several labels per text" in result.stderr
