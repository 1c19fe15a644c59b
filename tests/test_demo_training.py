"""Trainings of the demo's visitors, and what they take home."""

import ast
import threading
import time
import zipfile

import numpy as np
import pytest

from demo_engine import PAIRS, make_engine
from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.demo.engine import DemoModel, Engine
from setfit_quantum.demo.keeping import ZipShelf, push
from setfit_quantum.demo.limits import RequestError, check_training_rows
from setfit_quantum.demo.training_run import TrainingRequest, TrainingRun


def test_training_reports_every_epoch_and_holds_out():
    run = TrainingRun(make_engine(), TrainingRequest(check_training_rows(PAIRS), 4, 1, 6)).start()
    lengths = [len(history) for history in run.watch(0.01)]
    found = run.result()
    assert lengths == sorted(lengths)
    assert (len(found.history), found.ended) == (6, "finished")
    assert (found.n_train, found.n_held_out) == (12, 4)
    assert 0 <= found.accuracy <= 1
    assert found.model.labels == ("negative", "positive")
    assert found.summary()["history"][5]["epoch"] == 6


def test_too_few_examples_hold_nothing_out():
    found = finish(TrainingRun(make_engine(), TrainingRequest(check_training_rows(PAIRS[:4]), 2, 1, 2)))
    assert (found.n_train, found.n_held_out, found.accuracy) == (4, 0, None)


def test_training_can_be_stopped_and_is_bounded_in_time():
    request = TrainingRequest(check_training_rows(PAIRS), 6, 2, 400)
    late = finish(TrainingRun(make_engine(), request, time_limit=0.05))
    assert late.ended == "out of time"
    assert 1 <= len(late.history) < 400
    stopped = TrainingRun(make_engine(), request).start()
    for history in stopped.watch(0.01):
        if history:
            stopped.stop()
    assert stopped.result().ended == "stopped"
    assert 1 <= len(stopped.history) < 400


def test_nothing_is_learned_before_the_examples_are_read():
    request = TrainingRequest(check_training_rows(PAIRS), 2, 1, 5)
    stopped = TrainingRun(make_engine(), request)
    stopped.stop()
    with pytest.raises(RequestError, match="Stopped before the first epoch"):
        finish(stopped)
    with pytest.raises(RequestError, match="Reading the examples took more than 0 seconds"):
        finish(TrainingRun(make_engine(), request, time_limit=0.0))


def test_a_long_reading_lets_others_in_between_and_can_be_stopped():
    """A visitor with many examples must not make the others wait for all of them."""
    engine = make_engine()
    reading, others = threading.Event(), threading.Event()
    plain = engine.body.encode

    def encode(texts, **settings):
        if len(texts) > 1:
            reading.set()
            assert len(texts) <= 16
            time.sleep(0.05)
        return plain(texts, **settings)

    engine.body.encode = encode
    rows = [[f"text {number}", str(number % 2)] for number in range(320)]
    run = TrainingRun(engine, TrainingRequest(check_training_rows(rows), 2, 1, 1)).start()
    assert reading.wait(10)
    threading.Thread(target=lambda: (engine.embed(["mine"]), others.set())).start()
    # All of them take a second.
    assert others.wait(0.5)
    run.stop()
    with pytest.raises(RequestError, match="Stopped before"):
        run.result()


def test_a_training_that_nobody_watches_stops():
    run = TrainingRun(make_engine(), TrainingRequest(check_training_rows(PAIRS), 6, 2, 400)).start()
    watching = run.watch(0.01)
    next(watching)
    watching.close()
    assert run.result().ended == "stopped"


def test_what_goes_wrong_in_the_thread_is_raised_to_the_visitor():
    engine = make_engine()
    engine.body = None
    with pytest.raises(AttributeError):
        finish(TrainingRun(engine, TrainingRequest(check_training_rows(PAIRS), 2, 1, 2)))


def finish(run):
    run.start()
    for _ in run.watch(0.01):
        pass
    return run.result()


def test_what_to_try_is_short_held_out_and_of_every_label():
    rows = [[f"{label} {'long ' * 20 * (number == 0)}{number}", label] for label in "abc" for number in range(8)]
    run = TrainingRun(make_engine(), TrainingRequest(check_training_rows(rows), 2, 1, 1))
    found = finish(run)
    assert len(found.to_try) == 5
    assert {text[0] for text in found.to_try} == {"a", "b", "c"}
    assert all(len(text) <= 80 for text in found.to_try)
    seen = {rows[row][0] for row in run._split(np.repeat(np.arange(3), 8))[0]}
    assert not seen & set(found.to_try)
    long = [["x" * 500, "a"], ["y" * 500, "a"], ["z" * 500, "b"], ["w" * 500, "b"]]
    found = finish(TrainingRun(make_engine(), TrainingRequest(check_training_rows(long), 2, 1, 1)))
    assert found.to_try == ("x" * 500,)


def test_a_shelf_holds_a_bounded_number_of_whole_models(tmp_path, monkeypatch, tiny_body):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    body = SetFitModel.from_pretrained(str(tiny_body)).model_body
    head = QuantumHead(in_features=32, n_qubits=2, seed=0).eval()
    engine = Engine(body, DemoModel("test", head, ("a", "b"), None, ""))
    shelf = ZipShelf(engine, limit=2)
    paths = [shelf.put(engine.bundled, whole=True) for _ in range(3)]
    assert [path.exists() for path in paths] == [False, True, True]
    alone = shelf.put(engine.bundled, whole=False)
    assert alone.exists()
    assert paths[1].exists()
    assert len({path.parent.name for path in [*paths, alone]}) == 4
    assert all(len(path.parent.name) == 64 for path in paths)


def test_zip_files_of_odd_labels_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    labels = ["<script>alert(1)</script>", "=cmd|' /C calc'!A0\n```\n# heading", "\u202ereversed", "👍🏽"]
    rows = [[f"text {number}", label] for number in range(2) for label in labels]
    found = finish(TrainingRun(make_engine(), TrainingRequest(check_training_rows(rows), 2, 1, 1)))
    path = ZipShelf(make_engine()).put(found.model, whole=False)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert all(name.startswith("quantum-head/") and ".." not in name for name in archive.namelist())
        text = archive.read("quantum-head/README.md").decode()
    # The labels stand in one line of code, out of which no line break leads.
    (line,) = (line for line in text.splitlines() if "labels=" in line)
    found_labels = ast.literal_eval(line[line.index("labels=") + 7 : line.rindex(")")])
    assert sorted(found_labels) == sorted(labels)


@pytest.mark.parametrize(
    ("repository", "token", "message"),
    [
        ("", "hf_secret", "must be a name like you/my-model"),
        ("../x", "hf_secret", "must be a name like"),
        ("a/b/c", "hf_secret", "must be a name like"),
        ("me/model", "", "needs a token"),
        ("me/model", None, "needs a token"),
    ],
)
def test_pushes_that_are_refused(repository, token, message):
    with pytest.raises(RequestError, match=message) as refusal:
        push(make_engine(), make_engine().bundled, repository, token, private=True)
    assert "hf_secret" not in str(refusal.value)
