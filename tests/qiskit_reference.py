"""What Qiskit says about a circuit, in this project's qubit order."""

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

PAULI_NAMES = ("id", "x", "y", "z")


def build_bound(circuit, weights=None, features=None, codes=None):
    """The circuit in Qiskit with numbers for angles and, after gate g, the Pauli of code `codes[g]`.

    Built gate by gate from `circuit.gates`, not by the package's own export, so that the two can be compared.
    """
    target = QuantumCircuit(circuit.n_qubits)
    for position, gate in enumerate(circuit.gates):
        angles = []
        if gate.weight is not None:
            angles = [float(weights[gate.weight])]
        elif gate.feature is not None:
            angles = [float(features[gate.feature])]
        elif gate.angle is not None:
            angles = [gate.angle]
        getattr(target, gate.name)(*angles, *gate.wires)
        if codes is not None:
            digits = [codes[position]] if len(gate.wires) == 1 else divmod(codes[position], 4)
            for wire, digit in zip(gate.wires, digits, strict=True):
                getattr(target, PAULI_NAMES[digit])(wire)
    return target


def pad(initial_state, n_qubits):
    """Amplitudes filled up with zeros; None is |0..0>."""
    full = np.zeros(2**n_qubits)
    full[: 1 if initial_state is None else len(initial_state)] = 1.0 if initial_state is None else initial_state
    return full


def reverse_bits(vector):
    """Turn the qubit order of a vector of 2**n entries around."""
    n_qubits = vector.size.bit_length() - 1
    return vector.reshape((2,) * n_qubits).transpose().reshape(-1)


def final_state(circuit, weights=None, features=None, initial_state=None, codes=None):
    """The final amplitudes, qubit 0 most significant."""
    start = Statevector(reverse_bits(pad(initial_state, circuit.n_qubits)))
    return reverse_bits(start.evolve(build_bound(circuit, weights, features, codes)).data)


def pauli_signs(n_qubits):
    """Eigenvalues of Z_q (columns) on basis state k (rows), shape (2**n, n)."""
    index = np.arange(2**n_qubits)[:, None]
    return 1.0 - 2.0 * (index >> np.arange(n_qubits)[::-1] & 1)
