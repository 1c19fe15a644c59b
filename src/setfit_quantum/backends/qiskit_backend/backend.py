"""`QiskitBackend`: expectations from any primitives-V2 sampler or estimator, with gradients by evaluation alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.backends.base import Backend, BackendError, Capabilities, Moments, check_inputs
from setfit_quantum.backends.parameter_shift import Evaluate, evaluate_with_shifts
from setfit_quantum.backends.pricing import QpuEstimate, QpuRates, add_estimates
from setfit_quantum.backends.qiskit_backend.choice import build_engine
from setfit_quantum.backends.qiskit_backend.engines import AerEngine, PrimitivesEngine
from setfit_quantum.backends.qiskit_backend.programs import Rows
from setfit_quantum.backends.qiskit_backend.statistics import bits_to_moments, bits_to_probabilities, bits_to_z
from setfit_quantum.backends.spsa import evaluate_with_perturbations
from setfit_quantum.backends.torch_inputs import check_real, prepare_state
from setfit_quantum.checks import check_choice, check_float, check_int
from setfit_quantum.circuit import GATE_TYPES, Circuit
from setfit_quantum.noise import NoiseModel, rotate_constants

if TYPE_CHECKING:
    from setfit_quantum.noise import PauliErrors

GRADIENTS = ("parameter-shift", "spsa")
MAX_BITS = 2**28
"""Measured bits that are held at once; more rows are run in several jobs."""
MAX_ROWS = 2**14
"""Rows of one job without shots."""


class QiskitBackend(Backend):
    """Runs circuits through Qiskit's primitives: exact or with shots, on simulators and on devices.

    All rows of a batch are the bindings of one pub, so a batch is one job. A circuit is transpiled once for the
    primitive's backend and remembered. The head's encoders stay on the simulator.

    Args:
        sampler: `"aer"` or `"statevector"` (Qiskit's own simulator), or a primitives-V2 sampler. With neither sampler
            nor estimator: `"aer"`.
        estimator: A primitives-V2 estimator; expectations without shots need one (a simulator by name has its own).
        shots: Shots per circuit where the head has none; None: exact, or an estimator's own default precision.
        noise: Noise of Aer's simulation where the head has none. Devices have their own: there it is refused.
        gradients: `"parameter-shift"` (exact but for shots) or `"spsa"` (two circuits per direction).
        spsa_step: How far SPSA moves all angles, in radians.
        spsa_directions: Directions per sample that SPSA averages.
        transpile_for: Backend to transpile for, where the primitive does not tell.
        optimization_level: Of Qiskit's transpiler, 0 to 3.
        aer_options: Options of `AerSimulator`, such as `{"device": "GPU", "cuStateVec_enable": True}`, or for
            statevectors spread over MPI processes `{"blocking_enable": True, "blocking_qubits": 24}`; noise is given
            as `noise`.
        seed: Seed of direct calls that draw shots (a head draws its own seeds).

    Raises:
        ImportError: Qiskit or Aer is not installed; the message names the pip command.
        TypeError, ValueError: Naming the argument and what is allowed.
        BackendError: A combination that cannot be run.

    Example:
        >>> backend = QiskitBackend("aer", shots=1000, seed=0)
        >>> z = backend.expectations(Circuit(1), torch.empty(0))
        >>> z.tolist()
        [[1.0]]
    """

    name: ClassVar[str] = "qiskit"
    capabilities: ClassVar[Capabilities] = Capabilities(
        gates=frozenset(GATE_TYPES),
        dtypes=(torch.float32, torch.float64),
        devices=("cpu",),
        gradients="parameter-shift",
        hardware_shots=True,
    )

    def __init__(
        self,
        sampler: Any = None,
        estimator: Any = None,
        *,
        shots: int | None = None,
        noise: NoiseModel | None = None,
        gradients: str = "parameter-shift",
        spsa_step: float = 0.1,
        spsa_directions: int = 1,
        transpile_for: Any = None,
        optimization_level: int = 1,
        aer_options: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> None:
        self.shots = None if shots is None else check_int("shots", shots, minimum=1)
        if noise is not None and not isinstance(noise, NoiseModel):
            raise TypeError(f"Argument `noise` must be a NoiseModel or None, but got {noise!r}.")
        self.gradients = check_choice("gradients", gradients, GRADIENTS)
        self.spsa_step = check_float("spsa_step", spsa_step, minimum=1e-6)
        self.spsa_directions = check_int("spsa_directions", spsa_directions, minimum=1)
        level = check_int("optimization_level", optimization_level, minimum=0, maximum=3)
        self.seed = None if seed is None else check_int("seed", seed, minimum=0)
        self.engine = build_engine(sampler, estimator, level, aer_options, transpile_for)
        self.noise = _drop_noiseless(noise)
        if self.noise is not None and not isinstance(self.engine, AerEngine):
            raise BackendError(
                "Argument `noise` must be None unless Aer simulates: other primitives have the noise of their device."
            )

    @property
    def is_named(self) -> bool:
        """See `Backend.is_named`: not with a user's primitives, nor with shots or noise of its own."""
        return self.shots is None and self.noise is None and not isinstance(self.engine, PrimitivesEngine)

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
        """Expectation of Pauli Z, under this backend's own `shots` and `noise`, shape (batch, n_readout)."""
        run = _Run(self, circuit, weights, features, initial_state, n_readout, errors, self.shots, self.noise)
        return run.differentiate(run.evaluate_z)

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
        """Expectations of Z_i and of Z_i Z_j, under this backend's own `shots` and `noise`."""
        run = _Run(self, circuit, weights, features, initial_state, n_readout, errors, self.shots, self.noise)
        m = run.n_measured
        values = run.differentiate(run.evaluate_moments)
        return Moments(values[:, :m], values[:, m:].reshape(-1, m, m))

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
        """Outcome probabilities, under this backend's own `shots` and `noise`, shape (batch, 2**n_readout)."""
        run = _Run(self, circuit, weights, features, initial_state, n_readout, errors, self.shots, self.noise)
        return run.differentiate(run.evaluate_probabilities)

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
        """See `Backend.device_expectations`; `shots` and `noise` of the caller go before this backend's own.

        Raises:
            BackendError: `noise` for a device, or other noise than this backend was built with.
        """
        noise = _drop_noiseless(noise)
        if noise is not None and not isinstance(self.engine, AerEngine):
            raise BackendError(
                "Backend 'qiskit' runs on primitives that have the noise of their own device, and would add the "
                "head's to it: set the head's noise to None, or use QiskitBackend('aer')."
            )
        if noise is not None and self.noise is not None and _unnamed(noise) != _unnamed(self.noise):
            raise BackendError("Argument `noise` of the head differs from that of its QiskitBackend; give it once.")
        run = _Run(
            self, circuit, weights, features, None, n_readout, None, shots or self.shots, noise or self.noise, seed
        )
        return run.differentiate(run.evaluate_z)

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
        """See `Backend.dry_run`; the sampler must be able to tell, as `IonQSampler` is.

        Raises:
            BackendError: The sampler has no `dry_run`, or there are no shots.
        """
        if not callable(getattr(getattr(self.engine, "sampler", None), "dry_run", None)):
            raise BackendError(
                "Backend 'qiskit' knows prices of `IonQSampler` only; "
                "`setfit_quantum.head.estimate_circuits` counts circuits for any machine."
            )
        if shots is None and self.shots is None:
            raise BackendError("Argument `shots` must be given (to the head or to QiskitBackend) for a dry run.")
        run = _Run(self, circuit, weights, features, None, n_readout, None, shots or self.shots, None)
        return run.estimate_costs(rates)


class _Run:
    """One call: checked arguments, and the ways to evaluate rows."""

    def __init__(
        self,
        backend: QiskitBackend,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None,
        initial_state: Tensor | None,
        n_readout: int | None,
        errors: PauliErrors | None,
        shots: int | None,
        noise: NoiseModel | None,
        seed: int | None = None,
    ) -> None:
        _check_tensors(weights, features, initial_state)
        if errors is not None:
            raise BackendError(
                "Backend 'qiskit' does not insert Pauli errors (trajectories); its noise is that of the device or of "
                "Aer (`noise`)."
            )
        batch, self.n_measured = check_inputs(circuit, weights, features, initial_state, n_readout)
        self.backend, self.engine, self.shots, self.noise = backend, backend.engine, shots, noise
        self.initial: np.ndarray | None = None
        if initial_state is not None:
            self.engine.check_state(noise)
            if initial_state.requires_grad:
                raise BackendError("Backend 'qiskit' has no gradients by `initial_state`; backend='torch' has.")
            self.initial = prepare_state(circuit, weights, initial_state, batch).double().numpy()
        if noise is not None and noise.has_rotation_error:
            circuit = rotate_constants(circuit, noise)
            weights = weights * noise.rotation_scale + noise.rotation_offset
            if features is not None and noise.noisy_encoding:
                features = features * noise.rotation_scale + noise.rotation_offset
        if weights.ndim == 1 and features is None and initial_state is None:
            weights = weights[None]
        self.circuit, self.weights, self.features, self.batch = circuit, weights, features, batch
        self.rng = np.random.default_rng(backend.seed if seed is None else seed)

    def differentiate(self, values_of: Callable[[Circuit, Rows], np.ndarray]) -> Tensor:
        """Values of the batch, with gradients by further evaluations."""

        def evaluate(circuit: Circuit, weights: Tensor, features: Tensor | None) -> Tensor:
            rows = self._rows(weights, features)
            if not rows.size:
                raise ValueError("Arguments must have at least one sample, but the batch is empty.")
            return torch.from_numpy(self._in_jobs(values_of, circuit, rows)).to(self.weights.dtype)

        if self.backend.gradients == "spsa":
            return evaluate_with_perturbations(
                evaluate,
                self.circuit,
                self.weights,
                self.features,
                rng=self.rng,
                step=self.backend.spsa_step,
                n_directions=self.backend.spsa_directions,
            )
        checked: Evaluate = evaluate
        return evaluate_with_shifts(checked, self.circuit, self.weights, self.features)

    def evaluate_z(self, circuit: Circuit, rows: Rows) -> np.ndarray:
        """Expectations of Z, shape (rows, m)."""
        if self._uses_sampler:
            return bits_to_z(self._sample(circuit, rows))
        z = self.engine.estimate(circuit, self.n_measured, False, rows, self.noise, self._precision)
        if self.noise is None:
            return z
        up, down = self.noise.readout_pairs(circuit.n_qubits)[: self.n_measured].T
        return np.asarray((1 - up - down) * z + (down - up))

    def evaluate_moments(self, circuit: Circuit, rows: Rows) -> np.ndarray:
        """Z_i, then all Z_i Z_j row by row, shape (rows, m + m * m)."""
        m = self.n_measured
        if self._uses_sampler:
            return bits_to_moments(self._sample(circuit, rows))
        self._refuse_exact_readout("second moments")
        values = self.engine.estimate(circuit, m, True, rows, self.noise, self._precision)
        zz = np.tile(np.eye(m), (rows.size, 1, 1))
        first, second = np.triu_indices(m, 1)
        zz[:, first, second] = zz[:, second, first] = values[:, m:]
        return np.concatenate([values[:, :m], zz.reshape(rows.size, -1)], axis=1)

    def evaluate_probabilities(self, circuit: Circuit, rows: Rows) -> np.ndarray:
        """Outcome probabilities, shape (rows, 2**m)."""
        if self._uses_sampler:
            return bits_to_probabilities(self._sample(circuit, rows))
        self._refuse_exact_readout("outcome probabilities")
        return self.engine.probabilities(circuit, self.n_measured, rows, self.noise)

    @property
    def _uses_sampler(self) -> bool:
        only_estimates = isinstance(self.engine, PrimitivesEngine) and self.engine.sampler is None
        return self.shots is not None and not only_estimates

    @property
    def _precision(self) -> float | None:
        """Standard error that an estimator is asked for: that of an expectation near 0."""
        return None if self.shots is None else float(self.shots**-0.5)

    def _sample(self, circuit: Circuit, rows: Rows) -> np.ndarray:
        assert self.shots is not None
        seed = int(self.rng.integers(2**31 - 1))
        return self.engine.sample(circuit, self.n_measured, rows, self.shots, self.noise, seed)

    def estimate_costs(self, rates: QpuRates | None) -> QpuEstimate:
        """What evaluating the batch once would send."""
        assert isinstance(self.engine, PrimitivesEngine)
        assert self.shots is not None
        rows = self._rows(self.weights.detach(), None if self.features is None else self.features.detach())
        return add_estimates(
            self.engine.dry_run(self.circuit, self.n_measured, part, self.shots, rates) for part in self._split(rows)
        )

    def _in_jobs(self, values_of: Callable[[Circuit, Rows], np.ndarray], circuit: Circuit, rows: Rows) -> np.ndarray:
        parts = [values_of(circuit, part) for part in self._split(rows)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _split(self, rows: Rows) -> list[Rows]:
        """The rows of each job."""
        step = MAX_ROWS if self.shots is None else max(1, MAX_BITS // (self.shots * self.n_measured))
        return [rows.part(start, start + step) for start in range(0, rows.size, step)]

    def _rows(self, weights: Tensor, features: Tensor | None) -> Rows:
        """Angles of each row as arrays; gradients ask for several times as many rows as there are samples."""
        count = self.batch if weights.ndim == 1 else weights.shape[0]
        angles = weights.double().expand(count, -1).numpy()
        encoded = np.empty((count, 0)) if features is None else features.double().numpy()
        initial = self.initial
        if initial is not None and count != self.batch:
            initial = np.tile(initial, (count // self.batch, 1))
        return Rows(angles, encoded, initial)

    def _refuse_exact_readout(self, what: str) -> None:
        if self.noise is not None and self.noise.has_readout_error:
            raise BackendError(f"Backend 'qiskit' gives {what} under readout error only with shots (`shots=...`).")


def _unnamed(noise: NoiseModel) -> NoiseModel:
    """What acts, without what is only recorded."""
    return replace(noise, name=None, convention="pauli")


def _drop_noiseless(noise: NoiseModel | None) -> NoiseModel | None:
    return None if noise is None or noise.is_noiseless else noise


def _check_tensors(weights: Tensor, features: Tensor | None, initial_state: Tensor | None) -> None:
    for name, tensor in (("weights", weights), ("features", features), ("initial_state", initial_state)):
        if tensor is not None and tensor.device.type != "cpu":
            raise BackendError(f"Backend 'qiskit' takes tensors on the CPU, but `{name}` is on {tensor.device}.")
    if weights.dtype not in QiskitBackend.capabilities.dtypes:
        raise BackendError(f"Backend 'qiskit' takes float32 or float64, but `weights` has {weights.dtype}.")
    check_real(features, initial_state)
