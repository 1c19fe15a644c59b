"""Plain sentences about a noise model, for model cards and `print`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setfit_quantum.noise.conventions import CONVENTIONS, convert_rate
from setfit_quantum.noise.presets import NOISE_PRESETS

if TYPE_CHECKING:
    from setfit_quantum.noise.model import NoiseModel

_NAMES = {
    "pauli": "total Pauli probability",
    "qiskit": "Qiskit's depolarizing_error parameter",
    "average_infidelity": "average gate infidelity",
    "process_infidelity": "process infidelity",
}


def describe_noise(noise: NoiseModel) -> str:
    """See `NoiseModel.describe`."""
    sentences = []
    if noise.name in NOISE_PRESETS:
        sentences.append(f"Noise preset {noise.name!r}; source: {NOISE_PRESETS[noise.name].source}.")
    if noise.has_gate_errors:
        sentences.append(
            "After each gate a uniformly random non-identity Pauli acts on the gate's qubits with probability "
            f"{noise.p1:.6g} (one-qubit gates) or {noise.p2:.6g} (two-qubit gates)."
        )
        rates = "; ".join(
            f"{_NAMES[name]} {convert_rate(noise.p1, 1, 'pauli', name):.6g} and "
            f"{convert_rate(noise.p2, 2, 'pauli', name):.6g}"
            for name in CONVENTIONS
        )
        sentences.append(f"The same rates in other conventions (one and two qubits): {rates}.")
        sentences.append(f"They were given as {_NAMES[noise.convention]} (convention {noise.convention!r}).")
    else:
        sentences.append("Gates have no depolarizing error.")
    if noise.has_relaxation:
        t1 = "infinite" if noise.t1 is None else f"{noise.t1:g} s"
        t2 = "2 T1" if noise.t2 is None else f"{noise.t2:g} s"
        sentences.append(
            f"Qubits relax with T1 {t1} and T2 {t2} during gates of {noise.gate_time_1q:g} s (one qubit) and "
            f"{noise.gate_time_2q:g} s (two qubits), and while they wait."
        )
    if noise.has_rotation_error:
        sentences.append(
            f"Every rotation angle is multiplied by {noise.rotation_scale:g} and raised by "
            f"{noise.rotation_offset:g} radians (coherent over-rotation)."
        )
    sentences.append(_describe_readout(noise))
    sentences.append(
        "The rotations that encode the latent are noisy like any other gate."
        if noise.noisy_encoding
        else "The rotations that encode the latent are perfect; all other gates of the circuit are noisy."
    )
    sentences.append("Noise acts on the second module only; the encoders are noiseless because they are classical.")
    return " ".join(sentences)


def _describe_readout(noise: NoiseModel) -> str:
    if not noise.has_readout_error or noise.readout is None:
        return "Readout has no error."
    if isinstance(noise.readout[0], tuple):
        pairs = ", ".join(f"({low:g}, {high:g})" for low, high in noise.readout)  # type: ignore[misc]
        return f"Readout flips a bit with the probabilities (p(1|0), p(0|1)) of each qubit in turn: {pairs}."
    low, high = noise.readout
    return f"Readout flips a bit with probability p(1|0) = {low:g} and p(0|1) = {high:g} on every qubit."
