"""`Factor`: a setting that a search or a screening design varies, and between which values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from setfit_quantum.checks import check_bool, check_float
from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.training import HeadTrainingArguments

DEFAULT_SPACE: dict[str, Any] = {
    "head.n_qubits": [4, 6, 8, 10],
    "head.n_reuploads": {"low": 1, "high": 4},
    "head.n_layers": {"low": 1, "high": 3},
    "head.preprocessing": [None, "center"],
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "batch_size": [8, 16, 32],
    "lr_schedule": ["constant", "cosine"],
}
"""What is varied by default: the circuit's size, the scale of the embeddings, and how fast the head learns."""

HEAD_SETTINGS = frozenset(field.name for field in fields(QuantumHeadConfig)) - {
    *("in_features", "out_features", "ansatz", "noise", "multitarget", "temperature", "seed"),
}
TRAINING_SETTINGS = frozenset(field.name for field in fields(HeadTrainingArguments)) - {
    *("validation_split", "metric", "greater_is_better", "select_best", "class_weights", "calibrate", "seed"),
    *("checkpoint_dir", "save_every", "save_total_limit", "resume", "show_progress_bar", "log_every", "eval_every"),
    "device",
}


@dataclass(frozen=True)
class Factor:
    """A setting and its values: a list of choices, or a range.

    Args:
        name: `head.NAME`, or without a dot the name of a setting of training.
        choices: The values; None: a range.
        low: Smallest value of a range; whole numbers if both ends are.
        high: Greatest value.
        log: Whether a range is even in the logarithm.

    Raises:
        TypeError, ValueError: Naming the setting and what is allowed.
    """

    name: str
    choices: tuple[Any, ...] | None = None
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def __post_init__(self) -> None:
        part, dot, setting = self.name.rpartition(".")
        known = HEAD_SETTINGS if dot and part == "head" else TRAINING_SETTINGS if not dot else frozenset()
        if setting not in known:
            raise ValueError(
                f"Setting {self.name!r} cannot be varied; of the head these can, written as `head.NAME`: "
                f"{', '.join(sorted(HEAD_SETTINGS))}; and of training: {', '.join(sorted(TRAINING_SETTINGS))}."
            )
        if self.choices is not None:
            if len(self.choices) < 2 or len({json.dumps(value) for value in self.choices}) < len(self.choices):
                raise ValueError(
                    f"Setting {self.name!r} must have two different values at least, but got {list(self.choices)}."
                )
            return
        low, high = check_float(f"{self.name}.low", self.low), check_float(f"{self.name}.high", self.high)
        check_bool(f"{self.name}.log", self.log)
        if not low < high or not math.isfinite(low) or not math.isfinite(high):
            raise ValueError(f"Setting {self.name!r} must have a low below its high, but got {low} and {high}.")
        if self.log and low <= 0:
            raise ValueError(f"Setting {self.name!r} must have a low above 0 with log, but got {low}.")

    @property
    def is_whole(self) -> bool:
        """Whether a range is one of whole numbers."""
        return self.choices is None and isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def is_ordered(self) -> bool:
        """Whether values are numbers, so that more and less of them have a meaning."""
        return self.choices is None or all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in self.choices
        )

    def at(self, place: float) -> Any:
        """The value at a place in [0, 1): choices and whole numbers have equal shares of it."""
        if self.choices is not None:
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        low, high = self._scaled(self.low), self._scaled(self.high)
        if self.is_whole and not self.log:
            return int(min(self.low + math.floor(place * (self.high - self.low + 1)), self.high))
        value = self._unscaled(low + place * (high - low))
        return int(min(max(round(value), self.low), self.high)) if self.is_whole else float(f"{value:.4g}")

    def coordinate(self, value: Any) -> float:
        """Where a value lies between the first (-1) and the last (1), in the logarithm with `log`."""
        if self.choices is not None:
            return 2 * self.choices.index(value) / (len(self.choices) - 1) - 1
        low, high = self._scaled(self.low), self._scaled(self.high)
        return 2 * (self._scaled(value) - low) / (high - low) - 1

    def ends(self) -> tuple[Any, Any]:
        """The first and the last value."""
        return (self.low, self.high) if self.choices is None else (self.choices[0], self.choices[-1])

    def suggest(self, trial: Any) -> Any:
        """Let an Optuna trial choose a value."""
        if self.choices is not None:
            return trial.suggest_categorical(self.name, list(self.choices))
        if self.is_whole:
            return trial.suggest_int(self.name, self.low, self.high, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def to_json(self) -> Any:
        """As in a file."""
        if self.choices is not None:
            return list(self.choices)
        return {"low": self.low, "high": self.high} | ({"log": True} if self.log else {})

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else float(value)

    def _unscaled(self, value: float) -> float:
        return math.exp(value) if self.log else value


def parse_space(values: Any, place: str = "space") -> tuple[Factor, ...]:
    """Factors from JSON: `{"head.n_qubits": [4, 6], "learning_rate": {"low": 0.001, "high": 0.1, "log": true}}`.

    Args:
        values: Lists of choices, or ranges, by setting.
        place: Where they come from, for messages.

    Raises:
        TypeError, ValueError: Naming the setting and what is allowed.
    """
    if not isinstance(values, Mapping) or not values:
        raise ValueError(f"{place} must be a JSON object with one entry per setting, but is {values!r}.")
    factors = []
    for name, value in values.items():
        if isinstance(value, list | tuple):
            factors.append(Factor(name, tuple(value)))
        elif isinstance(value, Mapping) and {"low", "high"} <= set(value) <= {"low", "high", "log"}:
            factors.append(Factor(name, **value))
        else:
            raise ValueError(
                f"{place}: {name!r} must be a list of values or an object with low, high and, if wanted, log, "
                f"but is {value!r}."
            )
    return tuple(factors)


def load_space(path: Path) -> tuple[Factor, ...]:
    """Read `parse_space`'s JSON from a file.

    Raises:
        FileNotFoundError, TypeError, ValueError: No such file, or not such values.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"File {str(path)!r} is not JSON ({error}).") from None
    return parse_space(values, f"File {str(path)!r}")


def choose_space(path: Path | None, fixed: Sequence[str], default: Mapping[str, Any]) -> tuple[Factor, ...]:
    """The space of a file, or the default one without the settings that are fixed.

    Args:
        path: The file, or None.
        fixed: Dotted names of settings that the user gave values.
        default: The default space.

    Raises:
        ValueError: The file varies what is fixed, or nothing is left to vary.
    """
    if path is not None:
        space = load_space(path)
        twice = [factor.name for factor in space if factor.name in fixed]
        if twice:
            raise ValueError(f"File {str(path)!r} varies {', '.join(twice)}, which options fix.")
        return space
    left = {name: values for name, values in default.items() if name not in fixed}
    if not left:
        raise ValueError("Options fix every setting that would be varied.")
    return parse_space(left)


def split_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the head and of training, without their dots."""
    head = {name.partition(".")[2]: value for name, value in settings.items() if "." in name}
    return head, {name: value for name, value in settings.items() if "." not in name}
