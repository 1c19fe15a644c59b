"""`Run`: everything that one trained and evaluated head depends on, and its key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from setfit_quantum.checks import check_bool, check_choice, check_int
from setfit_quantum.experiments.conditions import Condition
from setfit_quantum.experiments.result_file import hash_settings

VERSION = 1
"""Part of every key: raise it when the same settings begin to give other numbers."""

HEAD_KINDS = ("quantum", "neural", "setfit", "logistic", "svc", "end-to-end")

FROZEN, TUNED = "frozen", "tuned"
BODY_COLUMNS = (FROZEN, TUNED)
"""The body as it was pre-trained, and tuned contrastively on each seed's training sentences, as SetFit does."""


@dataclass(frozen=True)
class Run:
    """One head, trained and evaluated: a pure function of these settings.

    All of them are in the key, and so are the defaults that stand where they say nothing.

    Args:
        head: `kind` (one of `HEAD_KINDS`) and that kind's settings.
        seed: Of the split, the weights, the order of the sentences, shots and noise.
        data: What identifies the pool of sentences and how a seed splits it.
        body: What identifies the sentence transformer, and how it is tuned.
        training: Arguments of `HeadTrainingArguments` other than the seed.
        train_condition: Noise and shots in training, as `Condition.parse` reads them.
        eval_condition: Noise and shots at inference.
        eval_trajectories: At inference spread the shots of a sentence over this many noise trajectories; None: every
            shot has its own errors, as on a device.
        max_test: Test on this many sentences, drawn with the seed; None: on all.
        keep_history: Whether the result has the losses of every epoch.

    Raises:
        TypeError, ValueError: Naming the argument.
    """

    head: Mapping[str, Any]
    seed: int
    data: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    train_condition: str = "exact"
    eval_condition: str = "exact"
    eval_trajectories: int | None = None
    max_test: int | None = None
    keep_history: bool = False

    def __post_init__(self) -> None:
        check_choice("head['kind']", self.head.get("kind"), HEAD_KINDS)
        check_int("seed", self.seed, minimum=0)
        for name in ("eval_trajectories", "max_test"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), minimum=1)
        check_bool("keep_history", self.keep_history)
        conditions = [Condition.parse(text) for text in (self.train_condition, self.eval_condition)]
        if self.head["kind"] != "quantum" and not all(condition.is_exact for condition in conditions):
            raise ValueError(
                f"Arguments `train_condition` and `eval_condition` must be 'exact' for a head of kind "
                f"{self.head['kind']!r}, but got {self.train_condition!r} and {self.eval_condition!r}."
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        return asdict(self)

    @property
    def key(self) -> str:
        """Hash of the settings: the same for the same run, in whichever study it occurs.

        A result is not found again once a default has changed on which it rests.
        """
        from setfit_quantum.experiments.defaults import find_defaults  # with PyTorch, which lists do without

        defaults = find_defaults(self.head, self.training)
        return hash_settings({"kind": "run", "version": VERSION, **self.to_dict(), "defaults": defaults})
