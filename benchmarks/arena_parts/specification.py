"""The arena's specification: a JSON file that says everything that its results depend on, checked when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from setfit_quantum.checks import check_choice, check_int
from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.experiments.heads import ABLATIONS
from setfit_quantum.experiments.run_settings import BODY_COLUMNS
from setfit_quantum.training import HeadTrainingArguments

KINDS: dict[str, tuple[str, ...]] = {
    "logistic": ("C", "axes", "match_parameters"),
    "svc": ("C", "gamma"),
    "lda": ("shrinkage", "axes", "match_parameters"),
    "neural": ("hidden_dim", "activation", "axes", "match_parameters"),
    "quantum": (
        "preset",
        "hybrid",
        "circuit_training",
        "train_condition",
        "average_epochs",
        "clean_last_layer",
        "pairs",
        "latent_dropout",
        *ABLATIONS,
        *(field.name for field in fields(QuantumHeadConfig) if field.name not in ("seed", "noise", "shots")),
    ),
}
"""Kinds of heads and the settings that each takes (see `fitting` and `quantum`)."""
TRAINING = tuple(field.name for field in fields(HeadTrainingArguments) if field.name not in ("seed", "device"))
ROLES = ("reference", "classical", "matched", "quantum", "ablation", "lever")
_HEAD_KEYS = ("inherits", "role", "kind", "head", "training", "grid", "ensemble", "only", "note")
_ONLY = ("datasets", "sizes", "seeds", "bodies")
_KEYS = ("about", "datasets", "max_test", "validation_share", "budget", "margin", "body", "bodies", "heads")


@dataclass(frozen=True)
class HeadEntry:
    """A head of the arena, with what it inherits filled in.

    Args:
        name: What tables call it.
        role: One of `ROLES`.
        kind: One of `KINDS`.
        head: Settings of the head.
        training: Arguments of `HeadTrainingArguments`; empty for heads of scikit-learn.
        grid: Settings to choose among, each `{"head": ..., "training": ...}` on top of the above.
        ensemble: Heads of different seeds whose probabilities are averaged.
        only: Data sets, sizes, seeds and bodies that it is run on, where not on all.
        inherits: The head whose settings it changes, or None: its gain is reported as a lever's.
        note: A sentence for the reader.
    """

    name: str
    role: str
    kind: str
    head: Mapping[str, Any]
    training: Mapping[str, Any]
    grid: Sequence[Mapping[str, Mapping[str, Any]]]
    ensemble: int
    only: Mapping[str, Sequence[Any]]
    inherits: str | None
    note: str

    def candidates(self) -> list[dict[str, Any]]:
        """Settings to choose among, complete."""
        return [
            {name: dict(shared) | dict(one.get(name, {})) for name, shared in self._shared().items()}
            for one in self.grid
        ]  # fmt: skip

    def _shared(self) -> dict[str, Mapping[str, Any]]:
        return {"head": self.head, "training": self.training}

    def takes_part(self, column: str, dataset: str, size: int, seed: int) -> bool:
        """Whether it is run on a cell."""
        cell = dict(zip(_ONLY, (dataset, size, seed, column), strict=True))
        return all(cell[name] in allowed for name, allowed in self.only.items())

    def settings(self) -> dict[str, Any]:
        """Everything about the head that its results depend on; its name is not."""
        return {"kind": self.kind, "candidates": self.candidates(), "ensemble": self.ensemble}


@dataclass(frozen=True)
class Specification:
    """All of the arena.

    Args:
        datasets: For each name `source` (a folder below `SETFIT_QUANTUM_DATA`, or a bundled set's id) and optionally
            `largest_classes`.
        max_test: Test sentences at most, drawn once for each data set; None: all.
        validation_share: Share of each class's drawn sentences that selection holds out.
        budget: Settings that a head may choose among, at most.
        margin: Loss of accuracy that non-inferiority tolerates, as a fraction.
        body: Id or folder of the sentence transformer; None: the default body.
        bodies: For each body column its `sizes` (sentences per class) and `seeds`, and the `tuning`.
        heads: The heads, by name.
    """

    datasets: Mapping[str, Mapping[str, Any]]
    max_test: int | None
    validation_share: float
    budget: int
    margin: float
    body: str | None
    bodies: Mapping[str, Mapping[str, Any]]
    heads: Mapping[str, HeadEntry]

    @property
    def reference(self) -> HeadEntry:
        """The head that all others are compared with."""
        return next(head for head in self.heads.values() if head.role == "reference")


def read_specification(path: Path) -> Specification:
    """Read and check a specification.

    Raises:
        ValueError, TypeError: The message names what is wrong.
    """
    return parse_specification(json.loads(path.read_text()))


def parse_specification(content: Mapping[str, Any]) -> Specification:
    """Check the content of a specification (see `read_specification`)."""
    _refuse_unknown("the specification", content, _KEYS)
    for name, dataset in content["datasets"].items():
        _refuse_unknown(f"data set {name!r}", dataset, ("source", "largest_classes"))
    for column, body in content["bodies"].items():
        check_choice("bodies", column, BODY_COLUMNS)
        _refuse_unknown(f"body {column!r}", body, ("sizes", "seeds", "tuning"))
        if (column == "tuned") != ("tuning" in body):
            raise ValueError(f"Body {column!r} must have `tuning` where it is tuned and only there, but got {body!r}.")
        for size in body["sizes"]:
            check_int("sizes", size, minimum=4)
        for seed in body["seeds"]:
            check_int("seeds", seed, minimum=0)
    budget = check_int("budget", content["budget"], minimum=1)
    if not 0 < content["validation_share"] < 1:
        raise ValueError(f"`validation_share` must be between 0 and 1, but got {content['validation_share']!r}.")
    heads: dict[str, HeadEntry] = {}
    for name, entry in content["heads"].items():
        heads[name] = _parse_head(name, entry, heads, budget)
    references = [name for name, head in heads.items() if head.role == "reference"]
    if len(references) != 1:
        raise ValueError(f"`heads` must have one with the role 'reference', but got {references!r}.")
    return Specification(
        datasets=content["datasets"],
        max_test=content.get("max_test"),
        validation_share=content["validation_share"],
        budget=budget,
        margin=content["margin"],
        body=content.get("body"),
        bodies=content["bodies"],
        heads=heads,
    )


def _parse_head(name: str, entry: Mapping[str, Any], known: Mapping[str, HeadEntry], budget: int) -> HeadEntry:
    _refuse_unknown(f"head {name!r}", entry, _HEAD_KEYS)
    base = None
    if "inherits" in entry:
        if entry["inherits"] not in known:
            raise ValueError(f"Head {name!r} must inherit from a head above it, but got {entry['inherits']!r}.")
        base = known[entry["inherits"]]
    kind = check_choice(f"kind of head {name!r}", entry.get("kind", base.kind if base else None), tuple(KINDS))
    head = HeadEntry(
        name=name,
        role=check_choice(f"role of head {name!r}", entry.get("role", "lever" if base else None), ROLES),
        kind=kind,
        head=(dict(base.head) if base else {}) | entry.get("head", {}),
        training=(dict(base.training) if base else {}) | entry.get("training", {}),
        grid=entry.get("grid", base.grid if base else [{}]),
        ensemble=check_int("ensemble", entry.get("ensemble", base.ensemble if base else 1), minimum=1),
        only=entry.get("only", base.only if base else {}),
        inherits=entry.get("inherits"),
        note=entry.get("note", ""),
    )
    _refuse_unknown(f"`only` of head {name!r}", head.only, _ONLY)
    if not 1 <= len(head.grid) <= budget:
        raise ValueError(f"Head {name!r} must have 1 to {budget} settings, but got {len(head.grid)}.")
    for one in head.grid:
        _refuse_unknown(f"the grid of head {name!r}", one, ("head", "training"))
    for candidate in head.candidates():
        _refuse_unknown(f"head {name!r}", candidate["head"], KINDS[kind])
        _refuse_unknown(f"the training of head {name!r}", candidate["training"], TRAINING)
        if kind in ("logistic", "svc", "lda"):
            _refuse_unknown(f"the training of head {name!r}", candidate["training"], ())
        else:
            HeadTrainingArguments(**candidate["training"])
    return head


def _refuse_unknown(where: str, given: Mapping[str, Any], allowed: Sequence[str]) -> None:
    unknown = [key for key in given if key not in allowed]
    if unknown:
        raise ValueError(f"In {where} {unknown[0]!r} is unknown; allowed are {', '.join(allowed) or 'none'}.")
