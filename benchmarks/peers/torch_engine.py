"""The head around any simulator whose results PyTorch can differentiate: parameters, loss, Adam, chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from peers.problem import PlainCircuit, Problem

LEARNING_RATE = 1e-3


class Simulator(ABC):
    """Runs circuits for `TorchEngine`."""

    @abstractmethod
    def expectations(
        self,
        circuit: PlainCircuit,
        weights: Tensor,
        features: Tensor | None = None,
        amplitudes: Tensor | None = None,
        codes: np.ndarray | None = None,
    ) -> Tensor:
        """Pauli Z of every qubit, shape (batch, n_qubits).

        Args:
            circuit: What to run.
            weights: Shape (angles,).
            features: Shape (batch, n_features), or None.
            amplitudes: The initial state's first amplitudes, shape (batch, d); None: |0..0>.
            codes: Pauli errors behind the gates, the same for all samples, shape (gates,); None: none.
        """

    @abstractmethod
    def sample(self, circuit: PlainCircuit, weights: Tensor, features: Tensor, shots: int) -> Tensor:
        """Pauli Z of every qubit from `shots` sampled outcomes, shape (batch, n_qubits); no gradients."""


class TorchEngine:
    """One problem on one simulator.

    Args:
        problem: What to compute.
        simulator: Runs the circuits.
        samples: The first so many samples are used.
        chunk: Samples whose graph is held at once; gradients of several chunks are added up before Adam's step.
    """

    def __init__(self, problem: Problem, simulator: Simulator, samples: int, chunk: int) -> None:
        self.problem, self.simulator, self.chunk = problem, simulator, chunk
        self.x = torch.from_numpy(problem.x[:samples])
        self.labels = torch.from_numpy(problem.labels[:samples])
        self.parameters = {name: nn.Parameter(torch.from_numpy(value)) for name, value in problem.parameters.items()}
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=LEARNING_RATE)
        self.rng = np.random.default_rng(0)

    def values(self, codes: np.ndarray | None = None) -> np.ndarray:
        """Exact expectations, under fixed errors where given."""
        with torch.no_grad():
            parts = [self._expectations(x, codes) for x in self.x.split(self.chunk)]
        return torch.cat(parts).numpy()

    def sampled(self) -> np.ndarray:
        """Expectations from shots."""
        with torch.no_grad():
            return torch.cat([self._sample(x) for x in self.x.split(self.chunk)]).numpy()

    def gradient(self) -> np.ndarray:
        """Gradient of the mean loss by all parameters, in the order of `Problem.parameters`."""
        self.optimizer.zero_grad(set_to_none=True)
        self._backward(lambda x: self._expectations(x))
        return torch.cat([parameter.grad.flatten() for parameter in self.parameters.values()]).numpy()

    def step(self) -> None:
        """One training step under the case's condition."""
        self.optimizer.zero_grad(set_to_none=True)
        self._backward(self._training_expectations)
        self.optimizer.step()

    def infer(self) -> None:
        """One inference under the case's condition."""
        condition = self.problem.case.condition
        if condition == "shots":
            self.sampled()
        else:
            self.values(self._fresh_codes() if condition == "noisy" else None)

    def _backward(self, expectations: Callable[[Tensor], Tensor]) -> None:
        for x, labels in zip(self.x.split(self.chunk), self.labels.split(self.chunk), strict=True):
            logits = nn.functional.linear(
                expectations(x), self.parameters["linear_weight"], self.parameters["linear_bias"]
            )
            loss = nn.functional.cross_entropy(logits, labels, reduction="sum") / len(self.x)
            loss.backward()

    def _training_expectations(self, x: Tensor) -> Tensor:
        condition, shots = self.problem.case.condition, self.problem.shots
        z = self._expectations(x, self._fresh_codes() if condition == "noisy" else None)
        if condition != "shots":
            return z
        # Each qubit's shot noise by itself; the covariances between qubits would cost more.
        return z + torch.sqrt((1 - z * z).clamp_min(1e-12) / shots) * torch.randn_like(z)

    def _fresh_codes(self) -> np.ndarray:
        return self.problem.draw_codes(self.rng)[:, 0]

    def _expectations(self, x: Tensor, codes: np.ndarray | None = None) -> Tensor:
        weights = self.parameters["circuit_weights"]
        return self.simulator.expectations(self.problem.circuit, weights, self._latents(x), codes=codes).float()

    def _sample(self, x: Tensor) -> Tensor:
        weights = self.parameters["circuit_weights"]
        return self.simulator.sample(self.problem.circuit, weights, self._latents(x), self.problem.shots).float()

    def _latents(self, x: Tensor) -> Tensor:
        parts = []
        for e, share in enumerate(self.problem.shares):
            weights = self.parameters["encoder_weights"][e]
            z = self.simulator.expectations(self.problem.encoder, weights, amplitudes=x).float()
            parts.append(z[:, :share] * self.parameters["scale"][e])
        return torch.cat(parts, dim=1)


def sample_probabilities(probabilities: Tensor, shots: int, signs: Tensor) -> Tensor:
    """Expectations from outcomes drawn by `torch.multinomial`, shape (batch, n_qubits).

    Args:
        probabilities: Shape (batch, 2**n_qubits), any scale.
        shots: Per sample.
        signs: `parity_signs`.
    """
    outcomes = torch.multinomial(probabilities, shots, replacement=True)
    return torch.stack([signs[:, row].mean(dim=1) for row in outcomes])
