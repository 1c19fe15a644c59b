"""Circuits on anything that has Qiskit's primitives V2: Aer, IBM, IonQ and other devices."""

from setfit_quantum.backends.qiskit_backend.aer_noise import build_noisy_circuit, to_aer_noise_model
from setfit_quantum.backends.qiskit_backend.backend import QiskitBackend

__all__ = ["QiskitBackend", "build_noisy_circuit", "to_aer_noise_model"]
