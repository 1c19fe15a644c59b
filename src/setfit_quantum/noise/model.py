"""`NoiseModel`: what goes wrong on the device that runs the second module, as validated data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from setfit_quantum.checks import check_bool, check_choice, check_float, check_probability
from setfit_quantum.circuit.gates import GATE_TYPES, Gate
from setfit_quantum.noise.channels import Channel, build_channels
from setfit_quantum.noise.conventions import CONVENTIONS, convert_rate
from setfit_quantum.noise.description import describe_noise
from setfit_quantum.noise.presets import NOISE_PRESETS

if TYPE_CHECKING:
    from setfit_quantum.circuit import Circuit

ReadoutPair: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class NoiseModel:
    """Gate, relaxation, rotation and readout errors. Immutable, hashable, with a JSON round trip.

    After each gate come, in this order: depolarizing on the gate's wires; then relaxation (T1, T2) of each of its
    wires for the gate's duration and for the time until that wire's next gate. Gates run in moments, each as early as
    its wires allow; a moment lasts as long as its longest gate, and the wires of shorter gates, or of none, wait.
    Time before a wire's first gate does nothing, because |0> does not relax.

    Args:
        p1: Total probability of a non-identity Pauli (X, Y, Z equally likely) after a one-qubit gate. Always in the
            `"pauli"` convention; `NoiseModel.depolarizing` takes the others.
        p2: The same for two-qubit gates (15 Paulis equally likely).
        readout: Flip probabilities `(p(1|0), p(0|1))` of reading 1 from |0> and 0 from |1>; one pair for all
            qubits, or one pair for each; None: no readout error.
        t1: Relaxation time T1 in seconds; None: infinite.
        t2: Coherence time T2 in seconds, at most 2 T1; None: as long as T1 allows.
        gate_time_1q: Duration of a one-qubit gate in seconds (with `t1` or `t2`).
        gate_time_2q: Duration of a two-qubit gate in seconds.
        rotation_scale: Coherent over-rotation: an angle becomes `rotation_scale * angle + rotation_offset`.
        rotation_offset: In radians.
        noisy_encoding: Whether the rotations that encode features are noisy like any other gate. False makes them
            perfect and instantaneous.
        convention: The convention in which the gate error rates were given; recorded for the model card.
        name: The preset's name, if it is one.

    Raises:
        TypeError, ValueError: Naming the argument, its value and what is allowed.

    Example:
        >>> NoiseModel.paper("low").to_dict()["p2"]
        0.001
    """

    p1: float = 0.0
    p2: float = 0.0
    readout: ReadoutPair | tuple[ReadoutPair, ...] | None = None
    t1: float | None = None
    t2: float | None = None
    gate_time_1q: float | None = None
    gate_time_2q: float | None = None
    rotation_scale: float = 1.0
    rotation_offset: float = 0.0
    noisy_encoding: bool = True
    convention: str = "pauli"
    name: str | None = None

    def __post_init__(self) -> None:
        for field in ("p1", "p2"):
            object.__setattr__(self, field, check_probability(field, getattr(self, field)))
        for field in ("rotation_scale", "rotation_offset"):
            object.__setattr__(self, field, check_float(field, getattr(self, field)))
        for field in ("t1", "t2", "gate_time_1q", "gate_time_2q"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, check_float(field, getattr(self, field), minimum=0.0))
        object.__setattr__(self, "readout", _check_readout(self.readout))
        check_bool("noisy_encoding", self.noisy_encoding)
        check_choice("convention", self.convention, CONVENTIONS)
        if self.name is not None and not isinstance(self.name, str):
            raise TypeError(f"Argument `name` must be a string or None, but got {self.name!r}.")
        self._check_times()

    def _check_times(self) -> None:
        for field in ("t1", "t2"):
            if getattr(self, field) == 0:
                raise ValueError(f"Argument `{field}` must be greater than 0 seconds, but got 0.0.")
        if self.t1 is not None and self.t2 is not None and self.t2 > 2 * self.t1:
            raise ValueError(f"Argument `t2` must be at most 2 * t1 = {2 * self.t1} seconds, but got {self.t2}.")
        relaxes = self.t1 is not None or self.t2 is not None
        for field in ("gate_time_1q", "gate_time_2q"):
            if relaxes and getattr(self, field) is None:
                raise ValueError(f"Argument `{field}` must be given with `t1` or `t2`, but got None.")
            if not relaxes and getattr(self, field) is not None:
                raise ValueError(f"Argument `{field}` needs `t1` or `t2`, but both are None.")

    @classmethod
    def depolarizing(
        cls,
        p1: float,
        p2: float,
        convention: str = "pauli",
        readout: ReadoutPair | Sequence[ReadoutPair] | None = None,
        *,
        noisy_encoding: bool = True,
    ) -> NoiseModel:
        """Depolarizing gate errors, given in any of four conventions (see `convert_rate`).

        Args:
            p1: Rate of one-qubit gates in `convention`.
            p2: Rate of two-qubit gates in `convention`.
            convention: `"pauli"`, `"qiskit"`, `"average_infidelity"` or `"process_infidelity"`.
            readout: See `NoiseModel`.
            noisy_encoding: See `NoiseModel`.
        """
        check_choice("convention", convention, CONVENTIONS)
        return cls(
            p1=_convert_named("p1", p1, 1, convention),
            p2=_convert_named("p2", p2, 2, convention),
            readout=readout,  # type: ignore[arg-type]  # __post_init__ turns sequences into tuples
            noisy_encoding=noisy_encoding,
            convention=convention,
        )

    @classmethod
    def paper(cls, level: str) -> NoiseModel:
        """The paper's `"low"` (1e-4, 1e-3) or `"high"` (2e-4, 2e-3) level.

        Source: arXiv 2504.08732, Sec. III.
        """
        return cls.from_preset(f"paper-{check_choice('level', level, ('low', 'high'))}")

    @classmethod
    def from_preset(cls, name: str) -> NoiseModel:
        """A named model; `setfit_quantum.noise.presets` has the figures, their convention and their source."""
        preset = NOISE_PRESETS[check_choice("name", name, NOISE_PRESETS)]
        return cls(
            p1=convert_rate(preset.rate_1q, 1, preset.convention, "pauli"),
            p2=convert_rate(preset.rate_2q, 2, preset.convention, "pauli"),
            readout=(preset.readout_error, preset.readout_error) if preset.readout_error else None,
            convention=preset.convention,
            name=name,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; `p1` and `p2` in the Pauli convention, `convention` as the user gave them."""
        values = asdict(self)
        if self.readout is not None:
            values["readout"] = [list(item) if isinstance(item, tuple) else item for item in self.readout]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NoiseModel:
        """Rebuild a model from `to_dict`.

        Raises:
            TypeError, ValueError: Not a mapping, unknown keys, no gate error rates, or values out of range.
        """
        if not isinstance(values, Mapping):
            raise TypeError(f"Argument `noise` must be a mapping (NoiseModel.to_dict()), but got {values!r}.")
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"Unknown noise settings {unknown}; allowed are {known}.")
        missing = [key for key in ("p1", "p2") if key not in values]
        if missing:
            raise ValueError(f"Noise settings must have {missing}, but got only {sorted(values)}.")
        return cls(**values)

    @property
    def has_gate_errors(self) -> bool:
        """Whether gates are depolarized."""
        return self.p1 > 0 or self.p2 > 0

    @property
    def has_relaxation(self) -> bool:
        """Whether qubits relax or dephase in time."""
        return (self.gate_time_1q or 0) + (self.gate_time_2q or 0) > 0

    @property
    def has_rotation_error(self) -> bool:
        """Whether rotation angles are off."""
        return self.rotation_scale != 1 or self.rotation_offset != 0

    @property
    def has_readout_error(self) -> bool:
        """Whether any measured bit may flip."""
        return self.readout is not None and bool(np.any(self.readout))

    @property
    def is_pauli(self) -> bool:
        """Whether Pauli trajectories simulate it exactly: everything but amplitude damping (T1)."""
        return self.t1 is None or not self.has_relaxation

    @property
    def is_noiseless(self) -> bool:
        """Whether it changes nothing."""
        return not (self.has_gate_errors or self.has_relaxation or self.has_rotation_error or self.has_readout_error)

    def is_noisy_gate(self, gate: Gate) -> bool:
        """Whether `gate` suffers errors at all."""
        return self.noisy_encoding or gate.feature is None

    def rotation_error(self, gate: Gate) -> tuple[float, float]:
        """`(scale, offset)` such that the gate turns by `scale * angle + offset`."""
        if GATE_TYPES[gate.name].has_angle and self.is_noisy_gate(gate):
            return self.rotation_scale, self.rotation_offset
        return 1.0, 0.0

    def gate_error(self, gate: Gate) -> float:
        """Total probability of a non-identity Pauli after `gate`, by depolarizing alone."""
        if not self.is_noisy_gate(gate):
            return 0.0
        return self.p1 if len(gate.wires) == 1 else self.p2

    def gate_time(self, gate: Gate) -> float:
        """Duration of `gate` in seconds."""
        if not self.is_noisy_gate(gate):
            return 0.0
        return (self.gate_time_1q if len(gate.wires) == 1 else self.gate_time_2q) or 0.0

    def readout_pairs(self, n_qubits: int) -> np.ndarray:
        """`(p(1|0), p(0|1))` of each qubit, shape (n_qubits, 2).

        Raises:
            ValueError: The model has one pair per qubit for another number of qubits.
        """
        if self.readout is None:
            return np.zeros((n_qubits, 2))
        pairs = np.asarray(self.readout, dtype=float)
        if pairs.ndim == 1:
            return np.tile(pairs, (n_qubits, 1))
        if len(pairs) != n_qubits:
            raise ValueError(
                f"Argument `readout` must have one pair for each of the circuit's {n_qubits} qubits, "
                f"but got {len(pairs)}."
            )
        return pairs

    def kraus_channels(self, circuit: Circuit) -> list[list[Channel]]:
        """The channels after each gate, for density matrices (readout and rotation errors not included).

        Returns:
            For each gate position a list of `(wires, kraus)` in the order of application; `kraus` is complex with
            shape (K, 2**m, 2**m) for m wires, the first wire being the most significant bit.
        """
        return build_channels(circuit, self)

    def describe(self) -> str:
        """Plain sentences for a model card: rates in every convention, and where noise acts."""
        return describe_noise(self)


def _convert_named(name: str, value: float, n_qubits: int, convention: str) -> float:
    try:
        return convert_rate(check_float(name, value), n_qubits, convention, "pauli")
    except ValueError as error:
        raise ValueError(str(error).replace("`value`", f"`{name}`")) from None


def _check_readout(value: Any) -> ReadoutPair | tuple[ReadoutPair, ...] | None:
    """Turn a pair, or a sequence of pairs, into tuples of probabilities."""
    if value is None:
        return None
    needed = "Argument `readout` must be a pair (p(1|0), p(0|1)) or one pair per qubit"
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray) or len(value) == 0:
        raise TypeError(f"{needed}, but got {value!r}.")
    items = list(value)
    if all(isinstance(item, Sequence | np.ndarray) and not isinstance(item, str) for item in items):
        if any(len(item) != 2 for item in items):
            raise ValueError(f"{needed}, but got {value!r}.")
        return tuple((check_probability("readout", low), check_probability("readout", high)) for low, high in items)
    if len(items) != 2:
        raise ValueError(f"{needed}, but got {value!r}.")
    return check_probability("readout", items[0]), check_probability("readout", items[1])
