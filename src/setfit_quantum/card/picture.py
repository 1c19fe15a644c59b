"""The circuit as a picture, where matplotlib is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from setfit_quantum.circuit.drawing import pack_columns

COLUMNS_PER_ROW = 24
MAX_GATES = 600
_STEP, _GAP = 0.62, 0.55  # inches: between columns, between wires
_COLORS = {"weight": "#c7d2fe", "feature": "#fde68a", "fixed": "#e5e7eb"}


def draw_circuit(head: Any, path: Path) -> bool:
    """Draw a quantum head's circuit into a PNG file.

    Args:
        head: Any head.
        path: The file.

    Returns:
        Whether it was drawn: not for other heads, without matplotlib, or with more than `MAX_GATES` gates.
    """
    circuit = getattr(head, "circuit", None)
    if circuit is None or not 0 < len(circuit.gates) <= MAX_GATES or importlib.util.find_spec("matplotlib") is None:
        return False
    # Figure without pyplot: the user's backend and open figures are left alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = pack_columns(circuit)
    rows = [columns[start : start + COLUMNS_PER_ROW] for start in range(0, len(columns), COLUMNS_PER_ROW)] or [[]]
    width = min(len(columns), COLUMNS_PER_ROW)
    height = circuit.n_qubits + 0.8  # in wires, with the space between rows
    figure = Figure(figsize=((width + 2) * _STEP, len(rows) * height * _GAP + 0.4), dpi=96)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(-1.4, width + 0.6)
    axes.set_ylim(len(rows) * height - 0.3, -0.8)
    for number, row in enumerate(rows):
        top = number * height
        for wire in range(circuit.n_qubits):
            axes.plot((-0.6, len(row) - 0.4), (top + wire, top + wire), color="#6b7280", linewidth=0.8, zorder=1)
            axes.text(-0.75, top + wire, f"q{wire}", ha="right", va="center", fontsize=8)
        for column, gates in enumerate(row):
            for gate in gates:
                _draw_gate(axes, gate, column, top)
    FigureCanvasAgg(figure)
    # Neither the time nor matplotlib's version: the same circuit gives the same file.
    figure.savefig(path, format="png", metadata={"Software": None})
    return True


def _draw_gate(axes: Any, gate: Any, x: float, top: float) -> None:
    wires = [top + wire for wire in gate.wires]
    if len(wires) == 2:
        axes.plot((x, x), wires, color="#111827", linewidth=0.9, zorder=2)
        axes.plot(x, wires[0], "o", color="#111827", markersize=4, zorder=3)
        if gate.name == "cx":
            axes.plot(x, wires[1], "o", markersize=9, markerfacecolor="white", markeredgecolor="#111827", zorder=3)
            axes.plot(x, wires[1], "+", color="#111827", markersize=9, zorder=4)
            return
    kind = "weight" if gate.weight is not None else "feature" if gate.feature is not None else "fixed"
    sign = f"θ{gate.weight}" if kind == "weight" else f"x{gate.feature}" if kind == "feature" else ""
    name = gate.name.upper() if len(wires) == 1 else gate.name[1:].upper()
    box = {"boxstyle": "round,pad=0.25", "facecolor": _COLORS[kind], "edgecolor": "#374151", "linewidth": 0.7}
    axes.text(x, wires[-1], f"{name}\n{sign}".strip(), ha="center", va="center", fontsize=6.5, bbox=box, zorder=3)
