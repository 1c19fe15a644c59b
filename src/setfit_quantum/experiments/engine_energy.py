"""Energy of our own engine, from the time that inference takes on this machine.

The formulas of `setfit_quantum.energy` assume a GPU at its full rate; this is what one core really takes for the same
circuit. Energy is the core's time multiplied by a power per core, or what the processor itself counts where that can be
read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from setfit_quantum.checks import check_choice, check_float, check_int
from setfit_quantum.energy import EnergyEstimate
from setfit_quantum.experiments.noise_plot import COLORS, check_matplotlib
from setfit_quantum.experiments.study_work import on_one_core
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.presets import PRESETS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT_WATTS = 3.75
DEFAULT_WATTS_SOURCE = "360 W over 96 cores: AMD's published default TDP of the EPYC 9654"
"""Power of one core that works, its share of the processor's other parts included; memory and cooling are not."""
MAX_QUBITS = 24
IN_FEATURES = 384
"""Width of the embeddings of all-MiniLM-L6-v2, for the time of a whole head."""

_POWERCAP = Path("/sys/class/powercap")
_AMPLITUDES = 2**20


@dataclass(frozen=True)
class EngineEnergy:
    """What one inference takes here, exactly simulated, in a batch.

    Args:
        n_qubits: Qubits Q of the second module.
        batch_size: Inferences measured together.
        circuit_seconds: One core's time for the second module, which the two formulas are about, per inference.
        head_seconds: The same for the whole head: encoder, second module and linear layer.
        watts: Power that the energy is computed with.
        circuit_joules: Energy of the second module, per inference.
        head_joules: Energy of the whole head.
        source: Where the power comes from.
    """

    n_qubits: int
    batch_size: int
    circuit_seconds: float
    head_seconds: float
    watts: float
    circuit_joules: float
    head_joules: float
    source: str


def measure_engine_energy(
    qubits: Sequence[int],
    watts_per_core: float | None = None,
    *,
    preset: str = "paper-single",
    min_seconds: float = 0.1,
    repeats: int = 5,
) -> list[EngineEnergy]:
    """Time inference with the compiled engine on one core.

    Args:
        qubits: Numbers of qubits, up to `MAX_QUBITS`.
        watts_per_core: Power of a core; None: what the processor counts meanwhile (RAPL) where that can be read, which
            is of the whole processor and of whatever else it does, else `DEFAULT_WATTS`.
        preset: Whose circuit.
        min_seconds: Time of each measurement at least.
        repeats: Measurements, of which the fastest counts: others on the machine only make it slower.

    Returns:
        One measurement for each number of qubits.

    Raises:
        TypeError, ValueError: Naming the argument.
    """
    check_choice("preset", preset, PRESETS)
    check_int("repeats", repeats, minimum=1)
    check_float("min_seconds", min_seconds, minimum=0.0)
    if watts_per_core is not None and check_float("watts_per_core", watts_per_core) <= 0:
        raise ValueError(f"Argument `watts_per_core` must be greater than 0, but got {watts_per_core!r}.")
    numbers = [check_int("qubits", number, minimum=2, maximum=MAX_QUBITS) for number in qubits]
    counter = None if watts_per_core is not None else RaplCounter.find()
    with on_one_core(), torch.no_grad():
        return [_measure(number, preset, watts_per_core, counter, min_seconds, repeats) for number in numbers]


def _measure(
    n_qubits: int,
    preset: str,
    watts: float | None,
    counter: RaplCounter | None,
    min_seconds: float,
    repeats: int,
) -> EngineEnergy:
    batch = max(1, min(64, _AMPLITUDES >> n_qubits))
    head = SetFitQuantumHead.from_preset(preset, in_features=IN_FEATURES, n_qubits=n_qubits, seed=0).eval()
    rng = np.random.default_rng(0)
    embeddings = torch.from_numpy(rng.normal(size=(batch, IN_FEATURES))).to(head.circuit_weights.dtype)
    latents = head.latents(embeddings)

    def run_circuit() -> None:
        head.backend.expectations(head.circuit, head.circuit_weights, latents, n_readout=head.config.n_measured)

    def run_head() -> None:
        head(embeddings)

    circuit, circuit_joules = _time(run_circuit, counter, min_seconds, repeats)
    whole, head_joules = _time(run_head, counter, min_seconds, repeats)
    if circuit_joules is None or head_joules is None:
        used = DEFAULT_WATTS if watts is None else float(watts)
        circuit_joules, head_joules = circuit * used, whole * used
        source = DEFAULT_WATTS_SOURCE if watts is None else "given"
    else:
        used, source = circuit_joules / circuit, "RAPL: the whole processor, while one core works on this"
    return EngineEnergy(
        n_qubits=n_qubits,
        batch_size=batch,
        circuit_seconds=circuit / batch,
        head_seconds=whole / batch,
        watts=used,
        circuit_joules=circuit_joules / batch,
        head_joules=head_joules / batch,
        source=source,
    )


def _time(
    work: Callable[[], None], counter: RaplCounter | None, min_seconds: float, repeats: int
) -> tuple[float, float | None]:
    """Seconds and, with a counter, joules of one call: the fastest of several measurements."""
    work()  # compiled and warm
    best: tuple[float, float | None] | None = None
    for _ in range(repeats):
        calls, before = 0, None if counter is None else counter.read()
        # The time of the core, not of the clock: others that get it meanwhile pay for themselves.
        started = time.process_time()
        while calls == 0 or time.process_time() - started < min_seconds:
            work()
            calls += 1
        seconds = (time.process_time() - started) / calls
        joules = None if counter is None or before is None else counter.since(before) / calls
        if best is None or seconds < best[0]:
            best = seconds, joules
    assert best is not None
    return best


def plot_engine_energy(measured: Sequence[EngineEnergy], curve: Sequence[EnergyEstimate]) -> Figure:
    """Draw what was measured beside the two formulas, logarithmically.

    Args:
        measured: What `measure_engine_energy` gives.
        curve: What `energy_curve` gives.

    Raises:
        ImportError: matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axis = figure.subplots()
    qubits = [one.n_qubits for one in curve]
    axis.plot(qubits, [one.qpu_joules for one in curve], color=COLORS[1], label="quantum processor, formula")
    axis.plot(qubits, [one.gpu_joules for one in curve], "--", color=COLORS[2], label="GPU at its full rate, formula")
    places = [one.n_qubits for one in measured]
    style: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 1}
    label = f"this engine, one core at {measured[-1].watts:.3g} W, measured"
    axis.plot(places, [one.circuit_joules for one in measured], color=COLORS[3], label=label, **style)
    whole = [one.head_joules for one in measured]
    axis.plot(places, whole, color=COLORS[5], label="the same, whole head", **style)
    axis.set_yscale("log")
    axis.set_xlabel("qubits")
    axis.set_ylabel("joules per inference")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    return figure


class RaplCounter:
    """The energy that the processor counts (RAPL), all of its packages together.

    Args:
        packages: Their folders.
    """

    def __init__(self, packages: Sequence[Path]) -> None:
        self._packages = list(packages)
        self._ranges = [int((package / "max_energy_range_uj").read_text()) for package in packages]

    @classmethod
    def find(cls, folder: Path = _POWERCAP) -> RaplCounter | None:
        """The counter of this machine; None where there is none, or only the administrator may read it."""
        try:
            packages = sorted(path for path in folder.iterdir() if re.fullmatch(r"intel-rapl:\d+", path.name))
            counter = cls(packages)
            counter.read()
        except (OSError, ValueError):
            return None
        return counter if packages else None

    def read(self) -> list[int]:
        """Microjoules of each package."""
        return [int((package / "energy_uj").read_text()) for package in self._packages]

    def since(self, before: Sequence[int]) -> float:
        """Joules since a reading; a counter that ran over once is understood."""
        now = zip(self.read(), before, self._ranges, strict=True)
        return sum((new - old) % (limit + 1) for new, old, limit in now) / 1e6
