"""Memory for rows, and LLVM code for copying and folding them (see `vector` on why it is written so)."""

# mypy: ignore-errors

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from setfit_quantum.backends.numba_engine.vector import LANES

_LINE = 16
"""Numbers in a cache line."""
_WAY = 1024
"""Numbers after which addresses fall into the same set of a first-level cache (4 KiB)."""
_GAP = 1024
"""Rows between what different threads work on (32 KiB). A core fetches ahead of what it sweeps: where that ended in
the lines that another core was writing, it made that core up to 45 % slower. 8 KiB were not enough."""
_INT = ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


def empty_rows(*shape: int, beside: bool = False) -> np.ndarray:
    """An array of shape (*shape, LANES), float32, placed for the caches.

    It begins a multiple of 4 KiB or, with `beside`, 2 KiB behind one: the rows of a state and of its cotangent then do
    not compete for the same sets of the cache, which made wide circuits up to seven times slower.
    """
    count = math.prod(shape) * LANES
    room = np.empty(count + 2 * _WAY, np.float32)
    start = -(room.ctypes.data // room.itemsize) % _WAY + beside * _WAY // 2
    return room[start : start + count].reshape(*shape, LANES)


def empty_tiles(count: int, n_rows: int, *, apart: bool = True, beside: bool = False) -> np.ndarray:
    """Memory for `count` arrays of `n_rows` rows, of shape (count, n_rows and the rows of a gap, LANES).

    The gap is there where neighbours are to be `apart`, since different threads may work on them.
    """
    return empty_rows(count, n_rows + (_GAP if apart and count > 1 else 0), beside=beside)


@njit
def empty_buffer(n_rows, beside):
    """The same inside a kernel."""
    room = np.empty(n_rows * LANES + 2 * _WAY, np.float32)
    start = (-(room.ctypes.data >> 2) & (_WAY - 1)) + beside * (_WAY >> 1)
    return room[start : start + n_rows * LANES].reshape(n_rows, LANES)


def _pointer(builder, base, row):
    lane_0 = builder.gep(base, [builder.mul(row, _INT(LANES))])
    return builder.bitcast(lane_0, _VECTOR.as_pointer())


def _data(context, builder, signature, arguments, count):
    arrays = zip(signature.args[:count], arguments[:count], strict=True)
    return [context.make_array(kind)(context, builder, value=value) for kind, value in arrays]


def _make_copy(into_buffer):
    """Build the intrinsic that copies rows between a tile and a pass's buffer.

    `copy(tile, buffer, offsets, first_row)`: buffer row i is tile row `first_row + offsets[i]`.
    """

    def generate(context, builder, signature, arguments):
        arrays = _data(context, builder, signature, arguments, 3)
        tile, buffer, offsets = (array.data for array in arrays)
        count = cgutils.unpack_tuple(builder, arrays[2].shape)[0]

        with cgutils.for_range(builder, count, intp=_INT) as loop:
            row = builder.add(arguments[3], builder.load(builder.gep(offsets, [loop.index])))
            ends = [_pointer(builder, tile, row), _pointer(builder, buffer, loop.index)]
            source, target = ends if into_buffer else reversed(ends)
            builder.store(builder.load(source, align=4), target, align=4)
        return context.get_dummy_value()

    @intrinsic
    def copy(typingctx, tile, buffer, offsets, first_row):
        return types.void(tile, buffer, offsets, types.int64), generate

    return copy


gather = _make_copy(into_buffer=True)
scatter = _make_copy(into_buffer=False)


@intrinsic
def fold(typingctx, buffer, half, total):
    """Add rows half .. 2 half - 1 of `buffer` to the rows before them; `total` (lanes): the sum of differences."""

    def generate(context, builder, signature, arguments):
        buffer_data, total_data = (
            context.make_array(signature.args[place])(context, builder, value=arguments[place]).data for place in (0, 2)
        )
        total = cgutils.alloca_once_value(builder, _VECTOR(None))
        with cgutils.for_range(builder, arguments[1], intp=_INT) as loop:
            place = _pointer(builder, buffer_data, loop.index)
            low = builder.load(place, align=4)
            high = builder.load(_pointer(builder, buffer_data, builder.add(loop.index, arguments[1])), align=4)
            builder.store(builder.fadd(builder.load(total), builder.fsub(low, high)), total)
            builder.store(builder.fadd(low, high), place, align=4)
        builder.store(builder.load(total), builder.bitcast(total_data, _VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(buffer, types.int64, total), generate


@intrinsic
def unfold(typingctx, buffer, half, slope):
    """Row k + half of `buffer` becomes row k less `slope` (lanes), and row k grows by it, for k < half."""

    def generate(context, builder, signature, arguments):
        buffer_data, slope_data = (
            context.make_array(signature.args[place])(context, builder, value=arguments[place]).data for place in (0, 2)
        )
        slope = builder.load(builder.bitcast(slope_data, _VECTOR.as_pointer()), align=4)
        with cgutils.for_range(builder, arguments[1], intp=_INT) as loop:
            place = _pointer(builder, buffer_data, loop.index)
            value = builder.load(place, align=4)
            builder.store(builder.fadd(value, slope), place, align=4)
            above = _pointer(builder, buffer_data, builder.add(loop.index, arguments[1]))
            builder.store(builder.fsub(value, slope), above, align=4)
        return context.get_dummy_value()

    return types.void(buffer, types.int64, slope), generate
