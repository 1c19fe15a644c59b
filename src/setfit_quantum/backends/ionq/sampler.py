"""`IonQSampler`: qiskit-ionq's devices, which have no primitives of their own, as a primitives-V2 sampler."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from setfit_quantum.backends.ionq.journal import JobJournal
from setfit_quantum.backends.ionq.service import IonQServiceError, Service, import_ionq
from setfit_quantum.backends.pricing import GateCounts, QpuEstimate, QpuRates, add_estimates, estimate_qpu, split_shots
from setfit_quantum.checks import check_bool, check_float, check_int

try:
    from qiskit import QuantumCircuit
    from qiskit.primitives import BaseSamplerV2, BitArray, DataBin, PrimitiveResult, SamplerPubResult
    from qiskit.primitives.containers.sampler_pub import SamplerPub

    from setfit_quantum.backends.ionq.job import IonQSamplerJob
except ImportError as import_error:
    raise ImportError(f'IonQ needs Qiskit: pip install "setfit-quantum[ionq]" ({import_error})') from import_error

MIN_SHOTS_DEBIASED = 500


class IonQSampler(BaseSamplerV2):
    """Samples circuits on an IonQ machine or on IonQ's cloud simulator.

    More shots than a job may have are spread over several jobs. Jobs are all submitted by `run`, before the first is
    awaited by `result`. With a `journal`, a run that was killed and is started again asks for the same jobs by their
    ids: what was submitted is never submitted again, and finished jobs cost nothing.

    Args:
        device: A backend of qiskit-ionq, e.g. `IonQProvider().get_backend("qpu.forte-1")`.
        journal: File that remembers submitted jobs; one per run, which must make its requests in the same order when
            it is started again. None: a killed run is lost.
        default_shots: Shots where none are given.
        debiasing: The machine's error mitigation; needs 500 shots. Simulators have none.
        sharpen: Whether debiased jobs give their sharpened (majority vote) results; None: as the service has it.
        max_circuits: Circuits per job.
        timeout: Seconds after which waiting for a job ends with an error; None: never.
        poll_seconds: First pause between two looks at a job.
        retries: How often a request that failed for a passing reason is repeated.
        retry_seconds: First pause before that; it doubles each time. After an unclear answer to a submission the
            service has that long to list the job, before it is looked for and, if it is not there, sent again.
        seed: Seed of the shots that are drawn here from the ideal simulator's probabilities.

    Raises:
        ImportError: qiskit-ionq is not installed; the message names the pip command.
        TypeError, ValueError: Naming the argument.
    """

    def __init__(
        self,
        device: Any,
        *,
        journal: str | Path | None = None,
        default_shots: int = 1000,
        debiasing: bool = False,
        sharpen: bool | None = None,
        max_circuits: int = 100,
        timeout: float | None = None,
        poll_seconds: float = 5.0,
        retries: int = 5,
        retry_seconds: float = 5.0,
        seed: int | None = None,
    ) -> None:
        if not isinstance(device, import_ionq("qiskit_ionq.ionq_backend").IonQBackend):
            raise TypeError(f"Argument `device` must be a backend of qiskit-ionq, but got {device!r}.")
        self.backend = device
        self.default_shots = check_int("default_shots", default_shots, minimum=1)
        self.debiasing = check_bool("debiasing", debiasing)
        self.sharpen = None if sharpen is None else check_bool("sharpen", sharpen)
        if self.debiasing and self._is_simulator:
            raise ValueError("Argument `debiasing` must be False on IonQ's simulators, which have no error mitigation.")
        if self.sharpen is not None and not self.debiasing:
            raise ValueError(f"Argument `sharpen` must be None without debiasing, but got {sharpen!r}.")
        self.max_circuits = check_int("max_circuits", max_circuits, minimum=1)
        self.journal = JobJournal(journal)
        self._service = Service(
            device,
            self.journal,
            timeout=None if timeout is None else check_float("timeout", timeout, minimum=0.0),
            poll_seconds=check_float("poll_seconds", poll_seconds, minimum=0.001),
            retries=check_int("retries", retries, minimum=0),
            retry_seconds=check_float("retry_seconds", retry_seconds, minimum=0.0),
        )
        self._rng = np.random.default_rng(seed)

    def run(self, pubs: Iterable[Any], *, shots: int | None = None) -> IonQSamplerJob:
        """Submit pubs; see `qiskit.primitives.BaseSamplerV2`. The job's `result` waits for them.

        Raises:
            IonQServiceError: The service refuses a job, or cannot be reached.
            ValueError: Fewer shots than debiasing needs, or a journal of another run; nothing is submitted.
        """
        coerced = self._coerce(pubs, shots)
        pending = [self._submit_pub(pub) for pub in coerced]
        job_ids = [job_id for parts in pending for jobs in parts for _, job_id, _ in jobs]

        def collect() -> PrimitiveResult[Any]:
            results = [self._collect_pub(pub, parts) for pub, parts in zip(coerced, pending, strict=True)]
            return PrimitiveResult(results, metadata={"version": 2})

        return IonQSamplerJob(self._service, job_ids, collect)

    def dry_run(self, pubs: Iterable[Any], *, shots: int | None = None, rates: QpuRates | None = None) -> QpuEstimate:
        """What `run` would take on a machine, without sending anything.

        Jobs that the journal already has are counted too. IonQ's cloud simulators cost nothing.
        """
        estimates = []
        for pub in self._coerce(pubs, shots):
            n_circuits = int(np.prod(pub.shape, dtype=int))
            counts = [count_gates(pub.circuit)] * n_circuits
            for part in self.split_shots(pub.shots):
                jobs = -(-n_circuits // self.max_circuits)
                estimates.append(estimate_qpu(counts, part, jobs=jobs, debiasing=self.debiasing, rates=rates))
        return add_estimates(estimates)

    def _coerce(self, pubs: Iterable[Any], shots: int | None) -> list[SamplerPub]:
        """The pubs, with the shots of each checked before anything is sent."""
        coerced = [SamplerPub.coerce(pub, self.default_shots if shots is None else shots) for pub in pubs]
        for pub in coerced:
            self.split_shots(pub.shots)
        return coerced

    def split_shots(self, shots: int) -> list[int]:
        """Shots of each of the jobs that together have `shots`.

        Raises:
            ValueError: Fewer than debiasing needs.
        """
        if self.debiasing and shots < MIN_SHOTS_DEBIASED:
            raise ValueError(
                f"Argument `shots` must be at least {MIN_SHOTS_DEBIASED} with debiasing=True, but got {shots}."
            )
        return [shots] if self._is_ideal else split_shots(shots)

    @property
    def _is_simulator(self) -> bool:
        return bool(self.backend.name.startswith("ionq_simulator"))

    @property
    def _is_ideal(self) -> bool:
        """Whether the device returns exact probabilities."""
        return self._is_simulator and self.backend.options.noise_model == "ideal"

    def _submit_pub(self, pub: SamplerPub) -> list[list[tuple[str, str, int]]]:
        """For each part of the shots, each job's key, id and number of circuits."""
        bound = pub.parameter_values.bind_all(pub.circuit)
        circuits = list(bound.ravel())
        pending = []
        for shots in self.split_shots(pub.shots):
            jobs = []
            for start in range(0, len(circuits), self.max_circuits):
                group = circuits[start : start + self.max_circuits]
                options = self._options(shots)
                key = self.journal.next_key(self._digest(group, options))
                jobs.append((key, self._service.submit_once(key, group, options), len(group)))
            pending.append(jobs)
        return pending

    def _options(self, shots: int) -> dict[str, Any]:
        options: dict[str, Any] = {"shots": shots}
        if not self._is_simulator:
            mitigation = import_ionq("qiskit_ionq.constants").ErrorMitigation
            options["error_mitigation"] = mitigation.DEBIASING if self.debiasing else mitigation.NO_DEBIASING
        return options

    def _digest(self, circuits: list[QuantumCircuit], options: dict[str, Any]) -> str:
        """Fingerprint of all that decides a job's result."""
        convert = import_ionq("qiskit_ionq.helpers").qiskit_circ_to_ionq_circ
        names = ("noise_model", "sampler_seed", "job_settings", "extra_query_params")
        content = {
            "device": self.backend.name,
            "gateset": self.backend.gateset(),
            "settings": {name: getattr(self.backend.options, name, None) for name in names},
            "options": {name: str(value) for name, value in options.items()},
            "circuits": [convert(circuit, self.backend.gateset())[::2] for circuit in circuits],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:40]

    def _collect_pub(self, pub: SamplerPub, pending: list[list[tuple[str, str, int]]]) -> SamplerPubResult:
        parts = []
        for shots, jobs in zip(self.split_shots(pub.shots), pending, strict=True):
            outcomes: list[np.ndarray] = []
            for key, job_id, n_circuits in jobs:
                finished = self._service.wait(key, job_id)
                for probabilities in self._service.fetch(finished, n_circuits, self.sharpen):
                    outcomes.append(self._draw(probabilities, shots))
            parts.append(np.stack(outcomes))
        numbers = np.concatenate(parts, axis=1)  # (circuits, shots)
        data = {}
        for register in pub.circuit.cregs:
            wires = _measured_wires(pub.circuit, register)
            # An outcome's bit q is qubit q; wires that are not measured into the register read 0.
            bits = np.stack([(numbers >> wire) & 1 if wire is not None else 0 * numbers for wire in wires], axis=-1)
            array = bits.astype(bool).reshape(*pub.shape, pub.shots, len(wires))
            data[register.name] = BitArray.from_bool_array(array, order="little")
        return SamplerPubResult(DataBin(**data, shape=pub.shape), metadata={"shots": pub.shots})

    def _draw(self, probabilities: dict[str, float], shots: int) -> np.ndarray:
        """Outcome of each shot: drawn where probabilities are exact, else as many as were counted."""
        outcomes = np.array([int(outcome) for outcome in probabilities], dtype=np.int64)
        shares = np.maximum(np.array(list(probabilities.values()), dtype=float), 0)
        if not 0 < shares.sum() < np.inf:
            raise IonQServiceError(f"{self.backend.name} returned probabilities that are none: {probabilities}.")
        shares /= shares.sum()
        if self._is_ideal:
            counts = self._rng.multinomial(shots, shares)
        else:
            # Mitigated probabilities are no multiples of 1/shots: largest remainders make whole shots of them.
            counts = np.floor(shares * shots + 1e-9).astype(np.int64)
            missing = shots - int(counts.sum())
            counts[np.argsort(counts - shares * shots, kind="stable")[:missing]] += 1
        return np.repeat(outcomes, counts)


def count_gates(circuit: QuantumCircuit) -> GateCounts:
    """One- and two-qubit gates of a circuit, measurements and barriers not counted.

    Raises:
        ValueError: A gate on more than two qubits.
    """
    counts = [0, 0]
    for item in circuit.data:
        if item.operation.name in ("measure", "barrier", "reset", "delay"):
            continue
        if len(item.qubits) > 2:
            raise ValueError(
                f"Argument `circuit` must have gates on one or two qubits, but {item.operation.name!r} acts on "
                f"{len(item.qubits)}; transpile it first."
            )
        counts[len(item.qubits) - 1] += 1
    return GateCounts(*counts)


def _measured_wires(circuit: QuantumCircuit, register: Any) -> list[int | None]:
    """For each bit of the register, the qubit measured into it."""
    places = {bit: number for number, bit in enumerate(circuit.qubits)}
    wires: dict[Any, int] = {}
    for item in circuit.data:
        if item.operation.name == "measure":
            wires[item.clbits[0]] = places[item.qubits[0]]
    return [wires.get(bit) for bit in register]
