"""Controlled rotations written with plain ones, for Aer.

Aer ignores the parameter of a controlled rotation that is bound in a pub, silently (Aer's issues 2323, 2391, 2403; seen
with 0.18), and its density matrices do not have these gates at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from setfit_quantum.backends.qiskit_backend.imports import import_qiskit

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

CONTROLLED = frozenset({"crx", "cry", "crz"})


def append_controlled(target: QuantumCircuit, item: Any, label: str | None = None, other: str | None = None) -> None:
    """Append the controlled rotation `item` as R(a/2), CX, R(-a/2), CX (CZ for RX).

    Args:
        target: The circuit to append to.
        item: An instruction of a Qiskit circuit.
        label: Label of the last gate, which so carries the error of the whole.
        other: Label of the other gates.
    """
    library = import_qiskit("qiskit.circuit.library")
    name, (angle,), (control, wire) = item.operation.name, item.operation.params, item.qubits
    turn = {"crx": library.RXGate, "cry": library.RYGate, "crz": library.RZGate}[name]
    # Conjugating with X (or Z, for RX) turns the rotation around.
    flip = library.CZGate if name == "crx" else library.CXGate
    target.append(turn(angle / 2, label=other), [wire])
    target.append(flip(label=other), [control, wire])
    target.append(turn(-angle / 2, label=other), [wire])
    target.append(flip(label=label), [control, wire])


def expand_controlled(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit without controlled rotations; itself if it has none."""
    if not any(item.operation.name in CONTROLLED for item in circuit.data):
        return circuit
    target = circuit.copy_empty_like()
    for item in circuit.data:
        if item.operation.name in CONTROLLED:
            append_controlled(target, item)
        else:
            target.append(item)
    return target
