"""What one sentence's way through a head looks like, stage by stage, and what re-measuring it gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.demo.engine import DemoModel
from setfit_quantum.demo.limits import RequestError
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.measurement.readout import misread_probabilities
from setfit_quantum.measurement.trajectories import Program, average_trajectories
from setfit_quantum.noise import NoiseModel, PauliErrors

REPEATS = 200
"""How often a sentence is measured again."""
LISTED_REPEATS = 50
"""The same for each of several sentences."""
DEVICES = {
    "ionq-forte-enterprise": "IonQ Forte Enterprise",
    "ionq-forte-enterprise-median": "IonQ Forte Enterprise, median qubits",
    "ionq-forte": "IonQ Forte",
    "paper-low": "Paper, low noise",
    "paper-high": "Paper, high noise",
}
"""Names of the noise presets for people."""
_AMPLITUDES = 2**19
"""Amplitudes that all error patterns of a request may take: what bounds its time."""


@dataclass(frozen=True)
class Device:
    """What the sentence is measured with.

    Args:
        shots: Shots of one measurement.
        level: Multiple of the preset's error rates; 0 is without errors.
        preset: A key of `DEVICES`.
    """

    shots: int
    level: float
    preset: str

    def __post_init__(self) -> None:
        if self.preset not in DEVICES:
            raise RequestError(f"The device must be one of {', '.join(DEVICES)}, but got {self.preset!r:.60}.")

    @property
    def noise(self) -> NoiseModel | None:
        """The scaled noise model, or None without errors."""
        if self.level == 0:
            return None
        base = NoiseModel.from_preset(self.preset)
        readout: Any = base.readout
        if readout is not None:
            readout = (min(0.5, readout[0] * self.level), min(0.5, readout[1] * self.level))
        # Beyond 3/4 and 15/16 a Pauli error would do more than forget everything.
        p1, p2 = min(0.75, base.p1 * self.level), min(0.9375, base.p2 * self.level)
        return replace(base, p1=p1, p2=p2, readout=readout, name=None)

    def describe(self) -> str:
        """Both choices in words."""
        shots = f"{self.shots:,} shot{'s' if self.shots != 1 else ''}"
        if self.level == 0:
            return f"{shots}, no gate or readout errors"
        times = "the" if self.level == 1 else f"{self.level:g} times the"
        return f"{shots}, {times} errors of {DEVICES[self.preset]}"


@dataclass(frozen=True, eq=False)
class Reading:
    """One sentence, with all that each stage saw.

    Args:
        text: The sentence.
        labels: Names of the classes.
        embedding: What the sentence transformer made of it, shape (d,).
        latents: Angles in radians that the encoders made of that, shape (Q,).
        exact: Expectations of the measured qubits without noise and with infinitely many shots, shape (m,).
        measured: Expectations of each repetition, shape (repeats, m).
        exact_probabilities: Confidences from `exact`, shape (k,).
        probabilities: Confidences of each repetition, shape (repeats, k).
        votes: What each measured qubit adds to the winner's logit over the runner-up's, then the bias, shape (m + 1,).
        runner_up: Number of the class that the votes are counted against.
        classical: Confidences by logistic regression, shape (k,), or None.
        device: What it was measured with.
        encoder: The kind of the head's encoders.
    """

    text: str
    labels: tuple[str, ...]
    embedding: np.ndarray
    latents: np.ndarray
    exact: np.ndarray
    measured: np.ndarray
    exact_probabilities: np.ndarray
    probabilities: np.ndarray
    votes: np.ndarray | None
    runner_up: int
    classical: np.ndarray | None
    device: Device
    encoder: str

    @property
    def confidences(self) -> dict[str, float]:
        """The answer: label -> confidence of the first measurement."""
        return {label: float(value) for label, value in zip(self.labels, self.probabilities[0], strict=True)}

    @property
    def winner(self) -> int:
        """Number of the class that the first measurement gave."""
        return int(self.probabilities[0].argmax())

    @property
    def agreement(self) -> np.ndarray:
        """Share of the repetitions that each class won, shape (k,)."""
        wins = np.bincount(self.probabilities.argmax(axis=1), minlength=len(self.labels))
        shares: np.ndarray = wins / len(self.probabilities)
        return shares


def read_texts(
    model: DemoModel, texts: list[str], embeddings: Tensor, device: Device, seed: int, repeats: int = REPEATS
) -> list[Reading]:
    """Measure every text `repeats` times.

    The outcome distribution under gate errors is averaged over error patterns (up to 1,024, fewer for many texts or
    qubits) and every repetition draws its shots from it, so that a repetition varies as a device's result does.

    Args:
        model: The model.
        texts: The sentences.
        embeddings: Theirs, shape (n, d).
        device: Shots and noise.
        seed: Seed of errors and shots.
        repeats: Repetitions of each.
    """
    head = model.head
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        latents = head.latents(embeddings)
        clean = _distribution(head, latents, None, rng)
        noisy = clean if device.noise is None else _distribution(head, latents, device.noise, rng)
        signs = _signs(head.config.n_measured)
        exact = clean @ signs
        classical = model.classical_probabilities(embeddings)
        readings = []
        for row, text in enumerate(texts):
            measured = _draw(noisy[row], signs, device.shots, repeats, rng)
            probabilities = _probabilities(head, measured)
            votes, runner_up = _votes(head, measured[0], probabilities[0])
            readings.append(
                Reading(
                    text=text,
                    labels=model.labels,
                    embedding=embeddings[row].numpy(),
                    latents=latents[row].numpy(),
                    exact=exact[row],
                    measured=measured,
                    exact_probabilities=_probabilities(head, exact[row : row + 1])[0],
                    probabilities=probabilities,
                    votes=votes,
                    runner_up=runner_up,
                    classical=None if classical is None else np.asarray(classical[row]),
                    device=device,
                    encoder=head.config.encoder,
                )
            )
    return readings


def _distribution(
    head: SetFitQuantumHead, latents: Tensor, noise: NoiseModel | None, rng: np.random.Generator
) -> np.ndarray:
    """Probabilities of the measured bitstrings, shape (batch, 2**m)."""
    m = head.config.n_measured

    def probabilities(program: Program, errors: PauliErrors | None) -> tuple[Tensor, ...]:
        return (head.backend.probabilities(*program, n_readout=m, errors=errors),)

    program = Program(head.circuit, head.circuit_weights.detach(), latents)
    if noise is None:
        (found,) = probabilities(program, None)
    else:
        patterns = int(np.clip(_AMPLITUDES // (len(latents) << head.config.n_qubits), 8, 1024))
        (found,) = average_trajectories(probabilities, program, noise, patterns, rng, stratified=True, shared=False)
        if noise.has_readout_error:
            found = misread_probabilities(found, noise.readout_pairs(head.config.n_qubits)[:m])
    result: np.ndarray = found.double().numpy()
    return result


def _draw(
    probabilities: np.ndarray, signs: np.ndarray, shots: int, repeats: int, rng: np.random.Generator
) -> np.ndarray:
    """Expectations from `shots` outcomes, `repeats` times, shape (repeats, m)."""
    # Likely outcomes first: numpy's sampler stops once all shots are given away.
    order = np.argsort(-probabilities)
    likely = np.clip(probabilities[order], 0, None)
    # Single precision adds up to 1 only nearly, which numpy refuses.
    counts = rng.multinomial(shots, likely / likely.sum(), size=repeats)
    measured: np.ndarray = counts.astype(np.float64) @ signs[order] / shots
    return measured


def _signs(m: int) -> np.ndarray:
    """+1 or -1: what each outcome says of each qubit, shape (2**m, m); qubit 0 is the most significant bit."""
    return 1.0 - 2.0 * (np.arange(2**m)[:, None] >> np.arange(m - 1, -1, -1) & 1)


def _probabilities(head: SetFitQuantumHead, expectations: np.ndarray) -> np.ndarray:
    values = torch.as_tensor(expectations, dtype=head.circuit_weights.dtype)
    result: np.ndarray = torch.softmax(head.to_logits(values) / head.temperature, dim=1).double().numpy()
    return result


def _votes(head: SetFitQuantumHead, measured: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray | None, int]:
    """How the linear layer weighs each qubit: winner against runner-up."""
    order = np.argsort(-probabilities)
    winner, runner_up = int(order[0]), int(order[1])
    if head.linear is None or head.config.one_logit:
        return None, runner_up
    weight, bias = (values.detach().double().numpy() for values in (head.linear.weight, head.linear.bias))
    votes = np.append((weight[winner] - weight[runner_up]) * measured, bias[winner] - bias[runner_up])
    return votes / head.temperature, runner_up
