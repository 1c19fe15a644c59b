"""How many circuits and shots a run would take, told before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from setfit_quantum.backends.parameter_shift import count_shifts
from setfit_quantum.backends.pricing import QpuEstimate, QpuRates, add_estimates, estimate_qpu, split_shots
from setfit_quantum.checks import check_choice, check_int

if TYPE_CHECKING:
    from setfit_quantum.head.head import SetFitQuantumHead

GRADIENTS = ("parameter-shift", "spsa")


@dataclass(frozen=True)
class ExecutionEstimate:
    """Executions of the second module's circuit.

    Args:
        forward: Circuits that evaluate samples.
        gradient: Circuits that gradients take on top of that.
        shots_per_circuit: Shots of each, or None for exact values.
        one_qubit_gates: One-qubit gates of a circuit.
        two_qubit_gates: Two-qubit gates of a circuit.
    """

    forward: int
    gradient: int
    shots_per_circuit: int | None
    one_qubit_gates: int
    two_qubit_gates: int

    @property
    def circuits(self) -> int:
        """All circuits."""
        return self.forward + self.gradient

    @property
    def shots(self) -> int | None:
        """All shots."""
        return None if self.shots_per_circuit is None else self.circuits * self.shots_per_circuit

    def price(
        self, rates: QpuRates | None = None, *, debiasing: bool = False, circuits_per_job: int = 100
    ) -> QpuEstimate:
        """Time on a trapped-ion machine and its price.

        A circuit of more shots than a machine takes at once counts as several.

        Raises:
            ValueError: Without shots nothing can run on a machine.
        """
        if self.shots_per_circuit is None:
            raise ValueError("Argument `shots` must be given, to the head or to this estimate, for a price.")
        jobs = -(-self.circuits // check_int("circuits_per_job", circuits_per_job, minimum=1))
        return add_estimates(
            estimate_qpu(
                [(self.one_qubit_gates, self.two_qubit_gates)],
                shots,
                copies=self.circuits,
                jobs=jobs,
                debiasing=debiasing,
                rates=rates,
            )
            for shots in split_shots(self.shots_per_circuit)
        )

    def __str__(self) -> str:
        shots = "exact" if self.shots is None else f"{self.shots:,} shots"
        return f"{self.circuits:,} circuits ({self.forward:,} forward, {self.gradient:,} for gradients), {shots}"


def estimate_circuits(
    head: SetFitQuantumHead,
    n_samples: int,
    n_steps: int = 0,
    *,
    gradients: str | None = None,
    directions: int | None = None,
    shots: int | None = None,
) -> ExecutionEstimate:
    """Circuits and shots of inference or training on a device, before it starts.

    Training with `final_layer="lda"`, which a device does not do by itself, measures each sample once more at the end.

    Args:
        head: The head; what of it is frozen needs no gradients.
        n_samples: Samples of inference or, with `n_steps`, of each training step.
        n_steps: Training steps; 0: inference.
        gradients: `"parameter-shift"` or `"spsa"`; None: as the head's backend has it, else `"parameter-shift"`.
        directions: Directions of SPSA per sample; None: as the head's backend has it, else 1.
        shots: Shots per circuit; None: those of the head or of its backend.

    Raises:
        TypeError, ValueError: Naming the argument; a classical classifier runs no circuits.

    Example:
        >>> from setfit_quantum.head import QuantumHead
        >>> print(estimate_circuits(QuantumHead(384, n_qubits=4, seed=0), n_samples=16, n_steps=10))
        19,360 circuits (160 forward, 19,200 for gradients), exact
    """
    _check_quantum(head)
    check_int("n_samples", n_samples, minimum=1)
    check_int("n_steps", n_steps, minimum=0)
    backend = head.backend
    if gradients is None:
        gradients = getattr(backend, "gradients", GRADIENTS[0])
    check_choice("gradients", gradients, GRADIENTS)
    directions = getattr(backend, "spsa_directions", 1) if directions is None else directions
    check_int("directions", directions, minimum=1)
    if shots is None:
        shots = head.shots or getattr(backend, "shots", None)
    else:
        check_int("shots", shots, minimum=1)
    by_weight = head.circuit_weights.requires_grad
    by_feature = any(parameter.requires_grad for parameter in head.encoder.parameters())
    per_sample = 0
    if by_weight or by_feature:
        per_sample = 2 * directions
        if gradients == "parameter-shift":
            per_sample = count_shifts(head.circuit, weights=by_weight, features=by_feature)
    two = sum(len(gate.wires) == 2 for gate in head.circuit.gates)
    return ExecutionEstimate(
        forward=n_samples * max(1, n_steps),
        gradient=n_samples * n_steps * per_sample,
        shots_per_circuit=shots,
        one_qubit_gates=len(head.circuit.gates) - two,
        two_qubit_gates=two,
    )


def dry_run(head: SetFitQuantumHead, embeddings: Tensor, *, rates: QpuRates | None = None) -> QpuEstimate:
    """What predicting `embeddings` would send to the machine of the head's backend, and cost; nothing is sent.

    Counts the very circuits, as transpiled for the machine, with its limits on shots and circuits per job.

    Args:
        head: Its backend is a `QiskitBackend` on an `IonQSampler`; its shots, or the backend's, are counted.
        embeddings: Shape (batch, in_features).
        rates: Prices and times; None: published ones.

    Raises:
        BackendError: The backend sends nothing to a machine, or nobody tells what it costs.
        ValueError: A classical classifier runs no circuits.
    """
    _check_quantum(head)
    with torch.no_grad():
        latents = head.latents(embeddings)
        return head.backend.dry_run(
            head.circuit,
            head.circuit_weights,
            latents,
            n_readout=head.config.n_measured,
            shots=head.shots,
            rates=rates,
        )


def _check_quantum(head: SetFitQuantumHead) -> None:
    if head.config.classifier != "quantum":
        raise ValueError(
            f"Argument `head` must have a quantum classifier, but has classifier={head.config.classifier!r}, which "
            "runs no circuits on a machine; its encoders are simulated."
        )
