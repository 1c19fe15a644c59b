"""What is known of engines so far, to tell beforehand that a case would take too long."""

from __future__ import annotations

from dataclasses import dataclass

from peers.cases import BASE_BATCH, Case
from peers.prepare import PROBE_SAMPLES, Limits


@dataclass(frozen=True)
class Known:
    """How an engine did a base case.

    Args:
        seconds: Of the slower task, scaled to the whole batch.
        first_call: Seconds of the first calls together.
        failure: What went wrong; None: nothing.
    """

    seconds: float = 0.0
    first_call: float = 0.0
    failure: str | None = None


class History:
    """Base cases of engines, by name and size."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, Known]] = {}

    def note(self, engine: str, case: Case, known: Known) -> None:
        """Remember a base case; others are not what estimates start from."""
        if case.is_base:
            self._known.setdefault(engine, {})[case.qubits] = known

    def reason_to_leave_out(self, engine: str, compiles: bool, case: Case, limits: Limits) -> str | None:
        """Why a case need not be tried, or None if it should be.

        Args:
            engine: Name of the engine.
            compiles: Whether it compiles for every shape.
            case: What is to be measured.
            limits: What it may take.
        """
        sizes = [size for size in self._known.get(engine, {}) if size <= case.qubits]
        if not sizes:
            return None
        size = max(sizes)
        known = self._known[engine][size]
        if known.failure is not None:
            return f"at {size} qubits, batch {BASE_BATCH}: {known.failure}" if case.batch >= BASE_BATCH else None
        if compiles and not case.is_base and known.first_call > limits.compile_seconds(case):
            return (
                f"each shape is compiled anew, which took {known.first_call:.0f} s at {size} qubits "
                f"(budget {limits.compile_seconds(case):.0f} s)"
            )
        samples = case.batch if compiles else min(PROBE_SAMPLES, case.batch)
        estimate = known.seconds * growth(size, case) * samples / BASE_BATCH
        if estimate > limits.seconds(case):
            return (
                f"{samples} samples would take about {estimate:.0f} s (budget {limits.seconds(case):.0f} s), "
                f"by what {BASE_BATCH} took at {size} qubits"
            )
        return None


def growth(size: int, case: Case) -> float:
    """Amplitudes times gates of a case, over those of the base case at `size` qubits, encoders and circuit together."""

    def work(n_qubits: int, encoders: int) -> float:
        wires = 14 if encoders == 2 else max(n_qubits, 10)
        return encoders * 28 * wires * 2.0**wires + 15 * n_qubits * 2.0**n_qubits

    return work(case.qubits, case.encoders) / work(size, 1)
