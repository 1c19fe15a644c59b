"""Measure what the demo's tab "Explore" shows: accuracy on the bundled reviews by qubits, noise and shots.

    python benchmarks/demo_results.py            # writes src/setfit_quantum/demo/results/*.json

Heads are trained exact and without noise, and then tested with shots and noise; the test set selects nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from paper_head import RATE, TRAINING, build_paper_head

from setfit_quantum import NoiseModel, QuantumHead, SetFitModel, __version__
from setfit_quantum.baselines import fit_logistic_regression
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import DEFAULT_BODY, resolve_body
from setfit_quantum.training import HeadTrainingArguments, train_head

OUTPUT = Path(__file__).parents[1] / "src" / "setfit_quantum" / "demo" / "results"
QUBITS = (2, 4, 6, 8, 10, 12)
NOISE_LEVELS = (0, 1, 2, 4, 6, 8, 10)
SHOTS = (1, 3, 10, 30, 100, 300, 1000, 10000)
DEVICE = "ionq-forte-enterprise"
NOISE_SHOTS = 1000
DEFAULT_QUBITS = 10
EPOCHS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    started = time.perf_counter()
    train, test = load_examples("bundled:reviews"), load_examples("bundled:reviews", split="test")
    body = SetFitModel.from_pretrained(resolve_body(), head=QuantumHead(seed=0))
    x, x_test = (body.encode(part.texts, show_progress_bar=False).cpu() for part in (train, test))
    y, y_test = (part.indicators(train.classes).argmax(axis=1) for part in (train, test))
    logistic = fit_logistic_regression(x.numpy(), y)
    reference = {"name": "logistic regression", "accuracy": float((logistic.predict(x_test.numpy()) == y_test).mean())}

    heads: dict[tuple[int, int], QuantumHead] = {}
    for n_qubits in QUBITS:
        for seed in range(arguments.seeds):
            head = build_paper_head(n_qubits=n_qubits, seed=seed)
            settings = {"num_epochs": EPOCHS, "learning_rate": RATE, **TRAINING, "show_progress_bar": False}
            train_head(head, x, y, HeadTrainingArguments(seed=seed, **settings))
            heads[n_qubits, seed] = head.eval()
        print(f"{time.perf_counter() - started:5.0f} s  trained {n_qubits} qubits", flush=True)

    def accuracies(n_qubits: int, shots: int | None, level: float) -> list[float]:
        found = []
        for seed in range(arguments.seeds):
            head = heads[n_qubits, seed]
            head.shots, head.noise = shots, scale_noise(level)
            with torch.no_grad():
                found.append(float((head.predict(x_test).numpy() == y_test).mean()))
        return found

    common = {
        "made_by": "benchmarks/demo_results.py",
        "version": __version__,
        "data": "bundled:reviews",
        "body": DEFAULT_BODY,
        "n_train": len(train),
        "n_test": len(test),
        "seeds": list(range(arguments.seeds)),
        "epochs": EPOCHS,
        "reference": reference,
    }
    n = arguments.seeds
    studies: dict[str, dict[str, Any]] = {
        "qubits": {
            "x_label": "qubits",
            "note": f"{len(train)} sentences for training, {len(test)} for the test, {n} seeds; "
            "exact and without noise.",
            "points": [{"x": q, "accuracies": accuracies(q, None, 0)} for q in QUBITS],
        },
        "noise": {
            "x_label": "noise level",
            "note": "Multiples of IonQ Forte Enterprise's error rates; "
            f"{DEFAULT_QUBITS} qubits, {NOISE_SHOTS:,} shots, {n} seeds; trained without noise.",
            "device": DEVICE,
            "points": [
                {"x": level, "accuracies": accuracies(DEFAULT_QUBITS, NOISE_SHOTS, level)} for level in NOISE_LEVELS
            ],
        },
        "shots": {
            "x_label": "shots per answer",
            "log": True,
            "note": f"{DEFAULT_QUBITS} qubits, no gate errors, {n} seeds; trained without shots.",
            "points": [{"x": shots, "accuracies": accuracies(DEFAULT_QUBITS, shots, 0)} for shots in SHOTS],
        },
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, study in studies.items():
        content = {"study": name, **study, **common}
        (arguments.output / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        means = [f"{point['x']:g}: {100 * np.mean(point['accuracies']):.1f} %" for point in study["points"]]
        print(f"{name}: {', '.join(means)}")
    print(f"{reference['name']}: {100 * reference['accuracy']:.1f} %; {time.perf_counter() - started:.0f} s in all")


def scale_noise(level: float) -> NoiseModel | None:
    """The device's model with every rate multiplied."""
    if level == 0:
        return None
    base = NoiseModel.from_preset(DEVICE)
    flip = 0.5 if base.readout is None else min(0.5, float(np.max(base.readout)) * level)
    return NoiseModel.depolarizing(base.p1 * level, base.p2 * level, readout=(flip, flip))


if __name__ == "__main__":
    main()
