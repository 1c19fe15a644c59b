"""The arena's quantum heads, with what only experiments need: ablated circuits, a linear path beside the circuit."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from setfit_quantum.backends import Backend
from setfit_quantum.checks import check_choice, check_float
from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.experiments.conditions import Condition
from setfit_quantum.experiments.heads import build_quantum_head
from setfit_quantum.head import SetFitQuantumHead

CIRCUIT_TRAINING = ("trained", "random")
"""Whether the angles of both modules train, or stay as drawn: then only the last linear layer trains."""


class _AroundQuantum(nn.Module):
    """What trains, and is counted, like the quantum head inside it.

    Args:
        quantum: The head with the circuit.
    """

    def __init__(self, quantum: SetFitQuantumHead) -> None:
        super().__init__()
        self.quantum = quantum

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


class HybridHead(_AroundQuantum):
    """A quantum head with a linear layer beside its circuit, from the same preprocessed embedding to the logits.

    Args:
        quantum: The head with the circuit.
        width: Numbers that the preprocessed embedding has.
    """

    def __init__(self, quantum: SetFitQuantumHead, width: int) -> None:
        super().__init__(quantum)
        self.residual = nn.Linear(width, quantum.out_features)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and probabilities, each of shape (batch, n_classes)."""
        logits, _ = self.quantum(x)
        beside = x if self.quantum.preprocessor is None else self.quantum.preprocessor(x)
        logits = logits + self.residual(beside)
        return logits, torch.softmax(logits, dim=-1)


class PairsHead(_AroundQuantum):
    """A quantum head whose last layer takes the expectations of all pairs Z_i Z_j too, exact.

    Args:
        quantum: The head with the circuit; its own last layer is left out.
    """

    is_quantum, multitarget, temperature = True, False, 1.0

    def __init__(self, quantum: SetFitQuantumHead) -> None:
        super().__init__(quantum)
        n_qubits = quantum.config.n_qubits
        self.first, self.second = torch.triu_indices(n_qubits, n_qubits, offset=1)
        self.linear = nn.Linear(n_qubits + len(self.first), quantum.out_features)
        quantum.linear = None  # neither trained nor counted

    @property
    def config(self) -> QuantumHeadConfig:
        """The quantum head's."""
        return self.quantum.config

    @property
    def backend(self) -> Backend:
        """The quantum head's."""
        return self.quantum.backend

    @property
    def encoder(self) -> nn.Module:
        """The quantum head's."""
        return self.quantum.encoder

    def last_features(self, x: Tensor) -> Tensor:
        """Expectations of Z and of ZZ, shape (batch, n_qubits * (n_qubits + 1) / 2)."""
        moments = self.backend.moments(self.quantum.circuit, self.quantum.circuit_weights, self.quantum.latents(x))
        return torch.cat([moments.z, moments.zz[:, self.first, self.second]], dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and probabilities, each of shape (batch, n_classes)."""
        logits = self.linear(self.last_features(x))
        return logits, torch.softmax(logits, dim=-1)


def drop_latents(head: SetFitQuantumHead, share: float) -> None:
    """Let a share of the latents be 0, and the others larger in proportion, wherever the head trains."""

    def drop(_: nn.Module, __: Any, latents: Tensor) -> Tensor:
        return nn.functional.dropout(latents, share, training=head.training)

    head.encoder.register_forward_hook(drop)
    head.encoder.join = lambda *_: None  # type: ignore[method-assign, union-attr]  # one call would pass the hook by


def build_head(settings: Mapping[str, Any], seed: int, in_features: int, n_classes: int) -> nn.Module:
    """An untrained head.

    Args:
        settings: Of `QuantumHead`, those of `experiments.heads.build_quantum_head`, and `circuit_training`, `hybrid`,
            `pairs`, `latent_dropout` and `train_condition` (noise and shots in training; the test is exact).
        seed: Of its weights.
        in_features: Width of the embedding.
        n_classes: Number of classes.
    """
    values = dict(settings)
    hybrid, pairs = bool(values.pop("hybrid", False)), bool(values.pop("pairs", False))
    dropout = check_float("latent_dropout", values.pop("latent_dropout", 0.0), minimum=0.0)
    circuit_training = check_choice("circuit_training", values.pop("circuit_training", "trained"), CIRCUIT_TRAINING)
    condition = Condition.parse(values.pop("train_condition", "exact"))
    head = build_quantum_head(values, condition, seed, in_features, n_classes)
    if circuit_training == "random":
        for parameter in (*head.encoder.parameters(), head.circuit_weights):
            parameter.requires_grad_(False)
    if dropout:
        drop_latents(head, dropout)
    if pairs:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return PairsHead(head)
    if not hybrid:
        return head
    width = in_features if head.config.projected_features is None else head.config.projected_features
    return HybridHead(head, width)


def measure_exactly(head: nn.Module) -> None:
    """Take noise and shots of training away from a head."""
    quantum = head.quantum if isinstance(head, _AroundQuantum) else head
    assert isinstance(quantum, SetFitQuantumHead)
    quantum.noise = None
    quantum.shots = None
