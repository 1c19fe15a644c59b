"""Running a program over a tile, forwards and (state and cotangent together) backwards.

Backward is the adjoint method: memory is two states, whatever the depth. With u', v' the rows behind a rotation and
a', b' their cotangents, dL/dtheta = 1/2 * sum(u' b' - v' a').
"""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS
from setfit_quantum.backends.numba_engine.program import BLOCK, CHAIN, KIND, REVERSE_CHAIN, ROTATE, ROTATE_TWO
from setfit_quantum.backends.numba_engine.vector import (
    LANES,
    block,
    chain,
    cnot,
    gather,
    reverse_chain,
    rotate,
    rotate_two,
    scatter,
    undo_block,
    undo_chain,
    undo_cnot,
    undo_reverse_chain,
    undo_rotate,
    undo_rotate_two,
)


@njit(**COMPILE_OPTIONS)
def _apply(tile, shear, sin, operations, first, last):
    n_rows = tile.shape[0]
    for index in range(first, last):
        kind = operations[index, KIND]
        if kind == CHAIN:
            chain(tile, shear, sin, operations, index, n_rows)
        elif kind == REVERSE_CHAIN:
            reverse_chain(tile, shear, sin, operations, index, n_rows)
        elif kind == BLOCK:
            block(tile, shear, sin, operations, index, n_rows)
        elif kind == ROTATE_TWO:
            rotate_two(tile, shear, sin, operations, index, n_rows)
        elif kind == ROTATE:
            rotate(tile, shear, sin, operations, index, n_rows)
        else:
            cnot(tile, shear, sin, operations, index, n_rows)


@njit(**COMPILE_OPTIONS)
def _undo(tile, cotangent, gradient, shear, sin, operations, first, last):
    n_rows = tile.shape[0]
    for index in range(last - 1, first - 1, -1):
        kind = operations[index, KIND]
        if kind == CHAIN:
            undo_chain(tile, cotangent, gradient, shear, sin, operations, index, n_rows)
        elif kind == REVERSE_CHAIN:
            undo_reverse_chain(tile, cotangent, gradient, shear, sin, operations, index, n_rows)
        elif kind == BLOCK:
            undo_block(tile, cotangent, gradient, shear, sin, operations, index, n_rows)
        elif kind == ROTATE_TWO:
            undo_rotate_two(tile, cotangent, gradient, shear, sin, operations, index, n_rows)
        elif kind == ROTATE:
            undo_rotate(tile, cotangent, gradient, shear, sin, operations, index, n_rows)
        else:
            undo_cnot(tile, cotangent, gradient, shear, sin, operations, index, n_rows)


@njit(**COMPILE_OPTIONS)
def _first_row(outer, shifts):
    """Row of the tile where the pass's local row 0 lies for outer index `outer`: a zero bit at each shift."""
    row = outer
    for shift in shifts:  # ascending
        row = ((row >> shift) << (shift + 1)) | (row & ((1 << shift) - 1))
    return row


@njit(**COMPILE_OPTIONS)
def _fill_offsets(offsets, shifts):
    for local in range(1 << len(shifts)):
        row = 0
        for bit in range(len(shifts)):
            row += ((local >> bit) & 1) << shifts[bit]
        offsets[local] = row


@njit(**COMPILE_OPTIONS)
def evolve(tile, shear, sin, passes, pass_shifts, operations):
    """Run every pass over `tile`; passes over fewer wires than the circuit work in a gathered buffer."""
    n_rows = tile.shape[0]
    for number in range(len(passes)):
        first, last, first_shift, n_wires = passes[number]
        if 1 << n_wires == n_rows:
            _apply(tile, shear, sin, operations, first, last)
            continue
        shifts = pass_shifts[first_shift : first_shift + n_wires]
        offsets = np.empty(1 << n_wires, np.int64)
        _fill_offsets(offsets, shifts)
        buffer = np.empty((1 << n_wires, LANES), np.float32)
        for outer in range(n_rows >> n_wires):
            first_row = _first_row(outer, shifts)
            gather(tile, buffer, offsets, first_row)
            _apply(buffer, shear, sin, operations, first, last)
            scatter(tile, buffer, offsets, first_row)


@njit(**COMPILE_OPTIONS)
def unevolve(tile, cotangent, gradient, shear, sin, passes, pass_shifts, operations):
    """Undo every pass on `tile` and `cotangent`; add twice each rotation's gradient to `gradient` (rows: rotations)."""
    n_rows = tile.shape[0]
    for number in range(len(passes) - 1, -1, -1):
        first, last, first_shift, n_wires = passes[number]
        if 1 << n_wires == n_rows:
            _undo(tile, cotangent, gradient, shear, sin, operations, first, last)
            continue
        shifts = pass_shifts[first_shift : first_shift + n_wires]
        offsets = np.empty(1 << n_wires, np.int64)
        _fill_offsets(offsets, shifts)
        buffer = np.empty((1 << n_wires, LANES), np.float32)
        other = np.empty((1 << n_wires, LANES), np.float32)
        for outer in range(n_rows >> n_wires):
            first_row = _first_row(outer, shifts)
            gather(tile, buffer, offsets, first_row)
            gather(cotangent, other, offsets, first_row)
            _undo(buffer, other, gradient, shear, sin, operations, first, last)
            scatter(tile, buffer, offsets, first_row)
            scatter(cotangent, other, offsets, first_row)
