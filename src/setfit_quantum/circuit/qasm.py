"""Writing a circuit as OpenQASM 3, without Qiskit."""

from __future__ import annotations

from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.circuit.gates import Gate

_BIT_ORDER = """\
// Bit order: q[0] is the most significant bit of a basis state's number, the leftmost of |q[0] q[1] ..>.
// Programs that print q[0] rightmost (Qiskit) show the same outcomes with their bits reversed."""


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
    header = "\n".join(["OPENQASM 3.0;", 'include "stdgates.inc";', _BIT_ORDER])
    body = "\n".join([f"qubit[{circuit.n_qubits}] q;", *(_write_gate(gate) for gate in circuit.gates)])
    return "\n\n".join([header, *(["\n".join(inputs)] if inputs else []), body]) + "\n"


def _write_gate(gate: Gate) -> str:
    wires = ", ".join(f"q[{wire}]" for wire in gate.wires)
    if gate.weight is not None:
        return f"{gate.name}(theta_{gate.weight}) {wires};"
    if gate.feature is not None:
        return f"{gate.name}(x_{gate.feature}) {wires};"
    if gate.angle is not None:
        return f"{gate.name}({float(gate.angle)!r}) {wires};"
    return f"{gate.name} {wires};"
