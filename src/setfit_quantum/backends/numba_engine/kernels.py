"""The two compiled entry points: run and measure tiles, and sweep them backwards.

Kernels release the GIL and each call works on its own tiles, so any number of threads may be inside at once.
"""

# mypy: ignore-errors

import hashlib
from pathlib import Path

import numpy as np

from setfit_quantum.backends.numba_engine.compiling import compile_cached
from setfit_quantum.backends.numba_engine.evolve import evolve, unevolve
from setfit_quantum.backends.numba_engine.frames import fill_trigonometry, load_initial, propagate_errors
from setfit_quantum.backends.numba_engine.measure import MOMENTS, measure, start_cotangent
from setfit_quantum.backends.numba_engine.program import CONSTANT, FEATURE
from setfit_quantum.backends.numba_engine.vector import LANES


def _stamp_sources():
    """Hash of this folder's code: numba's disk cache looks at one file only, the kernels depend on all."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")


def _build_forward(source_stamp):
    @compile_cached
    def forward_tiles(
        first_tile, last_tile, n_rotations, sources, gates, passes, pass_shifts, operations, weight_cos, weight_sin,
        feature_cos, feature_sin, constant_cos, constant_sin, samples_per_row, initial_state, codes, states, keep, mode,
        n_readout, z, zz, probabilities, work,
    ):  # fmt: skip
        """Evolve and measure tiles first_tile .. last_tile - 1.

        `states` (tiles or 1, rows, lanes) keeps every final state where `keep` is set, else its entry `first slot` is
        reused. `work[first_tile]` counts the rows that operations swept, which proves that this kernel ran.
        """
        _ = source_stamp
        batch = z.shape[0]
        buffer = np.empty((1 << n_readout, LANES), np.float32)
        scratch = np.empty(((1 << n_readout) >> 1 if mode == MOMENTS else 1, LANES), np.float32)
        shear = np.empty((n_rotations, LANES), np.float32)
        sin = np.empty((n_rotations, LANES), np.float32)
        signs = np.ones((len(sources), LANES), np.float32)
        flips = np.zeros(LANES, np.uint64)
        for number in range(first_tile, last_tile):
            first_sample = number * LANES
            tile = states[number if keep else 0]
            if codes.shape[1]:
                signs[:, :] = 1.0
                propagate_errors(gates, codes, first_sample, signs, flips)
            fill_trigonometry(
                sources, weight_cos, weight_sin, feature_cos, feature_sin, constant_cos, constant_sin, samples_per_row,
                first_sample, batch, signs, shear, sin,
            )  # fmt: skip
            load_initial(tile, initial_state, first_sample)
            evolve(tile, shear, sin, passes, pass_shifts, operations)
            measure(tile, buffer, scratch, mode, n_readout, first_sample, flips, z, zz, probabilities)
            work[number] = tile.shape[0] * len(operations)

    return forward_tiles


def _build_backward(source_stamp):
    @compile_cached
    def backward_tiles(
        first_tile, last_tile, n_rotations, sources, gates, passes, pass_shifts, operations, weight_cos, weight_sin,
        feature_cos, feature_sin, constant_cos, constant_sin, samples_per_row, codes, states, mode, n_readout,
        z_gradient, zz_gradient, probability_gradient, weight_gradient, feature_gradient, initial_gradient, work,
    ):  # fmt: skip
        """Adjoint sweep over tiles: per-sample gradients of angles, features and initial amplitudes.

        `states` are the forward's final states and are un-evolved in place.
        """
        _ = source_stamp
        batch = weight_gradient.shape[0]
        n_rows = states.shape[1]
        cotangent = np.empty((n_rows, LANES), np.float32)
        scratch = np.empty(((1 << n_readout) >> 1 if mode == MOMENTS else 1, LANES), np.float32)
        shear = np.empty((n_rotations, LANES), np.float32)
        sin = np.empty((n_rotations, LANES), np.float32)
        signs = np.ones((len(sources), LANES), np.float32)
        gradient = np.empty((n_rotations, LANES), np.float32)
        flips = np.zeros(LANES, np.uint64)
        for number in range(first_tile, last_tile):
            first_sample = number * LANES
            tile = states[number]
            if codes.shape[1]:
                signs[:, :] = 1.0
                propagate_errors(gates, codes, first_sample, signs, flips)
            fill_trigonometry(
                sources, weight_cos, weight_sin, feature_cos, feature_sin, constant_cos, constant_sin, samples_per_row,
                first_sample, batch, signs, shear, sin,
            )  # fmt: skip
            start_cotangent(
                tile, cotangent, scratch, mode, n_readout, first_sample, flips, z_gradient, zz_gradient,
                probability_gradient,
            )  # fmt: skip
            gradient[:, :] = 0.0
            unevolve(tile, cotangent, gradient, shear, sin, passes, pass_shifts, operations)
            lanes = min(LANES, batch - first_sample)
            for row in range(len(sources)):
                kind, index, rotation = sources[row]
                for lane in range(lanes):
                    value = 0.5 * gradient[rotation, lane] * signs[row, lane]
                    if kind == FEATURE:
                        feature_gradient[first_sample + lane, index] += value
                    elif kind != CONSTANT:
                        weight_gradient[first_sample + lane, index] += value
            for lane in range(min(lanes, initial_gradient.shape[0] - first_sample)):
                row_gradient = initial_gradient[first_sample + lane]
                for amplitude in range(initial_gradient.shape[1]):
                    row_gradient[amplitude] = cotangent[amplitude, lane]
            work[number] = 2 * n_rows * len(operations)

    return backward_tiles


_SOURCE_STAMP = _stamp_sources()
forward_tiles = _build_forward(_SOURCE_STAMP)
backward_tiles = _build_backward(_SOURCE_STAMP)
