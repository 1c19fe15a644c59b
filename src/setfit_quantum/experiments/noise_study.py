"""Accuracy of heads over a grid of noise levels and shot numbers, in training and at inference.

Every head trained under one condition is evaluated under all others, on the same texts, so that each figure has a
paired difference to the same head evaluated exactly. Evaluation with noise and shots simulates every shot as on a
device. Results are written as they come; a killed study goes on where it was and recomputes nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.checks import check_int
from setfit_quantum.experiments.conditions import EXACT, Condition, check_conditions
from setfit_quantum.experiments.result_file import ResultFile, hash_settings
from setfit_quantum.experiments.study_data import DataOfSeed, LabelledSet, StudyData, draw_test_set
from setfit_quantum.experiments.trained_heads import TrainedHead, condition_of, measured_under
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.training import HeadTrainingArguments

MAX_TEST = 500
"""Texts that are measured by default."""
_VERSION = 1
"""Part of every key: raise it when the same settings begin to give other numbers."""

OnResult = Callable[[dict[str, Any], int, int], object]
"""Called after each result with it, the number of results so far and the number of all."""


def run_noise_study(
    data: StudyData | DataOfSeed,
    train_conditions: Mapping[str, Condition],
    eval_conditions: Mapping[str, Condition],
    seeds: Iterable[int],
    *,
    head_settings: Mapping[str, Any] | None = None,
    arguments: HeadTrainingArguments | None = None,
    max_test: int | None = MAX_TEST,
    folder: Path | None = None,
    on_result: OnResult | None = None,
) -> list[dict[str, Any]]:
    """Train a head per training condition and seed, and evaluate each under every evaluation condition.

    Args:
        data: Embeddings and class numbers, or a function that gives those of a seed.
        train_conditions: Noise and shots in training, by name.
        eval_conditions: Noise and shots at inference, by name.
        seeds: One head per training condition is trained with each.
        head_settings: Arguments of `SetFitQuantumHead` other than noise, shots and seed.
        arguments: Training settings; the seed is replaced.
        max_test: Measure a random part of the test set, of this size, drawn with the seed; None: all of it.
        folder: Where results and heads are kept, and found again; None: nowhere.
        on_result: Called after each evaluation, also of one that was found.

    Returns:
        One record per training condition, seed and evaluation condition: `train`, `eval`, `seed`, `accuracy`,
        `n_test`, `seconds`, `ms_per_step` (median training step), `exact_accuracy` (the same head and texts
        evaluated exactly), `lost` and `gained` (texts that are right only exactly, and only here), and more.

    Raises:
        TypeError, ValueError: Data, conditions or settings that cannot be used.
    """
    check_conditions("train_conditions", train_conditions)
    check_conditions("eval_conditions", eval_conditions)
    numbers = [check_int("seeds", seed, minimum=0) for seed in seeds]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"Argument `seeds` must hold different numbers, at least one, but got {numbers}.")
    arguments = arguments or HeadTrainingArguments(show_progress_bar=False)
    results = ResultFile(None if folder is None else folder / "results.jsonl")
    total = len(numbers) * len(train_conditions) * len(eval_conditions)
    records: list[dict[str, Any]] = []
    for seed in numbers:
        split = data if isinstance(data, StudyData) else data(seed)
        tested = draw_test_set(split.test, max_test, seed)
        test_key = tested.fingerprint()
        for name, condition in train_conditions.items():
            trained = TrainedHead(
                split,
                condition,
                seed,
                head_settings or {},
                arguments,
                results,
                None if folder is None else folder / "heads",
            )
            grid = _Grid(name, trained.key, lambda trained=trained: trained.head, tested, test_key, seed, results)  # type: ignore[misc]
            for eval_name, eval_condition in eval_conditions.items():
                found = grid.evaluate(eval_name, eval_condition)
                records.append({**found, "ms_per_step": trained.record["ms_per_step"]})
                if on_result is not None:
                    on_result(records[-1], len(records), total)
    return records


def evaluate_head(
    head: SetFitQuantumHead,
    test: LabelledSet,
    eval_conditions: Mapping[str, Condition],
    *,
    seed: int = 0,
    max_test: int | None = MAX_TEST,
    folder: Path | None = None,
    on_result: OnResult | None = None,
) -> list[dict[str, Any]]:
    """Evaluate one trained head under every condition.

    Args:
        head: A trained head; it is not changed.
        test: Embeddings and class numbers.
        eval_conditions: Noise and shots, by name.
        seed: Of the texts that are measured, and of shots and noise.
        max_test: See `run_noise_study`.
        folder: See `run_noise_study`.
        on_result: See `run_noise_study`.

    Returns:
        Records as those of `run_noise_study`; `train` is what the head is set to, and `ms_per_step` None.

    Raises:
        TypeError, ValueError: Data or conditions that cannot be used.
    """
    check_conditions("eval_conditions", eval_conditions)
    if head.multitarget:
        raise ValueError("Argument `head` must give one class per text: accuracy under noise is studied for that.")
    results = ResultFile(None if folder is None else folder / "results.jsonl")
    tested = draw_test_set(test, max_test, seed)
    key = hash_settings({"kind": "head", "head": head.config.to_dict(), "weights": _hash_weights(head)})
    grid = _Grid(condition_of(head).name, key, lambda: head, tested, tested.fingerprint(), seed, results)
    records = []
    for name, condition in eval_conditions.items():
        records.append({**grid.evaluate(name, condition), "ms_per_step": None})
        if on_result is not None:
            on_result(records[-1], len(records), len(eval_conditions))
    return records


class _Grid:
    """The evaluations of one head on one test set."""

    def __init__(
        self,
        train_name: str,
        head_key: str,
        get_head: Callable[[], SetFitQuantumHead],
        test: LabelledSet,
        test_key: str,
        seed: int,
        results: ResultFile,
    ) -> None:
        self._train_name, self._head_key, self._get_head = train_name, head_key, get_head
        self._test, self._test_key, self._seed, self._results = test, test_key, seed, results

    def evaluate(self, name: str, condition: Condition) -> dict[str, Any]:
        """The record of one evaluation beside the exact one, under the names that this study has for them."""
        exact = self._measure(EXACT, Condition())
        found = exact if condition.is_exact else self._measure(name, condition)
        right, expected = _unpack(found), _unpack(exact)
        return {
            **found,
            "train": self._train_name,
            "eval": name,
            "exact_accuracy": exact["accuracy"],
            "lost": int((expected & ~right).sum()),
            "gained": int((right & ~expected).sum()),
        }

    def _measure(self, name: str, condition: Condition) -> dict[str, Any]:
        key = hash_settings(
            {
                "kind": "evaluation",
                "version": _VERSION,
                "head": self._head_key,
                "condition": condition.to_dict(),
                "seed": self._seed,
                "test": self._test_key,
            }
        )
        found = self._results.get(key)
        if found is not None:
            return found
        head = measured_under(self._get_head(), condition, self._seed)
        started = time.perf_counter()
        predicted = head.predict(self._test.embeddings).cpu().numpy()
        seconds = time.perf_counter() - started
        right = predicted == self._test.targets
        record = {
            "kind": "evaluation",
            "train": self._train_name,
            "eval": name,
            "noise": condition.noise_name,
            "shots": condition.shots,
            "seed": self._seed,
            "accuracy": float(right.mean()),
            "n_test": len(right),
            "seconds": round(seconds, 4),
            "right": np.packbits(right).tobytes().hex(),
        }
        return self._results.add(key, record)


def _unpack(record: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Which texts were right."""
    packed = np.frombuffer(bytes.fromhex(record["right"]), dtype=np.uint8)
    return np.unpackbits(packed, count=record["n_test"]).astype(bool)


def _hash_weights(head: SetFitQuantumHead) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(head.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
