"""Fig. 5: the two energy curves and where they cross. Nothing is trained."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from setfit_quantum.energy import (
    EnergyEstimate,
    EnergySettings,
    build_paper_circuit,
    energy_curve,
    find_crossover,
    find_meeting_point,
)
from setfit_quantum.experiments.noise_plot import COLORS, check_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class EnergyRow:
    """One pair of curves.

    Args:
        name: What the table calls it.
        gate_times: Name of the gate times.
        preset: Whose circuit.
        crossover: First whole number of qubits at which the GPU needs more.
        meeting: Where the curves meet.
        curve: An estimate for each number of qubits.
    """

    name: str
    gate_times: str
    preset: str
    crossover: int | None
    meeting: float | None
    curve: Sequence[EnergyEstimate]


def study_energy(settings: Mapping[str, Any]) -> list[EnergyRow]:
    """Evaluate the curves of a specification's `energy`."""
    first, last = settings["qubits"]
    rows = []
    for curve in settings["curves"]:
        preset = curve["preset"]
        constants = EnergySettings(gate_times=curve["gate_times"])

        def build(n_qubits: int, preset: str = preset) -> Any:
            return build_paper_circuit(n_qubits, preset)

        rows.append(
            EnergyRow(
                curve["name"],
                curve["gate_times"],
                preset,
                find_crossover(build, constants),
                find_meeting_point(build, constants),
                energy_curve(range(first, last + 1), build, constants),
            )
        )
    return rows


HEADER = ("constants and circuit", "paper: GPU needs more from", "ours", "curves meet at")


def row_cells(row: EnergyRow, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """A row under `HEADER`."""
    meeting = "-" if row.meeting is None else f"{row.meeting:.2f}"
    return row.name, f"{settings['paper_crossing']} qubits", f"{row.crossover} qubits", meeting


def format_markdown(rows: Sequence[EnergyRow], values: Mapping[str, Any]) -> str:
    """The table with its explanation, as Markdown."""
    lines = [HEADER, ("---", *["---:"] * 3), *(row_cells(row, values["energy"]) for row in rows)]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    notes = "\n\n".join([f"{values['source']}.", *values.get("notes", [])])
    return f"# {values['title']}\n\n{notes}\n\n{table}\n"


def format_csv(rows: Sequence[EnergyRow]) -> str:
    """The curves, a line per number of qubits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["curves", "qubits", "qpu_joules", "gpu_joules"])
    for row in rows:
        writer.writerows([row.name, one.n_qubits, one.qpu_joules, one.gpu_joules] for one in row.curve)
    return text.getvalue()


def plot_energy(rows: Sequence[EnergyRow], values: Mapping[str, Any]) -> Figure:
    """Joules per inference against qubits, logarithmically.

    Raises:
        ImportError: matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axis = figure.subplots()
    styles = ("-", "--", ":")
    for number, row in enumerate(rows):
        qubits = [one.n_qubits for one in row.curve]
        # Curves that nearly coincide are told apart by their strokes.
        style: dict[str, Any] = {"color": COLORS[number % len(COLORS)], "linestyle": styles[number % len(styles)]}
        axis.plot(qubits, [one.qpu_joules for one in row.curve], label=f"QPU: {row.name}", **style)
    for number, preset in enumerate(dict.fromkeys(row.preset for row in rows)):
        curve = next(row.curve for row in rows if row.preset == preset)
        style = {"color": "#888888", "linestyle": styles[number % len(styles)]}
        axis.plot([one.n_qubits for one in curve], [one.gpu_joules for one in curve], label=f"GPU: {preset}", **style)
    axis.axvline(values["energy"]["paper_crossing"], color="#888888", linewidth=0.8, label="paper: crossing")
    axis.set_yscale("log")
    axis.set_xlabel("qubits")
    axis.set_ylabel("joules per inference")
    axis.set_title(values["title"], fontsize=11)
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    return figure
