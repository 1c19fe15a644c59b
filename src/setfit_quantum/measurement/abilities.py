"""Whether a backend can simulate a noise model at all, known before anything runs."""

from __future__ import annotations

from setfit_quantum.backends.base import Backend, BackendError
from setfit_quantum.noise import NoiseModel


def check_noise(backend: Backend | type[Backend], noise: NoiseModel, n_qubits: int) -> None:
    """Refuse noise that does not fit the circuit, or that the backend can simulate in no way.

    Args:
        backend: A backend or its class, which tells what it can do.
        noise: The noise model.
        n_qubits: Qubits of the circuit.

    Raises:
        BackendError: Amplitude damping without a density matrix of that many qubits.
        ValueError: `readout` has pairs for another number of qubits.
    """
    noise.readout_pairs(n_qubits)
    if noise.is_pauli or backend.capabilities.hardware_shots:
        return
    limit = backend.capabilities.density_matrix
    if n_qubits > limit:
        can = f"evolves density matrices of at most {limit} qubits" if limit else "does not evolve density matrices"
        raise BackendError(
            f"Backend {backend.name!r} cannot simulate amplitude damping (`t1`) of {n_qubits} qubits: "
            f"it is not a Pauli channel, so Pauli trajectories do not apply, and {backend.name!r} {can}; "
            "backend='torch' does, for up to 8 qubits, and backend='qiskit' for more."
        )
