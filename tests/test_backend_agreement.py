"""A head trained on the bundled reviews gives the same on every backend; the benchmark's own functions compare them."""

import copy
import importlib
import json
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer

from setfit_quantum import QuantumHead
from setfit_quantum.backends import get_backend_class, list_backends
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import resolve_body
from setfit_quantum.training import HeadTrainingArguments, train_head

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def agreement():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("backend_agreement")


@pytest.fixture(scope="module")
def reviews():
    examples = load_examples("bundled:reviews")
    embeddings = SentenceTransformer(resolve_body(), device="cpu").encode(examples.texts[:64], convert_to_tensor=True)
    return embeddings, torch.tensor([label == "positive" for label in examples.labels[:64]]).long()


@pytest.fixture(scope="module", params=[1, 2], ids=["one encoder", "two encoders"])
def results(request, agreement, reviews):
    x, labels = reviews
    head = QuantumHead(
        x.shape[1], n_qubits=4, n_encoders=request.param, n_reuploads=2, n_layers=2, backend="numba", seed=0
    )
    train_head(head, x, labels.numpy(), HeadTrainingArguments(num_epochs=3, seed=0, show_progress_bar=False))
    return agreement.compare(head, x[:20], labels[:20], gradient_samples=1)


def test_every_backend_agrees(agreement, results):
    assert agreement.find_failures(results) == []
    assert {name.split(",")[0] for name in results} == {
        name for name in list_backends() if "cpu" in get_backend_class(name).capabilities.devices
    }
    for name, result in results.items():
        assert result["expectations"] <= 1e-5
        assert result["gradient"] <= 1e-4
        assert ("gradient_float64" in result) == name.startswith("qiskit")


def test_each_was_called(results):
    # Two rounds of 20 samples, and gradients of one by 36 rotations, in float32 and in float64.
    assert {result["work"] for name, result in results.items() if name.startswith("qiskit")} == {40 + 2 * (1 + 2 * 36)}
    # The others ran the second module (52 gates) and the encoders, thrice.
    assert results["torch"]["work"] == results["torchquantum"]["work"] > 3 * 52
    assert results["numba"]["work"] > 0


@pytest.mark.parametrize("n_encoders", [1, 2])
@pytest.mark.parametrize("n_qubits", [6, 12])
def test_larger_heads_agree_too(agreement, reviews, n_qubits, n_encoders):
    x = reviews[0][:2]
    head = QuantumHead(x.shape[1], n_qubits=n_qubits, n_encoders=n_encoders, n_reuploads=2, seed=1).eval()
    double = copy.deepcopy(head).double()
    double.backend = "torch"
    with torch.no_grad():
        exact = double.expectations(x)
        for name, backend in agreement.build_backends().items():
            head.backend = backend
            with agreement.count_work(backend) as work:
                assert (head.expectations(x) - exact).abs().max() < 1e-5, name
                assert work() > 0, name


def test_disagreements_are_found(agreement, results):
    broken = {name: dict(result) for name, result in results.items()}
    broken["numba"]["expectations"] = 2e-5
    broken["torch"]["gradient"] = 2e-4
    broken["torchquantum"]["work"] = 0
    broken["qiskit, statevector"]["gradient_float64"] = 2e-6
    broken["qiskit, Aer"]["shots"] = {"mean_square": 1.96, "its_error": 0.2, "largest": 3.0}
    assert agreement.find_failures(broken) == [
        "numba: expectations differ by 2.0e-05",
        "torch: gradient differ by 2.0e-04",
        "torchquantum: was not called",
        "qiskit, statevector: gradient_float64 differ by 2.0e-06",
        "qiskit, Aer: shots deviate by 1.40 standard errors in the mean, 3.0 at most",
    ]


def test_the_documentation_has_the_recorded_figures(agreement):
    record = json.loads((BENCHMARKS / "results" / "backend_agreement.json").read_text())
    assert [(run["encoders"], run["qubits"]) for run in record["runs"]] == [(e, q) for e in (1, 2) for q in (4, 8, 12)]
    assert record["failures"] == [text for run in record["runs"] for text in agreement.find_failures(run["backends"])]
    assert record["failures"] == []
    text = (BENCHMARKS.parent / "docs" / "backends.md").read_text()
    assert text.split("<!-- agreement -->\n")[1].split("\n<!-- /agreement -->")[0] == agreement.build_summary(
        record["runs"]
    )
    assert agreement.build_table(record["runs"]).count("\n") == 1 + 6 * 5
