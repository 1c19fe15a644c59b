"""What a worker does with a run: train, select the epoch by validation, test once, and report figures."""

from __future__ import annotations

import base64
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from setfit_quantum import __version__
from setfit_quantum.evaluation import macro_f1
from setfit_quantum.experiments.bodies import EmbeddingStore
from setfit_quantum.experiments.end_to_end import fit_end_to_end
from setfit_quantum.experiments.heads import fit_head
from setfit_quantum.experiments.run_settings import FROZEN, TUNED, Run
from setfit_quantum.experiments.study_data import LabelledSet, StudyData

_MAX_MESSAGE = 500


class StudyWork:
    """Runs of one study. It travels to workers once; after that a run is all they need.

    Args:
        store: The pool and its embeddings, prepared for all runs.
    """

    def __init__(self, store: EmbeddingStore) -> None:
        self._store = store

    def __call__(self, run: Run) -> dict[str, Any]:
        """Train and evaluate the head of a run, on one core.

        Returns:
            Figures, JSON-ready: `validation`, `test`, `parameters`, seconds, and details of the kind of head.
        """
        with on_one_core():
            started, cpu = time.perf_counter(), time.process_time()
            data, rows = self.data_of(run)
            whole = run.head["kind"] == "end-to-end"
            fitted = fit_end_to_end(run, self._store) if whole else fit_head(run, data)
            trained = time.perf_counter()
            tested = draw_test_rows(rows, run.max_test, run.seed)
            inputs: Any = tested if whole else self._embeddings(run)[tested]
            predicted = fitted.predict(inputs)
            ended = time.perf_counter()
        targets = self._store.pool.targets[tested]
        right = predicted == targets
        record = {
            "validation": fitted.validation,
            "test": {
                "accuracy": float(right.mean()),
                "macro_f1": macro_f1(targets, predicted, len(self._store.pool.classes)),
                "n": len(tested),
                "right": pack(right),
            },
            "parameters": fitted.parameters,
            **fitted.details,
            "seconds": round(ended - started, 3),
            "test_seconds": round(ended - trained, 3),
            "cpu_seconds": round(time.process_time() - cpu, 3),
        }
        if run.keep_history:
            names = ("epoch", "train_loss", "eval_loss", "train_metric", "eval_metric")
            record["history"] = [[entry[name] for name in names] for entry in fitted.history]
        return record

    def data_of(self, run: Run) -> tuple[StudyData, NDArray[np.int64]]:
        """Training, validation and test data of a run, and the pool's rows of its test data."""
        split, pool = self._store.pool.split(run.seed), self._store.pool
        if run.head["kind"] == "end-to-end":
            # Its inputs are sentences; embeddings have no part in it.
            features = np.zeros((len(pool.texts), 1), dtype=np.float32)
        else:
            features = self._embeddings(run)
        train, validation, test = (LabelledSet(features[rows], pool.targets[rows]) for rows in split)
        return StudyData(train, validation, test), split.test

    def _embeddings(self, run: Run) -> NDArray[np.float32]:
        return self._store.get(column_of(run), run.seed)


def column_of(run: Run) -> str:
    """Whether the run's body is tuned."""
    return TUNED if run.body.get("tuning") else FROZEN


def attempt(work: Any, run: Run) -> dict[str, Any]:
    """Do the work of a run; a failure becomes a record and stops nothing else.

    Returns:
        The run's settings with its figures, or with `error`.
    """
    record: dict[str, Any] = {
        "kind": "run",
        "version": __version__,
        "python": platform.python_version(),
        "settings": run.to_dict(),
        "seed": run.seed,
    }
    try:
        record |= work(run)
    except Exception as error:
        record["error"] = f"{type(error).__name__}: {error}"[:_MAX_MESSAGE]
    return record


def draw_test_rows(rows: NDArray[np.int64], max_test: int | None, seed: int) -> NDArray[np.int64]:
    """All rows, or a random part of them: a simulated shot costs as much as a whole exact evaluation."""
    if max_test is None or max_test >= len(rows):
        return rows
    rng = np.random.default_rng([seed, 3])
    return np.asarray(rows[np.sort(rng.choice(len(rows), max_test, replace=False))])


def pack(right: NDArray[np.bool_]) -> str:
    """Which texts were right, as text: paired tests need more than the accuracy."""
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def unpack(test: Mapping[str, Any]) -> NDArray[np.bool_]:
    """What `pack` packed, from a record's `test`."""
    packed = np.frombuffer(base64.b64decode(test["right"]), dtype=np.uint8)
    return np.unpackbits(packed, count=test["n"]).astype(bool)


@contextmanager
def on_one_core() -> Iterator[None]:
    """Let PyTorch, and the simulator with it, compute on one core.

    Runs share the others, and results do not depend on how many there are.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
