"""What a visitor may ask for: every limit of the demo, and messages that name it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from setfit_quantum.data import DataError, Examples, load_examples
from setfit_quantum.data.loading import load_texts

MAX_TEXT = 2_000
"""Characters of one text; the sentence transformer reads about the first thousand."""
MAX_REQUEST = 20_000
"""Characters of all texts of one request."""
MAX_TEXTS = 100
MAX_FILE = 2**20
"""Bytes."""
MAX_BODY = 32 * 2**20
"""Bytes of one HTTP request: more than any text that gets a message of its own."""
FILE_TYPES = (".csv", ".tsv", ".jsonl", ".txt")
"""Of uploaded files: formats that take no more memory than disk. A small Parquet file may hold gigabytes."""
MAX_SHOTS = 100_000
MAX_NOISE_LEVEL = 10.0
MAX_MODEL_QUBITS = 14
MIN_QUBITS, MAX_QUBITS = 2, 10
MAX_ENCODERS = 2
MAX_EPOCHS = 400
MAX_ROWS = 400
MAX_TRAINING_TEXT = 100_000
"""Characters of all examples: some ten seconds of encoding on one core."""
MAX_CLASSES = 10
MAX_LABEL = 60
MAX_TRAINING_SECONDS = 60.0


class RequestError(ValueError):
    """A request that the demo does not serve; the message says what is allowed."""


def check_texts(texts: Sequence[str]) -> list[str]:
    """Texts without surrounding space, empty ones left out.

    Raises:
        RequestError: No text at all, or too much of it.
    """
    kept = [text.strip() for text in texts]
    kept = [text for text in kept if text]
    if not kept:
        raise RequestError("Please write a sentence first: the text is empty.")
    if len(kept) > MAX_TEXTS:
        raise RequestError(f"At most {MAX_TEXTS} sentences at once, but got {len(kept):,}.")
    for text in kept:
        _check_text(text)
    total = sum(map(len, kept))
    if total > MAX_REQUEST:
        raise RequestError(f"At most {MAX_REQUEST:,} characters at once, but got {total:,}.")
    return kept


def split_lines(text: Any) -> list[str]:
    """One sentence per line, see `check_texts`."""
    if not isinstance(text, str):
        raise RequestError(f"The text must be a string, but got {_show(text)}.")
    if len(text) > 2 * MAX_REQUEST:  # no need to split ten megabytes to say that they are too many
        raise RequestError(f"At most {MAX_REQUEST:,} characters at once, but got {len(text):,}.")
    return check_texts(text.splitlines())


def _check_text(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise RequestError(f"At most {MAX_TEXT:,} characters per sentence, but one has {len(text):,}.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RequestError("The text holds half of a character (a lone surrogate) and cannot be read.") from None


def check_whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number in [low, high]; 8.0, as sliders send it, is one.

    Raises:
        RequestError: Anything else.
    """
    number = int(value) if isinstance(value, Integral) or _is_whole(value) else None
    if number is None or isinstance(value, bool) or not low <= number <= high:
        raise RequestError(f"{name} must be a whole number between {low:,} and {high:,}, but got {_show(value)}.")
    return number


def check_shots(value: Any) -> int:
    """Shots of one measurement."""
    return check_whole("Shots", value, 1, MAX_SHOTS)


def check_noise_level(value: Any) -> float:
    """Multiple of the device's error rates."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= MAX_NOISE_LEVEL:
        raise RequestError(
            f"The noise level must be a number between 0 and {MAX_NOISE_LEVEL:g}, but got {_show(value)}."
        )
    return float(value)


def check_training_rows(rows: Any) -> Examples:
    """Labelled examples from a table of (text, label) rows, or from objects with these keys.

    Rows without text and label are left out.

    Raises:
        RequestError: Rows that are incomplete, too many or too few, or labels that cannot be learned.
    """
    if not isinstance(rows, list | tuple):
        raise RequestError(f"The examples must be a list of [text, label] pairs, but got {_show(rows)}.")
    if len(rows) > 10 * MAX_ROWS:
        raise RequestError(f"At most {MAX_ROWS} examples, but got {len(rows):,}.")
    texts, labels = [], []
    for number, row in enumerate(rows, start=1):
        text, label = _read_row(row, number)
        if not text and not label:
            continue
        if not text or not label:
            raise RequestError(f"Row {number} has no {'text' if not text else 'label'}.")
        _check_text(text)
        if len(label) > MAX_LABEL:
            raise RequestError(
                f"Row {number}: a label has at most {MAX_LABEL} characters, but this one {len(label):,}."
            )
        _check_text(label)
        texts.append(text)
        labels.append(label)
    _check_classes(labels)
    total = sum(map(len, texts))
    if total > MAX_TRAINING_TEXT:
        raise RequestError(f"At most {MAX_TRAINING_TEXT:,} characters in all examples, but got {total:,}.")
    return Examples(texts, labels, "the table")


def _read_row(row: Any, number: int) -> tuple[str, str]:
    values = [row.get("text"), row.get("label")] if isinstance(row, dict) else row
    # A table may have grown empty columns.
    if (
        not isinstance(values, list | tuple)
        or len(values) < 2
        or any(value not in (None, "") for value in values[2:])
        or any(not isinstance(value, str | int | float | None) for value in values)
    ):
        raise RequestError(f"Row {number} must be a text and a label, but is {_show(row)}.")
    text, label = ("" if value is None or value != value else str(value).strip() for value in values[:2])
    return text, label


def _check_classes(labels: list[str]) -> None:
    if len(labels) > MAX_ROWS:
        raise RequestError(f"At most {MAX_ROWS} examples, but got {len(labels):,}.")
    counts = Counter(labels)
    if len(counts) > MAX_CLASSES:
        raise RequestError(f"At most {MAX_CLASSES} different labels, but got {len(counts):,}.")
    if len(counts) < 2:
        raise RequestError(f"Training needs at least two different labels, but got {len(counts)}.")
    rare = next((label for label, count in counts.items() if count < 2), None)
    if rare is not None:
        raise RequestError(f"Every label needs at least two examples, but {_show(rare)} has one.")


def read_examples_file(path: str | Path) -> Examples:
    """Labelled examples from an uploaded file.

    Raises:
        RequestError: An unreadable file; the message has its own name, not that of the copy on this machine.
    """
    file = _check_file(path)
    try:
        examples = load_examples(file)
    except DataError as error:
        raise RequestError(_own_words(error, file)) from None
    if examples.multilabel:
        raise RequestError("The demo trains with one label per text.")
    return check_training_rows(list(zip(examples.texts, examples.labels, strict=True)))


def read_texts_file(path: str | Path) -> list[str]:
    """Texts from an uploaded file with a column `text`, or from a .txt file with one per line.

    Raises:
        RequestError: An unreadable file.
    """
    file = _check_file(path)
    try:
        texts = load_texts(file)
    except DataError as error:
        raise RequestError(_own_words(error, file)) from None
    return check_texts([" ".join(text.split()) for text in texts])


def _check_file(path: str | Path) -> Path:
    file = Path(path)
    if file.suffix.lower() not in FILE_TYPES:
        raise RequestError(f"A file must be one of {', '.join(FILE_TYPES)}, but got {_show(file.name)}.")
    size = file.stat().st_size
    if size > MAX_FILE:
        raise RequestError(f"A file has at most {MAX_FILE / 2**20:g} MB, but this one {size / 2**20:.1f} MB.")
    return file


def _own_words(error: DataError, file: Path) -> str:
    return str(error).replace(str(file), file.name)


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
