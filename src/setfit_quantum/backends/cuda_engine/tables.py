"""A plan's arrays on a device, and the products of Pauli Z that are measured there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.backends.cuda_engine.device import send, upload
from setfit_quantum.backends.cuda_engine.plan import Plan


class Tables(NamedTuple):
    """A plan's arrays on a device, and what stands for arrays that a call has not."""

    program: tuple[Any, ...]
    shifts: tuple[Any, ...]
    columns: tuple[Any, ...]
    gates: Any
    no_floats: Any
    no_masks: Any
    no_flips: Any


@lru_cache(maxsize=256)
def upload_tables(plan: Plan, device: torch.device) -> Tables:
    """Bring a plan's arrays to a device (once)."""
    program = (plan.operations, plan.codes, plan.rotation_first, plan.sources, plan.constants)
    return Tables(
        tuple(upload(array, device) for array in program),
        tuple(upload(np.array([*step.inner, *step.outer, 0], np.int32), device) for step in plan.launches),
        (upload(plan.column_first, device), upload(plan.column_sources, device)),
        upload(plan.gates, device),
        upload(np.zeros((1, 1), np.float32), device),
        upload(np.zeros((1, 3), np.int32), device),
        upload(np.zeros(1, np.int32), device),
    )


class Products(NamedTuple):
    """What is measured: Z_i of the first `n_readout` qubits and, with pairs, Z_i Z_j for i < j after them."""

    n_readout: int
    n_products: int
    masks: Any
    """The wires of each product as bits of a thread block's index, of its number, and of the whole index."""
    places: Tensor | None
    """Of (i, j) in the flat (m, m) matrix, the number of its product; `n_products` stands for 1. None without pairs."""
    upper: Tensor | None
    """Flat places of the pairs i < j in that matrix, in the order of their products."""

    def arrange(self, values: Tensor) -> tuple[Tensor, ...]:
        """From expectations of the products, shape (batch, n_products), to z and, with pairs, zz (batch, m, m)."""
        if self.places is None:
            return (values,)
        batch, m = values.shape[0], self.n_readout
        with_one = torch.cat((values, values.new_ones(batch, 1)), 1)
        return values[:, :m].clone(), with_one.index_select(1, self.places).view(batch, m, m)

    def join(self, gradients: Sequence[Tensor | None]) -> Tensor:
        """Gradients by the products, shape (batch, n_products), from those by z and zz."""
        z, *others = gradients
        if self.upper is None:
            assert z is not None
            return z
        zz = others[0]
        given = z if z is not None else zz
        assert given is not None
        batch = given.shape[0]
        by_z = given.new_zeros(batch, self.n_readout) if z is None else z
        if zz is None:
            return torch.cat((by_z, given.new_zeros(batch, self.n_products - self.n_readout)), 1)
        return torch.cat((by_z, (zz + zz.mT).reshape(batch, -1).index_select(1, self.upper)), 1)


@lru_cache(maxsize=256)
def upload_products(plan: Plan, n_readout: int, with_pairs: bool, device: torch.device) -> Products:
    """The products to measure, as the thread blocks of the plan's last launch see them (once)."""
    bits = [1 << (plan.n_qubits - 1 - qubit) for qubit in range(n_readout)]
    rows, columns = np.triu_indices(n_readout, 1)
    whole = bits + ([bits[i] | bits[j] for i, j in zip(rows, columns, strict=True)] if with_pairs else [])
    last = plan.launches[-1]
    masks = np.array([(_extract(mask, last.inner), _extract(mask, last.outer), mask) for mask in whole], np.int32)
    if not with_pairs:
        return Products(n_readout, len(whole), upload(masks, device), None, None)
    places = np.full((n_readout, n_readout), len(whole))
    places[rows, columns] = places[columns, rows] = np.arange(n_readout, len(whole))
    upper = rows * n_readout + columns
    return Products(n_readout, len(whole), upload(masks, device), send(places.ravel(), device), send(upper, device))


def _extract(mask: int, shifts: tuple[int, ...]) -> int:
    """The mask's bits at `shifts`, numbered from 0."""
    return sum((mask >> shift & 1) << place for place, shift in enumerate(shifts))
