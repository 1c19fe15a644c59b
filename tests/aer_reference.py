"""What Qiskit Aer's noisy simulation says about a circuit, in this project's qubit order."""

import numpy as np
from qiskit.circuit.library import UnitaryGate
from qiskit.quantum_info import Operator
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel as AerNoise
from qiskit_aer.noise import ReadoutError, depolarizing_error, thermal_relaxation_error

from qiskit_reference import build_bound, reverse_bits
from setfit_quantum import Circuit
from setfit_quantum.circuit import GATE_TYPES
from setfit_quantum.noise import convert_rate


def build_aer_noise(noise, n_qubits):
    """Depolarizing after every gate and readout error, by Aer's own noise model (in Qiskit's convention)."""
    model = AerNoise()
    for n_wires, p in ((1, noise.p1), (2, noise.p2)):
        names = [name for name, kind in GATE_TYPES.items() if kind.n_wires == n_wires]
        error = depolarizing_error(convert_rate(p, n_wires, "pauli", "qiskit"), n_wires)
        model.add_all_qubit_quantum_error(error, names)
    for qubit, (up, down) in enumerate(noise.readout_pairs(n_qubits)):
        model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [qubit])
    return model


def exact_probabilities(circuit, noise, weights, features):
    """Outcome probabilities under depolarizing noise, shape (2**n,); readout error not included."""
    target = _build(circuit, weights, features)
    target.save_density_matrix()
    return _run(target, build_aer_noise(noise, circuit.n_qubits))


def relaxed_probabilities(circuit, noise, weights, features):
    """The same with relaxation too, simulated moment by moment on all wires."""
    target = _build(Circuit(circuit.n_qubits))
    for moment in _moments(circuit):
        for gate in moment:
            single = Circuit(circuit.n_qubits, (gate,))
            target.compose(_build(single, weights, features), inplace=True)
            p, n_wires = (noise.p1, 1) if len(gate.wires) == 1 else (noise.p2, 2)
            error = depolarizing_error(convert_rate(p, n_wires, "pauli", "qiskit"), n_wires)
            target.append(error.to_instruction(), list(gate.wires))
        duration = max(noise.gate_time_1q if len(gate.wires) == 1 else noise.gate_time_2q for gate in moment)
        t1 = np.inf if noise.t1 is None else noise.t1
        t2 = 2 * t1 if noise.t2 is None else noise.t2
        for wire in range(circuit.n_qubits):
            target.append(thermal_relaxation_error(t1, t2, duration).to_instruction(), [wire])
    target.save_density_matrix()
    return _run(target, None)


def sampled_expectations(circuit, noise, weights, features, shots, seed):
    """Z of every qubit from Aer's own sampling: its gate errors, its readout errors, its shots."""
    target = _build(circuit, weights, features)
    target.measure_all()
    simulator = AerSimulator(method="density_matrix", noise_model=build_aer_noise(noise, circuit.n_qubits))
    counts = simulator.run(target, shots=shots, seed_simulator=seed).result().get_counts()
    z = np.zeros(circuit.n_qubits)
    for bits, count in counts.items():
        # Qiskit prints qubit 0 as the rightmost character.
        z += count * np.array([1 - 2 * int(bit) for bit in reversed(bits)])
    return z / shots


def _build(circuit, weights=None, features=None):
    """The circuit with numbers for angles; Aer's density matrices know controlled rotations only as unitaries."""
    bound = build_bound(circuit, weights, features)
    target = bound.copy_empty_like()
    for item in bound.data:
        operation = item.operation
        if operation.name in ("crx", "cry", "crz"):
            # Aer's noise model finds the gate by its label.
            operation = UnitaryGate(Operator(operation), label=operation.name)
        target.append(operation, item.qubits)
    return target


def _run(target, noise_model):
    simulator = AerSimulator(method="density_matrix", noise_model=noise_model)
    density = simulator.run(target, shots=1).result().data()["density_matrix"]
    return reverse_bits(np.real(np.diag(np.asarray(density))))


def _moments(circuit):
    """Gates grouped into moments: each pass takes every gate whose wires no earlier waiting gate needs."""
    waiting = list(circuit.gates)
    moments = []
    while waiting:
        blocked, taken, left = set(), [], []
        for gate in waiting:
            (left if blocked & set(gate.wires) else taken).append(gate)
            blocked |= set(gate.wires)
        moments.append(taken)
        waiting = left
    return moments
