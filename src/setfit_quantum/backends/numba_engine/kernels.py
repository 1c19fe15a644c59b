"""The compiled entry points: run and measure tiles, and sweep them backwards; one circuit, or encoders and a circuit.

Kernels release the GIL and each call works on its own tiles, so any number of threads may be inside at once.
"""

# mypy: ignore-errors

import hashlib
from pathlib import Path

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS, compile_cached
from setfit_quantum.backends.numba_engine.measure import EXPECTATIONS
from setfit_quantum.backends.numba_engine.program import CONSTANT, FEATURE
from setfit_quantum.backends.numba_engine.rows import empty_buffer
from setfit_quantum.backends.numba_engine.tiles import make_scratch, run_tile, sweep_back
from setfit_quantum.backends.numba_engine.vector import LANES


def _stamp_sources():
    """Hash of this folder's code: numba's disk cache looks at one file only, the kernels depend on all."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")


@njit(**COMPILE_OPTIONS)
def _tables_of(cos, sin, index):
    """The tables of a circuit with neither features nor constants and with row `index` of the weights."""
    one = np.empty((0, 0), np.float32)
    none = np.empty(0, np.float32)
    return cos[index : index + 1], sin[index : index + 1], one, one, none, none


def _build(source_stamp):
    @compile_cached
    def forward_tiles(
        first_tile, last_tile, program, tables, samples_per_row, initial_state, codes, states, keep, mode, n_readout,
        z, zz, probabilities, work,
    ):  # fmt: skip
        """Evolve and measure tiles first_tile .. last_tile - 1.

        `states` (tiles or 1, rows, lanes) keeps every final state where `keep` is set, else its first entry is
        reused. `work[tile]` counts the rows that operations swept, which proves that this kernel ran.
        """
        _ = source_stamp
        batch = z.shape[0]
        buffer = empty_buffer(1 << n_readout, 1)
        scratch = make_scratch(program, mode, n_readout)
        for number in range(first_tile, last_tile):
            tile = states[number if keep else 0]
            run_tile(
                tile, buffer, scratch, program, tables, samples_per_row, number * LANES, batch, codes, initial_state,
                mode, n_readout, number * LANES, z, zz, probabilities,
            )  # fmt: skip
            work[number] = tile.shape[0] * len(program[5])

    @compile_cached
    def backward_tiles(
        first_tile, last_tile, program, tables, samples_per_row, codes, states, cotangent, mode, n_readout, z_gradient,
        zz_gradient, probability_gradient, shared, weight_gradient, feature_gradient, initial_gradient, work,
    ):  # fmt: skip
        """Adjoint sweep over tiles: gradients of angles, features and initial amplitudes.

        `states` are the forward's final states and are un-evolved in place; `cotangent` (rows, lanes) is scratch.
        `weight_gradient` has a row per tile where weights are `shared`, else one per sample.
        """
        _ = source_stamp
        batch = z_gradient.shape[0]
        scratch = make_scratch(program, mode, n_readout)
        sources = program[1]
        signs, so_far = scratch[7], scratch[6]
        gradient = np.empty((program[0], LANES), np.float32)
        gradient_scale = np.empty((program[0], LANES), np.float32)
        for number in range(first_tile, last_tile):
            first_sample = number * LANES
            sweep_back(
                states[number], cotangent, gradient, gradient_scale, scratch, program, tables, samples_per_row,
                first_sample, batch, codes, mode, n_readout, first_sample, z_gradient, zz_gradient,
                probability_gradient,
            )  # fmt: skip
            lanes = min(LANES, batch - first_sample)
            for row in range(len(sources)):
                kind, index, rotation = sources[row]
                if kind == CONSTANT:
                    continue
                for lane in range(lanes):
                    value = gradient[rotation, lane] * signs[row, lane]
                    if kind == FEATURE:
                        feature_gradient[first_sample + lane, index] += value
                    elif shared:
                        weight_gradient[number, index] += value
                    else:
                        weight_gradient[first_sample + lane, index] += value
            for lane in range(min(lanes, initial_gradient.shape[0] - first_sample)):
                row_gradient = initial_gradient[first_sample + lane]
                shrink = np.float32(np.sqrt(so_far[lane]))
                for amplitude in range(initial_gradient.shape[1]):
                    row_gradient[amplitude] = cotangent[amplitude, lane] * shrink
            work[number] = 2 * cotangent.shape[0] * len(program[5])

    @compile_cached
    def forward_modules(
        first_tile, last_tile, encoder, encoder_cos, encoder_sin, scale, shares, amplitudes, encoder_states, latents,
        program, tables, codes, states, mode, n_readout, z, zz, probabilities, work,
    ):  # fmt: skip
        """Encoders, and the circuit whose features are their scaled expectations, tile by tile.

        `encoder_cos` and `encoder_sin` have a row, `scale` and `shares` (measured qubits) an entry per encoder.
        `latents` (batch, features) receives the expectations before scaling, the features' entries in `tables` their
        cosines and sines; `encoder_states` (tiles, encoders, rows, lanes) and `states` keep the final states.
        """
        _ = source_stamp
        batch = z.shape[0]
        widest = shares.max()
        no_floats = np.empty((0, 0), np.float32)
        no_pairs = np.empty((0, 0, 0), np.float32)
        no_codes = np.empty((0, 0), np.uint8)
        buffer = empty_buffer(1 << max(widest, n_readout), 1)
        encoder_scratch = make_scratch(encoder, EXPECTATIONS, widest)
        scratch = make_scratch(program, mode, n_readout)
        _, _, feature_cos, feature_sin, _, _ = tables
        measured = np.zeros((LANES, widest), np.float32)
        for number in range(first_tile, last_tile):
            first_sample = number * LANES
            lanes = min(LANES, batch - first_sample)
            column = 0
            for index in range(len(shares)):
                run_tile(
                    encoder_states[number, index], buffer, encoder_scratch, encoder,
                    _tables_of(encoder_cos, encoder_sin, index), batch, first_sample, batch, no_codes, amplitudes,
                    EXPECTATIONS, shares[index], 0, measured[:lanes], no_pairs, no_floats,
                )  # fmt: skip
                for qubit in range(shares[index]):
                    for lane in range(lanes):
                        value = measured[lane, qubit]
                        latents[first_sample + lane, column] = value
                        half_angle = 0.5 * np.float64(value) * np.float64(scale[index])
                        feature_cos[first_sample + lane, column] = np.cos(half_angle)
                        feature_sin[first_sample + lane, column] = np.sin(half_angle)
                    column += 1
            run_tile(
                states[number], buffer, scratch, program, tables, batch, first_sample, batch, codes, no_floats, mode,
                n_readout, first_sample, z, zz, probabilities,
            )  # fmt: skip
            rows = encoder_states.shape[2] * len(encoder[5]) * len(shares)
            work[number] = rows + states.shape[1] * len(program[5])

    @compile_cached
    def backward_modules(
        first_tile, last_tile, encoder, encoder_cos, encoder_sin, scale, shares, encoder_states, latents, program,
        tables, codes, states, cotangent, mode, n_readout, z_gradient, zz_gradient, probability_gradient,
        encoder_gradient, scale_gradient, weight_gradient, work,
    ):  # fmt: skip
        """Adjoint sweep over circuit and encoders: gradients by tile of all angles and of the encoders' scales.

        `encoder_gradient` (tiles, encoders, angles), `scale_gradient` (tiles, encoders), `weight_gradient` (tiles,
        angles); `cotangent` (rows of the larger state, lanes) is scratch.
        """
        _ = source_stamp
        batch = z_gradient.shape[0]
        widest = shares.max()
        no_floats = np.empty((0, 0), np.float32)
        no_pairs = np.empty((0, 0, 0), np.float32)
        no_codes = np.empty((0, 0), np.uint8)
        encoder_scratch = make_scratch(encoder, EXPECTATIONS, widest)
        scratch = make_scratch(program, mode, n_readout)
        signs = scratch[7]
        n_rotations = max(program[0], encoder[0])
        gradient = np.empty((n_rotations, LANES), np.float32)
        gradient_scale = np.empty((n_rotations, LANES), np.float32)
        by_feature = np.empty((LANES, latents.shape[1]), np.float32)
        measured_gradient = np.zeros((LANES, widest), np.float32)
        for number in range(first_tile, last_tile):
            first_sample = number * LANES
            lanes = min(LANES, batch - first_sample)
            sweep_back(
                states[number], cotangent[: states.shape[1]], gradient[: program[0]], gradient_scale, scratch, program,
                tables, batch, first_sample, batch, codes, mode, n_readout, first_sample, z_gradient, zz_gradient,
                probability_gradient,
            )  # fmt: skip
            by_feature[:, :] = 0.0
            sources = program[1]
            for row in range(len(sources)):
                kind, index, rotation = sources[row]
                for lane in range(lanes):
                    value = gradient[rotation, lane] * signs[row, lane]
                    if kind == FEATURE:
                        by_feature[lane, index] += value
                    elif kind != CONSTANT:
                        weight_gradient[number, index] += value
            column = 0
            for index in range(len(shares)):
                for qubit in range(shares[index]):
                    for lane in range(lanes):
                        value = by_feature[lane, column]
                        measured_gradient[lane, qubit] = value * scale[index]
                        scale_gradient[number, index] += value * latents[first_sample + lane, column]
                    column += 1
                sweep_back(
                    encoder_states[number, index], cotangent[: encoder_states.shape[2]], gradient[: encoder[0]],
                    gradient_scale, encoder_scratch, encoder, _tables_of(encoder_cos, encoder_sin, index), batch,
                    first_sample, batch, no_codes, EXPECTATIONS, shares[index], 0, measured_gradient[:lanes],
                    no_pairs, no_floats,
                )  # fmt: skip
                encoder_sources = encoder[1]
                for row in range(len(encoder_sources)):
                    _, angle, rotation = encoder_sources[row]
                    for lane in range(lanes):
                        encoder_gradient[number, index, angle] += gradient[rotation, lane]
            rows = encoder_states.shape[2] * len(encoder[5]) * len(shares)
            work[number] = 2 * (rows + states.shape[1] * len(program[5]))

    return forward_tiles, backward_tiles, forward_modules, backward_modules


forward_tiles, backward_tiles, forward_modules, backward_modules = _build(_stamp_sources())
