"""Operations gate by gate, without scaling: for the rare angle near a half turn, whose tangent is too large.

Angles of exactly pi (bit flips) are common in circuits made by hand, and rare in trained ones.
"""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS, keep_apart
from setfit_quantum.backends.numba_engine.program import BEFORE, KIND, PATTERNS, ROTATION, SHIFT
from setfit_quantum.backends.numba_engine.vector import LANES


def _list_gates(kind):
    """(control or -1, target, column of the rotation or -1) of up to five gates; targets of -1 are none."""
    _, blocks, before = PATTERNS[kind]
    gates = [(-1, wire, BEFORE + wire) for wire in before]
    gates += [(control, target, -1 if number < 0 else ROTATION + number) for control, target, number in blocks]
    return gates + [(-1, -1, -1)] * (5 - len(gates))


_GATES = np.array([_list_gates(kind) for kind in sorted(PATTERNS)], dtype=np.int64)


@njit(**COMPILE_OPTIONS)
def _flip(tile, control_stride, target_stride):
    for row in range(tile.shape[0]):
        if row & control_stride and not row & target_stride:
            for lane in range(LANES):
                other = tile[row + target_stride, lane]
                tile[row + target_stride, lane] = tile[row, lane]
                tile[row, lane] = other


@njit(**COMPILE_OPTIONS)
def _turn(tile, stride, cos, sin, sign):
    for row in range(tile.shape[0]):
        if not row & stride:
            low, high = tile[row], tile[row + stride]
            for lane in range(LANES):
                u, v, s = low[lane], high[lane], sign * sin[lane]
                low[lane] = cos[lane] * u - s * v
                high[lane] = s * u + cos[lane] * v


@njit(**COMPILE_OPTIONS)
def apply_exact(tile, cos, sin, operations, index):
    """Run operation `index` on `tile`."""
    keep_apart()
    gates = _GATES[operations[index, KIND]]
    for number in range(len(gates)):
        control, target, column = gates[number]
        if target < 0:
            break
        stride = 1 << operations[index, SHIFT + target]
        if control >= 0:
            _flip(tile, 1 << operations[index, SHIFT + control], stride)
        if column >= 0:
            rotation = operations[index, column]
            _turn(tile, stride, cos[rotation], sin[rotation], np.float32(1.0))


@njit(**COMPILE_OPTIONS)
def undo_exact(tile, cotangent, gradient, cos, sin, operations, index):
    """Undo operation `index` on `tile` and `cotangent`, and add up its gradients."""
    keep_apart()
    gates = _GATES[operations[index, KIND]]
    for number in range(len(gates) - 1, -1, -1):
        control, target, column = gates[number]
        if target < 0:
            continue
        stride = 1 << operations[index, SHIFT + target]
        if column >= 0:
            rotation = operations[index, column]
            total = gradient[rotation]
            for row in range(tile.shape[0]):
                if not row & stride:
                    for lane in range(LANES):
                        total[lane] += (
                            tile[row, lane] * cotangent[row + stride, lane]
                            - tile[row + stride, lane] * cotangent[row, lane]
                        )
            _turn(tile, stride, cos[rotation], sin[rotation], np.float32(-1.0))
            _turn(cotangent, stride, cos[rotation], sin[rotation], np.float32(-1.0))
        if control >= 0:
            control_stride = 1 << operations[index, SHIFT + control]
            _flip(tile, control_stride, stride)
            _flip(cotangent, control_stride, stride)
