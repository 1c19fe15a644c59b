"""The arena's quantum heads, with what only experiments need: ablated circuits, a linear path beside the circuit."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from setfit_quantum.checks import check_choice
from setfit_quantum.experiments.conditions import Condition
from setfit_quantum.experiments.heads import build_quantum_head
from setfit_quantum.head import SetFitQuantumHead

CIRCUIT_TRAINING = ("trained", "random")
"""Whether the angles of both modules train, or stay as drawn: then only the last linear layer trains."""


class HybridHead(nn.Module):
    """A quantum head with a linear layer beside its circuit, from the same preprocessed embedding to the logits.

    Args:
        quantum: The head with the circuit.
        width: Numbers that the preprocessed embedding has.
    """

    def __init__(self, quantum: SetFitQuantumHead, width: int) -> None:
        super().__init__()
        self.quantum = quantum
        self.residual = nn.Linear(width, quantum.out_features)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and probabilities, each of shape (batch, n_classes)."""
        logits, _ = self.quantum(x)
        beside = x if self.quantum.preprocessor is None else self.quantum.preprocessor(x)
        logits = logits + self.residual(beside)
        return logits, torch.softmax(logits, dim=-1)

    def get_loss_fn(self) -> nn.Module:
        """Cross-entropy."""
        return self.quantum.get_loss_fn()

    def fit_preprocessing(self, embeddings: Tensor) -> None:
        """Fit the quantum head's preprocessing."""
        self.quantum.fit_preprocessing(embeddings)

    def noisy_amplitudes(self) -> AbstractContextManager[None]:
        """Noise of the quantum head's amplitudes, in training."""
        return self.quantum.noisy_amplitudes()

    def num_fitted(self) -> int:
        """Numbers that preprocessing takes from the training embeddings."""
        return self.quantum.num_fitted()


def build_head(settings: Mapping[str, Any], seed: int, in_features: int, n_classes: int) -> nn.Module:
    """An untrained head.

    Args:
        settings: Of `QuantumHead`, those of `experiments.heads.build_quantum_head`, and `circuit_training`, `hybrid`
            and `train_condition` (noise and shots in training; the test is exact).
        seed: Of its weights.
        in_features: Width of the embedding.
        n_classes: Number of classes.
    """
    values = dict(settings)
    hybrid = bool(values.pop("hybrid", False))
    circuit_training = check_choice("circuit_training", values.pop("circuit_training", "trained"), CIRCUIT_TRAINING)
    condition = Condition.parse(values.pop("train_condition", "exact"))
    head = build_quantum_head(values, condition, seed, in_features, n_classes)
    if circuit_training == "random":
        for parameter in (*head.encoder.parameters(), head.circuit_weights):
            parameter.requires_grad_(False)
    if not hybrid:
        return head
    width = in_features if head.config.projected_features is None else head.config.projected_features
    return HybridHead(head, width)


def measure_exactly(head: nn.Module) -> None:
    """Take noise and shots of training away from a head."""
    quantum = head.quantum if isinstance(head, HybridHead) else head
    assert isinstance(quantum, SetFitQuantumHead)
    quantum.noise = None
    quantum.shots = None
