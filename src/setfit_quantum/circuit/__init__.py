"""Circuits as data: gates, the circuit, the paper's ansatz, and what can be written from them."""

from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.circuit.gates import GATE_TYPES, Gate
from setfit_quantum.circuit.native_gates import native_gate_counts
from setfit_quantum.circuit.qasm import QasmError

__all__ = ["GATE_TYPES", "Circuit", "Gate", "QasmError", "native_gate_counts"]
