"""Argument checks shared by every layer: each error names the argument, the value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any


def check_int(name: str, value: Any, *, minimum: int | None = None, maximum: int | None = None) -> int:
    """Return `value` as an int, or raise naming `name`, `value` and the allowed range.

    Raises:
        TypeError: `value` is not an integer (bools are refused too).
        ValueError: `value` lies outside [minimum, maximum].
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"Argument `{name}` must be an integer, but got {value!r}.")
    number = int(value)
    _check_range(name, number, minimum, maximum)
    return number


def check_float(name: str, value: Any, *, minimum: float | None = None, maximum: float | None = None) -> float:
    """Return `value` as a finite float, or raise naming `name`, `value` and the allowed range.

    Raises:
        TypeError: `value` is not a real number.
        ValueError: `value` is NaN, infinite or outside [minimum, maximum].
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"Argument `{name}` must be a number, but got {value!r}.")
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond what a float holds
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"Argument `{name}` must be finite, but got {value!r}.")
    _check_range(name, number, minimum, maximum)
    return number


def check_probability(name: str, value: Any) -> float:
    """Return `value` as a float in [0, 1], or raise naming `name` and `value`."""
    return check_float(name, value, minimum=0.0, maximum=1.0)


def check_bool(name: str, value: Any) -> bool:
    """Return `value` if it is a bool, or raise naming `name` and `value`."""
    if not isinstance(value, bool):
        raise TypeError(f"Argument `{name}` must be True or False, but got {value!r}.")
    return value


def check_choice(name: str, value: Any, choices: Collection[Any]) -> Any:
    """Return `value` if it is one of `choices`, or raise listing them."""
    if value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"Argument `{name}` must be one of {allowed}, but got {value!r}.")
    return value


def _check_range(name: str, number: float, minimum: float | None, maximum: float | None) -> None:
    too_small = minimum is not None and number < minimum
    too_large = maximum is not None and number > maximum
    if not (too_small or too_large):
        return
    if minimum is not None and maximum is not None:
        allowed = f"between {minimum} and {maximum}"
    elif minimum is not None:
        allowed = f"at least {minimum}"
    else:
        allowed = f"at most {maximum}"
    raise ValueError(f"Argument `{name}` must be {allowed}, but got {number!r}.")
