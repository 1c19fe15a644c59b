"""The `server` fixture of IonQ tests, and samplers on it: `from ionq_access import backend_on, server`."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ionq_run import build_device
from ionq_server import IonQServer
from setfit_quantum.backends.ionq import IonQSampler
from setfit_quantum.backends.qiskit_backend import QiskitBackend

RUN = Path(__file__).with_name("ionq_run.py")


@pytest.fixture
def server(monkeypatch):
    with IonQServer() as running:
        # qiskit-ionq asks this address for the number of qubits, whatever the provider was given.
        monkeypatch.setenv("IONQ_API_URL", running.url)
        yield running


def make_sampler(server, name="qpu.forte-1", **options):
    settings = {"poll_seconds": 0.01, "retries": 2, "retry_seconds": 0.01} | options
    return IonQSampler(build_device(server.url, name), **settings)


def backend_on(server, name="qpu.forte-1", shots=500, **options):
    return QiskitBackend(make_sampler(server, name, **options), shots=shots)


def start_process(server, journal):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(RUN.parent)}
    return subprocess.Popen(
        [sys.executable, str(RUN), server.url, str(journal)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.02)
