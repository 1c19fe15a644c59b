"""Energy of one inference: on a quantum processor, and simulated exactly on a GPU.

`E_QPU = watts_per_qubit * Q * shots * (n1 t1 + n2 t2)`: gates run one after another, and the whole machine is on while
they do. `E_GPU = gpu_watts * FLOPs / rate`, where every gate is applied to all 2^Q complex amplitudes once: a
simulation needs no shots. The gate counts n1 and n2 are those of the circuit itself.

Source: arXiv 2504.08732, Sec. III-E and Fig. 5, where the curves cross at 46 qubits. The paper prints neither gate
times nor the GPU's rate nor FLOPs per gate: the defaults are this project's choice, consistent with that crossing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from setfit_quantum.checks import check_choice, check_float, check_int
from setfit_quantum.circuit import Circuit
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.presets import PRESETS

DEFAULT_MAX_QUBITS = 200


class GateTimes(NamedTuple):
    """Durations in seconds, and who says so."""

    one_qubit: float
    two_qubit: float
    source: str


GATE_TIMES: dict[str, GateTimes] = {
    "forte-enterprise": GateTimes(63e-6, 650e-6, "IonQ's published system figures of Forte Enterprise"),
    "forte": GateTimes(130e-6, 970e-6, "IonQ's published system figures of Forte"),
}


@dataclass(frozen=True)
class EnergySettings:
    """The constants of the two formulas.

    Args:
        gate_times: A key of `GATE_TIMES`, or `(one_qubit, two_qubit)` in seconds.
        shots: Times the circuit runs on the quantum processor for one inference.
        watts_per_qubit: Power of the quantum processor for each of its qubits.
        gpu_watts: Power of the GPU (700 W: H100 SXM).
        gpu_flops_per_second: Rate of the GPU in double precision (34e12: H100 SXM, without tensor cores).
        flops_one_qubit: FLOPs per amplitude of a one-qubit gate: a dense complex 2x2 matrix takes 14.
        flops_two_qubit: The same of a two-qubit gate: a dense complex 4x4 matrix takes 30.

    Raises:
        TypeError, ValueError: Naming the argument, its value and what is allowed.

    Source: arXiv 2504.08732, Sec. III-E (300 W per qubit, 8,000 shots, 700 W, H100).
    """

    gate_times: str | tuple[float, float] = "forte-enterprise"
    shots: int = 8000
    watts_per_qubit: float = 300.0
    gpu_watts: float = 700.0
    gpu_flops_per_second: float = 34e12
    flops_one_qubit: float = 14.0
    flops_two_qubit: float = 30.0

    def __post_init__(self) -> None:
        check_int("shots", self.shots, minimum=1)
        for name in ("watts_per_qubit", "gpu_watts", "gpu_flops_per_second", "flops_one_qubit", "flops_two_qubit"):
            _check_positive(name, getattr(self, name))
        if isinstance(self.gate_times, str):
            check_choice("gate_times", self.gate_times, GATE_TIMES)
            return
        if not isinstance(self.gate_times, tuple | list) or len(self.gate_times) < 2:
            raise TypeError(
                f"Argument `gate_times` must be one of {', '.join(map(repr, GATE_TIMES))} or two durations in seconds, "
                f"but got {self.gate_times!r}."
            )
        for seconds in self.gate_times[:2]:
            _check_positive("gate_times", seconds)

    @property
    def seconds_per_gate(self) -> tuple[float, float]:
        """Durations of a one-qubit and a two-qubit gate."""
        times = GATE_TIMES[self.gate_times] if isinstance(self.gate_times, str) else self.gate_times
        return times[0], times[1]


@dataclass(frozen=True)
class EnergyEstimate:
    """What one inference needs.

    Args:
        n_qubits: Qubits Q of the circuit.
        one_qubit_gates: n1.
        two_qubit_gates: n2.
        qpu_seconds: Time on the quantum processor, all shots together.
        qpu_joules: Its energy.
        gpu_flops: FLOPs of one exact simulation.
        gpu_seconds: Time on the GPU.
        gpu_joules: Its energy.
    """

    n_qubits: int
    one_qubit_gates: int
    two_qubit_gates: int
    qpu_seconds: float
    qpu_joules: float
    gpu_flops: float
    gpu_seconds: float
    gpu_joules: float

    @property
    def gpu_needs_more(self) -> bool:
        """Whether the simulation needs more energy than the quantum processor."""
        return self.gpu_joules > self.qpu_joules


def count_gates(circuit: Circuit) -> tuple[int, int]:
    """Numbers of one-qubit and of two-qubit gates."""
    two = sum(len(gate.wires) == 2 for gate in circuit.gates)
    return len(circuit.gates) - two, two


def estimate_energy(circuit: Circuit, settings: EnergySettings | None = None, **constants: Any) -> EnergyEstimate:
    """Energy of one inference with a circuit.

    Args:
        circuit: The second module, which a quantum processor would run.
        settings: The constants; None: the defaults.
        **constants: Single constants by their names in `EnergySettings`, instead of `settings`.

    Raises:
        TypeError, ValueError: A constant that is unknown or out of range.

    Example:
        >>> estimate_energy(build_paper_circuit(10), shots=1000).two_qubit_gates
        60
    """
    return _estimate(circuit.n_qubits, count_gates(circuit), _as_settings(settings, constants))


def find_crossover(
    build: Callable[[int], Circuit] | None = None,
    settings: EnergySettings | None = None,
    *,
    max_qubits: int = DEFAULT_MAX_QUBITS,
    **constants: Any,
) -> int | None:
    """First whole number of qubits at which the GPU needs more energy than the quantum processor.

    Args:
        build: Makes the circuit for a number of qubits; None: the paper's (`build_paper_circuit`).
        settings: The constants; None: the defaults.
        max_qubits: Where to stop looking.
        **constants: Single constants, instead of `settings`.

    Returns:
        The number of qubits (46 with the defaults), or None where there is none up to `max_qubits`.
    """
    settings = _as_settings(settings, constants)
    check_int("max_qubits", max_qubits, minimum=2)
    for n_qubits in range(2, max_qubits + 1):
        if _estimate(n_qubits, _counts(build, n_qubits), settings).gpu_needs_more:
            return n_qubits
    return None


def find_meeting_point(
    build: Callable[[int], Circuit] | None = None,
    settings: EnergySettings | None = None,
    *,
    max_qubits: int = DEFAULT_MAX_QUBITS,
    **constants: Any,
) -> float | None:
    """Where the two curves meet, read off between whole numbers of qubits.

    The logarithm of the ratio of the two energies is nearly a straight line in the number of qubits, and is taken for
    one between two neighbours. Arguments as for `find_crossover`; 45.92 with the defaults.
    """
    settings = _as_settings(settings, constants)
    upper = find_crossover(build, settings, max_qubits=max_qubits)
    if upper is None or upper == 2:
        return None if upper is None else 2.0
    low, high = (_log_ratio(_estimate(q, _counts(build, q), settings)) for q in (upper - 1, upper))
    return upper - high / (high - low)


def energy_curve(
    qubits: range | list[int],
    build: Callable[[int], Circuit] | None = None,
    settings: EnergySettings | None = None,
    **constants: Any,
) -> list[EnergyEstimate]:
    """One estimate for each number of qubits. Arguments as for `find_crossover`."""
    settings = _as_settings(settings, constants)
    return [_estimate(n_qubits, _counts(build, n_qubits), settings) for n_qubits in qubits]


@lru_cache(maxsize=1024)
def build_paper_circuit(n_qubits: int, preset: str = "paper-single") -> Circuit:
    """The second module of one of the paper's heads, see `QuantumHead.from_preset`.

    Args:
        n_qubits: Q.
        preset: `"paper-single"` and `"paper-multi"` have 15 Q and 6 Q gates, the rival reading `"paper-single-qm1"`
            20 Q and 11 Q.
    """
    values = PRESETS[check_choice("preset", preset, PRESETS)]
    names = ("n_reuploads", "reupload_layers", "n_layers", "connectivity")
    return build_reuploading(n_qubits, **{name: values[name] for name in names})


def _estimate(n_qubits: int, counts: tuple[int, int], settings: EnergySettings) -> EnergyEstimate:
    (one, two), (time_one, time_two) = counts, settings.seconds_per_gate
    qpu_seconds = settings.shots * (one * time_one + two * time_two)
    flops = 2.0**n_qubits * (one * settings.flops_one_qubit + two * settings.flops_two_qubit)
    gpu_seconds = flops / settings.gpu_flops_per_second
    return EnergyEstimate(
        n_qubits=n_qubits,
        one_qubit_gates=one,
        two_qubit_gates=two,
        qpu_seconds=qpu_seconds,
        qpu_joules=settings.watts_per_qubit * n_qubits * qpu_seconds,
        gpu_flops=flops,
        gpu_seconds=gpu_seconds,
        gpu_joules=settings.gpu_watts * gpu_seconds,
    )


def _counts(build: Callable[[int], Circuit] | None, n_qubits: int) -> tuple[int, int]:
    return count_gates(build(n_qubits)) if build is not None else _paper_counts(n_qubits)


@lru_cache(maxsize=1024)
def _paper_counts(n_qubits: int) -> tuple[int, int]:
    return count_gates(build_paper_circuit(n_qubits))


def _log_ratio(estimate: EnergyEstimate) -> float:
    return math.log(estimate.gpu_joules / estimate.qpu_joules)


def _as_settings(settings: EnergySettings | None, constants: dict[str, Any]) -> EnergySettings:
    if settings is None:
        return EnergySettings(**constants)
    if constants:
        raise TypeError(f"Arguments {sorted(constants)} must not be given beside `settings`: put them into it.")
    return settings


def _check_positive(name: str, value: Any) -> None:
    if check_float(name, value) <= 0:
        raise ValueError(f"Argument `{name}` must be greater than 0, but got {value!r}.")
