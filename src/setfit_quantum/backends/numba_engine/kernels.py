"""The two kernels: run and measure tiles, and sweep them backwards; a circuit, or encoders and a circuit.

Each call works on its own tiles and its own `slot` of scratch memory, so any number of threads may be inside at once.
"""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS
from setfit_quantum.backends.numba_engine.measure import EXPECTATIONS, buffer_rows
from setfit_quantum.backends.numba_engine.program import CONSTANT, FEATURE
from setfit_quantum.backends.numba_engine.rows import empty_buffer
from setfit_quantum.backends.numba_engine.tiles import make_scratch, run_tile, sweep_back
from setfit_quantum.backends.numba_engine.vector import LANES


@njit(**COMPILE_OPTIONS)
def _tables_of(cos, sin, index):
    """The tables of a circuit with neither features nor constants and with row `index` of the weights."""
    one = np.empty((0, 0), np.float32)
    none = np.empty(0, np.float32)
    return cos[index : index + 1], sin[index : index + 1], one, one, none, none


@njit(**COMPILE_OPTIONS)
def forward(
    first_tile, last_tile, slot, program, tables, codes, states, mode, n_readout, z, zz, probabilities, swept,
    samples_per_row, encoder, encoder_cos, encoder_sin, scale, shares, widest, encoder_states, latents, amplitudes,
    keep,
):  # fmt: skip
    """Evolve and measure tiles first_tile .. last_tile - 1.

    Without encoders the circuit starts from `amplitudes` (or from |0..0> where there are none). With them it starts
    from |0..0>, its weights are one row, and its features are the encoders' scaled expectations, whose cosines and
    sines the features' entries in `tables` receive; `latents` (batch, features) gets the expectations before scaling.

    `encoder_cos` and `encoder_sin` have a row, `scale` and `shares` (measured qubits, at most `widest`) an entry per
    encoder. `states` (tiles or slots, rows and a gap, lanes) keeps every final state where `keep` is set, else its
    entry `slot` is reused; `encoder_states` (tiles, rows of every encoder and a gap, lanes) keeps all. `swept[tile]`
    counts the rows that operations swept, which proves that this kernel ran.
    """
    batch = z.shape[0]
    no_floats = np.empty((0, 0), np.float32)
    no_pairs = np.empty((0, 0, 0), np.float32)
    no_codes = np.empty((0, 0), np.uint8)
    buffer = empty_buffer(max(buffer_rows(EXPECTATIONS, widest), buffer_rows(mode, n_readout)), 1)
    encoder_scratch = make_scratch(encoder, EXPECTATIONS, widest)
    scratch = make_scratch(program, mode, n_readout)
    encoder_rows, rows = encoder[6], program[6]
    _, _, feature_cos, feature_sin, _, _ = tables
    measured = np.zeros((LANES, widest), np.float32)
    initial_state = amplitudes if len(shares) == 0 else no_floats
    for number in range(first_tile, last_tile):
        first_sample = number * LANES
        lanes = min(LANES, batch - first_sample)
        column = 0
        for index in range(len(shares)):
            encoder_tile = encoder_states[number, encoder_rows * index : encoder_rows * (index + 1)]
            run_tile(
                encoder_tile, buffer, encoder_scratch, encoder,
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
        tile = states[number if keep else slot, :rows]
        run_tile(
            tile, buffer, scratch, program, tables, samples_per_row, first_sample, batch, codes, initial_state, mode,
            n_readout, first_sample, z, zz, probabilities,
        )  # fmt: skip
        swept[number] = encoder_rows * len(encoder[5]) * len(shares) + rows * len(program[5])


@njit(**COMPILE_OPTIONS)
def backward(
    first_tile, last_tile, slot, program, tables, codes, states, mode, n_readout, z_gradient, zz_gradient,
    probability_gradient, swept, samples_per_row, encoder, encoder_cos, encoder_sin, scale, shares, widest,
    encoder_states, latents, cotangents, shared, weight_gradient, feature_gradient, initial_gradient, encoder_gradient,
    scale_gradient,
):  # fmt: skip
    """Adjoint sweep over tiles, through the circuit and then through the encoders, if there are any.

    `states` and `encoder_states` are the forward's final states and are un-evolved in place; `cotangents` (slots,
    rows of the larger state and a gap, lanes) is scratch. `weight_gradient` has a row per tile where weights are
    `shared`, else one per sample; `encoder_gradient` (tiles, encoders, angles); `scale_gradient` (tiles, encoders).
    Gradients by the circuit's initial amplitudes (batch, amplitudes) are made where there is room for them.
    """
    batch = z_gradient.shape[0]
    no_floats = np.empty((0, 0), np.float32)
    no_pairs = np.empty((0, 0, 0), np.float32)
    no_codes = np.empty((0, 0), np.uint8)
    encoder_scratch = make_scratch(encoder, EXPECTATIONS, widest)
    scratch = make_scratch(program, mode, n_readout)
    signs, so_far = scratch[7], scratch[6]
    n_rotations = max(program[0], encoder[0])
    gradient = np.empty((n_rotations, LANES), np.float32)
    gradient_scale = np.empty((n_rotations, LANES), np.float32)
    measured_gradient = np.zeros((LANES, widest), np.float32)
    encoder_rows, rows = encoder[6], program[6]
    cotangent = cotangents[slot, :rows]
    for number in range(first_tile, last_tile):
        first_sample = number * LANES
        lanes = min(LANES, batch - first_sample)
        sweep_back(
            states[number, :rows], cotangent, gradient[: program[0]], gradient_scale, scratch, program, tables,
            samples_per_row, first_sample, batch, codes, mode, n_readout, first_sample, z_gradient, zz_gradient,
            probability_gradient,
        )  # fmt: skip
        sources = program[1]
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
        column = 0
        for index in range(len(shares)):
            for qubit in range(shares[index]):
                for lane in range(lanes):
                    value = feature_gradient[first_sample + lane, column]
                    measured_gradient[lane, qubit] = value * scale[index]
                    scale_gradient[number, index] += value * latents[first_sample + lane, column]
                column += 1
            encoder_tile = encoder_states[number, encoder_rows * index : encoder_rows * (index + 1)]
            sweep_back(
                encoder_tile, cotangents[slot, :encoder_rows], gradient[: encoder[0]], gradient_scale, encoder_scratch,
                encoder, _tables_of(encoder_cos, encoder_sin, index), batch, first_sample, batch, no_codes,
                EXPECTATIONS, shares[index], 0, measured_gradient[:lanes], no_pairs, no_floats,
            )  # fmt: skip
            encoder_sources = encoder[1]
            for row in range(len(encoder_sources)):
                _, angle, rotation = encoder_sources[row]
                for lane in range(lanes):
                    encoder_gradient[number, index, angle] += gradient[rotation, lane]
        swept[number] = 2 * (encoder_rows * len(encoder[5]) * len(shares) + rows * len(program[5]))
