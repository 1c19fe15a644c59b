"""`CardFacts`: what a model card says beyond the head itself, kept with the model as `model_card.json`."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from setfit_quantum import __version__
from setfit_quantum.checks import check_float, check_int
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.json_files import read_json, write_json
from setfit_quantum.serialization.layout import CARD_FACTS

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class CardResult:
    """One measured figure.

    Args:
        metric: Id of the metric, as the Hub knows it: `accuracy`, `f1`, ...
        value: Its value, a share.
        interval: Interval of the value, or None where nobody computed one.
        interval_method: How it was computed, for example `"95 % Wilson interval"`.
        dataset: Id of the data on the Hub, or what they are called here.
        dataset_name: Their name for people; None: `dataset`.
        split: Split that was measured on.
        n_examples: Number of examples measured on.
        head: The head it belongs to, in words; None: the model's own.
        parameters: Its number of trained parameters, where known.
        metric_name: Name of the metric for people; None: its id.

    Raises:
        TypeError, ValueError: Naming the argument, its value and what is allowed.
    """

    metric: str
    value: float
    interval: tuple[float, float] | None = None
    interval_method: str | None = None
    dataset: str = "unknown"
    dataset_name: str | None = None
    split: str = "test"
    n_examples: int | None = None
    head: str | None = None
    parameters: int | None = None
    metric_name: str | None = None

    def __post_init__(self) -> None:
        for name in ("metric", "dataset", "split"):
            _check_text(name, getattr(self, name))
        for name in ("interval_method", "dataset_name", "head", "metric_name"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        check_float("value", self.value)
        for name in ("n_examples", "parameters"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), minimum=0)
        if self.interval is None:
            return
        if not isinstance(self.interval, tuple | list) or len(self.interval) != 2:
            raise TypeError(f"Argument `interval` must be two numbers, but got {self.interval!r}.")
        low, high = (check_float("interval", bound) for bound in self.interval)
        if not low <= self.value <= high:
            raise ValueError(f"Argument `interval` must hold the value {self.value}, but got {self.interval!r}.")
        object.__setattr__(self, "interval", (low, high))


@dataclass(frozen=True)
class CardFacts:
    """What is known of a model beside its head and body. Immutable; `with_changes` makes a changed copy.

    Args:
        model_name: Title of the card.
        model_id: Id of the model on the Hub.
        base_model: Id of the body on the Hub.
        language: Codes of the languages of the training texts (`"en"`).
        license: The model's licence, by the Hub's id.
        datasets: Ids of the training data on the Hub.
        training: How it was trained: one line of a table each.
        results: What was measured with this model.
        comparisons: What was measured with other heads on the same embeddings and data.
        versions: Versions of the libraries that trained it.
        library_version: Version of this package that wrote the facts.

    Raises:
        TypeError, ValueError: Naming the argument, its value and what is allowed.
    """

    model_name: str | None = None
    model_id: str | None = None
    base_model: str | None = None
    language: tuple[str, ...] = ()
    license: str | None = None
    datasets: tuple[str, ...] = ()
    training: Mapping[str, Scalar] = field(default_factory=dict)
    results: tuple[CardResult, ...] = ()
    comparisons: tuple[CardResult, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    library_version: str = __version__

    def __post_init__(self) -> None:
        _check_text("library_version", self.library_version)
        for name in ("model_name", "model_id", "base_model", "license"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        for name in ("model_id", "base_model"):  # these stand in links and in code that people copy
            value = getattr(self, name)
            if value is not None and not _HUB_ID.fullmatch(value):
                raise ValueError(f"Argument `{name}` must be an id on the Hub, but got {value!r:.100}.")
        for name in ("language", "datasets"):
            values = getattr(self, name)
            if isinstance(values, str) or not isinstance(values, tuple | list):
                raise TypeError(f"Argument `{name}` must be a sequence of texts, but got {values!r}.")
            object.__setattr__(self, name, tuple(_check_text(name, value) for value in values))
        for name in ("training", "versions"):
            _check_table(name, getattr(self, name))
        for name in ("results", "comparisons"):
            values = getattr(self, name)
            if not isinstance(values, tuple | list) or not all(isinstance(value, CardResult) for value in values):
                raise TypeError(f"Argument `{name}` must be a sequence of CardResult, but got {values!r}.")
            object.__setattr__(self, name, tuple(values))

    def with_changes(self, **changes: Any) -> CardFacts:
        """A validated copy with some facts changed."""
        return replace(self, **changes)

    def with_result(self, result: CardResult, *, compared: bool = False) -> CardFacts:
        """A copy with one more figure, instead of a former one of the same head, metric, data and split."""
        name = "comparisons" if compared else "results"
        kept = [one for one in getattr(self, name) if _identity(one) != _identity(result)]
        return self.with_changes(**{name: (*kept, result)})

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON-ready values."""
        values = asdict(self)
        for name in ("language", "datasets", "results", "comparisons"):
            values[name] = list(values[name])
        for result in (*values["results"], *values["comparisons"]):
            result["interval"] = None if result["interval"] is None else list(result["interval"])
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CardFacts:
        """Rebuild facts from what `to_dict` gave.

        Raises:
            TypeError, ValueError: Unknown or missing keys, or values of the wrong kind.
        """
        _check_keys("facts", values, cls)
        changed = dict(values)
        for name in ("results", "comparisons"):
            changed[name] = tuple(_read_result(name, item) for item in _check_list(name, changed[name]))
        return cls(**changed)


def write_facts(folder: Path, facts: CardFacts) -> None:
    """Write `model_card.json`."""
    write_json(folder / CARD_FACTS, {"facts": facts.to_dict()})


def read_facts(folder: Path) -> CardFacts:
    """Read `model_card.json`; no facts where there is none.

    Raises:
        ModelFileError: Naming the file and the field.
    """
    path = folder / CARD_FACTS
    if not os.path.lexists(path):
        return CardFacts()
    values = read_json(path, required=("facts",))["facts"]
    if not isinstance(values, Mapping):
        raise ModelFileError(path, "must be an object.", "facts")
    try:
        return CardFacts.from_dict(values)
    except (TypeError, ValueError) as error:
        raise ModelFileError(path, f"is not valid: {error}", "facts") from error


def _identity(result: CardResult) -> tuple[Any, ...]:
    return result.head, result.metric, result.dataset, result.split


def _read_result(name: str, values: Any) -> CardResult:
    if not isinstance(values, Mapping):
        raise TypeError(f"Argument `{name}` must hold objects, but got {values!r}.")
    _check_keys(name, values, CardResult)
    return CardResult(**values)


def _check_keys(name: str, values: Mapping[str, Any], kind: type[CardFacts | CardResult]) -> None:
    wrong = sorted(set(values) ^ {item.name for item in fields(kind)})
    if wrong:
        problem = "unknown" if wrong[0] in values else "missing"
        raise ValueError(f"Argument `{name}` has the wrong keys: {wrong[0]!r} is {problem}.")


def _check_list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"Argument `{name}` must be a list, but got {value!r}.")
    return list(value)


def _check_text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"Argument `{name}` must be a text that is not empty, but got {value!r}.")
    return value


def _check_table(name: str, values: Any) -> None:
    if not isinstance(values, Mapping):
        raise TypeError(f"Argument `{name}` must be a mapping, but got {values!r}.")
    for key, value in values.items():
        _check_text(name, key)
        if value is not None and not isinstance(value, str | int | float):
            raise TypeError(f"Argument `{name}` must hold texts and numbers, but {key!r} is {value!r}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"Argument `{name}` must hold finite numbers, but {key!r} is {value!r}.")
