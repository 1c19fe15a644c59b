"""The quantum head: encoders, circuit, logits, and its settings."""

from setfit_quantum.head.executions import ExecutionEstimate, estimate_circuits
from setfit_quantum.head.head import SetFitQuantumHead

QuantumHead = SetFitQuantumHead

__all__ = ["ExecutionEstimate", "QuantumHead", "SetFitQuantumHead", "estimate_circuits"]
