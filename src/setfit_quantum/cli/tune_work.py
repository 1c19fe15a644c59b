"""The work behind `setfit-quantum tune`: trials on embeddings, and the model of the best one."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setfit_quantum.cli.console import is_interactive, note, percent
from setfit_quantum.cli.errors import BadInput, Failure, checking_input
from setfit_quantum.cli.models import build_model, embed, encode_targets
from setfit_quantum.cli.training_run import Parts, build_arguments, build_head, run
from setfit_quantum.experiments.bodies import body_identity
from setfit_quantum.experiments.embedding_cache import hash_texts
from setfit_quantum.experiments.result_file import hash_settings, write_text
from setfit_quantum.experiments.run_settings import FROZEN
from setfit_quantum.experiments.search import COMPLETE, FAILED, Trial, best_trial, import_optuna, run_search
from setfit_quantum.experiments.search_space import DEFAULT_SPACE, choose_space, split_settings
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingResult, train_head

DEFAULT_SPLIT = 0.2
TABLE = "trials.csv"


@dataclass(frozen=True)
class Found:
    """All trials, and the best of them."""

    trials: list[Trial]
    best: Trial


def check_optuna() -> None:
    """Refuse, before any work, to go without Optuna.

    Raises:
        Failure: With the command that installs it.
    """
    try:
        import_optuna()
    except ImportError as error:
        raise Failure(str(error)) from error


def choose_split(given: float | None, parts: Parts) -> float | None:
    """The share of the training data that validates: a search needs one, or validation data.

    Raises:
        BadInput: Both were given.
    """
    if parts.validation is None:
        return DEFAULT_SPLIT if given is None else given
    if given is not None:
        raise BadInput("Argument `--validation-split` excludes --eval-data.")
    return None


class Search:
    """A search over settings on one data set and body.

    Args:
        parts: Training data, and validation and test data where they were given.
        body: Sentence transformer; None: the default.
        preset: A head of the paper, or None.
        noise: Preset of noise in training, or None.
        fixed: Settings that are not varied, by dotted names.
        class_weights: As of `HeadTrainingArguments`.
        validation_split: See `choose_split`.
        seed: Of the proposals, the split, the weights and the order of the texts.
        space: File of what is varied; None: the default space without what is fixed.

    Raises:
        BadInput, TypeError, ValueError: Settings that cannot be used.
    """

    def __init__(
        self,
        parts: Parts,
        body: str | None,
        *,
        preset: str | None,
        noise: str | None,
        fixed: Mapping[str, Any],
        class_weights: Any,
        validation_split: float | None,
        seed: int,
        space: Path | None,
    ) -> None:
        self._parts, self._body, self._seed = parts, body, seed
        self._preset, self._noise, self._fixed = preset, noise, dict(fixed)
        self._shared = {"class_weights": class_weights, "validation_split": validation_split, "seed": seed}
        self.space = choose_space(space, list(fixed), DEFAULT_SPACE)
        errors = []
        for end in (0, 1):
            # Settings that suit no head are told before texts are encoded; one end may not suit, as trials may fail.
            try:
                self._build({factor.name: factor.ends()[end] for factor in self.space})
            except (TypeError, ValueError) as error:
                errors.append(error)
        if len(errors) == 2:
            raise errors[0]

    def run(self, n_trials: int, *, timeout: float | None, prune: bool, folder: Path) -> Found:
        """Encode the texts and try settings.

        Raises:
            BadInput: The body cannot be loaded, or the folder holds another search.
            Failure: No trial came to its end.
        """
        train, validation = self._parts.train, self._parts.validation
        model = build_model(self._body, SetFitQuantumHead(), train.classes)
        note(f"Encoding {len(train) + len(validation.texts if validation else [])} texts ...")
        classes, multilabel = train.classes, train.multilabel
        data: dict[str, Any] = {
            "embeddings": embed(model, train.texts, show_progress=is_interactive()),
            "labels": encode_targets(train, classes, multilabel),
        }
        if validation is not None:
            data["eval_embeddings"] = embed(model, validation.texts)
            data["eval_labels"] = encode_targets(validation, classes, multilabel)

        def try_settings(
            settings: Mapping[str, Any], callbacks: Sequence[Any]
        ) -> tuple[SetFitQuantumHead, HeadTrainingResult]:
            head, arguments = self._build(settings)
            result = train_head(head, arguments=arguments, callbacks=callbacks, **data)
            return head, result

        with checking_input():
            trials = run_search(
                try_settings,
                self.space,
                n_trials=n_trials,
                seed=self._seed,
                timeout=timeout,
                prune=prune,
                folder=folder,
                problem=self._identity(),
                on_trial=_say,
            )
        best = best_trial(trials)
        if best is None:
            errors = [trial.error for trial in trials if trial.error]
            reason = f"every trial failed; the first: {errors[0]}" if errors else "there was no time for a trial"
            raise Failure(reason)
        return Found(trials, best)

    def train_best(self, found: Found, output: Path) -> dict[str, Any]:
        """Train the model with the best settings, save it, and look at the test data.

        Returns:
            The figures of the training, as of `train`.
        """
        head, arguments = self._build(found.best.settings)
        note("Training the model with the best settings ...")
        return run(self._parts, self._body, head, arguments, output)

    def _build(self, settings: Mapping[str, Any]) -> tuple[SetFitQuantumHead, HeadTrainingArguments]:
        head, training = split_settings(self._fixed | dict(settings))
        built = build_head(
            self._preset, multilabel=self._parts.train.multilabel, noise=self._noise, seed=self._seed, **head
        )
        return built, build_arguments(**self._shared, **training, show_progress_bar=False)

    def _identity(self) -> dict[str, Any]:
        """What decides results besides the space."""

        def digest(examples: Any) -> str | None:
            if examples is None:
                return None
            return hash_texts([f"{text}\t{label}" for text, label in zip(examples.texts, examples.labels, strict=True)])

        return {
            "train": digest(self._parts.train),
            "validation": digest(self._parts.validation),
            "body": body_identity(self._body, FROZEN, {}),
            "preset": self._preset,
            "noise": self._noise,
            "fixed": self._fixed,
            "shared": hash_settings(self._shared),
        }


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Trials that were not failures, the best first; those stopped early behind the others."""
    known = [trial for trial in trials if trial.state != FAILED]
    return sorted(
        known,
        key=lambda one: (one.state != COMPLETE, -(one.accuracy or 0.0), math.inf if one.loss is None else one.loss),
    )


def describe_settings(settings: Mapping[str, Any]) -> str:
    """`n_qubits 6, learning_rate 0.0123`."""
    return ", ".join(
        f"{name.removeprefix('head.')} {value:.3g}"
        if isinstance(value, float)
        else f"{name.removeprefix('head.')} {'none' if value is None else value}"
        for name, value in settings.items()
    )


def write_table(found: Found, folder: Path) -> Path:
    """Write all trials as CSV, in their order.

    Returns:
        The path.
    """
    text = io.StringIO()
    names = list(found.trials[0].settings)
    details = ("best_epoch", "epochs", "parameters", "seconds")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "validation_accuracy", "validation_loss", *details, *names, "error"])
    for trial in found.trials:
        values = [trial.details.get(name) for name in details]
        settings = [trial.settings[name] for name in names]
        writer.writerow([trial.number, trial.state, trial.accuracy, trial.loss, *values, *settings, trial.error])
    write_text(folder / TABLE, text.getvalue())
    return folder / TABLE


def to_json(found: Found, outcome: Mapping[str, Any], table: Path) -> dict[str, Any]:
    """The search and the training of its best settings, JSON-ready."""
    return {
        "best": {"trial": found.best.number, "settings": dict(found.best.settings)},
        "trials": [
            {
                "trial": trial.number,
                "state": trial.state,
                "settings": dict(trial.settings),
                "validation_accuracy": trial.accuracy,
                "validation_loss": trial.loss,
                **trial.details,
                "error": trial.error,
            }
            for trial in found.trials
        ],
        "table": str(table),
        "model": dict(outcome),
    }


def _say(trial: Trial, done: int, total: int) -> None:
    what = trial.error if trial.accuracy is None else f"validation {percent(trial.accuracy)} %"
    early = " (stopped early)" if trial.state == "pruned" else ""
    note(f"{done}/{total}: {describe_settings(trial.settings)}: {what}{early}")
