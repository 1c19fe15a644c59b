"""What a thread block does together: it brings amplitudes into shared memory and back, and adds up over its threads."""

# mypy: ignore-errors

import math

from numba import cuda

from setfit_quantum.backends.cuda_engine.compiling import device_function
from setfit_quantum.backends.numba_engine.program import CONSTANT, WEIGHT


@device_function
def swizzle(index):
    """Where amplitude `index` lies in shared memory.

    Without it, threads that hold amplitudes 8 apart would all want the same bank. It is linear in the bits:
    `swizzle(a ^ b) == swizzle(a) ^ swizzle(b)`.
    """
    return index ^ ((index >> 5) & 31)


@device_function
def open_bits(index, s0, s1, s2):
    """Insert a zero bit at each of three ascending shifts."""
    index = ((index >> s0) << (s0 + 1)) | (index & ((1 << s0) - 1))
    index = ((index >> s1) << (s1 + 1)) | (index & ((1 << s1) - 1))
    return ((index >> s2) << (s2 + 1)) | (index & ((1 << s2) - 1))


@device_function
def spread(index, shifts, first, last):
    """The bits of `index` moved to `shifts[first]` .. `shifts[last - 1]`."""
    moved = 0
    for number in range(first, last):
        moved |= ((index >> (number - first)) & 1) << shifts[number]
    return moved


@device_function
def place_of(index, outer, shifts, n_inner, n_low):
    """Number of the amplitude in the whole state: a thread block's own index among the bits `outer` of its number."""
    return outer | (index & ((1 << n_low) - 1)) | spread(index >> n_low, shifts, n_low, n_inner)


@device_function
def load_state(state, source, row, n_columns, outer, shifts, n_inner, n_low):
    """Fill shared memory with the block's part of a row; columns beyond `n_columns` are zeros."""
    for index in range(cuda.threadIdx.x, 1 << n_inner, cuda.blockDim.x):
        place = place_of(index, outer, shifts, n_inner, n_low)
        if place < n_columns:
            state[swizzle(index)] = source[row, place]
        else:
            state[swizzle(index)] = 0.0


@device_function
def store_state(state, target, row, n_columns, outer, shifts, n_inner, n_low):
    """Write it back, as far as the row has columns."""
    for index in range(cuda.threadIdx.x, 1 << n_inner, cuda.blockDim.x):
        place = place_of(index, outer, shifts, n_inner, n_low)
        if place < n_columns:
            target[row, place] = state[swizzle(index)]


@device_function
def fill_trigonometry(
    table, first_rotation, n_rotations, rotation_first, sources, constants, weights, weight_row, features, sample,
    signs, has_errors,
):  # fmt: skip
    """Cosine and sine of half of every rotation's angle, in turns.

    In double precision: the error of a sum in float32 would add to that of its cosine.
    """
    for rotation in range(cuda.threadIdx.x, n_rotations, cuda.blockDim.x):
        number = first_rotation + rotation
        angle = 0.0
        for row in range(rotation_first[number], rotation_first[number + 1]):
            kind = sources[row, 0]
            index = sources[row, 1]
            if kind == WEIGHT:
                own = float(weights[weight_row, index])
            elif kind == CONSTANT:
                own = constants[index]
            else:
                own = float(features[sample, index])
            if has_errors:
                own *= signs[sample, sources[row, 2]]
            angle += own
        table[2 * rotation] = math.cos(0.5 * angle)
        table[2 * rotation + 1] = math.sin(0.5 * angle)


@device_function
def reduce_slots(slots, sums, n_slots, n_used, output, row, first, step):
    """Add up each slot over the block's threads: `output[row, first + step * slot]` for the first `n_used` slots.

    `slots[slot * threads + thread]` are the threads' own sums. Two synchronisations serve all slots; the order of the
    additions is always the same.
    """
    thread = cuda.threadIdx.x
    n_threads = cuda.blockDim.x
    n_parts = max(1, n_threads // n_slots)
    per_part = n_threads // n_parts
    cuda.syncthreads()
    for item in range(thread, n_slots * n_parts, n_threads):
        start = (item // n_parts) * n_threads + item % n_parts
        total = slots[start]
        for number in range(1, per_part):
            total += slots[start + number * n_parts]
        sums[item] = total
    cuda.syncthreads()
    for slot in range(thread, n_used, n_threads):
        total = sums[slot * n_parts]
        for part in range(1, n_parts):
            total += sums[slot * n_parts + part]
        output[row, first + step * slot] = total
