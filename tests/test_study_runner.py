"""Runs: pure functions of their settings, resumable, with failures recorded; here and in processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from setfit_quantum.experiments import defaults, study_work
from setfit_quantum.experiments.bodies import EmbeddingStore
from setfit_quantum.experiments.executors import ProcessExecutor, SerialExecutor, build_executor
from setfit_quantum.experiments.pools import Pool
from setfit_quantum.experiments.result_file import ResultFile
from setfit_quantum.experiments.run_settings import Run
from setfit_quantum.experiments.runner import machine_hours, run_all
from setfit_quantum.experiments.selection import select_by_validation
from setfit_quantum.experiments.study_work import StudyWork, pack, unpack

TRAINING = {"num_epochs": 2, "batch_size": 8, "learning_rate": 0.05}


def build_store(n=60, d=8):
    """A pool of separable embeddings, with no body behind it."""
    targets = np.arange(n) % 2
    pool = Pool([f"text {row}" for row in range(n)], targets, ["no", "yes"], "toy", 12, 0.25)
    store = EmbeddingStore(pool, None)
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(n, d)) + np.where(targets, 0.8, -0.8)[:, None]
    store._found[("frozen", None)] = embeddings.astype(np.float32)
    return store


HEADS = {
    "quantum": {"kind": "quantum", "n_qubits": 3},
    "noisy": {"kind": "quantum", "n_qubits": 3},
    "neural": {"kind": "neural", "hidden_dim": 4, "batch_norm": True},
    "setfit": {"kind": "setfit"},
    "logistic": {"kind": "logistic", "C": [0.1, 1.0]},
    "svc": {"kind": "svc", "C": [1.0], "gamma": ["scale", 0.1]},
}


def build_run(name="quantum", seed=0, **changes):
    noise = {"train_condition": "paper-high:16", "eval_condition": "paper-high:16", "max_test": 20}
    training = TRAINING if name not in ("logistic", "svc") else {}
    return Run(HEADS[name], seed, training=training, **((noise if name == "noisy" else {}) | changes))


def kill_own_process(run):
    """Work that takes its process down."""
    if run.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"validation": {"accuracy": 1.0, "loss": None}, "cpu_seconds": 1.0}


def fail_sometimes(run):
    """Work that fails for some runs."""
    if run.seed == 1:
        raise ValueError("a head that cannot be")
    return {"validation": {"accuracy": 0.5, "loss": None}, "cpu_seconds": 1.8}


@pytest.fixture(scope="module")
def work():
    return StudyWork(build_store())


@pytest.mark.parametrize("name", HEADS)
def test_every_kind_of_head_gives_a_record(work, name):
    record = work(build_run(name, keep_history=name == "neural"))
    n_test = 20 if name == "noisy" else 60 - 24
    assert record["test"]["n"] == n_test
    right = unpack(record["test"])
    assert record["test"]["accuracy"] == pytest.approx(right.mean())
    assert 0 <= record["test"]["macro_f1"] <= 1
    assert 0 <= record["validation"]["accuracy"] <= 1
    assert record["parameters"] > 0
    assert record["seconds"] >= record["test_seconds"] >= 0
    if name in ("logistic", "svc"):
        assert record["validation"]["loss"] is None
        assert record["test"]["accuracy"] > 0.8
    else:
        assert record["best_epoch"] >= 1
    assert ("history" in record) == (name == "neural")
    if name == "neural":
        assert [entry[0] for entry in record["history"]] == [1, 2]


def test_a_run_is_a_pure_function(work):
    def figures(run):
        return {name: value for name, value in work(run).items() if not name.endswith("seconds")}

    for name in ("quantum", "noisy", "setfit"):
        assert figures(build_run(name)) == figures(build_run(name))
    assert figures(build_run(seed=1)) != figures(build_run())
    assert build_run().key != build_run(eval_condition="none:8").key


def test_a_changed_default_is_another_run(monkeypatch):
    """Else a study that was begun before would mix heads of two versions."""
    runs = {
        "head": Run({"kind": "quantum", "n_qubits": 3}, 0),
        "encoders": Run({"kind": "quantum", "n_qubits": 3, "n_encoders": 2}, 0),
        "preset": Run({"kind": "quantum", "preset": "paper-single"}, 0),
        "neural": Run({"kind": "neural"}, 0),
        "logistic": Run({"kind": "logistic"}, 0),
    }

    def changed():
        return {name for name, run in runs.items() if run.key != before[name]}

    before = {name: run.key for name, run in runs.items()}
    assert not changed()
    known = defaults._head_defaults()
    monkeypatch.setattr(defaults, "_head_defaults", lambda: known | {"n_encoders": 4})
    assert changed() == {"head"}  # the others say how many, or have none
    monkeypatch.undo()
    monkeypatch.setitem(defaults.STUDY_TRAINING, "learning_rate", 0.5)
    assert changed() == {"head", "encoders", "preset", "neural"}
    tuned = Run({"kind": "neural"}, 0, training={"learning_rate": 0.1})
    own = tuned.key
    monkeypatch.setitem(defaults.STUDY_TRAINING, "learning_rate", 0.7)
    assert tuned.key == own


def test_packing():
    right = np.array([True, False, True] * 5)
    assert unpack({"right": pack(right), "n": 15}).tolist() == right.tolist()


def test_a_killed_study_resumes_and_recomputes_nothing(work, tmp_path):
    runs = [build_run("logistic", seed) for seed in range(4)]
    done = []

    def interrupt(run, record, number, total):
        assert total == 4
        done.append(run.seed)
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(runs, work, ResultFile(tmp_path / "runs.jsonl"), on_result=interrupt)
    with (tmp_path / "runs.jsonl").open("ab") as file:
        file.write(b'{"key": "killed while it wro')
    records = run_all(runs, work, ResultFile(tmp_path / "runs.jsonl"), on_result=lambda run, *_: done.append(run.seed))
    assert done == [0, 1, 2, 3]
    assert list(records) == [run.key for run in runs]

    def refuse(run):
        raise AssertionError("recomputed")

    assert run_all(runs, refuse, ResultFile(tmp_path / "runs.jsonl")) == records
    record = records[runs[0].key]
    assert (record["settings"], record["seed"]) == (runs[0].to_dict(), 0)
    assert record["version"]


def test_failures_are_recorded_and_stop_nothing(tmp_path):
    runs = [build_run("logistic", seed) for seed in range(3)]
    results = ResultFile(tmp_path / "runs.jsonl")
    records = run_all(runs, fail_sometimes, results)
    assert [record.get("error") for record in records.values()] == [None, "ValueError: a head that cannot be", None]
    again = []

    def note(run, *_):
        again.append(run.seed)

    run_all(runs, fail_sometimes, ResultFile(results.path), on_result=note)
    assert again == []
    run_all(runs, fail_sometimes, ResultFile(results.path), retry_failed=True, on_result=note)
    assert again == [1]
    assert machine_hours(records.values()) == pytest.approx(0.001)


def test_a_run_that_occurs_twice_is_done_once():
    done = []
    records = run_all(
        [build_run("logistic"), build_run("logistic")],
        fail_sometimes,
        ResultFile(),
        on_result=lambda *_: done.append(1),
    )
    assert (len(records), len(done)) == (1, 1)


def test_processes_give_what_this_process_gives(work):
    runs = [build_run("quantum", 0), build_run("noisy", 1)]
    expected = run_all(runs, work, ResultFile(), executor=SerialExecutor())
    found = run_all(runs, work, ResultFile(), executor=ProcessExecutor(2))
    assert list(found) == list(expected)
    for key, record in expected.items():
        for name in ("validation", "test", "parameters", "best_epoch", "settings"):
            assert found[key][name] == record[name]


def test_a_process_that_dies_takes_only_its_run_with_it():
    runs = [build_run("logistic", seed) for seed in range(3)]
    records = run_all(runs, kill_own_process, ResultFile(), executor=ProcessExecutor(1))
    errors = [record.get("error") for record in records.values()]
    assert errors == [None, "RuntimeError: 2 workers died of this run (out of memory?)", None]


def sleep_long(run):
    """Work that says where it is, and does not end."""
    Path(run.data["note"]).write_text(str(os.getpid()))
    time.sleep(600)


def test_workers_end_with_a_killed_study(tmp_path):
    note = tmp_path / "worker"
    script = (
        "from test_study_runner import Run, ProcessExecutor, sleep_long\n"
        "if __name__ == '__main__':\n"
        f"    run = Run({{'kind': 'logistic'}}, 0, data={{'note': {str(note)!r}}})\n"
        "    list(ProcessExecutor(1).execute(sleep_long, [run]))\n"
    )
    (tmp_path / "study.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    study = subprocess.Popen([sys.executable, tmp_path / "study.py"], env=environment)
    try:
        wait_until(lambda: note.exists() and note.read_text(), study)
        worker = int(note.read_text())
        assert is_alive(worker)
        study.kill()
        study.wait()
        wait_until(lambda: not is_alive(worker))
    finally:
        study.kill()


def is_alive(process):
    """Whether a process is there and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until(reached, process=None):
    until = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < until
        assert process is None or process.poll() is None
        time.sleep(0.05)


def test_executors_by_name():
    assert isinstance(build_executor("local", 1), SerialExecutor)
    assert build_executor("local", 3).n_workers == 3
    with pytest.raises(ValueError, match="`backend` must be one of 'local', 'ray'"):
        build_executor("clay", 1)
    with pytest.raises(ValueError, match="`n_workers` must be at least 1"):
        build_executor("local", 0)


def test_results_do_not_depend_on_the_cores(work, monkeypatch):
    import torch

    seen = []
    fit = study_work.fit_head
    monkeypatch.setattr(study_work, "fit_head", lambda *a: seen.append(torch.get_num_threads()) or fit(*a))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        work(build_run())
        assert seen == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_selection_by_validation():
    def record(accuracy, loss, test):
        return {"validation": {"accuracy": accuracy, "loss": loss}, "test": {"accuracy": test}}

    worse, equal, better = record(0.8, 0.1, 0.99), record(0.9, 0.5, 0.98), record(0.9, 0.4, 0.5)
    assert select_by_validation([worse, equal, better]) is better
    assert select_by_validation([equal, record(0.9, 0.5, 1.0)]) is equal
    assert select_by_validation([{"error": "x"}, worse]) is worse
    assert select_by_validation([{"error": "x"}]) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": {"kind": "oracle"}}, "must be one of 'quantum'"),
        ({"seed": -1}, "`seed` must be at least 0"),
        ({"max_test": 0}, "`max_test` must be at least 1"),
        ({"eval_condition": "loud:8"}, "noise level must be one of"),
    ],
)
def test_bad_runs(changes, message):
    with pytest.raises(ValueError, match=message):
        Run(**({"head": HEADS["quantum"], "seed": 0} | changes))
