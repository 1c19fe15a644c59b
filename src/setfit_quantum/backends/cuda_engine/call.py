"""One evaluation on the GPU: its arrays, its launches forward and backward, and the states between the two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.backends.cuda_engine.device import current, launch, send, view
from setfit_quantum.backends.cuda_engine.plan import REGISTER_WIRES, Launch, Plan
from setfit_quantum.backends.cuda_engine.tables import Products, upload_tables

if TYPE_CHECKING:
    from setfit_quantum.noise import PauliErrors

MAX_THREADS = 256
MAX_SLOTS = 16
"""Sums that a thread block keeps before it adds them up; half as many where the state fills shared memory."""
ERROR_THREADS = 32
COLLECT_THREADS = 32


class Call:
    """One evaluation of a batch.

    Args:
        plan: The circuit.
        products: What is measured; None: nothing, the states are wanted.
        batch: Number of samples.
        errors: Pauli errors, or None.
        device: Where the tensors are.
    """

    def __init__(
        self, plan: Plan, products: Products | None, batch: int, errors: PauliErrors | None, device: torch.device
    ) -> None:
        self.plan, self.products, self.batch, self.device = plan, products, batch, device
        self.tables = upload_tables(plan, device)
        self.has_errors = errors is not None
        self.codes = None if errors is None else send(np.require(errors.codes, np.uint8, ["C", "W"]), device)
        self.states: Tensor | None = None

    def bind(self, weights: Tensor, features: Tensor | None, initial_state: Tensor | None) -> None:
        """Take what the circuit depends on, and move its errors to its end."""
        rows = weights if weights.ndim == 2 else weights[None]
        self.samples_per_row = max(1, self.batch // max(1, rows.shape[0]))
        self.shared = rows.shape[0] == 1
        self.inputs = (self._argument(rows), self.samples_per_row, self._argument(features))
        self.has_initial = initial_state is not None
        self.initial = (
            torch.ones(1, 1, device=self.device) if initial_state is None else initial_state.detach().contiguous()
        )
        self.signs = self.flips = None
        if self.codes is not None:
            self.signs = self._empty(self.batch, max(1, self.plan.n_angles))
            self.flips = torch.empty(self.batch, dtype=torch.int32, device=self.device)

    def forward(self, keep: bool) -> tuple[Tensor | None, Tensor | None]:
        """Run the circuit: (values (batch, products), final states); either is None where nobody asked for it."""
        from setfit_quantum.backends.cuda_engine import kernels

        plan, tables = self.plan, self.tables
        several = len(plan.launches) > 1
        states = self._empty(self.batch, 2**plan.width) if keep or several or self.products is None else None
        values = None
        with current(self.device) as stream:
            if self.codes is not None:
                assert self.signs is not None
                assert self.flips is not None
                arguments = (
                    tables.gates, len(plan.gates) - 1, view(self.codes), view(self.signs), plan.n_angles,
                    view(self.flips),
                )  # fmt: skip
                launch(kernels.propagate_errors, self.batch, ERROR_THREADS, stream, 0, arguments)
            for number, step in enumerate(plan.launches):
                last = number == len(plan.launches) - 1
                source = self.initial if number == 0 else states
                assert source is not None
                store = states is not None and (keep or not last or self.products is None)
                n_masks = self.products.n_products if last and self.products is not None else 0
                n_parts = 2 ** len(step.outer)
                parts = self._empty(self.batch * n_parts, n_masks) if n_masks else None
                threads, slots = shape_block(step)
                arguments = (
                    *self._describe(number, step), view(source), int(number > 0 or self.has_initial), source.shape[1],
                    tables.no_floats if states is None else view(states), store,
                    tables.no_masks if self.products is None else self.products.masks, n_masks, self._flips(),
                    tables.no_floats if parts is None else view(parts), slots,
                )  # fmt: skip
                floats = count_floats(step, threads, slots, backward=False)
                launch(kernels.run_forward, self.batch * n_parts, threads, stream, floats, arguments)
                if parts is not None:
                    values = parts if n_parts == 1 else parts.view(self.batch, n_parts, n_masks).sum(1)
        self.states = states if keep else None
        return values, states

    def backward(
        self, value_gradient: Tensor | None, state_gradient: Tensor | None, n_initial: int
    ) -> tuple[Tensor, Tensor | None]:
        """Sweep back from the kept states, which wide circuits use up.

        Args:
            value_gradient: The loss's gradient by the values, shape (batch, products); or
            state_gradient: by the final states, shape (batch, 2**width), which is overwritten.
            n_initial: How many initial amplitudes want a gradient.

        Returns:
            Gradients of weights and features by sample (batch, n_weights + n_features), and of initial amplitudes.
        """
        from setfit_quantum.backends.cuda_engine import kernels

        plan, tables = self.plan, self.tables
        if self.states is None:
            self.forward(keep=True)  # a second backward through the same graph
        states = self.states
        assert states is not None
        several = len(plan.launches) > 1
        if several:
            self.states = None
        cotangents = state_gradient
        if cotangents is None and several:
            cotangents = self._empty(self.batch, 2**plan.width)
        initial_gradient = None
        by_rotation = self._empty(self.batch, max(1, plan.n_rotations))
        with current(self.device) as stream:
            for number in range(len(plan.launches) - 1, -1, -1):
                step = plan.launches[number]
                start = cotangents is None or (number == len(plan.launches) - 1 and state_gradient is None)
                n_parts = 2 ** len(step.outer)
                target, n_columns = cotangents, 2**plan.width
                if number == 0:
                    n_columns = n_initial
                    if cotangents is None:
                        target = initial_gradient = self._empty(self.batch, n_initial) if n_initial else None
                    elif n_initial:
                        initial_gradient = cotangents
                parts = self._empty(self.batch * n_parts, max(1, step.n_rotations))
                threads, slots = shape_block(step)
                arguments = (
                    *self._describe(number, step), view(states), tables.no_floats if target is None else view(target),
                    not start, number > 0, n_columns,
                    tables.no_masks if self.products is None else self.products.masks,
                    0 if self.products is None or not start else self.products.n_products, self._flips(),
                    tables.no_floats if value_gradient is None else view(value_gradient.contiguous()), view(parts),
                    slots,
                )  # fmt: skip
                floats = count_floats(step, threads, slots, backward=True)
                launch(kernels.run_backward, self.batch * n_parts, threads, stream, floats, arguments)
                if step.n_rotations:
                    summed = parts if n_parts == 1 else parts.view(self.batch, n_parts, step.n_rotations).sum(1)
                    if len(plan.launches) == 1:
                        by_rotation = summed
                    else:
                        by_rotation[:, step.first_rotation : step.first_rotation + step.n_rotations] = summed
            n_columns = plan.n_weights + plan.n_features
            collected = self._empty(self.batch, max(1, n_columns))
            if n_columns:
                arguments = (*tables.columns, view(by_rotation), self._signs(), self.has_errors, view(collected))
                blocks = -(-self.batch * n_columns // COLLECT_THREADS)
                launch(kernels.collect_gradients, blocks, COLLECT_THREADS, stream, 0, arguments)
        return collected[:, :n_columns], None if initial_gradient is None else initial_gradient[:, :n_initial]

    def _describe(self, number: int, step: Launch) -> tuple[Any, ...]:
        return (
            *self.tables.program, self.tables.shifts[number], step.first_operation, step.last_operation,
            step.first_rotation, step.n_rotations, len(step.inner), step.n_low, *self.inputs, self._signs(),
            self.has_errors,
        )  # fmt: skip

    def _signs(self) -> Any:
        return self.tables.no_floats if self.signs is None else view(self.signs)

    def _flips(self) -> Any:
        return self.tables.no_flips if self.flips is None else view(self.flips)

    def _argument(self, tensor: Tensor | None) -> Any:
        if tensor is None or not tensor.numel():
            return self.tables.no_floats
        return view(tensor.detach().contiguous())

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.float32, device=self.device)


def shape_block(step: Launch) -> tuple[int, int]:
    """Threads of a block, and the slots of its sums."""
    threads = min(MAX_THREADS, 1 << len(step.inner) - REGISTER_WIRES)
    return threads, MAX_SLOTS if len(step.inner) < 12 else MAX_SLOTS // 2


def count_floats(step: Launch, threads: int, slots: int, backward: bool) -> int:
    """Numbers in shared memory: state, trigonometry, cotangent, slots and their sums (see `kernels`)."""
    size = 1 << len(step.inner)
    return size * (1 + backward) + 2 * step.n_rotations + 2 + slots * threads + max(slots, threads)
