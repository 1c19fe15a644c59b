"""`load_examples`: labelled texts from a file, a folder, a Hub data set or a bundled set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from setfit_quantum.checks import check_int
from setfit_quantum.data.bundled import BUNDLED, BUNDLED_SPLITS, bundled_path
from setfit_quantum.data.examples import DataError, Examples
from setfit_quantum.data.tables import SUFFIXES, Table, class_names, read_table

TEXT_NAMES = ("text", "sentence", "content", "utterance", "review")
LABEL_NAMES = ("label", "labels", "label_text", "category", "intent", "class")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


def load_examples(
    source: str | Path,
    split: str | None = None,
    text_column: str = "text",
    label_column: str = "label",
    limit: int | None = None,
    *,
    config: str | None = None,
    revision: str | None = None,
    multilabel: bool | None = None,
    label_separator: str = "|",
    encoding: str = "utf-8",
    delimiter: str | None = None,
) -> Examples:
    """Read texts and labels.

    Args:
        source: A .csv, .tsv, .json, .jsonl or .parquet file; a folder with one such file per split; `bundled:NAME`;
            or the id of a data set on the Hub. A .tsv file may lack a header: its columns are then text and label.
        split: Which split of a folder, bundled set or Hub data set; None: `"train"`. Must be None for a file.
        text_column: Column of the texts. Where there is no column `text`, its usual other names are tried.
        label_column: Column of the labels. Where there is no column `label`, its usual other names are tried.
        limit: Keep only the first rows.
        config: Configuration of a Hub data set that has several.
        revision: Revision of a Hub data set.
        multilabel: Whether a text has several labels; None: where the labels are lists.
        label_separator: What separates the labels of one text, with `multilabel=True` and labels that are strings.
        encoding: Encoding of a text file.
        delimiter: Column delimiter of csv and tsv files; None: found from the header.

    Returns:
        The examples; numbers and declared class labels have become strings.

    Raises:
        DataError: Naming the source, the place in it, and what was expected.
    """
    if limit is not None:
        check_int("limit", limit, minimum=1)
    table = _load_table(source, split, config, revision, encoding, delimiter, (text_column, label_column))
    text_name = _find_column(table, text_column, "text", TEXT_NAMES)
    label_name = _find_column(table, label_column, "label", LABEL_NAMES)
    rows = slice(0, limit)
    texts = _read_texts(table, text_name)[rows]
    names = table.class_names.get(label_name)
    values = table.columns[label_name][rows]
    if multilabel is None:
        multilabel = any(_is_list(value) for value in values)
    if not multilabel:
        labels = [_read_label(table, row, value, label_name, names) for row, value in enumerate(values)]
        return Examples(texts, labels, table.name)
    many = [_read_labels(table, row, value, label_name, names, label_separator) for row, value in enumerate(values)]
    return Examples(texts, many, table.name, multilabel=True)


def load_texts(
    source: str | Path,
    split: str | None = None,
    text_column: str = "text",
    *,
    config: str | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
) -> list[str]:
    """Read texts without labels: the sources of `load_examples`, or a .txt file with one text per line.

    Raises:
        DataError: Naming the source and the place in it.
    """
    path = Path(source)
    if path.suffix.lower() == ".txt":
        try:
            lines = path.read_text(encoding=encoding).splitlines()
        except (OSError, UnicodeDecodeError, LookupError) as error:
            raise DataError(f"File {str(path)!r} cannot be read as {encoding} text: {error}.") from None
        texts = [line for line in lines if line.strip()]
        if not texts:
            raise DataError(f"File {str(path)!r} is empty.")
        return texts
    table = _load_table(source, split, config, None, encoding, delimiter, (text_column,))
    return _read_texts(table, _find_column(table, text_column, "text", TEXT_NAMES))


def has_splits(source: str | Path) -> bool:
    """Whether `source` has named splits: all but a single file."""
    return not _is_file_name(str(source)) or Path(source).is_dir()


def _is_file_name(source: str) -> bool:
    return Path(source).suffix.lower() in (*SUFFIXES, ".txt") or Path(source).is_file()


def _load_table(
    source: str | Path,
    split: str | None,
    config: str | None,
    revision: str | None,
    encoding: str,
    delimiter: str | None,
    wanted: Sequence[str],
) -> Table:
    known = {name.lower() for name in (*TEXT_NAMES, *LABEL_NAMES, *wanted)}
    text = str(source)
    if text.startswith("bundled:"):
        table = read_table(_bundled_file(text, split or "train"), known=known)
        return replace(table, name=f"{text} ({split or 'train'})")
    path = Path(text)
    if path.is_dir():
        return _load_folder(path, split or "train", encoding, delimiter, known)
    if _is_file_name(text):
        if split is not None:
            raise DataError(f"Argument `split` must not be given for a single file, but got {split!r} for {text!r}.")
        return read_table(path, encoding=encoding, delimiter=delimiter, known=known)
    if not _HUB_ID.fullmatch(text):
        raise DataError(f"Data {text!r} is no existing file or folder, no bundled:NAME, and no data set id.")
    return _load_hub(text, split, config, revision)


def _bundled_file(source: str, split: str) -> Path:
    name = source.removeprefix("bundled:")
    if name not in BUNDLED:
        raise DataError(f"Data {source!r} does not exist; bundled sets are bundled:{', bundled:'.join(BUNDLED)}.")
    if split not in BUNDLED_SPLITS:
        raise DataError(f"Data {source!r} has the splits {', '.join(BUNDLED_SPLITS)}, but got {split!r}.")
    return bundled_path(name, split)


def _load_folder(path: Path, split: str, encoding: str, delimiter: str | None, known: set[str]) -> Table:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    named = [file for file in files if file.stem == split]
    if not named:
        raise DataError(f"Folder {str(path)!r} has no file for the split {split!r}; it has {[f.name for f in files]}.")
    # csv before tsv and json: the richer description of the same rows where a folder has several.
    named.sort(key=lambda file: SUFFIXES.index(file.suffix.lower()))
    return read_table(named[0], encoding=encoding, delimiter=delimiter, known=known)


def _load_hub(source: str, split: str | None, config: str | None, revision: str | None) -> Table:
    import datasets

    try:
        loaded: Any = datasets.load_dataset(source, config, revision=revision)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"Data set {source!r} could not be loaded from the Hub: {reason}") from error
    split = split or ("train" if "train" in loaded else next(iter(loaded)))
    if split not in loaded:
        raise DataError(f"Data set {source!r} has the splits {', '.join(loaded)}, but got {split!r}.")
    rows = loaded[split]
    columns = {name: list(rows[name]) for name in rows.column_names}
    numbers = [f"row {row}" for row in range(1, len(rows) + 1)]
    if not numbers:
        raise DataError(f"Data set {source!r}, split {split!r}, has no rows.")
    return Table(columns, f"{source} ({split})", numbers, class_names(rows.features))


def _find_column(table: Table, wanted: str, default: str, aliases: Sequence[str]) -> str:
    """The column called `wanted`, or where that is the default and absent, its first usual name in any case."""
    if wanted in table.columns:
        return wanted
    if wanted == default:
        lowered = {name.strip().lower(): name for name in reversed(list(table.columns))}
        for alias in aliases:
            if alias in lowered:
                return lowered[alias]
    raise DataError(
        f"{table.name} has no column {wanted!r}; its columns are {', '.join(map(repr, table.columns))}. "
        f"Name one as the {default} column."
    )


def _read_texts(table: Table, column: str) -> list[str]:
    texts = []
    for row, value in enumerate(table.columns[column]):
        if not isinstance(value, str) or not value.strip():
            shown = "is missing" if value is None or value == "" else f"must be a text, but is {value!r}"
            raise DataError(f"{table.name}, {table.rows[row]}: the text in column {column!r} {shown}.")
        texts.append(value)
    return texts


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _read_label(table: Table, row: int, value: Any, column: str, names: list[str] | None) -> str:
    place = f"{table.name}, {table.rows[row]}"
    if value is None or (isinstance(value, float) and value != value) or (isinstance(value, str) and not value.strip()):
        raise DataError(f"{place}: the label in column {column!r} is missing.")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        if not isinstance(value, bool):
            raise DataError(f"{place}: the label in column {column!r} must be a string or a number, but is {value!r}.")
        return str(value)
    if names is not None:
        if not isinstance(value, int) or not 0 <= value < len(names):
            # The Hub's convention: -1 stands for a withheld label.
            raise DataError(f"{place}: the label {value!r} is none of the {len(names)} declared classes (withheld?).")
        return names[value]
    # pandas turns a column of whole numbers into floats as soon as one is missing.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _read_labels(table: Table, row: int, value: Any, column: str, names: list[str] | None, separator: str) -> list[str]:
    """Several labels of one text; none at all is allowed, and is an empty string or list."""
    if isinstance(value, str):
        parts: list[Any] = [part for part in value.split(separator) if part.strip()]
    elif _is_list(value):
        parts = list(value)
    else:
        parts = [value]
    labels = [_read_label(table, row, part, column, names) for part in parts]
    return list(dict.fromkeys(labels))
