"""What threads share without the GIL: counters read and changed atomically, and arrays found by their address."""

# mypy: ignore-errors

from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

_INT = ir.IntType(64)


def _place(context, builder, signature, arguments):
    """Pointer to `counters[index]`, the first two arguments."""
    data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
    return builder.gep(data, [arguments[1]])


@intrinsic
def load(typingctx, counters, index):
    """`counters[index]`, read anew each time (a plain load would be moved out of a loop)."""

    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_place(context, builder, signature, arguments), ordering="acquire", align=8)

    return types.int64(counters, types.int64), generate


@intrinsic
def store(typingctx, counters, index, value):
    """Set `counters[index]`, after everything that was written before it."""

    def generate(context, builder, signature, arguments):
        place = _place(context, builder, signature, arguments)
        builder.store_atomic(arguments[2], place, ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(counters, types.int64, types.int64), generate


@intrinsic
def add(typingctx, counters, index, value):
    """Add to `counters[index]` and return what it was."""

    def generate(context, builder, signature, arguments):
        return builder.atomic_rmw("add", _place(context, builder, signature, arguments), arguments[2], "acq_rel")

    return types.int64(counters, types.int64, types.int64), generate


@intrinsic
def exchange(typingctx, counters, index, expected, value):
    """Set `counters[index]` to `value` if it is `expected`; whether it was."""

    def generate(context, builder, signature, arguments):
        place = _place(context, builder, signature, arguments)
        result = builder.cmpxchg(place, arguments[2], arguments[3], "acq_rel", "acquire")
        return builder.extract_value(result, 1)

    return types.boolean(counters, types.int64, types.int64, types.int64), generate


def _make_pointer(kind):
    @intrinsic
    def pointer(typingctx, address):
        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), generate

    return pointer


floats = _make_pointer(types.float32)
integers = _make_pointer(types.int64)
octets = _make_pointer(types.uint8)
"""Pointers of each kind from an address; `numba.carray` makes arrays of them."""

__all__ = ["add", "carray", "exchange", "floats", "integers", "load", "octets", "store"]
