"""`NoiseModel`: conventions against Qiskit's channels, schedule, presets, validation, JSON."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.quantum_info import Kraus, SuperOp, average_gate_fidelity, process_fidelity
from qiskit_aer.noise import depolarizing_error, thermal_relaxation_error

from setfit_quantum import Circuit, Gate, NoiseModel
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.noise import CONVENTIONS, NOISE_PRESETS, convert_rate, rotate_constants
from setfit_quantum.noise.channels import (
    depolarizing_kraus,
    pauli_probabilities,
    relaxation_kraus,
    relaxation_times,
)

RELAXING = {"t1": 100e-6, "t2": 80e-6, "gate_time_1q": 1e-6, "gate_time_2q": 5e-6}


@pytest.mark.parametrize("n_qubits", [1, 2])
@pytest.mark.parametrize("p", [0.0, 1e-3, 0.3])
def test_conventions_agree_with_qiskits_channels(n_qubits, p):
    ours = Kraus(list(depolarizing_kraus(p, n_qubits)))
    theirs = SuperOp(depolarizing_error(convert_rate(p, n_qubits, "pauli", "qiskit"), n_qubits))
    np.testing.assert_allclose(SuperOp(ours).data, theirs.data, atol=1e-12)
    infidelity = convert_rate(p, n_qubits, "pauli", "average_infidelity")
    assert infidelity == pytest.approx(1 - average_gate_fidelity(ours), abs=1e-12)
    assert convert_rate(p, n_qubits, "pauli", "process_infidelity") == pytest.approx(1 - process_fidelity(ours))


def test_conversion_factors():
    assert convert_rate(0.3, 1, "pauli", "qiskit") == pytest.approx(0.3 * 4 / 3)
    assert convert_rate(0.3, 2, "pauli", "qiskit") == pytest.approx(0.3 * 16 / 15)
    assert convert_rate(0.3, 1, "pauli", "average_infidelity") == pytest.approx(0.3 * 2 / 3)
    assert convert_rate(0.3, 2, "pauli", "average_infidelity") == pytest.approx(0.3 * 4 / 5)


@given(st.floats(0, 1), st.sampled_from([1, 2]), st.sampled_from(CONVENTIONS), st.sampled_from(CONVENTIONS))
def test_conversions_invert_each_other(p, n_qubits, first, second):
    value = convert_rate(p, n_qubits, "pauli", first)
    there = convert_rate(value, n_qubits, first, second)
    assert convert_rate(there, n_qubits, second, "pauli") == pytest.approx(p, rel=1e-12, abs=1e-300)


def test_conversion_refuses_rates_of_no_channel():
    with pytest.raises(ValueError, match=r"`value` must be between 0 and 0.666667 .*'average_infidelity'.*got 0.7"):
        convert_rate(0.7, 1, "average_infidelity", "pauli")
    with pytest.raises(ValueError, match="`from_` must be one of 'pauli'"):
        convert_rate(0.1, 1, "ionq", "pauli")
    with pytest.raises(ValueError, match="`n_qubits`"):
        convert_rate(0.1, 3, "pauli", "qiskit")


def test_depolarizing_converts_and_remembers_the_convention():
    model = NoiseModel.depolarizing(0.004, 0.016, convention="qiskit")
    assert model.p1 == pytest.approx(0.003)
    assert model.p2 == pytest.approx(0.015)
    assert model.to_dict()["convention"] == "qiskit"
    with pytest.raises(ValueError, match=r"Argument `p2` must be between 0 and 0\.8"):
        NoiseModel.depolarizing(0.1, 0.9, convention="average_infidelity")


def test_paper_presets():
    assert (NoiseModel.paper("low").p1, NoiseModel.paper("low").p2) == (1e-4, 1e-3)
    assert (NoiseModel.paper("high").p1, NoiseModel.paper("high").p2) == (2e-4, 2e-3)
    assert NoiseModel.paper("low") == NoiseModel.from_preset("paper-low")
    assert not NoiseModel.paper("low").has_readout_error
    with pytest.raises(ValueError, match="'low', 'high'"):
        NoiseModel.paper("medium")


@pytest.mark.parametrize(
    ("name", "fidelity_1q", "fidelity_2q", "spam"),
    [
        ("ionq-forte", 0.9998, 0.9941, 0.9962),
        ("ionq-forte-enterprise", 0.9999, 0.9899, 0.9957),
        ("ionq-forte-enterprise-median", 0.9999, 0.9943, 0.9957),
    ],
)
def test_machine_presets_have_the_published_fidelities(name, fidelity_1q, fidelity_2q, spam):
    model = NoiseModel.from_preset(name)
    assert model.p1 == pytest.approx(1.5 * (1 - fidelity_1q))
    assert model.p2 == pytest.approx(1.25 * (1 - fidelity_2q))
    assert average_gate_fidelity(Kraus(list(depolarizing_kraus(model.p2, 2)))) == pytest.approx(fidelity_2q)
    assert model.readout == pytest.approx((1 - spam, 1 - spam))
    assert model.convention == "average_infidelity"
    assert model.is_pauli


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(ValueError, match="'paper-low', 'paper-high', 'ionq-forte', 'ionq-forte-enterprise'"):
        NoiseModel.from_preset("ibm")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"p1": -0.1}, "`p1` must be between 0.0 and 1.0, but got -0.1"),
        ({"p2": 1.5}, "`p2` must be between 0.0 and 1.0, but got 1.5"),
        ({"p1": float("nan")}, "`p1` must be finite"),
        ({"readout": (0.1, 1.2)}, "`readout` must be between 0.0 and 1.0, but got 1.2"),
        ({"readout": ((0.1, 0.1), (0.1, -1.0))}, "`readout` must be between 0.0 and 1.0, but got -1.0"),
        ({"readout": (0.1, 0.1, 0.1)}, "`readout` must be a pair"),
        (RELAXING | {"t2": 201e-6}, r"`t2` must be at most 2 \* t1 = 0.0002 seconds, but got 0.000201"),
        (RELAXING | {"t1": 0.0}, "`t1` must be greater than 0"),
        (RELAXING | {"t1": -1.0}, "`t1` must be at least 0.0"),
        (RELAXING | {"gate_time_2q": None}, "`gate_time_2q` must be given with `t1` or `t2`"),
        ({"gate_time_1q": 1e-6}, "`gate_time_1q` needs `t1` or `t2`"),
        ({"convention": "ibm"}, "`convention` must be one of"),
        ({"rotation_scale": math.inf}, "`rotation_scale` must be finite"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        NoiseModel(**settings)


@pytest.mark.parametrize(
    "settings", [{"p1": "low"}, {"readout": 0.1}, {"readout": "ab"}, {"noisy_encoding": 1}, {"name": 3}, {"p2": True}]
)
def test_wrong_types_are_refused(settings):
    with pytest.raises(TypeError, match=f"`{next(iter(settings))}` must be"):
        NoiseModel(**settings)


@pytest.mark.parametrize(
    "model",
    [
        NoiseModel(),
        NoiseModel.from_preset("ionq-forte"),
        NoiseModel.depolarizing(1e-3, 1e-2, "qiskit", readout=[[0.01, 0.02], [0.03, 0.04]], noisy_encoding=False),
        NoiseModel(p1=1e-3, rotation_scale=1.01, rotation_offset=-0.02, **RELAXING),
    ],
)
def test_json_round_trip(model):
    again = NoiseModel.from_dict(json.loads(json.dumps(model.to_dict())))
    assert again == model
    assert hash(again) == hash(model)


def test_from_dict_is_strict():
    with pytest.raises(ValueError, match=r"Unknown noise settings \['p3'\]"):
        NoiseModel.from_dict(NoiseModel().to_dict() | {"p3": 0.1})
    with pytest.raises(ValueError, match=r"must have \['p2'\]"):
        NoiseModel.from_dict({"p1": 0.1})
    with pytest.raises(TypeError, match="must be a mapping"):
        NoiseModel.from_dict("paper-low")


def test_what_a_model_contains():
    assert NoiseModel().is_noiseless
    assert NoiseModel(readout=(0.0, 0.0)).is_noiseless
    assert not NoiseModel(readout=(0.0, 0.1)).is_noiseless
    assert not NoiseModel(rotation_offset=0.1).is_noiseless
    assert not NoiseModel(**RELAXING).is_pauli
    assert NoiseModel(**(RELAXING | {"t1": None})).is_pauli  # dephasing alone is a mixture of I and Z
    assert NoiseModel(p1=0.1, readout=(0.1, 0.2), rotation_scale=1.1).is_pauli


def test_readout_pairs_of_each_qubit():
    np.testing.assert_array_equal(NoiseModel(readout=(0.1, 0.2)).readout_pairs(3), [[0.1, 0.2]] * 3)
    model = NoiseModel(readout=((0.1, 0.2), (0.3, 0.4)))
    np.testing.assert_array_equal(model.readout_pairs(2), [[0.1, 0.2], [0.3, 0.4]])
    with pytest.raises(ValueError, match="one pair for each of the circuit's 3 qubits, but got 2"):
        model.readout_pairs(3)


def test_description_names_rates_conventions_and_places():
    text = NoiseModel.from_preset("ionq-forte-enterprise").describe()
    for part in ("0.00015", "0.012625", "0.0101", "0.0134667", "'average_infidelity'", "0.0043", "IonQ"):
        assert part in text
    assert "rotations that encode the latent are noisy" in text
    assert "encoders are noiseless because they are classical" in text
    assert "perfect" in replace(NoiseModel.paper("low"), noisy_encoding=False).describe()
    assert "T1 0.0001 s" in NoiseModel(**RELAXING).describe()
    assert "(0.01, 0.02), (0.03, 0.04)" in NoiseModel(readout=((0.01, 0.02), (0.03, 0.04))).describe()
    assert all(name in NoiseModel.from_preset(name).describe() for name in NOISE_PRESETS)


@pytest.mark.parametrize(
    ("t1", "t2", "time"),
    [(50.0, 30.0, 10.0), (50.0, 50.0, 10.0), (50.0, 80.0, 70.0), (50.0, 100.0, 3.0), (1.0, 1.0, 1e4)],
)
def test_relaxation_is_qiskits_thermal_relaxation(t1, t2, time):
    ours = SuperOp(Kraus(list(relaxation_kraus(time, t1, t2))))
    np.testing.assert_allclose(ours.data, SuperOp(thermal_relaxation_error(t1, t2, time)).data, atol=1e-12)


def test_relaxation_with_one_time_only():
    np.testing.assert_allclose(relaxation_kraus(2.0, 5.0, None), relaxation_kraus(2.0, 5.0, 10.0), atol=1e-12)
    dephasing = SuperOp(Kraus(list(relaxation_kraus(2.0, None, 5.0)))).data
    np.testing.assert_allclose(dephasing, np.diag([1, math.exp(-0.4), math.exp(-0.4), 1]), atol=1e-12)


def test_schedule_counts_waiting():
    # Moments: [ry 0, ry 1, ry 2] 1 s; [cx 0 1] 5 s; [cx 1 2] 5 s, wires 0 and then 2 waiting.
    circuit = Circuit(
        3, (*(Gate("ry", (wire,), weight=wire) for wire in range(3)), Gate("cx", (0, 1)), Gate("cx", (1, 2)))
    )
    noise = NoiseModel(t1=1.0, gate_time_1q=1.0, gate_time_2q=5.0)
    assert relaxation_times(circuit, noise) == [(1.0,), (1.0,), (6.0,), (10.0, 5.0), (5.0, 5.0)]


def test_a_short_gate_waits_for_its_moment():
    circuit = Circuit(3, (Gate("cx", (0, 1)), Gate("x", (2,)), Gate("x", (0,))))
    noise = NoiseModel(t1=1.0, gate_time_1q=1.0, gate_time_2q=5.0)
    assert relaxation_times(circuit, noise) == [(5.0, 6.0), (6.0,), (1.0,)]


def test_time_before_the_first_gate_does_nothing():
    circuit = Circuit(2, (Gate("x", (0,)), Gate("x", (0,)), Gate("cx", (0, 1))))
    noise = NoiseModel(t1=1.0, gate_time_1q=1.0, gate_time_2q=5.0)
    assert relaxation_times(circuit, noise) == [(1.0,), (1.0,), (5.0, 5.0)]


def test_channels_follow_their_gates_and_preserve_the_trace():
    circuit = build_reuploading(3, 1, 1, 1, 1)
    channels = NoiseModel(p1=0.1, p2=0.2, **RELAXING).kraus_channels(circuit)
    assert len(channels) == len(circuit.gates)
    for gate, after in zip(circuit.gates, channels, strict=True):
        assert [wires for wires, _ in after] == [gate.wires, *((wire,) for wire in gate.wires)]
        for wires, kraus in after:
            total = np.einsum("kji,kjl->il", kraus.conj(), kraus)
            np.testing.assert_allclose(total, np.eye(2 ** len(wires)), atol=1e-12)


def test_perfect_encoding_takes_no_error_and_no_time():
    circuit = Circuit(1, (Gate("ry", (0,), feature=0), Gate("ry", (0,), weight=0)))
    noise = NoiseModel(p1=0.1, rotation_scale=1.1, rotation_offset=0.2, **RELAXING)
    perfect = replace(noise, noisy_encoding=False)
    assert [len(after) for after in noise.kraus_channels(circuit)] == [2, 2]
    assert [len(after) for after in perfect.kraus_channels(circuit)] == [0, 2]
    assert noise.rotation_error(circuit.gates[0]) == (1.1, 0.2)
    assert perfect.rotation_error(circuit.gates[0]) == (1.0, 0.0)
    assert perfect.rotation_error(circuit.gates[1]) == (1.1, 0.2)
    assert noise.rotation_error(Gate("x", (0,))) == (1.0, 0.0)


def test_pauli_probabilities_are_those_of_the_kraus_operators():
    circuit = Circuit(2, (Gate("ry", (0,), weight=0), Gate("ry", (1,), weight=0), Gate("cx", (1, 0)), Gate("x", (0,))))
    noise = NoiseModel(p1=0.1, p2=0.2, t2=3.0, gate_time_1q=1.0, gate_time_2q=2.0)
    probabilities = pauli_probabilities(circuit, noise)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    for gate, row, after in zip(circuit.gates, probabilities, noise.kraus_channels(circuit), strict=True):
        expected = SuperOp(np.eye(16))
        mixture = np.zeros((16, 16), dtype=complex)
        for wires, kraus in after:
            # Qiskit's first qubit is the least significant one; here it is the gate's first wire, so axes turn around.
            places = [gate.wires.index(wire) for wire in wires]
            expected = expected.compose(SuperOp(Kraus([_reverse(matrix) for matrix in kraus])), qargs=places)
        for code, probability in enumerate(row):
            first, second = divmod(code, 4) if len(gate.wires) == 2 else (code % 4, 0)
            if len(gate.wires) == 1 and code > 3:
                assert probability == 0
                continue
            pauli = np.kron(_PAULIS[second], _PAULIS[first])
            mixture += probability * np.kron(pauli.conj(), pauli)
        np.testing.assert_allclose(expected.data, mixture, atol=1e-12)


_PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]


def _reverse(matrix):
    if len(matrix) == 2:
        return matrix
    return matrix.reshape(2, 2, 2, 2).transpose(1, 0, 3, 2).reshape(4, 4)


def test_amplitude_damping_has_no_pauli_probabilities():
    with pytest.raises(ValueError, match=r"Amplitude damping \(`t1`\).*backend='torch'"):
        pauli_probabilities(Circuit(1, (Gate("x", (0,)),)), NoiseModel(**RELAXING))


def test_over_rotation_of_constant_angles():
    circuit = Circuit(2, (Gate("ry", (0,), angle=0.5), Gate("ry", (1,), weight=0), Gate("cx", (0, 1))))
    noise = NoiseModel(rotation_scale=1.1, rotation_offset=0.2)
    rotated = rotate_constants(circuit, noise)
    assert rotated.gates[0].angle == pytest.approx(0.75)
    assert rotated.gates[1:] == circuit.gates[1:]
    assert rotate_constants(circuit, noise) is rotated
    assert rotate_constants(circuit, NoiseModel(p1=0.1)) is circuit
    without_constants = Circuit(2, circuit.gates[1:])
    assert rotate_constants(without_constants, noise) is without_constants
