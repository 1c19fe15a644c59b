"""The paper's one-encoder head with a constant amplitude, and the paper's way of training.

Studies of features (transfer, several labels, distillation) use it on both sides of their comparisons: it trains in a
tenth of the time of the default head, whose accuracy `arena.py` measures.
"""

from __future__ import annotations

from typing import Any

from setfit_quantum import QuantumHead
from setfit_quantum.experiments.defaults import STUDY_TRAINING
from setfit_quantum.presets import PRESETS

TRAINING: dict[str, Any] = {name: STUDY_TRAINING[name] for name in ("lr_schedule", "final_layer")}
"""Beside a learning rate of `RATE`."""
RATE: float = STUDY_TRAINING["learning_rate"]
_SETTINGS = PRESETS["paper-single"] | {"amplitude_bias": 1.0}
_NOT_OF_ESTIMATORS = ("multitarget", "temperature", "frozen")
ESTIMATOR: dict[str, Any] = {
    **{name: value for name, value in _SETTINGS.items() if name not in _NOT_OF_ESTIMATORS},
    "learning_rate": RATE,
    **TRAINING,
}
"""The same as arguments of `QuantumHeadClassifier`."""


def build_paper_head(in_features: int | None = None, n_qubits: int = 10, **settings: Any) -> QuantumHead:
    """The head; `settings` replace single ones."""
    return QuantumHead(**(_SETTINGS | {"n_qubits": n_qubits, "in_features": in_features} | settings))
