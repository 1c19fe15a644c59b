"""Turning a circuit into a Qiskit circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setfit_quantum.circuit.circuit import Circuit

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


def build_qiskit_circuit(circuit: Circuit) -> QuantumCircuit:
    """Build a `qiskit.QuantumCircuit` with the same wire numbers.

    Weights become the parameters `theta_i`, features `x_i`. Qiskit counts qubit 0 as the least significant
    bit and prints it rightmost; here it is the most significant bit, printed leftmost.

    Raises:
        ImportError: Qiskit is not installed; the message names the pip command.
    """
    try:
        from qiskit import QuantumCircuit
        from qiskit.circuit import Parameter
    except ImportError as error:
        raise ImportError('Writing a Qiskit circuit needs Qiskit: pip install "setfit-quantum[qiskit]"') from error

    names = {f"theta_{gate.weight}" for gate in circuit.gates if gate.weight is not None}
    names |= {f"x_{gate.feature}" for gate in circuit.gates if gate.feature is not None}
    parameters = {name: Parameter(name) for name in names}
    target = QuantumCircuit(circuit.n_qubits)
    for gate in circuit.gates:
        append = getattr(target, gate.name)  # gate names are those of QuantumCircuit's methods too
        if gate.weight is not None:
            append(parameters[f"theta_{gate.weight}"], *gate.wires)
        elif gate.feature is not None:
            append(parameters[f"x_{gate.feature}"], *gate.wires)
        elif gate.angle is not None:
            append(float(gate.angle), *gate.wires)
        else:
            append(*gate.wires)
    return target
