"""What the rotations of a tile need: the tangents of their half-angles, and an account of how the state grows.

A rotation makes the state larger by 1 / cos of half its angle (see `vector`). What it has grown by is known from the
angles alone: where that nears the end of float32, the state is scaled back.
"""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS, keep_apart
from setfit_quantum.backends.numba_engine.program import BEFORE, CONSTANT, FEATURE, ROTATION
from setfit_quantum.backends.numba_engine.vector import LANES

MIN_COS = 2.0**-23
"""Least cosine of half an angle: what is smaller changes by no more than the rounding of an amplitude near 1."""
MIN_SHRINKAGE = 2.0**-88
"""Growth of the state (by 2**44) beyond which it is scaled back, before the operation that would cause it; its square,
and its product with a cotangent as large, are well within float32."""
SCALED_SHRINKAGE = 2.0**48
"""Scaled back, the state is this much too small, squared: the more it may grow until the next time."""
MIN_OPERATION_SHRINKAGE = 2.0**-60
"""Growth in a single operation (by 2**30) beyond which it is done without scaling (see `exact`)."""
RESCALE, EXACT = 1, 2
"""Bits of what `plans` say of an operation: scale the state back before it; do it without scaling."""


@njit(**COMPILE_OPTIONS)
def fill_trigonometry(
    sources, weight_cos, weight_sin, feature_cos, feature_sin, constant_cos, constant_sin, samples_per_row,
    first_sample, batch, signs, has_errors, cos, sin, tangents, shrinkage,
):  # fmt: skip
    """Cosine (made >= 0), sine and tangent of half of every rotation's angle, each lane's own.

    `shrinkage` (rotations, lanes), in float64, is what undoes the growth of a squared amplitude.
    """
    keep_apart()
    cos[:, :] = 1.0
    sin[:, :] = 0.0
    # Lanes beyond the batch repeat its last sample; nothing of them is read.
    last_sample = min(first_sample + LANES, batch) - 1
    first_row, last_row = first_sample // samples_per_row, last_sample // samples_per_row
    lane_cos = np.empty(LANES, np.float32)
    lane_sin = np.empty(LANES, np.float32)
    for row_number in range(len(sources)):
        kind, index, rotation = sources[row_number]
        if kind == FEATURE:
            for lane in range(LANES):
                sample = min(first_sample + lane, last_sample)
                lane_cos[lane] = feature_cos[sample, index]
                lane_sin[lane] = feature_sin[sample, index]
        elif kind == CONSTANT:
            lane_cos[:] = constant_cos[index]
            lane_sin[:] = constant_sin[index]
        elif first_row == last_row:
            lane_cos[:] = weight_cos[first_row, index]
            lane_sin[:] = weight_sin[first_row, index]
        else:
            for lane in range(LANES):
                row = min(first_sample + lane, last_sample) // samples_per_row
                lane_cos[lane] = weight_cos[row, index]
                lane_sin[lane] = weight_sin[row, index]
        if has_errors:
            sign = signs[row_number]
            for lane in range(LANES):
                lane_sin[lane] *= sign[lane]
        own_cos, own_sin = cos[rotation], sin[rotation]
        for lane in range(LANES):
            c, s = lane_cos[lane], lane_sin[lane]
            old_c, old_s = own_cos[lane], own_sin[lane]
            own_cos[lane] = old_c * c - old_s * s
            own_sin[lane] = old_s * c + old_c * s
    for rotation in range(len(sin)):
        own_cos, own_sin, own_tangents, own_shrinkage = (
            cos[rotation],
            sin[rotation],
            tangents[rotation],
            shrinkage[rotation],
        )
        for lane in range(LANES):  # a turn by pi more is a global sign
            sign = np.float32(1.0) if own_cos[lane] >= 0.0 else np.float32(-1.0)
            own_cos[lane] *= sign
            own_sin[lane] *= sign
            t = own_sin[lane] / max(own_cos[lane], np.float32(MIN_COS))
            own_tangents[lane] = t
            own_shrinkage[lane] = 1.0 / (1.0 + np.float64(t) * np.float64(t))


@njit(**COMPILE_OPTIONS)
def _shrinkage_of(operations, index, shrinkage, total):
    """Fill `total` with the operation's shrinkage of each lane, and return the least."""
    total[:] = 1.0
    for column in range(ROTATION, BEFORE + 3):
        rotation = operations[index, column]
        if rotation >= 0:
            own = shrinkage[rotation]
            for lane in range(LANES):
                total[lane] *= own[lane]
    least = 1.0
    for lane in range(LANES):
        least = min(least, total[lane])
    return least


@njit(**COMPILE_OPTIONS)
def _scale_back(so_far, least, factors):
    """Whether the state must be scaled back before an operation that shrinks by `least`; if so, it starts anew."""
    least_so_far = 1.0
    for lane in range(LANES):
        least_so_far = min(least_so_far, so_far[lane])
    if least_so_far * least >= MIN_SHRINKAGE:
        return False
    for lane in range(LANES):
        factors[lane] = np.sqrt(so_far[lane] / SCALED_SHRINKAGE)
        # What is left is the factor's rounding.
        so_far[lane] /= np.float64(factors[lane]) * np.float64(factors[lane])
    return True


@njit(**COMPILE_OPTIONS)
def plan_forward(operations, shrinkage, plans, factors, so_far):
    """What to do with each operation: bits in `plans`, and the factors by which the state is scaled back before it.

    `so_far` (lanes) is left with what the squares of the final amplitudes must be multiplied by.
    """
    keep_apart()
    own = np.empty(LANES, np.float64)
    so_far[:] = 1.0
    for index in range(len(operations)):
        least = _shrinkage_of(operations, index, shrinkage, own)
        if least < MIN_OPERATION_SHRINKAGE:
            plans[index] = EXACT
            continue
        plans[index] = RESCALE if _scale_back(so_far, least, factors[index]) else 0
        for lane in range(LANES):
            so_far[lane] *= own[lane]


@njit(**COMPILE_OPTIONS)
def plan_backward(operations, shrinkage, plans, factors, so_far, gradient_scale):
    """The same for the backward sweep, which grows state and cotangent alike and starts with the final state's growth.

    `gradient_scale` (rotations, lanes) is what each rotation's sum must be multiplied by.
    """
    keep_apart()
    own = np.empty(LANES, np.float64)
    for index in range(len(operations) - 1, -1, -1):
        exact = plans[index] == EXACT
        if not exact:
            least = _shrinkage_of(operations, index, shrinkage, own)
            plans[index] = RESCALE if _scale_back(so_far, least, factors[index]) else 0
        # Undone last to first: the second block's rotation, the first's, then those before them, last wire first.
        for number in range(5):
            column = ROTATION + 1 - number if number < 2 else BEFORE + 4 - number
            rotation = operations[index, column]
            if rotation >= 0:
                scales, own_shrinkage = gradient_scale[rotation], shrinkage[rotation]
                for lane in range(LANES):
                    scales[lane] = so_far[lane]
                if not exact:
                    for lane in range(LANES):
                        so_far[lane] *= own_shrinkage[lane]
