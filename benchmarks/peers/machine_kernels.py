"""What a core can do at most: sweeps over memory, and multiply-adds in registers, as LLVM vector instructions."""

# mypy: ignore-errors

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

WIDTH = 8
"""Numbers of one vector. Vectors of 16, where a core has them, were no faster here: it takes them in two halves."""
UNROLLED = 3
"""Binary logarithm of the vectors that a sweep takes at once."""
CHAINS = 12
"""Multiply-adds that do not wait for each other: more than a core has under way at once."""
_INT = ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), WIDTH)
_FUSE = ("contract",)


def _spread(value):
    return ir.Constant(_VECTOR, [value] * WIDTH)


def _multiply_add(builder, vector):
    return builder.fadd(builder.fmul(vector, _spread(0.999), flags=_FUSE), _spread(0.001), flags=_FUSE)


@intrinsic
def _sweep(typingctx, array, n_vectors):
    """Read, change and write every number of `array` once."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
        base = builder.bitcast(data, _VECTOR.as_pointer())
        with cgutils.for_range(builder, builder.lshr(arguments[1], _INT(UNROLLED)), intp=_INT) as loop:
            first = builder.shl(loop.index, _INT(UNROLLED))
            places = [builder.gep(base, [builder.add(first, _INT(number))]) for number in range(2**UNROLLED)]
            values = [builder.load(place, align=4) for place in places]
            for place, value in zip(places, values, strict=True):
                builder.store(_multiply_add(builder, value), place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@intrinsic
def _chains(typingctx, array, count):
    """Run `count` multiply-adds in each of `CHAINS` vectors, which begin and end in `array`."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
        base = builder.bitcast(data, _VECTOR.as_pointer())
        places = [builder.gep(base, [_INT(number)]) for number in range(CHAINS)]
        slots = [cgutils.alloca_once_value(builder, builder.load(place, align=4)) for place in places]
        with cgutils.for_range(builder, arguments[1], intp=_INT):
            for slot in slots:  # the optimiser keeps them in registers
                builder.store(_multiply_add(builder, builder.load(slot)), slot)
        for place, slot in zip(places, slots, strict=True):
            builder.store(builder.load(slot), place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@njit(nogil=True, fastmath={"contract"})
def sweep_memory(array, repeats):
    """Read, change and write all of `array` (float32, a multiple of 64 numbers) `repeats` times."""
    for _ in range(repeats):
        _sweep(array, len(array) // WIDTH)


@njit(nogil=True, fastmath={"contract"})
def multiply_add(array, count):
    """2 * CHAINS * WIDTH * count operations on CHAINS * WIDTH numbers (float32)."""
    _chains(array, count)
