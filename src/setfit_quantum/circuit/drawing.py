"""Drawing a circuit as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from setfit_quantum.checks import check_int
from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.circuit.gates import Gate

T = TypeVar("T")
_DAGGERS = {"sdg": "S†", "tdg": "T†"}


def draw_text(circuit: Circuit, max_width: int = 100) -> str:
    """Draw a circuit with one line per wire and one between wires.

    Controls are `●`, targets of a controlled X `⊕`, swapped wires `×`, other gates boxes. Angles read `θ3`
    (weight 3), `x2` (feature 2) or `0.12` (a constant). Gates that share no wire stand in one column.

    Args:
        circuit: The circuit.
        max_width: Number of characters after which the drawing continues below (at least one column each).

    Returns:
        Lines joined by newlines, none at the end.

    Example:
        >>> print(draw_text(Circuit(2, (Gate("ry", (0,), weight=0), Gate("cx", (0, 1))))))
        q0: ──┤RY(θ0)├──●──
                        │
        q1: ────────────⊕──
    """
    check_int("max_width", max_width, minimum=20)
    names = [f"q{wire}: " for wire in range(circuit.n_qubits)]
    margin = max(map(len, names))
    columns = [_draw_column(circuit.n_qubits, gates) for gates in pack_columns(circuit)]
    rows_before = [name.rjust(margin) if index % 2 == 0 else "" for name in names for index in (0, 1)][:-1]
    blocks = []
    groups = fold_columns(columns, [len(column[0]) for column in columns], max_width - margin - len("« ── »"))
    for number, group in enumerate(groups):
        lines = []
        for row, before in enumerate(rows_before):
            is_wire = row % 2 == 0
            start = "« " if number else ""
            end = " »" if number < len(groups) - 1 else ""
            fill = "─" if is_wire else " "
            middle = "".join(column[row] for column in group)
            if is_wire:
                lines.append(f"{before}{start}{fill}{middle}{fill}{end}")
            else:
                lines.append(f"{' ' * (margin + len(start) + 1)}{middle}".rstrip())
        blocks.append("\n".join(lines))
    # Two empty lines: a gap between wires that no gate crosses is one.
    return "\n\n\n".join(blocks)


def pack_columns(circuit: Circuit) -> list[list[Gate]]:
    """Put each gate in the first column after all gates that touch or cross its wires."""
    columns: list[list[Gate]] = []
    free = [0] * circuit.n_qubits
    for gate in circuit.gates:
        covered = range(min(gate.wires), max(gate.wires) + 1)
        column = max(free[wire] for wire in covered)
        if column == len(columns):
            columns.append([])
        columns[column].append(gate)
        for wire in covered:
            free[wire] = column + 1
    return columns


def _draw_column(n_qubits: int, gates: list[Gate]) -> list[str]:
    """The column's text, one string of equal width per line (wire, gap, wire, ..)."""
    marks: dict[int, str] = {}  # line -> what stands there
    for gate in gates:
        for line in range(2 * min(gate.wires) + 1, 2 * max(gate.wires)):
            marks[line] = "┼" if line % 2 == 0 else "│"
        for wire, symbol in zip(gate.wires, _symbols(gate), strict=True):
            marks[2 * wire] = symbol
    width = max(len(mark) for mark in marks.values()) + 2
    lines = []
    for line in range(2 * n_qubits - 1):
        fill = "─" if line % 2 == 0 else " "
        mark = marks.get(line, fill)
        # A lone character and the text of a wider box meet in the column's middle whether the width is odd or even.
        left = (width - 1) // 2 if len(mark) == 1 else (width - len(mark)) // 2
        lines.append(fill * left + mark + fill * (width - len(mark) - left))
    return lines


def _symbols(gate: Gate) -> tuple[str, ...]:
    """What stands on each of the gate's wires."""
    if gate.name == "swap":
        return "×", "×"
    if gate.name == "cx":
        return "●", "⊕"
    if gate.name == "cz":
        return "●", "●"
    is_controlled = len(gate.wires) == 2
    name = gate.name[1:] if is_controlled else gate.name
    box = f"┤{_DAGGERS.get(name, name.upper())}{_angle(gate)}├"
    return ("●", box) if is_controlled else (box,)


def _angle(gate: Gate) -> str:
    if gate.weight is not None:
        return f"(θ{gate.weight})"
    if gate.feature is not None:
        return f"(x{gate.feature})"
    return "" if gate.angle is None else f"({gate.angle:.3g})"


def fold_columns(columns: list[T], widths: Sequence[float], room: float) -> list[list[T]]:
    """Split the columns into groups that are at most `room` wide together, each of one column or more."""
    groups: list[list[T]] = [[]]
    used = 0.0
    for column, width in zip(columns, widths, strict=True):
        if groups[-1] and used + width > room:
            groups.append([])
            used = 0.0
        groups[-1].append(column)
        used += width
    return groups
