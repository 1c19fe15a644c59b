"""Running a program over a tile, forwards and (state and cotangent together) backwards.

Backward is the adjoint method: memory is two states, whatever the depth. With u', v' the rows behind a rotation and
a', b' their cotangents, dL/dtheta = 1/2 * sum(u' b' - v' a').
"""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine import vector
from setfit_quantum.backends.numba_engine.angles import EXACT, RESCALE
from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS, keep_apart
from setfit_quantum.backends.numba_engine.exact import apply_exact, undo_exact
from setfit_quantum.backends.numba_engine.program import (
    BLOCK,
    CHAIN,
    CHAIN_AFTER_012,
    CHAIN_AFTER_1,
    CHAIN_AFTER_12,
    KIND,
    REVERSE_CHAIN,
    ROTATE,
    ROTATE_TWO,
    SORTED,
)
from setfit_quantum.backends.numba_engine.rows import empty_buffer, gather, scatter
from setfit_quantum.backends.numba_engine.vector import LANES, PAIRS_ROWS


@njit(**COMPILE_OPTIONS)
def _scale(tile, factors):
    for row in range(tile.shape[0]):
        amplitudes = tile[row]
        for lane in range(LANES):
            amplitudes[lane] *= factors[lane]


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
def evolve(tile, cos, sin, tangents, passes, pass_shifts, operations, plans, factors):
    """Run every pass over `tile`; one over its last wires works on neighbouring rows, another in a gathered buffer."""
    keep_apart()
    offsets = np.empty(0, np.int64)
    for number in range(len(passes)):
        first, last, first_shift, n_wires = passes[number]
        n_rows = 1 << n_wires
        shifts = pass_shifts[first_shift : first_shift + n_wires]
        direct = shifts[n_wires - 1] == n_wires - 1
        block = tile
        if not direct:
            offsets = np.empty(n_rows, np.int64)
            _fill_offsets(offsets, shifts)
            block = empty_buffer(n_rows, 0)
        for outer in range(tile.shape[0] >> n_wires):
            first_row = _first_row(outer, shifts)
            if direct:
                block = tile[first_row : first_row + n_rows]
            else:
                gather(tile, block, offsets, first_row)
            for index in range(first, last):
                kind = operations[index, KIND]
                if plans[index] & RESCALE:
                    _scale(block, factors[index])
                if plans[index] == EXACT:
                    apply_exact(block, cos, sin, operations, index)
                elif PAIRS_ROWS and operations[index, SORTED] > 0:
                    if kind == CHAIN:
                        vector.chain_by_two(block, tangents, operations, index, n_rows)
                    elif kind == REVERSE_CHAIN:
                        vector.reverse_chain_by_two(block, tangents, operations, index, n_rows)
                    elif kind == CHAIN_AFTER_12:
                        vector.chain_after_12_by_two(block, tangents, operations, index, n_rows)
                    elif kind == CHAIN_AFTER_1:
                        vector.chain_after_1_by_two(block, tangents, operations, index, n_rows)
                    elif kind == CHAIN_AFTER_012:
                        vector.chain_after_012_by_two(block, tangents, operations, index, n_rows)
                    elif kind == BLOCK:
                        vector.block_by_two(block, tangents, operations, index, n_rows)
                    elif kind == ROTATE_TWO:
                        vector.rotate_two_by_two(block, tangents, operations, index, n_rows)
                    elif kind == ROTATE:
                        vector.rotate_by_two(block, tangents, operations, index, n_rows)
                    else:
                        vector.cnot_by_two(block, tangents, operations, index, n_rows)
                else:
                    if kind == CHAIN:
                        vector.chain(block, tangents, operations, index, n_rows)
                    elif kind == REVERSE_CHAIN:
                        vector.reverse_chain(block, tangents, operations, index, n_rows)
                    elif kind == CHAIN_AFTER_12:
                        vector.chain_after_12(block, tangents, operations, index, n_rows)
                    elif kind == CHAIN_AFTER_1:
                        vector.chain_after_1(block, tangents, operations, index, n_rows)
                    elif kind == CHAIN_AFTER_012:
                        vector.chain_after_012(block, tangents, operations, index, n_rows)
                    elif kind == BLOCK:
                        vector.block(block, tangents, operations, index, n_rows)
                    elif kind == ROTATE_TWO:
                        vector.rotate_two(block, tangents, operations, index, n_rows)
                    elif kind == ROTATE:
                        vector.rotate(block, tangents, operations, index, n_rows)
                    else:
                        vector.cnot(block, tangents, operations, index, n_rows)
            if not direct:
                scatter(tile, block, offsets, first_row)


@njit(**COMPILE_OPTIONS)
def unevolve(tile, cotangent, gradient, cos, sin, tangents, passes, pass_shifts, operations, plans, factors):
    """Undo every pass on `tile` and `cotangent`; add twice each rotation's gradient to `gradient` (rows: rotations)."""
    keep_apart()
    offsets = np.empty(0, np.int64)
    for number in range(len(passes) - 1, -1, -1):
        first, last, first_shift, n_wires = passes[number]
        n_rows = 1 << n_wires
        shifts = pass_shifts[first_shift : first_shift + n_wires]
        direct = shifts[n_wires - 1] == n_wires - 1
        block, other = tile, cotangent
        if not direct:
            offsets = np.empty(n_rows, np.int64)
            _fill_offsets(offsets, shifts)
            block, other = empty_buffer(n_rows, 0), empty_buffer(n_rows, 1)
        for outer in range(tile.shape[0] >> n_wires):
            first_row = _first_row(outer, shifts)
            if direct:
                block, other = tile[first_row : first_row + n_rows], cotangent[first_row : first_row + n_rows]
            else:
                gather(tile, block, offsets, first_row)
                gather(cotangent, other, offsets, first_row)
            for index in range(last - 1, first - 1, -1):
                kind = operations[index, KIND]
                if plans[index] & RESCALE:
                    _scale(block, factors[index])
                    _scale(other, factors[index])
                if plans[index] == EXACT:
                    undo_exact(block, other, gradient, cos, sin, operations, index)
                elif kind == CHAIN:
                    vector.undo_chain(block, other, gradient, tangents, operations, index, n_rows)
                elif kind == REVERSE_CHAIN:
                    vector.undo_reverse_chain(block, other, gradient, tangents, operations, index, n_rows)
                elif kind == CHAIN_AFTER_12:
                    vector.undo_chain_after_12(block, other, gradient, tangents, operations, index, n_rows)
                elif kind == CHAIN_AFTER_1:
                    vector.undo_chain_after_1(block, other, gradient, tangents, operations, index, n_rows)
                elif kind == CHAIN_AFTER_012:
                    vector.undo_chain_after_012(block, other, gradient, tangents, operations, index, n_rows)
                elif kind == BLOCK:
                    vector.undo_block(block, other, gradient, tangents, operations, index, n_rows)
                elif kind == ROTATE_TWO:
                    vector.undo_rotate_two(block, other, gradient, tangents, operations, index, n_rows)
                elif kind == ROTATE:
                    vector.undo_rotate(block, other, gradient, tangents, operations, index, n_rows)
                else:
                    vector.undo_cnot(block, other, gradient, tangents, operations, index, n_rows)
            if not direct:
                scatter(tile, block, offsets, first_row)
                scatter(cotangent, other, offsets, first_row)
