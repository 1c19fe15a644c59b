"""Waiting for a counter without the GIL and without sleeping."""

# mypy: ignore-errors

from numba import njit, types
from numba.extending import intrinsic

MAX_SPINS = 1_000_000
"""About a quarter of a millisecond."""


@intrinsic
def _load_atomic(typingctx, counters, index):
    """`counters[index]`, read anew each time (a plain load would be moved out of the loop)."""

    def generate(context, builder, signature, arguments):
        counters_type = signature.args[0]
        data = context.make_array(counters_type)(context, builder, value=arguments[0]).data
        return builder.load_atomic(builder.gep(data, [arguments[1]]), ordering="acquire", align=8)

    return types.int64(counters, types.int64), generate


@njit(nogil=True, cache=True)
def wait_for_change(counters, index, seen):
    """Whether `counters[index]` differs from `seen` before the spins are used up."""
    for _ in range(MAX_SPINS):  # noqa: SIM110 (numba compiles loops, not generators)
        if _load_atomic(counters, index) != seen:
            return True
    return False
