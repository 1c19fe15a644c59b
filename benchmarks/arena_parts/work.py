"""What is done for one head, data set, size, seed and body: choose a setting without the test, fit, test once."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arena_parts.embeddings import EmbeddingFolder, Embeddings
from arena_parts.fitting import Fitted, fit
from arena_parts.sentences import Sentences
from setfit_quantum.evaluation import macro_f1
from setfit_quantum.experiments.result_file import hash_settings
from setfit_quantum.experiments.run_settings import FROZEN
from setfit_quantum.experiments.selection import select_by_validation
from setfit_quantum.experiments.study_data import LabelledSet
from setfit_quantum.experiments.study_work import on_one_core, pack

VERSION = 1
"""Part of every key: raise it when the same settings begin to give other numbers."""


@dataclass(frozen=True)
class ArenaRun:
    """Everything that one result depends on.

    Args:
        dataset: Name of the data set; its draws depend on it.
        sentences: Hash of its sentences and labels.
        size: Sentences per class.
        seed: Of the draw, the weights and the order of the sentences.
        column: Body column.
        body: What identifies the body and its tuning.
        head: Kind, candidates and ensemble (`HeadEntry.settings`).
        validation_share: Share of the drawn sentences that selection holds out.
    """

    dataset: str
    sentences: str
    size: int
    seed: int
    column: str
    body: Mapping[str, Any]
    head: Mapping[str, Any]
    validation_share: float

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        return dict(self.__dict__)

    @property
    def key(self) -> str:
        """Hash of the settings: whatever the head is called."""
        return hash_settings({"kind": "arena", "version": VERSION, **self.to_dict()})


@dataclass
class ArenaWork:
    """Does runs; travels to workers, which read embeddings from the folder.

    Args:
        embeddings: Where they are.
        sentences: The data sets by name.
    """

    embeddings: EmbeddingFolder
    sentences: Mapping[str, Sentences]
    _frozen: dict[str, Embeddings] = field(default_factory=dict, repr=False)

    def __call__(self, run: ArenaRun) -> dict[str, Any]:
        """The figures of a run, JSON-ready."""
        fitted_on, held_out, test = self.data_of(run)
        n_classes = len(self.sentences[run.dataset].classes)
        with on_one_core():
            # Of the process, which works on one core: what other processes do beside it does not count.
            started = time.process_time()
            chosen, validation = choose(run.head, fitted_on, held_out, n_classes, run.seed)
            selected = time.process_time()
            train = LabelledSet(
                np.concatenate([fitted_on.embeddings, held_out.embeddings]),
                np.concatenate([fitted_on.targets, held_out.targets]),
            )
            candidate = run.head["candidates"][chosen]
            head = fit(run.head["kind"], candidate, run.head["ensemble"], train, n_classes, run.seed)
            trained = time.process_time()
            predicted = head.decide(test.embeddings).argmax(axis=1)
            ended = time.process_time()
            fitting_right = head.decide(train.embeddings).argmax(axis=1) == train.targets
        right = predicted == test.targets
        return {
            "chosen": chosen,
            "setting": candidate,
            "validation": validation,
            "test": {
                "accuracy": float(right.mean()),
                "macro_f1": float(macro_f1(test.targets, predicted, n_classes)),
                "n": len(right),
                "right": pack(right),
            },
            "train_accuracy": float(fitting_right.mean()),
            "n_train": len(train),
            "parameters": head.parameters,
            "fitted": head.fitted,
            "seconds": round(trained - started, 4),
            "fit_seconds": round(trained - selected, 4),
            "test_seconds": round(ended - trained, 4),
        }

    def data_of(self, run: ArenaRun) -> tuple[LabelledSet, LabelledSet, LabelledSet]:
        """What candidates are fitted on, what selects among them, and the test data."""
        sentences = self.sentences[run.dataset]
        fitted_on, held_out = sentences.draw(run.size, run.seed, run.validation_share)
        drawn = np.sort(np.concatenate([fitted_on, held_out]))
        if run.column == FROZEN:
            if run.dataset not in self._frozen:
                self._frozen[run.dataset] = self.embeddings.frozen(sentences)
            found, n_train = self._frozen[run.dataset], len(sentences.train)
        else:
            found, n_train = self.embeddings.tuned(sentences, drawn, run.size, run.seed), len(drawn)

        def part(rows: NDArray[np.int64]) -> LabelledSet:
            places = rows if run.column == FROZEN else np.searchsorted(drawn, rows)
            return LabelledSet(found[places], sentences.train_targets[rows])

        return part(fitted_on), part(held_out), LabelledSet(found[n_train:], sentences.test_targets)


def choose(
    head: Mapping[str, Any], fitted_on: LabelledSet, held_out: LabelledSet, n_classes: int, seed: int
) -> tuple[int, list[dict[str, Any]]]:
    """The best candidate on held-out sentences: by accuracy, then by cross-entropy where there is one, then the first.

    Of an ensemble one member decides, as of every other head. A head with one setting skips this.

    Returns:
        The candidate's number, and the scores of all.
    """
    if len(head["candidates"]) == 1:
        return 0, []
    records: list[dict[str, Any]] = []
    for number, candidate in enumerate(head["candidates"]):
        found = fit(head["kind"], candidate, 1, fitted_on, n_classes, seed)
        records.append({"number": number, "validation": _score(found, held_out)})
    best = select_by_validation(records)
    assert best is not None
    return int(best["number"]), [record["validation"] for record in records]


def _score(head: Fitted, held_out: LabelledSet) -> dict[str, float | None]:
    values = head.decide(held_out.embeddings)
    loss = None
    if head.has_probabilities:
        of_truth = values[np.arange(len(held_out)), held_out.targets]
        loss = float(-np.log(np.maximum(of_truth, 1e-12)).mean())
    accuracy = float((values.argmax(axis=1) == held_out.targets).mean())
    return {"accuracy": accuracy, "loss": None if loss is None or not math.isfinite(loss) else loss}


def cost(run: ArenaRun) -> float:
    """About how long a run takes, to start the longest first."""
    total = 0.0
    for candidate in run.head["candidates"]:
        settings, training = candidate["head"], candidate["training"]
        epochs = training.get("num_epochs", 100)
        if run.head["kind"] == "quantum":
            encoder = settings.get("encoder_qubits") or (14 if settings.get("preset") == "paper-multi" else 10)
            width = 2 ** max(encoder, settings.get("n_qubits", 10))
            total += epochs * width * settings.get("n_encoders", 1)
        else:
            total += epochs * (100 if run.head["kind"] == "neural" else 1)
    return total * run.size * float(run.head["ensemble"])
