"""What is measured: sizes, batches, encoders, conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

QUBITS = (10, 12, 14, 16, 18)
BATCHES = (1, 16, 256)
BASE_BATCH = 16
CONDITIONS = ("exact", "noisy", "shots")
TASKS = ("train", "infer")
"""A training step (forward, backward, Adam), and inference (forward alone)."""
SHOTS = 8192
NOISE_PRESET = "paper-low"
IN_FEATURES = 768


@dataclass(frozen=True)
class Case:
    """One cell of the comparison; both tasks are measured in it.

    Args:
        qubits: Qubits of the second module. One encoder has as many (10 at least); two have 14 each.
        batch: Samples.
        encoders: 1 (the paper's single-encoder head) or 2 (its two-encoder head).
        condition: `"exact"`; `"noisy"`: one Pauli trajectory of the second module at the paper's low rates; `"shots"`:
            8,192 shots, as Gaussian noise in training and sampled outcomes at inference.
        in_features: Width of the embedding.
    """

    qubits: int
    batch: int = BASE_BATCH
    encoders: int = 1
    condition: str = "exact"
    in_features: int = IN_FEATURES

    @property
    def is_base(self) -> bool:
        """Whether this is the case that all engines must be given time for."""
        return self.variant == (BASE_BATCH, 1, "exact")

    @property
    def variant(self) -> tuple[int, int, str]:
        """Everything but the size."""
        return self.batch, self.encoders, self.condition

    @property
    def preset(self) -> str:
        """The paper's head that is run."""
        return "paper-single" if self.encoders == 1 else "paper-multi"

    @property
    def label(self) -> str:
        """For tables and messages."""
        encoders = "1 encoder" if self.encoders == 1 else f"{self.encoders} encoders"
        return f"{self.qubits} qubits, batch {self.batch}, {encoders}, {self.condition}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON files."""
        return asdict(self)


def plan_cases(
    qubits: Sequence[int], batches: Sequence[int], in_features: int = IN_FEATURES, cross: bool = False
) -> list[Case]:
    """The cases to measure, by size, each size's base case first.

    Args:
        qubits: Sizes.
        batches: Batches beside the base case's 16.
        in_features: Width of the embedding.
        cross: Every batch with every number of encoders and every condition. Otherwise one of them departs from the
            base case (batch 16, one encoder, exact) at a time.
    """
    variants: list[tuple[int, int, str]] = [(BASE_BATCH, 1, "exact")]
    others = [batch for batch in batches if batch != BASE_BATCH]
    if cross:
        everything = [
            (batch, encoders, condition)
            for batch in (BASE_BATCH, *others)
            for encoders in (1, 2)
            for condition in CONDITIONS
        ]
        variants += everything[1:]
    else:
        variants += [(batch, 1, "exact") for batch in others]
        variants += [(BASE_BATCH, 2, "exact"), (BASE_BATCH, 1, "noisy"), (BASE_BATCH, 1, "shots")]
    return [Case(n_qubits, *variant, in_features) for n_qubits in sorted(qubits) for variant in variants]
