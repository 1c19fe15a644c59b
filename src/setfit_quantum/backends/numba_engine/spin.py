"""Waiting for counters without the GIL and without sleeping."""

# mypy: ignore-errors

from numba import types
from numba.extending import intrinsic

from setfit_quantum.backends.numba_engine.compiling import compile_cached

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


@compile_cached
def wait_for_change(counters, index, seen):
    """Whether `counters[index]` differs from `seen` before the spins are used up."""
    for _ in range(MAX_SPINS):  # noqa: SIM110 (numba compiles loops, not generators)
        if _load_atomic(counters, index) != seen:
            return True
    return False


@compile_cached
def wait_for_pair(counts):
    """Whether `counts[0]` equals `counts[1]` before the spins are used up."""
    for _ in range(MAX_SPINS):  # noqa: SIM110
        if _load_atomic(counts, 1) == _load_atomic(counts, 0):
            return True
    return False
