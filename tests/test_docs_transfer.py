"""docs/transfer.md: its tables are those of the committed results, which the benchmarks write."""

import csv
import importlib
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from bodies import NAMES, TEXTS
from setfit_quantum.data import load_examples

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
TEXT = (ROOT / "docs" / "transfer.md").read_text()
FILES = ("transfer_kinds", "setfit_surface", "surface_tasks", "seed_tables")


@pytest.fixture
def load(monkeypatch):
    """Import a benchmark's file as the script itself would."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module
    for name in FILES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["transfer_kinds", "setfit_surface"])
def test_tables_are_those_of_the_results(name, load):
    expected = load(name).format_report(json.loads((RESULTS / f"{name}.json").read_text()))
    assert (RESULTS / f"{name}.md").read_text() == expected
    assert TEXT.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0] == expected


def test_what_it_says_of_the_tables_holds(load):
    """No quantum head is ahead of the best classical one."""
    surface = json.loads((RESULTS / "setfit_surface.json").read_text())["runs"]
    for of_seeds in surface.values():
        figure = next(iter(of_seeds[0]["quantum" if "quantum" in of_seeds[0] else next(iter(of_seeds[0]))]))
        means = {name: sum(run[name][figure] for run in of_seeds) for name in of_seeds[0]}
        if figure != "aspect, %":  # equal up to a word, either way
            assert not max(means, key=means.get).startswith("quantum"), figure
    for of_seeds in json.loads((RESULTS / "transfer_kinds.json").read_text())["pairs"].values():
        means = {name: sum(run[name]["accuracy"] for run in of_seeds) for name in of_seeds[0]}
        assert max(means, key=means.get) == "logistic regression, second task alone"
        assert min(means[f"{kind}, second task alone"] for kind in ("quantum head", "MLP head")) > max(
            means[kind] for kind in ("CC", "CQ", "QC", "QQ")
        )


def test_links_and_commands_are_there():
    targets = re.findall(r"\]\((?!https?:|#)([^)]+)\)", TEXT) + [
        f"../{path}" for path in re.findall(r"python ((?:benchmarks|examples)/\S+\.py)", TEXT)
    ]
    assert len(targets) > 12
    for target in targets:
        assert (ROOT / "docs" / target).resolve().is_file(), target


def test_the_benchmark_at_a_tiny_size(load, tmp_path, tiny_body):
    tasks = load("surface_tasks")
    for name, source in (("go_emotions_ekman", "support"), ("subj", "reviews"), ("sst2", "reviews")):
        (tmp_path / name).mkdir()
        for split in ("train", "test"):
            examples = load_examples(f"bundled:{source}", split=split)
            texts, names = (TEXTS, NAMES) if source == "reviews" else (examples.texts, examples.labels)
            with (tmp_path / name / f"{split}.csv").open("w", newline="") as file:
                csv.writer(file).writerows([("text", "label"), *zip(texts * 6, names * 6, strict=True)])
    bench = tasks.Bench(tmp_path, tmp_path / "cache", epochs=10, n_train=60, n_test=20)
    (tmp_path / "cache").mkdir()
    bench.body = tasks.RememberingBody(str(tiny_body), device="cpu")
    found = tasks.distillation(bench, 0, per_class=8)
    assert len(found) == 4
    assert all(0 <= row["accuracy, %"] <= 1 for row in found.values())
    found = tasks.several_labels(bench, 0)
    assert len(found) == 8
    shutil.rmtree(tmp_path / "subj")
    table = load("seed_tables").format_over_seeds("heads", [found, found])
    assert table.splitlines()[0] == "| heads | macro F1, % | every label right, % |"
    assert table.count("± 0.0") == 16


def test_cells(load):
    cell = load("seed_tables").format_cell
    assert cell("accuracy, %", [0.5, 0.75]) == "62.5 ± 17.7"
    assert cell("log loss", [0.25]) == "0.250"
    assert cell("log loss", [None, None]) == "-"
    assert cell("trained", [12, 12]) == "12"
