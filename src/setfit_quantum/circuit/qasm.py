"""OpenQASM 3 without Qiskit: writing circuits, and reading back exactly what is written here."""

from __future__ import annotations

import re

from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.circuit.gates import GATE_TYPES, Gate

_VERSION, _INCLUDE = "OPENQASM 3.0;", 'include "stdgates.inc";'
_BIT_ORDER = """\
// Bit order: q[0] is the most significant bit of a basis state's number, the leftmost of |q[0] q[1] ..>.
// Programs that print q[0] rightmost (Qiskit) show the same outcomes with their bits reversed."""

# At most nine digits: more are no number of a weight or wire that anybody has.
_INDEX = "(0|[1-9][0-9]{0,8})"
_INPUT = re.compile(rf"input float\[64\] (theta|x)_{_INDEX};")
_QUBITS = re.compile(rf"qubit\[{_INDEX}\] q;")
_GATE = re.compile(rf"([a-z]+)(?:\(([^()]*)\))? q\[{_INDEX}\](?:, q\[{_INDEX}\])?;")
_PARAMETER = re.compile(rf"(theta|x)_{_INDEX}")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")


class QasmError(ValueError):
    """A text is not OpenQASM 3 as `write_qasm3` writes it; the message names the line."""


def write_qasm3(circuit: Circuit) -> str:
    r"""Write a circuit as an OpenQASM 3 program.

    Weights become `input float[64] theta_i`, features `input float[64] x_i` (those that the gates refer to);
    constant angles are written so that they read back as the same double. All gate names are those of
    `stdgates.inc`.

    Args:
        circuit: The circuit.

    Returns:
        The program's text, ending in a newline.

    Example:
        >>> print(write_qasm3(Circuit(2, (Gate("ry", (0,), weight=0), Gate("cx", (0, 1))))).split("\n\n")[-1])
        qubit[2] q;
        ry(theta_0) q[0];
        cx q[0], q[1];
        <BLANKLINE>
    """
    weights = sorted({gate.weight for gate in circuit.gates if gate.weight is not None})
    features = sorted({gate.feature for gate in circuit.gates if gate.feature is not None})
    inputs = [f"input float[64] theta_{index};" for index in weights]
    inputs += [f"input float[64] x_{index};" for index in features]
    header = "\n".join([_VERSION, _INCLUDE, _BIT_ORDER])
    body = "\n".join([f"qubit[{circuit.n_qubits}] q;", *(_write_gate(gate) for gate in circuit.gates)])
    return "\n\n".join([header, *(["\n".join(inputs)] if inputs else []), body]) + "\n"


def read_qasm3(text: str) -> Circuit:
    """Read a program that `write_qasm3` wrote; `read_qasm3(write_qasm3(circuit)) == circuit`.

    It takes what the writer emits and nothing else but other comments and empty lines, so that a file that somebody
    else made cannot mean anything that this reader does not know.

    Args:
        text: The program.

    Raises:
        TypeError: `text` is not a string.
        QasmError: Any other line, naming it.
    """
    if not isinstance(text, str):
        raise TypeError(f"Argument `text` must be a string of OpenQASM 3, but got {text!r}.")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line and not line.startswith("//")]
    lines.append((text.count("\n") + 1, ""))  # where a program ends too early
    for place, expected in enumerate((_VERSION, _INCLUDE)):
        if lines[place][1] != expected:
            raise _error(lines[place], f"must be {expected!r}")
    declared = []
    place = 2
    while match := _INPUT.fullmatch(lines[place][1]):
        declared.append(match[0])
        place += 1
    match = _QUBITS.fullmatch(lines[place][1])
    if match is None:
        raise _error(lines[place], "must declare an input or `qubit[n] q;`")
    try:
        circuit = Circuit(int(match[1]), tuple(_read_gate(line) for line in lines[place + 1 : -1]))
    except QasmError:
        raise
    except ValueError as error:  # a wire outside, or no wires at all
        raise QasmError(f"The program is no circuit: {error}") from error
    needed = {f"input float[64] {name};" for gate in circuit.gates for name in _parameter_names(gate)}
    if sorted(declared) != sorted(needed):
        raise QasmError("The program must declare each input that its gates use once, and no others.")
    return circuit


def _write_gate(gate: Gate) -> str:
    wires = ", ".join(f"q[{wire}]" for wire in gate.wires)
    names = _parameter_names(gate)
    if names:
        return f"{gate.name}({names[0]}) {wires};"
    if gate.angle is not None:
        return f"{gate.name}({float(gate.angle)!r}) {wires};"
    return f"{gate.name} {wires};"


def _parameter_names(gate: Gate) -> list[str]:
    """The name of the gate's parameter, if it has one."""
    if gate.weight is not None:
        return [f"theta_{gate.weight}"]
    return [] if gate.feature is None else [f"x_{gate.feature}"]


def _read_gate(line: tuple[int, str]) -> Gate:
    match = _GATE.fullmatch(line[1])
    if match is None or match[1] not in GATE_TYPES:
        raise _error(line, f"must be a gate out of {', '.join(GATE_TYPES)} on wires of q")
    source: dict[str, int | float] = {}
    if match[2] is not None:
        if parameter := _PARAMETER.fullmatch(match[2]):
            source["weight" if parameter[1] == "theta" else "feature"] = int(parameter[2])
        elif _NUMBER.fullmatch(match[2]):
            source["angle"] = float(match[2])
        else:
            raise _error(line, "must have a number, theta_i or x_i as its angle")
    wires = tuple(int(wire) for wire in match.groups()[2:] if wire is not None)
    try:
        return Gate(match[1], wires, **source)  # type: ignore[arg-type]
    except ValueError as error:
        raise _error(line, f"is no gate: {error}") from error


def _error(line: tuple[int, str], problem: str) -> QasmError:
    shown = line[1] if len(line[1]) <= 60 else f"{line[1][:57]}..."
    return QasmError(f"Line {line[0]} of the program {problem}, but is {shown!r}.")
