"""The demo without a browser: its endpoints through `gradio_client`, its limits, and what it measures."""

import os
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError

from bodies import NAMES, TEXTS
from demo_fixtures import Demo, demo
from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.baselines import fit_logistic_regression
from setfit_quantum.demo import build_app, serve
from setfit_quantum.demo.bundled import cache_folder, load_engine
from setfit_quantum.demo.circuit_picture import circuit_parts, draw_circuit
from setfit_quantum.demo.engine import DemoModel, Engine
from setfit_quantum.demo.explore_tab import STUDIES, count_parts, draw_energy, draw_study, read_study
from setfit_quantum.demo.keeping import push
from setfit_quantum.demo.limits import (
    MAX_CLASSES,
    MAX_FILE,
    MAX_ROWS,
    RequestError,
    check_noise_level,
    check_shots,
    check_training_rows,
    read_examples_file,
    read_texts_file,
    split_lines,
)
from setfit_quantum.demo.measuring import DEVICES, Device, read_texts
from setfit_quantum.demo.pictures import draw_answer, draw_cloud, draw_stages, percent
from setfit_quantum.demo.training_run import TrainingRequest, TrainingRun
from setfit_quantum.noise import NOISE_PRESETS

__all__ = ["demo"]  # the fixture

PAIRS = [[text, name] for text, name in zip(TEXTS, NAMES, strict=True)]
PERFECT = Device(100, 0.0, "ionq-forte")


class Body:
    """Embeds texts by a fixed random projection of their letters: fast, and similar texts are similar."""

    device = torch.device("cpu")

    def encode(self, texts, **_):
        matrix = torch.randn(128, 16, generator=torch.Generator().manual_seed(0))
        counts = torch.zeros(len(texts), 128)
        for row, text in enumerate(texts):
            for letter in text:
                counts[row, ord(letter) % 128] += 1
        return torch.nn.functional.normalize(counts @ matrix, dim=1)


def make_engine(n_qubits=4, n_classes=2, **settings):
    labels = tuple(f"label {number}" for number in range(n_classes))
    head = QuantumHead(in_features=16, out_features=n_classes, n_qubits=n_qubits, seed=3, **settings).eval()
    x = Body().encode(TEXTS)
    classical = fit_logistic_regression(x.numpy(), np.arange(len(TEXTS)) % n_classes)
    return Engine(Body(), DemoModel("test", head, labels, classical, "Made for a test."), body_name="none")


# ---- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"),
        ("  \n \t\n", "the text is empty"),
        ("x" * 10_000_000, "At most 20,000 characters at once, but got 10,000,000"),
        ("x" * 3000, "At most 2,000 characters per sentence, but one has 3,000"),
        ("\n".join(["a sentence"] * 101), "At most 100 sentences at once, but got 101"),
        ("half \ud83d", "half of a character"),
        (None, "must be a string, but got None"),
        (7, "must be a string, but got 7"),
    ],
)
def test_texts_that_are_refused(text, message):
    with pytest.raises(RequestError, match=message):
        split_lines(text)


def test_lines_are_sentences():
    assert split_lines("  one \n\n two\r\n🎉 مرحبا") == ["one", "two", "🎉 مرحبا"]


@pytest.mark.parametrize("value", [0, -1, 1e9, 10**9, 2.5, float("nan"), float("inf"), True, None, "many"])
def test_shots_that_are_refused(value):
    with pytest.raises(RequestError, match="Shots must be a whole number between 1 and 100,000, but got"):
        check_shots(value)


@pytest.mark.parametrize("value", [-0.1, 10.5, float("nan"), float("inf"), True, None, "high"])
def test_noise_levels_that_are_refused(value):
    with pytest.raises(RequestError, match="between 0 and 10, but got"):
        check_noise_level(value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("text", "must be a list of"),
        ([["a", "x"], ["b"]], "Row 2 must be a text and a label"),
        ([["a", "x", "more"]], "Row 1 must be a text and a label"),
        ([["a", "x"], ["b", ""]], "Row 2 has no label"),
        ([["a", "x"], ["", "y"]], "Row 2 has no text"),
        ([["a", "x"], ["b", "x"]], "at least two different labels, but got 1"),
        ([["a", "x"], ["b", "x"], ["c", "y"]], "at least two examples, but 'y' has one"),
        ([[str(n), str(n)] for n in range(10_000)], "At most 400 examples, but got 10,000"),
        ([[str(n), str(n % 200)] for n in range(400)], f"At most {MAX_CLASSES} different labels, but got 200"),
        ([["a", "x"]] * (MAX_ROWS + 1), "At most 400 examples, but got 401"),
        ([["a", "x" * 61], ["b", "y"]], "a label has at most 60 characters"),
        ([["a" * 2001, "x"], ["b", "y"]], "At most 2,000 characters"),
        ([], "at least two different labels, but got 0"),
    ],
)
def test_training_rows_that_are_refused(rows, message):
    with pytest.raises(RequestError, match=message):
        check_training_rows(rows)


def test_training_rows():
    rows = [["a ", " x"], {"text": "b", "label": "x"}, ["", ""], [None, None], ["c", 1.0, "", None], ("d", "1.0")]
    examples = check_training_rows(rows)
    assert examples.texts == ["a", "b", "c", "d"]
    assert examples.labels == ["x", "x", "1.0", "1.0"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'file.csv' is empty"),
        (b"text,label\n", "has a header but no rows"),
        (b'text,label\n"broken,x\nb,y\n', "'file.csv' is malformed"),
        (b"text,label\na,x\nb,y,z\n", "'file.csv' is malformed: 3 fields where the first row has 2"),
        (b"a,b\n1,2\n", "no column 'text'"),
        (b"\xff\xfe\x00", "is not utf-8 text"),
        (b"text,label\na,x\nb,\n", "label .* is missing"),
        (b"text,label\n" + b"".join(b"t%d,l%d\n" % (n, n) for n in range(10_000)), "At most 400 examples"),
        (b"x" * (MAX_FILE + 1), "at most 1 MB"),
    ],
)
def test_files_that_are_refused(tmp_path, content, message):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as refusal:
        read_examples_file(path)
    assert str(tmp_path) not in str(refusal.value)


def test_files(tmp_path):
    table = tmp_path / "file.csv"
    table.write_text("label;sentence\nx;one\ny;two\nx;three\ny;four\n")
    assert read_examples_file(table).labels == ["x", "y", "x", "y"]
    assert read_texts_file(table) == ["one", "two", "three", "four"]
    lines = tmp_path / "file.txt"
    lines.write_text("one\n\ntwo\n")
    assert read_texts_file(lines) == ["one", "two"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_qubits": 11}, "qubits must be a whole number between 2 and 10, but got 11"),
        ({"n_encoders": 0}, "encoders must be"),
        ({"n_epochs": 10**9}, "epochs must be"),
        ({"n_qubits": float("nan")}, "qubits must be"),
    ],
)
def test_training_requests_that_are_refused(change, message):
    with pytest.raises(RequestError, match=message):
        TrainingRequest(check_training_rows(PAIRS), **change)


# ---- measuring ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"n_readout": 2}, {"final_linear": False}, {"one_logit": True}])
def test_exact_answer_is_the_heads_own(settings):
    engine = make_engine(**settings)
    x = engine.embed(TEXTS[:3])
    readings = read_texts(engine.bundled, TEXTS[:3], x, PERFECT, 0)
    expected = engine.bundled.head.predict_proba(x).numpy()
    np.testing.assert_allclose([reading.exact_probabilities for reading in readings], expected, atol=1e-5)
    np.testing.assert_allclose(readings[1].exact, engine.bundled.head.expectations(x)[1].detach().numpy(), atol=1e-5)


def test_shot_noise_has_the_variance_of_shots():
    engine = make_engine()
    x = engine.embed(TEXTS[:1])
    (reading,) = read_texts(engine.bundled, TEXTS[:1], x, Device(50, 0.0, "ionq-forte"), 1, repeats=4000)
    expected = (1 - reading.exact**2) / 50
    np.testing.assert_allclose(reading.measured.var(axis=0), expected, rtol=0.12)
    np.testing.assert_allclose(reading.measured.mean(axis=0), reading.exact, atol=5 * np.sqrt(expected.max() / 4000))


def test_gate_noise_agrees_with_the_heads_density_matrix():
    engine = make_engine()
    x = engine.embed(TEXTS[:1])
    device = Device(100_000, 3.0, "ionq-forte-enterprise")
    (reading,) = read_texts(engine.bundled, TEXTS[:1], x, device, 2)
    head = QuantumHead.from_config(engine.bundled.head.config, noise=device.noise, backend="torch")
    head.load_state_dict(engine.bundled.head.state_dict())
    expected = head.eval().expectations(x)[0].detach().numpy()
    assert np.abs(expected - reading.exact).max() > 0.05
    # 1,024 error patterns stand for all of them.
    np.testing.assert_allclose(reading.measured.mean(axis=0), expected, atol=0.02)


def test_more_noise_and_fewer_shots_scatter_more():
    engine = make_engine()
    x = engine.embed(TEXTS[:1])

    def spread(shots, level):
        (reading,) = read_texts(engine.bundled, TEXTS[:1], x, Device(shots, level, "ionq-forte-enterprise"), 3)
        return reading.probabilities.std(axis=0).max(), np.abs(reading.measured.mean(axis=0)).mean()

    assert spread(10, 0)[0] > 3 * spread(1000, 0)[0]
    assert spread(1000, 10)[1] < 0.7 * spread(1000, 0)[1]


def test_a_seed_gives_the_same_measurement():
    engine = make_engine()
    x = engine.embed(TEXTS[:2])
    device = Device(10, 1.0, "paper-high")
    first, again, other = (read_texts(engine.bundled, TEXTS[:2], x, device, seed)[0].measured for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_votes_add_up_to_the_answer():
    engine = make_engine(n_classes=3)
    (reading,) = read_texts(engine.bundled, TEXTS[:1], engine.embed(TEXTS[:1]), PERFECT, 0)
    first, second = np.sort(reading.probabilities[0])[::-1][:2]
    assert reading.votes.sum() == pytest.approx(np.log(first / second), abs=1e-4)


def test_every_preset_has_a_name_and_a_scaled_model():
    assert set(DEVICES) == set(NOISE_PRESETS)
    for preset in DEVICES:
        assert Device(1, 0.0, preset).noise is None
        half, ten = Device(1, 0.5, preset).noise, Device(1, 10.0, preset).noise
        assert ten.p2 == pytest.approx(20 * half.p2)
    with pytest.raises(RequestError, match="The device must be one of"):
        Device(1, 1.0, "sycamore")


# ---- pictures ----------------------------------------------------------------------------------------------------


def test_pictures_escape_what_visitors_write():
    engine = make_engine()
    evil = "<script>alert(1)</script>\"'&${1+1}"
    model = DemoModel("test", engine.bundled.head, (evil, evil + " 2"), None, "")
    (reading,) = read_texts(model, [evil], engine.embed([evil]), PERFECT, 0)
    for draw in (draw_answer, draw_cloud, draw_stages):
        page = draw(reading)
        assert "<script" not in page
        assert "alert(1)" in page
    assert "needs the training data" in draw_answer(reading)


def test_pictures_have_text_alternatives():
    engine = make_engine()
    (reading,) = read_texts(engine.bundled, TEXTS[:1], engine.embed(TEXTS[:1]), PERFECT, 0)
    pages = [
        draw_cloud(reading),
        draw_stages(reading),
        draw_circuit(engine.bundled.head),
        draw_energy("forte", 8000, 300, 34, 700),
    ]
    for page in pages:
        assert page.count('role="img"') >= 1
        for svg in page.split("<svg")[1:]:
            opening = svg.split(">", 1)[0]
            assert 'aria-label="' in opening or 'aria-hidden="true"' in opening
    assert draw_cloud(reading).count("sq-brick") == len(reading.probabilities)


def test_circuit_parts_are_the_circuit():
    for settings in ({}, {"reupload_layers": 2, "n_layers": 3, "connectivity": 2, "n_reuploads": 3}):
        head = QuantumHead(in_features=16, n_qubits=4, seed=0, **settings)
        repeated, last = circuit_parts(head)
        assert repeated.gates * head.config.n_reuploads + last.gates == head.circuit.gates


def test_percentages():
    assert [percent(share) for share in (0, 1e-5, 0.5, 0.9999, 1)] == [
        "0.0 %", "< 0.1 %", "50.0 %", "> 99.9 %", "100.0 %",
    ]  # fmt: skip


# ---- explore -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("qubits", "encoders", "classes", "width"), [(10, 1, 2, 384), (8, 2, 4, 768), (2, 1, 3, 1024)])
def test_parameter_counts_are_the_heads(qubits, encoders, classes, width):
    head = QuantumHead(width, classes, n_qubits=qubits, n_encoders=encoders, seed=0)
    assert sum(count for _, count, _ in count_parts(qubits, encoders, classes, width)) == head.num_parameters()


def test_studies_say_how_they_were_made():
    for name in STUDIES:
        study = read_study(name)
        assert study["made_by"] == "benchmarks/demo_results.py"
        assert len(study["points"]) >= 5
        for point in study["points"]:
            assert len(point["accuracies"]) == len(study["seeds"])
            assert all(0.3 < accuracy <= 1 for accuracy in point["accuracies"])
        assert "aria-label" in draw_study(name)


def test_energy_figure_names_the_crossing():
    assert "From 46 qubits on" in draw_energy("forte-enterprise", 8000, 300, 34, 700)
    assert "From 47 qubits on" in draw_energy("forte", 8000, 300, 34, 700)


# ---- training ----------------------------------------------------------------------------------------------------


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
    stopped = TrainingRun(make_engine(), request)
    stopped.stop()
    assert finish(stopped).ended == "stopped"
    assert len(stopped.history) == 1


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


def test_zip_files_go_with_the_state():
    found = finish(TrainingRun(make_engine(), TrainingRequest(check_training_rows(PAIRS[:4]), 2, 1, 1)))
    folder = Path(found.folder.name)
    assert folder.is_dir()
    del found
    assert not folder.exists()


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


# ---- the first model ---------------------------------------------------------------------------------------------


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "setfit-quantum"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path.home() / ".cache" / "setfit-quantum"


def test_first_model_is_trained_once_and_again_if_damaged(monkeypatch, tmp_path, tiny_body):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("setfit_quantum.demo.bundled.resolve_body", lambda: str(tiny_body))
    monkeypatch.setattr("setfit_quantum.demo.bundled.TRAINING", {"num_epochs": 2, "seed": 0})
    said = []
    first = load_engine(report=said.append)
    assert any("epoch 2 of 2" in line for line in said)
    x = first.embed(["good film"])
    said.clear()
    again = load_engine(report=said.append)
    assert not any("epoch" in line for line in said)
    torch.testing.assert_close(again.bundled.head.predict_proba(x), first.bundled.head.predict_proba(x))
    np.testing.assert_allclose(again.bundled.classical_probabilities(x), first.bundled.classical_probabilities(x))
    (weights,) = tmp_path.rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    said.clear()
    repaired = load_engine(report=said.append)
    assert any("damaged" in line for line in said)
    torch.testing.assert_close(repaired.bundled.head.predict_proba(x), first.bundled.head.predict_proba(x))
    assert [path.name for path in (tmp_path / "setfit-quantum").iterdir()] == [weights.parent.name]


def test_named_model(tmp_path, tiny_body):
    model = SetFitModel.from_pretrained(str(tiny_body), head=QuantumHead(n_qubits=3, seed=0), labels=["a", "b"])
    model.save_pretrained(str(tmp_path / "good"))
    engine = load_engine(str(tmp_path / "good"), report=lambda _: None)
    assert (engine.bundled.labels, engine.bundled.classical) == (("a", "b"), None)
    several = SetFitModel.from_pretrained(
        str(tiny_body), head=QuantumHead(n_qubits=3, multitarget=True, out_features=2)
    )
    several.save_pretrained(str(tmp_path / "several"))
    with pytest.raises(ValueError, match="must give one label per text"):
        load_engine(str(tmp_path / "several"), report=lambda _: None)
    with pytest.raises(FileNotFoundError):
        load_engine(str(tmp_path / "missing"), report=lambda _: None)


# ---- the endpoints -----------------------------------------------------------------------------------------------


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


def test_a_port_in_use_is_refused():
    app = build_app(make_engine())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=str(port)):
            serve(app, port=port, block=False)


def test_nothing_of_the_visitors_is_logged(demo: Demo, client):
    marker = f"secret sentence {os.getpid()}"
    ask(client, marker)
    with pytest.raises(AppError):
        ask(client, marker, shots=0)
    assert marker not in demo.log()
