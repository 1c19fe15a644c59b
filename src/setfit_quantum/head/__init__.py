"""The quantum head: encoders, circuit, logits, and its settings."""

from setfit_quantum.head.classical import ClassicalHead
from setfit_quantum.head.executions import ExecutionEstimate, dry_run, estimate_circuits
from setfit_quantum.head.head import SetFitQuantumHead
from setfit_quantum.head.transfer import TransferKind

QuantumHead = SetFitQuantumHead

__all__ = [
    "ClassicalHead",
    "ExecutionEstimate",
    "QuantumHead",
    "SetFitQuantumHead",
    "TransferKind",
    "dry_run",
    "estimate_circuits",
]
