"""Searches: their space, their journal, going on after a kill, stopping early, failures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from setfit_quantum.experiments.search import (
    JOURNAL,
    OtherSearchError,
    Trial,
    best_trial,
    run_search,
)
from setfit_quantum.experiments.search_space import (
    DEFAULT_SPACE,
    Factor,
    choose_space,
    load_space,
    parse_space,
    split_settings,
)
from setfit_quantum.training.callbacks import HeadTrainingState

SPACE = parse_space({"learning_rate": {"low": 0.001, "high": 0.1, "log": True}, "batch_size": [8, 16, 32]})
EPOCHS = 4


def train(settings, callbacks):
    """A training whose accuracy is best at a learning rate of 0.01, and grows from epoch to epoch."""
    if settings["batch_size"] == 32 and settings["learning_rate"] > 0.05:
        raise ValueError("too wild")
    final = 1 / (1 + abs(settings["learning_rate"] - 0.01) * 20)
    state = HeadTrainingState(None, EPOCHS)
    for epoch in range(1, EPOCHS + 1):
        state.epoch, state.best_metric = epoch, final * epoch / EPOCHS
        state.history.append({"eval_loss": 1 - state.best_metric})
        if any(callback.on_epoch_end(None, state) for callback in callbacks):
            break
    head = SimpleNamespace(num_parameters=lambda: 7)
    return head, SimpleNamespace(
        history=state.history, best_epoch=state.epoch, best_metric=state.best_metric, epochs_run=state.epoch
    )


def without_times(trials):
    return [
        (one.number, one.settings, one.state, one.accuracy, one.loss, one.details.get("epochs"), one.error)
        for one in trials
    ]


@pytest.fixture(scope="module")
def trials():
    return run_search(train, SPACE, n_trials=30, seed=1)


def test_a_search_finds_good_settings(trials):
    assert [trial.number for trial in trials] == list(range(30))
    best = best_trial(trials)
    assert best.settings["learning_rate"] == pytest.approx(0.01, abs=0.005)
    assert best.accuracy > 0.9
    assert best.loss == pytest.approx(1 - best.accuracy)
    assert best.details["parameters"] == 7
    # The proposals come nearer after the random ones.
    errors = [abs(trial.settings["learning_rate"] - 0.01) for trial in trials]
    assert sorted(errors[10:])[10] < sorted(errors[:10])[5]


def test_bad_trials_are_stopped_early_and_failures_stop_nothing(trials):
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.details["epochs"] < EPOCHS for trial in pruned)
    assert all(trial.details["epochs"] == EPOCHS for trial in trials if trial.state == "complete")
    wild = [t for t in trials if t.settings["batch_size"] == 32 and t.settings["learning_rate"] > 0.05]
    assert wild
    assert all((t.state, t.error, t.accuracy) == ("failed", "ValueError: too wild", None) for t in wild)
    unpruned = run_search(train, SPACE, n_trials=12, seed=1, prune=False)
    assert {trial.state for trial in unpruned} <= {"complete", "failed"}


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import test_search
from pathlib import Path
n = 0
def train(settings, callbacks):
    global n
    n += 1
    if n == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return test_search.train(settings, callbacks)
test_search.run_search(train, test_search.SPACE, n_trials=30, seed=1, folder=Path({folder!r}))
"""


def test_a_killed_search_goes_on_and_ends_as_one_that_was_not_killed(trials, tmp_path):
    script = KILLED.format(tests=os.path.dirname(__file__), folder=str(tmp_path))
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"op_code": 4, "wor')
    counted = []
    found = run_search(
        train, SPACE, n_trials=30, seed=1, folder=tmp_path, on_trial=lambda *given: counted.append(given[1:])
    )
    assert counted == [(number, 30) for number in range(13, 31)]
    assert without_times(found) == without_times(trials)
    # Nothing is left to do; with more trials it goes on.
    assert run_search(None, SPACE, n_trials=30, seed=1, folder=tmp_path) == found
    assert len(run_search(train, SPACE, n_trials=31, seed=1, folder=tmp_path)) == 31
    with pytest.raises(OtherSearchError, match="holds a search with other data"):
        run_search(train, SPACE, n_trials=30, seed=1, folder=tmp_path, problem={"data": "others"})


def test_two_processes_do_not_search_in_one_folder(tmp_path):
    def search_too(settings, callbacks):
        with pytest.raises(OtherSearchError, match="Another process searches in folder"):
            run_search(train, SPACE, n_trials=1, folder=tmp_path)
        return train(settings, callbacks)

    assert run_search(search_too, SPACE, n_trials=1, folder=tmp_path)[0].state == "complete"


def test_time_that_is_up():
    assert run_search(train, SPACE, n_trials=5, timeout=0) == []


def test_the_best_of_equals():
    def trial(number, accuracy, loss, state="complete"):
        return Trial(number, {}, state, accuracy, loss)

    assert best_trial([trial(0, 0.9, 0.5), trial(1, 0.9, 0.4), trial(2, 0.9, 0.4)]).number == 1
    assert best_trial([trial(0, 0.99, 0.1, "pruned"), trial(1, 0.5, None)]).number == 1
    assert best_trial([trial(0, None, None, "failed")]) is None


def test_optuna_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r'pip install "setfit-quantum\[search\]"'):
        run_search(train, SPACE, n_trials=1)


def test_places_and_coordinates():
    qubits = Factor("head.n_qubits", low=4, high=6)
    assert [qubits.at(place) for place in (0.0, 0.3, 0.34, 0.66, 0.67, 0.999)] == [4, 4, 5, 5, 6, 6]
    assert [qubits.coordinate(value) for value in (4, 5, 6)] == [-1, 0, 1]
    rate = Factor("learning_rate", low=0.001, high=0.1, log=True)
    assert (rate.at(0.0), rate.at(0.5)) == (0.001, 0.01)
    assert rate.coordinate(0.01) == pytest.approx(0)
    assert Factor("learning_rate", low=0.0, high=0.4).at(0.25) == pytest.approx(0.1)
    sizes = Factor("batch_size", (8, 16, 32))
    assert [sizes.at(place) for place in (0.0, 0.5, 0.99)] == [8, 16, 32]
    assert [sizes.coordinate(value) for value in (8, 16, 32)] == [-1, 0, 1]
    assert sizes.is_ordered
    assert not Factor("lr_schedule", ("constant", "cosine")).is_ordered


def test_spaces(tmp_path):
    path = tmp_path / "space.json"
    path.write_text(json.dumps(DEFAULT_SPACE))
    assert load_space(path) == parse_space(DEFAULT_SPACE)
    assert {factor.name: factor.to_json() for factor in load_space(path)} == DEFAULT_SPACE
    left = choose_space(None, ["head.n_qubits", "head.encoder"], DEFAULT_SPACE)
    assert [factor.name for factor in left] == [name for name in DEFAULT_SPACE if name != "head.n_qubits"]
    with pytest.raises(ValueError, match=r"varies head\.n_qubits, which options fix"):
        choose_space(path, ["head.n_qubits"], {})
    with pytest.raises(ValueError, match="Options fix every setting"):
        choose_space(None, list(DEFAULT_SPACE), DEFAULT_SPACE)
    assert split_settings({"head.n_qubits": 4, "batch_size": 8}) == ({"n_qubits": 4}, {"batch_size": 8})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "must be a JSON object"),
        ({}, "must be a JSON object"),
        ({"head.n_qbits": [4, 5]}, r"'head\.n_qbits' cannot be varied; .* n_qubits"),
        ({"seed": [1, 2]}, "'seed' cannot be varied"),
        ({"body.name": ["a", "b"]}, r"'body\.name' cannot be varied"),
        ({"batch_size": 8}, "'batch_size' must be a list of values or an object with low, high"),
        ({"batch_size": [8]}, "two different values at least"),
        ({"batch_size": [8, 8]}, "two different values at least"),
        ({"learning_rate": {"low": 0.1, "high": 0.01}}, "low below its high"),
        ({"learning_rate": {"low": 0, "high": 0.01, "log": True}}, "low above 0 with log"),
        ({"learning_rate": {"low": 0.1, "high": 0.2, "step": 3}}, "must be a list of values"),
    ],
)
def test_bad_spaces(values, message):
    with pytest.raises(ValueError, match=message):
        parse_space(values)
