"""The quantum head: encoders, circuit, logits, and its settings."""

from setfit_quantum.head.head import SetFitQuantumHead

QuantumHead = SetFitQuantumHead

__all__ = ["QuantumHead", "SetFitQuantumHead"]
