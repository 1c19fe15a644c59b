"""Measuring a tile, and the cotangent with which the backward sweep starts.

Expectations of Z_i and of Z_i Z_j come from folding the outcome probabilities in half, most significant qubit first:
sums go on to the next qubit, differences are the answer. All pairs together cost about as much as four readings of
the probabilities.
"""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS
from setfit_quantum.backends.numba_engine.vector import LANES

EXPECTATIONS, MOMENTS, PROBABILITIES = range(3)


@njit(**COMPILE_OPTIONS)
def _halve(buffer, n_rows, total):
    """Fold the upper half of `buffer`'s first `n_rows` rows into the lower; add the difference to `total`."""
    half = n_rows >> 1
    lower = buffer[:half].reshape(-1)
    upper = buffer[half:n_rows].reshape(-1)
    for lane in range(LANES):
        total[lane] = 0.0
    for row in range(half):
        a = lower[row * LANES : (row + 1) * LANES]
        b = upper[row * LANES : (row + 1) * LANES]
        for lane in range(LANES):
            low, high = a[lane], b[lane]
            total[lane] += low - high
            a[lane] = low + high


@njit(**COMPILE_OPTIONS)
def _split(buffer, difference, n_rows):
    """As `_halve`, but keep the difference's rows, whose own Z's give the pairs."""
    half = n_rows >> 1
    for row in range(half):
        a = buffer[row]
        b = buffer[row + half]
        d = difference[row]
        for lane in range(LANES):
            low, high = a[lane], b[lane]
            d[lane] = low - high
            a[lane] = low + high


@njit(**COMPILE_OPTIONS)
def _square(tile, buffer, n_readout):
    """Probabilities of the first `n_readout` qubits' outcomes: the other qubits are summed over."""
    repeats = tile.shape[0] >> n_readout
    for outcome in range(1 << n_readout):
        target = buffer[outcome]
        for lane in range(LANES):
            target[lane] = 0.0
        for row in range(outcome * repeats, (outcome + 1) * repeats):
            source = tile[row]
            for lane in range(LANES):
                target[lane] += source[lane] * source[lane]


@njit(**COMPILE_OPTIONS)
def measure(tile, buffer, scratch, mode, n_readout, first_sample, flips, z, zz, probabilities):
    """Fill the tile's rows of `z` and, by `mode`, of `zz` or `probabilities`; `flips` holds each lane's X frame."""
    _square(tile, buffer, n_readout)
    n_outcomes = 1 << n_readout
    n_qubits = 0
    while 1 << n_qubits < tile.shape[0]:
        n_qubits += 1
    lanes = min(LANES, z.shape[0] - first_sample)
    if mode == PROBABILITIES:
        for lane in range(lanes):
            mask = 0
            for qubit in range(n_readout):
                mask |= np.int64((flips[lane] >> np.uint64(qubit)) & np.uint64(1)) << (n_readout - 1 - qubit)
            for outcome in range(n_outcomes):
                probabilities[first_sample + lane, outcome ^ mask] = buffer[outcome, lane]
        return
    total = np.empty(LANES, np.float32)
    for qubit in range(n_readout):
        n_rows = n_outcomes >> qubit
        if mode == MOMENTS:
            _split(buffer, scratch, n_rows)
            rows = n_rows >> 1
            for other in range(qubit + 1, n_readout):
                _halve(scratch, rows, total)
                rows >>= 1
                for lane in range(lanes):
                    flip = ((flips[lane] >> np.uint64(qubit)) ^ (flips[lane] >> np.uint64(other))) & np.uint64(1)
                    value = -total[lane] if flip else total[lane]
                    zz[first_sample + lane, qubit, other] = value
                    zz[first_sample + lane, other, qubit] = value
            for lane in range(lanes):
                total[lane] = scratch[0, lane]
                zz[first_sample + lane, qubit, qubit] = 1.0
        else:
            _halve(buffer, n_rows, total)
        for lane in range(lanes):
            flip = (flips[lane] >> np.uint64(qubit)) & np.uint64(1)
            z[first_sample + lane, qubit] = -total[lane] if flip else total[lane]


@njit(**COMPILE_OPTIONS)
def _double(buffer, n_rows, slope):
    """Grow `buffer` from `n_rows` to twice as many rows: lower half + slope, upper half - slope."""
    for row in range(n_rows):
        low = buffer[row]
        high = buffer[row + n_rows]
        for lane in range(LANES):
            value = low[lane]
            low[lane] = value + slope[lane]
            high[lane] = value - slope[lane]


@njit(**COMPILE_OPTIONS)
def start_cotangent(
    tile, cotangent, scratch, mode, n_readout, first_sample, flips, z_gradient, zz_gradient, probability_gradient
):  # fmt: skip
    """Cotangent of the final state: 2 * amplitude * (gradient of the loss by that outcome's probability)."""
    lanes = min(LANES, z_gradient.shape[0] - first_sample)
    slope = np.zeros(LANES, np.float32)
    if mode == PROBABILITIES:
        for outcome in range(1 << n_readout):
            cotangent[outcome, :] = 0.0
        for lane in range(lanes):
            mask = 0
            for qubit in range(n_readout):
                mask |= np.int64((flips[lane] >> np.uint64(qubit)) & np.uint64(1)) << (n_readout - 1 - qubit)
            for outcome in range(1 << n_readout):
                cotangent[outcome, lane] = probability_gradient[first_sample + lane, outcome ^ mask]
    else:
        cotangent[0, :] = 0.0
        for qubit in range(n_readout - 1, -1, -1):
            n_rows = 1 << (n_readout - 1 - qubit)
            for lane in range(lanes):
                flip = (flips[lane] >> np.uint64(qubit)) & np.uint64(1)
                gradient = z_gradient[first_sample + lane, qubit]
                slope[lane] = -gradient if flip else gradient
            if mode == EXPECTATIONS:
                _double(cotangent, n_rows, slope)
                continue
            # With pairs the slope is itself a function of the later qubits: slope + sum_j gradient_ij s_j.
            scratch[0, :] = slope
            for other in range(n_readout - 1, qubit, -1):
                for lane in range(lanes):
                    flip = ((flips[lane] >> np.uint64(qubit)) ^ (flips[lane] >> np.uint64(other))) & np.uint64(1)
                    gradient = (
                        zz_gradient[first_sample + lane, qubit, other] + zz_gradient[first_sample + lane, other, qubit]
                    )
                    slope[lane] = -gradient if flip else gradient
                _double(scratch, 1 << (n_readout - 1 - other), slope)
            for row in range(n_rows):
                low, high, change = cotangent[row], cotangent[row + n_rows], scratch[row]
                for lane in range(LANES):
                    value = low[lane]
                    low[lane] = value + change[lane]
                    high[lane] = value - change[lane]
    repeats = tile.shape[0] >> n_readout
    # From the end, since each outcome's entry stands at or before the rows that it is spread over.
    for outcome in range((1 << n_readout) - 1, -1, -1):
        for lane in range(LANES):
            slope[lane] = 2.0 * cotangent[outcome, lane]
        for row in range(outcome * repeats, (outcome + 1) * repeats):
            amplitude, target = tile[row], cotangent[row]
            for lane in range(LANES):
                target[lane] = slope[lane] * amplitude[lane]
