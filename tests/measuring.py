"""The circuit, the noise and the call that the tests of `measure` share."""

import numpy as np
import torch

from setfit_quantum import NoiseModel
from setfit_quantum.backends import get_backend
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.measurement import measure

TORCH = get_backend("torch")
CIRCUIT = build_reuploading(3, 2, 1, 1, 1)
NOISE = NoiseModel.depolarizing(0.02, 0.05, readout=[(0.01, 0.03), (0.1, 0.02), (0.0, 0.2)])
HEAVY = NoiseModel.depolarizing(0.1, 0.2, readout=(0.1, 0.3))
RELAXING = NoiseModel(p1=0.01, p2=0.02, t1=50.0, t2=30.0, gate_time_1q=0.5, gate_time_2q=2.0)


def example_angles(batch=5, dtype=torch.float64, circuit=CIRCUIT):
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(circuit.num_parameters, generator=generator, dtype=torch.float64)
    features = torch.randn(batch, circuit.n_features, generator=generator, dtype=torch.float64)
    return weights.to(dtype), features.to(dtype)


def run_measure(seed=0, training=False, backend=TORCH, circuit=CIRCUIT, angles=None, n_readout=3, **options):
    weights, features = example_angles(circuit=circuit) if angles is None else angles
    rng = np.random.default_rng(seed) if isinstance(seed, int) else seed
    return measure(backend, circuit, weights, features, n_readout=n_readout, training=training, rng=rng, **options)
