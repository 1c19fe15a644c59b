"""How many pulses a circuit takes on a trapped-ion machine: GPi, GPi2, and ZZ or MS gates.

Such machines turn a qubit about an axis in the equator by pi (GPi) or pi/2 (GPi2); rotations about Z are free, since
they only shift the phase of later pulses. Between two entangling gates all one-qubit gates of a wire are one unitary U,
and Z rotations before and after it do not change |U_00|. So U takes

| U_00 | pulses |
|---|---|
| modulus 1: a Z rotation | none |
| 0: a turn by pi | one GPi |
| modulus 1/sqrt(2) | one GPi2 |
| else | two GPi2 |

An entangling gate by any angle is one ZZ or MS.
"""

from __future__ import annotations

import cmath
import math

import numpy as np

from setfit_quantum.checks import check_choice
from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.circuit.gates import Gate

ENTANGLERS = ("zz", "ms")
_ROOT = math.sqrt(0.5)
_H = np.array([[_ROOT, _ROOT], [_ROOT, -_ROOT]], dtype=complex)
_S = np.diag([1, 1j])
_FIXED = {
    "h": _H,
    "x": np.array([[0, 1], [1, 0]], dtype=complex),
    "y": np.array([[0, -1j], [1j, 0]]),
    "z": np.diag([1, -1]).astype(complex),
    "s": _S,
    "sdg": _S.conj(),
    "t": np.diag([1, cmath.exp(0.25j * math.pi)]),
    "tdg": np.diag([1, cmath.exp(-0.25j * math.pi)]),
}
# What turns the axis of a controlled gate's target into Z: V with V Z V^-1 = axis.
_TO_AXIS = {"x": _H, "y": _S @ _H, "z": np.eye(2, dtype=complex)}
_GENERIC = 1.2345
"""Stands for an angle that is not known yet; no combination of such angles is special."""


def native_gate_counts(circuit: Circuit, entangler: str = "zz") -> dict[str, int]:
    """Count the native gates of a circuit compiled for trapped ions.

    Angles of weights and features count as generic; `circuit.bind(...)` first where they are known.

    Args:
        circuit: The circuit.
        entangler: `"zz"` (IonQ Forte) or `"ms"` (Aria).

    Returns:
        `{"gpi": ..., "gpi2": ..., "zz": ...}`, the last key being the entangler's.

    Example:
        >>> native_gate_counts(Circuit(2, (Gate("h", (0,)), Gate("cx", (0, 1)))))
        {'gpi': 0, 'gpi2': 3, 'zz': 1}
    """
    check_choice("entangler", entangler, ENTANGLERS)
    counter = _Counter(circuit.n_qubits, entangler)
    for position, gate in enumerate(circuit.gates):
        counter.add(gate, position)
    return counter.finish()


class _Counter:
    """Unitaries of each wire since its last entangling gate, and the counts so far."""

    def __init__(self, n_qubits: int, entangler: str) -> None:
        self._entangler = entangler
        self._waiting = [np.eye(2, dtype=complex) for _ in range(n_qubits)]
        self._counts = {"gpi": 0, "gpi2": 0, entangler: 0}

    def add(self, gate: Gate, position: int) -> None:
        if len(gate.wires) == 1:
            self._turn(gate.wires[0], _matrix(gate.name, _angle(gate, position)))
        elif gate.name == "swap":
            for control, target in (gate.wires, gate.wires[::-1], gate.wires):
                self._control(control, target, "x")
        elif gate.name.startswith("cr"):
            axis = gate.name[-1]
            control, target = gate.wires
            self._entangle(control, target, axis)
            self._turn(target, _matrix(f"r{axis}", _angle(gate, position) / 2))
        else:
            control, target = gate.wires
            self._control(control, target, gate.name[-1])

    def _control(self, control: int, target: int, axis: str) -> None:
        """cx, cy or cz: Z on the control with the axis on the target, and a quarter turn of each."""
        self._entangle(control, target, axis)
        self._turn(control, _S.conj())
        self._turn(target, _TO_AXIS[axis] @ _S.conj() @ _TO_AXIS[axis].conj().T)

    def finish(self) -> dict[str, int]:
        for wire in range(len(self._waiting)):
            self._flush(wire)
        return dict(self._counts)

    def _turn(self, wire: int, unitary: np.ndarray) -> None:
        self._waiting[wire] = unitary @ self._waiting[wire]

    def _entangle(self, control: int, target: int, axis: str) -> None:
        """Z on the control with `axis` on the target, by one native gate between turns of the wires' axes."""
        turns = {control: _TO_AXIS["z"], target: _TO_AXIS[axis]}
        for wire, to_axis in turns.items():
            native = to_axis if self._entangler == "zz" else to_axis @ _H  # MS acts on X
            self._turn(wire, native.conj().T)
            self._flush(wire)
            self._turn(wire, native)
        self._counts[self._entangler] += 1

    def _flush(self, wire: int) -> None:
        """Count the pulses of what waits on a wire.

        The Z rotation that is left over commutes with ZZ, and shifts the phase of MS.
        """
        modulus = abs(self._waiting[wire][0, 0])
        if math.isclose(modulus, 0, abs_tol=1e-9):
            self._counts["gpi"] += 1
        elif math.isclose(modulus, _ROOT, abs_tol=1e-9):
            self._counts["gpi2"] += 1
        elif not math.isclose(modulus, 1, abs_tol=1e-9):
            self._counts["gpi2"] += 2
        self._waiting[wire] = np.eye(2, dtype=complex)


def _angle(gate: Gate, position: int) -> float:
    if gate.angle is not None:
        return gate.angle
    # Different at each place, so that turns of neighbours cancel only by design.
    return _GENERIC + 0.1 * math.sin(position + 1.0)


def _matrix(name: str, angle: float) -> np.ndarray:
    if name in _FIXED:
        return _FIXED[name]
    cos, sin = math.cos(angle / 2), math.sin(angle / 2)
    if name == "rz":
        return np.diag([complex(cos, -sin), complex(cos, sin)])
    if name == "ry":
        return np.array([[cos, -sin], [sin, cos]], dtype=complex)
    return np.array([[cos, -1j * sin], [-1j * sin, cos]])
