"""Test accuracy on SST-2 with the paper's split: quantum heads beside logistic regression, same embeddings.

The pool of 9,613 sentences is split as in arXiv 2504.08732 (435 for training, 77 for validation, 9,101 for the test),
once per seed; the epoch is chosen by validation accuracy alone. The body is frozen. `--noise-study` trains and
evaluates under the paper's noise levels and shot numbers instead.

    python benchmarks/sst2_accuracy.py --data FOLDER_WITH_TRAIN_DEV_TEST_CSV --seeds 5 --output results.json
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from paper_head import RATE, TRAINING
from sentence_transformers import SentenceTransformer

import setfit_quantum
from setfit_quantum import QuantumHead
from setfit_quantum.baselines import fit_logistic_regression, tune_logistic_regression
from setfit_quantum.data import load_examples, pooled_split
from setfit_quantum.default_body import resolve_body
from setfit_quantum.training import HeadTrainingArguments, train_head

HEADS = {
    "quantum (default settings)": {},
    "quantum, one encoder (default otherwise)": {"n_encoders": 1},
    "quantum, one encoder (paper-single)": {"preset": "paper-single"},
    "quantum, two encoders (paper-multi)": {"preset": "paper-multi"},
}
NOISE_STUDY = {
    "exact": {},
    "paper-low, 8192 shots": {"noise": "paper-low", "shots": 8192},
    "paper-low, 128 shots": {"noise": "paper-low", "shots": 128},
    "paper-high, 8192 shots": {"noise": "paper-high", "shots": 8192},
    "paper-high, 128 shots": {"noise": "paper-high", "shots": 128},
}


def embed_pool(folder: Path, cache: Path | None) -> tuple[np.ndarray, list[str]]:
    """Embeddings (9613, d) and labels of train, dev and test together; kept in `cache` where given."""
    parts = [load_examples(folder / f"{split}.csv") for split in ("train", "dev", "test")]
    texts = [text for part in parts for text in part.texts]
    labels = [str(label) for part in parts for label in part.labels]
    if cache is not None and cache.exists():
        embeddings = np.load(cache)["embeddings"]
        if len(embeddings) == len(texts):
            return embeddings, labels
    body = SentenceTransformer(resolve_body(), device="cpu")
    embeddings = body.encode(texts, batch_size=128, show_progress_bar=True, convert_to_numpy=True)
    if cache is not None:
        np.savez(cache, embeddings=embeddings)
    return embeddings, labels


def build_head(settings: dict, in_features: int, seed: int) -> QuantumHead:
    settings = dict(settings)
    preset = settings.pop("preset", None)
    if preset is not None:
        return QuantumHead.from_preset(preset, n_qubits=10, in_features=in_features, seed=seed, **settings)
    return QuantumHead(in_features, 2, n_qubits=10, seed=seed, **settings)


def run_quantum(settings: dict, embeddings: np.ndarray, y: np.ndarray, split, seed: int, epochs: int) -> dict:
    head = build_head(settings, embeddings.shape[1], seed)
    # The paper's heads train in the paper's way, the others as this package does by default.
    training = {"num_epochs": epochs, "learning_rate": RATE, **TRAINING} if "preset" in settings else {}
    arguments = HeadTrainingArguments(**training, seed=seed, show_progress_bar=False, select_best=True)
    train, validation, test = (torch.from_numpy(embeddings[rows]) for rows in split)
    start = time.perf_counter()
    result = train_head(head, train, y[split[0]], arguments, eval_embeddings=validation, eval_labels=y[split[1]])
    seconds = time.perf_counter() - start
    steps = result.epochs_run * -(-len(train) // arguments.batch_size)
    predicted = head.predict(test).numpy()
    return {
        "seed": seed,
        "test_accuracy": float((predicted == y[split[2]]).mean()),
        "train_accuracy": float((head.predict(train).numpy() == y[split[0]]).mean()),
        "best_epoch": result.best_epoch,
        "parameters": head.num_parameters(),
        "seconds": seconds,
        "milliseconds_per_step": 1e3 * seconds / steps,
    }


def run_logistic(embeddings: np.ndarray, y: np.ndarray, split, seed: int, tuned: bool) -> dict:
    train, validation, test = split
    start = time.perf_counter()
    if tuned:
        model = tune_logistic_regression(embeddings[train], y[train], embeddings[validation], y[validation]).model
    else:
        model = fit_logistic_regression(embeddings[train], y[train])
    return {
        "seed": seed,
        "test_accuracy": float((model.predict(embeddings[test]) == y[test]).mean()),
        "train_accuracy": float((model.predict(embeddings[train]) == y[train]).mean()),
        "parameters": int(model.coef_.size + model.intercept_.size),
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.csv, dev.csv and test.csv")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100, help="of the paper's heads")
    parser.add_argument("--noise-study", action="store_true")
    parser.add_argument("--heads", nargs="*", help="only the rows whose names contain one of these words")
    parser.add_argument("--cache", type=Path, help="npz file to keep the embeddings in")
    parser.add_argument("--output", type=Path, help="JSON file for all runs")
    arguments = parser.parse_args()

    embeddings, labels = embed_pool(arguments.data, arguments.cache)
    y = np.array([sorted(set(labels)).index(label) for label in labels])
    rows = NOISE_STUDY if arguments.noise_study else HEADS
    if arguments.heads:
        rows = {name: value for name, value in rows.items() if any(word in name for word in arguments.heads)}
    results: dict[str, list[dict]] = {
        name: [] for name in [*rows, "logistic regression", "logistic regression, tuned C"]
    }
    for seed in range(arguments.seeds):
        split = pooled_split(labels, seed)
        for name, settings in rows.items():
            results[name].append(run_quantum(settings, embeddings, y, split, seed, arguments.epochs))
            print(f"seed {seed}: {name}: {results[name][-1]['test_accuracy']:.4f}", flush=True)
        results["logistic regression"].append(run_logistic(embeddings, y, split, seed, tuned=False))
        results["logistic regression, tuned C"].append(run_logistic(embeddings, y, split, seed, tuned=True))

    print("\n| head | parameters | test accuracy % (mean ± sd) | train % | seconds | ms per step |")
    print("|---|---|---|---|---|---|")
    for name, runs in results.items():
        test, train, seconds = (
            np.array([run[key] for run in runs]) for key in ("test_accuracy", "train_accuracy", "seconds")
        )
        steps = [run["milliseconds_per_step"] for run in runs if "milliseconds_per_step" in run]
        spread = test.std(ddof=1) * 100 if len(test) > 1 else float("nan")
        print(
            f"| {name} | {runs[0]['parameters']:,} | {test.mean() * 100:.2f} ± {spread:.2f} | "
            f"{train.mean() * 100:.1f} | {np.median(seconds):.1f} | {f'{np.median(steps):.2f}' if steps else ''} |"
        )
    if arguments.output is not None:
        report = {
            "version": setfit_quantum.__version__,
            "data": "SST-2, pooled split of arXiv 2504.08732",
            "body": "all-MiniLM-L6-v2, frozen",
            "epochs": {"the paper's heads": arguments.epochs, "others": HeadTrainingArguments().num_epochs},
            "threads": torch.get_num_threads(),
            "runs": results,
        }
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
