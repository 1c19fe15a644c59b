"""Writing circuits as OpenQASM 3 and as Qiskit circuits."""

import sys

import numpy as np
import pytest
import qiskit.qasm3
from hypothesis import given
from hypothesis import strategies as st
from qiskit.quantum_info import Operator

from qiskit_reference import build_bound
from setfit_quantum import Circuit, Gate
from setfit_quantum.circuit import GATE_TYPES
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.circuit.qasm import write_qasm3
from strategies import random_circuits, random_inputs


def _one_of_each():
    """A circuit with every gate, each angle from another source in turn."""
    sources = [{"weight": 0}, {"feature": 3}, {"angle": 0.1 + 0.2}]
    gates = []
    for position, (name, kind) in enumerate(GATE_TYPES.items()):
        angle = sources[position % 3] if kind.has_angle else {}
        gates.append(Gate(name, (2, 0)[: kind.n_wires], **angle))
    return Circuit(3, tuple(gates))


def _bind(target, weights, features):
    """Give every parameter that the Qiskit circuit has its number, by name."""
    values = {f"theta_{index}": value for index, value in enumerate(weights)}
    values |= {f"x_{index}": value for index, value in enumerate([] if features is None else features)}
    return target.assign_parameters({parameter: values[parameter.name] for parameter in target.parameters})


def _assert_same_unitary(circuit, target, weights, features):
    expected = Operator(build_bound(circuit, weights, features)).data
    # Equal, not only up to a global phase: an importer that used another rz would be noticed.
    np.testing.assert_allclose(Operator(_bind(target, weights, features)).data, expected, atol=1e-12)


def test_text():
    circuit = Circuit(
        2,
        (
            Gate("ry", (0,), feature=2),
            Gate("crz", (1, 0), weight=11),
            Gate("rx", (1,), angle=-0.1),
            Gate("sdg", (1,)),
            Gate("ry", (1,), feature=0),
        ),
    )
    lines = [line for line in write_qasm3(circuit).splitlines() if line and not line.startswith("//")]
    assert lines == [
        "OPENQASM 3.0;",
        'include "stdgates.inc";',
        "input float[64] theta_11;",
        "input float[64] x_0;",
        "input float[64] x_2;",
        "qubit[2] q;",
        "ry(x_2) q[0];",
        "crz(theta_11) q[1], q[0];",
        "rx(-0.1) q[1];",
        "sdg q[1];",
        "ry(x_0) q[1];",
    ]
    assert "// Bit order: q[0] is the most significant bit" in write_qasm3(circuit)


@pytest.mark.parametrize("angle", [0.1 + 0.2, 1e-17, -1.7976931348623157e308, 1 / 3, 2])
def test_constants_keep_every_bit(angle):
    line = write_qasm3(Circuit(1, (Gate("ry", (0,), angle=angle),))).splitlines()[-1]
    assert float(line.removeprefix("ry(").removesuffix(") q[0];")) == angle


def test_every_gate_round_trips_through_qiskit():
    circuit = _one_of_each()
    weights, features = [0.7], [0.0, 0.0, 0.0, -1.3]
    loaded = qiskit.qasm3.loads(circuit.to_qasm3())
    assert [instruction.operation.name for instruction in loaded.data] == [gate.name for gate in circuit.gates]
    _assert_same_unitary(circuit, loaded, weights, features)
    _assert_same_unitary(circuit, circuit.to_qiskit(), weights, features)


@given(data=st.data())
def test_random_circuits_round_trip(data):
    circuit = data.draw(random_circuits(3, max_gates=10))
    weights, features, _ = data.draw(random_inputs(circuit, max_batch=1, batched_weights=False)).row(0)
    _assert_same_unitary(circuit, qiskit.qasm3.loads(circuit.to_qasm3()), weights, features)
    _assert_same_unitary(circuit, circuit.to_qiskit(), weights, features)


def test_bound_circuit_has_no_inputs():
    circuit = build_reuploading(3, 2, 1, 1, 1)
    bound = circuit.bind(np.linspace(-1, 1, circuit.num_parameters), [0.1, 0.2, 0.3])
    assert "input" not in bound.to_qasm3()
    assert not bound.to_qiskit().parameters


def test_qiskit_parameters_and_wires():
    target = build_reuploading(3, 2, 1, 1, 1).to_qiskit()
    assert {parameter.name for parameter in target.parameters} == {
        *(f"theta_{index}" for index in range(12)),
        *(f"x_{index}" for index in range(3)),
    }
    assert target.num_qubits == 3
    first_cx = next(instruction for instruction in target.data if instruction.operation.name == "cx")
    assert [target.find_bit(qubit).index for qubit in first_cx.qubits] == [0, 1]


def test_missing_qiskit_names_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "qiskit", None)
    with pytest.raises(ImportError, match=r'pip install "setfit-quantum\[qiskit\]"'):
        Circuit(1).to_qiskit()
    assert "qubit[1] q;" in Circuit(1).to_qasm3()  # needs no Qiskit
