"""The four kinds of transfer between text tasks: a frozen encoder of one task under a new classifier for another.

For each pair of tasks a head is trained on the first one, its encoder (an MLP, or quantum) is frozen, and a linear
layer or a circuit is trained on it for the second task: CC, CQ, QC, QQ. Beside them stand the same with an encoder that
was never trained (what transfer alone is worth), and heads trained on the second task alone. One frozen body
embeds all texts; epochs are chosen on held-out training data.

    python benchmarks/transfer_kinds.py --data FOLDER --seeds 5

Prints a table of docs/transfer.md. FOLDER holds one folder per task with train.csv and test.csv (columns text, label).
"""

from __future__ import annotations

import argparse
import copy
import json
from functools import partial
from pathlib import Path

import numpy as np
from paper_head import RATE, TRAINING, build_paper_head
from seed_tables import format_over_seeds

import setfit_quantum
from setfit_quantum import ClassicalHead
from setfit_quantum.baselines import fit_logistic_regression
from setfit_quantum.data import draw_few_shot, load_examples
from setfit_quantum.default_body import resolve_body
from setfit_quantum.experiments.embedding_cache import cached_embeddings
from setfit_quantum.training import HeadTrainingArguments, train_head

ENCODERS = {"C": {"encoder": "mlp", "encoder_hidden_dim": 32}, "Q": {"encoder": "quantum"}}
CLASSIFIERS = {"C": "linear", "Q": "quantum"}


class Task:
    """Few-shot draws of a task's training data, and its test data, as embeddings and class numbers."""

    def __init__(self, folder: Path, encode, cache: Path | None, limit: int, n_test: int) -> None:
        train, test = (load_examples(folder / f"{split}.csv", limit=limit) for split in ("train", "test"))
        texts = [*train.texts, *test.texts]
        embeddings = encode(texts) if cache is None else cached_embeddings(cache / f"{folder.name}.npz", texts, encode)
        self.labels = [str(label) for label in train.labels]
        names = sorted(set(self.labels))
        self.y = np.array([names.index(label) for label in self.labels])
        self.embeddings = embeddings[: len(train)]
        self.test = embeddings[len(train) :][:n_test]
        self.test_y = np.array([names.index(str(label)) for label in test.labels])[:n_test]

    def draw(self, per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings and class numbers of a few examples of each class."""
        rows = draw_few_shot(self.labels, per_class, seed, allow_fewer=True)
        return self.embeddings[rows], self.y[rows]


def fit(head, task: Task, per_class: int, seed: int, epochs: int):
    embeddings, y = task.draw(per_class, seed)
    settings = {"validation_split": 0.15, "learning_rate": RATE, **TRAINING, "show_progress_bar": False}
    arguments = HeadTrainingArguments(num_epochs=epochs, seed=seed, **settings)
    train_head(head, embeddings, y, arguments)
    return head


def accuracy(head, task: Task) -> float:
    return float((np.asarray(head.predict(np.asarray(task.test))) == task.test_y).mean())


def run_pair(first: Task, second: Task, arguments, seed: int) -> dict[str, dict]:
    results = {}
    learn = partial(fit, per_class=arguments.per_class, seed=seed, epochs=arguments.epochs)

    def note(name: str, head) -> None:
        learn(head, second)
        results[name] = {"accuracy": accuracy(head, second), "trained": head.num_parameters()}

    for a, encoder in ENCODERS.items():
        fresh = build_paper_head(first.test.shape[1], arguments.qubits, seed=seed, **encoder)
        source = learn(copy.deepcopy(fresh), first)
        for b, classifier in CLASSIFIERS.items():
            note(f"{a}{b}", copy.deepcopy(source).freeze("encoder").replace_classifier(classifier))
            note(f"{a}{b}, encoder untrained", copy.deepcopy(fresh).freeze("encoder").replace_classifier(classifier))
    note("quantum head, second task alone", build_paper_head(n_qubits=arguments.qubits, seed=seed))
    note("MLP head, second task alone", ClassicalHead(hidden_dim=32, seed=seed))
    model = fit_logistic_regression(*second.draw(arguments.per_class, seed))
    results["logistic regression, second task alone"] = {
        "accuracy": accuracy(model, second),
        "trained": int(model.coef_.size + model.intercept_.size),
    }
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder per task")
    parser.add_argument(
        "--pairs", nargs="+", default=["emotion:sst2", "emotion:trec", "ag_news:subj"], help="FIRST:SECOND"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--per-class", type=int, default=64)
    parser.add_argument("--qubits", type=int, default=10)
    parser.add_argument("--limit", type=int, default=4000, help="rows read of each file")
    parser.add_argument("--n-test", type=int, default=1000)
    parser.add_argument("--cache", type=Path, help="folder to keep embeddings in")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "transfer_kinds.json")
    arguments = parser.parse_args()

    from sentence_transformers import SentenceTransformer

    body = SentenceTransformer(resolve_body(), device="cpu")
    encode = partial(body.encode, batch_size=128, convert_to_numpy=True)
    names = sorted({name for pair in arguments.pairs for name in pair.split(":")})
    tasks = {
        name: Task(arguments.data / name, encode, arguments.cache, arguments.limit, arguments.n_test) for name in names
    }
    runs: dict[str, list[dict]] = {pair: [] for pair in arguments.pairs}
    for pair in arguments.pairs:
        first, second = (tasks[name] for name in pair.split(":"))
        for seed in range(arguments.seeds):
            runs[pair].append(run_pair(first, second, arguments, seed))
            print(f"{pair}, seed {seed}: done", flush=True)

    report = {
        "version": setfit_quantum.__version__,
        "body": "all-MiniLM-L6-v2, frozen",
        "settings": {
            name: getattr(arguments, name) for name in ("seeds", "epochs", "per_class", "qubits", "limit", "n_test")
        },
        "pairs": runs,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n")
    arguments.output.with_suffix(".md").write_text(format_report(report))
    print(f"\n{format_report(report)}")


def format_report(report: dict) -> str:
    """One row per kind of transfer, one column per pair of tasks."""
    pairs = report["pairs"]
    runs = []
    for number in range(report["settings"]["seeds"]):
        rows: dict[str, dict[str, float]] = {}
        for pair, of_seeds in pairs.items():
            for name, figures in of_seeds[number].items():
                rows.setdefault(name, {})[f"{pair.replace(':', ' to ')}, %"] = figures["accuracy"]
        runs.append(rows)
    return format_over_seeds("what is trained", runs)


if __name__ == "__main__":
    main()
