"""The head's settings as attributes; those that may change after training can be assigned."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from setfit_quantum.backends import Backend, get_backend, get_backend_class
from setfit_quantum.circuit import Circuit
from setfit_quantum.config import BACKENDS, CUSTOM_BACKEND, QuantumHeadConfig
from setfit_quantum.measurement import check_noise
from setfit_quantum.noise import NoiseModel

SETTABLE = (
    "noise", "shots", "sampler", "n_trajectories", "shared_trajectories", "share_trajectories_among_shots",
    "renormalise", "backend", "temperature",
)  # fmt: skip
"""Settings that may be assigned after training."""

_OTHER_NAMES = {
    "num_shots": "shots",
    "n_samples": "shots",
    "noise_model": "noise",
    "noise_level": "noise",
    "trajectories": "n_trajectories",
    "num_trajectories": "n_trajectories",
    "num_qubits": "n_qubits",
    "num_layers": "n_layers",
    "num_classes": "out_features",
    "simulator": "backend",
}
"""What the settings are called elsewhere, where that is not spelled alike."""


class HeadSettings(nn.Module):
    """Reading and changing `config`, the noise model, the backend and the random state."""

    config: QuantumHeadConfig
    circuit: Circuit
    circuit_weights: nn.Parameter
    _noise: NoiseModel | None
    _backend: Backend | None
    _rng: np.random.Generator
    _is_finished = False

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
        self._check_noise(noise)
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

    def __setattr__(self, name: str, value: Any) -> None:
        settable = isinstance(getattr(type(self), name, None), property)
        if not settable and name in QuantumHeadConfig.__dataclass_fields__ and name not in ("encoder", "ansatz"):
            raise AttributeError(
                f"The head's `{name}` cannot be changed; those that can are {', '.join(SETTABLE[:-1])} and "
                f"{SETTABLE[-1]}."
            )
        # Only what is assigned to a finished head is a user's.
        if self._is_finished and not settable and not hasattr(self, name):
            _refuse_near_miss(name)
        super().__setattr__(name, value)

    @property
    def shared_trajectories(self) -> bool:
        """Whether one draw of gate errors serves the whole batch."""
        return self.config.shared_trajectories

    @shared_trajectories.setter
    def shared_trajectories(self, value: bool) -> None:
        self.config = self.config.with_changes(shared_trajectories=value)

    @property
    def share_trajectories_among_shots(self) -> bool:
        """Whether the shots of a sample are spread over a few trajectories."""
        return self.config.share_trajectories_among_shots

    @share_trajectories_among_shots.setter
    def share_trajectories_among_shots(self, value: bool) -> None:
        self.config = self.config.with_changes(share_trajectories_among_shots=value)

    @property
    def renormalise(self) -> bool:
        """Whether `sampler="paper"` scales its rectified probabilities to add up to 1."""
        return self.config.renormalise

    @renormalise.setter
    def renormalise(self, value: bool) -> None:
        self.config = self.config.with_changes(renormalise=value)

    @property
    def backend(self) -> Backend:
        """The backend that runs the second module; assign a name or an instance."""
        if self._backend is not None:
            return self._backend
        if self.config.backend == "auto":
            return self._simulator(self.circuit, self._noise)
        return get_backend(self.config.backend)

    @backend.setter
    def backend(self, value: str | Backend) -> None:
        if isinstance(value, str) and value != "auto":
            get_backend(value)
        self._check_gates(value)
        self.config = self.config.with_changes(backend=backend_name(value))
        self._backend = None if isinstance(value, str) else value

    def _check_gates(self, backend: str | Backend) -> None:
        """Refuse a backend that does not run the user's gates, before anything is trained."""
        if self.config.ansatz is not None and backend != "auto":
            (get_backend_class(backend) if isinstance(backend, str) else backend).check_circuit(self.circuit)

    def _check_noise(self, noise: NoiseModel | None) -> None:
        """Refuse noise that does not fit the circuit or the present backend, before anything is trained."""
        if noise is None:
            return
        backend: Backend | type[Backend] | None = self._backend
        if backend is None and self.config.backend == "auto":
            backend = self._simulator(self.circuit, noise)
        check_noise(backend or get_backend_class(self.config.backend), noise, self.config.n_qubits)

    def _simulator(self, circuit: Circuit | None, noise: NoiseModel | None = None) -> Backend:
        """The fast engine where it runs the circuit (None: gates that every backend has), else the reference."""
        simulates = noise is None or noise.is_pauli
        if simulates and self.device.type == "cpu" and self.circuit_weights.dtype == torch.float32:
            fast = get_backend("numba")
            if circuit is None or circuit.gate_names <= fast.capabilities.gates:
                return fast
        return get_backend("torch")

    @property
    def _encoder_backend(self) -> Backend:
        # Encoders are classical preprocessing: a device never runs them.
        chosen = self.config.backend != "auto" and not self.backend.capabilities.hardware_shots
        return self.backend if chosen else self._simulator(None)

    def rng_state(self) -> dict[str, Any]:
        """State of the generator that draws shots and noise in training (JSON-ready)."""
        return dict(self._rng.bit_generator.state)

    def set_rng_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `rng_state` returned, so that an interrupted training goes on exactly."""
        self._rng.bit_generator.state = dict(state)


def _refuse_near_miss(name: str) -> None:
    """Refuse a new attribute that looks like a setting: assigned, it would change nothing, and nobody would know."""
    if name.startswith("_"):
        return
    known = [*SETTABLE, *QuantumHeadConfig.__dataclass_fields__]
    meant = _OTHER_NAMES.get(name) or next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.8)), None)
    if meant is None:
        return
    hint = "" if meant in SETTABLE else ", which cannot be changed afterwards"
    raise AttributeError(f"The head has no setting `{name}`; did you mean `{meant}`{hint}?")


def as_noise_model(noise: NoiseModel | str | Mapping[str, Any] | None) -> NoiseModel | None:
    """The noise model that the argument `noise` stands for."""
    if noise is None or isinstance(noise, NoiseModel):
        return noise
    if isinstance(noise, str):
        return NoiseModel.from_preset(noise)
    if isinstance(noise, Mapping):
        return NoiseModel.from_dict(noise)
    raise TypeError(f"Argument `noise` must be a NoiseModel, a preset's name, a mapping or None, but got {noise!r}.")


def backend_name(backend: str | Backend) -> str:
    """What the configuration records for a backend: its name, marked where it is none of ours.

    Raises:
        TypeError: Neither a name nor a `Backend`.
    """
    if isinstance(backend, str):
        return backend
    if not isinstance(backend, Backend):
        raise TypeError(f"Argument `backend` must be a name or a Backend, but got {backend!r}.")
    return backend.name if backend.name in BACKENDS and backend.is_named else CUSTOM_BACKEND + backend.name
