"""Circuits from Qiskit and OpenQASM 3: round trips, a user's own ansatz, and what cannot be read."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import GlobalPhaseGate, efficient_su2, real_amplitudes
from qiskit.quantum_info import Operator, random_clifford

from setfit_quantum import Circuit, Gate
from setfit_quantum.backends import get_backend
from setfit_quantum.backends.ionq.service import import_ionq
from setfit_quantum.backends.qiskit_backend.imports import import_qiskit
from setfit_quantum.circuit.ansatz import build_reuploading
from strategies import random_circuits

THETA, PHI = Parameter("a"), Parameter("b")


def matrix_of(circuit, values):
    """The unitary by Qiskit, up to a global phase fixed by the largest entry of the first column."""
    bound = circuit.bind(weights=values[: circuit.num_parameters]).to_qiskit()
    return without_phase(Operator(bound).data)


def without_phase(matrix):
    entry = matrix[np.argmax(np.abs(matrix[:, 0])), 0]
    return matrix * abs(entry) / entry


@settings(max_examples=30)
@given(st.data())
def test_round_trips(data):
    circuit = data.draw(random_circuits(4))
    assert Circuit.from_qiskit(circuit.to_qiskit()) == circuit


def test_round_trips_through_openqasm():
    circuit = build_reuploading(4, 2, 1, 2, 1) + Circuit(4, (Gate("crz", (3, 1), angle=0.1), Gate("sdg", (2,))))
    assert Circuit.from_qasm3(circuit.to_qasm3()) == circuit


@pytest.mark.parametrize("source", [real_amplitudes(3, reps=2), efficient_su2(3, reps=1, entanglement="linear")])
def test_libraries_ansatz_becomes_weights_in_order(source):
    circuit = Circuit.from_qiskit(source)
    assert circuit.num_parameters == source.num_parameters
    assert circuit.n_features == 0
    values = np.random.default_rng(0).uniform(-3, 3, source.num_parameters)
    by_use = []
    for item in source.data:
        by_use += [parameter for angle in item.operation.params for parameter in angle.parameters]
    expected = Operator(source.assign_parameters(dict(zip(by_use, values, strict=True)))).data
    np.testing.assert_allclose(matrix_of(circuit, values), without_phase(expected), atol=1e-9)


def test_unknown_gates_are_expanded():
    source = QuantumCircuit(3, 3)
    source.rzz(THETA, 0, 1)
    source.u(0.1, PHI, 0.3, 0)
    source.ccx(0, 1, 2)
    source.p(PHI, 2)
    source.sx(1)
    source.rxx(0.3, 0, 2)
    source.barrier()
    expected = Operator(
        source.assign_parameters({THETA: 0.4, PHI: -1.2}).decompose([]).remove_final_measurements(False)
    )
    source.measure([0, 1, 2], [0, 1, 2])
    circuit = Circuit.from_qiskit(source)
    assert circuit.num_parameters == 2
    np.testing.assert_allclose(matrix_of(circuit, [0.4, -1.2]), without_phase(expected.data), atol=1e-9)


def test_names_of_parameters_tell_weights_from_features():
    text = """OPENQASM 3.0;
include "stdgates.inc";
input float[64] x_1;
input float[64] theta_2;
input float[64] slope;
qubit[2] q;
ry(x_1) q[0];
rx(theta_2) q[1];
rz(slope) q[1];
rz(pi/2) q[0];
cx q[0], q[1];
"""
    circuit = Circuit.from_qasm3(text)
    assert [(gate.weight, gate.feature) for gate in circuit.gates] == [
        (None, 1), (2, None), (3, None), (None, None), (None, None),
    ]  # fmt: skip
    assert circuit.gates[3].angle == pytest.approx(np.pi / 2)
    z = get_backend("torch").expectations(circuit, torch.zeros(4), torch.ones(1, 2))
    assert z.shape == (1, 2)


def test_names_are_told_apart():
    """`theta_01` is not `theta_1`, and what looks like a number in another script is none."""
    source = QuantumCircuit(1)
    for name in ("theta_1", "theta_01", "theta_١", "x_0", "x_00", "θ[0]", "x", "theta_1000000000"):
        source.ry(Parameter(name), 0)
    sources = [(gate.weight, gate.feature) for gate in Circuit.from_qiskit(source).gates]
    assert sources == [(1, None), (2, None), (3, None), (None, 0), (4, None), (5, None), (6, None), (7, None)]


@pytest.mark.parametrize("name", ["t", "h", "ry", "cx", "measure", "id", "barrier"])
def test_users_gates_may_have_the_names_of_others(name):
    block = QuantumCircuit(2, name=name)
    block.rx(THETA, 0)
    block.crz(PHI, 1, 0)
    source = QuantumCircuit(3)
    source.h(2)
    source.append(block.to_gate(), [2, 0])
    source.append(block.to_gate({THETA: 0.3, PHI: Parameter("c")}), [1, 2])
    circuit = Circuit.from_qiskit(source)
    assert circuit.gates == (
        Gate("h", (2,)), Gate("rx", (2,), weight=0), Gate("crz", (0, 2), weight=1),
        Gate("rx", (1,), angle=0.3), Gate("crz", (2, 1), weight=2),
    )  # fmt: skip


def test_what_does_nothing_is_dropped():
    source = QuantumCircuit(2, 2)
    source.append(GlobalPhaseGate(0.3), [])
    source.ry(THETA, 0)
    source.delay(10, 0)
    source.id(1)
    block = QuantumCircuit(2, 2, name="read out")
    block.barrier()
    block.measure([0, 1], [1, 0])
    source.append(block.to_instruction(), [1, 0], [0, 1])
    assert Circuit.from_qiskit(source) == Circuit(2, (Gate("ry", (0,), weight=0),))


def test_gates_keep_their_order_on_different_wires():
    source = QuantumCircuit(3)
    source.rzz(0.1, 0, 1)
    source.ry(0.2, 2)
    source.p(0.3, 0)
    names = [(gate.name, gate.wires) for gate in Circuit.from_qiskit(source).gates]
    assert names == [("cx", (0, 1)), ("rz", (1,)), ("cx", (0, 1)), ("ry", (2,)), ("rz", (0,))]


def broken(build):
    source = QuantumCircuit(2, 1)
    build(source)
    return source


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda source: source.ry(2 * THETA, 0), r"gate 'ry' has the expression 2\*a\. .*a parameter of its own"),
        (lambda source: source.ry(THETA + PHI, 0), "gate 'ry' has the expression"),
        (lambda source: (source.measure(0, 0), source.h(0)), "but has measure"),
        (lambda source: (source.reset(0), source.h(0)), "but has reset"),
        (lambda source: source.initialize([0, 1], 0), "but has reset"),
        (lambda source: source.append(random_clifford(2, seed=0), [0, 1]), "but has clifford"),
    ],
)
def test_what_a_circuit_cannot_hold_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        Circuit.from_qiskit(broken(build))


def test_wrong_text_is_named():
    with pytest.raises(ValueError, match="`text` must be OpenQASM 3 that Qiskit reads"):
        Circuit.from_qasm3("OPENQASM 3.0; qubit[2] q; frobnicate q[0];")
    with pytest.raises(TypeError, match="`text` must be a string"):
        Circuit.from_qasm3(3)


def test_without_an_extra_its_pip_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "qiskit", None)
    with pytest.raises(ImportError, match=r'pip install "setfit-quantum\[qiskit\]"'):
        Circuit.from_qasm3("OPENQASM 3.0;")
    with pytest.raises(ImportError, match=r'pip install "setfit-quantum\[qiskit\]"'):
        import_qiskit()
    monkeypatch.setitem(sys.modules, "qiskit_ionq", None)
    with pytest.raises(ImportError, match=r'pip install "setfit-quantum\[ionq\]"'):
        import_ionq()
