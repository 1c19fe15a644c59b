"""The paper's circuits: gate sequences and every parameter count that comes from a circuit."""

import pytest

from setfit_quantum import Gate
from setfit_quantum.circuit.ansatz import (
    build_angle_encoding,
    build_encoder,
    build_layer,
    build_pqc,
    build_reuploading,
    build_ring,
)

# Fig. 3 (Q=4, L=3, C=2), written out by hand: "c-t" is a CNOT, "q:k" an RY with angle theta_k on qubit q.
FIG_3 = """
0-1 1:0   1-2 2:1   2-3 3:2   3-0 0:3
0-2 2:4   1-3 3:5   2-0 0:6   3-1 1:7
0:8 1:9 2:10 3:11
0-1 1:12  1-2 2:13  2-3 3:14  3-0 0:15
0-2 2:16  1-3 3:17  2-0 0:18  3-1 1:19
0-1 1:20  1-2 2:21  2-3 3:22  3-0 0:23
0-2 2:24  1-3 3:25  2-0 0:26  3-1 1:27
"""


def _parse(text):
    gates = []
    for token in text.split():
        if "-" in token:
            control, target = map(int, token.split("-"))
            gates.append(Gate("cx", (control, target)))
        else:
            qubit, weight = map(int, token.split(":"))
            gates.append(Gate("ry", (qubit,), weight=weight))
    return tuple(gates)


def test_fig_3():
    circuit = build_pqc(4, 3, 2)
    assert circuit.gates == _parse(FIG_3)
    assert circuit.num_parameters == 28
    assert circuit.count_ops() == {"cx": 24, "ry": 28}


def test_angle_encoding():
    assert build_angle_encoding(3).gates == tuple(Gate("ry", (qubit,), feature=qubit) for qubit in range(3))


def test_reuploading_sequence():
    # N=2 of [encoding; PQC1 of one layer], then PQC2 of one layer, on 2 qubits.
    encoding = (Gate("ry", (0,), feature=0), Gate("ry", (1,), feature=1))
    pqc1 = _parse("0-1 1:0  1-0 0:1  0:2 1:3")
    pqc2 = _parse("0-1 1:4  1-0 0:5  0:6 1:7")
    assert build_reuploading(2, 2, 1, 1, 1).gates == encoding + pqc1 + encoding + pqc1 + pqc2


@pytest.mark.parametrize("n_qubits", [10, 12, 14, 16, 18])
def test_encoder_has_28_angles_per_qubit(n_qubits):
    encoder = build_encoder(n_qubits, 3, 9)
    assert encoder.num_parameters == 28 * n_qubits
    assert encoder.count_ops() == {"cx": 27 * n_qubits, "ry": 28 * n_qubits}


@pytest.mark.parametrize("n_qubits", [10, 12, 14, 16, 18])
@pytest.mark.parametrize("n_reuploads", [1, 4, 6, 8])
def test_second_module_has_5_angles_per_qubit_whatever_n(n_qubits, n_reuploads):
    circuit = build_reuploading(n_qubits, n_reuploads, 1, 2, 1)
    assert circuit.num_parameters == 5 * n_qubits
    assert circuit.n_features == n_qubits
    # Per re-upload: Q encoding rotations, and PQC1's Q blocks and Q rotations; PQC2: 2Q blocks, Q rotations.
    assert circuit.count_ops() == {"ry": (3 * n_reuploads + 3) * n_qubits, "cx": (n_reuploads + 2) * n_qubits}


def test_gate_counts_of_the_papers_second_module():
    # The energy study's n1 = 15 Q and n2 = 6 Q.
    assert build_reuploading(14, 4, 1, 2, 1).count_ops() == {"ry": 15 * 14, "cx": 6 * 14}


def test_rival_reading_has_7_angles_per_qubit():
    circuit = build_reuploading(10, 4, 2, 3, 1)
    assert circuit.num_parameters == 7 * 10
    assert circuit.count_ops() == {"ry": 20 * 10, "cx": 11 * 10}


@pytest.mark.parametrize(
    ("n_qubits", "printed"), [(10, 353), (12, 423), (14, 493), (18, 633)], ids=lambda value: str(value)
)
def test_single_encoder_totals(n_qubits, printed):
    # Circuits' angles, the encoder's scalar, and a linear layer from Q expectations to 2 logits.
    angles = build_encoder(n_qubits, 3, 9).num_parameters + build_reuploading(n_qubits, 4, 1, 2, 1).num_parameters
    assert angles + 1 + 2 * n_qubits + 2 == printed
    # The rival reading: encoder L*C = 27 from L = 2, C = 9 in its terms; a 1-to-1 linear layer.
    rival = build_encoder(n_qubits, 3, 9).num_parameters + build_reuploading(n_qubits, 4, 2, 3, 1).num_parameters
    assert rival + 1 + 2 == printed


@pytest.mark.parametrize(("n_qubits", "printed"), [(10, 858), (14, 886), (18, 914)])
def test_two_encoder_totals(n_qubits, printed):
    encoders = 2 * (build_encoder(14, 3, 9).num_parameters + 1)
    assert encoders + build_reuploading(n_qubits, 4, 1, 2, 1).num_parameters + 2 * n_qubits + 2 == printed


def test_linear_encoder_total():
    assert 768 * 14 + 14 + build_reuploading(14, 4, 1, 2, 1).num_parameters + 2 * 14 + 2 == 10_866


def test_without_entanglement_only_the_cnots_are_missing():
    full, bare = (build_reuploading(4, 2, 1, 2, 2, entangle) for entangle in (True, False))
    assert bare.gates == tuple(gate for gate in full.gates if gate.name != "cx")
    assert bare.num_parameters == full.num_parameters


def test_first_weight_shifts():
    assert build_pqc(4, 2, 2, first_weight=7) == build_pqc(4, 2, 2).shift_weights(7)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: build_ring(4, 4), "`connectivity` must be between 1 and n_qubits - 1 = 3, but got 4"),
        (lambda: build_layer(4, 0), "`connectivity` must be between 1"),
        (lambda: build_ring(1, 1), "`n_qubits` must be at least 2"),
        (lambda: build_pqc(4, 0, 1), "`n_layers` must be at least 1, but got 0"),
        (lambda: build_reuploading(4, 0, 1, 1, 1), "`n_reuploads` must be at least 1"),
        (lambda: build_reuploading(4, 1, 0, 1, 1), "`reupload_layers` must be at least 1"),
    ],
)
def test_refuses(build, message):
    with pytest.raises(ValueError, match=message):
        build()
