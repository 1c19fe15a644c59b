"""Labels of any common form become targets: class numbers, or 0/1 per label for multi-label heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

_ROWS = list | tuple | set | frozenset


class UnknownLabelError(ValueError):
    """A name that is none of the known labels."""


@dataclass(frozen=True)
class EncodedLabels:
    """Targets of a head.

    Args:
        targets: Class numbers, int64 of shape (n,); for multi-label data 0/1, float32 of shape (n, k).
        n_classes: Number k of classes or labels.
        names: Names of the classes by number, or None where the labels are numbers without names.
    """

    targets: Tensor
    n_classes: int
    names: list[str] | None


def encode_labels(
    labels: Any,
    *,
    label_names: Sequence[str] | None = None,
    multitarget: bool = False,
    n_classes: int | None = None,
    allow_gaps: bool = False,
    argument: str = "labels",
) -> EncodedLabels:
    """Turn labels into targets.

    Args:
        labels: Integers, strings, bools, or (multi-label) 0/1 rows or rows of names; a list, array, tensor, series or
            column.
        label_names: Names of the classes by number. None: the sorted distinct strings, where labels are strings.
        multitarget: Whether each sample has any number of labels.
        n_classes: How many outputs the head has, where that is known: integers below it may leave some out, and
            0/1 rows must be as long.
        allow_gaps: Whether any integers may leave some classes out.
        argument: What errors call the labels.

    Raises:
        TypeError: Labels of mixed or unusable types.
        ValueError: No labels, missing values, wrong shapes, or labels out of range.
    """
    names = _check_names(label_names)
    values = _to_sequence(labels, argument)
    if len(values) == 0:
        raise ValueError(f"Argument `{argument}` must hold at least one label, but it is empty.")
    nested = _is_nested(values)
    if multitarget:
        if not nested:
            raise ValueError(
                f"Argument `{argument}` must hold one row of 0/1, or of names, per sample, since the head was made "
                f"with multitarget=True, but got single labels such as {values[0]!r}."
            )
        if _hold_names(values):
            return _encode_name_rows(values, names, n_classes, argument)
        return _encode_rows(values, names, n_classes, argument)
    if nested:
        raise ValueError(
            f"Argument `{argument}` must hold one label per sample, but got rows such as {_short(values[0])}; "
            "for several labels per sample make the head with multitarget=True."
        )
    if isinstance(values[0], str):
        return _encode_strings(values, names, argument)
    return _encode_integers(values, names, math.inf if allow_gaps else n_classes or 0, argument)


def encode_name_rows(
    labels: Any, *, label_names: Sequence[str] | None = None, argument: str = "labels"
) -> EncodedLabels | None:
    """Targets of rows of names (each sample's labels, none to all), or None where the labels are anything else.

    Raises:
        TypeError, ValueError: As of `encode_labels`.
    """
    values = _to_sequence(labels, argument)
    if len(values) == 0 or not _hold_names(values):
        return None
    return _encode_name_rows(values, _check_names(label_names), None, argument)


def _check_names(label_names: Sequence[str] | None) -> list[str] | None:
    if label_names is None:
        return None
    if isinstance(label_names, str):
        raise TypeError(f"Argument `label_names` must be a sequence of names, but got {label_names!r}.")
    names = [str(name) for name in label_names]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"Argument `label_names` must hold distinct names, but {repeated} occur more than once.")
    if not names:
        raise ValueError("Argument `label_names` must hold at least one name, but it is empty.")
    return names


def _to_sequence(labels: Any, argument: str) -> Any:
    """An array where the labels are one already, else a list."""
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu()
        return (labels.float() if labels.dtype == torch.bfloat16 else labels).numpy()
    if isinstance(labels, np.ndarray) and labels.dtype != object:
        return labels if labels.dtype.kind in "biuf" else labels.tolist()
    if isinstance(labels, str) or not hasattr(labels, "__iter__"):
        raise TypeError(f"Argument `{argument}` must be a sequence of labels, but got {labels!r}.")
    return list(labels)


def _is_nested(values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return values.ndim > 1
    return isinstance(values[0], _ROWS) or getattr(values[0], "ndim", 0) > 0


def _hold_names(rows: Any) -> bool:
    if isinstance(rows, np.ndarray):
        return False
    return any(isinstance(item, str) for row in rows if isinstance(row, _ROWS) for item in row)


def _encode_strings(values: Sequence[Any], names: list[str] | None, argument: str) -> EncodedLabels:
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise TypeError(
                f"Argument `{argument}` must hold labels of one type, but row {row} holds {value!r} among strings."
            )
    if names is None:
        names = sorted({str(value) for value in values})
    numbers = {name: number for number, name in enumerate(names)}
    for row, value in enumerate(values):
        if value not in numbers:
            raise UnknownLabelError(
                f"Argument `{argument}` must hold only known labels ({', '.join(map(repr, names))}), "
                f"but row {row} holds {value!r}."
            )
    targets = torch.tensor([numbers[value] for value in values], dtype=torch.int64)
    return EncodedLabels(targets, len(names), names)


def _encode_integers(values: Any, names: list[str] | None, n_known: float, argument: str) -> EncodedLabels:
    numbers = values if isinstance(values, np.ndarray) else _numbers_of(values, argument)
    boolean = numbers.dtype.kind == "b"
    _check_whole(numbers, argument)
    numbers = numbers.astype(np.int64)
    row = int(numbers.argmin())
    if numbers[row] < 0:
        raise ValueError(f"Argument `{argument}` must hold class numbers from 0, but row {row} holds {numbers[row]}.")
    row = int(numbers.argmax())
    largest = int(numbers[row])
    if names is not None:
        if largest >= len(names):
            raise ValueError(
                f"Argument `{argument}` must hold class numbers below {len(names)}, the number of label names, "
                f"but row {row} holds {largest}."
            )
        return EncodedLabels(torch.from_numpy(numbers), len(names), names)
    if largest >= n_known:
        present = np.unique(numbers)
        if len(present) != largest + 1 and not boolean:
            shown = ", ".join(map(str, present[:8])) + (", .." if len(present) > 8 else "")
            raise ValueError(
                f"Argument `{argument}` must hold the class numbers 0, 1, .. without gaps, but got {shown}; "
                "use strings, or give `label_names`, or the head's out_features."
            )
    return EncodedLabels(torch.from_numpy(numbers), max(largest + 1, 2 if boolean else 1), None)


def _encode_name_rows(
    values: Sequence[Any], names: list[str] | None, n_classes: int | None, argument: str
) -> EncodedLabels:
    """Rows that list the names of a sample's labels, none to all."""
    for index, row in enumerate(values):
        if isinstance(row, str) or not isinstance(row, _ROWS | np.ndarray):
            raise TypeError(f"Argument `{argument}` must hold a list of names per sample, but row {index} is {row!r}.")
        for item in row:
            if not isinstance(item, str):
                raise TypeError(
                    f"Argument `{argument}` must hold rows of names, or of 0/1, but row {index} holds {item!r} though "
                    "other rows hold names."
                )
    if names is None:
        names = sorted({str(item) for row in values for item in row})
    if n_classes is not None and n_classes != len(names):
        raise ValueError(f"Argument `{argument}` must hold {n_classes} labels, but got {len(names)}: {names}.")
    numbers = {name: number for number, name in enumerate(names)}
    targets = torch.zeros(len(values), len(names))
    for index, row in enumerate(values):
        for item in row:
            if item not in numbers:
                raise UnknownLabelError(
                    f"Argument `{argument}` must hold only known labels ({', '.join(map(repr, names))}), "
                    f"but row {index} holds {item!r}."
                )
            targets[index, numbers[item]] = 1.0
    return EncodedLabels(targets, len(names), names)


def _encode_rows(values: Any, names: list[str] | None, n_classes: int | None, argument: str) -> EncodedLabels:
    if not isinstance(values, np.ndarray):
        for index, row in enumerate(values):
            if not isinstance(row, list | tuple | Tensor | np.ndarray):
                raise TypeError(f"Argument `{argument}` must hold rows of 0/1, but row {index} is {row!r}.")
        rows = [row.tolist() if isinstance(row, Tensor | np.ndarray) else list(row) for row in values]
        widths = {len(row) for row in rows}
        if len(widths) > 1:
            raise ValueError(f"Argument `{argument}` must hold rows of one length, but got lengths {sorted(widths)}.")
        for index, row in enumerate(rows):
            for value in row:
                if not isinstance(value, Real):
                    raise TypeError(f"Argument `{argument}` must hold rows of 0/1, but row {index} holds {value!r}.")
        values = np.array(rows, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"Argument `{argument}` must have shape (n, k) with multitarget=True, but got {values.shape}.")
    wrong = ~np.isin(values, (0, 1)).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"Argument `{argument}` must hold rows of 0/1, but row {row} is {_short(values[row])}.")
    width = values.shape[1]
    if names is not None and len(names) != width:
        raise ValueError(f"Argument `label_names` must hold one name per label ({width}), but got {len(names)}.")
    if n_classes is not None and n_classes != width:
        raise ValueError(f"Argument `{argument}` must have {n_classes} columns, but got {width}.")
    return EncodedLabels(torch.from_numpy(values.astype(np.float32)), width, names)


def _numbers_of(values: Sequence[Any], argument: str) -> np.ndarray:
    for row, value in enumerate(values):
        value = value.item() if isinstance(value, Tensor | np.generic) else value
        if value is None:
            raise ValueError(f"Argument `{argument}` must hold a label for every sample, but row {row} holds None.")
        if not isinstance(value, Real):
            raise TypeError(
                f"Argument `{argument}` must hold integers or strings, all of one type, but row {row} holds {value!r}."
            )
    plain = [value.item() if isinstance(value, Tensor | np.generic) else value for value in values]
    if all(isinstance(value, bool) for value in plain):
        return np.array(plain, dtype=bool)
    if all(isinstance(value, Integral) for value in plain):
        return np.array(plain, dtype=np.int64)
    return np.array(plain, dtype=np.float64)


def _check_whole(numbers: np.ndarray, argument: str) -> None:
    if numbers.dtype.kind != "f":
        return
    wrong = ~np.isfinite(numbers) | (numbers != np.floor(numbers))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"Argument `{argument}` must hold whole numbers or strings, but row {row} holds {numbers[row]}."
        )


def _short(row: Any) -> str:
    values = row.tolist() if isinstance(row, Tensor | np.ndarray) else row
    text = repr(values)
    return text if len(text) <= 60 else text[:57] + "..."
