"""A small model for tests, and a trained and saved one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bodies import NAMES, TEXTS
from setfit_quantum import QuantumHead, SetFitModel

SMALL: dict[str, Any] = {"n_qubits": 3, "encoder_layers": 1, "seed": 5}


def small_head(**settings: Any) -> QuantumHead:
    return QuantumHead(**(SMALL | settings))


def load(body: Path, head: Any = None, **kwargs: Any) -> SetFitModel:
    return SetFitModel.from_pretrained(body, head, device="cpu", **kwargs)


@pytest.fixture(scope="module")
def trained(tiny_body: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[SetFitModel, Path]:
    model = load(tiny_body, small_head())
    model.fit(TEXTS, NAMES, num_epochs=3, show_progress_bar=False)
    folder = tmp_path_factory.mktemp("saved") / "model"
    model.save_pretrained(folder)
    return model, folder
