"""What a tile starts with: its initial state, and its errors as signs."""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS
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
