"""The paper's circuits (arXiv 2504.08732, Fig. 2 and 3) as data.

One *block* `U(i, j)` is `CNOT(i, j)` followed by `RY` on `j`. A *ring* of connectivity c applies
`U(i, (i + c) mod Q)` for i = 0 .. Q-1. A *layer* is the rings of connectivity 1 .. C. `PQC(Q, L, C)` is
layer 1, an RY on every qubit, then layers 2 .. L: `L*C*Q + Q` angles. The paper leaves room for another
reading; the parameter counts of its Tables II and III are what this one was checked against.
"""

from __future__ import annotations

from functools import lru_cache

from setfit_quantum.checks import check_int
from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.circuit.gates import Gate


def build_ring(n_qubits: int, connectivity: int, first_weight: int = 0, entangle: bool = True) -> Circuit:
    """One ring of blocks `U(i, (i + connectivity) mod n_qubits)`, `n_qubits` weights.

    Args:
        n_qubits: Number of wires Q, at least 2.
        connectivity: Distance between control and target, 1 .. Q-1.
        first_weight: Number of the first weight.
        entangle: False leaves the CNOTs out (the ablation without entanglement).

    Source: arXiv 2504.08732, Fig. 3.
    """
    check_connectivity("connectivity", connectivity, n_qubits)
    gates: list[Gate] = []
    for control in range(n_qubits):
        target = (control + connectivity) % n_qubits
        if entangle:
            gates.append(Gate("cx", (control, target)))
        gates.append(Gate("ry", (target,), weight=first_weight + control))
    return Circuit(n_qubits, tuple(gates))


def build_layer(n_qubits: int, connectivity: int, first_weight: int = 0, entangle: bool = True) -> Circuit:
    """The rings of connectivity 1 .. `connectivity`: `connectivity * n_qubits` weights."""
    check_connectivity("connectivity", connectivity, n_qubits)
    layer = Circuit(n_qubits)
    for distance in range(1, connectivity + 1):
        layer += build_ring(n_qubits, distance, first_weight + (distance - 1) * n_qubits, entangle)
    return layer


def build_pqc(n_qubits: int, n_layers: int, connectivity: int, first_weight: int = 0, entangle: bool = True) -> Circuit:
    """`PQC(Q, L, C)`: layer 1, RY on every qubit, layers 2 .. L; `L*C*Q + Q` weights.

    Source: arXiv 2504.08732, Fig. 3 (Q=4, L=3, C=2 has theta_0 .. theta_27).
    """
    check_int("n_layers", n_layers, minimum=1)
    circuit = build_layer(n_qubits, connectivity, first_weight, entangle)
    column = first_weight + connectivity * n_qubits
    circuit += Circuit(n_qubits, tuple(Gate("ry", (wire,), weight=column + wire) for wire in range(n_qubits)))
    for layer in range(1, n_layers):
        first = column + n_qubits + (layer - 1) * connectivity * n_qubits
        circuit += build_layer(n_qubits, connectivity, first, entangle)
    return circuit


def build_angle_encoding(n_qubits: int) -> Circuit:
    """RY of feature q on qubit q."""
    check_int("n_qubits", n_qubits, minimum=1)
    return Circuit(n_qubits, tuple(Gate("ry", (wire,), feature=wire) for wire in range(n_qubits)))


@lru_cache(maxsize=64)  # so that heads of one shape share one object, which backends look up by identity
def build_reuploading(
    n_qubits: int,
    n_reuploads: int,
    reupload_layers: int,
    n_layers: int,
    connectivity: int,
    entangle: bool = True,
) -> Circuit:
    """The second module: N x [RY encoding of the latent; PQC1], then PQC2.

    PQC1 has the same weights in each of the N repetitions, so the number of weights does not grow
    with N.

    Args:
        n_qubits: Q.
        n_reuploads: N, how often the latent is encoded, at least 1.
        reupload_layers: R, layers of PQC1.
        n_layers: L, layers of PQC2.
        connectivity: C of both.
        entangle: False leaves the CNOTs out.

    Source: arXiv 2504.08732, Fig. 2.
    """
    check_int("reupload_layers", reupload_layers, minimum=1)
    pqc1 = build_pqc(n_qubits, reupload_layers, connectivity, 0, entangle)
    pqc2 = build_pqc(n_qubits, n_layers, connectivity, 0, entangle)
    return join_reuploading(pqc1, pqc2, n_reuploads)


def join_reuploading(pqc1: Circuit, pqc2: Circuit, n_reuploads: int) -> Circuit:
    """N x [RY encoding of the latent; PQC1], then PQC2, for any two circuits without features.

    Args:
        pqc1: Has the same weights in each repetition; they keep their numbers.
        pqc2: Its weights follow those of `pqc1`.
        n_reuploads: N, at least 1.
    """
    check_int("n_reuploads", n_reuploads, minimum=1)
    repeated = build_angle_encoding(pqc1.n_qubits) + pqc1
    return Circuit(pqc1.n_qubits, repeated.gates * n_reuploads) + pqc2.shift_weights(pqc1.num_parameters)


@lru_cache(maxsize=64)
def build_encoder(n_qubits: int, n_layers: int = 3, connectivity: int = 9, entangle: bool = True) -> Circuit:
    """The sPQC that runs on the amplitude-encoded embedding; the paper's has L*C = 27."""
    return build_pqc(n_qubits, n_layers, connectivity, 0, entangle)


def check_connectivity(name: str, connectivity: int, n_qubits: int) -> int:
    """Return `connectivity` if it lies in 1 .. n_qubits - 1, or raise.

    Raises:
        ValueError: A ring needs two different qubits in each block.
    """
    check_int("n_qubits", n_qubits, minimum=2)
    if not 1 <= check_int(name, connectivity) < n_qubits:
        raise ValueError(
            f"Argument `{name}` must be between 1 and n_qubits - 1 = {n_qubits - 1}, but got {connectivity}."
        )
    return connectivity
