"""Energy per inference: the paper's crossing point, counts from the circuit, settings that are refused."""

import json
import math
import subprocess
import sys

import pytest

from setfit_quantum.circuit import Circuit, Gate
from setfit_quantum.energy import (
    GATE_TIMES,
    EnergySettings,
    build_paper_circuit,
    count_gates,
    energy_curve,
    estimate_energy,
    find_crossover,
    find_meeting_point,
)


def rival(n_qubits):
    return build_paper_circuit(n_qubits, "paper-single-qm1")


def test_the_curves_cross_where_the_paper_says():
    assert find_crossover() == 46
    assert find_meeting_point() == pytest.approx(45.92, abs=0.005)


def test_older_gate_times_and_the_rival_reading():
    assert find_crossover(gate_times="forte") == 47
    assert find_meeting_point(rival) == pytest.approx(46.07, abs=0.005)
    assert find_crossover(rival) == 47


def test_gate_counts_come_from_the_circuit():
    for n_qubits in (2, 7, 30):
        assert count_gates(build_paper_circuit(n_qubits)) == (15 * n_qubits, 6 * n_qubits)
        assert count_gates(rival(n_qubits)) == (20 * n_qubits, 11 * n_qubits)
    small = Circuit(3, (Gate("h", (0,)), Gate("cx", (0, 1)), Gate("ry", (2,), weight=0)))
    estimate = estimate_energy(small)
    assert (estimate.n_qubits, estimate.one_qubit_gates, estimate.two_qubit_gates) == (3, 2, 1)


def test_both_formulas_by_hand():
    circuit = Circuit(2, (Gate("h", (0,)), Gate("cx", (0, 1))))
    estimate = estimate_energy(
        circuit,
        gate_times=(2.0, 3.0),
        shots=10,
        watts_per_qubit=7.0,
        gpu_watts=11.0,
        gpu_flops_per_second=100.0,
        flops_one_qubit=5.0,
        flops_two_qubit=6.0,
    )
    assert estimate.qpu_seconds == 10 * (2 + 3)
    assert estimate.qpu_joules == 7 * 2 * 50
    assert estimate.gpu_flops == 4 * (5 + 6)
    assert estimate.gpu_joules == pytest.approx(11 * 44 / 100)
    assert not estimate.gpu_needs_more


def test_the_meeting_point_lies_where_the_energies_are_equal():
    below, above = energy_curve([45, 46])
    assert not below.gpu_needs_more
    assert above.gpu_needs_more
    # Both formulas with a fractional number of qubits, gates being 15 Q and 6 Q.
    q = find_meeting_point()
    qpu = 300 * q * 8000 * (15 * q * 63e-6 + 6 * q * 650e-6)
    gpu = 700 * 2**q * (15 * q * 14 + 6 * q * 30) / 34e12
    assert math.log(gpu / qpu) == pytest.approx(0, abs=1e-3)


def test_fewer_shots_favour_the_quantum_processor():
    crossings = [find_crossover(shots=shots) for shots in (1, 100, 8000, 1_000_000)]
    assert crossings == sorted(crossings)
    assert crossings[0] < 40 < crossings[-1]


def test_no_crossing_up_to_the_limit():
    assert find_crossover(max_qubits=40) is None
    assert find_meeting_point(max_qubits=40) is None
    # A circuit for which the GPU needs more from the start.
    assert find_crossover(gate_times=(1e-30, 1e-30)) == 2
    assert find_meeting_point(gate_times=(1e-30, 1e-30)) == 2


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"gate_times": "sycamore"}, "'forte-enterprise', 'forte', but got 'sycamore'"),
        ({"gate_times": (1e-6,)}, "two durations in seconds"),
        ({"gate_times": (0.0, 1e-6)}, "`gate_times` must be greater than 0"),
        ({"shots": 0}, "`shots` must be at least 1, but got 0"),
        ({"watts_per_qubit": -1.0}, "`watts_per_qubit` must be greater than 0"),
        ({"gpu_flops_per_second": float("nan")}, "`gpu_flops_per_second` must be finite"),
    ],
)
def test_refused_constants(constants, message):
    with pytest.raises((TypeError, ValueError), match=message):
        estimate_energy(build_paper_circuit(4), **constants)


def test_unknown_and_doubled_constants():
    with pytest.raises(TypeError, match="watts"):
        find_crossover(watts=3)
    with pytest.raises(TypeError, match="'shots'"):
        find_crossover(settings=EnergySettings(), shots=3)
    with pytest.raises(ValueError, match="paper-single"):
        build_paper_circuit(4, "paper-triple")


def test_presets_name_their_source():
    for times in GATE_TIMES.values():
        assert 0 < times.one_qubit < times.two_qubit < 1e-2
        assert times.source


def run(*arguments):
    command = [sys.executable, "-m", "setfit_quantum", "energy", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_line_json():
    found = json.loads(run("--json").stdout)
    assert found["crossover_qubits"] == 46
    assert isinstance(found["crossover_qubits"], int)
    assert found["settings"]["shots"] == 8000
    assert {"n_qubits", "qpu_joules", "gpu_joules"} <= set(found["curve"][0])
    assert json.loads(run("--json", "--gate-times", "forte").stdout)["crossover_qubits"] == 47


def test_command_line_table_and_bad_input():
    assert "from 46 qubits on (the curves meet at 45.92)" in run().stdout
    assert "from 40 qubits" in run("--shots", "100").stdout
    refused = run("--gate-times", "sycamore")
    assert refused.returncode == 2
    assert "'forte-enterprise', 'forte', but got 'sycamore'" in refused.stderr
