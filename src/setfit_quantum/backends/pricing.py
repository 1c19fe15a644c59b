"""What a run on a trapped-ion machine takes and costs, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import NamedTuple

from setfit_quantum.checks import check_float, check_int

MAX_SHOTS = 10_000
"""Shots that an IonQ machine takes in one job; more are spread over several."""


class GateCounts(NamedTuple):
    """Gates of one circuit as submitted."""

    one_qubit: int
    two_qubit: int


@dataclass(frozen=True)
class QpuRates:
    """Prices and times; look them up in your contract, these change.

    The default prices are those published for IonQ on Azure Quantum in February 2025 (0.000220 and 0.000975 USD per
    one- and two-qubit gate and shot, at least 12.4166 USD per program and 97.50 USD with error mitigation). The default
    gate times are Forte Enterprise's.

    Args:
        usd_1q: Price of a one-qubit gate and shot.
        usd_2q: Price of a two-qubit gate and shot.
        minimum_usd: Least price of a circuit.
        minimum_usd_debiased: Least price of a circuit with debiasing.
        time_1q: Seconds of a one-qubit gate; gates run one after another.
        time_2q: Seconds of a two-qubit gate.
        time_per_shot: Seconds per shot for cooling, preparation and readout.
    """

    usd_1q: float = 0.000220
    usd_2q: float = 0.000975
    minimum_usd: float = 12.4166
    minimum_usd_debiased: float = 97.50
    time_1q: float = 63e-6
    time_2q: float = 650e-6
    time_per_shot: float = 350e-6

    def __post_init__(self) -> None:
        for field in fields(self):
            check_float(field.name, getattr(self, field.name), minimum=0.0)


@dataclass(frozen=True)
class QpuEstimate:
    """What a run would take.

    Args:
        circuits: Circuits that are executed.
        jobs: Jobs that they are sent in.
        shots: Shots of all circuits together.
        gate_shots_1q: One-qubit gates times shots, of all circuits together.
        gate_shots_2q: The same for two-qubit gates.
        qpu_seconds: Expected time on the machine, without queues.
        usd: Expected price.
    """

    circuits: int
    jobs: int
    shots: int
    gate_shots_1q: int
    gate_shots_2q: int
    qpu_seconds: float
    usd: float

    def __str__(self) -> str:
        hours = f"{self.qpu_seconds / 3600:,.2f} h" if self.qpu_seconds >= 3600 else f"{self.qpu_seconds:,.1f} s"
        return (
            f"{self.circuits:,} circuits in {self.jobs:,} jobs, {self.shots:,} shots: about {hours} of QPU time and "
            f"{self.usd:,.2f} USD"
        )


def split_shots(shots: int) -> list[int]:
    """Shots of each of the jobs that together have `shots`, as equal as can be."""
    parts = max(1, -(-shots // MAX_SHOTS))
    base, extra = divmod(shots, parts)
    return [base + int(part < extra) for part in range(parts)]


def add_estimates(estimates: Iterable[QpuEstimate]) -> QpuEstimate:
    """What several runs take together."""
    zero = QpuEstimate(0, 0, 0, 0, 0, 0.0, 0.0)
    columns = zip(*(vars(item).values() for item in (zero, *estimates)), strict=True)
    return QpuEstimate(*map(sum, columns))


def estimate_qpu(
    circuits: Iterable[GateCounts | tuple[int, int]],
    shots: int,
    *,
    copies: int = 1,
    jobs: int | None = None,
    debiasing: bool = False,
    rates: QpuRates | None = None,
) -> QpuEstimate:
    """Estimate time and price of running `circuits` with `shots` shots each.

    Args:
        circuits: `(one-qubit gates, two-qubit gates)` of each circuit.
        shots: Shots of each circuit.
        copies: How often all of them run.
        jobs: Jobs they are sent in; None: one each.
        debiasing: Whether the machine's error mitigation is used, which has a price of its own.
        rates: Prices and times.

    Example:
        >>> print(estimate_qpu([(40, 24)], shots=1000, copies=100))
        100 circuits in 100 jobs, 100,000 shots: about 1,847.0 s of QPU time and 3,220.00 USD
    """
    check_int("shots", shots, minimum=1)
    check_int("copies", copies, minimum=0)
    rates = QpuRates() if rates is None else rates
    minimum = rates.minimum_usd_debiased if debiasing else rates.minimum_usd
    count = ones = twos = 0
    usd = 0.0
    for one, two in circuits:
        count, ones, twos = count + 1, ones + one, twos + two
        usd += max(minimum, shots * (one * rates.usd_1q + two * rates.usd_2q))
    count, ones, twos, usd = copies * count, copies * ones, copies * twos, copies * usd
    seconds = shots * (ones * rates.time_1q + twos * rates.time_2q + count * rates.time_per_shot)
    return QpuEstimate(count, count if jobs is None else jobs, count * shots, ones * shots, twos * shots, seconds, usd)
