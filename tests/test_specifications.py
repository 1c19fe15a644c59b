"""Specifications: those of the package, inheritance between levels and rows, and errors that name the place."""

import json

import pytest

from setfit_quantum.experiments.conditions import Condition
from setfit_quantum.experiments.expansion import expand, expand_grid
from setfit_quantum.experiments.heads import build_quantum_head
from setfit_quantum.experiments.specification import (
    LEVELS,
    SpecificationError,
    list_specifications,
    load_specification,
)

NAMES = ["ablations", "fig10", "fig11", "fig12", "fig5", "fig8a", "fig8b", "fig9", "table2", "table3", "table4",
         "upper_bound"]  # fmt: skip

MINIMAL = {
    "name": "small",
    "title": "A small study",
    "source": "here",
    "data": {"id": "bundled:reviews", "per_class": 8},
    "seeds": 3,
    "training": {"num_epochs": 4, "batch_size": 8},
    "grid": {"learning_rate": [0.1, 0.2]},
    "levels": {"quick": {"training": {"num_epochs": 1}, "seeds": 1, "grid": {}, "axes": {"head.n_qubits": [2]}}},
    "rows": [
        {
            "name": "{n_qubits} qubits",
            "head": {"kind": "quantum"},
            "axes": {"head.n_qubits": [3, 4]},
            "training": {"batch_size": 16},
            "paper": {"3": 90.5},
            "parameters": 7,
        },
        {
            "name": "large",
            "series": "large ones",
            "levels": ["default", "full"],
            "head": {"kind": "quantum", "n_qubits": 9},
            "seeds": 2,
            "at": {"full": {"seeds": 9, "head": {"encoder": "linear"}}},
        },
        {"name": "logistic", "head": {"kind": "logistic", "C": [1.0, 2.0]}},
    ],
}


def write(tmp_path, values):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(values))
    return path


def changed(**changes):
    return json.loads(json.dumps(MINIMAL)) | changes


def test_the_packages_specifications():
    assert list_specifications() == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name != "fig5"])
def test_every_specification_expands_at_every_level(name):
    specification = load_specification(name)
    for level in LEVELS:
        cells = expand(specification, level)
        assert cells
        values = specification.at_level(level)
        assert values["notes"]
        names = {cell.name for cell in cells}
        if level == "default":
            assert values.get("reference") in {None, *names}
            for claim in values.get("claims", []):
                assert {claim["better"], claim["than"]} <= names
            # Selection needs seeds; a claim needs a test.
            assert all(len(cell.seeds) >= 2 for cell in cells)
        if level == "full" and name not in ("upper_bound", "fig12"):
            trained = [cell for cell in cells if cell.head["kind"] in ("quantum", "neural")]
            assert {cell.training["num_epochs"] for cell in trained} == {800}
            for cell in trained:
                assert {"learning_rate", "lr_decay", "weight_decay"} <= set(cell.candidates[0])
            assert values["body"] == "sentence-transformers/paraphrase-mpnet-base-v2"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "fig5"])
def test_heads_have_the_papers_parameters(name):
    """On 768 features every quantum row has as many parameters as the paper prints for it."""
    checked = 0
    for cell in expand(load_specification(name), "default"):
        if cell.head["kind"] != "quantum" or cell.paper_parameters is None:
            continue
        settings = {key: value for key, value in cell.head.items() if key != "kind"}
        head = build_quantum_head(settings, Condition(), 0, 768, 2)
        assert head.num_parameters() == cell.paper_parameters, cell.name
        checked += 1
    assert checked or name in ("ablations", "fig9", "fig10", "fig11", "fig12", "upper_bound")


def test_both_readings_stand_side_by_side():
    presets = {(cell.head["preset"], cell.head["n_qubits"]) for cell in expand(load_specification("fig8a"), "default")}
    assert {("paper-single", 10), ("paper-single-qm1", 10)} <= presets


def test_inheritance(tmp_path):
    specification = load_specification(write(tmp_path, MINIMAL))
    three, four, large, logistic = expand(specification, "default")
    assert (three.name, three.series, three.axes) == ("3 qubits", "3 qubits", {"n_qubits": 3})
    assert (three.paper, four.paper, four.paper_parameters) == (90.5, None, 7)
    assert three.training == {"num_epochs": 4, "batch_size": 16}
    assert three.seeds == (0, 1, 2)
    assert three.candidates == ({"learning_rate": 0.1}, {"learning_rate": 0.2})
    assert (large.series, large.seeds) == ("large ones", (0, 1))
    # What scikit-learn trains inherits nothing that only other heads have.
    assert (logistic.training, logistic.candidates) == ({}, ({},))
    quick = expand(specification, "quick")
    assert [cell.name for cell in quick] == ["2 qubits", "logistic"]
    assert quick[0].training == {"num_epochs": 1, "batch_size": 16}
    assert (quick[0].seeds, quick[0].candidates) == ((0,), ({},))
    full = expand(specification, "full", n_seeds=4)
    assert full[2].head == {"kind": "quantum", "n_qubits": 9, "encoder": "linear"}
    assert {cell.seeds for cell in full} == {(0, 1, 2, 3)}


def test_runs_of_a_cell(tmp_path):
    cell = expand(load_specification(write(tmp_path, MINIMAL)), "default")[0]
    runs = cell.runs(1, {"sentences": "x"}, {"name": "body", "tuning": None})
    assert [run.training["learning_rate"] for run in runs] == [0.1, 0.2]
    assert len({run.key for run in runs}) == 2
    assert runs[0].key == cell.runs(1, {"sentences": "x"}, {"tuning": None, "name": "body"})[0].key
    others = [
        cell.runs(2, {"sentences": "x"}, {"name": "body", "tuning": None})[0],
        cell.runs(1, {"sentences": "y"}, {"name": "body", "tuning": None})[0],
        cell.runs(1, {"sentences": "x"}, {"name": "body", "tuning": {"max_steps": 1}})[0],
    ]
    assert len({run.key for run in [runs[0], *others]}) == 4


def test_axes_of_conditions(tmp_path):
    row = {"name": "{condition}", "head": {"kind": "quantum"}, "axes": {"condition": ["exact", "paper-low:16"]}}
    exact, noisy = expand(load_specification(write(tmp_path, changed(rows=[row]))), "default")
    run = noisy.runs(0, {}, {})[0]
    assert (run.train_condition, run.eval_condition) == ("paper-low:16", "paper-low:16")
    assert exact.runs(0, {}, {})[0].train_condition == "exact"


def test_grid_of_heads():
    found = expand_grid({"head.batch_norm": [False, True], "learning_rate": [1, 2]})
    assert len(found) == 4
    assert expand_grid({}) == ({},)


ROW = {"name": "row", "head": {"kind": "quantum"}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (changed(colour="red"), "`colour` is unknown"),
        (changed(seeds="five"), "`seeds` must be int, but is 'five'"),
        (changed(seeds=True), "`seeds` must be int"),
        (changed(data={"per_class": 3}), "data: `id` is missing"),
        (changed(kind="tail"), "`kind` must be one of heads, energy"),
        (changed(bodies=["thawed"]), "`bodies` must hold frozen and tuned"),
        (changed(levels={"slow": {}}), "level 'slow' is none of quick, small, default, full"),
        (changed(levels={"quick": {"rows": []}}), "levels.quick: `rows` is unknown"),
        (changed(rows=[{"name": "row"}]), r"rows\[0\]: `head` is missing"),
        (changed(rows=[ROW, ROW]), "`name` 'row' occurs twice"),
        (changed(rows=[ROW | {"head": {"kind": "oracle"}}]), "`head.kind` must be one of quantum"),
        (changed(rows=[ROW | {"axes": {"head.n_qubits": 3}}]), "'head.n_qubits' must be a list of values"),
        (changed(claims=[{"text": "x", "better": "a"}]), r"claims\[0\]: `than` is missing"),
        ([], "must be a JSON object"),
    ],
)
def test_bad_specifications(tmp_path, values, message):
    with pytest.raises(SpecificationError, match=message):
        load_specification(write(tmp_path, values))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW | {"axes": {"tail.length": [1]}}, "must begin with `head.` or `training.`"),
        (ROW | {"name": "{n_qubits}"}, "row '{n_qubits}'"),
        (ROW | {"train_condition": "loud"}, "row 'row': A noise level must be one of"),
        ({"name": "lr", "head": {"kind": "logistic"}, "train_condition": "paper-low:8"}, "must be 'exact' for a head"),
        (ROW | {"max_test": 0}, "`max_test` must be at least 1"),
        (ROW | {"axes": {"head.n_qubits": [3, 4]}}, "rows of one name"),
    ],
)
def test_bad_rows_are_found_before_anything_runs(tmp_path, row, message):
    specification = load_specification(write(tmp_path, changed(rows=[row])))
    with pytest.raises(SpecificationError, match=message):
        expand(specification, "default")


def test_a_name_may_have_a_hyphen():
    assert load_specification("upper-bound").name == "upper_bound"


def test_small_is_smaller():
    """On the data of the default level, with fewer runs of fewer epochs."""
    for name in NAMES:
        specification = load_specification(name)
        if specification.kind == "energy":
            continue
        small, default = (
            [run for cell in expand(specification, level) for seed in cell.seeds for run in cell.runs(seed, {}, {})]
            for level in ("small", "default")
        )
        assert specification.at_level("small")["data"] == specification.at_level("default")["data"]
        epochs = [sum(run.training.get("num_epochs", 0) for run in runs) for runs in (small, default)]
        assert len(small) <= len(default)
        assert 2 * epochs[0] <= epochs[1]


def test_unknown_names(tmp_path):
    with pytest.raises(SpecificationError, match="there are ablations, fig10"):
        load_specification("table9")
    with pytest.raises(SpecificationError, match="There is no specification"):
        load_specification(tmp_path / "none.json")
    path = tmp_path / "torn.json"
    path.write_text("{")
    with pytest.raises(SpecificationError, match="not JSON"):
        load_specification(path)
    with pytest.raises(ValueError, match="`level` must be one of"):
        expand(load_specification("table4"), "enormous")
