"""Text drawings of circuits."""

import textwrap

import pytest
from hypothesis import given

from setfit_quantum import Circuit, Gate
from setfit_quantum.circuit import GATE_TYPES
from setfit_quantum.circuit.ansatz import build_reuploading
from strategies import random_circuits


def _expect(circuit, text, **arguments):
    assert circuit.draw(**arguments) == textwrap.dedent(text).strip("\n")


def test_block():
    _expect(
        Circuit(2, (Gate("ry", (0,), feature=12), Gate("cx", (0, 1)), Gate("ry", (1,), weight=3))),
        """
        q0: ──┤RY(x12)├──●────────────
                         │
        q1: ─────────────⊕──┤RY(θ3)├──
        """,
    )


def test_gates_side_by_side_share_a_column_and_lines_cross_wires():
    _expect(
        Circuit(3, (Gate("h", (0,)), Gate("tdg", (2,)), Gate("swap", (2, 0)), Gate("x", (1,)))),
        """
        q0: ──┤H├───×───────
                    │
        q1: ────────┼──┤X├──
                    │
        q2: ──┤T†├──×───────
        """,
    )


def test_two_wire_gates():
    _expect(
        Circuit(2, (Gate("cz", (1, 0)), Gate("cy", (1, 0)), Gate("crz", (0, 1), angle=-0.123456))),
        """
        q0: ──●──┤Y├───────●────────
              │   │        │
        q1: ──●───●───┤RZ(-0.123)├──
        """,
    )


def test_folding():
    drawing = build_reuploading(4, 2, 1, 1, 1).draw(max_width=60)
    blocks = drawing.split("\n\n\n")
    assert len(blocks) > 2
    for number, block in enumerate(blocks):
        lines = block.splitlines()
        assert len(lines) == 7
        assert [line[:3] for line in lines[::2]] == ["q0:", "q1:", "q2:", "q3:"]
        for line in lines[::2]:
            assert len(line) <= 60
            assert line.startswith("« ", 4) == (number > 0)
            assert line.endswith(" »") == (number < len(blocks) - 1)
    # Folding loses nothing and repeats nothing.
    for weight in range(16):
        assert drawing.count(f"(θ{weight})") == (2 if weight < 8 else 1)


def test_a_column_wider_than_the_limit_is_not_cut():
    circuit = Circuit(1, (Gate("ry", (0,), weight=10**20), Gate("h", (0,))))
    assert f"RY(θ{10**20})" in circuit.draw(max_width=20)
    with pytest.raises(ValueError, match="`max_width` must be at least 20, but got 5"):
        circuit.draw(max_width=5)


def test_empty_circuit():
    _expect(Circuit(2), "q0: ──\n\nq1: ──")


def test_every_gate_has_a_drawing():
    gates = [
        Gate(name, (0, 1)[: kind.n_wires], angle=0.5 if kind.has_angle else None) for name, kind in GATE_TYPES.items()
    ]
    drawings = [Circuit(2, (gate,)).draw() for gate in gates]
    assert len(set(drawings)) == len(gates)


@given(circuit=random_circuits(5))
def test_drawing_is_rectangular_and_complete(circuit):
    lines = circuit.draw(max_width=10**6).splitlines()
    wires = lines[::2]
    assert len(lines) == 2 * circuit.n_qubits - 1
    assert len({len(line) for line in wires}) == 1
    boxes = sum(line.count("┤") for line in wires)
    assert boxes == sum(gate.name not in {"cx", "cz", "swap"} for gate in circuit.gates)
    assert sum(line.count("⊕") for line in wires) == circuit.count_ops().get("cx", 0)
    assert sum(line.count("×") for line in wires) == 2 * circuit.count_ops().get("swap", 0)
    # Every vertical stroke stands between two marks of its gate: never under empty wire.
    for row in range(1, len(lines), 2):
        for column, character in enumerate(lines[row]):
            if character == "│":
                assert lines[row - 1][column] not in "─ "
                assert lines[row + 1][column] not in "─ "
