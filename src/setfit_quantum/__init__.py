"""setfit-quantum: a hybrid quantum-classical classification head for SetFit.

Importing the package imports neither torch nor SetFit: names are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from setfit_quantum.absa import AbsaModel, AbsaTrainer
    from setfit_quantum.circuit import Circuit, Gate
    from setfit_quantum.classifier import QuantumHeadClassifier
    from setfit_quantum.config import QuantumHeadConfig
    from setfit_quantum.head import ClassicalHead, SetFitQuantumHead, TransferKind
    from setfit_quantum.model import SetFitModel
    from setfit_quantum.noise import NoiseModel
    from setfit_quantum.training.distillation import DistillationTrainer
    from setfit_quantum.training.setfit_arguments import TrainingArguments
    from setfit_quantum.training.setfit_trainer import Trainer

    QuantumHead = SetFitQuantumHead

__version__ = "0.1.0"

_EXPORTS = {
    "AbsaModel": "setfit_quantum.absa",
    "AbsaTrainer": "setfit_quantum.absa",
    "Circuit": "setfit_quantum.circuit",
    "ClassicalHead": "setfit_quantum.head",
    "DistillationTrainer": "setfit_quantum.training.distillation",
    "Gate": "setfit_quantum.circuit",
    "NoiseModel": "setfit_quantum.noise",
    "QuantumHead": "setfit_quantum.head",
    "QuantumHeadClassifier": "setfit_quantum.classifier",
    "QuantumHeadConfig": "setfit_quantum.config",
    "SetFitModel": "setfit_quantum.model",
    "SetFitQuantumHead": "setfit_quantum.head",
    "Trainer": "setfit_quantum.training.setfit_trainer",
    "TrainingArguments": "setfit_quantum.training.setfit_arguments",
    "TransferKind": "setfit_quantum.head",
}

__all__ = [
    "AbsaModel",
    "AbsaTrainer",
    "Circuit",
    "ClassicalHead",
    "DistillationTrainer",
    "Gate",
    "NoiseModel",
    "QuantumHead",
    "QuantumHeadClassifier",
    "QuantumHeadConfig",
    "SetFitModel",
    "SetFitQuantumHead",
    "Trainer",
    "TrainingArguments",
    "TransferKind",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
