"""A process that evaluates a circuit on the stand-in service, to be killed: URL JOURNAL, prints expectations."""

import json
import signal
import sys
import warnings

import torch

from setfit_quantum.backends.ionq import IonQSampler
from setfit_quantum.backends.qiskit_backend import QiskitBackend
from setfit_quantum.circuit.ansatz import build_reuploading

CIRCUIT = build_reuploading(3, 1, 1, 1, 1)


def angles():
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(CIRCUIT.num_parameters, generator=generator, dtype=torch.float64)
    return weights, torch.randn(6, 3, generator=generator, dtype=torch.float64)


def build_device(url, name="qpu.forte-1", **options):
    from qiskit_ionq import IonQProvider

    from ionq_server import TOKEN

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # qiskit-ionq warns of the transpiler's default level
        return IonQProvider(TOKEN, url).get_backend(name, **options)


def evaluate(url, journal):
    sampler = IonQSampler(
        build_device(url), journal=journal, max_circuits=2, poll_seconds=0.02, retries=2, retry_seconds=0.05
    )
    return QiskitBackend(sampler, shots=500).expectations(CIRCUIT, *angles())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    print(json.dumps(evaluate(*sys.argv[1:3]).tolist()))
