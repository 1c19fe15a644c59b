"""LLVM code for the inner loops: one operation swept over all rows of a tile.

numba alone does not keep the rows of several gates in registers, so these loops are written as vector
instructions. A tile holds `LANES` samples as float32 rows: `tile[k, lane]` is amplitude k of one sample, and every
gate on every qubit is a contiguous vector operation.
"""

# mypy: ignore-errors

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from setfit_quantum.backends.numba_engine.program import (
    BLOCK,
    CHAIN,
    CNOT,
    OPERATION_COLUMNS,
    REVERSE_CHAIN,
    ROTATE,
    ROTATE_TWO,
    ROTATION,
    SHIFT,
    SORTED,
)

LANES = 8
"""Samples per tile: one AVX register, so that batch 16 makes two tiles for two cores."""

_FLOAT = ir.FloatType()
_INT = ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_FUSE = ("contract", "nsz")

# Gates of each kind of operation: (local control or None, local target, number of the rotation or None).
_PATTERNS = {
    ROTATE: (1, [(None, 0, 0)]),
    ROTATE_TWO: (2, [(None, 0, 0), (None, 1, 1)]),
    CNOT: (2, [(0, 1, None)]),
    BLOCK: (2, [(0, 1, 0)]),
    CHAIN: (3, [(0, 1, 0), (1, 2, 1)]),
    REVERSE_CHAIN: (3, [(1, 2, 0), (0, 1, 1)]),
}


def _make_operation(kind, backward):
    """Build the intrinsic that sweeps one kind of operation over all rows of a tile.

    Forward: `op(tile, shear, sin, operations, index, n_rows)`. Backward takes the cotangent and the gradient
    accumulators as well: `op(tile, cotangent, gradient, shear, sin, operations, index, n_rows)`.
    """
    n_wires, gates = _PATTERNS[kind]
    rotations = sorted({gate[2] for gate in gates if gate[2] is not None})

    def generate(context, builder, signature, arguments):
        pointers = [
            context.make_array(array_type)(context, builder, value=value).data
            for array_type, value in zip(signature.args[:-2], arguments[:-2], strict=True)
        ]
        index, n_rows = arguments[-2:]
        if backward:
            tile, cotangent, gradient, shear_table, sin_table, table = pointers
            sweeps = [tile, cotangent]
        else:
            tile, shear_table, sin_table, table = pointers
            sweeps = [tile]
        first_column = builder.mul(index, _INT(OPERATION_COLUMNS))

        def column(number):
            return builder.load(builder.gep(table, [builder.add(first_column, _INT(number))]))

        def row_pointer(base, row):
            lane_0 = builder.gep(base, [builder.mul(row, _INT(LANES))])
            return builder.bitcast(lane_0, _VECTOR.as_pointer())

        def load(base, row):
            return builder.load(row_pointer(base, row), align=4)

        def store(value, base, row):
            builder.store(value, row_pointer(base, row), align=4)

        shifts = [column(SHIFT + wire) for wire in range(n_wires)]
        ascending = [column(SORTED + wire) for wire in range(n_wires)]
        strides = [builder.shl(_INT(1), shift) for shift in shifts]
        rotation_rows = {number: column(ROTATION + number) for number in rotations}
        shear = {number: load(shear_table, row) for number, row in rotation_rows.items()}
        sin = {number: load(sin_table, row) for number, row in rotation_rows.items()}
        sums = {number: cgutils.alloca_once_value(builder, _VECTOR(None)) for number in rotations if backward}

        def rotate(u, v, number, sign):
            """(u, v) -> (c u - s v, s u + c v) for sign = 1, and the inverse for sign = -1, as three shears.

            With t = (c - 1) / s: u += t v; v += s u; u += t v. Three multiply-adds, where the matrix takes four.
            """
            t, s = shear[number], sin[number]
            step = builder.fadd if sign > 0 else builder.fsub
            u = step(u, builder.fmul(t, v, flags=_FUSE), flags=_FUSE)
            v = step(v, builder.fmul(s, u, flags=_FUSE), flags=_FUSE)
            u = step(u, builder.fmul(t, v, flags=_FUSE), flags=_FUSE)
            return u, v

        def swap_if_control(rows, control, target):
            for local in range(2**n_wires):
                if local >> control & 1 and not local >> target & 1:
                    partner = local | 1 << target
                    rows[local], rows[partner] = rows[partner], rows[local]

        count = builder.lshr(n_rows, _INT(n_wires))
        with cgutils.for_range(builder, count, intp=_INT) as loop:
            base_row = loop.index
            for shift in ascending:  # insert a zero bit at each wire's place
                low = builder.and_(base_row, builder.sub(builder.shl(_INT(1), shift), _INT(1)))
                high = builder.shl(builder.lshr(base_row, shift), builder.add(shift, _INT(1)))
                base_row = builder.or_(high, low)
            places = []
            for local in range(2**n_wires):
                row = base_row
                for wire in range(n_wires):
                    if local >> wire & 1:
                        row = builder.add(row, strides[wire])
                places.append(row)
            blocks = [[load(base, place) for place in places] for base in sweeps]
            for control, target, number in reversed(gates) if backward else gates:
                if not backward and control is not None:
                    swap_if_control(blocks[0], control, target)
                for local in range(2**n_wires):
                    if number is None or local >> target & 1:
                        continue
                    partner = local | 1 << target
                    if backward:
                        u, v = blocks[0][local], blocks[0][partner]
                        a, b = blocks[1][local], blocks[1][partner]
                        total = builder.load(sums[number])
                        total = builder.fadd(total, builder.fmul(u, b, flags=_FUSE), flags=_FUSE)
                        total = builder.fsub(total, builder.fmul(v, a, flags=_FUSE), flags=_FUSE)
                        builder.store(total, sums[number])
                    for rows in blocks:
                        rows[local], rows[partner] = rotate(rows[local], rows[partner], number, -1 if backward else 1)
                if backward and control is not None:
                    for rows in blocks:
                        swap_if_control(rows, control, target)
            for base, rows in zip(sweeps, blocks, strict=True):
                for place, value in zip(places, rows, strict=True):
                    store(value, base, place)
        for number, row in rotation_rows.items():
            if backward:
                total = builder.fadd(load(gradient, row), builder.load(sums[number]))
                store(total, gradient, row)
        return context.get_dummy_value()

    if backward:

        @intrinsic
        def operation(typingctx, tile, cotangent, gradient, shear, sin, operations, index, n_rows):
            return types.void(tile, cotangent, gradient, shear, sin, operations, types.int64, types.int64), generate

    else:

        @intrinsic
        def operation(typingctx, tile, shear, sin, operations, index, n_rows):
            return types.void(tile, shear, sin, operations, types.int64, types.int64), generate

    return operation


def _make_copy(into_buffer):
    """Build the intrinsic that copies rows between a tile and a pass's buffer.

    `copy(tile, buffer, offsets, first_row)`: buffer row i is tile row `first_row + offsets[i]`.
    """

    def generate(context, builder, signature, arguments):
        arrays = [
            context.make_array(array_type)(context, builder, value=value)
            for array_type, value in zip(signature.args[:3], arguments[:3], strict=True)
        ]
        tile, buffer, offsets = (array.data for array in arrays)
        count = cgutils.unpack_tuple(builder, arrays[2].shape)[0]

        def row_pointer(base, row):
            lane_0 = builder.gep(base, [builder.mul(row, _INT(LANES))])
            return builder.bitcast(lane_0, _VECTOR.as_pointer())

        with cgutils.for_range(builder, count, intp=_INT) as loop:
            row = builder.add(arguments[3], builder.load(builder.gep(offsets, [loop.index])))
            ends = [row_pointer(tile, row), row_pointer(buffer, loop.index)]
            source, target = ends if into_buffer else reversed(ends)
            builder.store(builder.load(source, align=4), target, align=4)
        return context.get_dummy_value()

    @intrinsic
    def copy(typingctx, tile, buffer, offsets, first_row):
        return types.void(tile, buffer, offsets, types.int64), generate

    return copy


gather = _make_copy(into_buffer=True)
scatter = _make_copy(into_buffer=False)
rotate = _make_operation(ROTATE, False)
rotate_two = _make_operation(ROTATE_TWO, False)
cnot = _make_operation(CNOT, False)
block = _make_operation(BLOCK, False)
chain = _make_operation(CHAIN, False)
reverse_chain = _make_operation(REVERSE_CHAIN, False)
undo_rotate = _make_operation(ROTATE, True)
undo_rotate_two = _make_operation(ROTATE_TWO, True)
undo_cnot = _make_operation(CNOT, True)
undo_block = _make_operation(BLOCK, True)
undo_chain = _make_operation(CHAIN, True)
undo_reverse_chain = _make_operation(REVERSE_CHAIN, True)
