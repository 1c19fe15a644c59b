"""Several labels, distillation and aspects with quantum heads, tried as a user would, beside classical heads.

Everything goes through the public classes on a frozen body; only the test data are looked at once, at the end.

    python benchmarks/setfit_surface.py --data FOLDER --seeds 3

FOLDER holds `go_emotions_ekman` (labels joined by |) and `subj`, each with train.csv and test.csv.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

import setfit_quantum
from setfit_quantum import (
    ClassicalHead,
    DistillationTrainer,
    QuantumHead,
    QuantumHeadClassifier,
    SetFitModel,
    TrainingArguments,
)
from setfit_quantum.data import draw_few_shot, load_examples
from setfit_quantum.default_body import resolve_body
from setfit_quantum.evaluation import evaluate_predictions
from setfit_quantum.experiments.embedding_cache import hash_texts, read_embeddings, write_embeddings
from setfit_quantum.model.heads import build_head

QUIET = {"show_progress_bar": False}


class RememberingBody(SentenceTransformer):
    """A body that encodes every text once, however often it is asked."""

    def remember(self, texts: Sequence[str], cache: Path | None) -> None:
        """Encode texts beforehand, or take their embeddings from a file."""
        found = None if cache is None else read_embeddings(cache, hash_texts(texts))
        if found is None:
            found = super().encode(list(texts), batch_size=128, convert_to_numpy=True)
            if cache is not None:
                write_embeddings(cache, hash_texts(texts), found)
        self.known = {**getattr(self, "known", {}), **dict(zip(texts, found, strict=True))}

    def encode(self, inputs, convert_to_tensor=False, **options):
        """As the body's own."""
        import torch

        if isinstance(inputs, str) or any(text not in self.known for text in inputs):
            return super().encode(inputs, convert_to_tensor=convert_to_tensor, **options)
        rows = np.stack([self.known[text] for text in inputs])
        return torch.from_numpy(rows) if convert_to_tensor else rows


def several_labels(data: Path, body: RememberingBody, cache: Path | None, seed: int, epochs: int) -> dict[str, dict]:
    """Seven emotions, any number of them per text: macro F1 and share of texts with every label right."""
    train, test = (
        load_examples(data / "go_emotions_ekman" / f"{split}.csv", multilabel=True, limit=limit)
        for split, limit in (("train", 2000), ("test", 1000))
    )
    body.remember([*train.texts, *test.texts], None if cache is None else cache / "go_emotions_ekman.npz")
    classes = train.classes
    rows = np.random.default_rng(seed).permutation(len(train))[:1000]
    part = train.subset(rows)
    targets = part.indicators(classes)
    results = {}
    heads = {
        "quantum, module": (partial(QuantumHead, multitarget=True, seed=seed), None),
        "quantum, one-vs-rest": (lambda: estimator(seed, epochs), "one-vs-rest"),
        "quantum, multi-output": (lambda: estimator(seed, epochs), "multi-output"),
        "quantum, classifier-chain": (lambda: estimator(seed, epochs), "classifier-chain"),
        "linear, module": (partial(ClassicalHead, multitarget=True, seed=seed), None),
        "logistic regression, one-vs-rest": (partial(LogisticRegression, max_iter=1000), "one-vs-rest"),
        "logistic regression, classifier-chain": (partial(LogisticRegression, max_iter=1000), "classifier-chain"),
    }
    for name, (make, strategy) in heads.items():
        # What from_pretrained(body, head=..., multi_target_strategy=...) does; here the body is made already.
        head = build_head(make(), in_features=None, multi_target_strategy=strategy)
        model = SetFitModel(body, head, multi_target_strategy=strategy, labels=classes)
        module = strategy is None
        options = {"num_epochs": epochs, "class_weights": "balanced", **QUIET} if module else {}
        model.fit(part.texts, targets, **options)
        predictions = np.asarray(model.predict(test.texts))
        found = evaluate_predictions(test.indicators(classes), predictions, classes, n_resamples=10)
        results[name] = {"macro_f1": found.macro_f1, "all_labels_right": found.accuracy}
    return results


def estimator(seed: int, epochs: int) -> QuantumHeadClassifier:
    return QuantumHeadClassifier(n_qubits=6, num_epochs=epochs, class_weight="balanced", random_state=seed)


def distillation(data: Path, body: RememberingBody, cache: Path | None, seed: int, epochs: int) -> dict[str, dict]:
    """A teacher with 64 labelled texts per class, a student with 1,000 texts without labels."""
    train, test = (load_examples(data / "subj" / f"{split}.csv", limit=4000) for split in ("train", "test"))
    body.remember([*train.texts, *test.texts], None if cache is None else cache / "subj.npz")
    labelled = draw_few_shot(train.labels, 64, seed)
    rest = np.setdiff1d(np.arange(len(train)), labelled)
    unlabelled = train.subset(np.random.default_rng(seed).permutation(rest)[:1000])
    few, test = train.subset(labelled), test.subset(range(1000))
    results = {}

    def score(name: str, model: SetFitModel) -> None:
        right = np.mean([a == b for a, b in zip(model.predict(test.texts), test.labels, strict=True)])
        results[name] = {"accuracy": float(right)}

    def make(kind: str) -> SetFitModel:
        head = QuantumHead(seed=seed) if kind == "quantum" else ClassicalHead(seed=seed)
        return SetFitModel(body, head)

    for kind, other in (("linear", "quantum"), ("quantum", "linear")):
        teacher = make(kind)
        teacher.fit(few.texts, few.labels, num_epochs=epochs, validation_split=0.15, **QUIET)
        score(f"{kind}, 64 labelled texts per class", teacher)
        student = make(other)
        arguments = TrainingArguments(num_epochs=(0, epochs), validation_split=0.15, report_to="none", **QUIET)
        texts = Dataset.from_dict({"text": unlabelled.texts})
        DistillationTrainer(teacher, student, args=arguments, train_dataset=texts).train()
        score(f"{other}, taught by {kind}", student)
    return results


def aspects(seed: int, epochs: int, body: str) -> dict[str, dict]:
    """The sentences of examples/aspects.py."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
    import aspects as example

    return example.main(num_epochs=epochs, body=body, seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--cache", type=Path, help="folder to keep embeddings in")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "setfit_surface.json")
    arguments = parser.parse_args()
    body = RememberingBody(resolve_body(), device="cpu")
    runs: dict[str, list[dict]] = {"several labels": [], "distillation": [], "aspects": []}
    for seed in range(arguments.seeds):
        settings = (arguments.data, body, arguments.cache, seed, arguments.epochs)
        runs["distillation"].append(distillation(*settings))
        runs["several labels"].append(several_labels(*settings))
        runs["aspects"].append(aspects(seed, arguments.epochs, resolve_body()))
        print(f"seed {seed}: done", flush=True)
    for title, of_seeds in runs.items():
        figures = list(next(iter(of_seeds[0].values())))
        print(f"\n| {title} | {' | '.join(figures)} |\n|---|{'---|' * len(figures)}")
        for name in of_seeds[0]:
            cells = []
            for figure in figures:
                values = 100 * np.array([run[name][figure] for run in of_seeds])
                cells.append(f"{values.mean():.1f} ± {values.std(ddof=min(1, len(values) - 1)):.1f}")
            print(f"| {name} | {' | '.join(cells)} |")
    report = {
        "version": setfit_quantum.__version__,
        "body": "all-MiniLM-L6-v2, frozen",
        "epochs": arguments.epochs,
        "runs": runs,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
