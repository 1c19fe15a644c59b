"""The gate alphabet: names, numbers of wires, and where a gate's angle comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from setfit_quantum.checks import check_float, check_int


class GateType(NamedTuple):
    """What is fixed about a gate by its name."""

    n_wires: int
    has_angle: bool
    is_real: bool
    """Whether the gate's matrix is real, so that real arithmetic can simulate it."""


# Names follow OpenQASM 3's standard library. In two-wire gates the control comes first.
GATE_TYPES: dict[str, GateType] = {
    "ry": GateType(1, True, True),
    "rx": GateType(1, True, False),
    "rz": GateType(1, True, False),
    "h": GateType(1, False, True),
    "x": GateType(1, False, True),
    "y": GateType(1, False, False),
    "z": GateType(1, False, True),
    "s": GateType(1, False, False),
    "sdg": GateType(1, False, False),
    "t": GateType(1, False, False),
    "tdg": GateType(1, False, False),
    "cx": GateType(2, False, True),
    "cy": GateType(2, False, False),
    "cz": GateType(2, False, True),
    "swap": GateType(2, False, True),
    "crx": GateType(2, True, False),
    "cry": GateType(2, True, True),
    "crz": GateType(2, True, False),
}


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate on given wires.

    A gate with an angle takes it from exactly one place: trainable weight number `weight`, input
    feature number `feature` (the latent angle of data re-uploading), or the constant `angle`.

    Args:
        name: A key of `GATE_TYPES`, e.g. `"ry"` or `"cx"`.
        wires: Qubits acted on; a controlled gate names its control first.
        weight: Index into the circuit's weights.
        feature: Index into the circuit's features.
        angle: A fixed angle in radians.

    Raises:
        ValueError: Unknown name, wrong or repeated wires, not exactly one source for the angle, a negative
            index or an angle that is not finite.

    Example:
        >>> Gate("ry", (0,), weight=3)
        Gate(name='ry', wires=(0,), weight=3, feature=None, angle=None)
    """

    name: str
    wires: tuple[int, ...]
    weight: int | None = None
    feature: int | None = None
    angle: float | None = None

    def __post_init__(self) -> None:
        if self.name not in GATE_TYPES:
            raise ValueError(f"Argument `name` must be one of {', '.join(GATE_TYPES)}, but got {self.name!r}.")
        kind = GATE_TYPES[self.name]
        if len(self.wires) != kind.n_wires or len(set(self.wires)) != kind.n_wires or min(self.wires) < 0:
            raise ValueError(f"Gate {self.name!r} needs {kind.n_wires} different wires >= 0, but got {self.wires!r}.")
        sources = sum(source is not None for source in (self.weight, self.feature, self.angle))
        if sources != int(kind.has_angle):
            needed = "exactly one of `weight`, `feature`, `angle`" if kind.has_angle else "no angle"
            raise ValueError(f"Gate {self.name!r} takes {needed}, but got {sources}.")
        for source in ("weight", "feature"):
            if getattr(self, source) is not None:
                check_int(source, getattr(self, source), minimum=0)
        if self.angle is not None:
            check_float("angle", self.angle)

    @property
    def is_parametric(self) -> bool:
        """Whether the angle is a weight or a feature (not a constant)."""
        return self.weight is not None or self.feature is not None
