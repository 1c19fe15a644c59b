"""This package's head, as its users call it."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
from torch import nn

from peers.problem import Problem, build_head
from peers.torch_engine import LEARNING_RATE
from setfit_quantum.backends.cores import torch_on_one_core
from setfit_quantum.noise import PauliErrors


class OwnEngine:
    """One problem on one of this package's backends.

    Args:
        problem: What to compute; the head is built anew from its case and seed.
        samples: The first so many samples are used.
        chunk: Samples whose graph is held at once; gradients of several chunks are added up before Adam's step.
        backend: Name of the backend.
    """

    def __init__(self, problem: Problem, samples: int, chunk: int, backend: str) -> None:
        self.problem, self.chunk = problem, chunk
        self.x, self.labels = torch.from_numpy(problem.x[:samples]), torch.from_numpy(problem.labels[:samples])
        self.head = build_head(problem.case, problem.seed)
        self.head.backend = backend
        self.clean = build_head(replace_condition(problem), problem.seed)
        self.clean.backend = backend
        self.parameters = [
            self.head.encoder.weights,
            self.head.encoder.scale,
            self.head.circuit_weights,
            self.head.linear.weight,
            self.head.linear.bias,
        ]
        # As in training: the fused step, and the engine's own threads have the cores.
        self.optimizer = torch.optim.Adam(self.head.parameters(), lr=LEARNING_RATE, fused=True)
        self.around = torch_on_one_core if backend == "numba" else nullcontext

    def values(self, codes: np.ndarray | None = None) -> np.ndarray:
        """Exact expectations, under fixed errors where given."""
        head = self.clean.eval()
        with self.around(), torch.no_grad():
            if codes is None:
                return head.expectations(self.x).numpy()
            errors = PauliErrors(np.repeat(codes[:, None], len(self.x), axis=1))
            latents = head.latents(self.x)
            return head.backend.expectations(head.circuit, head.circuit_weights, latents, errors=errors).numpy()

    def sampled(self) -> np.ndarray:
        """Expectations from shots."""
        with self.around(), torch.no_grad():
            return self.head.eval().expectations(self.x).numpy()

    def gradient(self) -> np.ndarray:
        """Gradient of the mean loss by all parameters, in the order of `Problem.parameters`."""
        head = self.clean.train()
        names = ("encoder.weights", "encoder.scale", "circuit_weights", "linear.weight", "linear.bias")
        parameters = [head.get_parameter(name) for name in names]
        with self.around():
            loss = nn.functional.cross_entropy(head(self.x)[0], self.labels)
            return torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters)]).numpy()

    def step(self) -> None:
        """One training step under the case's condition."""
        head = self.head.train()
        with self.around():
            self.optimizer.zero_grad(set_to_none=True)
            for x, labels in zip(self.x.split(self.chunk), self.labels.split(self.chunk), strict=True):
                loss = nn.functional.cross_entropy(head(x)[0], labels) * (len(x) / len(self.x))
                loss.backward()
            self.optimizer.step()

    def infer(self) -> None:
        """One inference under the case's condition."""
        with self.around(), torch.no_grad():
            self.head.eval()(self.x)


def replace_condition(problem: Problem):
    """The same case, exact."""
    from dataclasses import replace

    return replace(problem.case, condition="exact")


def build(problem: Problem, samples: int, chunk: int, backend: str) -> OwnEngine:
    """This package's head on a problem."""
    return OwnEngine(problem, samples, chunk, backend)
