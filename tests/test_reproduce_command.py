"""`setfit-quantum reproduce`: quick versions of every table and figure, files, resuming, errors."""

import csv
import json

import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from bodies import NAMES, TEXTS
from setfit_quantum.cli.app import app
from setfit_quantum.experiments import study_work
from setfit_quantum.experiments.specification import list_specifications, load_specification
from setfit_quantum.experiments.study_report import build_table_rows, format_markdown
from setfit_quantum.experiments.study_result import StudyResult

FILES = {"table.md", "table.csv", "figure.png", "figure.svg"}


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="setfit-quantum")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """Studies of this file share a folder, and so the runs that they have in common."""
    return tmp_path_factory.mktemp("studies") / "out"


@pytest.mark.parametrize("name", list_specifications())
def test_quick_version(name, output, tiny_body):
    result = run("reproduce", name, "--quick", "--body", tiny_body, "-o", output, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    folder = output / f"{name}-quick"
    assert imread(folder / "figure.png").std() > 0.005
    assert (folder / "figure.svg").read_text().startswith("<?xml")
    table = (folder / "table.md").read_text()
    assert table.startswith(f"# {load_specification(name).title}")
    if name == "fig5":
        assert {path.name for path in folder.iterdir()} == FILES
        crossings = {row["curves"]: row["crossover_qubits"] for row in report["rows"]}
        assert crossings["Forte Enterprise, paper-single"] == report["paper"] == 46
        assert crossings["Forte, paper-single"] == 47
        assert len(list(csv.DictReader((folder / "table.csv").open()))) == 3 * 59
        return
    assert {path.name for path in folder.iterdir()} == {*FILES, "result.json"}
    assert report["failures"] == []
    for row in report["rows"]:
        measured = row["measured"]["frozen"]
        assert measured["seeds"] == 2, row
        low, high = measured["interval"]["low"], measured["interval"]["high"]
        assert low <= measured["accuracy"] <= high
        assert row["head"] in table
    assert len(list(csv.DictReader((folder / "table.csv").open()))) == len(report["rows"])
    # The committed form of a result says the same.
    loaded = StudyResult.load(folder / "result.json")
    assert format_markdown(loaded, build_table_rows(loaded)) == table


def test_printed_table_and_resuming(output, tiny_body, monkeypatch):
    command = ("reproduce", "table4", "--quick", "--body", tiny_body, "-o", output)
    assert run(*command).exit_code == 0
    runs = (output / "runs.jsonl").read_bytes()
    monkeypatch.setattr(study_work, "fit_head", None)  # nothing is trained again
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert (output / "runs.jsonl").read_bytes() == runs
    reported = run(*command, "--no-run")
    assert reported.exit_code == 0, reported.output
    assert reported.stdout == result.stdout
    nothing = run(*command[:-1], output / "elsewhere", "--no-run")
    assert nothing.exit_code == 1
    assert "there are no results of this study" in nothing.stderr
    assert "91.45" in result.stdout
    assert "91.70" in result.stdout
    assert "Without the linear layer the head is better" in result.stdout
    record = json.loads(runs.splitlines()[0])
    assert {"version", "settings", "seed", "seconds", "validation", "test", "key"} <= set(record)


def test_own_data_seeds_and_tuned_body(tiny_body, tmp_path):
    table = tmp_path / "films.csv"
    rows = [f"{text} {number},{name}" for number in range(3) for text, name in zip(TEXTS, NAMES, strict=True)]
    table.write_text("\n".join(["text,label", *rows]))
    specification = json.loads(json.dumps(dict(load_specification("table4").values)))
    specification["name"] = "mine"
    specification["tuning"] = {"max_steps": 2, "batch_size": 4}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(specification))
    command = ["reproduce", path, "--quick", "--data", table, "--body", tiny_body, "--seeds", "1", "--tuned"]
    result = run(*command, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    for row in report["rows"]:
        assert set(row["measured"]) == {"frozen", "tuned"}
        assert row["measured"]["tuned"]["seeds"] == 1
        # Half of the 24 texts of each class, where the specification's 16 would leave few for the test.
        assert row["measured"]["tuned"]["n_test"] == 48 - 24
    headings = (tmp_path / "out" / "mine-quick" / "table.md").read_text()
    assert "ours, %, frozen body" in headings
    assert "ours, %, tuned body" in headings
    # One npz for the frozen body, and one for the tuned body of the one seed.
    assert len(list((tmp_path / "out" / "embeddings").iterdir())) == 2


def test_a_failed_run_is_told_and_the_rest_goes_on(tiny_body, tmp_path, monkeypatch):
    fit = study_work.fit_head

    def fail(run, data):
        if run.head.get("final_linear") is False and run.seed == 1:
            raise RuntimeError("out of qubits")
        return fit(run, data)

    monkeypatch.setattr(study_work, "fit_head", fail)
    command = ["reproduce", "table4", "--quick", "--body", tiny_body, "-o", tmp_path / "out"]
    result = run(*command, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["failures"] == ["without the linear layer, seed 1: RuntimeError: out of qubits"]
    assert [row["measured"]["frozen"]["seeds"] for row in report["rows"]] == [2, 1]
    assert "1 runs failed" in run(*command).stdout
    monkeypatch.undo()
    again = run(*command, "--retry-failed", "--json")
    assert json.loads(again.stdout)["failures"] == []


def test_local_copy_of_the_data(tiny_body, tmp_path, monkeypatch):
    folder = tmp_path / "data" / "sst2"
    folder.mkdir(parents=True)
    for part, number in (("train", 0), ("dev", 1), ("test", 2)):
        rows = [f"{text} {number},{name}" for text, name in zip(TEXTS, NAMES, strict=True)]
        (folder / f"{part}.csv").write_text("\n".join(["text,label", *rows]))
    monkeypatch.setenv("SETFIT_QUANTUM_DATA", str(tmp_path / "data"))
    specification = json.loads(json.dumps(dict(load_specification("table4").values)))
    del specification["levels"]["quick"]["data"]["id"]
    del specification["levels"]["quick"]["data"]["parts"]
    path = tmp_path / "local.json"
    path.write_text(json.dumps(specification))
    result = run("reproduce", path, "--quick", "--body", tiny_body, "--seeds", 1, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rows"][0]["measured"]["frozen"]["n_test"] == 48 - 32
    assert "Data: SetFit/sst2" in (tmp_path / "out" / "table4-quick" / "table.md").read_text()


def test_list():
    result = run("reproduce", "--list")
    assert result.exit_code == 0
    assert "fig8a" in result.stdout
    assert "Table II: heads on SST-2" in result.stdout
    assert set(json.loads(run("reproduce", "--list", "--json").stdout)) == set(list_specifications())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "`NAME` must be one of ablations"),
        (["table9"], "There is no specification 'table9'"),
        (["table2", "--quick", "--full"], "`--quick` excludes --full"),
        (["table2", "--small", "--full"], "`--small` excludes --full"),
        (["table2", "--quick", "--data", "nowhere.csv"], "nowhere.csv"),
        (["table2", "--quick", "--body", "./nowhere"], "no existing folder"),
        (["table2", "--quick", "--backend", "clay"], "`backend` must be"),
    ],
)
def test_bad_input(arguments, message, tmp_path):
    result = run("reproduce", *arguments, "-o", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_output_that_is_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    result = run("reproduce", "table4", "--quick", "-o", tmp_path)
    assert result.exit_code == 2
    assert "holds thesis.tex" in result.stderr


def test_interruption_says_how_to_go_on(tiny_body, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(study_work, "fit_head", interrupt)
    result = run("reproduce", "table4", "--quick", "--body", tiny_body, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "Go on with: setfit-quantum reproduce table4 --quick" in result.stderr
