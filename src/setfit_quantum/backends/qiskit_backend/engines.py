"""Where circuits run: Aer, Qiskit's own statevectors, or primitives that the user brings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from setfit_quantum.backends.base import BackendError
from setfit_quantum.backends.pricing import QpuEstimate, QpuRates
from setfit_quantum.backends.qiskit_backend.aer_noise import build_noisy_circuit, to_aer_noise_model
from setfit_quantum.backends.qiskit_backend.imports import import_qiskit
from setfit_quantum.backends.qiskit_backend.programs import (
    REGISTER,
    Cache,
    Rows,
    add_measurements,
    build_observables,
    find_target,
    make_pubs,
    transpile,
)
from setfit_quantum.circuit import Circuit
from setfit_quantum.noise import NoiseModel


class Engine(ABC):
    """Runs rows of a circuit through primitives; counts jobs and circuits."""

    def __init__(self, optimization_level: int) -> None:
        self.optimization_level = optimization_level
        self.jobs = 0
        self.circuits = 0
        self._cache = Cache()

    @abstractmethod
    def make_sampler(self, circuit: Circuit, noise: NoiseModel | None, seed: int | None) -> tuple[Any, Any]:
        """A sampler and the backend to transpile for."""

    @abstractmethod
    def make_estimator(self, circuit: Circuit, noise: NoiseModel | None) -> tuple[Any, Any]:
        """An estimator and the backend to transpile for."""

    def probabilities(self, circuit: Circuit, n_measured: int, rows: Rows, noise: NoiseModel | None) -> np.ndarray:
        """Exact outcome probabilities, shape (rows, 2**n_measured)."""
        raise BackendError(
            "Backend 'qiskit' gives outcome probabilities of these primitives only with shots; "
            "QiskitBackend('aer') gives exact ones."
        )

    def check_state(self, noise: NoiseModel | None) -> None:
        """Refuse initial states where they cannot be set."""
        raise BackendError(
            "Backend 'qiskit' sets an initial state only in Aer's noiseless statevectors; "
            "encoders run on the simulator instead."
        )

    def prepare(self, circuit: Circuit, n_measured: int, target: Any, noise: NoiseModel | None) -> Any:
        """The circuit that is sent, made once."""
        return self._cache.get(
            (circuit, n_measured, noise),
            lambda: transpile(circuit, n_measured, target, self.optimization_level),
        )

    def sample(
        self, circuit: Circuit, n_measured: int, rows: Rows, shots: int, noise: NoiseModel | None, seed: int | None
    ) -> np.ndarray:
        """Measured bits, bool of shape (rows, shots, n_measured); some samplers round `shots` up."""
        sampler, target = self.make_sampler(circuit, noise, seed)
        pubs = make_pubs(self.prepare(circuit, n_measured, target, noise), rows)
        measured = [getattr(result.data, REGISTER) for result in self._run(sampler, pubs, rows, shots=shots)]
        packed = np.concatenate([bits.array.reshape(-1, bits.num_shots, bits.array.shape[-1]) for bits in measured])
        # The last byte's last bit is bit 0 of the register.
        return np.unpackbits(packed, axis=-1)[..., ::-1][..., :n_measured].astype(bool)

    def estimate(
        self,
        circuit: Circuit,
        n_measured: int,
        pairs: bool,
        rows: Rows,
        noise: NoiseModel | None,
        precision: float | None,
    ) -> np.ndarray:
        """Expectations of Z_i and, with `pairs`, of Z_i Z_j (i < j), shape (rows, observables).

        `precision` is the standard error to ask for; None leaves it to the estimator, and simulators are exact.
        """
        estimator, target = self.make_estimator(circuit, noise)
        prepared = self.prepare(circuit, 0, target, noise)
        observables = build_observables(circuit.n_qubits, n_measured, pairs, prepared.layout)
        pubs = make_pubs(prepared, rows, observables)
        results = self._run(estimator, pubs, rows, precision=precision)
        # (observables, rows) for one pub of all rows, (observables, 1) for a pub of one row
        return np.concatenate([np.asarray(result.data.evs) for result in results], axis=1).T

    def _run(self, primitive: Any, pubs: list[tuple[Any, ...]], rows: Rows, **options: Any) -> list[Any]:
        self.jobs += 1
        self.circuits += rows.size
        return list(primitive.run(pubs, **options).result())


class AerEngine(Engine):
    """Aer's primitives on a simulator with our noise."""

    def __init__(self, optimization_level: int, aer_options: Mapping[str, Any] | None) -> None:
        super().__init__(optimization_level)
        self.aer_options = dict(aer_options or {})
        self._simulators = Cache()
        import_qiskit("qiskit_aer")

    def make_sampler(self, circuit: Circuit, noise: NoiseModel | None, seed: int | None) -> tuple[Any, Any]:
        """See `Engine.make_sampler`."""
        primitives = import_qiskit("qiskit_aer.primitives")
        simulator = self._simulator(circuit, noise, exact=False)
        return primitives.SamplerV2.from_backend(simulator, seed=seed), simulator

    def make_estimator(self, circuit: Circuit, noise: NoiseModel | None) -> tuple[Any, Any]:
        """See `Engine.make_estimator`."""
        primitives = import_qiskit("qiskit_aer.primitives")
        simulator = self._simulator(circuit, noise, exact=True)
        return primitives.EstimatorV2.from_backend(simulator), simulator

    def probabilities(self, circuit: Circuit, n_measured: int, rows: Rows, noise: NoiseModel | None) -> np.ndarray:
        """See `Engine.probabilities`."""
        simulator = self._simulator(circuit, noise, exact=True)
        pubs = make_pubs(self.prepare(circuit, 0, simulator, noise), rows)
        circuits, binds = [], []
        for target, *values in pubs:
            saving = target.copy()
            # The first qubit named is the least significant bit of the result.
            saving.save_probabilities(range(n_measured - 1, -1, -1))
            circuits.append(saving)
            table = np.atleast_2d(values[0]) if values else np.empty((1, 0))
            binds.append({parameter: table[:, place] for place, parameter in enumerate(saving.parameters)})
        self.jobs += 1
        self.circuits += rows.size
        result = simulator.run(circuits, parameter_binds=binds).result()
        return np.stack([result.data(row)["probabilities"] for row in range(rows.size)])

    def check_state(self, noise: NoiseModel | None) -> None:
        """See `Engine.check_state`."""
        if noise is not None or self.aer_options.get("method", "statevector") != "statevector":
            super().check_state(noise)

    def prepare(self, circuit: Circuit, n_measured: int, target: Any, noise: NoiseModel | None) -> Any:
        """See `Engine.prepare`."""
        if noise is None:
            return super().prepare(circuit, n_measured, target, None)

        def build() -> Any:
            # Transpiling would put other gates, with other errors, in the place of the noisy ones.
            noisy = build_noisy_circuit(noise, circuit)
            return add_measurements(noisy, n_measured) if n_measured else noisy

        return self._cache.get((circuit, n_measured, noise), build)

    def _simulator(self, circuit: Circuit, noise: NoiseModel | None, exact: bool) -> Any:
        aer = import_qiskit("qiskit_aer")
        method = self.aer_options.get("method", "automatic")
        if exact and noise is not None and method not in ("automatic", "density_matrix"):
            raise BackendError(
                f"Backend 'qiskit' gives exact values under noise by Aer's method 'density_matrix' only, but "
                f"`aer_options` ask for {method!r}: set `shots`, or leave the method out."
            )

        def build() -> Any:
            options = dict(self.aer_options)
            if noise is not None:
                options["noise_model"] = to_aer_noise_model(noise, circuit)
                if exact:  # other methods would average trajectories, and "automatic" does so for large circuits
                    options["method"] = "density_matrix"
            else:
                options.setdefault("method", "statevector")
            return aer.AerSimulator(**options)

        return self._simulators.get((circuit if noise is not None else None, noise, exact), build)


class StatevectorEngine(Engine):
    """Qiskit's own `StatevectorSampler` and `StatevectorEstimator`."""

    def make_sampler(self, circuit: Circuit, noise: NoiseModel | None, seed: int | None) -> tuple[Any, Any]:
        """See `Engine.make_sampler`."""
        _refuse_noise(noise)
        # Given a number, Qiskit would start anew from it for every row of a batch, whose shots would then be the same.
        generator = None if seed is None else np.random.default_rng(seed)
        return import_qiskit("qiskit.primitives").StatevectorSampler(seed=generator), None

    def make_estimator(self, circuit: Circuit, noise: NoiseModel | None) -> tuple[Any, Any]:
        """See `Engine.make_estimator`."""
        _refuse_noise(noise)
        return import_qiskit("qiskit.primitives").StatevectorEstimator(), None


class PrimitivesEngine(Engine):
    """A sampler, an estimator, or both, of any vendor."""

    def __init__(self, optimization_level: int, sampler: Any, estimator: Any, target: Any) -> None:
        super().__init__(optimization_level)
        self.sampler, self.estimator, self.target = sampler, estimator, target

    def make_sampler(self, circuit: Circuit, noise: NoiseModel | None, seed: int | None) -> tuple[Any, Any]:
        """See `Engine.make_sampler`."""
        _refuse_noise(noise)
        if self.sampler is None:
            raise BackendError("Backend 'qiskit' was given no sampler, which this measurement needs: `sampler=...`.")
        return self.sampler, self.target or find_target(self.sampler)

    def make_estimator(self, circuit: Circuit, noise: NoiseModel | None) -> tuple[Any, Any]:
        """See `Engine.make_estimator`."""
        _refuse_noise(noise)
        if self.estimator is None:
            raise BackendError(
                "Backend 'qiskit' was given a sampler only, so it cannot give exact expectations: set `shots` (of the "
                "head or of QiskitBackend), or give an `estimator`."
            )
        return self.estimator, self.target or find_target(self.estimator)

    def dry_run(self, circuit: Circuit, n_measured: int, rows: Rows, shots: int, rates: QpuRates | None) -> QpuEstimate:
        """What `sample` of the same arguments would send, by the sampler's own `dry_run`."""
        sampler, target = self.make_sampler(circuit, None, None)
        pubs = make_pubs(self.prepare(circuit, n_measured, target, None), rows)
        estimate: QpuEstimate = sampler.dry_run(pubs, shots=shots, rates=rates)
        return estimate


def _refuse_noise(noise: NoiseModel | None) -> None:
    if noise is not None:
        raise BackendError(
            "Backend 'qiskit' adds a noise model only to Aer's simulation; these primitives have the noise of their "
            "own device. Set noise=None, or use QiskitBackend('aer')."
        )
