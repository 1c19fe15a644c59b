"""Our noise model as Qiskit Aer's, and circuits labelled so that Aer finds each gate's own error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from setfit_quantum.backends.qiskit_backend.controlled import CONTROLLED, append_controlled
from setfit_quantum.backends.qiskit_backend.imports import import_qiskit
from setfit_quantum.circuit import GATE_TYPES, Circuit, Gate
from setfit_quantum.circuit.qiskit_export import build_qiskit_circuit
from setfit_quantum.noise import NoiseModel, convert_rate

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_aer.noise import NoiseModel as AerNoiseModel
    from qiskit_aer.noise import QuantumError

_CLEAN = "without_error"
"""Label of the parts of a gate that Aer must not find an error for."""


def to_aer_noise_model(noise: NoiseModel, circuit: Circuit) -> AerNoiseModel:
    """Build Aer's noise model for `circuit`: depolarizing, relaxation (T1, T2, idle time) and readout error.

    Rates are converted to Qiskit's convention. Where all gates of a name have the same error, Aer finds it by the
    gate's name, so the model serves any circuit, `circuit.to_qiskit()` too. Where they differ (relaxation depends on
    how long a wire waits; `noisy_encoding=False` exempts some gates), errors hang on the labels that
    `build_noisy_circuit` writes. Coherent over-rotation belongs into the angles and is not part of Aer's models.

    Args:
        noise: Our model.
        circuit: The circuit that is to be run.

    Raises:
        ImportError: Qiskit Aer is not installed.
    """
    aer = import_qiskit("qiskit_aer.noise")
    model = aer.NoiseModel()
    if _has_errors_by_name(noise):
        for n_wires, rate in ((1, noise.p1), (2, noise.p2)):
            names = [name for name, kind in GATE_TYPES.items() if kind.n_wires == n_wires]
            if rate > 0:
                model.add_all_qubit_quantum_error(_depolarizing(aer, rate, n_wires), names)
    else:
        channels = noise.kraus_channels(circuit)
        for position, gate in enumerate(circuit.gates):
            relaxations = {wires[0]: kraus for wires, kraus in channels[position] if len(kraus) == 3}
            error = _gate_error(aer, noise.gate_error(gate), gate, relaxations)
            if error is not None:
                model.add_all_qubit_quantum_error(error, [_label(gate, position)])
    for qubit, (up, down) in enumerate(noise.readout_pairs(circuit.n_qubits)):
        if up or down:
            model.add_readout_error(aer.ReadoutError([[1 - up, up], [down, 1 - down]]), [qubit])
    return model


def build_noisy_circuit(noise: NoiseModel, circuit: Circuit) -> QuantumCircuit:
    """The circuit for Qiskit, labelled for `to_aer_noise_model(noise, circuit)`; do not transpile it.

    Controlled rotations are written with CX or CZ, the last of which carries the error.
    """
    by_name = _has_errors_by_name(noise)
    plain = build_qiskit_circuit(circuit)
    target = plain.copy_empty_like()
    for position, (gate, item) in enumerate(zip(circuit.gates, plain.data, strict=True)):
        label = gate.name if by_name else _label(gate, position)
        if gate.name in CONTROLLED:
            append_controlled(target, item, label, _CLEAN)
        else:
            target.append(item.operation if by_name else _relabel(item.operation, label), item.qubits)
    return target


def _has_errors_by_name(noise: NoiseModel) -> bool:
    """Whether a gate's name alone decides about its error."""
    return noise.noisy_encoding and not noise.has_relaxation


def _label(gate: Gate, position: int) -> str:
    return f"{gate.name}_{position}"


def _relabel(operation: Any, label: str) -> Any:
    labelled = operation.to_mutable()
    labelled.label = label
    return labelled


def _depolarizing(aer: Any, rate: float, n_wires: int) -> QuantumError:
    return aer.depolarizing_error(convert_rate(rate, n_wires, "pauli", "qiskit"), n_wires)


def _gate_error(aer: Any, rate: float, gate: Gate, relaxations: dict[int, Any]) -> QuantumError | None:
    """Depolarizing, then relaxation of each wire."""
    error = _depolarizing(aer, rate, len(gate.wires)) if rate > 0 else None
    if not relaxations:
        return error
    identity = aer.kraus_error([[[1, 0], [0, 1]]])
    each = [aer.kraus_error(list(relaxations[wire])) if wire in relaxations else identity for wire in gate.wires]
    # In Qiskit the gate's first wire is the last factor of a tensor product.
    relaxation = each[0] if len(each) == 1 else each[1].tensor(each[0])
    return relaxation if error is None else error.compose(relaxation)
