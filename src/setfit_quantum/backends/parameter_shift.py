"""Exact gradients of backends that only evaluate, by the parameter-shift rule.

A rotation exp(-i t G) whose generator has the eigenvalues +-1/2 makes every expectation a sinusoid of t, so
`f'(t) = [f(t + pi/2) - f(t - pi/2)] / 2`. A controlled rotation's generator has the eigenvalues 0 and +-1/2; there two
frequencies need four terms. The rule holds for one gate: an angle that several gates share gets the sum over its
*occurrences*, each shifted alone. So the circuit is rewritten once with an angle of its own for each occurrence, and
all shifted rows of the batch are evaluated in one call. Weights stay weights and features stay features, since noise
may spare the gates that encode features.

Source: arXiv 1803.00745 (two terms), arXiv 2104.05695 (four terms).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from setfit_quantum.circuit import Circuit, Gate

Evaluate = Callable[[Circuit, Tensor, "Tensor | None"], Tensor]
"""Expectations of anything, shape (rows, values), without gradients, from weights (P,) or (rows, P) and features."""

_TWO_TERMS = ((0.5, math.pi / 2), (-0.5, -math.pi / 2))
_LARGE, _SMALL = (math.sqrt(2) + 1) / (4 * math.sqrt(2)), (math.sqrt(2) - 1) / (4 * math.sqrt(2))
_FOUR_TERMS = (
    (_LARGE, math.pi / 2),
    (-_LARGE, -math.pi / 2),
    (-_SMALL, 3 * math.pi / 2),
    (_SMALL, -3 * math.pi / 2),
)


class Unrolled(NamedTuple):
    """A circuit in which no two gates share an angle, and the original gate of each angle.

    `weights` and `features` are the places among `occurrences` of the circuit's weight 0, 1, .. and feature 0, 1, ..
    """

    circuit: Circuit
    occurrences: tuple[Gate, ...]
    weights: tuple[int, ...]
    features: tuple[int, ...]


def shift_terms(gate: Gate) -> tuple[tuple[float, float], ...]:
    """`(coefficient, shift)` of each evaluation that the derivative by this gate's angle takes."""
    return _FOUR_TERMS if gate.name in ("crx", "cry", "crz") else _TWO_TERMS


def count_shifts(circuit: Circuit, *, weights: bool = True, features: bool = True) -> int:
    """Circuits per sample that a gradient takes, by the weights and by the features."""
    return sum(
        len(shift_terms(gate))
        for gate in circuit.gates
        if (weights and gate.weight is not None) or (features and gate.feature is not None)
    )


@lru_cache(maxsize=32)
def unroll(circuit: Circuit) -> Unrolled:
    """Give every gate with an angle of the weights or the features an angle of its own."""
    occurrences: list[Gate] = []
    weights: list[int] = []
    features: list[int] = []
    gates: list[Gate] = []
    for gate in circuit.gates:
        if gate.weight is not None:
            gates.append(replace(gate, weight=len(weights)))
            weights.append(len(occurrences))
        elif gate.feature is not None:
            gates.append(replace(gate, feature=len(features)))
            features.append(len(occurrences))
        else:
            gates.append(gate)
            continue
        occurrences.append(gate)
    return Unrolled(Circuit(circuit.n_qubits, tuple(gates)), tuple(occurrences), tuple(weights), tuple(features))


def evaluate_with_shifts(evaluate: Evaluate, circuit: Circuit, weights: Tensor, features: Tensor | None) -> Tensor:
    """Evaluate a circuit so that gradients flow to weights and features, once.

    Args:
        evaluate: Gives the values of rows; only values that are linear in the final state's density matrix
            (expectations, moments, probabilities) have this rule.
        circuit: Any gates.
        weights: Shape (num_parameters,) or (batch, num_parameters).
        features: Shape (batch, n_features), or None.

    Returns:
        Shape (batch, values).
    """
    values: Tensor = _ShiftFunction.apply(evaluate, circuit, weights, features)
    return values


class _ShiftFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, evaluate: Evaluate, circuit: Circuit, weights: Tensor, features: Tensor | None) -> Tensor:
        ctx.evaluate, ctx.circuit = evaluate, circuit
        ctx.save_for_backward(weights, features)
        return evaluate(circuit, weights.detach(), None if features is None else features.detach())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor | None, Tensor | None]:
        weights, features = ctx.saved_tensors
        by_weight, by_feature = ctx.needs_input_grad[2:]
        batch = gradient.shape[0]
        unrolled = unroll(ctx.circuit)
        chosen = [
            k
            for k, gate in enumerate(unrolled.occurrences)
            if (by_weight and gate.weight is not None) or (by_feature and gate.feature is not None)
        ]
        by_angle = gradient.new_zeros(batch, len(unrolled.occurrences))
        if chosen:
            angles = _gather_angles(unrolled, weights.detach(), features, batch)
            terms = [(k, *term) for k in chosen for term in shift_terms(unrolled.occurrences[k])]
            rows = angles.repeat(len(terms), 1, 1)  # (terms, batch, occurrences)
            places = torch.tensor([k for k, _, _ in terms])
            rows[torch.arange(len(terms)), :, places] += rows.new_tensor([shift for _, _, shift in terms])[:, None]
            rows = rows.reshape(-1, angles.shape[1])
            encoded = rows[:, list(unrolled.features)] if unrolled.features else None
            values = ctx.evaluate(unrolled.circuit, rows[:, list(unrolled.weights)], encoded)
            inner = (values.reshape(len(terms), batch, -1) * gradient).sum(2)  # (terms, batch)
            coefficients = inner.new_tensor([coefficient for _, coefficient, _ in terms])
            by_angle.index_add_(1, places, (coefficients[:, None] * inner).T.contiguous())
        return None, None, *_scatter(unrolled, by_angle, weights, features, by_weight, by_feature)


def _gather_angles(unrolled: Unrolled, weights: Tensor, features: Tensor | None, batch: int) -> Tensor:
    """The angle of each occurrence, shape (batch, occurrences)."""
    columns = []
    for gate in unrolled.occurrences:
        if gate.weight is not None:
            columns.append(weights[..., gate.weight].expand(batch))
        else:
            assert features is not None
            columns.append(features[:, gate.feature].to(weights))
    return torch.stack(columns, 1)


def _scatter(
    unrolled: Unrolled, by_angle: Tensor, weights: Tensor, features: Tensor | None, by_weight: bool, by_feature: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Add up the occurrences of each weight (over the batch where it is shared) and of each feature."""
    weight_gradient = feature_gradient = None
    if by_weight:
        rows = by_angle.new_zeros(by_angle.shape[0], weights.shape[-1])
        places = [k for k, gate in enumerate(unrolled.occurrences) if gate.weight is not None]
        targets = [unrolled.occurrences[k].weight for k in places]
        rows.index_add_(1, torch.tensor(targets, dtype=torch.long), by_angle[:, places])
        weight_gradient = (rows.sum(0) if weights.ndim == 1 else rows.reshape(weights.shape)).to(weights)
    if by_feature:
        assert features is not None
        feature_gradient = by_angle.new_zeros(features.shape)
        places = [k for k, gate in enumerate(unrolled.occurrences) if gate.feature is not None]
        targets = [unrolled.occurrences[k].feature for k in places]
        feature_gradient.index_add_(1, torch.tensor(targets, dtype=torch.long), by_angle[:, places])
        feature_gradient = feature_gradient.to(features)
    return weight_gradient, feature_gradient
