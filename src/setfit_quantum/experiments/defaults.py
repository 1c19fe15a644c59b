"""What a run is that its settings do not say: defaults of studies, of heads and of their training."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from setfit_quantum.baselines.neural_heads import SETFIT_TRAINING
from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.presets import PRESETS
from setfit_quantum.training.arguments import HeadTrainingArguments

STUDY_TRAINING: dict[str, Any] = {
    "num_epochs": 100,
    "learning_rate": 0.01,
    "lr_schedule": "constant",
    "final_layer": "trained",
}
"""Training of a study that says nothing else: as in the paper, whatever this package's own defaults become."""

_NOT_OF_THE_RESULT = ("checkpoint_dir", "device", "log_every", "resume", "save_every", "save_total_limit", "seed",
                      "show_progress_bar")  # fmt: skip


def find_defaults(head: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that a run rests on: they belong to its key, since a later version may have others.

    Args:
        head: The head's settings, with its `kind`.
        training: Its training settings.

    Returns:
        JSON-ready: `training`, and `head` for a quantum one; without what the run sets itself.
    """
    kind = head["kind"]
    if kind in ("logistic", "svc"):
        return {}
    known = _training_defaults() | STUDY_TRAINING | (SETFIT_TRAINING if kind == "setfit" else {})
    found: dict[str, Any] = {"training": {name: value for name, value in known.items() if name not in training}}
    if kind == "quantum":
        settings = _head_defaults() | PRESETS.get(str(head.get("preset")), {})
        found["head"] = {name: value for name, value in settings.items() if name not in head}
    return found


@cache
def _training_defaults() -> dict[str, Any]:
    return {name: value for name, value in HeadTrainingArguments().to_dict().items() if name not in _NOT_OF_THE_RESULT}


@cache
def _head_defaults() -> dict[str, Any]:
    return {name: value for name, value in QuantumHeadConfig().to_dict().items() if name != "seed"}
