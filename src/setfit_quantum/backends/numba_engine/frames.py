"""What a tile needs before it runs: its initial state, its half-angle tables, and its errors as signs."""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS
from setfit_quantum.backends.numba_engine.program import CONSTANT, FEATURE
from setfit_quantum.backends.numba_engine.vector import LANES


@njit(**COMPILE_OPTIONS)
def propagate_errors(gates, codes, first_sample, signs, flips):
    """Move every Pauli error to the end of the circuit, one frame (x and z bits) per lane.

    RY(theta) P = P RY(+-theta), with - where P holds X or Z on the wire, and CNOT maps Paulis to Paulis: so errors
    only turn the signs of later angles and, in the end, of measured Z's. A trajectory costs no pass over the state.
    """
    batch = codes.shape[1]
    for lane in range(min(LANES, batch - first_sample)):
        x_frame = np.uint64(0)
        z_frame = np.uint64(0)
        one = np.uint64(1)
        for position in range(len(gates)):
            wire, second, rotation = np.uint64(gates[position, 0]), gates[position, 1], gates[position, 2]
            code = codes[position, first_sample + lane]
            if second < 0:
                if ((x_frame ^ z_frame) >> wire) & one:
                    signs[rotation, lane] = -1.0
                first_code = code
            else:
                target = np.uint64(second)
                x_frame ^= ((x_frame >> wire) & one) << target
                z_frame ^= ((z_frame >> target) & one) << wire
                first_code = code >> 2
                second_code = code & 3
                if second_code == 1 or second_code == 2:
                    x_frame ^= one << target
                if second_code >= 2:
                    z_frame ^= one << target
            if first_code == 1 or first_code == 2:
                x_frame ^= one << wire
            if first_code >= 2:
                z_frame ^= one << wire
        flips[lane] = x_frame


@njit(**COMPILE_OPTIONS)
def fill_trigonometry(
    sources, weight_cos, weight_sin, feature_cos, feature_sin, constant_cos, constant_sin, samples_per_row,
    first_sample, batch, signs, shear, sin,
):  # fmt: skip
    """Per rotation and lane, the shears t = (c - 1) / s and s, with c and s the cosine and sine of half the angle."""
    cos = shear  # cosines until all angles of a rotation are added up
    cos[:, :] = 1.0
    sin[:, :] = 0.0
    for row_number in range(len(sources)):
        kind, index, rotation = sources[row_number]
        for lane in range(LANES):
            # Lanes beyond the batch repeat its last sample; nothing of them is read.
            sample = min(first_sample + lane, batch - 1)
            if kind == FEATURE:
                c, s = feature_cos[sample, index], feature_sin[sample, index]
            elif kind == CONSTANT:
                c, s = constant_cos[index], constant_sin[index]
            else:
                row = sample // samples_per_row
                c, s = weight_cos[row, index], weight_sin[row, index]
            s *= signs[row_number, lane]
            old_c, old_s = cos[rotation, lane], sin[rotation, lane]
            cos[rotation, lane] = old_c * c - old_s * s
            sin[rotation, lane] = old_s * c + old_c * s
    for rotation in range(len(sin)):
        for lane in range(LANES):
            c, s = cos[rotation, lane], sin[rotation, lane]
            if c < 0.0:  # a turn by pi more is a global sign, and keeps |t| at most 1
                c, s = -c, -s
            shear[rotation, lane] = -s / (1.0 + c)
            sin[rotation, lane] = s


@njit(**COMPILE_OPTIONS)
def load_initial(tile, initial_state, first_sample):
    """Amplitudes of the tile's samples, zeros behind them; |0..0> where `initial_state` is empty."""
    tile[:, :] = 0.0
    batch, n_amplitudes = initial_state.shape
    if batch == 0:
        tile[0, :] = 1.0
        return
    for lane in range(min(LANES, batch - first_sample)):
        sample = initial_state[first_sample + lane]
        for amplitude in range(n_amplitudes):
            tile[amplitude, lane] = sample[amplitude]
