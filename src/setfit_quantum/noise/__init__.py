"""Noise as data: the model, its conventions and presets, its channels, and the errors drawn from it (no torch)."""

from setfit_quantum.noise.conventions import CONVENTIONS, convert_rate
from setfit_quantum.noise.errors import (
    PauliErrors,
    ShotErrors,
    clean_probability,
    draw_errors,
    draw_faulty_errors,
    draw_shot_errors,
)
from setfit_quantum.noise.model import NoiseModel
from setfit_quantum.noise.presets import NOISE_PRESETS
from setfit_quantum.noise.rotation import rotate_constants

__all__ = [
    "CONVENTIONS",
    "NOISE_PRESETS",
    "NoiseModel",
    "PauliErrors",
    "ShotErrors",
    "clean_probability",
    "convert_rate",
    "draw_errors",
    "draw_faulty_errors",
    "draw_shot_errors",
    "rotate_constants",
]
