"""What `setfit_surface.py` measures: each task for one seed, quantum heads beside classical ones, on a frozen body."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from datasets import Dataset
from paper_head import ESTIMATOR, RATE, TRAINING, build_paper_head
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

from setfit_quantum import (
    ClassicalHead,
    DistillationTrainer,
    QuantumHeadClassifier,
    SetFitModel,
    TrainingArguments,
)
from setfit_quantum.calibration import abstention, evaluate_probabilities
from setfit_quantum.data import draw_few_shot, load_examples, load_images, stratified_split
from setfit_quantum.default_body import resolve_body
from setfit_quantum.evaluation import evaluate_predictions
from setfit_quantum.experiments.embedding_cache import hash_texts, read_embeddings, write_embeddings
from setfit_quantum.model.heads import build_head
from setfit_quantum.training import HeadTrainingArguments, train_head

sys.path.append(str(Path(__file__).parent.parent / "examples"))

QUIET = {"show_progress_bar": False}
FIT = {"head_learning_rate": RATE, **TRAINING, **QUIET}
Rows = dict[str, dict[str, float]]


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


@dataclass
class Bench:
    """Where the data are, and what all tasks share."""

    data: Path
    cache: Path | None
    epochs: int
    n_train: int
    n_test: int

    @cached_property
    def body(self) -> RememberingBody:
        """The frozen body."""
        return RememberingBody(resolve_body(), device="cpu")

    def load(self, task: str, **options):
        """Training and test texts, encoded."""
        train, test = (
            load_examples(self.data / task / f"{split}.csv", limit=limit, **options)
            for split, limit in (("train", self.n_train), ("test", self.n_test))
        )
        self.body.remember([*train.texts, *test.texts], None if self.cache is None else self.cache / f"{task}.npz")
        return train, test


def several_labels(bench: Bench, seed: int) -> Rows:
    """Seven emotions, any number of them per text: macro F1, and share of texts with every label right."""
    train, test = bench.load("go_emotions_ekman", multilabel=True)
    classes = train.classes
    part = train.subset(np.random.default_rng(seed).permutation(len(train))[: bench.n_train // 2])
    estimator = partial(
        QuantumHeadClassifier,
        n_qubits=6,
        num_epochs=bench.epochs,
        class_weight="balanced",
        random_state=seed,
        **ESTIMATOR,
    )
    logistic = partial(LogisticRegression, max_iter=1000, class_weight="balanced")
    heads = {
        "quantum, one head for all": (partial(build_paper_head, multitarget=True, seed=seed), None),
        "linear, one head for all": (partial(ClassicalHead, multitarget=True, seed=seed), None),
    }
    for strategy in ("one-vs-rest", "multi-output", "classifier-chain"):
        heads[f"quantum, {strategy}"] = (estimator, strategy)
        heads[f"logistic regression, {strategy}"] = (logistic, strategy)
    results: Rows = {}
    for name, (make, strategy) in heads.items():
        # What from_pretrained(body, head=..., multi_target_strategy=...) does; here the body is made already.
        head = build_head(make(), in_features=None, multi_target_strategy=strategy)
        model = SetFitModel(bench.body, head, multi_target_strategy=strategy, labels=classes)
        options = {"num_epochs": bench.epochs, "class_weights": "balanced", **FIT} if strategy is None else {}
        model.fit(part.texts, part.indicators(classes), **options)
        predictions = np.asarray(model.predict(test.texts))
        found = evaluate_predictions(test.indicators(classes), predictions, classes, n_resamples=10)
        results[name] = {"macro F1, %": found.macro_f1, "every label right, %": found.accuracy}
    return results


def distillation(bench: Bench, seed: int, per_class: int = 64) -> Rows:
    """A teacher with few labelled texts, and a student with many texts without labels: accuracy of both."""
    train, test = bench.load("subj")
    labelled = draw_few_shot(train.labels, per_class, seed)
    rest = np.setdiff1d(np.arange(len(train)), labelled)
    unlabelled = train.subset(np.random.default_rng(seed).permutation(rest)[: bench.n_train // 2])
    few = train.subset(labelled)
    heads = {"quantum": lambda: build_paper_head(seed=seed), "linear": lambda: ClassicalHead(seed=seed)}
    results: Rows = {}

    def score(name: str, model: SetFitModel) -> None:
        results[name] = {"accuracy, %": share_right(model, test)}

    for kind, other in (("linear", "quantum"), ("quantum", "linear")):
        teacher = SetFitModel(bench.body, heads[kind]())
        teacher.fit(few.texts, few.labels, num_epochs=bench.epochs, validation_split=0.15, **FIT)
        score(f"{kind}, {len(few)} labelled texts", teacher)
        student = SetFitModel(bench.body, heads[other]())
        settings = {"validation_split": 0.15, "report_to": "none", **FIT}
        arguments = TrainingArguments(num_epochs=(0, bench.epochs), **settings)
        texts = Dataset.from_dict({"text": unlabelled.texts})
        DistillationTrainer(teacher, student, args=arguments, train_dataset=texts).train()
        score(f"{other}, taught by {kind} on {len(unlabelled)} texts without labels", student)
    return results


def probabilities(bench: Bench, seed: int) -> Rows:
    """SST-2: the calibration error on the test data before and after the validation split's temperature."""
    train, test = bench.load("sst2")
    part = train.subset(np.random.default_rng(seed).permutation(len(train))[:512])
    rest, held_out = (part.subset(rows) for rows in stratified_split(part.labels, 0.15, seed))
    validation = (held_out.texts, held_out.labels)
    results: Rows = {}
    for name, head in (("quantum", build_paper_head(seed=seed)), ("linear", ClassicalHead(seed=seed))):
        model = SetFitModel(bench.body, head)
        options = {"num_epochs": bench.epochs, "class_weights": "balanced", "validation_data": validation}
        model.fit(rest.texts, rest.labels, calibrate=False, **options, **FIT)
        targets = [model.label2id[label] for label in test.labels]
        before = evaluate_probabilities(model.predict_proba(test.texts), targets)
        temperature = model.calibrate(*validation)
        shares = model.predict_proba(test.texts)
        after = evaluate_probabilities(shares, targets)
        chosen = model.choose_abstention(*validation, accuracy=0.9)
        answers = abstention(shares, targets, chosen.threshold)
        results[name] = {
            "accuracy, %": after.accuracy,
            "temperature": temperature,
            "calibration error before, %": before.expected_calibration_error,
            "calibration error after, %": after.expected_calibration_error,
            "log loss before": before.log_loss,
            "log loss after": after.log_loss,
            "answered, %": answers.coverage,
            "right of these, %": answers.accuracy,
        }
    return results


def images(bench: Bench, seed: int) -> Rows:
    """Ants or bees on a ResNet-18 with random weights: what a head makes of features for which nothing was learned."""
    import ants_or_bees

    train, test = (load_images(bench.data / "hymenoptera", split) for split in ("train", "val"))
    with tempfile.TemporaryDirectory() as scratch:
        model = SetFitModel.from_image_backbone(ants_or_bees.save_random_resnet(Path(scratch)), device="cpu")
        cache = None if bench.cache is None else bench.cache / "hymenoptera.npz"
        paths = [*train.texts, *test.texts]
        found = None if cache is None else read_embeddings(cache, hash_texts(paths))
        if found is None:
            found = model.encode(paths).numpy()
            if cache is not None:
                write_embeddings(cache, hash_texts(paths), found)
    results: Rows = {}
    for name, head in (
        ("quantum, 4 qubits", build_paper_head(n_qubits=4, seed=seed)),
        ("quantum", build_paper_head(seed=seed)),
        ("linear", ClassicalHead(seed=seed)),
    ):
        settings = {"validation_split": 0.15, "learning_rate": RATE, **TRAINING, **QUIET}
        arguments = HeadTrainingArguments(num_epochs=bench.epochs, seed=seed, **settings)
        result = train_head(head, found[: len(train)], train.labels, arguments)
        right = [result.label_names[number] == label for number, label in zip(
            head.predict(found[len(train) :]).tolist(), test.labels, strict=True)]  # fmt: skip
        results[name] = {"accuracy, %": float(np.mean(right))}
    return results


def aspects(bench: Bench, seed: int) -> Rows:
    """The sentences of examples/aspects.py."""
    import aspects as example

    found = example.main(num_epochs=bench.epochs, body=resolve_body(), seed=seed)
    return {name: {f"{part}, %": value for part, value in scores.items()} for name, scores in found.items()}


def share_right(model: SetFitModel, test) -> float:
    """Share of test texts whose label is right."""
    return float(np.mean([a == b for a, b in zip(model.predict(test.texts), test.labels, strict=True)]))


TASKS = {
    "Several labels (GoEmotions, 7 labels)": several_labels,
    "Distillation (Subj)": distillation,
    "Probabilities (SST-2)": probabilities,
    "Aspects": aspects,
    "Images (ants or bees)": images,
}
