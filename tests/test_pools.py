"""Pools of sentences: where they are read from, how they are joined and split, and what identifies them."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from setfit_quantum.data import DataError, Examples
from setfit_quantum.experiments.bodies import EmbeddingStore, body_identity
from setfit_quantum.experiments.pools import build_pool, find_parts, load_pooled_examples, resolve_source


def write_folder(folder, parts, n=10):
    folder.mkdir(parents=True)
    for number, part in enumerate(parts):
        rows = [f"text {number}-{row},{'yes' if row % 2 else 'no'}" for row in range(n)]
        (folder / f"{part}.csv").write_text("\n".join(["text,label", *rows]))
    return folder


def examples(n=40, classes=2):
    return Examples([f"text {row}" for row in range(n)], [f"c{row % classes}" for row in range(n)], "toy")


def test_local_copies_come_before_the_hub(tmp_path, monkeypatch):
    monkeypatch.delenv("SETFIT_QUANTUM_DATA", raising=False)
    assert resolve_source("SetFit/SST2") == "SetFit/SST2"
    monkeypatch.setenv("SETFIT_QUANTUM_DATA", str(tmp_path))
    assert resolve_source("SetFit/SST2") == "SetFit/SST2"
    write_folder(tmp_path / "sst2", ["train"])
    assert resolve_source("SetFit/SST2") == str(tmp_path / "sst2")
    assert resolve_source("SetFit/SST2", "mine.csv") == "mine.csv"
    assert resolve_source("bundled:reviews") == "bundled:reviews"


def test_parts_by_their_usual_names(tmp_path):
    folder = write_folder(tmp_path / "data", ["train", "dev", "test"])
    assert find_parts(str(folder), ["train", "validation", "test"]) == ["train", "dev", "test"]
    assert find_parts(str(folder), None) == ["train", "dev", "test"]
    assert find_parts("bundled:reviews", ["train", "validation", "test"]) == ["train", "test"]
    joined = load_pooled_examples(str(folder))
    assert (len(joined), joined.texts[0], joined.texts[-1]) == (30, "text 0-0", "text 2-9")
    with pytest.raises(DataError, match="must have the part 'extra'"):
        find_parts(str(folder), ["train", "extra"])
    other = write_folder(tmp_path / "other", ["first"])
    with pytest.raises(DataError, match="must have a part train, validation, test, but has"):
        find_parts(str(other), None)


def test_parts_of_a_hub_data_set(monkeypatch):
    named = SimpleNamespace(get_dataset_split_names=lambda source: ["train", "test", "unsupervised"])
    monkeypatch.setitem(sys.modules, "datasets", named)
    assert find_parts("somebody/reviews", None) == ["train", "test"]
    # A specification knows its parts: nothing is asked.
    assert find_parts("SetFit/sst2", ["train", "validation", "test"]) == ["train", "validation", "test"]


def test_a_single_file_is_a_pool(tmp_path):
    folder = write_folder(tmp_path / "data", ["train"])
    assert len(load_pooled_examples(str(folder / "train.csv"))) == 10


def test_pool_splits_as_the_paper():
    pool = build_pool(examples(), 8, 0.25)
    train, validation, test = pool.split(3)
    assert (len(train), len(validation), len(test)) == (12, 4, 24)
    assert sorted(np.concatenate([train, validation, test])) == list(range(40))
    assert (pool.targets[train] == 0).sum() == 6
    assert pool.split(3).train.tolist() == train.tolist()
    assert pool.split(4).train.tolist() != train.tolist()
    assert build_pool(examples(), None).per_class == 10
    assert build_pool(examples(2000), None).per_class == 256


def test_what_identifies_a_pool():
    pool = build_pool(examples(), 8)
    assert pool.identity() == build_pool(examples(), 8).identity()
    relabelled = Examples(examples().texts, [f"c{(row + 1) % 2}" for row in range(40)], "toy")
    for other in (build_pool(examples(), 9), build_pool(examples(), 8, 0.2), build_pool(relabelled, 8)):
        assert other.identity() != pool.identity()


@pytest.mark.parametrize(
    ("data", "per_class", "message"),
    [
        (examples(classes=1), None, "at least two classes"),
        (examples(6, 2), None, "at least four texts of every class"),
        (examples(), 21, "fewer than the 21 asked for"),
        (examples(), 20, "none is left for the test"),
        (Examples(["a"], [["x"]], "many", multilabel=True), None, "several labels per text"),
    ],
)
def test_data_that_cannot_be_studied(data, per_class, message):
    with pytest.raises(DataError, match=message):
        build_pool(data, per_class)


def test_a_body_is_known_by_its_contents(tmp_path):
    (tmp_path / "body").mkdir()
    (tmp_path / "body" / "weights").write_text("1")
    first = body_identity(str(tmp_path / "body"), "frozen", {})
    (tmp_path / "body").rename(tmp_path / "moved")
    assert body_identity(str(tmp_path / "moved"), "frozen", {}) == first
    (tmp_path / "moved" / "weights").write_text("2")
    assert body_identity(str(tmp_path / "moved"), "frozen", {}) != first
    assert body_identity(None, "frozen", {})["name"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert body_identity(None, "tuned", {"max_steps": 3})["tuning"] == {"max_steps": 3}
    assert body_identity(None, "frozen", {"max_steps": 3})["tuning"] is None


def test_embeddings_are_kept_and_tuned_ones_differ_by_seed(tiny_body, tmp_path):
    pool = build_pool(examples(24), 6)
    said = []
    tuning = {"max_steps": 2, "batch_size": 4, "learning_rate": 1e-3}
    store = EmbeddingStore(pool, str(tiny_body), tmp_path, tuning, said.append)
    for column, seed in (("frozen", 0), ("tuned", 0), ("tuned", 1)):
        store.prepare(column, seed)
    frozen, first, second = store.get("frozen", 0), store.get("tuned", 0), store.get("tuned", 1)
    assert frozen.shape == first.shape == (24, store.in_features)
    assert not np.allclose(frozen, first)
    assert not np.allclose(first, second)
    assert len(said) == 3
    again = EmbeddingStore(pool, str(tiny_body), tmp_path, tuning, said.append)
    again.prepare("tuned", 1)
    again.prepare("frozen", 7)
    assert len(said) == 3
    np.testing.assert_array_equal(again.get("tuned", 1), second)
    np.testing.assert_array_equal(again.get("frozen", 0), frozen)
    assert again.release([("tuned", 1)]).in_features == store.in_features
    with pytest.raises(KeyError):
        again.get("frozen", 0)
