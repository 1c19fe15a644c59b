"""The documentation's examples run as printed; stand-ins take the place of accounts with vendors of machines."""

import re
from pathlib import Path

import pytest
import torch
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

from ionq_access import server
from ionq_server import TOKEN
from setfit_quantum import QuantumHead
from setfit_quantum.backends.qiskit_backend import QiskitBackend

__all__ = ["server"]  # the fixture

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "backends.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


class Account:
    """What stands for an account with IBM: a fake machine."""

    def least_busy(self, **_):
        return FakeManilaV2()


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_of_backends(block, tmp_path, monkeypatch, server, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("qiskit_ibm_runtime.QiskitRuntimeService", Account)
    scope = {"head": QuantumHead(384, n_qubits=4, seed=0), "QiskitBackend": QiskitBackend}
    exec(block.replace("YOUR TOKEN", TOKEN), scope)
    if "dry_run" in scope:
        assert "100 circuits in 1 jobs, 100,000 shots: about" in capsys.readouterr().out
        assert not server.submissions
    elif "sampler" in scope or "machine" in scope:
        assert scope["head"].eval().predict(torch.ones(2, 384)).shape == (2,)
    if "ansatz" in scope:
        assert (tmp_path / "circuit.png").is_file()
        assert (scope["head"].backend.name, scope["head"].num_parameters()) == ("torch", 4 * (9 * 49 + 1) + 8 + 16 + 10)


def test_its_figures_are_those_of_the_example():
    from setfit_quantum.head import estimate_circuits

    head = QuantumHead(384, n_qubits=4, seed=0)
    inference = estimate_circuits(head, 100, shots=1000)
    assert f"{inference.price().usd:,.0f} USD" in TEXT
    assert f"{inference.price(debiasing=True).usd:,.0f} USD" in TEXT
    assert f"about {round(inference.price().qpu_seconds / 60)} minutes" in TEXT
    assert estimate_circuits(head, 1, 1).circuits == 41
    training = estimate_circuits(head, 16, 40 * 18, shots=1000)
    millions = f"{training.circuits / 1e6:.1f} million circuits and about {training.price().usd / 1e6:.0f} million USD"
    assert millions in TEXT


@pytest.mark.parametrize("path", re.findall(r"python ((?:benchmarks|examples)/\S+\.py)", TEXT))
def test_its_commands_are_there(path):
    assert (ROOT / path).is_file()
