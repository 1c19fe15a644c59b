"""Where the parts of a circuit's picture stand, for every way to draw it.

Lengths are in points (1/72 inch), with y growing downwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.circuit.drawing import fold_columns, pack_columns
from setfit_quantum.circuit.gates import Gate

NAME_SIZE, ANGLE_SIZE = 10.0, 8.0
"""Font sizes of a gate's name, and of its angle below."""
DOT, RING, CROSS = 3.2, 8.0, 4.5
"""Radii of a control, of a controlled X's target, and of a swap's cross."""
BREAK = 14.0
"""Length of the dotted end of a wire that goes on in another row."""
CHARACTER = 9.0
"""Width of a picture for each character of the text drawing's width."""

_WIRE_GAP, _BOX_HEIGHT, _MIN_BOX, _PADDING, _COLUMN_GAP = 38.0, 27.0, 27.0, 10.0, 9.0
_MARGIN, _LABEL, _ROW_GAP, _LEGEND = 12.0, 26.0, 20.0, 26.0
_NAME_WIDTH, _ANGLE_WIDTH = 0.68 * NAME_SIZE, 0.62 * ANGLE_SIZE
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_DAGGERS = {"sdg": "S†", "tdg": "T†"}

KINDS = {"weight": "trained angle", "feature": "input angle", "fixed": "fixed"}
"""Where a gate's angle comes from, and what the legend says."""


class Wire(NamedTuple):
    """A qubit's line in one row; dotted where it comes from or goes on to another row."""

    qubit: int
    start: float
    end: float
    y: float
    continued: bool
    continues: bool


class Link(NamedTuple):
    """The vertical line of a gate on two wires."""

    x: float
    top: float
    bottom: float


class Box(NamedTuple):
    """A gate's box around its centre; `angle` is empty where it has none."""

    x: float
    y: float
    width: float
    height: float
    name: str
    angle: str
    kind: str


class Mark(NamedTuple):
    """A control (`"dot"`), a controlled X's target (`"ring"`), or an end of a swap (`"cross"`)."""

    x: float
    y: float
    shape: str


class Key(NamedTuple):
    """An entry of the legend."""

    x: float
    y: float
    kind: str
    text: str


@dataclass
class Layout:
    """All parts of a picture, in points."""

    width: float = 0.0
    height: float = 0.0
    wires: list[Wire] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    legend: list[Key] = field(default_factory=list)


def lay_out(circuit: Circuit, max_width: int = 100) -> Layout:
    """Place the gates, in the columns of the text drawing.

    Args:
        circuit: The circuit.
        max_width: Rows are folded at this many characters of `CHARACTER` points (at least one column each).
    """
    columns = pack_columns(circuit)
    widths = [max(map(_column_width, gates)) for gates in columns]
    room = max_width * CHARACTER - 2 * _MARGIN - _LABEL - 2 * BREAK
    rows = fold_columns(list(zip(columns, widths, strict=True)), [width + _COLUMN_GAP for width in widths], room)
    layout = Layout()
    top = _MARGIN
    for number, row in enumerate(rows):
        end = _place_row(layout, circuit.n_qubits, row, top, number > 0, number < len(rows) - 1)
        layout.width = max(layout.width, end + _MARGIN)
        top += circuit.n_qubits * _WIRE_GAP + _ROW_GAP
    layout.height = top - _ROW_GAP + _MARGIN
    _place_legend(layout)
    return layout


def angle_text(gate: Gate) -> str:
    """`θ₃` (weight), `x₂` (feature), a fraction of π, a rounded constant, or nothing."""
    if gate.weight is not None:
        return f"θ{gate.weight}".translate(_SUBSCRIPTS)
    if gate.feature is not None:
        return f"x{gate.feature}".translate(_SUBSCRIPTS)
    if gate.angle is None:
        return ""
    for parts in (1, 2, 3, 4, 6, 8):
        times = round(gate.angle / math.pi * parts)
        if 0 < abs(times) < 16 and math.isclose(gate.angle, times * math.pi / parts, rel_tol=1e-12):
            sign, factor = "−" if times < 0 else "", "" if abs(times) == 1 else str(abs(times))
            return f"{sign}{factor}π" + (f"/{parts}" if parts > 1 else "")
    return f"{gate.angle:.3g}".replace("-", "−")


def _place_row(
    layout: Layout, n_qubits: int, row: list[tuple[list[Gate], float]], top: float, continued: bool, continues: bool
) -> float:
    """Add one row; return where its wires end."""
    start = _MARGIN + _LABEL
    heights = [top + (wire + 0.5) * _WIRE_GAP for wire in range(n_qubits)]
    left = start + (BREAK if continued else 0.0) + _COLUMN_GAP
    for gates, width in row:
        for gate in gates:
            _place_gate(layout, gate, left + width / 2, heights)
        left += width + _COLUMN_GAP
    end = left + (BREAK if continues else 0.0)
    layout.wires += [Wire(wire, start, end, y, continued, continues) for wire, y in enumerate(heights)]
    return end


def _place_gate(layout: Layout, gate: Gate, x: float, heights: list[float]) -> None:
    wires = [heights[wire] for wire in gate.wires]
    if len(wires) == 2:
        layout.links.append(Link(x, min(wires), max(wires)))
    if gate.name in ("cx", "cz", "swap"):
        shapes = {"cx": ("dot", "ring"), "cz": ("dot", "dot"), "swap": ("cross", "cross")}[gate.name]
        layout.marks += [Mark(x, y, shape) for y, shape in zip(wires, shapes, strict=True)]
        return
    if len(wires) == 2:
        layout.marks.append(Mark(x, wires[0], "dot"))
    kind = "weight" if gate.weight is not None else "feature" if gate.feature is not None else "fixed"
    layout.boxes.append(Box(x, wires[-1], _box_width(gate), _BOX_HEIGHT, _name(gate), angle_text(gate), kind))


def _name(gate: Gate) -> str:
    name = gate.name[1:] if len(gate.wires) == 2 else gate.name
    return _DAGGERS.get(name, name.upper())


def _column_width(gate: Gate) -> float:
    return 2 * RING if gate.name in ("cx", "cz", "swap") else _box_width(gate)


def _box_width(gate: Gate) -> float:
    return max(_MIN_BOX, _PADDING + len(_name(gate)) * _NAME_WIDTH, _PADDING + len(angle_text(gate)) * _ANGLE_WIDTH)


def _place_legend(layout: Layout) -> None:
    """What the colours mean, where there is more than one, or none that goes without saying."""
    present = {box.kind for box in layout.boxes}
    if not present - {"fixed"}:
        return
    x = _MARGIN + _LABEL
    for kind, text in KINDS.items():
        if kind in present:
            layout.legend.append(Key(x, layout.height + 2.0, kind, text))
            x += 26.0 + len(text) * 5.2
    layout.height += _LEGEND - _MARGIN / 2
    layout.width = max(layout.width, x)
