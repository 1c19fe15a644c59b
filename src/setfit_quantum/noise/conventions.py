"""Four ways in which the error rate of a depolarized gate is quoted, and the conversions between them.

A gate on n qubits (d = 2**n) is followed by the channel `rho -> (1 - p) rho + p / (d**2 - 1) * sum P rho P` over the
d**2 - 1 non-identity Paulis P. That same channel is quoted as

| convention | value for n qubits | 1 qubit | 2 qubits |
|---|---|---|---|
| `"pauli"` | p, the total probability of a non-identity Pauli | p | p |
| `"process_infidelity"` | p (1 minus the entanglement fidelity) | p | p |
| `"qiskit"` | lambda of Qiskit's `depolarizing_error`: p d**2 / (d**2 - 1) | 4p/3 | 16p/15 |
| `"average_infidelity"` | 1 minus the average gate fidelity: p d / (d + 1) | 2p/3 | 4p/5 |
"""

from __future__ import annotations

from setfit_quantum.checks import check_choice, check_float, check_int

CONVENTIONS = ("pauli", "qiskit", "average_infidelity", "process_infidelity")


def convert_rate(value: float, n_qubits: int, from_: str, to: str) -> float:
    """Express the error rate of an `n_qubits`-qubit gate in another convention.

    Args:
        value: The rate in convention `from_`.
        n_qubits: Qubits that the gate acts on, 1 or 2.
        from_: One of `CONVENTIONS`.
        to: One of `CONVENTIONS`.

    Returns:
        The same channel's rate in convention `to`.

    Raises:
        ValueError: Unknown convention, or a rate that belongs to no channel (a probability outside [0, 1]).

    Example:
        >>> round(convert_rate(0.0057, 2, "average_infidelity", "pauli"), 6)
        0.007125
    """
    check_int("n_qubits", n_qubits, minimum=1, maximum=2)
    check_choice("from_", from_, CONVENTIONS)
    check_choice("to", to, CONVENTIONS)
    largest = 1 / _pauli_per_unit(n_qubits, from_)
    # A rate of exactly `largest` may have been rounded up by an earlier conversion.
    value = check_float("value", value)
    if not 0 <= value <= largest * (1 + 1e-12):
        raise ValueError(
            f"Argument `value` must be between 0 and {largest:.6g} (convention {from_!r}, {n_qubits} qubit gate), "
            f"but got {value!r}."
        )
    if from_ == to:
        return value
    pauli = min(1.0, value * _pauli_per_unit(n_qubits, from_))
    return pauli / _pauli_per_unit(n_qubits, to)


def _pauli_per_unit(n_qubits: int, convention: str) -> float:
    """Total Pauli probability of a channel whose rate is 1 in `convention`."""
    dimension = 2 if n_qubits == 1 else 4
    if convention == "qiskit":
        return 1 - 1 / float(dimension**2)
    if convention == "average_infidelity":
        return (dimension + 1) / dimension
    return 1.0
