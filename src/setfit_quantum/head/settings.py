"""The head's settings as attributes; those that may change after training can be assigned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from setfit_quantum.backends import Backend, get_backend
from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.noise import NoiseModel


class HeadSettings(nn.Module):
    """Reading and changing `config`, the noise model, the backend and the random state."""

    config: QuantumHeadConfig
    circuit_weights: nn.Parameter
    _noise: NoiseModel | None
    _backend: Backend | None
    _rng: np.random.Generator

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.circuit_weights.device

    @property
    def in_features(self) -> int | None:
        """Width of the embedding, None until known."""
        return self.config.in_features

    @property
    def out_features(self) -> int:
        """Number of classes, or of labels with `multitarget`."""
        return self.config.out_features

    @property
    def multitarget(self) -> bool:
        """Whether labels are independent of each other."""
        return self.config.multitarget

    @property
    def seed(self) -> int | None:
        """Seed of the initial weights and of shots and noise."""
        return self.config.seed

    @property
    def temperature(self) -> float:
        """Divides the logits."""
        return self.config.temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        self.config = self.config.with_changes(temperature=value)

    @property
    def noise(self) -> NoiseModel | None:
        """Noise of the second module; assign a model, a preset's name or None."""
        return self._noise

    @noise.setter
    def noise(self, value: NoiseModel | str | Mapping[str, Any] | None) -> None:
        noise = as_noise_model(value)
        self.config = self.config.with_changes(noise=None if noise is None else noise.to_dict())
        self._noise = noise

    @property
    def shots(self) -> int | None:
        """Shots per expectation; None: exact."""
        return self.config.shots

    @shots.setter
    def shots(self, value: int | None) -> None:
        self.config = self.config.with_changes(shots=value)

    @property
    def sampler(self) -> str | None:
        """How shots are drawn; None: `"gaussian"` in training, `"multinomial"` at inference."""
        return self.config.sampler

    @sampler.setter
    def sampler(self, value: str | None) -> None:
        self.config = self.config.with_changes(sampler=value)

    @property
    def n_trajectories(self) -> int | None:
        """Noise trajectories per sample."""
        return self.config.n_trajectories

    @n_trajectories.setter
    def n_trajectories(self, value: int | None) -> None:
        self.config = self.config.with_changes(n_trajectories=value)

    @property
    def backend(self) -> Backend:
        """The backend that runs the second module; assign a name or an instance."""
        if self._backend is not None:
            return self._backend
        return get_backend(self._default_simulator() if self.config.backend == "auto" else self.config.backend)

    @backend.setter
    def backend(self, value: str | Backend) -> None:
        name = value if isinstance(value, str) else value.name
        if isinstance(value, str) and value != "auto":
            get_backend(value)
        self.config = self.config.with_changes(backend=name)
        self._backend = None if isinstance(value, str) else value

    def _default_simulator(self) -> str:
        on_cpu = self.device.type == "cpu"
        return "numba" if on_cpu and self.circuit_weights.dtype == torch.float32 else "torch"

    @property
    def _encoder_backend(self) -> Backend:
        # Encoders are classical preprocessing: a device never runs them.
        backend = self.backend
        return get_backend(self._default_simulator()) if backend.capabilities.hardware_shots else backend

    def rng_state(self) -> dict[str, Any]:
        """State of the generator that draws shots and noise in training (JSON-ready)."""
        return dict(self._rng.bit_generator.state)

    def set_rng_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `rng_state` returned, so that an interrupted training goes on exactly."""
        self._rng.bit_generator.state = dict(state)


def as_noise_model(noise: NoiseModel | str | Mapping[str, Any] | None) -> NoiseModel | None:
    """The noise model that the argument `noise` stands for."""
    if noise is None or isinstance(noise, NoiseModel):
        return noise
    if isinstance(noise, str):
        return NoiseModel.from_preset(noise)
    if isinstance(noise, Mapping):
        return NoiseModel.from_dict(noise)
    raise TypeError(f"Argument `noise` must be a NoiseModel, a preset's name, a mapping or None, but got {noise!r}.")
