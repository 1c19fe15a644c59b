"""The same trained head on every backend: expectations, shots and gradients, beside float64 autograd.

Heads with one and two encoders are trained on SST-2 (the paper's split, frozen body) with the numba backend. Their
expectations are then taken on every backend: exact ones must agree to 1e-5, and those of shots must scatter as their
standard errors say. Gradients of the loss by all parameters must agree to 1e-4 in norm; in double precision those of
parameter shifts on Qiskit to 1e-6 in every entry. Every backend tells what it has done, as a proof that it was the one
that ran.

    python benchmarks/backend_agreement.py --data FOLDER_WITH_TRAIN_DEV_TEST_CSV
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import describe_machine, describe_versions, format_table, pin_threads, write_json
from torch import Tensor

from setfit_quantum import QuantumHead
from setfit_quantum.backends import Backend, get_backend
from setfit_quantum.backends.qiskit_backend import QiskitBackend
from setfit_quantum.data import pooled_split
from setfit_quantum.training import HeadTrainingArguments, train_head

EXACT = 1e-5
"""Largest difference allowed between exact expectations."""
GRADIENT = 1e-4
"""Largest relative difference in norm allowed between gradients."""
SHIFT = 1e-6
"""Largest difference allowed between entries of float64 gradients."""
SCATTER = 4.0
"""How far the mean square of the deviations of shots, in their standard errors, may be from 1, in errors of its own."""
LARGEST_DEVIATION = 5.0
"""In standard errors."""
REFERENCE = "torch, float64"


def build_backends() -> dict[str, Backend]:
    """A fresh instance of each, so that what it counts is its own."""
    return {
        "numba": type(get_backend("numba"))(),
        "torch": type(get_backend("torch"))(),
        "torchquantum": type(get_backend("torchquantum"))(),
        "qiskit, statevector": QiskitBackend("statevector"),
        "qiskit, Aer": QiskitBackend("aer"),
    }


@contextmanager
def count_work(backend: Backend) -> Iterator[Callable[[], int]]:
    """Inside the block, what the backend itself counts: rows swept, gates applied or circuits run."""
    if isinstance(backend, QiskitBackend):
        start = backend.engine.circuits
        yield lambda: backend.engine.circuits - start
    elif backend.name == "numba":
        start = backend.rows_swept
        yield lambda: backend.rows_swept - start
    else:
        module, functions = {
            "torch": ("setfit_quantum.backends.torch_reference", ("apply_gate",)),
            "torchquantum": ("torchquantum.functional", ("ry", "cnot")),
        }[backend.name]
        owner, calls = importlib.import_module(module), []
        originals = {name: getattr(owner, name) for name in functions}
        for name, original in originals.items():
            setattr(owner, name, lambda *a, original=original, **k: calls.append(1) or original(*a, **k))
        try:
            yield lambda: len(calls)
        finally:
            for name, original in originals.items():
                setattr(owner, name, original)


def take_gradient(head: QuantumHead, x: Tensor, labels: Tensor) -> Tensor:
    """Gradient of the loss by all parameters, in one float64 vector."""
    head.train()
    loss = head.get_loss_fn()(head(x.to(head.circuit_weights.dtype))[0], labels)
    return torch.cat([part.flatten().double() for part in torch.autograd.grad(loss, list(head.parameters()))])


def measure_shots(head: QuantumHead, x: Tensor, exact: Tensor, shots: int) -> dict[str, float]:
    """How expectations from shots deviate from the exact ones, in standard errors."""
    head.shots = shots
    found = head.expectations(x).double()
    head.shots = None
    errors = ((1 - exact**2).clamp_min(1 / shots) / shots).sqrt()
    squares = ((found - exact) / errors).square()
    rows = squares.mean(dim=1)  # qubits of one sample are measured together, samples are independent
    return {
        "mean_square": float(rows.mean()),
        "its_error": float(rows.std() / len(rows) ** 0.5),
        "largest": float(squares.max().sqrt()),
    }


def compare(
    trained: QuantumHead, x: Tensor, labels: Tensor, *, shots: int = 8192, gradient_samples: int = 2
) -> dict[str, dict[str, Any]]:
    """Run a trained head on every backend.

    Args:
        trained: Exact and noiseless.
        x: Embeddings, shape (n, in_features).
        labels: Classes, shape (n,).
        shots: Shots per expectation.
        gradient_samples: How many of the rows gradients are taken on.

    Returns:
        For each backend `expectations`, `gradient` (and `gradient_float64`), the largest differences; `shots`, the
        deviations; `work`, what the backend counted; `seconds`.
    """
    few, their_labels = x[:gradient_samples], labels[:gradient_samples]
    double = copy.deepcopy(trained).double()
    double.backend = "torch"
    gradient = take_gradient(double, few, their_labels)
    with torch.no_grad():
        exact = double.eval().expectations(x)
    results = {}
    for name, backend in build_backends().items():
        head = copy.deepcopy(trained).eval()
        head.backend = backend
        start = time.perf_counter()
        with count_work(backend) as work:
            with torch.no_grad():
                result: dict[str, Any] = {
                    "expectations": float((head.expectations(x).double() - exact).abs().max()),
                    "shots": measure_shots(head, x, exact, shots),
                }
            error = take_gradient(head, few, their_labels) - gradient
            result["gradient"] = float(error.norm() / gradient.norm())
            if isinstance(backend, QiskitBackend):
                shifted = take_gradient(head.double(), few, their_labels)
                result["gradient_float64"] = float((shifted - gradient).abs().max())
            result["work"] = work()
        results[name] = result | {"seconds": time.perf_counter() - start}
    return results


def find_failures(results: dict[str, dict[str, Any]]) -> list[str]:
    """What does not agree, one sentence each."""
    failures = []
    for name, result in results.items():
        limits = [("expectations", EXACT), ("gradient", GRADIENT), ("gradient_float64", SHIFT)]
        failures += [f"{name}: {key} differ by {result[key]:.1e}" for key, most in limits if result.get(key, 0) > most]
        shots = result["shots"]
        off = abs(shots["mean_square"] - 1) / shots["its_error"]
        if off > SCATTER or shots["largest"] > LARGEST_DEVIATION:
            failures.append(
                f"{name}: shots deviate by {shots['mean_square'] ** 0.5:.2f} standard errors in the mean, "
                f"{shots['largest']:.1f} at most"
            )
        if result["work"] == 0:
            failures.append(f"{name}: was not called")
    return failures


def train(embeddings: np.ndarray, y: np.ndarray, split: Any, n_qubits: int, n_encoders: int, options: Any) -> Any:
    """A head trained with the numba backend, and its test accuracy."""
    head = QuantumHead(
        embeddings.shape[1], 2, n_qubits=n_qubits, n_encoders=n_encoders, backend="numba", seed=options.seed
    )
    arguments = HeadTrainingArguments(num_epochs=options.epochs, seed=options.seed, show_progress_bar=False)
    train_head(head, torch.from_numpy(embeddings[split.train]), y[split.train], arguments)
    predicted = head.predict(torch.from_numpy(embeddings[split.test])).numpy()
    return head, float((predicted == y[split.test]).mean())


def build_table(runs: list[dict[str, Any]]) -> str:
    """One row per head and backend."""
    header = ["qubits", "encoders", "backend", "exact expectations", "shots, in standard errors (largest)"]
    header += ["gradient, in norm", "gradient in float64", "counted"]
    units = {"numba": "rows", "torch": "gates", "torchquantum": "gates"}
    rows = []
    for run in runs:
        for name, result in run["backends"].items():
            shots, double = result["shots"], result.get("gradient_float64")
            rows.append(
                [str(run["qubits"]), str(run["encoders"]), name, f"{result['expectations']:.1e}",
                 f"{shots['mean_square'] ** 0.5:.2f} ({shots['largest']:.1f})", f"{result['gradient']:.1e}",
                 "" if double is None else f"{double:.1e}", f"{result['work']:,} {units.get(name, 'circuits')}"]
            )  # fmt: skip
    return format_table(header, rows)


def build_summary(runs: list[dict[str, Any]]) -> str:
    """One row per backend: the largest differences among all heads."""
    rows = []
    for name in runs[0]["backends"]:
        results = [run["backends"][name] for run in runs]
        spread = [result["shots"]["mean_square"] ** 0.5 for result in results]
        double = [result["gradient_float64"] for result in results if "gradient_float64" in result]
        rows.append(
            [name, f"{max(result['expectations'] for result in results):.0e}",
             f"{max(result['gradient'] for result in results):.0e}", f"{max(double):.0e}" if double else "",
             f"{min(spread):.2f} to {max(spread):.2f} (largest {max(r['shots']['largest'] for r in results):.1f})"]
        )  # fmt: skip
    header = ["backend", "exact expectations", "gradient, in norm", "parameter shifts in float64"]
    return format_table([*header, "shots, in standard errors"], rows)


def main(arguments: list[str] | None = None) -> int:
    """Train, compare, print; 1 if anything does not agree."""
    from sst2_accuracy import embed_pool

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.csv, dev.csv and test.csv")
    parser.add_argument("--cache", type=Path, help="npz file to keep the embeddings in")
    parser.add_argument("--qubits", type=int, nargs="+", default=[4, 8, 12])
    parser.add_argument("--encoders", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--samples", type=int, default=64, help="test sentences to compare expectations on")
    parser.add_argument("--gradient-samples", type=int, default=2)
    parser.add_argument("--shots", type=int, default=8192)
    parser.add_argument("--threads", type=int, help="threads of every engine; all cores by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--output", type=Path, help="JSON file for all figures")
    options = parser.parse_args(arguments)
    machine = describe_machine()
    threads = pin_threads(options.threads)
    embeddings, labels = embed_pool(options.data, options.cache)
    y = np.array([sorted(set(labels)).index(label) for label in labels])
    split = pooled_split(labels, options.seed)
    chosen = split.test[: options.samples]
    x, classes = torch.from_numpy(embeddings[chosen]), torch.from_numpy(y[chosen])
    runs, failures = [], []
    for n_encoders in options.encoders:
        for n_qubits in options.qubits:
            head, accuracy = train(embeddings, y, split, n_qubits, n_encoders, options)
            results = compare(head, x, classes, shots=options.shots, gradient_samples=options.gradient_samples)
            runs.append({"qubits": n_qubits, "encoders": n_encoders, "test_accuracy": accuracy, "backends": results})
            failures += [f"{n_qubits} qubits, {n_encoders} encoders: {text}" for text in find_failures(results)]
            print(f"{n_qubits} qubits, {n_encoders} encoders: test accuracy {100 * accuracy:.1f} %", file=sys.stderr)
    names = ("setfit-quantum", "torch", "numba", "torchquantum-ng", "qiskit", "qiskit-aer")
    record = {
        "benchmark": "backend_agreement",
        "reference": REFERENCE,
        "machine": machine,
        "versions": describe_versions(*names),
        "settings": {key: value for key, value in vars(options).items() if key not in ("data", "cache", "output")}
        | {"threads": threads},
        "runs": runs,
        "failures": failures,
    }
    if options.output is not None:
        write_json(options.output, record)
    print(json.dumps(record, indent=1) if options.json else f"{build_table(runs)}\n\n{build_summary(runs)}")
    for failure in failures:
        print(failure, file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
