"""LLVM code for the inner loops: one operation swept over all rows of a tile.

numba alone does not keep the rows of several gates in registers, so these loops are written as vector
instructions. A tile holds `LANES` samples as float32 rows: `tile[k, lane]` is amplitude k of one sample, and every
gate on every qubit is a contiguous vector operation.

A rotation with c = cos and s = sin of half its angle is done as (u, v) -> (u - t v, v + t u) with t = s / c: two
multiply-adds where the matrix takes four operations. The state grows by 1 / c, which is known beforehand: `angles`
keeps account of it and says where the state has to be scaled back.
"""

# mypy: ignore-errors

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from setfit_quantum.backends.numba_engine.program import (
    BEFORE,
    BLOCK,
    CHAIN,
    CHAIN_AFTER_012,
    CHAIN_AFTER_1,
    CHAIN_AFTER_12,
    CNOT,
    OPERATION_COLUMNS,
    PATTERNS,
    REVERSE_CHAIN,
    ROTATE,
    ROTATE_TWO,
    ROTATION,
    SHIFT,
    SORTED,
)

LANES = 8
"""Samples per tile: one AVX register, so that batch 16 makes two tiles for two cores."""
PAIRS_ROWS = bool(binding.get_host_cpu_features().get("avx512f"))
"""Whether an instruction takes two neighbouring rows at once: half as many instructions for the same arithmetic."""

_FLOAT = ir.FloatType()
_INT = ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_FUSE = ("contract", "nsz")
_SUMMED = 256
"""Groups of rows whose products are summed before the sum is added to the others."""


def _make_operation(kind, backward, rows_at_once):
    """Build the intrinsic that sweeps one kind of operation over all rows of a tile.

    Forward: `op(tile, tangents, operations, index, n_rows)`. Backward takes the cotangent and the gradient
    accumulators as well: `op(tile, cotangent, gradient, tangents, operations, index, n_rows)`.

    Args:
        kind: What it does (see `program.PATTERNS`).
        backward: Undo the operation on state and cotangent, and add up the gradients.
        rows_at_once: 1, or 2 neighbouring rows, where none of the wires is the last.
    """
    n_wires, gates, before = PATTERNS[kind]
    # (control or -1, target, column of the rotation's number or -1)
    steps = [(-1, wire, BEFORE + wire) for wire in before]
    steps += [(control, target, -1 if number < 0 else ROTATION + number) for control, target, number in gates]
    columns = [column for _, _, column in steps if column >= 0]
    wide = ir.VectorType(_FLOAT, LANES * rows_at_once)
    spread = ir.Constant(ir.VectorType(ir.IntType(32), LANES * rows_at_once), [*range(LANES)] * rows_at_once)

    def generate(context, builder, signature, arguments):
        pointers = [
            context.make_array(array_type)(context, builder, value=value).data
            for array_type, value in zip(signature.args[:-2], arguments[:-2], strict=True)
        ]
        index, n_rows = arguments[-2:]
        if backward:
            tile, cotangent, gradient, tangent_table, table = pointers
            sweeps = [tile, cotangent]
        else:
            tile, tangent_table, table = pointers
            sweeps = [tile]
        first_column = builder.mul(index, _INT(OPERATION_COLUMNS))

        def column(number):
            return builder.load(builder.gep(table, [builder.add(first_column, _INT(number))]))

        def pointer(base, row, lanes, kind):
            lane_0 = builder.gep(base, [builder.mul(row, _INT(lanes))])
            return builder.bitcast(lane_0, kind.as_pointer())

        def multiply(a, b):
            return builder.fmul(a, b, flags=_FUSE)

        def load_tangent(row):
            lanes = builder.load(pointer(tangent_table, row, LANES, _VECTOR), align=4)
            return builder.shuffle_vector(lanes, ir.Constant(_VECTOR, ir.Undefined), spread)

        shift_of_one = rows_at_once - 1  # rows are counted in twos where two are taken at once
        shifts = [builder.sub(column(SHIFT + wire), _INT(shift_of_one)) for wire in range(n_wires)]
        ascending = [builder.sub(column(SORTED + wire), _INT(shift_of_one)) for wire in range(n_wires)]
        strides = [builder.shl(_INT(1), shift) for shift in shifts]
        rotations = {place: column(place) for place in columns}
        tangents = {place: load_tangent(row) for place, row in rotations.items()}
        # Two sums for each rotation, since each waits for its last addition.
        sums = {
            place: [cgutils.alloca_once_value(builder, wide(None)) for _ in range(2)] for place in columns if backward
        }

        def add_product(total, a, b):
            builder.store(builder.fadd(builder.load(total), multiply(a, b), flags=_FUSE), total)

        def rotate(u, v, t):
            ahead, behind = (builder.fadd, builder.fsub) if backward else (builder.fsub, builder.fadd)
            return ahead(u, multiply(t, v), flags=_FUSE), behind(v, multiply(t, u), flags=_FUSE)

        def swap_if_control(rows, control, target):
            for local in range(2**n_wires):
                if local >> control & 1 and not local >> target & 1:
                    partner = local | 1 << target
                    rows[local], rows[partner] = rows[partner], rows[local]

        def sweep(number):
            """One operation on the rows of a group."""
            base_row = number
            for shift in ascending:  # insert a zero bit at each wire's place
                low = builder.and_(base_row, builder.sub(builder.shl(_INT(1), shift), _INT(1)))
                base_row = builder.add(builder.shl(builder.sub(base_row, low), _INT(1)), low)
            places = []
            for local in range(2**n_wires):
                row = base_row
                for wire in range(n_wires):
                    if local >> wire & 1:
                        row = builder.add(row, strides[wire])
                places.append(row)
            lanes = LANES * rows_at_once
            blocks = [[builder.load(pointer(base, row, lanes, wide), align=4) for row in places] for base in sweeps]
            for control, target, place in reversed(steps) if backward else steps:
                if not backward and control >= 0:
                    swap_if_control(blocks[0], control, target)
                for local in range(2**n_wires):
                    if place < 0 or local >> target & 1:
                        continue
                    partner = local | 1 << target
                    if backward:
                        plus, minus = sums[place]
                        add_product(plus, blocks[0][local], blocks[1][partner])
                        add_product(minus, blocks[0][partner], blocks[1][local])
                    for rows in blocks:
                        rows[local], rows[partner] = rotate(rows[local], rows[partner], tangents[place])
                if backward and control >= 0:
                    for rows in blocks:
                        swap_if_control(rows, control, target)
            for base, rows in zip(sweeps, blocks, strict=True):
                for row, value in zip(places, rows, strict=True):
                    builder.store(value, pointer(base, row, lanes, wide), align=4)

        def add_up():
            """Add the sums to the gradient."""
            for place, row in rotations.items():
                plus, minus = (builder.load(total) for total in sums[place])
                total = builder.fsub(plus, minus)
                place_of_sum = pointer(gradient, row, LANES, _VECTOR)
                value = builder.load(place_of_sum, align=4)
                for part in range(rows_at_once):
                    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [*range(LANES * part, LANES * (part + 1))])
                    value = builder.fadd(value, builder.shuffle_vector(total, ir.Constant(wide, ir.Undefined), mask))
                builder.store(value, place_of_sum, align=4)

        count = builder.lshr(n_rows, _INT(n_wires + shift_of_one))
        if not backward:
            with cgutils.for_range(builder, count, intp=_INT) as loop:
                sweep(loop.index)
            return context.get_dummy_value()
        # Sums of sums: a long sum in float32 would lose digits.
        few = builder.icmp_unsigned("<", count, _INT(_SUMMED))
        inner = builder.select(few, count, _INT(_SUMMED))
        outer = builder.select(few, _INT(1), builder.udiv(count, _INT(_SUMMED)))
        with cgutils.for_range(builder, outer, intp=_INT) as block:
            for total in (total for pair in sums.values() for total in pair):
                builder.store(wide(None), total)
            first = builder.mul(block.index, inner)
            with cgutils.for_range(builder, inner, intp=_INT) as loop:
                sweep(builder.add(first, loop.index))
            add_up()
        return context.get_dummy_value()

    if backward:

        @intrinsic
        def operation(typingctx, tile, cotangent, gradient, tangents, operations, index, n_rows):
            return types.void(tile, cotangent, gradient, tangents, operations, types.int64, types.int64), generate

    else:

        @intrinsic
        def operation(typingctx, tile, tangents, operations, index, n_rows):
            return types.void(tile, tangents, operations, types.int64, types.int64), generate

    return operation


def _make_variants(kind):
    """Forward, forward with two rows at once, and backward, whose registers hold no more than single rows."""
    return [_make_operation(kind, False, 1), _make_operation(kind, False, 2), _make_operation(kind, True, 1)]


rotate, rotate_by_two, undo_rotate = _make_variants(ROTATE)
rotate_two, rotate_two_by_two, undo_rotate_two = _make_variants(ROTATE_TWO)
cnot, cnot_by_two, undo_cnot = _make_variants(CNOT)
block, block_by_two, undo_block = _make_variants(BLOCK)
reverse_chain, reverse_chain_by_two, undo_reverse_chain = _make_variants(REVERSE_CHAIN)
chain, chain_by_two, undo_chain = _make_variants(CHAIN)
chain_after_1, chain_after_1_by_two, undo_chain_after_1 = _make_variants(CHAIN_AFTER_1)
chain_after_12, chain_after_12_by_two, undo_chain_after_12 = _make_variants(CHAIN_AFTER_12)
chain_after_012, chain_after_012_by_two, undo_chain_after_012 = _make_variants(CHAIN_AFTER_012)
