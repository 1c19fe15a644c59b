"""A user's own ansatz as PQC1 and PQC2 of the second module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from setfit_quantum.circuit import Circuit, QasmError
from setfit_quantum.circuit.ansatz import build_reuploading, join_reuploading
from setfit_quantum.circuit.qasm import read_qasm3
from setfit_quantum.config import QuantumHeadConfig


def read_ansatz(ansatz: Sequence[Circuit | str] | None, n_qubits: int) -> tuple[Circuit, Circuit] | None:
    """Check what stands for PQC1 and PQC2.

    Args:
        ansatz: Two circuits, or their OpenQASM 3 as `Circuit.to_qasm3` writes it; None: the paper's layers.
        n_qubits: Qubits of the head.

    Raises:
        TypeError, ValueError: Not two circuits, other numbers of qubits, features, weights that are not numbered
            from 0 without gaps.
    """
    if ansatz is None:
        return None
    if isinstance(ansatz, str | Circuit) or not isinstance(ansatz, Sequence) or len(ansatz) != 2:
        raise TypeError(f"Argument `ansatz` must be two circuits, (PQC1, PQC2), or None, but got {_name(ansatz)}.")
    first, second = (_read(place, part, n_qubits) for place, part in enumerate(ansatz))
    return first, second


def write_ansatz(ansatz: tuple[Circuit, Circuit] | None) -> tuple[str, str] | None:
    """The circuits as the OpenQASM 3 that the configuration holds."""
    return None if ansatz is None else (ansatz[0].to_qasm3(), ansatz[1].to_qasm3())


def build_second_module(config: QuantumHeadConfig, ansatz: tuple[Circuit, Circuit] | None) -> Circuit:
    """The circuit of the second module: the paper's, or with the user's PQC1 and PQC2; empty where there is none."""
    if config.classifier != "quantum":
        return Circuit(config.n_qubits)
    if ansatz is not None:
        return join_reuploading(*ansatz, config.n_reuploads)
    return build_reuploading(
        config.n_qubits, config.n_reuploads, config.reupload_layers, config.n_layers, config.connectivity
    )


def _read(place: int, part: Circuit | str, n_qubits: int) -> Circuit:
    name = f"ansatz[{place}]"
    if isinstance(part, str):
        try:
            part = read_qasm3(part)
        except QasmError as error:
            raise ValueError(
                f"Argument `{name}` must be OpenQASM 3 as `Circuit.to_qasm3` writes it (`Circuit.from_qasm3` reads "
                f"other programs), but: {error}"
            ) from error
    if not isinstance(part, Circuit):
        raise TypeError(
            f"Argument `{name}` must be a Circuit (`Circuit.from_qiskit` and `Circuit.from_qasm3` make one), but got "
            f"{_name(part)}."
        )
    if part.n_qubits != n_qubits:
        raise ValueError(f"Argument `{name}` must have n_qubits = {n_qubits} qubits, but got {part.n_qubits}.")
    if part.n_features:
        raise ValueError(
            f"Argument `{name}` must have no features, since the head encodes the latent before each repetition, but "
            f"got {sum(gate.feature is not None for gate in part.gates)} gates with features (parameters `x_i`)."
        )
    numbers = {gate.weight for gate in part.gates if gate.weight is not None}
    if len(numbers) != part.num_parameters:
        raise ValueError(
            f"Argument `{name}` must have weights numbered from 0 without gaps, but got {len(numbers)} weights up to "
            f"number {part.num_parameters - 1} (parameters `theta_i`)."
        )
    return part


def _name(value: Any) -> str:
    return type(value).__name__ if not isinstance(value, Sequence) else f"a {type(value).__name__} of {len(value)}"
