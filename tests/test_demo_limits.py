"""What a visitor may ask of the demo, and the messages that say so."""

import pytest

from demo_engine import PAIRS
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
from setfit_quantum.demo.training_run import TrainingRequest


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
        ([["a", {"label": "x"}], ["b", "y"]], "Row 1 must be a text and a label"),
        ([["a", "x"], [["b"], "y"]], "Row 2 must be a text and a label"),
        ([["a" * 1000, f"{n % 2}"] for n in range(101)], "At most 100,000 characters in all examples, but got 101,000"),
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
        (b"text,label\na\x00b,x\nb,y\n", "at least two examples"),
    ],
)
def test_files_that_are_refused(tmp_path, content, message):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as refusal:
        read_examples_file(path)
    assert str(tmp_path) not in str(refusal.value)


def test_types_of_files_that_are_refused(tmp_path):
    # A Parquet file of a few kilobytes may hold gigabytes.
    path = tmp_path / "examples.parquet"
    path.write_bytes(b"PAR1")
    for read in (read_examples_file, read_texts_file):
        with pytest.raises(RequestError, match=r"must be one of .*, but got 'examples\.parquet'"):
            read(path)


@pytest.mark.parametrize("line", ["[" * 200_000, '{"text": ' + "1" * 10_000 + "}"])
def test_json_that_cannot_be_read_is_refused(tmp_path, line):
    path = tmp_path / "file.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(RequestError, match=r"'file\.jsonl', line 1: cannot be read as JSON"):
        read_examples_file(path)


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
