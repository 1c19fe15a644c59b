"""Gradient estimates from two evaluations whatever the number of angles: simultaneous perturbation (SPSA).

All angles are moved together by `step` along a random direction of +-1, there and back. The difference quotient times
the direction is an estimate of the gradient whose bias is of order step**2 and whose variance grows with the number of
angles. Each sample of a batch gets directions of its own, which averages that variance.

Source: J. C. Spall, IEEE Transactions on Automatic Control 37 (1992) 332.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.backends.parameter_shift import Evaluate
from setfit_quantum.circuit import Circuit


def evaluate_with_perturbations(
    evaluate: Evaluate,
    circuit: Circuit,
    weights: Tensor,
    features: Tensor | None,
    *,
    rng: np.random.Generator,
    step: float,
    n_directions: int,
) -> Tensor:
    """Evaluate a circuit so that estimated gradients flow to weights and features, once.

    Args:
        evaluate: Gives the values of rows.
        circuit: Any gates.
        weights: Shape (num_parameters,) or (batch, num_parameters).
        features: Shape (batch, n_features), or None.
        rng: Draws the directions.
        step: How far the angles are moved, in radians.
        n_directions: Directions per sample that are averaged; each takes two circuits.

    Returns:
        Shape (batch, values).
    """
    values: Tensor = _PerturbationFunction.apply(evaluate, circuit, rng, step, n_directions, weights, features)
    return values


class _PerturbationFunction(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        evaluate: Evaluate,
        circuit: Circuit,
        rng: np.random.Generator,
        step: float,
        n_directions: int,
        weights: Tensor,
        features: Tensor | None,
    ) -> Tensor:
        ctx.evaluate, ctx.circuit, ctx.rng, ctx.step, ctx.n_directions = evaluate, circuit, rng, step, n_directions
        ctx.save_for_backward(weights, features)
        return evaluate(circuit, weights.detach(), None if features is None else features.detach())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, features = ctx.saved_tensors
        batch, count = gradient.shape[0], ctx.n_directions
        by_weight, by_feature = ctx.needs_input_grad[5:]

        def draw(tensor: Tensor, wanted: bool) -> Tensor:
            """Directions for each sample, shape (directions, batch, angles); 0 where no gradient is asked for."""
            shape = (count, batch, tensor.shape[-1])
            signs = ctx.rng.integers(0, 2, size=shape) * 2 - 1 if wanted else np.zeros(shape)
            return torch.from_numpy(signs).to(tensor)

        weight_moves = draw(weights, by_weight)
        feature_moves = None if features is None else draw(features, by_feature)
        rows, encoded = [], []
        for sign in (1, -1):
            rows.append((weights + sign * ctx.step * weight_moves).reshape(count * batch, -1))
            if features is not None:
                encoded.append((features + sign * ctx.step * feature_moves).reshape(count * batch, -1))
        values = ctx.evaluate(ctx.circuit, torch.cat(rows), torch.cat(encoded) if encoded else None)
        values = values.reshape(2, count, batch, -1)
        slopes = ((values[0] - values[1]) * gradient).sum(2) / (2 * ctx.step * count)  # (directions, batch)
        weight_gradient = feature_gradient = None
        if by_weight:
            each = (slopes[:, :, None] * weight_moves).sum(0)  # (batch, P)
            weight_gradient = each.sum(0) if weights.ndim == 1 else each
        if by_feature and feature_moves is not None:
            feature_gradient = (slopes[:, :, None] * feature_moves).sum(0)
        return None, None, None, None, None, weight_gradient, feature_gradient
