"""Checks on the bundled CSV data sets: size, balance, lengths and duplicates."""

import csv
import importlib.resources
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

# name -> (minimum train rows, minimum test rows, minimum total, exact labels)
DATASETS = {
    "reviews": (280, 140, 420, {"negative", "positive"}),
    "support": (160, 90, 250, {"account", "billing", "delivery", "returns", "technical"}),
}
SPLITS = ("train", "test")
MIN_WORDS, MAX_WORDS = 3, 40
MAX_COSINE = 0.75
MAX_JACCARD = 0.6
MIN_SHARE = 0.8


def _path(name, split):
    root = importlib.resources.files("setfit_quantum") / "data" / "bundled"
    return root / name / f"{split}.csv"


def _read(name, split):
    """Return a list of (text, label) pairs of one split."""
    content = _path(name, split).read_bytes().decode("utf-8")
    reader = csv.reader(content.splitlines(keepends=True), strict=True)
    header = next(reader)
    assert header == ["text", "label"], f"{name}/{split}: unexpected header {header!r}"
    rows = list(reader)
    for number, row in enumerate(rows, start=2):
        assert len(row) == 2, f"{name}/{split}.csv row {number} has {len(row)} fields: {row!r}"
    return [(text, label) for text, label in rows]


def _read_all(name):
    """Return a list of (place, text) pairs of both splits together."""
    return [
        (f"{name}/{split}.csv row {number}", text)
        for split in SPLITS
        for number, (text, _) in enumerate(_read(name, split), start=2)
    ]


def _words(text):
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower())


def _normalise(text):
    return " ".join(re.sub(r"[^\w\s]", "", text.lower()).split())


def _pair_message(kind, value, limit, first, second):
    return f"{kind} {value:.3f} reaches the limit {limit}:\n  {first[0]}: {first[1]}\n  {second[0]}: {second[1]}"


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_counts_and_labels(name):
    min_train, min_test, min_total, labels = DATASETS[name]
    train, test = _read(name, "train"), _read(name, "test")
    assert len(train) >= min_train, f"{name}: only {len(train)} training rows"
    assert len(test) >= min_test, f"{name}: only {len(test)} test rows"
    assert len(train) + len(test) >= min_total
    for split, rows in (("train", train), ("test", test)):
        found = {label for _, label in rows}
        assert found == labels, f"{name}/{split}: labels {sorted(found)}"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", sorted(DATASETS))
def test_class_balance(name, split):
    rows = _read(name, split)
    counts = Counter(label for _, label in rows)
    needed = MIN_SHARE * len(rows) / len(counts)
    for label, count in sorted(counts.items()):
        assert count >= needed, f"{name}/{split}: class {label!r} has {count} rows, under {needed}"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", sorted(DATASETS))
def test_rows_are_shuffled(name, split):
    labels = [label for _, label in _read(name, split)]
    run, longest = 1, 1
    for previous, current in pairwise(labels):
        run = run + 1 if previous == current else 1
        longest = max(longest, run)
    limit = len(labels) // len(set(labels)) // 2
    assert longest <= limit, f"{name}/{split}: {longest} rows of one class in sequence"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", sorted(DATASETS))
def test_file_format(name, split):
    raw = _path(name, split).read_bytes()
    assert b"\r" not in raw, f"{name}/{split}: line ends are not LF"
    assert raw.endswith(b"\n"), f"{name}/{split}: no line end at the end of the file"
    assert not raw.startswith(b"\xef\xbb\xbf"), f"{name}/{split}: starts with a byte order mark"
    text = raw.decode("utf-8")
    other = sum(ord(char) > 127 for char in text)
    assert other <= 10, f"{name}/{split}: {other} characters outside ASCII"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", sorted(DATASETS))
def test_lengths(name, split):
    for number, (text, _) in enumerate(_read(name, split), start=2):
        assert text == " ".join(text.split()), f"{name}/{split} row {number}: stray space: {text!r}"
        count = len(_words(text))
        assert MIN_WORDS <= count <= MAX_WORDS, f"{name}/{split} row {number} has {count} words: {text!r}"


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_no_exact_duplicates(name):
    seen = {}
    for place, text in _read_all(name):
        key = _normalise(text)
        assert key not in seen, f"duplicate texts:\n  {seen[key][0]}: {seen[key][1]}\n  {place}: {text}"
        seen[key] = (place, text)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_no_near_duplicates_by_characters(name):
    entries = _read_all(name)
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(3, 5), lowercase=True)
    matrix = vectorizer.fit_transform([text for _, text in entries])
    similarity = np.triu((matrix @ matrix.T).toarray(), k=1)
    first, second = np.unravel_index(int(similarity.argmax()), similarity.shape)
    worst = float(similarity[first, second])
    assert worst < MAX_COSINE, _pair_message(
        "character n-gram cosine similarity", worst, MAX_COSINE, entries[first], entries[second]
    )


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_no_near_duplicates_by_words(name):
    entries = _read_all(name)
    sets = [frozenset(_words(text)) for _, text in entries]
    for first in range(len(entries)):
        for second in range(first + 1, len(entries)):
            left, right = sets[first], sets[second]
            value = len(left & right) / len(left | right)
            assert value < MAX_JACCARD, _pair_message(
                "word-set Jaccard similarity", value, MAX_JACCARD, entries[first], entries[second]
            )
