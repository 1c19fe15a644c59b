"""Pulses on a trapped-ion machine, against known compilations and against IonQ's own transpiler."""

import warnings

import numpy as np
import pytest

from setfit_quantum import Circuit, Gate
from setfit_quantum.circuit import native_gate_counts
from setfit_quantum.circuit.ansatz import build_reuploading


def one(name, **angle):
    return Circuit(1, (Gate(name, (0,), **angle),))


def two(name, **angle):
    return Circuit(2, (Gate(name, (0, 1), **angle),))


@pytest.mark.parametrize("name", ["z", "s", "sdg", "t", "tdg"])
def test_turns_about_z_are_free(name):
    assert native_gate_counts(one(name)) == {"gpi": 0, "gpi2": 0, "zz": 0}
    assert native_gate_counts(one("rz", weight=0)) == {"gpi": 0, "gpi2": 0, "zz": 0}


@pytest.mark.parametrize(
    ("circuit", "gpi", "gpi2"),
    [
        (one("x"), 1, 0),
        (one("y"), 1, 0),
        (one("h"), 0, 1),
        (one("rx", angle=np.pi / 2), 0, 1),
        (one("ry", angle=np.pi), 1, 0),
        (one("ry", weight=0), 0, 2),
        (one("rx", feature=0), 0, 2),
        (one("h") + one("h"), 0, 0),
        (one("h") + one("z") + one("h"), 1, 0),
        (one("ry", angle=0.3) + one("rz", angle=1.0) + one("rx", angle=0.2), 0, 2),
    ],
)
def test_one_qubit_gates_are_merged(circuit, gpi, gpi2):
    assert native_gate_counts(circuit) == {"gpi": gpi, "gpi2": gpi2, "zz": 0}


@pytest.mark.parametrize(
    ("circuit", "zz", "ms"),
    [
        (two("cz"), (0, 1), (4, 1)),
        (two("cx"), (2, 1), (3, 1)),
        (two("swap"), (6, 3), None),
        (two("crz", weight=0), (0, 1), (4, 1)),
        (two("crx", weight=0), (2, 1), None),
        (Circuit(2, (Gate("cx", (0, 1)), Gate("cx", (0, 1)))), (2, 2), None),
    ],
)
def test_two_qubit_gates(circuit, zz, ms):
    found = native_gate_counts(circuit)
    assert (found["gpi2"] + found["gpi"], found["zz"]) == zz
    if ms is not None:
        found = native_gate_counts(circuit, "ms")
        assert (found["gpi2"] + found["gpi"], found["ms"]) == ms


@pytest.mark.parametrize(("device", "entangler"), [("qpu.forte-1", "zz"), ("qpu.aria-1", "ms")])
def test_no_more_than_ionqs_transpiler_takes(device, entangler, monkeypatch):
    from qiskit import transpile
    from qiskit_ionq import IonQProvider

    # No request leaves: the number of qubits is asked at this address, where nothing listens, and a default is used.
    monkeypatch.setenv("IONQ_API_URL", "http://127.0.0.1:9/v0.4")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backend = IonQProvider("none", "http://127.0.0.1:9/v0.4").get_backend(device, gateset="native")
    circuit = build_reuploading(4, 1, 1, 1, 1)
    rng = np.random.default_rng(0)
    bound = circuit.bind(rng.normal(size=circuit.num_parameters), rng.normal(size=4)).to_qiskit()
    theirs = transpile(bound, backend, optimization_level=1).count_ops()
    ours = native_gate_counts(circuit, entangler)
    assert ours[entangler] == circuit.count_ops()["cx"] == theirs[entangler]
    assert 0 < ours["gpi2"] + ours["gpi"] <= theirs["gpi2"] + theirs.get("gpi", 0)


def test_unknown_entanglers_are_named():
    with pytest.raises(ValueError, match="`entangler` must be one of 'zz', 'ms', but got 'iswap'"):
        native_gate_counts(two("cx"), "iswap")
