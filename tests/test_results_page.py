"""RESULTS.md: written from result files alone, and up to date."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from setfit_quantum.experiments.expansion import expand
from setfit_quantum.experiments.results_page import format_page, load_results
from setfit_quantum.experiments.specification import load_specification
from setfit_quantum.experiments.study_report import judge_claims
from setfit_quantum.experiments.study_result import StudyResult
from setfit_quantum.experiments.study_work import pack

ROOT = Path(__file__).parent.parent
N_SENTENCES, N_DRAWN = 240, 40


def load_command():
    specification = importlib.util.spec_from_file_location("build_results", ROOT / "benchmarks" / "build_results.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def build_result(accuracies, name="table4", failures=(), level="default"):
    """A result with planted accuracies, by cell."""
    specification = load_specification(name)
    cells = expand(specification, level)
    rng = np.random.default_rng(0)
    difficulty = rng.uniform(size=N_SENTENCES)
    drawn = {str(seed): sorted(rng.choice(N_SENTENCES, N_DRAWN, replace=False).tolist()) for seed in range(5)}
    selected = {}
    for cell in cells:
        for seed in cell.seeds:
            rows = np.setdiff1d(np.arange(N_SENTENCES), drawn[str(seed)])
            right = difficulty[rows] + 0.05 * rng.normal(size=len(rows)) < accuracies[cell.name]
            selected[(cell.name, "frozen", seed)] = {
                "settings": cell.runs(seed, {}, {})[0].to_dict(),
                "validation": {"accuracy": 0.9, "loss": 0.1},
                "test": {"accuracy": float(right.mean()), "macro_f1": 0.5, "n": len(rows), "right": pack(right)},
                "parameters": 493,
                "epochs": 60,
                "best_epoch": 3,
                "cpu_seconds": 90.0,
            }
    values = specification.at_level(level)
    header = {key: values[key] for key in ("title", "source", "notes", "reference", "claims", "plot")}
    header |= {"data": "toy", "body": "none", "n_sentences": N_SENTENCES, "n_train": 34, "n_validation": 6}
    header |= {"n_test": N_SENTENCES - N_DRAWN, "drawn": drawn}
    return StudyResult(name, level, cells, ["frozen"], selected, list(failures), 30, 1.25, header)


WITH, WITHOUT = "with the linear layer", "without the linear layer"


@pytest.mark.parametrize(
    ("accuracies", "outcome"),
    [
        ({WITH: 0.7, WITHOUT: 0.85}, "holds"),
        ({WITH: 0.85, WITHOUT: 0.7}, "the opposite holds"),
        ({WITH: 0.8, WITHOUT: 0.8}, "cannot be told from chance"),
    ],
)
def test_claims_are_judged_by_what_was_measured(accuracies, outcome):
    result = build_result(accuracies)
    assert [entry["outcome"] for entry in judge_claims(result)] == [outcome]
    page = format_page([result])
    assert f"| {outcome} |" in page
    assert "91.70" in page


def test_a_result_survives_its_file(tmp_path):
    result = build_result({WITH: 0.7, WITHOUT: 0.85}, failures=["one, seed 3: ValueError: no"])
    result.save(tmp_path / "table4.json")
    assert format_page(load_results(tmp_path)) == format_page([result])
    assert "- one, seed 3: ValueError: no" in format_page([result])
    text = (tmp_path / "table4.json").read_text()
    assert len(text.splitlines()) > len(result.selected)
    values = json.loads(text)
    (tmp_path / "table4.json").write_text(json.dumps(values | {"schema": 2}))
    with pytest.raises(ValueError, match="is not the result of a study: schema 2"):
        load_results(tmp_path)


def test_results_of_another_specification_are_refused(tmp_path):
    build_result({WITH: 0.7, WITHOUT: 0.85}).save(tmp_path / "table4.json")
    text = (tmp_path / "table4.json").read_text()
    for was, now, message in (
        ('"learning_rate": 0.003', '"learning_rate": 0.5', "run with settings that the specification does not have"),
        ('"preset": "paper-single"', '"preset": "paper-multi"', "run with settings that the specification does not"),
        (f'"cell": "{WITH}"', '"cell": "another row"', "row 'another row' is not in the specification"),
    ):
        assert was in text
        (tmp_path / "table4.json").write_text(text.replace(was, now))
        with pytest.raises(ValueError, match=message):
            load_results(tmp_path)
    # How notes are worded may be mended afterwards.
    (tmp_path / "table4.json").write_text(text.replace('"60 epochs here;', '"Sixty epochs;'))
    assert "60 epochs here;" in format_page(load_results(tmp_path))


def test_small_results_stand_in_until_there_are_larger_ones(tmp_path):
    accuracies = {WITH: 0.7, WITHOUT: 0.85}
    for level in ("default", "small"):
        build_result(accuracies, level=level).save(tmp_path / "studies" / f"table4-{level}" / "result.json")
    command = load_command()
    taken = command.collect(tmp_path / "studies", tmp_path / "out")
    assert [path.name for path in taken] == ["table4.json", "table4-small.json"]
    assert [result.level for result in load_results(tmp_path / "out")] == ["default"]
    taken[0].unlink()
    page = format_page(load_results(tmp_path / "out"))
    assert "final linear layer, 14 qubits (small)\n" in page
    assert "| table4 (small) |" in page
    assert "table4" not in page.split("## Specified, not run here")[1]


def test_energy_needs_no_results():
    page = format_page([])
    assert "## Fig. 5: energy of one inference" in page
    assert "| Forte Enterprise, paper-single | 46 qubits | 46 qubits | 45.92 |" in page


def test_every_row_says_how_much_it_was_tuned():
    names = [cell.name for cell in expand(load_specification("table2"), "default")]
    page = format_page([build_result(dict.fromkeys(names, 0.7), "table2")])
    line = next(line for line in page.splitlines() if line.startswith("Combinations of settings"))
    assert "; 6 for linear softmax head; 12 for MLP head, 48 hidden" in line
    assert line.endswith("; 3 for all others.")
    # 33 strengths and none at all, two class weights, three numbers of iterations.
    assert "; 36 for SVC; 204 for logistic regression; " in line


def test_times_stand_beside_the_papers():
    cells = {"one encoder, 10 qubits": 0.7, "one encoder, 12 qubits": 0.7, "one encoder, 14 qubits": 0.7}
    others = {cell.name: 0.7 for cell in expand(load_specification("fig8a"), "default")}
    page = format_page([build_result(others | cells, "fig8a")])
    assert "| 10 | 60 | 1.5 | 6.8 h on an A100 |" in page
    assert "table2" in page.split("## Specified, not run here")[1]


def test_missing_rows_are_not_measured():
    result = build_result({WITH: 0.7, WITHOUT: 0.85})
    partial = {place: record for place, record in result.selected.items() if place[0] == WITH}
    page = format_page([StudyResult(**{**_fields(result), "selected": partial})])
    assert "| not measured | - |" in page
    assert f"Specified, without a result yet: {WITHOUT}." in page


def _fields(result):
    names = ("name", "level", "cells", "columns", "selected", "failures", "n_runs", "hours", "header")
    return {name: getattr(result, name) for name in names}


def test_command(tmp_path):
    build_result({WITH: 0.7, WITHOUT: 0.85}).save(tmp_path / "studies" / "table4-default" / "result.json")
    command = load_command()
    options = ["--results", str(tmp_path / "out"), "--page", str(tmp_path / "R.md")]
    options += ["--arena", str(tmp_path / "arena.md")]
    command.main(["--collect", str(tmp_path / "studies"), *options])
    assert (tmp_path / "out" / "table4.json").is_file()
    page = (tmp_path / "R.md").read_text()
    assert "Table IV" in page
    assert "The arena" not in page
    (tmp_path / "arena.md").write_text("| head | accuracy |\n")
    command.main(options)
    assert (tmp_path / "R.md").read_text() == page + command.ARENA_TITLE + "| head | accuracy |\n"


def test_the_page_is_up_to_date():
    command = load_command()
    results = load_results(command.RESULTS)
    assert command.PAGE.exists() == bool(results)
    if results:
        assert command.PAGE.read_text() == format_page(results) + command.format_arena(command.ARENA)
