"""The arena of heads: draws, selection without the test, resuming, and its statistics on planted results."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from setfit_quantum import QuantumHead
from setfit_quantum.experiments.executors import SerialExecutor
from setfit_quantum.training import HeadTrainingArguments
from setfit_quantum.training.final_layer import resolve_final_layer

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Import a module of the arena as the script itself would."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield lambda name: importlib.import_module(f"arena_parts.{name}")
    for name in [name for name in sys.modules if name.split(".")[0] in ("arena", "arena_parts")]:
        sys.modules.pop(name)


@pytest.fixture
def content(tiny_body):
    """The quick specification, with the tests' tiny body."""
    found = json.loads((BENCHMARKS / "arena_quick.json").read_text())
    return found | {"body": str(tiny_body)}


@pytest.fixture
def arena(load, content, tmp_path):
    return load("planning").Arena.load(load("specification").parse_specification(content), tmp_path, None)


class KilledAfter:
    """An executor that dies after some runs."""

    def __init__(self, n_runs):
        self.n_runs = n_runs

    def execute(self, work, runs):
        for number, found in enumerate(SerialExecutor().execute(work, runs)):
            if number == self.n_runs:
                raise KeyboardInterrupt
            yield found


def records_of(arena, part):
    results, found = arena.results(), {}
    for name, run in arena.runs(part):
        found.setdefault(run.column, {}).setdefault(name, {})[run.dataset, run.size, run.seed] = results.get(run.key)
    return found


def test_a_killed_arena_goes_on_where_it_was_and_gives_the_same(load, arena, tmp_path):
    planning, said = load("planning"), []
    part = planning.Part()
    arena.prepare(part, said.append)
    assert said == ["encoding reviews", "tuning on reviews, 8 per class, seed 0"]
    with pytest.raises(KeyboardInterrupt):
        arena.run(part, KilledAfter(4), said.append)
    # The run that was killed while it wrote left half a line.
    with (tmp_path / "runs.jsonl").open("a") as file:
        file.write('{"key": "ab')
    assert arena.run(part, SerialExecutor(), said.append) == 0
    assert f"4 runs are there, {len(arena.runs(part)) - 4} to do." in said
    resumed = records_of(arena, part)

    other = planning.Arena(arena.specification, tmp_path / "other", arena.sentences)
    shutil.copytree(tmp_path / "embeddings", tmp_path / "other" / "embeddings")
    other.run(part, SerialExecutor(), said.append)
    times = ("seconds", "fit_seconds", "test_seconds")
    for column, heads in records_of(other, part).items():
        for name, cells in heads.items():
            for cell, record in cells.items():
                same = resumed[column][name][cell]
                assert {k: v for k, v in record.items() if k not in times} == {
                    k: v for k, v in same.items() if k not in times
                }

    said.clear()
    again = planning.Arena(arena.specification, tmp_path, arena.sentences)
    again.prepare(part, said.append)
    again.run(part, SerialExecutor(), said.append)
    assert said == [f"{len(arena.runs(part))} runs are there, 0 to do."]

    numbers = load("numbers").summarize(arena.specification, resumed)
    assert set(numbers["frozen"]["heads"]) == set(arena.specification.heads)
    assert set(numbers["frozen"]["levers"]) == {"quantum, untrained circuit", "quantum, hybrid"}
    of_quantum = numbers["frozen"]["heads"]["quantum"]
    accuracies = [record["test"]["accuracy"] for record in resumed["frozen"]["quantum"].values()]
    assert of_quantum["accuracy"] == pytest.approx(np.mean(accuracies))
    assert numbers["frozen"]["heads"]["quantum, untrained circuit"]["parameters"] == [10, 10]
    # The hybrid takes part with one seed alone, and is compared with what the quantum head did there.
    of_hybrid = numbers["frozen"]["heads"]["quantum, hybrid"]
    assert of_hybrid["n_cells"] == of_hybrid["n_expected"] == 1 < of_quantum["n_cells"] == of_quantum["n_expected"]
    ours, base = (resumed["frozen"][name]["reviews", 8, 0] for name in ("quantum, hybrid", "quantum"))
    gain = numbers["frozen"]["levers"]["quantum, hybrid"]["difference"]
    assert gain == pytest.approx(ours["test"]["accuracy"] - base["test"]["accuracy"])
    text = load("report").write_report(arena.specification, numbers)
    assert text.count("| quantum, hybrid |") == 4
    load("figure").draw_figure(arena.specification, numbers, tmp_path / "figure")
    # Without dates and random ids: the same numbers give the same file.
    load("figure").draw_figure(arena.specification, numbers, tmp_path / "again")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "figure.svg").read_bytes()
    assert (tmp_path / "figure.svg").stat().st_size > 1000
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_the_command_runs_a_part_in_processes_and_reports_it(load, content, monkeypatch, tmp_path, capsys):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "1")  # so that they are restored
    load("specification")
    command = importlib.import_module("arena")
    (tmp_path / "spec.json").write_text(json.dumps(content))
    given = ["--specification", tmp_path / "spec.json", "--folder", tmp_path / "runs", "--bodies", "frozen"]
    given = [*map(str, given), "--heads", "^(logistic regression|quantum)$"]
    assert command.main([*given, "--workers", "1"]) == 0
    lines = (tmp_path / "runs" / "runs.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["name"] for line in lines) == ["logistic regression"] * 2 + ["quantum"] * 2
    capsys.readouterr()
    assert command.main([*given, "--report", "--output", str(tmp_path / "report.json")]) == 0
    printed = capsys.readouterr().out
    assert "| quantum |" in printed
    assert printed.strip() == (tmp_path / "report.md").read_text().strip()
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert numbers["frozen"]["heads"]["quantum"]["n_cells"] == 2
    assert numbers["tuned"]["heads"] == {}
    assert (tmp_path / "report.svg").exists()
    assert (tmp_path / "report.png").exists()


def test_permuting_test_labels_changes_no_choice(load, arena):
    """Whatever the test says, the same settings are chosen and the same weights predict."""
    planning, work = load("planning"), load("work")
    part = planning.Part(bodies=["frozen"])
    arena.prepare(part, lambda _: None)
    permuted = {
        name: dataclasses.replace(one, test_targets=1 - one.test_targets) for name, one in arena.sentences.items()
    }
    honest = work.ArenaWork(arena.embeddings, arena.sentences)
    deceived = work.ArenaWork(arena.embeddings, permuted)
    chosen = set()
    for _, run in arena.runs(part):
        first, second = honest(run), deceived(run)
        assert first["chosen"] == second["chosen"]
        assert first["validation"] == second["validation"]
        assert first["test"]["accuracy"] == pytest.approx(1 - second["test"]["accuracy"])
        chosen.add(first["chosen"])
    assert len(chosen) > 1


def test_every_head_gets_the_same_sentences(load, arena):
    planning, work = load("planning"), load("work")
    part = planning.Part()
    arena.prepare(part, lambda _: None)
    do = work.ArenaWork(arena.embeddings, arena.sentences)
    seen = {}
    for _, run in arena.runs(part):
        prints = tuple(part.fingerprint() for part in do.data_of(run))
        seen.setdefault((run.column, run.seed), set()).add(prints)
    assert {cell: len(prints) for cell, prints in seen.items()} == dict.fromkeys(seen, 1)
    assert len(set.union(*seen.values())) == len(seen)


def test_a_draw_is_balanced_and_depends_on_data_size_and_seed_alone(load, arena):
    reviews = arena.sentences["reviews"]
    fitted, held_out = reviews.draw(8, 0, 0.25)
    both = np.concatenate([fitted, held_out])
    assert len(set(both.tolist())) == 16
    for number in (0, 1):
        assert (reviews.train_targets[fitted] == number).sum() == 6
        assert (reviews.train_targets[held_out] == number).sum() == 2
    for one, same in zip(reviews.draw(8, 0, 0.25), (fitted, held_out), strict=True):
        np.testing.assert_array_equal(one, same)
    for others in (reviews.draw(8, 1, 0.25), dataclasses.replace(reviews, name="other").draw(8, 0, 0.25)):
        assert set(np.concatenate(others).tolist()) != set(both.tolist())
    whole = np.concatenate(reviews.draw(10**6, 0, 0.25))
    assert sorted(whole.tolist()) == list(range(len(reviews.train)))


def test_the_largest_classes_of_a_data_set(load, monkeypatch, tmp_path):
    monkeypatch.setenv("SETFIT_QUANTUM_DATA", str(tmp_path))
    (tmp_path / "set").mkdir()
    counts = {"a": 3, "b": 5, "c": 4, "d": 4}
    lines = [f"{label} {number},{label}" for label, count in counts.items() for number in range(count)]
    for split in ("train", "test"):
        (tmp_path / "set" / f"{split}.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    found = load("sentences").load_sentences("set", {"source": "set", "largest_classes": 2}, 6)
    assert found.classes == ("b", "c")
    assert np.bincount(found.train_targets).tolist() == [5, 4]
    assert all(text.startswith("bc"[number]) for text, number in zip(found.train, found.train_targets, strict=True))
    assert len(found.test) == 6
    assert load("sentences").load_sentences("set", {"source": "set", "largest_classes": 2}, 6).test == found.test


def planted(load, differences, n_texts=100):
    """Results of a head that has `differences[group]` more of its texts right for each seed, and of the reference."""
    pack = load("work").pack

    def cells(of_group):
        found = {}
        for group, shares in of_group.items():
            for seed, share in enumerate(shares):
                right = np.arange(n_texts) < round(share * n_texts)
                found[*group, seed] = {"test": {"accuracy": share, "right": pack(right), "n": n_texts}}
        return found

    reference = {group: 0.7 + 0.01 * np.arange(len(values)) for group, values in differences.items()}
    return cells({group: reference[group] + values for group, values in differences.items()}), cells(reference)


def test_non_inferiority_on_planted_results(load):
    compare, rng = load("numbers").compare, np.random.default_rng(0)
    groups = [(dataset, size) for dataset in "abc" for size in (16, 64)]
    noise = {group: rng.normal(0, 0.005, 10) for group in groups}
    exact = {group: values - values.mean() for group, values in noise.items()}
    spread = np.sqrt(sum(values.var(ddof=1) / 10 for values in exact.values())) / len(groups)
    for shift, expected in ((0.0, True), (-0.005 + 2.5 * spread, True), (-0.005 + 1.5 * spread, False), (-0.02, False)):
        found = compare(*planted(load, {group: values + shift for group, values in exact.items()}), 0.005)
        assert found["difference"] == pytest.approx(shift)
        assert found["non_inferior"] is expected
        assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * spread, rel=0.06)
        assert found["n_cells"] == 60
    assert found["p"] < 1e-4


def test_groups_weigh_the_same_and_only_common_cells_count(load):
    compare = load("numbers").compare
    head, reference = planted(load, {("a", 16): np.full(10, 0.03), ("b", 16): np.full(2, -0.01)})
    assert compare(head, reference, 0.005)["difference"] == pytest.approx(0.01)
    del reference["b", 16, 1]
    head["b", 16, 1] = {"test": {"accuracy": 0.0}}  # has no partner
    found = compare(head, reference, 0.005)
    assert found["difference"] == pytest.approx(0.01)
    assert found["n_cells"] == 11


def test_an_interval_of_three_seeds_is_as_wide_as_their_variance_says(load):
    values = np.array([-0.01, 0.0, 0.01])
    low, high = load("numbers").bootstrap_interval([values + 0.001 * shift for shift in range(40)])
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(values.var(ddof=1) / 3 / 40), rel=0.05)


def test_other_test_sentences_widen_the_interval_by_their_own_variance(load):
    """One seed, one data set: the variance of a mean of independent +1, 0 and -1."""
    text_interval, rng = load("numbers").text_interval, np.random.default_rng(0)
    values = rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.7, 0.2], size=1000)
    low, high = text_interval({("a", 16, 0): values})
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(1000), rel=0.06)
    assert low < values.mean() < high
    # The sizes of a data set share their sentences: the same differences twice are no more evidence.
    assert text_interval({("a", 16, 0): values, ("a", 64, 0): values}) == pytest.approx((low, high), abs=1e-12)
    other = text_interval({("a", 16, 0): values, ("b", 16, 0): values})
    assert other[1] - other[0] == pytest.approx((high - low) / np.sqrt(2), rel=0.08)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda spec: spec.update(budgets=3), "'budgets' is unknown"),
        (lambda spec: spec.update(budget=1), "must have 1 to 1 settings"),
        (lambda spec: spec["heads"]["quantum"]["head"].update(qubits=3), "'qubits' is unknown"),
        (lambda spec: spec["heads"]["quantum"]["training"].update(epochs=3), "'epochs' is unknown"),
        (lambda spec: spec["heads"]["quantum"]["training"].update(num_epochs=0), "num_epochs"),
        (lambda spec: spec["heads"]["quantum, hybrid"].update(inherits="none"), "inherit from a head above"),
        (lambda spec: spec["heads"].pop("logistic regression"), "role 'reference'"),
        (lambda spec: spec["bodies"]["tuned"].pop("tuning"), "must have `tuning`"),
    ],
)
def test_a_wrong_specification_is_refused(load, content, change, message):
    change(content)
    with pytest.raises(ValueError, match=message):
        load("specification").parse_specification(content)


def test_the_arena_itself_is_a_valid_specification(load):
    found = load("specification").read_specification(BENCHMARKS / "arena.json")
    assert found.reference.name == "logistic regression"
    assert {len(head.grid) for head in found.heads.values()} <= set(range(1, found.budget + 1))
    assert load("planning").Part().cells(found)[0] == ("frozen", "sst2", 16, 0)
    assert len(load("planning").Part(bodies=["tuned"], datasets=["trec"]).cells(found)) == 6


@pytest.mark.parametrize(("n_classes", "hidden_dim"), [(2, None), (6, None), (2, 4), (6, 4)])
def test_matched_heads_train_about_as_many_parameters(load, n_classes, hidden_dim):
    fitting, rng = load("fitting"), np.random.default_rng(0)
    train = fitting.LabelledSet(rng.normal(size=(400, 384)), np.arange(400) % n_classes)
    settings = {"match_parameters": 300} | ({} if hidden_dim is None else {"hidden_dim": hidden_dim})
    kind = "logistic" if hidden_dim is None else "neural"
    training = {} if hidden_dim is None else {"num_epochs": 1}
    found = fitting.fit(kind, {"head": settings, "training": training}, 1, train, n_classes, 0)
    assert abs(found.parameters - 300) <= n_classes
    axes = fitting.axes_for(300, n_classes, hidden_dim)
    assert found.fitted == 384 * (axes + 1)


def quantum(load, head, training=None, ensemble=1, seed=0):
    fitting, rng = load("fitting"), np.random.default_rng(1)
    targets = np.arange(24) % 3
    train = fitting.LabelledSet(rng.normal(size=(24, 16)) + 2 * np.eye(16)[targets], targets)
    plain = {"num_epochs": 4, "final_layer": "trained"}
    candidate = {"head": {"n_qubits": 4, **head}, "training": plain | (training or {})}
    return fitting.fit("quantum", candidate, ensemble, train, 3, seed), train


def test_an_ensemble_averages_probabilities_of_its_seeds(load):
    both, train = quantum(load, {}, ensemble=2)
    members = [quantum(load, {}, seed=seed)[0] for seed in (0, 1000)]
    expected = np.mean([member.decide(train.embeddings) for member in members], axis=0)
    np.testing.assert_allclose(both.decide(train.embeddings), expected, atol=1e-7)
    assert both.parameters == sum(member.parameters for member in members)


def test_an_untrained_circuit_keeps_its_angles_and_a_hybrid_adds_a_linear_layer(load):
    whole, _ = quantum(load, {})
    untrained, _ = quantum(load, {"circuit_training": "random"})
    hybrid, _ = quantum(load, {"hybrid": True})
    assert untrained.parameters == 4 * 3 + 3
    assert hybrid.parameters == whole.parameters + 16 * 3 + 3


def test_averaging_the_last_epoch_alone_changes_nothing_and_more_does(load):
    plain, train = quantum(load, {})
    last, _ = quantum(load, {"average_epochs": 1})
    mean, _ = quantum(load, {"average_epochs": 3})
    of_plain, of_last, of_mean = (head.decide(train.embeddings) for head in (plain, last, mean))
    np.testing.assert_allclose(of_last, of_plain, atol=1e-6)
    assert np.abs(of_mean - of_plain).max() > 1e-4


def test_training_under_shots_is_tested_exactly(load):
    noisy, train = quantum(load, {"train_condition": "none:16"})
    exact, _ = quantum(load, {})
    first, second = noisy.decide(train.embeddings), noisy.decide(train.embeddings)
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - exact.decide(train.embeddings)).max() > 1e-3


def test_the_arenas_default_is_the_default():
    entry = json.loads((BENCHMARKS / "arena.json").read_text())["heads"]["quantum default"]
    assert "grid" not in entry  # nothing is tuned
    named, default = QuantumHead(384, 2, seed=0, **entry["head"]), QuantumHead(384, 2, seed=0)
    assert named.config == default.config
    training = HeadTrainingArguments().to_dict()
    final_layer = resolve_final_layer(default, training["final_layer"])
    assert HeadTrainingArguments(**entry["training"]).to_dict() == training | {"final_layer": final_layer}
