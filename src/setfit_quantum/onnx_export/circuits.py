"""Real circuits as ONNX nodes, and as matrices: a statevector is a row of 2**n_qubits numbers, qubit 0 first.

A gate on one wire is a product with a 2 x 2 matrix, after the row was folded so that the wire is an axis of its own;
CNOT and SWAP permute the row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.circuit import Circuit, Gate
from setfit_quantum.onnx_export.graph import GraphBuilder

Floats = NDArray[np.float64]

_FIXED: dict[str, Any] = {
    "h": np.array([[1, 1], [1, -1]]) / math.sqrt(2),
    "x": np.array([[0, 1], [1, 0]]),
    "z": np.array([[1, 0], [0, -1]]),
}
_PERMUTING = ("cx", "swap")


def check_real(circuit: Circuit) -> None:
    """Raise ValueError for a circuit that needs complex numbers, which ONNX does not have."""
    if not circuit.is_real:
        names = ", ".join(sorted(circuit.gate_names))
        raise ValueError(f"Argument `ansatz` must have real gates only to be exported, but has {names}.")


def signs(n_qubits: int, n_readout: int) -> Floats:
    """Eigenvalues of Pauli Z on the first qubits, shape (2**n_qubits, n_readout)."""
    states = np.arange(2**n_qubits)[:, None]
    result: Floats = 1.0 - 2.0 * ((states >> (n_qubits - 1 - np.arange(n_readout))) & 1).astype(np.float64)
    return result


def run_circuit(circuit: Circuit, states: Floats) -> Floats:
    """Apply a circuit without free angles to rows of amplitudes, shape (n, 2**n_qubits), in double precision."""
    n_qubits = circuit.n_qubits
    for gate in circuit.gates:
        if gate.name in _PERMUTING:
            states = states[:, _permutation(gate, n_qubits)]
        elif gate.name == "cz":
            states = states * _phases(gate, n_qubits)
        else:
            folded = states.reshape(len(states), 2 ** gate.wires[-1], 2, -1)
            turned = np.einsum("ij,bajr->bair", _matrix(gate), folded).reshape(states.shape)
            states = np.where(_controlled(gate, n_qubits), turned, states) if gate.name == "cry" else turned
    return states


def add_circuit(graph: GraphBuilder, circuit: Circuit, rotations: str | None) -> str:
    """Add nodes that run a circuit from |0...0>.

    Args:
        graph: Where to add them.
        circuit: Its weights bound; features may be free.
        rotations: Name of the matrices RY(x) of the features, shape (batch, n_features, 2, 2).

    Returns:
        Name of the state, shape (batch, 2**n_qubits); with batch 1 where nothing depends on features.
    """
    n_qubits = circuit.n_qubits
    zero = np.zeros((1, 2**n_qubits))
    zero[0, 0] = 1
    state = graph.constant(zero)
    for gate in circuit.gates:
        if gate.name in _PERMUTING:
            flat = graph.reshape(state, -1, 2**n_qubits)
            state = graph.node("Gather", flat, graph.constant(_permutation(gate, n_qubits), np.int64), axis=1)
        elif gate.name == "cz":
            state = graph.node("Mul", graph.reshape(state, -1, 2**n_qubits), graph.constant(_phases(gate, n_qubits)))
        else:
            wire = gate.wires[-1]
            folded = graph.reshape(state, -1, 2**wire, 2, 2 ** (n_qubits - 1 - wire))
            if gate.feature is None:
                matrix = graph.constant(_matrix(gate))
            else:
                assert rotations is not None
                matrix = graph.node("Gather", rotations, graph.constant([gate.feature], np.int64), axis=1)
            turned = graph.node("MatMul", matrix, folded)
            if gate.name == "cry":
                mask = graph.constant(_controlled(gate, n_qubits), np.bool_)
                turned = graph.node("Where", mask, graph.reshape(turned, -1, 2**n_qubits),
                                    graph.reshape(state, -1, 2**n_qubits))  # fmt: skip
            state = turned
    return graph.reshape(state, -1, 2**n_qubits)


def add_rotations(graph: GraphBuilder, angles: str, n_angles: int) -> str:
    """Add nodes for RY of each angle: from shape (batch, n_angles) to (batch, n_angles, 2, 2)."""
    half = graph.node("Mul", angles, graph.constant(0.5))
    cos, sin = (graph.reshape(graph.node(name, half), -1, n_angles, 1) for name in ("Cos", "Sin"))
    rows = graph.node("Concat", cos, graph.node("Neg", sin), sin, cos, axis=2)
    return graph.reshape(rows, -1, n_angles, 2, 2)


def _matrix(gate: Gate) -> Floats:
    if gate.name in _FIXED:
        fixed: Floats = _FIXED[gate.name]
        return fixed
    assert gate.angle is not None
    cos, sin = math.cos(gate.angle / 2), math.sin(gate.angle / 2)
    return np.array([[cos, -sin], [sin, cos]])


def _bits(wire: int, n_qubits: int) -> NDArray[np.int64]:
    bits: NDArray[np.int64] = (np.arange(2**n_qubits) >> (n_qubits - 1 - wire)) & 1
    return bits


def _permutation(gate: Gate, n_qubits: int) -> NDArray[np.int64]:
    """Where each amplitude comes from."""
    states = np.arange(2**n_qubits)
    first, second = (1 << (n_qubits - 1 - wire) for wire in gate.wires)
    if gate.name == "cx":
        return np.where(states & first, states ^ second, states)
    differ = ((states & first) > 0) != ((states & second) > 0)
    return np.where(differ, states ^ first ^ second, states)


def _phases(gate: Gate, n_qubits: int) -> Floats:
    both = _bits(gate.wires[0], n_qubits) & _bits(gate.wires[1], n_qubits)
    return 1.0 - 2.0 * both.astype(np.float64)


def _controlled(gate: Gate, n_qubits: int) -> NDArray[np.bool_]:
    return _bits(gate.wires[0], n_qubits).astype(np.bool_)
