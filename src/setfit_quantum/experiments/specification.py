"""Specifications of studies: one JSON file per table and figure of the paper, checked before anything runs.

A specification has rows; a row with axes stands for several. Settings come from the specification, then the row, then
the level (one of `LEVELS`) of the specification, then the level of the row: `training`, `head` and `data`
are merged key by key, everything else is replaced.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from setfit_quantum.experiments.run_settings import BODY_COLUMNS, HEAD_KINDS

LEVELS = ("quick", "small", "default", "full")
"""Seconds on bundled data; minutes, few seeds and epochs; what two cores can do; the paper's whole grid."""
KINDS = ("heads", "energy")

_MERGED = ("training", "head", "data", "tuning")
_SETTINGS = {
    "seeds": int,
    "training": dict,
    "grid": dict,
    "axes": dict,
    "head": dict,
    "train_condition": str,
    "eval_condition": str,
    "eval_trajectories": (int, type(None)),
    "max_test": (int, type(None)),
    "keep_history": bool,
}
"""What a specification, a row and a level may set, and its type."""
_TOP = {
    "name": str,
    "kind": str,
    "title": str,
    "source": str,
    "notes": list,
    "data": dict,
    "body": (str, type(None)),
    "bodies": list,
    "tuning": dict,
    "reference": (str, type(None)),
    "plot": dict,
    "claims": list,
    "rows": list,
    "levels": dict,
    "energy": dict,
}
_ROW = {"name": str, "series": str, "levels": list, "at": dict, "paper": (int, float, dict), "parameters": (int, dict)}
_DATA = {"id": str, "parts": list, "per_class": (int, type(None)), "validation_fraction": float}
_PLOT = {"kind": str, "x": str, "x_label": str, "log": bool}
_CLAIM = {"text": str, "better": str, "than": str}
_PLOTS = ("lines", "bars", "history")


class SpecificationError(ValueError):
    """A specification that cannot be used; the message names the file and the field."""


@dataclass(frozen=True)
class Specification:
    """A checked specification.

    Args:
        name: Its name.
        values: Its contents.
    """

    name: str
    values: Mapping[str, Any] = field(repr=False)

    @property
    def kind(self) -> str:
        """`"heads"` or `"energy"`."""
        return str(self.values.get("kind", "heads"))

    @property
    def title(self) -> str:
        """What it reproduces."""
        return str(self.values["title"])

    def at_level(self, level: str) -> dict[str, Any]:
        """The contents at a level, without rows and levels.

        Raises:
            ValueError: Unknown level.
        """
        check_level(level)
        patch = self.values.get("levels", {}).get(level, {})
        base = {name: value for name, value in self.values.items() if name not in ("rows", "levels")}
        return merge(base, patch)

    def rows_at(self, level: str) -> list[dict[str, Any]]:
        """The rows at a level, each with everything that it inherits.

        Raises:
            ValueError: Unknown level.
        """
        check_level(level)
        patch = self.values.get("levels", {}).get(level, {})
        shared = {name: value for name, value in self.values.items() if name in _SETTINGS}
        of_level = {name: value for name, value in patch.items() if name in _SETTINGS}
        rows = []
        for row in self.values.get("rows", []):
            if level not in row.get("levels", LEVELS):
                continue
            own = {name: value for name, value in row.items() if name not in ("at", "levels")}
            settings = merge(_inherit(shared, row), own)
            axes = {name: value for name, value in of_level.get("axes", {}).items() if name in own.get("axes", {})}
            settings = merge(settings, _inherit(of_level, row) | {"axes": own.get("axes", {}) | axes})
            rows.append(merge(settings, row.get("at", {}).get(level, {})))
        return rows


def _inherit(shared: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Of shared settings what concerns a row: heads that scikit-learn or SetFit train have their own settings."""
    own_training = row["head"]["kind"] in ("logistic", "svc", "setfit")
    left_out = ("training", "grid", "head") if own_training else ()
    kept = {name: value for name, value in shared.items() if name not in left_out}
    if "head" in kept and row["head"]["kind"] != "quantum":
        del kept["head"]
    return kept


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `patch` laid over it."""
    merged = dict(base)
    for name, value in patch.items():
        merged[name] = {**merged.get(name, {}), **value} if name in _MERGED else value
    return merged


def check_level(level: str) -> str:
    """Return a level, or raise."""
    if level not in LEVELS:
        raise ValueError(f"Argument `level` must be one of {', '.join(LEVELS)}, but got {level!r}.")
    return level


def list_specifications() -> list[str]:
    """Names of the specifications that come with the package."""
    folder = resources.files("setfit_quantum.experiments") / "specs"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".json"))


def load_specification(name: str | Path) -> Specification:
    """Read and check a specification.

    Args:
        name: One of `list_specifications()`, or a JSON file.

    Raises:
        SpecificationError: There is none of this name, or it is not one.
    """
    if str(name).endswith(".json"):
        path = Path(name)
        if not path.is_file():
            raise SpecificationError(f"There is no specification {str(name)!r}.")
        text, place = path.read_text(encoding="utf-8"), str(path)
    else:
        name = str(name).replace("-", "_")  # `upper-bound` as well
        if name not in list_specifications():
            raise SpecificationError(
                f"There is no specification {str(name)!r}; there are {', '.join(list_specifications())}."
            )
        entry = resources.files("setfit_quantum.experiments") / "specs" / f"{name}.json"
        text, place = entry.read_text(encoding="utf-8"), f"specification {str(name)!r}"
    try:
        values = json.loads(text)
    except ValueError as error:
        raise SpecificationError(f"{place}: not JSON ({error}).") from None
    check_specification(values, place)
    return Specification(values["name"], values)


def check_specification(values: Any, place: str) -> None:
    """Refuse contents that are no specification.

    Raises:
        SpecificationError: Naming the place and the field.
    """
    if not isinstance(values, dict):
        raise SpecificationError(f"{place} must be a JSON object, but is {type(values).__name__}.")
    _check_fields(values, _TOP | _SETTINGS, place, needed=("name", "title", "source"))
    if values.get("kind", "heads") not in KINDS:
        raise SpecificationError(f"{place}: `kind` must be one of {', '.join(KINDS)}, but is {values['kind']!r}.")
    if values.get("kind", "heads") == "energy":
        return
    for name in ("data", "rows", "seeds"):
        if name not in values:
            raise SpecificationError(f"{place}: `{name}` is missing.")
    _check_fields(values["data"], _DATA, f"{place}: data", needed=("id",))
    _check_fields(values.get("plot", {}), _PLOT, f"{place}: plot")
    if values.get("plot", {}).get("kind", "bars") not in _PLOTS:
        raise SpecificationError(f"{place}: plot: `kind` must be one of {', '.join(_PLOTS)}.")
    for column in values.get("bodies", []):
        if column not in BODY_COLUMNS:
            raise SpecificationError(f"{place}: `bodies` must hold {' and '.join(BODY_COLUMNS)}, but has {column!r}.")
    for number, claim in enumerate(values.get("claims", [])):
        _check_fields(claim, _CLAIM, f"{place}: claims[{number}]", needed=tuple(_CLAIM))
    for level, patch in values.get("levels", {}).items():
        _check_level_name(level, place)
        patched = {**_SETTINGS, "data": dict, "body": (str, type(None)), "bodies": list, "notes": list, "tuning": dict}
        _check_fields(patch, patched, f"{place}: levels.{level}")
    names: set[str] = set()
    for number, row in enumerate(values["rows"]):
        _check_row(row, f"{place}: rows[{number}]")
        if row["name"] in names:
            raise SpecificationError(f"{place}: rows[{number}]: `name` {row['name']!r} occurs twice.")
        names.add(row["name"])


def _check_row(row: Any, place: str) -> None:
    _check_fields(row, _ROW | _SETTINGS, place, needed=("name", "head"))
    if row["head"].get("kind") not in HEAD_KINDS:
        raise SpecificationError(f"{place}: `head.kind` must be one of {', '.join(HEAD_KINDS)}.")
    for level in [*row.get("levels", []), *row.get("at", {})]:
        _check_level_name(level, place)
    for level, patch in row.get("at", {}).items():
        _check_fields(patch, _SETTINGS, f"{place}: at.{level}")
    for name, values in row.get("axes", {}).items():
        if not isinstance(values, list) or not values:
            raise SpecificationError(f"{place}: axes: {name!r} must be a list of values, but is {values!r}.")


def _check_level_name(level: str, place: str) -> None:
    if level not in LEVELS:
        raise SpecificationError(f"{place}: level {level!r} is none of {', '.join(LEVELS)}.")


def _check_fields(values: Any, allowed: Mapping[str, Any], place: str, needed: Iterable[str] = ()) -> None:
    if not isinstance(values, dict):
        raise SpecificationError(f"{place} must be a JSON object, but is {type(values).__name__}.")
    for name, value in values.items():
        if name not in allowed:
            raise SpecificationError(f"{place}: `{name}` is unknown; allowed are {', '.join(allowed)}.")
        kind = allowed[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise SpecificationError(f"{place}: `{name}` must be {_describe(kind)}, but is {value!r}.")
    for name in needed:
        if name not in values:
            raise SpecificationError(f"{place}: `{name}` is missing.")


def _describe(kind: Any) -> str:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join("null" if one is type(None) else one.__name__ for one in kinds)
