"""Memory that an evaluation needs: whole tiles, however few samples the last of them has."""

from __future__ import annotations

from setfit_quantum.backends.cores import available_cores
from setfit_quantum.backends.numba_engine.measure import MOMENTS, PROBABILITIES, count_buffer_rows
from setfit_quantum.backends.numba_engine.vector import LANES


def required_bytes(n_qubits: int, n_readout: int, mode: int, keep: bool, encoders: tuple[int, int], batch: int) -> int:
    """Bytes of states, cotangents, measured probabilities and what is handed out.

    Args:
        n_qubits: Qubits of the circuit.
        n_readout: Measured qubits.
        mode: What is measured (see `measure`).
        keep: Whether final states are kept for a backward sweep.
        encoders: Number of encoders run before it in the same call, and their qubits; (0, 0): none.
        batch: Number of samples.
    """
    n_encoders, encoder_qubits = encoders
    n_tiles = -(-batch // LANES)
    n_threads = min(available_cores(), n_tiles)
    outcomes = 1 << n_readout
    pairs = outcomes // 2 if mode == MOMENTS else 0
    rows = ((n_tiles if keep else n_threads) << n_qubits) + (n_tiles * n_encoders << encoder_qubits)
    # A thread has room for outcomes while it measures, and for a cotangent while it sweeps back.
    room = count_buffer_rows(mode, n_readout)
    rows += n_threads * (max(room, 1 << max(n_qubits, encoder_qubits) if keep else 0) + pairs)
    values = batch * outcomes * (1 + keep) if mode == PROBABILITIES else 0
    return 4 * (LANES * rows + values)
