"""A small model for tests of training, and what watches its body."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from setfit_quantum import QuantumHead, SetFitModel

QUIET: dict[str, Any] = {"show_progress_bar": False}


def make_model(body: Path, **settings: Any) -> SetFitModel:
    head = QuantumHead(**({"n_qubits": 3, "encoder_layers": 1, "seed": 5} | settings))
    return SetFitModel.from_pretrained(body, head, device="cpu")


@pytest.fixture
def model(tiny_body: Path) -> SetFitModel:
    return make_model(tiny_body)


class BodyWatcher:
    """Counts the texts that pass the body, and notes its mode."""

    def __init__(self, model: SetFitModel) -> None:
        self.texts = 0
        self.modes: set[bool] = set()
        self.lengths: set[int] = set()
        model.model_body.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        features = args[0] if args else kwargs["input"]
        self.texts += len(features["input_ids"])
        self.lengths.add(features["input_ids"].shape[1])
        self.modes.add(module.training)
