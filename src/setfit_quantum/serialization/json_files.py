"""JSON files, read strictly: what cannot be understood is an error that names the file and the field."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

from setfit_quantum import __version__
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.layout import SCHEMA_VERSION
from setfit_quantum.serialization.migrations import migrate

_MAX_BYTES = 2**22
"""No settings file comes near this; a larger one is not ours and is not read into memory."""


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write `values` as JSON with the schema and library version in front."""
    header = {"schema_version": SCHEMA_VERSION, "library_version": __version__}
    path.write_text(json.dumps(header | dict(values), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Read a file that `write_json` wrote and return its values without the header.

    Args:
        path: The file.
        required: Keys that must be there.
        optional: Keys that may be there. Any other key is an error.

    Raises:
        ModelFileError: Naming the file and the field.
    """
    values = read_plain_json(path)
    version = _take_header(path, values)
    values = migrate(path, values, version, SCHEMA_VERSION)
    for key in required:
        if key not in values:
            raise ModelFileError(path, "is missing.", key)
    for key in values:
        if key not in required and key not in optional:
            raise ModelFileError(path, f"is unknown; allowed are {sorted([*required, *optional])}.", key)
    return values


def read_plain_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; duplicate keys, NaN and infinities are errors.

    Raises:
        ModelFileError: Naming the file.
    """
    text = _read_text(path)

    def refuse_constant(constant: str) -> NoReturn:
        raise ModelFileError(path, f"contains {constant}, which is not a JSON value.")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in pairs:
            if key in values:
                raise ModelFileError(path, "appears twice.", key)
            values[key] = value
        return values

    try:
        loaded = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=unique)
    except ModelFileError:
        raise
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of more digits than Python reads
        raise ModelFileError(path, f"is not valid JSON, perhaps truncated ({error}).") from error
    if not isinstance(loaded, dict):
        raise ModelFileError(path, f"must hold a JSON object, but holds a {type(loaded).__name__}.")
    return loaded


def _read_text(path: Path) -> str:
    # Not a pipe or a device: reading one may never end.
    if not is_regular_file(path):
        raise ModelFileError(path, "is missing." if not path.is_symlink() else "is a link that leads to no file.")
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ModelFileError(path, f"has more than {_MAX_BYTES} bytes, which no settings file has.")
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(path, f"is not text in UTF-8 ({error}).") from error
    except OSError as error:
        raise ModelFileError(path, f"cannot be read ({error}).") from error


def is_regular_file(path: Path) -> bool:
    """Whether there is a file that can be read to its end; False also for names that no file can have."""
    try:
        return path.is_file()
    except OSError:
        return False


def _take_header(path: Path, values: dict[str, Any]) -> int:
    """Take the header out of `values` and return the schema version."""
    version = values.pop("schema_version", None)
    if version is None:
        raise ModelFileError(path, "is missing.", "schema_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ModelFileError(path, f"must be a whole number of at least 1, but is {version!r}.", "schema_version")
    library = values.pop("library_version", None)
    if version > SCHEMA_VERSION:
        raise ModelFileError(
            path,
            f"is {version}, but this version of setfit-quantum reads up to {SCHEMA_VERSION}. The file was written by "
            f"setfit-quantum {library}: upgrade to that.",
            "schema_version",
        )
    if not isinstance(library, str):
        raise ModelFileError(path, f"must be a text, but is {library!r}.", "library_version")
    return version
