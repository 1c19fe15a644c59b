"""Reading data: every file format, what is wrong with a file, bundled sets, the Hub's types, few-shot splits."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

from setfit_quantum.data import (
    BUNDLED,
    DataError,
    Examples,
    draw_few_shot,
    has_splits,
    load_examples,
    load_texts,
    pooled_split,
    stratified_split,
)
from setfit_quantum.default_body import DEFAULT_BODY, offline_body, resolve_body

ROWS = pd.DataFrame(
    {
        "text": ['He said "no",\nthen left.', "Plain; simple\ttext", "Ünïcode 🙂", "  padded  "],
        "label": ["neg", "pos", "pos", "neg"],
    }
)


def _shared_data():
    """The folder of evaluation data, where this checkout has one."""
    named = os.environ.get("SETFIT_QUANTUM_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"


def _write(frame, path):
    writers = {
        "plain.csv": lambda: frame.to_csv(path, index=False),
        "indexed.csv": lambda: frame.to_csv(path),
        "excel.csv": lambda: frame.to_csv(path, index=False, sep=";", encoding="utf-8-sig"),
        "crlf.csv": lambda: frame.to_csv(path, index=False, lineterminator="\r\n"),
        "table.tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        "bare.tsv": lambda: frame.to_csv(path, index=False, header=False, sep="\t"),
        "lines.jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "lines.json": lambda: frame.to_json(path, orient="records", lines=True),
        "records.json": lambda: frame.to_json(path, orient="records"),
        "columns.json": lambda: frame.to_json(path),
        "lists.json": lambda: path.write_text(json.dumps(frame.to_dict("list"))),
        "table.parquet": lambda: frame.to_parquet(path),
    }
    writers[path.name]()


FILES = [
    *("plain.csv", "indexed.csv", "excel.csv", "crlf.csv", "table.tsv", "bare.tsv"),
    *("lines.jsonl", "lines.json", "records.json", "columns.json", "lists.json", "table.parquet"),
]


@pytest.mark.parametrize("file", FILES)
def test_every_format_gives_the_same_examples(tmp_path, file):
    path = tmp_path / file
    _write(ROWS, path)
    examples = load_examples(path)
    assert examples.texts == ROWS["text"].tolist()
    assert examples.labels == ROWS["label"].tolist()
    assert not examples.multilabel
    assert examples.classes == ["neg", "pos"]


def test_unquoted_tsv_keeps_lone_quotes(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text('" it opens a quote\t0\nplain\t1\n"so" they say\t0\n')
    examples = load_examples(path)
    assert examples.texts == ['" it opens a quote', "plain", '"so" they say']
    assert examples.labels == ["0", "1", "0"]


def test_columns_by_other_names(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("Id,Sentence,Category,review\n1,one,a,x\n2,two,b,y\n")
    assert load_examples(path).texts == ["one", "two"]
    assert load_examples(path).labels == ["a", "b"]
    assert load_examples(path, text_column="review").texts == ["x", "y"]
    with pytest.raises(DataError, match=r"no column 'stars'; its columns are 'Id', 'Sentence', 'Category', 'review'"):
        load_examples(path, label_column="stars")


def test_numbers_become_strings(tmp_path):
    path = tmp_path / "data.parquet"
    pd.DataFrame({"text": ["a", "b"], "label": [1.0, 10.0]}).to_parquet(path)
    assert load_examples(path).labels == ["1", "10"]
    many = Examples(["a"] * 3, ["10", "9", "1"], "x")
    assert many.classes == ["1", "9", "10"]


def test_limit(tmp_path):
    assert len(load_examples("bundled:reviews", limit=7)) == 7
    with pytest.raises(ValueError, match="`limit` must be at least 1"):
        load_examples("bundled:reviews", limit=0)


BROKEN = {
    "empty.csv": ("", "is empty"),
    "header.csv": ("text,label\n", "has a header but no rows"),
    "missing.csv": ('text,label\n"two\nlines",a\nb,\n', "line 4: the label in column 'label' is missing"),
    "blank.csv": ("text,label\n ,a\n", "line 2: the text in column 'text'"),
    "ragged.csv": ("text,label\na,b\nc,d,e\n", r"3 fields where the first row has 2 \(line 3\)"),
    "quote.csv": ('text,label\n"a,b\nc,d\n', "malformed"),
    "columns.csv": ("words,stars\na,1\n", "no column 'text'; its columns are 'words', 'stars'"),
    "wide.tsv": ("a\tb\tc\nd\te\tf\n", "3 columns"),
    "named.tsv": ("words\tstars\na\t1\nb\t1\nc\t2\nd\t2\n", "looks like a header"),
    "line.jsonl": ('{"text": "a", "label": "x"}\n{"text": \n', "line 2: not valid JSON"),
    "scalar.jsonl": ("17\n", "line 1: must be a JSON object"),
    "null.jsonl": ('{"text": "a", "label": null}\n', "line 1: the label in column 'label' is missing"),
    "number.jsonl": ('{"text": 3, "label": "x"}\n', "must be a text, but is 3"),
    "nested.jsonl": ('{"text": "a", "label": {"b": 1}}\n', "must be a string or a number"),
    "lengths.json": ('{"text": ["a"], "label": ["x", "y"]}', "columns differ in length"),
    "table.parquet": ("not parquet", "not a readable parquet file"),
    "table.xlsx": ("text", r"no existing file or folder|must end in one of"),
}


@pytest.mark.parametrize("file", BROKEN)
def test_broken_files_are_named_with_the_place(tmp_path, file):
    content, message = BROKEN[file]
    path = tmp_path / file
    path.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        load_examples(path)
    assert file in str(caught.value)


def test_missing_sources_are_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv' does not exist"):
        load_examples(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="no existing file or folder"):
        load_examples(tmp_path / "nowhere")
    with pytest.raises(DataError, match="bundled:reviews, bundled:support"):
        load_examples("bundled:films")
    with pytest.raises(DataError, match="splits train, test, but got 'dev'"):
        load_examples("bundled:reviews", split="dev")
    with pytest.raises(DataError, match="`split` must not be given for a single file"):
        load_examples("x.csv", split="train")


def test_encodings(tmp_path):
    path = tmp_path / "old.csv"
    ROWS.iloc[:2].assign(text=["café", "naïve"]).to_csv(path, index=False, encoding="latin-1")
    with pytest.raises(DataError, match="not utf-8 text"):
        load_examples(path)
    assert load_examples(path, encoding="latin-1").texts == ["café", "naïve"]
    with pytest.raises(DataError, match="`encoding` must be"):
        load_examples(path, encoding="klingon")


def test_folder_with_a_file_per_split(tmp_path):
    ROWS.to_csv(tmp_path / "train.csv", index=False)
    ROWS.iloc[:1].to_csv(tmp_path / "test.csv", index=False)
    assert len(load_examples(tmp_path)) == 4
    assert len(load_examples(tmp_path, split="test")) == 1
    with pytest.raises(DataError, match=r"no file for the split 'dev'; it has \['test.csv', 'train.csv'\]"):
        load_examples(tmp_path, split="dev")
    assert has_splits(tmp_path)
    assert has_splits("bundled:support")
    assert not has_splits(tmp_path / "train.csv")


def test_several_labels_per_text(tmp_path):
    path = tmp_path / "emotions.csv"
    path.write_text("text,label\none,joy|anger\ntwo,joy\nthree,\n")
    examples = load_examples(path, multilabel=True)
    assert examples.multilabel
    assert examples.labels == [["joy", "anger"], ["joy"], []]
    assert examples.indicators(["anger", "joy"]).tolist() == [[1, 1], [0, 1], [0, 0]]
    with pytest.raises(DataError, match="label 'joy' is none of"):
        examples.indicators(["anger"])
    lists = tmp_path / "emotions.jsonl"
    lists.write_text('{"text": "a", "labels": ["x", "y"]}\n{"text": "b", "labels": []}\n')
    assert load_examples(lists).labels == [["x", "y"], []]
    path.write_text("text,label\none,joy;anger\ntwo,joy\n")
    assert load_examples(path, multilabel=True, label_separator=";").labels == [["joy", "anger"], ["joy"]]


def test_declared_classes_become_names(tmp_path, monkeypatch):
    names = ["negative", "positive"]
    features = Features({"sentence": Value("string"), "label": ClassLabel(names=names)})
    rows = Dataset.from_dict({"sentence": ["a", "b"], "label": [1, 0]}, features=features)
    held_back = Dataset.from_dict({"sentence": ["a"], "label": [-1]}, features=features)
    seen = []

    def load_dataset(name, config, revision):
        seen.append((name, config, revision))
        return DatasetDict(train=rows, test=held_back)

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    examples = load_examples("someone/reviews", config="en", revision="v2")
    assert seen == [("someone/reviews", "en", "v2")]
    assert examples.labels == ["positive", "negative"]
    assert examples.texts == ["a", "b"]
    with pytest.raises(DataError, match="none of the 2 declared classes"):
        load_examples("someone/reviews", split="test")
    with pytest.raises(DataError, match="has the splits train, test, but got 'dev'"):
        load_examples("someone/reviews", split="dev")
    rows.to_parquet(tmp_path / "rows.parquet")
    assert pyarrow.parquet.read_schema(tmp_path / "rows.parquet").metadata is not None
    assert load_examples(tmp_path / "rows.parquet").labels == ["positive", "negative"]


def test_declared_lists_of_classes_become_names(monkeypatch):
    features = Features({"text": Value("string"), "labels": Sequence(ClassLabel(names=["x", "y", "z"]))})
    rows = Dataset.from_dict({"text": ["a", "b"], "labels": [[2, 0], []]}, features=features)
    monkeypatch.setattr("datasets.load_dataset", lambda *args, **kwargs: DatasetDict(validation=rows))
    assert load_examples("set").labels == [["z", "x"], []]


def test_hub_errors_are_one_line(monkeypatch):
    def load_dataset(*args, **kwargs):
        raise ConnectionError("cannot reach\nthe Hub")

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    with pytest.raises(DataError, match=r"'a/b' could not be loaded from the Hub: cannot reach$"):
        load_examples("a/b")


def test_texts_without_labels(tmp_path):
    plain = tmp_path / "lines.txt"
    plain.write_text("one\n\ntwo\n")
    assert load_texts(plain) == ["one", "two"]
    table = tmp_path / "rows.csv"
    table.write_text("text\na\nb\n")
    assert load_texts(table) == ["a", "b"]
    with pytest.raises(DataError, match="cannot be read"):
        load_texts(tmp_path / "none.txt")


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_bundled_sets_load(name):
    train, test = load_examples(f"bundled:{name}"), load_examples(f"bundled:{name}", split="test")
    assert train.classes == test.classes
    assert len(train.classes) == {"reviews": 2, "support": 5}[name]
    assert len(train) + len(test) >= {"reviews": 300, "support": 150}[name]


def test_few_shot_draw_is_balanced_seeded_and_without_replacement():
    labels = ["a"] * 50 + ["b"] * 9 + ["c"] * 20
    rows = draw_few_shot(labels, 8, seed=1)
    assert Counter(labels[row] for row in rows) == {"a": 8, "b": 8, "c": 8}
    assert len(set(rows.tolist())) == 24
    np.testing.assert_array_equal(rows, draw_few_shot(labels, 8, seed=1))
    assert set(rows.tolist()) != set(draw_few_shot(labels, 8, seed=2).tolist())
    with pytest.raises(DataError, match="Class 'b' has 9 examples, fewer than the 10 asked for"):
        draw_few_shot(labels, 10, seed=1)
    assert len(draw_few_shot(labels, 10, seed=1, allow_fewer=True)) == 29


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.15, {"a": 15, "b": 6, "c": 1}), (0.5, {"a": 50, "b": 20, "c": 3})]
)
def test_stratified_split_gives_each_class_its_share(fraction, expected):
    labels = ["a"] * 100 + ["b"] * 40 + ["c"] * 6
    rest, part = stratified_split(labels, fraction, seed=0)
    assert Counter(labels[row] for row in part) == expected
    assert sorted([*rest.tolist(), *part.tolist()]) == list(range(len(labels)))
    again = stratified_split(labels, fraction, seed=0)
    np.testing.assert_array_equal(part, again[1])


def test_stratified_split_at_the_edges():
    rest, part = stratified_split(["a", "b", "a", "b"], 0.25, seed=0)
    assert (len(rest), len(part)) == (3, 1)
    assert len(stratified_split(["a"] * 20, 0.15, seed=0)[1]) == 3
    with pytest.raises(DataError, match="too few"):
        stratified_split(["a"], 0.5, seed=0)
    with pytest.raises(DataError, match="keep one of each class"):
        stratified_split(["a", "b", "c"], 0.3, seed=0)
    with pytest.raises(ValueError, match="`fraction` must lie between 0 and 1"):
        stratified_split(["a", "b"], 1.0, seed=0)


def test_pooled_split_has_the_papers_sizes():
    labels = ["0"] * 4650 + ["1"] * 4963
    split = pooled_split(labels, seed=3)
    assert [len(rows) for rows in split] == [435, 77, 9101]
    assert sorted(np.concatenate(split).tolist()) == list(range(9613))
    drawn = Counter(labels[row] for row in np.concatenate(split[:2]))
    assert drawn == {"0": 256, "1": 256}
    assert abs(np.subtract(*Counter(labels[row] for row in split.train).values())) == 1
    with pytest.raises(DataError, match="none is left for the test"):
        pooled_split(["a"] * 4 + ["b"] * 4, seed=0, per_class=4)


@pytest.mark.skipif(not (_shared_data() / "sst2").is_dir(), reason="evaluation data SST-2 is not on this machine")
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_pooled_split_of_sst2(suffix):
    parts = [load_examples(_shared_data() / "sst2" / f"{part}.{suffix}") for part in ("train", "dev", "test")]
    assert [len(part) for part in parts] == [6920, 872, 1821]
    labels = [label for part in parts for label in part.labels]
    assert len(set(labels)) == 2
    assert [len(rows) for rows in pooled_split(labels, seed=0)] == [435, 77, 9101]


def test_default_body_is_the_offline_copy_where_installed(monkeypatch, tmp_path):
    assert offline_body() is not None, "the tests need the extra `demo`"
    assert resolve_body() == resolve_body(DEFAULT_BODY) == str(offline_body())
    assert (Path(resolve_body()) / "modules.json").is_file()
    assert resolve_body("someone/else") == "someone/else"
    assert resolve_body(tmp_path) == str(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert resolve_body() == DEFAULT_BODY
