"""The running demo through `gradio_client`."""

import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from demo_engine import PAIRS
from demo_fixtures import Demo, demo
from setfit_quantum import QuantumHead, SetFitModel

__all__ = ["demo"]  # the fixture


@pytest.fixture
def client(demo: Demo):
    return Client(demo.url, verbose=False)


def ask(client, text, **values):
    return client.predict(text=text, **values, api_name="/classify")


def test_it_starts_offline(demo: Demo):
    assert demo.requests_at_start == 0
    assert "Training the quantum head: epoch 15 of 15" in demo.log()


def test_classify(client):
    confidences, details = ask(client, "A joy from start to finish!", shots=1000, noise_level=0, seed=1)
    assert set(confidences) == {"negative", "positive"}
    assert sum(confidences.values()) == pytest.approx(1, abs=1e-6)
    assert confidences["positive"] > 0.9
    (found,) = details["sentences"]
    assert found["label"] == "positive"
    assert len(found["angles"]) == len(found["expectations"]) == 10
    assert len(found["votes"]) == 11
    assert set(found["logistic_regression"]) == set(confidences)
    assert found["share_of_repetitions_won"]["positive"] == 1
    assert ask(client, "A joy from start to finish!", shots=1000, noise_level=0, seed=1)[0] == confidences


def test_classify_several_and_strange_texts(client):
    texts = ["Never again.", "🎉🎉🎉", "مرحبا بالعالم، هذا جميل", "<b>${7*7}</b> {{x}}", "日本語のレビュー"]
    _, details = ask(client, "\n".join(texts), shots=10)
    assert [found["text"] for found in details["sentences"]] == texts
    for found in details["sentences"]:
        assert sum(found["confidences"].values()) == pytest.approx(1, abs=1e-6)
        assert found["repetitions"] == 50


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": ""}, "the text is empty"),
        ({"text": "x" * 10_000_000}, "At most 20,000 characters at once, but got 10,000,000"),
        ({"text": "fine", "shots": 1e9}, "Shots must be a whole number between 1 and 100,000, but got 1000000000"),
        ({"text": "fine", "noise_level": 99}, "noise level must be a number between 0 and 10, but got 99"),
        ({"text": "fine", "device": "sycamore"}, "The device must be one of ionq"),
        ({"text": "fine", "model": "theirs"}, "The model must be bundled or own"),
        ({"text": "fine", "model": "own"}, "This session has no trained model"),
        ({"text": "fine", "seed": -2}, "The seed must be a whole number"),
        ({"text": "fine", "seed": 0.5}, "The seed must be a whole number"),
        ({"text": "fine", "shots": [100]}, r"Shots must be a whole number between 1 and 100,000, but got \[100\]"),
        ({"text": "fine", "noise_level": "high"}, "noise level must be a number between 0 and 10, but got 'high'"),
        # As it was sent: entities are for web pages.
        ({"text": "fine", "device": "<script>"}, "but got '<script>'"),
    ],
)
def test_refusals_are_clear_and_the_app_lives_on(client, values, message):
    with pytest.raises(AppError, match=message):
        ask(client, **values)
    assert ask(client, "A joy from start to finish!")[0]


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([[f"text {n}", f"label {n}"] for n in range(10_000)], "At most 400 examples, but got 10,000"),
        ([[f"text {n}", f"label {n // 2}"] for n in range(400)], "At most 10 different labels, but got 200"),
        ([["only", "one"]], "at least two different labels"),
        ("text,label", "must be a list"),
        ([["a", {"b": 1}]] * 4, "Row 1 must be a text and a label"),
    ],
)
def test_trainings_that_are_refused(client, examples, message):
    with pytest.raises(AppError, match=message):
        client.predict(examples, 4, 1, 5, api_name="/train")


def test_train_then_classify_then_download(client, demo: Demo, tmp_path):
    summary = client.predict(PAIRS, 4, 1, 20, api_name="/train")
    assert summary["labels"] == ["negative", "positive"]
    assert summary["epochs"] == len(summary["history"]) == 20
    confidences, details = ask(client, "a great film", shots=100_000, noise_level=0, model="own", seed=0)
    assert len(details["sentences"][0]["angles"]) == 4
    # Another visitor has no such model.
    with pytest.raises(AppError, match="This session has no trained model"):
        ask(Client(demo.url, verbose=False), "a great film", model="own")
    path = client.predict("head", api_name="/download")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    head = QuantumHead.from_pretrained(tmp_path / "quantum-head")
    body = SetFitModel.from_pretrained(load_body_path(), head=head, labels=summary["labels"])
    own = body.predict_proba("a great film")
    assert float(own[1]) == pytest.approx(details["sentences"][0]["without_noise"]["positive"], abs=1e-4)
    assert confidences["positive"] == pytest.approx(float(own[1]), abs=0.05)


def load_body_path():
    from setfit_quantum.default_body import resolve_body

    return resolve_body()


def test_visitors_do_not_mix(demo: Demo):
    """Two sessions train different labels at once, and each asks its own model."""
    found = {}

    def visit(labels):
        own = Client(demo.url, verbose=False)
        own.predict([[text, labels[name == "positive"]] for text, name in PAIRS], 3, 1, 10, api_name="/train")
        found[labels] = [set(ask(own, "good", model="own")[0]) for _ in range(5)]

    threads = [threading.Thread(target=visit, args=(labels,)) for labels in (("a", "b"), ("c", "d"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {("a", "b"): [{"a", "b"}] * 5, ("c", "d"): [{"c", "d"}] * 5}


def test_only_the_named_endpoints_are_public(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/classify", "/train", "/download"}
    assert not client.view_api(return_format="dict")["unnamed_endpoints"]


def test_the_example_runs(demo: Demo):
    example = Path(__file__).parents[1] / "examples" / "gradio_client_example.py"
    found = subprocess.run([sys.executable, str(example), demo.url], capture_output=True, text=True, check=True)
    assert "the model just trained: {'billing': " in found.stdout


def test_nothing_of_the_visitors_is_logged(demo: Demo, client):
    marker = f"secret sentence {os.getpid()}"
    ask(client, marker)
    with pytest.raises(AppError):
        ask(client, marker, shots=0)
    assert marker not in demo.log()
