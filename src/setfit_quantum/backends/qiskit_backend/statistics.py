"""Estimates from measured bits, bool of shape (rows, shots, m); qubit 0 is the most significant bit."""

from __future__ import annotations

import numpy as np


def bits_to_z(bits: np.ndarray) -> np.ndarray:
    """Estimated expectations of Z, shape (rows, m)."""
    return np.asarray(1 - 2 * bits.mean(axis=1))


def bits_to_moments(bits: np.ndarray) -> np.ndarray:
    """Z_i, then all Z_i Z_j row by row, shape (rows, m + m * m)."""
    signs = 1 - 2 * bits.astype(np.float32)  # sums of shots below 2**24 are exact
    zz = signs.transpose(0, 2, 1) @ signs / bits.shape[1]
    return np.concatenate([bits_to_z(bits), zz.reshape(len(bits), -1)], axis=1)


def bits_to_probabilities(bits: np.ndarray) -> np.ndarray:
    """Relative frequencies of the outcomes, shape (rows, 2**m)."""
    rows, shots, m = bits.shape
    outcomes = bits @ (1 << np.arange(m - 1, -1, -1, dtype=np.int64))
    outcomes += 2**m * np.arange(rows)[:, None]
    return np.asarray(np.bincount(outcomes.ravel(), minlength=rows * 2**m).reshape(rows, -1) / shots)
