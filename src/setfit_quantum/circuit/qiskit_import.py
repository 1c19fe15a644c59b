"""Reading a circuit from Qiskit or OpenQASM 3, such as a user's own ansatz."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.circuit.gates import GATE_TYPES, Gate

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

# As they are written here: `theta_01` is another parameter than `theta_1`.
_NUMBERED = re.compile(r"(theta|x)_(0|[1-9][0-9]{0,8})")
_IDLE = frozenset({"delay", "id", "global_phase"})
_UNITARIES = frozenset({"u", "u3", "U", "u2", "p", "u1", "sx", "sxdg"})
"""Gates that are written in turns about Y and Z here: Qiskit defines them by one another, without end."""
_MAX_DEPTH = 30
"""Definitions within definitions."""


def read_foreign_qasm3(text: str) -> Circuit:
    """Build a circuit from any OpenQASM 3 program, by Qiskit's importer; see `read_qiskit`.

    Raises:
        ImportError: Qiskit or its OpenQASM 3 importer is not installed; the message names the pip command.
        ValueError: The text is no OpenQASM 3 that Qiskit understands, or see `read_qiskit`.
    """
    try:
        import qiskit_qasm3_import  # noqa: F401 (Qiskit asks for it only later, with a warning-like error)
        from qiskit import qasm3
    except ImportError as error:
        raise ImportError(f'Reading OpenQASM 3 needs Qiskit: pip install "setfit-quantum[qiskit]" ({error})') from error
    if not isinstance(text, str):
        raise TypeError(f"Argument `text` must be a string of OpenQASM 3, but got {text!r}.")
    try:
        source = qasm3.loads(text)
    except Exception as error:  # the importer raises errors of its own, its parser's, and plain ones
        raise ValueError(f"Argument `text` must be OpenQASM 3 that Qiskit reads, but: {error}") from error
    return read_qiskit(source)


def read_qiskit(source: QuantumCircuit) -> Circuit:
    """Build a circuit from a Qiskit circuit, with the same wire numbers.

    Parameters named `theta_i` become weight i, and `x_i` feature i. All other parameters become weights in the order
    of their first use, after the largest `theta_i`. Gates that this package does not have are expanded by their
    definitions; barriers, delays and final measurements are dropped, and the global phase does not matter.

    Args:
        source: Angles must be numbers or single parameters.

    Raises:
        ValueError: An angle that is an expression, a gate without a unitary definition in known gates, a measurement
            that is not at the end.
    """
    flat = source.copy_empty_like()
    _expand(source, list(source.qubits), list(source.clbits), flat)
    wires = {bit: number for number, bit in enumerate(flat.qubits)}
    numbers = _number_parameters(source)
    gates = []
    for item in _drop_final_measurements(flat):
        name = item.operation.name
        if name == "measure":
            raise _unreadable(name)
        where = tuple(wires[bit] for bit in item.qubits)
        gates.append(Gate(name, where, **_angle_source(item.operation, numbers)))
    return Circuit(flat.num_qubits, tuple(gates))


def _drop_final_measurements(source: QuantumCircuit) -> list[Any]:
    """The instructions without measurements that nothing follows on their wire.

    By hand, since Qiskit's own removal puts gates of different wires in another order.
    """
    used: set[Any] = set()
    kept = []
    for item in reversed(source.data):
        if item.operation.name == "measure" and not used & set(item.qubits):
            continue
        used |= set(item.qubits)
        kept.append(item)
    return kept[::-1]


def _expand(
    source: QuantumCircuit, qubits: list[Any], clbits: list[Any], target: QuantumCircuit, depth: int = 0
) -> None:
    """Append `source` to `target`, with unknown gates replaced by their definitions.

    By hand, since Qiskit's `decompose` puts gates of different wires in another order and goes by their names only.

    Raises:
        ValueError: Naming the gate that has no definition in known ones.
    """
    qubit_of = dict(zip(source.qubits, qubits, strict=True))
    clbit_of = dict(zip(source.clbits, clbits, strict=True))
    for item in source.data:
        operation = item.operation
        is_standard = _is_standard(operation)
        if getattr(operation, "_directive", False) or (is_standard and operation.name in _IDLE):  # such as a barrier
            continue
        inner = [qubit_of[bit] for bit in item.qubits], [clbit_of[bit] for bit in item.clbits]
        if is_standard and (operation.name == "measure" or operation.name in GATE_TYPES):
            target.append(operation, *inner)
        elif is_standard and operation.name in _UNITARIES:
            _append_unitary(target, operation, inner[0][0])
        else:
            definition = getattr(operation, "definition", None)
            if definition is None or depth == _MAX_DEPTH:
                raise _unreadable(operation.name)
            _expand(definition, *inner, target, depth + 1)


def _is_standard(operation: Any) -> bool:
    """Whether an operation is the gate of Qiskit's library that its name says, and not one that a user named so."""
    known = _standard_gates().get(operation.name.lower())
    return known is not None and isinstance(operation, known)


@cache
def _standard_gates() -> dict[str, type]:
    from qiskit.circuit.library import get_standard_gate_name_mapping

    return {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()}


def _unreadable(name: str) -> ValueError:
    return ValueError(
        f"Argument `source` must be made of the gates {', '.join(GATE_TYPES)}, or of gates defined by them, with "
        f"measurements at the end only, but has {name}."
    )


def _append_unitary(target: QuantumCircuit, operation: Any, wire: Any) -> None:
    """Write U(a, b, c) = RZ(b) RY(a) RZ(c), P(a) = RZ(a) and SX = RX(pi/2), up to a global phase."""
    name, angles = operation.name, operation.params
    if name in ("sx", "sxdg"):
        target.rx(math.pi / 2 if name == "sx" else -math.pi / 2, wire)
    elif name == "u2":
        target.rz(angles[1], wire)
        target.ry(math.pi / 2, wire)
        target.rz(angles[0], wire)
    elif name in ("u", "u3", "U"):
        target.rz(angles[2], wire)
        target.ry(angles[0], wire)
        target.rz(angles[1], wire)
    else:
        target.rz(angles[0], wire)


def _number_parameters(source: QuantumCircuit) -> dict[Any, tuple[str, int]]:
    """Parameter -> ("weight" or "feature", its number)."""
    seen: list[Any] = []
    for item in source.data:
        for angle in item.operation.params:
            for parameter in getattr(angle, "parameters", ()):
                if parameter not in seen:
                    seen.append(parameter)
    seen += [parameter for parameter in source.parameters if parameter not in seen]  # inside a gate's definition
    numbers: dict[Any, tuple[str, int]] = {}
    for parameter in seen:
        match = _NUMBERED.fullmatch(parameter.name)
        if match:
            numbers[parameter] = ("weight" if match[1] == "theta" else "feature", int(match[2]))
    following = 1 + max((number for kind, number in numbers.values() if kind == "weight"), default=-1)
    for parameter in seen:
        if parameter not in numbers:
            numbers[parameter] = ("weight", following)
            following += 1
    return numbers


def _angle_source(operation: Any, numbers: dict[Any, tuple[str, int]]) -> dict[str, Any]:
    """`weight=`, `feature=` or `angle=` of a gate.

    Raises:
        ValueError: The angle is an expression of parameters.
    """
    if not operation.params:
        return {}
    (angle,) = operation.params
    parameters = tuple(getattr(angle, "parameters", ()))
    if not parameters:
        return {"angle": float(angle)}
    (parameter, *others) = parameters
    if others or str(angle) != parameter.name:
        raise ValueError(
            f"Argument `source` must have numbers or single parameters as angles, but gate {operation.name!r} has "
            f"the expression {angle}. A trained angle needs no factor and no offset: give the gate a parameter of its "
            "own."
        )
    kind, number = numbers[parameter]
    return {kind: number}
