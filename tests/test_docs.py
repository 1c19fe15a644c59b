"""The documentation's examples run as printed, apart from those that need an account."""

import re
from pathlib import Path

import pytest

from setfit_quantum import QuantumHead
from setfit_quantum.backends.qiskit_backend import QiskitBackend

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "backends.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
NEED_AN_ACCOUNT = ("QiskitRuntimeService()", "IonQProvider(")


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_of_backends(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {"head": QuantumHead(384, n_qubits=4, seed=0), "QiskitBackend": QiskitBackend}
    if any(name in block for name in NEED_AN_ACCOUNT):
        block = "\n".join(line for line in block.splitlines() if "import" in line)
    exec(block, scope)
    if "ansatz" in scope:
        assert (tmp_path / "circuit.png").is_file()
        assert (scope["head"].backend.name, scope["head"].num_parameters()) == ("torch", 9 * 25 + 1 + 8 + 16 + 10)


def test_its_figures_are_those_of_the_example():
    from setfit_quantum.head import estimate_circuits

    head = QuantumHead(384, n_qubits=4, seed=0)
    inference = estimate_circuits(head, 100, shots=1000)
    assert f"{inference.price().usd:,.0f} USD" in TEXT
    assert f"{inference.price(debiasing=True).usd:,.0f} USD" in TEXT
    assert f"about {round(inference.price().qpu_seconds / 60)} minutes" in TEXT
    assert estimate_circuits(head, 1, 1).circuits == 121
    training = estimate_circuits(head, 16, 40 * 18, shots=1000)
    millions = f"{training.circuits / 1e6:.1f} million circuits and about {training.price().usd / 1e6:.0f} million USD"
    assert millions in TEXT


@pytest.mark.parametrize("path", re.findall(r"python ((?:benchmarks|examples)/\S+\.py)", TEXT))
def test_its_commands_are_there(path):
    assert (ROOT / path).is_file()
