"""Reading csv, tsv, json, jsonl and parquet files into columns, with errors that name file and row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setfit_quantum.data.examples import DataError

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Table:
    """Columns of equal length.

    Args:
        columns: Column name -> values, one per row.
        name: Where the rows come from, for messages.
        rows: For each row what a person would look for in the source: "line 7" or "row 7".
        class_names: Column name -> names of the classes that its integers stand for.
    """

    columns: Mapping[str, list[Any]]
    name: str
    rows: list[str]
    class_names: Mapping[str, list[str]]


def read_table(path: Path, *, encoding: str = "utf-8", delimiter: str | None = None, known: Collection[str]) -> Table:
    """Read a file by its suffix.

    Args:
        path: A .csv, .tsv, .json, .jsonl or .parquet file.
        encoding: Text encoding; a byte order mark is dropped.
        delimiter: Column delimiter of csv and tsv files; None: a tab for .tsv, else the one of `,`, `;` and tab
            that makes a known column appear in the header.
        known: Column names, in lower case, by which a header is recognised.

    Raises:
        DataError: Missing, empty, undecodable or malformed file, or an unknown suffix.
    """
    if not path.is_file():
        raise DataError(f"File {str(path)!r} does not exist or is not a file.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"File {str(path)!r} must end in one of {', '.join(SUFFIXES)}.")
    if suffix == ".parquet":
        return _read_parquet(path)
    text = _read_text(path, encoding)
    if not text.strip():
        raise DataError(f"File {str(path)!r} is empty.")
    if suffix == ".jsonl":
        return _read_json_lines(text, path)
    if suffix == ".json":
        return _read_json(text, path)
    return _read_delimited(text, path, delimiter, known)


def _read_text(path: Path, encoding: str) -> str:
    try:
        return path.read_bytes().decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"File {str(path)!r} is not {encoding} text (byte {error.start}); name its encoding, such as "
            "latin-1 or utf-16."
        ) from None
    except LookupError:
        raise DataError(f"Argument `encoding` must be an encoding that Python knows, but got {encoding!r}.") from None
    except OSError as error:
        raise DataError(f"File {str(path)!r} cannot be read: {error.strerror}.") from None


def _read_delimited(text: str, path: Path, delimiter: str | None, known: Collection[str]) -> Table:
    is_tsv = path.suffix.lower() == ".tsv"
    if delimiter is None:
        delimiter = "\t" if is_tsv else _guess_delimiter(text, known)
    # A lone quote at the start of a field is common in tab-separated research data, which does not quote at all.
    # Strict parsing tells such files from those that spreadsheets and pandas write.
    try:
        records, lines = _parse(text, delimiter, csv.QUOTE_MINIMAL)
        width = len(records[0])
        ragged = next((index for index, record in enumerate(records) if len(record) != width), None)
        if ragged is not None:
            raise csv.Error(f"{len(records[ragged])} fields where the first row has {width} (line {lines[ragged]})")
    except csv.Error as error:
        if not is_tsv:
            raise DataError(f"File {str(path)!r} is malformed: {error}.") from None
        records, lines = _parse(text, delimiter, csv.QUOTE_NONE)
        _check_width(records, lines, path)
    header = records[0]
    has_header = not is_tsv or any(field.strip().lower() in known for field in header)
    if has_header:
        records, lines = records[1:], lines[1:]
    else:
        header = _name_columns(records, path)
    if not records:
        raise DataError(f"File {str(path)!r} has a header but no rows.")
    columns = {name: [record[index] for record in records] for index, name in enumerate(header)}
    return Table(columns, str(path), [f"line {line}" for line in lines], {})


def _parse(text: str, delimiter: str, quoting: Any) -> tuple[list[list[str]], list[int]]:
    """Non-blank records, and the line on which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    previous_limit = csv.field_size_limit(max(len(text), 1))
    records: list[list[str]] = []
    lines: list[int] = []
    try:
        while True:
            line = reader.line_num + 1
            try:
                record = next(reader)
            except StopIteration:
                return records, lines
            except csv.Error as error:
                raise csv.Error(f"{error} (line {line})") from None
            if any(record):
                records.append(record)
                lines.append(line)
    finally:
        csv.field_size_limit(previous_limit)


def _check_width(records: list[list[str]], lines: list[int], path: Path) -> None:
    width = len(records[0])
    for record, line in zip(records, lines, strict=True):
        if len(record) != width:
            raise DataError(f"File {str(path)!r}, line {line}: {len(record)} columns where the first row has {width}.")


def _guess_delimiter(text: str, known: Collection[str]) -> str:
    header = text.lstrip().splitlines()[0]
    for delimiter in DELIMITERS:
        fields = [field.strip().strip('"').lower() for field in header.split(delimiter)]
        if len(fields) > 1 and any(field in known for field in fields):
            return delimiter
    return ","


def _name_columns(records: list[list[str]], path: Path) -> list[str]:
    """Names for the columns of a tsv file without a header: text, label."""
    width = len(records[0])
    if width != 2:
        raise DataError(
            f"File {str(path)!r} has no header that names a text or label column, and {width} columns; without a "
            f"header it must have two: text and label. Its first row is {records[0]}."
        )
    labels = [record[1] for record in records]
    if len(labels) > 3 and labels.count(labels[0]) == 1:
        raise DataError(
            f"File {str(path)!r}: the first row, {records[0]}, looks like a header; name its text and label columns."
        )
    return ["text", "label"]


def _read_json_lines(text: str, path: Path) -> Table:
    records, rows = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"File {str(path)!r}, line {number}: not valid JSON ({error.msg}).") from None
        except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
            raise DataError(f"File {str(path)!r}, line {number}: cannot be read as JSON ({error}).") from None
        if not isinstance(record, dict):
            raise DataError(f"File {str(path)!r}, line {number}: must be a JSON object, but is {line.strip()[:60]!r}.")
        records.append(record)
        rows.append(f"line {number}")
    return _from_records(records, rows, path)


def _read_json(text: str, path: Path) -> Table:
    """A list of objects, an object of columns (lists, or pandas' row -> value), or one object per line."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return _read_json_lines(text, path)
        raise DataError(f"File {str(path)!r}, line {error.lineno}: not valid JSON ({error.msg}).") from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"File {str(path)!r}: cannot be read as JSON ({error}).") from None
    if isinstance(content, dict):
        columns = {name: list(v.values()) if isinstance(v, dict) else v for name, v in content.items()}
        if columns and all(isinstance(values, list) for values in columns.values()):
            lengths = {name: len(values) for name, values in columns.items()}
            if len(set(lengths.values())) != 1:
                raise DataError(f"File {str(path)!r}: columns differ in length: {lengths}.")
            count = next(iter(lengths.values()))
            return _non_empty(Table(columns, str(path), [f"row {row}" for row in range(1, count + 1)], {}))
        return _from_records([content], ["row 1"], path)
    if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        raise DataError(f"File {str(path)!r} must hold a list of JSON objects, or an object of columns.")
    return _from_records(content, [f"row {row}" for row in range(1, len(content) + 1)], path)


def _from_records(records: list[dict[str, Any]], rows: list[str], path: Path) -> Table:
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name) for record in records] for name in names}
    return _non_empty(Table(columns, str(path), rows, {}))


def _read_parquet(path: Path) -> Table:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise DataError(f"File {str(path)!r} is not a readable parquet file: {str(error).splitlines()[0]}") from None
    columns = table.to_pydict()
    rows = [f"row {row}" for row in range(1, table.num_rows + 1)]
    names = {}
    if b"huggingface" in (table.schema.metadata or {}):
        from datasets import Features

        names = class_names(Features.from_arrow_schema(table.schema))
    return _non_empty(Table(columns, str(path), rows, names))


def class_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Names of the classes of every column that a data set declares as (a list of) class labels."""
    names = {}
    for column, feature in features.items():
        if isinstance(feature, list) and feature:
            feature = feature[0]
        feature = getattr(feature, "feature", feature)
        if hasattr(feature, "int2str") and getattr(feature, "names", None):
            names[column] = list(feature.names)
    return names


def _non_empty(table: Table) -> Table:
    if not table.rows:
        raise DataError(f"File {table.name!r} has no rows.")
    return table
