"""The noise study: records, resuming, table and figure."""

import csv
import io
import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from setfit_quantum.experiments import noise_study, trained_heads
from setfit_quantum.experiments.conditions import Condition
from setfit_quantum.experiments.embedding_cache import cached_embeddings
from setfit_quantum.experiments.noise_plot import plot_noise_study, save_figure
from setfit_quantum.experiments.noise_report import format_csv, format_markdown, summarize_study
from setfit_quantum.experiments.noise_study import evaluate_head, run_noise_study
from setfit_quantum.experiments.result_file import ResultFile, hash_settings
from setfit_quantum.experiments.study_data import LabelledSet, StudyData, draw_test_set
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.noise import NoiseModel
from setfit_quantum.training import HeadTrainingArguments

HEAD = {"n_qubits": 4}
TRAINING = HeadTrainingArguments(num_epochs=3, learning_rate=0.05, show_progress_bar=False)
TRAIN = {"exact": Condition(), "noisy": Condition(NoiseModel.paper("high"), 64)}
STRONG = Condition(NoiseModel.depolarizing(0.2, 0.2), 16)
EVALUATION = {"exact": Condition(), "8 shots": Condition(shots=8), "strong": STRONG}


def build_set(n, seed):
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 2
    return LabelledSet(rng.normal(size=(n, 8)) + np.where(targets, 1.0, -1.0)[:, None], targets)


DATA = StudyData(build_set(24, 0), build_set(10, 1), build_set(60, 2))


def run_study(folder=None, seeds=(0, 1), **changes):
    settings = {"head_settings": HEAD, "arguments": TRAINING, "max_test": 40, "folder": folder} | changes
    return run_noise_study(DATA, TRAIN, EVALUATION, seeds, **settings)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Folder and records of a finished study."""
    folder = tmp_path_factory.mktemp("study")
    return folder, run_study(folder)


@pytest.fixture
def counted(monkeypatch):
    """How many heads are trained, and how many evaluations are computed."""
    counts = {"train": 0, "evaluate": 0}
    train, copy = trained_heads.train_head, noise_study.measured_under

    def count_training(*arguments, **options):
        counts["train"] += 1
        return train(*arguments, **options)

    def count_evaluation(*arguments):
        counts["evaluate"] += 1
        return copy(*arguments)

    monkeypatch.setattr(trained_heads, "train_head", count_training)
    monkeypatch.setattr(noise_study, "measured_under", count_evaluation)
    return counts


def test_records_of_a_study(study):
    _, records = study
    names = [(record["train"], record["seed"], record["eval"]) for record in records]
    assert sorted(names) == sorted((train, seed, name) for train in TRAIN for seed in (0, 1) for name in EVALUATION)
    for record in records:
        assert record["n_test"] == 40
        assert record["accuracy"] - record["exact_accuracy"] == pytest.approx((record["gained"] - record["lost"]) / 40)
        assert record["ms_per_step"] > 0
        assert record["seconds"] > 0
        if record["eval"] == "exact":
            assert record["lost"] == record["gained"] == 0
    # Gates that fail one time in five leave little to decide on.
    assert sum(record["lost"] for record in records if record["eval"] == "strong") > 20


def test_conditions_reach_training_and_evaluation(study):
    folder, records = study
    heads = [SetFitQuantumHead.from_pretrained(path) for path in sorted((folder / "heads").iterdir())]
    found = {(head.noise is not None, head.shots, head.seed) for head in heads}
    assert found == {(False, None, 0), (False, None, 1), (True, 64, 0), (True, 64, 1)}
    noisy, exact = (next(h for h in heads if h.seed == 0 and h.shots == shots) for shots in (64, None))
    assert not torch.equal(noisy.circuit_weights, exact.circuit_weights)
    tested = draw_test_set(DATA.test, 40, 0)
    for name, condition in EVALUATION.items():
        exact.noise, exact.shots, exact.sampler = condition.noise, condition.shots, None
        accuracy = float((exact.predict(tested.embeddings).numpy() == tested.targets).mean())
        record = next(r for r in records if (r["train"], r["seed"], r["eval"]) == ("exact", 0, name))
        assert record["accuracy"] == pytest.approx(accuracy)


def test_a_finished_study_recomputes_nothing(study, counted):
    folder, records = study
    before = (folder / "results.jsonl").read_bytes()
    assert run_study(folder) == records
    assert counted == {"train": 0, "evaluate": 0}
    assert (folder / "results.jsonl").read_bytes() == before


def test_a_killed_study_goes_on(study, counted, tmp_path):
    def kill(_, done, total):
        assert total == 12
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(tmp_path, on_result=kill)
    assert counted == {"train": 2, "evaluate": 4}
    with (tmp_path / "results.jsonl").open("ab") as file:
        file.write(b'{"key": "killed while it wro')
    found = run_study(tmp_path)
    assert counted == {"train": 4, "evaluate": 12}  # the second head was loaded, not trained again
    timed = ("seconds", "ms_per_step")
    for ours, expected in zip(found, study[1], strict=True):
        assert {k: v for k, v in ours.items() if k not in timed} == {
            k: v for k, v in expected.items() if k not in timed
        }
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == 4 + 12


def test_a_head_is_recorded_once_it_is_saved(counted, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(SetFitQuantumHead, "save_pretrained", fail)
        with pytest.raises(OSError, match="disk full"):
            run_study(tmp_path, seeds=(0,))
    run_study(tmp_path, seeds=(0,))
    assert counted["train"] == 3
    assert not list((tmp_path / "heads").glob("*-checkpoints"))


def test_other_settings_are_other_results(study, counted, tmp_path):
    folder, records = study
    changed = run_study(folder, seeds=(0,), arguments=TRAINING.with_changes(num_epochs=4))
    assert counted == {"train": 2, "evaluate": 6}
    more = run_study(folder, seeds=(0,), max_test=30)
    assert counted == {"train": 2, "evaluate": 12}  # the heads are the same, the texts are not
    assert {record["n_test"] for record in more} == {30}
    assert len(changed) == len(more) == len(records) / 2


def test_results_need_no_folder(study):
    found = run_study(seeds=(0,))
    expected = [record["right"] for record in study[1] if record["seed"] == 0]
    assert [record["right"] for record in found] == expected


def test_every_seed_may_have_its_own_data():
    asked = []

    def split(seed):
        asked.append(seed)
        return DATA

    run_noise_study(split, {"exact": Condition()}, {"exact": Condition()}, [3, 5], head_settings=HEAD,
                    arguments=TRAINING)  # fmt: skip
    assert asked == [3, 5]


def test_what_a_study_refuses():
    with pytest.raises(ValueError, match="`eval_conditions` must have at least one"):
        run_noise_study(DATA, TRAIN, {}, [0])
    with pytest.raises(ValueError, match=r"`seeds` must hold different numbers.*\[1, 1\]"):
        run_study(seeds=(1, 1))
    with pytest.raises(ValueError, match="`head_settings` must not set noise and shots"):
        run_study(head_settings={"shots": 3})
    with pytest.raises(TypeError, match="'exact' is None"):
        run_noise_study(DATA, {"exact": None}, EVALUATION, [0])
    with pytest.raises(ValueError, match=r"shapes \(n, d\) and \(n,\)"):
        LabelledSet(np.ones((3, 2)), np.ones(4))


def test_test_texts_are_drawn_with_the_seed():
    one, again, other = (draw_test_set(DATA.test, 20, seed) for seed in (0, 0, 1))
    assert one.fingerprint() == again.fingerprint() != other.fingerprint()
    rows = {row.tobytes() for row in one.embeddings}
    assert len(rows) == 20
    assert rows < {row.tobytes() for row in DATA.test.embeddings}
    assert draw_test_set(DATA.test, 60, 0) is draw_test_set(DATA.test, None, 0) is DATA.test


def test_one_trained_head(counted, tmp_path):
    head = SetFitQuantumHead(8, 2, n_qubits=4, seed=7, noise="paper-low").eval()
    found = evaluate_head(head, DATA.test, EVALUATION, max_test=30, folder=tmp_path)
    assert [record["train"] for record in found] == ["paper-low"] * 3
    assert {record["ms_per_step"] for record in found} == {None}
    assert (head.noise, head.shots) == (NoiseModel.paper("low"), None)
    assert evaluate_head(head, DATA.test, EVALUATION, max_test=30, folder=tmp_path) == found
    assert counted["evaluate"] == 3
    with torch.no_grad():
        head.circuit_weights += 0.1
    evaluate_head(head, DATA.test, EVALUATION, max_test=30, folder=tmp_path)
    assert counted["evaluate"] == 6
    rows = summarize_study(found)
    assert rows[2].interval.kind == "Wilson, 30 texts"
    assert rows[2].difference_interval.kind == "Bonett-Price, 30 texts"
    assert rows[2].sd is None


def test_steps_are_timed_without_validation():
    head = SetFitQuantumHead(8, 2, n_qubits=4, seed=0)
    x = torch.ones(2, 8)
    with trained_heads.timed_steps(head) as times:
        for training in (True, True, True, False, False, True, True):
            head.train(training)(x)
    assert len(times) == 3
    head.train()(x)
    assert len(times) == 3


def test_result_file(tmp_path):
    path = tmp_path / "new" / "results.jsonl"
    results = ResultFile(path)
    assert results.add("a", {"value": 0.1}) == {"key": "a", "value": 0.1}
    assert ResultFile(path).get("a") == {"key": "a", "value": 0.1}
    assert hash_settings({"x": 1, "y": [2]}) == hash_settings({"y": [2], "x": 1}) != hash_settings({"x": 1, "y": [3]})
    path.write_text('{"key": "a"}\nnonsense\n{"key": "b"}\n')
    with pytest.raises(ValueError, match=r"results.jsonl', line 2, is not a result"):
        ResultFile(path)


def test_embeddings_are_kept(tmp_path):
    texts = [f"text {number}" for number in range(9)]
    calls = []

    def encode(part, shift=0.0):
        calls.append(len(part))
        return np.array([[len(text) + shift, int(text[5:])] for text in part], np.float32)

    path = tmp_path / "embeddings.npz"
    first = cached_embeddings(path, texts, encode)
    assert np.array_equal(cached_embeddings(path, texts, encode), first)
    assert calls == [4, 9, 4]
    assert cached_embeddings(path, texts, lambda part: encode(part, 1.0))[0, 0] == 7  # another body
    assert cached_embeddings(path, texts[::-1], encode)[0, 1] == 8  # other texts
    path.write_bytes(path.read_bytes()[:50])
    assert np.array_equal(cached_embeddings(path, texts, encode), first)


# ---- table and figure -------------------------------------------------------------------------------------------


def test_table(study):
    rows = summarize_study(study[1])
    assert [(row.train, row.evaluation) for row in rows] == [(train, name) for train in TRAIN for name in EVALUATION]
    for row in rows:
        group = [r for r in study[1] if (r["train"], r["eval"]) == (row.train, row.evaluation)]
        accuracies = [record["accuracy"] for record in group]
        assert row.accuracy == pytest.approx(np.mean(accuracies))
        assert row.sd == pytest.approx(np.std(accuracies, ddof=1))
        assert row.difference == pytest.approx(row.accuracy - row.exact_accuracy)
        assert (row.difference_interval is None) == (row.evaluation == "exact")
    written = list(csv.DictReader(io.StringIO(format_csv(rows))))
    assert float(written[2]["accuracy"]) == rows[2].accuracy
    assert float(written[2]["difference_interval_low"]) == rows[2].difference_interval.low
    assert written[0]["difference_interval_kind"] == ""
    text = format_markdown(rows, "A title")
    assert text.startswith("# A title\n\nAccuracy on 40 test texts per seed;")
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 2 + len(rows)
    assert "Student's t over 2 seeds" in text
    assert "Wilson" in format_markdown(summarize_study([r for r in study[1] if r["seed"] == 0]), "")


def test_figure(study, tmp_path):
    rows = summarize_study(study[1])
    figure = plot_noise_study(rows, "A title")
    axes = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in axes] == ["trained: exact", "trained: noisy"]
    labels = figure.legends[0].get_texts()
    assert [label.get_text() for label in labels] == ["none", "custom noise"]
    ticks = [label.get_text() for label in axes[0].get_xticklabels()]
    assert ticks == ["8", "16", "no shot\nnoise"]
    # The line of "none": from 8 shots to exact expectations.
    shown = {round(float(y), 6) for line in axes[0].lines for y in line.get_ydata()}
    assert {round(100 * row.accuracy, 6) for row in rows if row.train == "exact"} <= shown
    png, svg = save_figure(figure, tmp_path / "figure")
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    image = imread(png)
    assert image.shape[0] > 300
    assert image.shape[1] > 600
    assert image[..., :3].std() > 0.01
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    before = png.read_bytes(), svg.read_bytes()
    save_figure(plot_noise_study(rows, "A title"), tmp_path / "figure")
    assert (png.read_bytes(), svg.read_bytes()) == before


def test_figure_needs_matplotlib(study, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "setfit-quantum\[plots\]"'):
        plot_noise_study(summarize_study(study[1]))
