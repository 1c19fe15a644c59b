"""The paper's upper bound: body and a classical differentiable head trained together."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from setfit_quantum.default_body import resolve_body
from setfit_quantum.experiments.bodies import EmbeddingStore
from setfit_quantum.experiments.defaults import STUDY_TRAINING
from setfit_quantum.experiments.heads import FittedHead
from setfit_quantum.experiments.run_settings import Run
from setfit_quantum.head.classical import ClassicalHead
from setfit_quantum.training import HeadTrainingArguments


def fit_end_to_end(run: Run, store: EmbeddingStore) -> FittedHead:
    """Train body and head on a seed's sentences; the epoch is selected by validation.

    The run's head has `hidden_dim`, `batch_norm` and `body_learning_rate`. What the returned head predicts from is
    not embeddings but rows of the pool.

    Source: arXiv 2504.08732, "upper bound" (93.62 % on SST-2).
    """
    from setfit_quantum.model import SetFitModel

    settings = {name: value for name, value in run.head.items() if name != "kind"}
    body_rate = settings.pop("body_learning_rate", None)
    pool = store.pool
    split = pool.split(run.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        head = ClassicalHead(None, len(pool.classes), seed=run.seed, **settings)
        model: Any = SetFitModel.from_pretrained(resolve_body(store.body), head=head, device="cpu")
        result = model.fit(
            [pool.texts[row] for row in split.train],
            pool.targets[split.train],
            arguments=HeadTrainingArguments(
                **({"show_progress_bar": False} | STUDY_TRAINING | dict(run.training) | {"seed": run.seed})
            ),
            end_to_end=True,
            body_learning_rate=body_rate,
            validation_data=([pool.texts[row] for row in split.validation], pool.targets[split.validation]),
        )

    def predict(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        probabilities = model.predict_proba([pool.texts[row] for row in rows], as_numpy=True)
        predicted: NDArray[np.int64] = np.asarray(probabilities).argmax(axis=1)
        return predicted

    body = sum(parameter.numel() for parameter in model.model_body.parameters())
    loss = float(result.history[result.best_epoch - 1]["eval_loss"])
    return FittedHead(
        predict,  # type: ignore[arg-type]
        head.num_parameters(),
        {"accuracy": result.best_metric, "loss": loss},
        {"epochs": result.epochs_run, "best_epoch": result.best_epoch, "body_parameters": body},
        result.history,
    )
