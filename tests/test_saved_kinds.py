"""Models of every kind, saved here and loaded by another process: the same predictions and probabilities to the bit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

from bodies import NAMES, TEXTS
from image_bodies import KINDS as PICTURE_KINDS
from image_bodies import write_pictures
from setfit_quantum import (
    AbsaModel,
    AbsaTrainer,
    ClassicalHead,
    DistillationTrainer,
    QuantumHead,
    QuantumHeadClassifier,
    SetFitModel,
    TrainingArguments,
)
from setfit_quantum.vanilla import import_setfit

FIT = {"num_epochs": 2, "show_progress_bar": False}
ROWS = [
    [int(name == "positive"), int("film" in text), int("film" not in text)]
    for name, text in zip(NAMES, TEXTS, strict=True)
]
ABSA = {"text": ["good film great fun", "bad plot", "awful story"], "span": ["film", "plot", "story"],
        "label": ["positive", "negative", "negative"], "ordinal": [0, 0, 0]}  # fmt: skip

READ = """
import json, sys
import numpy as np
import torch
from pathlib import Path
from setfit_quantum import SetFitModel
torch.set_num_threads(1)
folder, inputs = Path(sys.argv[1]), json.loads(Path(sys.argv[1], "inputs.json").read_text())
found = {}
for name, values in inputs.items():
    model = SetFitModel.from_pretrained(folder / name, device="cpu")
    found[name] = [np.asarray(model.predict_proba(values), dtype=float).tolist(),
                   np.asarray(model.predict(values)).tolist(), type(model.model_head).__name__, model.labels]
print(json.dumps(found))
"""


def quantum(**settings: Any) -> QuantumHead:
    return QuantumHead(**({"n_qubits": 3, "encoder_layers": 1, "seed": 1} | settings))


def estimator() -> QuantumHeadClassifier:
    return QuantumHeadClassifier(n_qubits=2, encoder_layers=1, num_epochs=2, random_state=0)


HEADS: dict[str, Callable[[], Any]] = {
    "quantum": quantum,
    "two encoders": lambda: quantum(n_encoders=2, n_qubits=4),
    "without a linear layer": lambda: quantum(final_linear=False),
    "centred": lambda: quantum(preprocessing="center"),
    "pca": lambda: quantum(preprocessing="pca", projected_features=7),
    "whitened": lambda: quantum(preprocessing="whiten", projected_features=7),
    "projected at random": lambda: quantum(preprocessing="random", projected_features=7),
    "linear encoder": lambda: quantum(encoder="linear"),
    "mlp encoder": lambda: quantum(encoder="mlp", encoder_hidden_dim=5, encoder_batch_norm=True),
    "linear classifier": lambda: quantum(classifier="linear"),
    "mlp classifier": lambda: quantum(classifier="mlp", classifier_hidden_dim=4),
    "noise and shots": lambda: quantum(noise="paper-high", shots=50),
    "linear": lambda: ClassicalHead(seed=0),
    "mlp": lambda: ClassicalHead(hidden_dim=5, batch_norm=True, seed=0),
    "setfit's own": lambda: import_setfit().SetFitHead(32, 2),
    "logistic regression": LogisticRegression,
    "quantum estimator": estimator,
}


def text_models(body: SentenceTransformer) -> dict[str, SetFitModel]:
    """Trained models of texts, on one body."""
    models: dict[str, SetFitModel] = {}

    def add(name: str, head: Any, targets: Any = NAMES, fit: dict[str, Any] | None = None, **settings: Any) -> None:
        models[name] = SetFitModel(body, head, **settings)
        module = models[name].has_differentiable_head
        models[name].fit(TEXTS, targets, **((FIT | (fit or {})) if module else {}))

    for name, make in HEADS.items():
        add(name, make())
    from setfit_quantum.model.heads import build_head

    for strategy in ("one-vs-rest", "multi-output", "classifier-chain"):
        head = build_head(estimator(), in_features=32, multi_target_strategy=strategy)
        add(f"several labels, {strategy}", head, ROWS, multi_target_strategy=strategy, labels=["a", "b", "c"])
    add("several labels, one head", quantum(multitarget=True), ROWS)
    add("normalised", quantum(), normalize_embeddings=True)
    add("calibrated", quantum(), fit={"validation_split": 0.25, "calibrate": True})
    add("abstaining", quantum())
    models["abstaining"].abstain_below = 0.52
    for kind in ("linear", "quantum"):
        add(f"frozen encoder, new {kind} classifier", quantum())
        models[f"frozen encoder, new {kind} classifier"].model_head.freeze("encoder")
        models[f"frozen encoder, new {kind} classifier"].replace_classifier(kind)
        topics = [["film", "music", "cast"][number % 3] for number in range(len(TEXTS))]
        models[f"frozen encoder, new {kind} classifier"].fit(TEXTS, topics, **FIT)
    arguments = TrainingArguments(num_epochs=(0, 2), show_progress_bar=False, report_to="none")
    for teacher, student in (("linear", quantum()), ("quantum", ClassicalHead(seed=1))):
        model = SetFitModel(body, student)
        # A teacher of two epochs may say the same of everything: this one has learned.
        models[teacher].fit(TEXTS, NAMES, num_epochs=40, show_progress_bar=False)
        DistillationTrainer(
            models[teacher], model, args=arguments, train_dataset=Dataset.from_dict({"text": TEXTS})
        ).train()
        models[f"taught by {teacher}"] = model
    return models


def other_models(tiny_body: Path, backbones: dict[str, Path], folder: Path) -> dict[str, tuple[SetFitModel, list[str]]]:
    """Models with bodies of their own, and what they classify."""
    found: dict[str, tuple[SetFitModel, list[str]]] = {}
    shortened = SetFitModel.from_pretrained(tiny_body, quantum(), truncate_dim=7, prompt="good ", device="cpu")
    shortened.fit(TEXTS, NAMES, **FIT)
    together = SetFitModel.from_pretrained(tiny_body, quantum(), device="cpu")
    together.fit(TEXTS, NAMES, end_to_end=True, body_learning_rate=1e-3, **FIT)
    found |= {"truncated and instructed": (shortened, TEXTS), "end to end": (together, TEXTS)}
    pictures = [str(path) for path in sorted(write_pictures(folder / "pictures", 6).rglob("*.png"))]
    for name, backbone in backbones.items():
        for kind, head in (("quantum", quantum()), ("linear", ClassicalHead(seed=0))):
            model = SetFitModel.from_image_backbone(backbone, head=head, device="cpu")
            model.fit(pictures, sorted(PICTURE_KINDS[:6]), **FIT)
            found[f"images, {name}, {kind}"] = (model, pictures)
    pipeline = spacy.blank("en")
    pipeline.add_pipe("attribute_ruler").add([[{"LOWER": {"IN": ["film", "fun", "plot", "story"]}}]], {"POS": "NOUN"})
    pipeline.to_disk(folder / "pipeline")
    absa = AbsaModel.from_pretrained(tiny_body, head=quantum(), spacy_model=str(folder / "pipeline"), device="cpu")
    arguments = TrainingArguments(num_epochs=(0, 2), show_progress_bar=False, report_to="none")
    AbsaTrainer(absa, args=arguments, train_dataset=Dataset.from_dict(ABSA)).train()
    return found | {"aspects": (absa.aspect_model, TEXTS), "polarities": (absa.polarity_model, TEXTS)}


@pytest.fixture(scope="module")
def read_again(tiny_body, resnet, vit, clip, tmp_path_factory) -> dict[str, tuple[list[Any], list[Any]]]:
    """For each kind what the saved model said, and what the loaded one says in another process."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums are added up in the same order in both processes
    folder = tmp_path_factory.mktemp("kinds")
    body = SentenceTransformer(str(tiny_body), device="cpu")
    models: dict[str, tuple[Any, list[str]]] = {name: (model, TEXTS) for name, model in text_models(body).items()}
    models |= other_models(tiny_body, {"resnet": resnet, "vit": vit, "clip": clip}, folder)
    expected = {}
    for name, (model, inputs) in models.items():
        model.save_pretrained(folder / name)
        expected[name] = [
            np.asarray(model.predict_proba(inputs), dtype=float).tolist(),
            np.asarray(model.predict(inputs)).tolist(),
            type(model.model_head).__name__,
            model.labels,
        ]
    torch.set_num_threads(threads)
    (folder / "inputs.json").write_text(json.dumps({name: inputs for name, (_, inputs) in models.items()}))
    finished = subprocess.run([sys.executable, "-c", READ, folder], capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr[-3000:]
    found = json.loads(finished.stdout.splitlines()[-1])
    assert not list(folder.rglob("*.pkl"))
    return {name: (expected[name], found[name]) for name in models}


NAMES_OF_KINDS = (
    *HEADS,
    *(f"several labels, {strategy}" for strategy in ("one-vs-rest", "multi-output", "classifier-chain", "one head")),
    *("normalised", "calibrated", "abstaining", "truncated and instructed", "end to end"),
    *(f"frozen encoder, new {kind} classifier" for kind in ("linear", "quantum")),
    *("taught by linear", "taught by quantum", "aspects", "polarities"),
    *(f"images, {body}, {head}" for body in ("resnet", "vit", "clip") for head in ("quantum", "linear")),
)


@pytest.mark.parametrize("name", NAMES_OF_KINDS)
def test_another_process_predicts_the_same(name, read_again):
    expected, found = read_again[name]
    assert found == expected


def test_the_kinds_are_all_there_and_tell_inputs_apart(read_again):
    assert set(read_again) == set(NAMES_OF_KINDS)
    for name, (expected, _) in read_again.items():
        assert len({json.dumps(row) for row in expected[0]}) > 1, name
    answers = read_again["abstaining"][0][1]
    assert None in answers
