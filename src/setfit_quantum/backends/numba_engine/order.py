"""Orders: what is to be done to which tiles, as one array of integers that any thread can carry out.

An order begins with a few counters; its arguments follow, each in `SLOT` places: a number, or an array's address and
its dimensions. So a worker needs neither the GIL nor an object of Python's to help, and all kernels are compiled once,
into one function. Arrays must outlive the orders that name them.
"""

# mypy: ignore-errors

import numpy as np
from numba import njit

from setfit_quantum.backends.numba_engine.compiling import COMPILE_OPTIONS, compile_cached

KIND, N_TILES, NEXT_TILE, CHUNK, HELPERS, FAILED = range(6)
"""Counters: what to do, tiles in all, the first that nobody has taken, tiles taken at once, workers that were called
(a bit each), and whether one of them failed."""
FORWARD, BACKWARD = range(2)
ARGUMENTS = 8
"""Where the first argument is."""
SLOT = 5
PROGRAM, TABLES, CODES, STATES, MODE, N_READOUT, VALUES, SWEPT, SAMPLES_PER_ROW = 0, 7, 13, 14, 15, 16, 17, 20, 21
ENCODER, ENCODER_COS, SCALE, SHARES, WIDEST, ENCODER_STATES, LATENTS = 22, 29, 31, 32, 33, 34, 35
AMPLITUDES, KEEP = 36, 37
COTANGENTS, SHARED, WEIGHT_GRADIENT, ENCODER_GRADIENT = 36, 37, 38, 41
"""Numbers of the arguments of the kernels (see `kernels`): of both, of the encoders, of `forward`, of `backward`."""
N_ARGUMENTS = 43


def new_order(program: np.ndarray, encoder: np.ndarray | None = None) -> np.ndarray:
    """An order for a program, and for that of encoders, as `pack_program` gives them."""
    order = np.zeros(ARGUMENTS + SLOT * N_ARGUMENTS, np.int64)
    order[ARGUMENTS : ARGUMENTS + len(program)] = program
    if encoder is not None:
        start = ARGUMENTS + SLOT * ENCODER
        order[start : start + len(encoder)] = encoder
    return order


def set_number(order: np.ndarray, argument: int, value: int) -> None:
    """Set an argument that is a number."""
    order[ARGUMENTS + SLOT * argument] = value


@njit(**COMPILE_OPTIONS)
def _set(order, argument, array):
    place = ARGUMENTS + SLOT * argument
    order[place] = array.ctypes.data
    for dimension in range(array.ndim):
        order[place + 1 + dimension] = array.shape[dimension]


# Compiled: reading the addresses of some arrays takes Python as long as a small circuit takes to run.


@compile_cached
def pack_program(n_rotations, sources, gates, passes, pass_shifts, operations, n_rows):
    """A program as the arguments of an order."""
    packed = np.zeros(ARGUMENTS + SLOT * 7, np.int64)
    packed[ARGUMENTS] = n_rotations
    _set(packed, 1, sources)
    _set(packed, 2, gates)
    _set(packed, 3, passes)
    _set(packed, 4, pass_shifts)
    _set(packed, 5, operations)
    packed[ARGUMENTS + SLOT * 6] = n_rows
    return packed[ARGUMENTS:]


@compile_cached
def set_inputs(order, tables, codes, states, swept, amplitudes):
    """Angle tables (weights' and features' cosines and sines, constants'), errors, states, and initial amplitudes."""
    weight_cos, weight_sin, feature_cos, feature_sin, constant_cos, constant_sin = tables
    _set(order, TABLES, weight_cos)
    _set(order, TABLES + 1, weight_sin)
    _set(order, TABLES + 2, feature_cos)
    _set(order, TABLES + 3, feature_sin)
    _set(order, TABLES + 4, constant_cos)
    _set(order, TABLES + 5, constant_sin)
    _set(order, CODES, codes)
    _set(order, STATES, states)
    _set(order, SWEPT, swept)
    _set(order, AMPLITUDES, amplitudes)


@compile_cached
def set_values(order, z, zz, probabilities):
    """Measured values, or the loss's gradients by them."""
    _set(order, VALUES, z)
    _set(order, VALUES + 1, zz)
    _set(order, VALUES + 2, probabilities)


@compile_cached
def set_encoders(order, cos, sin, scale, shares, states, latents):
    """What the encoders have that the circuit has not."""
    _set(order, ENCODER_COS, cos)
    _set(order, ENCODER_COS + 1, sin)
    _set(order, SCALE, scale)
    _set(order, SHARES, shares)
    _set(order, ENCODER_STATES, states)
    _set(order, LATENTS, latents)


@compile_cached
def set_gradients(order, cotangents, by_weight, by_feature, by_initial, by_encoder, by_scale):
    """Scratch and results of the backward sweep."""
    _set(order, COTANGENTS, cotangents)
    _set(order, WEIGHT_GRADIENT, by_weight)
    _set(order, WEIGHT_GRADIENT + 1, by_feature)
    _set(order, WEIGHT_GRADIENT + 2, by_initial)
    _set(order, ENCODER_GRADIENT, by_encoder)
    _set(order, ENCODER_GRADIENT + 1, by_scale)
