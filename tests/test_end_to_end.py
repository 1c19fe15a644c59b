"""`SetFitModel.fit(..., end_to_end=True)`: body and head trained together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bodies import NUMBERS, TEXTS
from setfit_quantum import SetFitModel
from watched_models import QUIET, BodyWatcher, make_model, model

__all__ = ["model"]  # the fixture


def test_end_to_end_trains_the_body_in_training_mode(tiny_body: Path) -> None:
    model = make_model(tiny_body, n_qubits=4)
    before = model.encode(TEXTS)
    watcher = BodyWatcher(model)
    model.fit(
        TEXTS,
        NUMBERS,
        num_epochs=30,
        head_learning_rate=0.05,
        end_to_end=True,
        body_learning_rate=1e-3,
        validation_data=(TEXTS[:4], NUMBERS[:4]),
        select_best=False,
        **QUIET,
    )
    assert watcher.modes == {True, False}  # in training, and in validation
    assert watcher.texts >= 30 * (len(TEXTS) + 4)
    assert not torch.equal(model.encode(TEXTS), before)
    assert model.head_history[-1]["train_loss"] < 0.8 * model.head_history[0]["train_loss"]
    # The loop's view of a text is the model's own.
    assert model.head_history[-1]["eval_metric"] == np.mean(
        (model.predict(TEXTS[:4], use_labels=False) == torch.tensor(NUMBERS[:4])).tolist()
    )


def test_end_to_end_normalises_as_the_model_does(tiny_body: Path) -> None:
    from setfit_quantum.model.end_to_end import BodyAndHead

    for normalize in (False, True):
        model = make_model(tiny_body, encoder="linear")
        model = SetFitModel(without_normalisation(model), model.model_head, normalize_embeddings=normalize)
        module = BodyAndHead(model, TEXTS).eval()
        with torch.no_grad():
            _, probs = module(module.rows(0, len(TEXTS)))
        assert torch.allclose(probs, model.predict_proba(TEXTS), atol=1e-5)


def without_normalisation(model: SetFitModel) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(modules=[model.model_body[0], model.model_body[1]], device="cpu")


def test_end_to_end_with_a_frozen_body_is_head_training(model: SetFitModel) -> None:
    model.freeze("body")
    watcher = BodyWatcher(model)
    before = model.encode(TEXTS)
    model.fit(TEXTS, NUMBERS, num_epochs=1, end_to_end=True, **QUIET)
    assert watcher.modes == {False}
    assert torch.equal(model.encode(TEXTS), before)


def test_end_to_end_refuses_what_it_cannot_do(model: SetFitModel) -> None:
    with pytest.raises(ValueError, match="`optimizer` must be a name"):
        model.fit(TEXTS, NUMBERS, end_to_end=True, optimizer=torch.optim.Adam, **QUIET)
    with pytest.raises(ValueError, match="`body_learning_rate` must be greater than 0"):
        model.fit(TEXTS, NUMBERS, end_to_end=True, body_learning_rate=0.0, **QUIET)
