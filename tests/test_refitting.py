"""A trained head keeps its number of classes, whatever labels it meets later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from bodies import TEXTS
from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.baselines import ClassicalHead
from setfit_quantum.training import HeadTrainingArguments, train_head

X = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
THREE, TWO = [0, 1, 2] * 4, [0, 1] * 6
SETTINGS = HeadTrainingArguments(num_epochs=1, learning_rate=1e-6, final_layer="trained", show_progress_bar=False)


@pytest.mark.parametrize(
    "make", [lambda: QuantumHead(n_qubits=2, backend="torch", seed=1), lambda: ClassicalHead(seed=1)]
)
def test_fewer_classes_do_not_replace_the_last_layer(make: Any) -> None:
    head = make()
    train_head(head, X, THREE, SETTINGS)
    before = head(X)[0].detach()
    train_head(head, X, TWO, SETTINGS)
    assert head.out_features == 3
    assert torch.allclose(head(X)[0], before, atol=1e-3)  # trained on, not drawn anew
    with pytest.raises(ValueError, match=r"`out_features` must be at least 4, .* but got 3 .*make a new head"):
        train_head(head, X, [0, 1, 2, 3] * 3, SETTINGS)
    assert torch.allclose(head(X)[0], before, atol=1e-3)


@pytest.mark.parametrize("end_to_end", [False, True])
def test_a_model_keeps_its_classes_in_memory_and_when_loaded(tiny_body: Path, tmp_path: Path, end_to_end: bool) -> None:
    model = SetFitModel.from_pretrained(tiny_body, QuantumHead(n_qubits=2, backend="torch", seed=1), device="cpu")
    settings: dict[str, Any] = {
        "num_epochs": 1, "head_learning_rate": 1e-6, "body_learning_rate": 1e-9, "show_progress_bar": False,
        "end_to_end": end_to_end, "final_layer": "trained",
    }  # fmt: skip
    model.fit(TEXTS[:12], THREE, **settings)
    before = model.predict_proba(TEXTS)
    model.fit(TEXTS[:12], TWO, **settings)
    assert torch.allclose(model.predict_proba(TEXTS), before, atol=1e-3)
    model.save_pretrained(tmp_path)
    loaded = SetFitModel.from_pretrained(tmp_path, device="cpu")
    loaded.fit(TEXTS[:12], TWO, **settings)
    assert loaded.predict_proba(TEXTS).shape == (len(TEXTS), 3)
    assert torch.allclose(loaded.predict_proba(TEXTS), before, atol=1e-3)


def test_an_untrained_head_may_still_change() -> None:
    head = QuantumHead(4, n_qubits=2, backend="torch", seed=1)
    head.fit_out_features(3)
    head.fit_out_features(2)
    assert head.out_features == 2
