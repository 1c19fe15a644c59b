"""What a circuit is run with: a noise level and a number of shots, or neither."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from setfit_quantum.checks import check_int
from setfit_quantum.noise import NoiseModel
from setfit_quantum.noise.presets import NOISE_PRESETS

NOISELESS = "none"
EXACT = "exact"


@dataclass(frozen=True)
class Condition:
    """A noise model and a number of shots; without both, expectations are exact.

    Args:
        noise: Noise model, or None.
        shots: Shots per text, or None.

    Example:
        >>> Condition.parse("paper-low:8192").name
        'paper-low, 8192 shots'
    """

    noise: NoiseModel | None = None
    shots: int | None = None

    def __post_init__(self) -> None:
        if self.shots is not None:
            check_int("shots", self.shots, minimum=1)

    @classmethod
    def parse(cls, text: str) -> Condition:
        """`exact`, or a noise preset (or `none`) and optionally a number of shots, as in `paper-low:8192`.

        Raises:
            ValueError: Anything else.
        """
        noise, colon, shots = text.strip().partition(":")
        if noise == EXACT and not colon:
            return cls()
        if colon and not shots.isdecimal():
            raise ValueError(f"A condition must be {EXACT}, PRESET or PRESET:SHOTS, but got {text!r}.")
        return cls(parse_noise(noise), int(shots or 0) or None)

    @property
    def noise_name(self) -> str:
        """The preset's name, `none`, or `custom noise`."""
        if self.noise is None:
            return NOISELESS
        return self.noise.name or "custom noise"

    @property
    def name(self) -> str:
        """`exact`, or what is not exact about it."""
        parts = [] if self.noise is None else [self.noise_name]
        if self.shots is not None:
            parts.append(f"{self.shots} shots")
        return ", ".join(parts) or EXACT

    @property
    def is_exact(self) -> bool:
        """Whether expectations are exact."""
        return self.noise is None and self.shots is None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {"noise": None if self.noise is None else self.noise.to_dict(), "shots": self.shots}


def parse_noise(name: str) -> NoiseModel | None:
    """A preset's noise model; None for `none`.

    Raises:
        ValueError: Neither.
    """
    if name == NOISELESS:
        return None
    if name not in NOISE_PRESETS:
        raise ValueError(f"A noise level must be one of {', '.join([NOISELESS, *NOISE_PRESETS])}, but got {name!r}.")
    return NoiseModel.from_preset(name)


def build_grid(noise: Iterable[str], shots: Iterable[int]) -> dict[str, Condition]:
    """Every noise level with every number of shots (0: without shot noise), by name."""
    numbers = list(shots)
    for number in numbers:
        check_int("shots", number, minimum=0)
    return by_name(Condition(parse_noise(level), number or None) for level in noise for number in numbers)


def by_name(conditions: Iterable[Condition]) -> dict[str, Condition]:
    """Conditions by name, in their order, each once."""
    return {condition.name: condition for condition in conditions}


def check_conditions(argument: str, conditions: Mapping[str, Condition]) -> None:
    """Refuse an empty mapping, or one of other things.

    Raises:
        TypeError, ValueError: Naming the argument.
    """
    if not conditions:
        raise ValueError(f"Argument `{argument}` must have at least one condition, but is empty.")
    for name, condition in conditions.items():
        if not isinstance(condition, Condition):
            raise TypeError(f"Argument `{argument}` must map names to Conditions, but {name!r} is {condition!r}.")
