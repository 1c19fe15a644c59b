"""What a backend is: it takes a circuit, angles, an initial state and errors, and returns expectations.

Every backend gets the same arguments and returns the same numbers. What it cannot do it declares in its
`Capabilities` and refuses by name; nothing falls back silently.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setfit_quantum.backends.pricing import QpuEstimate, QpuRates
    from setfit_quantum.circuit import Circuit
    from setfit_quantum.noise import NoiseModel, PauliErrors


class BackendError(ValueError):
    """A backend was asked for something that it does not support."""


@dataclass(frozen=True)
class Capabilities:
    """What a backend supports; the README's table is made from these.

    Args:
        gates: Names of the gates that it runs.
        dtypes: Floating-point precisions it computes in.
        devices: Device types it runs on.
        gradients: `"autograd"`, `"adjoint"`, `"parameter-shift"` or None.
        higher_order: Whether gradients can be differentiated again.
        trajectories: Whether it accepts `PauliErrors`.
        density_matrix: Whether `moments_density` exists, and up to how many qubits (0: no).
        probabilities: Whether outcome probabilities are available.
        hardware_shots: Whether shots are drawn by the backend itself (a device or its simulator).
        experimental: Whether it is yet to run on the hardware that it is for.
    """

    gates: frozenset[str]
    dtypes: tuple[torch.dtype, ...]
    devices: tuple[str, ...]
    gradients: str | None
    higher_order: bool = False
    trajectories: bool = False
    density_matrix: int = 0
    probabilities: bool = True
    hardware_shots: bool = False
    experimental: bool = False


class Moments(NamedTuple):
    """First and second moments of the measured Pauli Z's.

    `z` has shape (batch, n_readout); `zz` has shape (batch, n_readout, n_readout), holds <Z_i Z_j> and has ones
    on its diagonal.
    """

    z: Tensor
    zz: Tensor


class Backend(ABC):
    """Runs circuits. Stateless as seen from outside, so one instance may serve many threads.

    Shapes, in every method: `weights` is (num_parameters,) or, one row per sample, (batch, num_parameters);
    `features` is (batch, n_features) or None; `initial_state` is (batch, D) real amplitudes with D <= 2**n_qubits
    (missing amplitudes are 0; None is |0..0>), not normalised here. The batch size comes from whichever has one
    (1 if none has). Results have the dtype and device of `weights`.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    @property
    def is_named(self) -> bool:
        """Whether its name alone stands for it, so that a saved head may be loaded on another instance."""
        return True

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self  # copied heads share it, and with it a device's session or journal

    @abstractmethod
    def expectations(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        n_readout: int | None = None,
        errors: PauliErrors | None = None,
    ) -> Tensor:
        """Expectation of Pauli Z on the first `n_readout` qubits (all by default), shape (batch, n_readout)."""

    def moments(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        n_readout: int | None = None,
        errors: PauliErrors | None = None,
    ) -> Moments:
        """Expectations of Z_i and of Z_i Z_j on the first `n_readout` qubits."""
        raise BackendError(f"Backend {self.name!r} does not give second moments (sampler='gaussian').")

    def probabilities(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        n_readout: int | None = None,
        errors: PauliErrors | None = None,
    ) -> Tensor:
        """Outcome probabilities of measuring the first `n_readout` qubits, shape (batch, 2**n_readout)."""
        raise BackendError(f"Backend {self.name!r} does not give outcome probabilities.")

    def moments_density(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        noise: NoiseModel,
        n_readout: int | None = None,
    ) -> Moments:
        """Exact moments under `noise`, by evolving the density matrix (readout error not included)."""
        raise BackendError(f"Backend {self.name!r} does not evolve density matrices; backend='torch' does.")

    def probabilities_density(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        noise: NoiseModel,
        n_readout: int | None = None,
    ) -> Tensor:
        """Exact outcome probabilities under `noise`, by evolving the density matrix (readout error not included)."""
        raise BackendError(f"Backend {self.name!r} does not evolve density matrices; backend='torch' does.")

    def behind_encoders(
        self, encoder: Circuit, weights: Tensor, scale: Tensor, shares: Sequence[int]
    ) -> Backend | None:
        """A backend that takes initial amplitudes for features and runs encoders on them first, all in one call.

        It is for training: one set of angles for all samples, gradients of everything but the amplitudes.

        Args:
            encoder: Circuit of every encoder, without features.
            weights: Angles in radians, shape (n_encoders, num_parameters).
            scale: What each encoder's expectations are multiplied by, shape (n_encoders,).
            shares: How many expectations each encoder hands on; together the circuit's features.

        Returns:
            The backend, or None where encoders and circuit are called one after the other.
        """
        return None

    def device_expectations(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        *,
        n_readout: int | None = None,
        shots: int | None = None,
        noise: NoiseModel | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """Expectations as a backend with `hardware_shots` measures them itself, shape (batch, n_readout).

        Args:
            circuit: The circuit.
            weights: Angles in radians, shape (num_parameters,) or (batch, num_parameters).
            features: Angles in radians, shape (batch, n_features), or None.
            n_readout: Number of measured qubits; None: all.
            shots: Shots per sample; None: exact, or the backend's own setting.
            noise: All noise that is to act, readout error included, where the backend simulates; a device refuses it.
            seed: Seed of the shots, where the backend can be seeded.

        Raises:
            BackendError: The backend draws no shots itself, or cannot do what is asked.
        """
        raise BackendError(f"Backend {self.name!r} draws no shots itself.")

    def dry_run(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        *,
        n_readout: int | None = None,
        shots: int | None = None,
        rates: QpuRates | None = None,
    ) -> QpuEstimate:
        """What `device_expectations` of the same arguments would send to a machine and cost; nothing is sent.

        Args:
            circuit: The circuit.
            weights: Angles in radians, shape (num_parameters,) or (batch, num_parameters).
            features: Angles in radians, shape (batch, n_features), or None.
            n_readout: Number of measured qubits; None: all.
            shots: Shots per sample; None: the backend's own setting.
            rates: Prices and times; None: published ones.

        Raises:
            BackendError: Nothing is sent to a machine, or nobody tells what it costs.
        """
        raise BackendError(f"Backend {self.name!r} sends nothing to a machine, so there is nothing to estimate.")

    @classmethod
    def check_circuit(cls, circuit: Circuit) -> None:
        """Refuse gates that this backend does not have.

        Raises:
            BackendError: Naming the gates and a backend that runs them.
        """
        missing = sorted(circuit.gate_names - cls.capabilities.gates)
        if missing:
            raise BackendError(
                f"Backend {cls.name!r} does not run the gates {', '.join(missing)}; backend='torch' does."
            )


def check_inputs(
    circuit: Circuit,
    weights: Tensor,
    features: Tensor | None,
    initial_state: Tensor | None,
    n_readout: int | None,
) -> tuple[int, int]:
    """Check shapes and return (batch size, number of measured qubits).

    Raises:
        ValueError: Naming the argument and the shape that the circuit needs.
    """
    if weights.ndim not in (1, 2) or weights.shape[-1] != circuit.num_parameters:
        raise ValueError(
            f"Argument `weights` must have {circuit.num_parameters} angles in its last axis, "
            f"but got shape {tuple(weights.shape)}."
        )
    if features is None and circuit.n_features:
        raise ValueError(f"Argument `features` must be given: the circuit encodes {circuit.n_features} features.")
    if features is not None and (features.ndim != 2 or features.shape[1] < circuit.n_features):
        raise ValueError(
            f"Argument `features` must have shape (batch, {circuit.n_features}), but got {tuple(features.shape)}."
        )
    if initial_state is not None and (initial_state.ndim != 2 or initial_state.shape[1] > 2**circuit.n_qubits):
        raise ValueError(
            f"Argument `initial_state` must have shape (batch, at most {2**circuit.n_qubits}), "
            f"but got {tuple(initial_state.shape)}."
        )
    sizes = {tensor.shape[0] for tensor in (features, initial_state) if tensor is not None}
    if weights.ndim == 2:
        sizes.add(weights.shape[0])
    if len(sizes) > 1:
        raise ValueError(f"Arguments of different batch sizes: {sorted(sizes)}.")
    n_measured = circuit.n_qubits if n_readout is None else n_readout
    if not 1 <= n_measured <= circuit.n_qubits:
        raise ValueError(f"Argument `n_readout` must be between 1 and {circuit.n_qubits}, but got {n_readout}.")
    return (sizes.pop() if sizes else 1), n_measured
