"""A small head and embeddings for it."""

import torch

from setfit_quantum import QuantumHead


def embeddings(batch=5, width=20, seed=0):
    return torch.randn(batch, width, generator=torch.Generator().manual_seed(seed))


def small_head(**settings):
    return QuantumHead(**({"in_features": 20, "n_qubits": 4, "seed": 0} | settings))
