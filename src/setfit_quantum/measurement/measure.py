"""`measure`: what the second module's measurement gives, exact, noisy, from shots, in training and at inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.backends.base import Backend, BackendError, Moments
from setfit_quantum.checks import check_bool, check_choice, check_int
from setfit_quantum.circuit import Circuit
from setfit_quantum.config import SAMPLERS
from setfit_quantum.measurement.abilities import check_noise
from setfit_quantum.measurement.device import sample_expectations
from setfit_quantum.measurement.readout import misread_expectations, misread_moments, misread_probabilities
from setfit_quantum.measurement.samplers import add_gaussian_shots, add_paper_shots, expectations_from_probabilities
from setfit_quantum.measurement.trajectories import (
    MAX_AMPLITUDES,
    Program,
    apply_rotation_error,
    average_trajectories,
    is_random,
)
from setfit_quantum.noise import NoiseModel, PauliErrors

DEFAULT_TRAJECTORIES = 64
"""Trajectories per sample at inference; in training it is one."""
EXACT_QUBITS = 6
"""Up to this many qubits inference under noise is exact by default where the backend has density matrices."""
_NOISELESS = NoiseModel()


def measure(
    backend: Backend,
    circuit: Circuit,
    weights: Tensor,
    features: Tensor | None,
    *,
    n_readout: int,
    noise: NoiseModel | None = None,
    shots: int | None = None,
    sampler: str | None = None,
    n_trajectories: int | None = None,
    training: bool,
    rng: np.random.Generator,
    shared_trajectories: bool = False,
    share_trajectories_among_shots: bool = False,
    renormalise: bool = True,
) -> Tensor:
    """Measure Pauli Z on the first `n_readout` qubits.

    | | training | inference |
    |---|---|---|
    | exact | `backend.expectations` | the same |
    | noise | mean of `n_trajectories` (1) | mean of `n_trajectories` (64), or exact: see below |
    | shots | `"gaussian"` (or `"paper"`) | `"multinomial"` (or any) |
    | noise and shots | shots around the mean of `n_trajectories` (1) | fresh errors in every shot |

    Noise without shots at inference is exact, by density matrix, where the backend has density matrices, the circuit
    at most 6 qubits and `n_trajectories` is None; the other samplers then use exact moments or probabilities too.
    One of several trajectories at inference is the one without errors, weighted with its probability. Readout error
    acts on sampled bits, and on everything else exactly in expectation. Amplitude damping (`t1`) is always simulated
    by the density matrix, which `"torch"` has for at most 8 qubits (and Aer, behind `"qiskit"`, for more).

    A backend with `hardware_shots` measures by itself: it gets shots and noise, and nothing is added to its results.

    Args:
        backend: Gives exact expectations, moments and probabilities, with inserted Pauli errors.
        circuit: The circuit.
        weights: Angles in radians, shape (num_parameters,) or (batch, num_parameters).
        features: Angles in radians, shape (batch, n_features), or None.
        n_readout: Number m of measured qubits, the first ones.
        noise: Noise model, or None.
        shots: Shots per sample, or None for no shot noise.
        sampler: `"gaussian"`, `"paper"` or `"multinomial"`; None: `"gaussian"` in training, else `"multinomial"`.
            Without shots it has no effect.
        n_trajectories: Noise trajectories per sample. Sampled bitstrings with fresh errors in every shot need none,
            so there it has no effect.
        training: Whether gradients are to flow; refuses `"multinomial"`.
        rng: The only source of randomness. Results do not depend on threads; sampled bitstrings do not depend on how
            rows are divided into calls either.
        shared_trajectories: Draw errors once for the whole batch, as the paper's published code does.
        share_trajectories_among_shots: With sampled bitstrings, spread the shots over `n_trajectories` trajectories
            instead of drawing fresh errors for each shot. Faster, but the variance of an expectation is then
            `(1 - z^2) / s + V (1 / n_trajectories - 1 / s)`, V being the variance among trajectories.
        renormalise: Whether `"paper"` scales its rectified probabilities to add up to 1.

    Returns:
        Estimated expectations, shape (batch, m), dtype and device of `weights`; differentiable unless sampled.

    Raises:
        TypeError, ValueError: An argument out of range, or `"multinomial"` in training.
        BackendError: The backend cannot do it; the message names what can.

    Source: arXiv 2504.08732, Sec. III, Eq. (1), (2), for `"paper"`.
    """
    check_bool("training", training)
    check_int("n_readout", n_readout, minimum=1, maximum=circuit.n_qubits)
    _check_types(noise, rng)
    if shots is not None:
        check_int("shots", shots, minimum=1)
    if n_trajectories is not None:
        check_int("n_trajectories", n_trajectories, minimum=1)
    if sampler is not None:
        check_choice("sampler", sampler, SAMPLERS)
    if backend.capabilities.hardware_shots:
        _check_device_options(backend, sampler, n_trajectories, shared_trajectories or share_trajectories_among_shots)
        return backend.device_expectations(
            circuit,
            weights,
            features,
            n_readout=n_readout,
            shots=shots,
            noise=noise,
            seed=int(rng.integers(2**31 - 1)),
        )
    noise = _NOISELESS if noise is None else noise
    plan = _Plan(
        backend=backend,
        program=Program(circuit, weights, features),
        noise=noise,
        pairs=noise.readout_pairs(circuit.n_qubits)[:n_readout],
        n_trajectories=n_trajectories,
        training=training,
        rng=rng,
        shared=shared_trajectories,
        density=_use_density(backend, circuit, noise, n_trajectories, training, shared_trajectories),
    )
    if shots is None:
        (z,) = plan.average("expectations")
        return misread_expectations(z, plan.pairs) if noise.has_readout_error else z
    sampler = sampler or ("gaussian" if training else "multinomial")
    if sampler == "gaussian":
        moments = Moments(*plan.average("moments"))
        if noise.has_readout_error:
            moments = misread_moments(moments, plan.pairs)
        return add_gaussian_shots(moments, shots, rng)
    if not backend.capabilities.probabilities:
        raise BackendError(
            f"Backend {backend.name!r} does not give outcome probabilities, which sampler={sampler!r} needs; "
            "sampler='gaussian' does without."
        )
    if sampler == "paper":
        (probabilities,) = plan.average("probabilities")
        if noise.has_readout_error:
            probabilities = misread_probabilities(probabilities, plan.pairs)
        return expectations_from_probabilities(add_paper_shots(probabilities, shots, rng, renormalise))
    if training:
        raise ValueError(
            "Argument `sampler` must be 'gaussian' or 'paper' in training, since sampled bitstrings have no gradient, "
            "but got 'multinomial'."
        )
    with torch.no_grad():
        return plan.sample(shots, share_trajectories_among_shots)


@dataclass(frozen=True)
class _Plan:
    """One measurement, with everything decided but the statistic."""

    backend: Backend
    program: Program
    noise: NoiseModel
    pairs: np.ndarray
    n_trajectories: int | None
    training: bool
    rng: np.random.Generator
    shared: bool
    density: bool

    def average(self, quantity: str) -> tuple[Tensor, ...]:
        """`"expectations"`, `"moments"` or `"probabilities"` under gate noise, as a tuple of tensors."""
        if self.density:
            return self._evolve_density(quantity, self.program)
        count = self.n_trajectories or (1 if self.training else DEFAULT_TRAJECTORIES)
        return average_trajectories(
            lambda program, errors: self._run(quantity, program, errors),
            apply_rotation_error(self.program, self.noise),
            self.noise,
            count,
            self.rng,
            stratified=not self.training,
            shared=self.shared,
        )

    def sample(self, shots: int, share: bool) -> Tensor:
        """Expectations from sampled bitstrings."""
        if not self.noise.is_pauli:
            return sample_expectations(
                lambda program, _: self._evolve_density("probabilities", program)[0],
                self.program,
                None,
                self.pairs,
                shots,
                self.rng,
            )
        return sample_expectations(
            lambda program, errors: self._run("probabilities", program, errors)[0],
            apply_rotation_error(self.program, self.noise),
            self.noise,
            self.pairs,
            shots,
            self.rng,
            n_shared=(self.n_trajectories or DEFAULT_TRAJECTORIES) if share else None,
            shared=self.shared,
        )

    def _run(self, quantity: str, program: Program, errors: PauliErrors | None) -> tuple[Tensor, ...]:
        """One call of the backend."""
        call = getattr(self.backend, quantity)
        result = call(*program, n_readout=len(self.pairs), errors=errors)
        return (result,) if isinstance(result, Tensor) else tuple(result)

    def _evolve_density(self, quantity: str, program: Program) -> tuple[Tensor, ...]:
        """Exact values under all channels, in pieces that fit into one call."""
        step = max(1, MAX_AMPLITUDES // 4**program.circuit.n_qubits)
        pieces: list[tuple[Tensor, ...]] = []
        for start in range(0, program.batch, step):
            rows = program.rows(np.arange(start, min(program.batch, start + step)))
            options: dict[str, Any] = {"noise": self.noise, "n_readout": len(self.pairs)}
            if quantity == "probabilities":
                pieces.append((self.backend.probabilities_density(*rows, **options),))
            else:
                moments = self.backend.moments_density(*rows, **options)
                pieces.append((moments.z,) if quantity == "expectations" else tuple(moments))
        return tuple(torch.cat(parts) for parts in zip(*pieces, strict=True))


def _use_density(
    backend: Backend, circuit: Circuit, noise: NoiseModel, n_trajectories: int | None, training: bool, shared: bool
) -> bool:
    """Whether averages come from the density matrix.

    Raises:
        BackendError: The backend can simulate this noise neither with trajectories nor with density matrices.
        ValueError: Trajectories are asked for where there are none.
    """
    limit = backend.capabilities.density_matrix
    if not noise.is_pauli:
        if n_trajectories is not None:
            raise ValueError(
                "Argument `n_trajectories` must be None with amplitude damping (`t1`), which the density matrix "
                f"simulates exactly, but got {n_trajectories}."
            )
        check_noise(backend, noise, circuit.n_qubits)
        return True
    if not is_random(circuit, noise):
        return False
    if not training and n_trajectories is None and not shared and circuit.n_qubits <= min(limit, EXACT_QUBITS):
        return True
    if not backend.capabilities.trajectories:
        raise BackendError(
            f"Backend {backend.name!r} does not simulate gate noise; backend='numba' and backend='torch' do."
        )
    return False


def _check_device_options(backend: Backend, sampler: str | None, n_trajectories: int | None, shared: bool) -> None:
    """Refuse settings of our own sampling for a backend that measures itself.

    Raises:
        BackendError: Naming the setting.
    """
    given = {
        "sampler": sampler if sampler != "multinomial" else None,
        "n_trajectories": n_trajectories,
        "shared_trajectories or share_trajectories_among_shots": shared or None,
    }
    for name, value in given.items():
        if value is not None:
            raise BackendError(
                f"Backend {backend.name!r} draws its shots and errors itself, so `{name}` has no effect there; "
                f"got {value!r}."
            )


def _check_types(noise: object, rng: object) -> None:
    if noise is not None and not isinstance(noise, NoiseModel):
        raise TypeError(f"Argument `noise` must be a NoiseModel or None, but got {noise!r}.")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"Argument `rng` must be a numpy random Generator, but got {rng!r}.")
