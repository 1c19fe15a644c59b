"""Measuring a tile, and the cotangent with which the backward sweep starts.

Expectations of Z_i and of Z_i Z_j come from folding the outcome probabilities in half, most significant qubit first:
sums go on to the next qubit, differences are the answer. All pairs together cost about as much as four readings of
the probabilities. Expectations alone are folded in blocks, so that the probabilities need no memory of their own.
"""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS
from setfit_quantum.backends.numba_engine.rows import fold, unfold
from setfit_quantum.backends.numba_engine.vector import LANES

EXPECTATIONS, MOMENTS, PROBABILITIES = range(3)
BLOCK_QUBITS = 9
"""Qubits whose probabilities are folded at once: 16 KiB, within a first-level cache."""


@njit(**COMPILE_OPTIONS)
def _split(buffer, difference, n_rows):
    """Fold the buffer's rows in half, and keep the rows of differences, whose own Z's give the pairs."""
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
    """Squares of the amplitudes, summed over all qubits but the first `n_readout`."""
    repeats = tile.shape[0] >> n_readout
    if repeats == 1:
        amplitudes, squares = tile.reshape(-1), buffer.reshape(-1)
        for place in range(len(amplitudes)):
            squares[place] = amplitudes[place] * amplitudes[place]
        return
    for outcome in range(1 << n_readout):
        target = buffer[outcome]
        for lane in range(LANES):
            target[lane] = 0.0
        for row in range(outcome * repeats, (outcome + 1) * repeats):
            source = tile[row]
            for lane in range(LANES):
                target[lane] += source[lane] * source[lane]


def count_buffer_rows(mode: int, n_readout: int) -> int:
    """Rows of the buffer that `measure` takes."""
    if mode != EXPECTATIONS or n_readout <= BLOCK_QUBITS:
        return 1 << n_readout
    return (1 << BLOCK_QUBITS) + (1 << (n_readout - BLOCK_QUBITS))


buffer_rows = njit(**COMPILE_OPTIONS)(count_buffer_rows)


@njit(**COMPILE_OPTIONS)
def _fold_blocks(tile, buffer, n_readout, totals):
    """Fill `totals` (qubits, lanes), in float64, with differences of probabilities, qubit by qubit."""
    inner = min(n_readout, BLOCK_QUBITS)
    outer = n_readout - inner
    n_rows, size = 1 << inner, tile.shape[0] >> outer
    sums = buffer[n_rows:]
    total = np.empty(LANES, np.float32)
    totals[:, :] = 0.0
    for number in range(1 << outer):
        _square(tile[number * size : (number + 1) * size], buffer[:n_rows], inner)
        for qubit in range(inner):
            fold(buffer, n_rows >> (qubit + 1), total)
            for lane in range(LANES):
                totals[outer + qubit, lane] += total[lane]
        if outer:
            for lane in range(LANES):
                sums[number, lane] = buffer[0, lane]
    for qubit in range(outer):
        fold(sums, 1 << (outer - 1 - qubit), total)
        for lane in range(LANES):
            totals[qubit, lane] = total[lane]


@njit(**COMPILE_OPTIONS)
def measure(tile, shrinkage, buffer, scratch, mode, n_readout, first_sample, flips, z, zz, probabilities):
    """Fill the tile's rows of `z` and, by `mode`, of `zz` or `probabilities`; `flips` holds each lane's X frame.

    `shrinkage` is what each lane's squared amplitudes must be multiplied by.
    """
    n_outcomes = 1 << n_readout
    lanes = min(LANES, z.shape[0] - first_sample)
    if mode == EXPECTATIONS:
        totals = np.empty((n_readout, LANES), np.float64)
        _fold_blocks(tile, buffer, n_readout, totals)
        for lane in range(lanes):
            for qubit in range(n_readout):
                value = totals[qubit, lane] * shrinkage[lane]
                z[first_sample + lane, qubit] = -value if (flips[lane] >> np.uint64(qubit)) & np.uint64(1) else value
        return
    _square(tile, buffer, n_readout)
    if mode == PROBABILITIES:
        for lane in range(lanes):
            mask = 0
            for qubit in range(n_readout):
                mask |= np.int64((flips[lane] >> np.uint64(qubit)) & np.uint64(1)) << (n_readout - 1 - qubit)
            for outcome in range(n_outcomes):
                probabilities[first_sample + lane, outcome ^ mask] = buffer[outcome, lane] * shrinkage[lane]
        return
    total = np.empty(LANES, np.float32)
    for qubit in range(n_readout):
        n_rows = n_outcomes >> qubit
        _split(buffer, scratch, n_rows)
        rows = n_rows >> 1
        for other in range(qubit + 1, n_readout):
            rows >>= 1
            fold(scratch, rows, total)
            for lane in range(lanes):
                flip = ((flips[lane] >> np.uint64(qubit)) ^ (flips[lane] >> np.uint64(other))) & np.uint64(1)
                value = (-total[lane] if flip else total[lane]) * shrinkage[lane]
                zz[first_sample + lane, qubit, other] = value
                zz[first_sample + lane, other, qubit] = value
        for lane in range(lanes):
            total[lane] = scratch[0, lane]
            zz[first_sample + lane, qubit, qubit] = 1.0
        for lane in range(lanes):
            flip = (flips[lane] >> np.uint64(qubit)) & np.uint64(1)
            z[first_sample + lane, qubit] = (-total[lane] if flip else total[lane]) * shrinkage[lane]


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
                unfold(cotangent, n_rows, slope)
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
                unfold(scratch, 1 << (n_readout - 1 - other), slope)
            for row in range(n_rows):
                low, high, change = cotangent[row], cotangent[row + n_rows], scratch[row]
                for lane in range(LANES):
                    value = low[lane]
                    low[lane] = value + change[lane]
                    high[lane] = value - change[lane]
    repeats = tile.shape[0] >> n_readout
    if repeats == 1:
        amplitudes, slopes = tile.reshape(-1), cotangent.reshape(-1)
        for place in range(len(amplitudes)):
            slopes[place] *= np.float32(2.0) * amplitudes[place]
        return
    # From the end, since each outcome's entry stands at or before the rows that it is spread over.
    for outcome in range((1 << n_readout) - 1, -1, -1):
        for lane in range(LANES):
            slope[lane] = 2.0 * cotangent[outcome, lane]
        for row in range(outcome * repeats, (outcome + 1) * repeats):
            amplitude, target = tile[row], cotangent[row]
            for lane in range(LANES):
                target[lane] = slope[lane] * amplitude[lane]
