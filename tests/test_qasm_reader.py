"""Reading our own OpenQASM 3 without Qiskit: exactly what the writer emits, and nothing else."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setfit_quantum import Circuit, Gate
from setfit_quantum.circuit import QasmError
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.circuit.qasm import read_qasm3, write_qasm3
from setfit_quantum.circuit.qiskit_import import read_foreign_qasm3
from strategies import random_circuits

CIRCUIT = Circuit(3, (Gate("ry", (0,), feature=1), Gate("crz", (2, 0), weight=10), Gate("rx", (1,), angle=-1e-17)))
TEXT = write_qasm3(CIRCUIT)


@given(circuit=random_circuits(5))
def test_what_is_written_reads_back_equal(circuit):
    assert read_qasm3(write_qasm3(circuit)) == circuit


@given(data=st.data())
def test_it_reads_as_qiskit_does(data):
    circuit = data.draw(random_circuits(3, max_gates=6))
    assert read_foreign_qasm3(write_qasm3(circuit)) == read_qasm3(write_qasm3(circuit))


def test_no_qiskit_is_needed_for_programs_of_our_own(monkeypatch):
    monkeypatch.setitem(sys.modules, "qiskit", None)
    circuit = build_reuploading(4, 2, 1, 2, 1)
    assert Circuit.from_qasm3(circuit.to_qasm3()) == circuit
    assert Circuit.from_qasm3("\n// a comment\n" + TEXT) == CIRCUIT


def test_programs_of_others_go_to_qiskit():
    foreign = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] r;\nrz(pi/2) r[1];\nh r[0];\n'
    with pytest.raises(QasmError, match="Line 3"):
        read_qasm3(foreign)
    assert [gate.name for gate in Circuit.from_qasm3(foreign).gates] == ["rz", "h"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "Line 1 of the program must be 'OPENQASM 3.0;', but is ''"),
        (lambda text: text.replace("3.0", "2.0"), r"Line 1 .*but is 'OPENQASM 2\.0;'"),
        (lambda text: text.replace('include "stdgates.inc";\n', ""), "Line 5 .* must be 'include"),
        (lambda text: text.replace("qubit[3] q;\n", ""), "must declare an input or `qubit"),
        (lambda text: text.replace("qubit[3]", "qubit[0]"), "is no circuit: Argument `n_qubits` must be at least 1"),
        (lambda text: text.replace("qubit[3]", "qubit[2]"), r"is no circuit: .*wires below 2"),
        (lambda text: text.replace("qubit[3]", "qubit[" + "9" * 5000 + "]"), "must declare"),
        (lambda text: text.replace("crz(theta_10) q[2], q[0]", "crz(theta_10) q[2], q[2]"), "is no gate: .*different"),
        (lambda text: text.replace("crz(theta_10)", "crz"), "is no gate: .*takes exactly one"),
        (lambda text: text.replace("theta_10", "theta_" + "1" * 10), "must declare an input"),
        (lambda text: text.replace("-1e-17", "1e999"), "is no gate: Argument `angle` must be finite"),
        (lambda text: text.replace("-1e-17", "pi/2"), "must have a number, theta_i or x_i as its angle"),
        (lambda text: text.replace("-1e-17", "nan"), "must have a number"),
        (lambda text: text.replace("input float[64] x_1;\n", ""), "declare each input that its gates use once"),
        (lambda text: text.replace("input float[64] x_1;", "input float[64] x_2;"), "declare each input"),
        (lambda text: text.replace("input float[64] x_1;", "input float[64] x_1;\n" * 2), "declare each input"),
        (lambda text: text + "measure q[0];\n", "must be a gate out of ry, .*'measure q"),
        (lambda text: text + "h q[0]; h q[1];\n", "must be a gate"),
        (lambda text: text + " h q[0];\n", "must be a gate"),
        (lambda text: text + "h q[٣];\n", "must be a gate"),
        (lambda text: text + "for int i in [0:9] { h q[i]; }\n", "must be a gate"),
    ],
)
def test_anything_else_is_named(change, message):
    changed = change(TEXT)
    assert changed != TEXT
    with pytest.raises(QasmError, match=message):
        read_qasm3(changed)


def test_no_text_is_a_type_error():
    with pytest.raises(TypeError, match="`text` must be a string of OpenQASM 3, but got 3"):
        read_qasm3(3)
