"""The kernels: run circuits and measure, sweep back, move errors through a circuit, and collect gradients.

One thread block runs one sample, or one part of a wide sample, through a whole launch (see `plan`): state, cotangent
and trigonometry lie in shared memory, so nothing but inputs and results passes through the GPU's memory.
"""

# mypy: ignore-errors

from numba import cuda, float32, int32

from setfit_quantum.backends.cuda_engine.plan import (
    FIRST_ROTATION,
    FIRST_STEP,
    LAST_STEP,
    N_ROTATIONS,
    SHIFTS,
)
from setfit_quantum.backends.cuda_engine.registers import load_eight, rotate, store_eight, sum_signs, swap, twist
from setfit_quantum.backends.cuda_engine.shared import (
    fill_trigonometry,
    load_state,
    open_bits,
    reduce_slots,
    spread,
    store_state,
    swizzle,
)

STAGED_GATES = 256
"""Gates that `propagate_errors` brings into shared memory at a time."""


@cuda.jit
def run_forward(
    operations, codes, rotation_first, sources, constants, shifts, first_operation, last_operation, first_rotation,
    n_rotations, n_inner, n_low, weights, samples_per_row, features, signs, has_errors, source, source_step, n_columns,
    target, store, masks, n_masks, flips, values, n_slots,
):  # fmt: skip
    """Do a launch's operations and, with `n_masks`, measure.

    Row `sample * source_step` of `source` is the state before; with `store`, `target` receives the state after.
    `masks` (n, 3) are products of Pauli Z: the bits of their wires within a block's index, within its number, and
    within the whole index. `values` (blocks, n) receives each block's share of their expectations.
    """
    n_parts = 1 << (len(shifts) - 1 - n_inner)
    block = cuda.blockIdx.x
    sample = block // n_parts
    part = block % n_parts
    thread = cuda.threadIdx.x
    n_threads = cuda.blockDim.x
    size = 1 << n_inner
    shared = cuda.shared.array(0, float32)
    state = shared[:size]
    table = shared[size : size + 2 * n_rotations + 2]
    rest = shared[size + 2 * n_rotations + 2 :]
    outer = spread(part, shifts, n_inner, len(shifts) - 1)
    fill_trigonometry(
        table, first_rotation, n_rotations, rotation_first, sources, constants, weights, sample // samples_per_row,
        features, sample, signs, has_errors,
    )  # fmt: skip
    load_state(state, source, sample * source_step, n_columns, outer, shifts, n_inner, n_low)
    cuda.syncthreads()
    for number in range(first_operation, last_operation):
        s0 = operations[number, SHIFTS]
        s1 = operations[number, SHIFTS + 1]
        s2 = operations[number, SHIFTS + 2]
        x0 = swizzle(1 << s0)
        x1 = swizzle(1 << s1)
        x2 = swizzle(1 << s2)
        for group in range(thread, size >> 3, n_threads):
            at = swizzle(open_bits(group, s0, s1, s2))
            a = load_eight(state, at, x0, x1, x2)
            rotation = operations[number, FIRST_ROTATION]
            for step in range(operations[number, FIRST_STEP], operations[number, LAST_STEP]):
                code = codes[step]
                if code < N_ROTATIONS:
                    a = rotate(a, code, table[2 * rotation], table[2 * rotation + 1])
                    rotation += 1
                else:
                    a = swap(a, code)
            store_eight(state, at, x0, x1, x2, a)
        cuda.syncthreads()
    if store:
        store_state(state, target, sample, target.shape[1], outer, shifts, n_inner, n_low)
    if n_masks == 0:
        return
    cuda.syncthreads()
    for group in range(thread, size >> 3, n_threads):
        at = swizzle(group << 3)
        a = load_eight(state, at, 1, 2, 4)
        squares = (
            a[0] * a[0], a[1] * a[1], a[2] * a[2], a[3] * a[3], a[4] * a[4], a[5] * a[5], a[6] * a[6], a[7] * a[7],
        )  # fmt: skip
        store_eight(state, at, 1, 2, 4, sum_signs(squares))
    slots = rest[: n_slots * n_threads]
    sums = rest[n_slots * n_threads :]
    for first in range(0, n_masks, n_slots):
        n_used = min(n_slots, n_masks - first)
        for slot in range(n_used):
            inside = masks[first + slot, 0]
            odd = cuda.popc(masks[first + slot, 1] & part)
            if has_errors:
                odd += cuda.popc(masks[first + slot, 2] & flips[sample])
            total = float32(0.0)
            for group in range(thread, size >> 3, n_threads):
                value = state[swizzle(group << 3) ^ (inside & 7)]
                if (odd + cuda.popc((inside >> 3) & group)) & 1:
                    total -= value
                else:
                    total += value
            slots[slot * n_threads + thread] = total
        reduce_slots(slots, sums, n_slots, n_used, values, block, first, 1)


@cuda.jit
def run_backward(
    operations, codes, rotation_first, sources, constants, shifts, first_operation, last_operation, first_rotation,
    n_rotations, n_inner, n_low, weights, samples_per_row, features, signs, has_errors, states, cotangents,
    load_cotangent, store_state_too, store_columns, masks, n_masks, flips, value_gradient, gradient, n_slots,
):  # fmt: skip
    """Undo a launch's operations on state and cotangent, and fill `gradient` (blocks, rotations of the launch).

    The cotangent comes from `cotangents`, or from the gradients of the values (`value_gradient`, samples x masks); its
    first `store_columns` columns go back there.
    """
    n_parts = 1 << (len(shifts) - 1 - n_inner)
    block = cuda.blockIdx.x
    sample = block // n_parts
    part = block % n_parts
    thread = cuda.threadIdx.x
    n_threads = cuda.blockDim.x
    size = 1 << n_inner
    shared = cuda.shared.array(0, float32)
    state = shared[:size]
    table = shared[size : size + 2 * n_rotations + 2]
    rest = shared[size + 2 * n_rotations + 2 :]
    cotangent = rest[:size]
    slots = rest[size : size + n_slots * n_threads]
    sums = rest[size + n_slots * n_threads :]
    outer = spread(part, shifts, n_inner, len(shifts) - 1)
    fill_trigonometry(
        table, first_rotation, n_rotations, rotation_first, sources, constants, weights, sample // samples_per_row,
        features, sample, signs, has_errors,
    )  # fmt: skip
    load_state(state, states, sample, states.shape[1], outer, shifts, n_inner, n_low)
    if load_cotangent:
        load_state(cotangent, cotangents, sample, cotangents.shape[1], outer, shifts, n_inner, n_low)
    cuda.syncthreads()
    if not load_cotangent:
        for group in range(thread, size >> 3, n_threads):
            at = swizzle(group << 3)
            for number in range(8):
                cotangent[at ^ number] = 0.0
            for number in range(n_masks):
                inside = masks[number, 0]
                odd = cuda.popc(masks[number, 1] & part) + cuda.popc((inside >> 3) & group)
                if has_errors:
                    odd += cuda.popc(masks[number, 2] & flips[sample])
                if odd & 1:
                    cotangent[at ^ (inside & 7)] -= value_gradient[sample, number]
                else:
                    cotangent[at ^ (inside & 7)] += value_gradient[sample, number]
            b = sum_signs(load_eight(cotangent, at, 1, 2, 4))
            a = load_eight(state, at, 1, 2, 4)
            two = float32(2.0)
            start = (
                two * a[0] * b[0], two * a[1] * b[1], two * a[2] * b[2], two * a[3] * b[3],
                two * a[4] * b[4], two * a[5] * b[5], two * a[6] * b[6], two * a[7] * b[7],
            )  # fmt: skip
            store_eight(cotangent, at, 1, 2, 4, start)
        cuda.syncthreads()
    top = n_rotations - 1  # the rotation of slot 0; those of the following slots come before it
    n_used = 0
    for number in range(last_operation - 1, first_operation - 1, -1):
        first_step = operations[number, FIRST_STEP]
        last_step = operations[number, LAST_STEP]
        lowest = operations[number, FIRST_ROTATION]
        if top - lowest >= n_slots:
            reduce_slots(slots, sums, n_slots, n_used, gradient, block, top, -1)
            top -= n_used
            n_used = 0
        s0 = operations[number, SHIFTS]
        s1 = operations[number, SHIFTS + 1]
        s2 = operations[number, SHIFTS + 2]
        x0 = swizzle(1 << s0)
        x1 = swizzle(1 << s1)
        x2 = swizzle(1 << s2)
        for group in range(thread, size >> 3, n_threads):
            at = swizzle(open_bits(group, s0, s1, s2))
            a = load_eight(state, at, x0, x1, x2)
            b = load_eight(cotangent, at, x0, x1, x2)
            rotation = top - n_used
            for step in range(last_step - 1, first_step - 1, -1):
                code = codes[step]
                if code < N_ROTATIONS:
                    slot = (top - rotation) * n_threads + thread
                    own = float32(0.5) * twist(a, b, code)
                    if group == thread:
                        slots[slot] = own
                    else:
                        slots[slot] += own
                    c = table[2 * rotation]
                    s = table[2 * rotation + 1]
                    a = rotate(a, code, c, -s)
                    b = rotate(b, code, c, -s)
                    rotation -= 1
                else:
                    a = swap(a, code)
                    b = swap(b, code)
            store_eight(state, at, x0, x1, x2, a)
            store_eight(cotangent, at, x0, x1, x2, b)
        n_used = top - lowest + 1
        cuda.syncthreads()
    if n_used:
        reduce_slots(slots, sums, n_slots, n_used, gradient, block, top, -1)
    if store_state_too:
        store_state(state, states, sample, states.shape[1], outer, shifts, n_inner, n_low)
    store_state(cotangent, cotangents, sample, store_columns, outer, shifts, n_inner, n_low)


@cuda.jit
def propagate_errors(gates, n_gates, codes, signs, n_angles, flips):
    """Move every Pauli error to the end of the circuit, one frame (x and z bits) per sample.

    RY(theta) P = P RY(+-theta), with - where P holds X or Z on the wire, and CNOT maps Paulis to Paulis: so errors
    only turn the signs of angles (`signs`, samples x angles) and, in the end, of measured Z's (`flips`, by sample). A
    block's threads fetch gates and codes (gates, samples); the first of them follows the frame.
    """
    sample = cuda.blockIdx.x
    thread = cuda.threadIdx.x
    n_threads = cuda.blockDim.x
    staged = cuda.shared.array((STAGED_GATES, 4), int32)
    for angle in range(thread, n_angles, n_threads):
        signs[sample, angle] = 1.0
    x_frame = 0
    z_frame = 0
    for first in range(0, n_gates, STAGED_GATES):
        n_staged = min(STAGED_GATES, n_gates - first)
        for number in range(thread, n_staged, n_threads):
            staged[number, 0] = gates[first + number, 0]
            staged[number, 1] = gates[first + number, 1]
            staged[number, 2] = gates[first + number, 2]
            staged[number, 3] = codes[first + number, sample]
        cuda.syncthreads()
        for number in range(n_staged if thread == 0 else 0):
            wire = staged[number, 0]
            second = staged[number, 1]
            code = staged[number, 3]
            own = code
            if second < 0:
                if ((x_frame ^ z_frame) >> wire) & 1:
                    signs[sample, staged[number, 2]] = -1.0
            else:
                x_frame ^= ((x_frame >> wire) & 1) << second
                z_frame ^= ((z_frame >> second) & 1) << wire
                own = code >> 2
                other = code & 3
                if other == 1 or other == 2:
                    x_frame ^= 1 << second
                if other >= 2:
                    z_frame ^= 1 << second
            if own == 1 or own == 2:
                x_frame ^= 1 << wire
            if own >= 2:
                z_frame ^= 1 << wire
        cuda.syncthreads()
    if thread == 0:
        flips[sample] = x_frame


@cuda.jit
def collect_gradients(column_first, column_sources, gradient, signs, has_errors, collected):
    """Sum the rotations' gradients (samples, rotations) over all uses of each weight and feature (samples, columns)."""
    n_columns = collected.shape[1]
    item = cuda.grid(1)
    if item >= collected.shape[0] * n_columns:
        return
    sample = item // n_columns
    column = item % n_columns
    total = float32(0.0)
    for row in range(column_first[column], column_first[column + 1]):
        own = gradient[sample, column_sources[row, 0]]
        if has_errors:
            own *= signs[sample, column_sources[row, 1]]
        total += own
    collected[sample, column] = total
