"""One circuit on one tile: from angles and initial amplitudes to measured values, and back to gradients."""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.angles import fill_trigonometry, plan_backward, plan_forward
from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS, keep_apart
from setfit_quantum.backends.numba_engine.evolve import evolve, unevolve
from setfit_quantum.backends.numba_engine.frames import load_initial, propagate_errors
from setfit_quantum.backends.numba_engine.measure import MOMENTS, measure, start_cotangent
from setfit_quantum.backends.numba_engine.rows import empty_buffer
from setfit_quantum.backends.numba_engine.vector import LANES


@njit(**COMPILE_OPTIONS)
def make_scratch(program, mode, n_readout):
    """What a thread needs besides states: tables of angles, the plan, frames, and room for measuring."""
    n_rotations, sources, _, _, _, operations, _ = program
    return (
        np.empty((n_rotations, LANES), np.float32),  # cosines
        np.empty((n_rotations, LANES), np.float32),  # sines
        np.empty((n_rotations, LANES), np.float32),  # tangents
        np.empty((n_rotations, LANES), np.float64),  # shrinkage
        np.empty(len(operations), np.int64),  # plans
        np.empty((len(operations), LANES), np.float32),  # factors
        np.empty(LANES, np.float64),  # shrinkage so far
        np.ones((len(sources), LANES), np.float32),  # signs of angles
        np.zeros(LANES, np.uint64),  # flips of outcomes
        empty_buffer(((1 << n_readout) >> 1) if mode == MOMENTS else 1, 1),
    )


@njit(**COMPILE_OPTIONS)
def _prepare(scratch, program, tables, samples_per_row, first_sample, batch, codes):
    _, sources, gates, _, _, operations, _ = program
    weight_cos, weight_sin, feature_cos, feature_sin, constant_cos, constant_sin = tables
    cos, sin, tangents, shrinkage, plans, factors, so_far, signs, flips, _ = scratch
    has_errors = codes.shape[1] > 0
    if has_errors:
        signs[:, :] = 1.0
        propagate_errors(gates, codes, first_sample, signs, flips)
    fill_trigonometry(
        sources, weight_cos, weight_sin, feature_cos, feature_sin, constant_cos, constant_sin, samples_per_row,
        first_sample, batch, signs, has_errors, cos, sin, tangents, shrinkage,
    )  # fmt: skip
    plan_forward(operations, shrinkage, plans, factors, so_far)


@njit(**COMPILE_OPTIONS)
def run_tile(
    tile, buffer, scratch, program, tables, samples_per_row, first_sample, batch, codes, initial_state, mode, n_readout,
    first_output, z, zz, probabilities,
):  # fmt: skip
    """Evolve and measure the samples from `first_sample` on; results go into rows from `first_output` on."""
    keep_apart()
    _, _, _, passes, pass_shifts, operations, _ = program
    cos, sin, tangents, _, plans, factors, so_far, _, flips, folded = scratch
    _prepare(scratch, program, tables, samples_per_row, first_sample, batch, codes)
    load_initial(tile, initial_state, first_sample)
    evolve(tile, cos, sin, tangents, passes, pass_shifts, operations, plans, factors)
    measure(tile, so_far, buffer, folded, mode, n_readout, first_output, flips, z, zz, probabilities)


@njit(**COMPILE_OPTIONS)
def sweep_back(
    tile, cotangent, gradient, gradient_scale, scratch, program, tables, samples_per_row, first_sample, batch, codes,
    mode, n_readout, first_output, z_gradient, zz_gradient, probability_gradient,
):  # fmt: skip
    """Un-evolve `tile`, fill `cotangent`, and fill `gradient` (rotations, lanes) with derivatives by angles.

    What remains in `scratch` is by what the cotangent of the initial state has to be shrunk.
    """
    keep_apart()
    _, _, _, passes, pass_shifts, operations, _ = program
    cos, sin, tangents, shrinkage, plans, factors, so_far, _, flips, folded = scratch
    _prepare(scratch, program, tables, samples_per_row, first_sample, batch, codes)
    plan_backward(operations, shrinkage, plans, factors, so_far, gradient_scale)
    start_cotangent(
        tile, cotangent, folded, mode, n_readout, first_output, flips, z_gradient, zz_gradient, probability_gradient
    )
    gradient[:, :] = 0.0
    unevolve(tile, cotangent, gradient, cos, sin, tangents, passes, pass_shifts, operations, plans, factors)
    for rotation in range(len(gradient)):
        sums, scales = gradient[rotation], gradient_scale[rotation]
        for lane in range(LANES):
            sums[lane] *= np.float32(0.5) * scales[lane]
