"""The work behind `setfit-quantum train`: data, head, settings, checkpoints, training, saving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from setfit_quantum.calibration import evaluate_probabilities
from setfit_quantum.cli.console import note
from setfit_quantum.cli.errors import BadInput, checking_input
from setfit_quantum.cli.models import build_model, classify, encode_targets, prepare_simulator
from setfit_quantum.data import Examples, draw_few_shot, has_splits, image_splits, load_examples, load_images
from setfit_quantum.evaluation import evaluate_predictions
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.training import CheckpointError, HeadTrainingArguments, TrainingInterrupted
from setfit_quantum.training.card_results import results_of
from setfit_quantum.training.checkpoint import CheckpointStore

__all__ = [
    "Checkpoints",
    "Parts",
    "TrainingInterrupted",
    "build_arguments",
    "build_head",
    "choose_source",
    "load_parts",
    "parse_class_weights",
    "run",
]


@dataclass(frozen=True)
class Parts:
    """Training data, and validation and test data where they were given."""

    train: Examples
    validation: Examples | None
    test: Examples | None
    modality: str = "text"


def choose_source(data: str | None, images: Path | None, *, multilabel: bool) -> str:
    """The one of DATA and --images that was given.

    Raises:
        BadInput: Both or none, or several labels per image.
    """
    if (data is None) == (images is None):
        raise BadInput("Give DATA (texts) or --images FOLDER, one of them.")
    if images is not None and multilabel:
        raise BadInput("Argument `--multilabel` needs texts: an image's label is the name of its folder.")
    return str(data if images is None else images)


def load_parts(
    data: str,
    split: str | None,
    eval_data: str | None,
    eval_split: str | None,
    test_data: str | None,
    test_split: str | None,
    *,
    limit: int | None,
    per_class: int | None,
    seed: int,
    source: dict[str, Any],
    images: bool = False,
) -> Parts:
    """Read all data before anything is trained.

    Raises:
        DataError, ValueError: Unreadable data, or fewer than two classes.
        BadInput: Validation or test data with labels that the training data lacks.
    """
    train = load_images(data, split, limit=limit) if images else load_examples(data, split, limit=limit, **source)
    if per_class is not None:
        if train.multilabel:
            raise BadInput("Argument `--per-class` needs one label per text; with --multilabel use --limit.")
        train = train.subset(draw_few_shot(train.strata, per_class, seed))
    if len(train.classes) < (1 if train.multilabel else 2):
        raise BadInput(f"{train.name} must have at least two classes, but has {train.classes}.")
    parts: list[Examples | None] = []
    for name, path, part, default in (
        ("--eval", eval_data, eval_split, "validation"),
        ("--test", test_data, test_split, "test"),
    ):
        if path is None and images and part is not None:
            path = data  # another split of the same folder
        if path is None:
            if part is not None:
                raise BadInput(f"Argument `{name}-split` needs {name}-data.")
            parts.append(None)
            continue
        if part is None and (bool(image_splits(path)) if images else has_splits(path)):
            part = default
        examples = load_images(path, part) if images else load_examples(path, part, **source)
        encode_targets(examples, train.classes, train.multilabel)
        parts.append(examples)
    validation, test = parts
    return Parts(train, validation, test, "image" if images else "text")


def build_head(preset: str | None, *, multilabel: bool, **settings: Any) -> SetFitQuantumHead:
    """A head from the settings that were given; the others keep the library's or the preset's values."""
    given = {name: value for name, value in settings.items() if value is not None}
    if multilabel:
        given["multitarget"] = True
    if preset is None:
        head = SetFitQuantumHead(**given)
    else:
        head = SetFitQuantumHead.from_preset(preset, **{"in_features": None, **given})
    if head.shots is not None and head.sampler == "multinomial":
        raise BadInput("Argument `--sampler` must be gaussian or paper in training, but got multinomial.")
    head.backend.check_circuit(head.circuit)  # a missing extra is told here, before any work
    return head


def build_arguments(**settings: Any) -> HeadTrainingArguments:
    """Training settings from those that were given; the others keep the library's values."""
    return HeadTrainingArguments(**{name: value for name, value in settings.items() if value is not None})


def parse_class_weights(text: str | None, classes: Sequence[str]) -> str | dict[str, float] | None:
    """`balanced`, or `label=weight,label=weight`.

    Raises:
        BadInput: Anything else, or an unknown label.
    """
    if text is None or text == "balanced":
        return text
    weights = {}
    for part in text.split(","):
        label, _, number = part.rpartition("=")
        try:
            weights[label.strip()] = float(number)
        except ValueError:
            raise BadInput(
                f"Argument `--class-weights` must be balanced or label=weight,label=weight, but got {text!r}."
            ) from None
    unknown = [label for label in weights if label not in classes]
    if unknown:
        raise BadInput(
            f"Argument `--class-weights` names {unknown[0]!r}, which is none of {', '.join(map(repr, classes))}."
        )
    return weights


class Checkpoints:
    """Where a training keeps its checkpoints, and what to do with those that are there.

    Args:
        directory: The user's folder, whose checkpoints are kept; None: one beside the output, emptied at the end.
        output: The model's folder.
        resume: Whether to go on from the newest checkpoint.
        start_over: Whether to discard what is there.

    Raises:
        BadInput: Nothing to resume, or checkpoints that would be overwritten unasked.
    """

    def __init__(self, directory: Path | None, output: Path, *, resume: bool, start_over: bool) -> None:
        self._own = directory is None
        self._resume = resume
        self.directory = output.with_name(f"{output.name}-checkpoints") if directory is None else directory
        if resume and start_over:
            raise BadInput("Argument `--resume` excludes --start-over.")
        if self.directory.exists() and not self.directory.is_dir():
            raise BadInput(f"Argument `--checkpoint-dir` must be a folder, but {str(self.directory)!r} is a file.")
        self._store = CheckpointStore(self.directory)
        found = bool(self._store.paths())
        if resume and not found:
            raise BadInput(f"There is nothing to resume: {str(self.directory)!r} holds no checkpoint.")
        if found and not resume and not start_over:
            raise BadInput(
                f"{str(self.directory)!r} holds checkpoints of an earlier training.\n"
                "Go on from them with --resume, or discard them with --start-over."
            )

    def apply(self, arguments: HeadTrainingArguments) -> HeadTrainingArguments:
        """The settings with these checkpoints."""
        return arguments.with_changes(checkpoint_dir=self.directory, resume=self._resume)

    def discard(self) -> None:
        """Remove the checkpoints of a finished training, unless the user named their folder."""
        if self._own:
            self._store.clear()
            if self.directory.is_dir() and not any(self.directory.iterdir()):
                self.directory.rmdir()


def run(
    parts: Parts, body: str | None, head: SetFitQuantumHead, arguments: HeadTrainingArguments, output: Path
) -> dict[str, Any]:
    """Encode, train, save, and score on the test data.

    Returns:
        The figures of the training, JSON-ready.

    Raises:
        BadInput: The body cannot be loaded, the head does not fit it, or the checkpoints are of another training.
        TrainingInterrupted: Ctrl-C while the head trained.
    """
    train, validation, test = parts.train, parts.validation, parts.test
    classes, multilabel = train.classes, train.multilabel
    model = build_model(body, head, classes, modality=parts.modality)
    prepare_simulator(head)
    note(f"Encoding {len(train) + len(validation.texts if validation else [])} {parts.modality}s ...")
    targets = encode_targets(train, classes, multilabel)
    held_out_texts = None
    if validation is not None:
        held_out_texts = (validation.texts, encode_targets(validation, classes, multilabel))
    try:
        # Its checks of data and settings come first; what fails later is a RuntimeError.
        with checking_input():
            result = model.fit(train.texts, targets, arguments=arguments, validation_data=held_out_texts)
    except CheckpointError as error:
        raise BadInput(str(error)) from error
    assert result is not None
    note(f"Saving to {output} ...")
    model.save_pretrained(str(output))
    tested = None
    if test is not None:
        note(f"Classifying {len(test)} test {parts.modality}s ...")
        predictions, probabilities = classify(model, test.texts)
        targets = encode_targets(test, classes, multilabel)
        evaluation = evaluate_predictions(targets, predictions, classes)
        # A card travels: it has a file's name, and not where it lies on this machine.
        local = test.name.startswith(("/", ".", "~", "\\")) or Path(test.name).exists()
        model.record_results(results_of(evaluation, Path(test.name).name if local else test.name))
        model.save_card(output)
        tested = evaluation.to_dict() | {"calibration": evaluate_probabilities(probabilities, targets).to_dict()}
    held_out = 0 if arguments.validation_split is None else int(np.ceil(arguments.validation_split * len(train)))
    n_validation = len(validation) if validation is not None else held_out
    return {
        "output": str(output),
        "data": train.name,
        "modality": parts.modality,
        "n_train": len(train) - (0 if validation is not None else held_out),
        "n_validation": n_validation,
        "classes": list(classes),
        "multilabel": multilabel,
        "parameters": head.num_parameters(),
        "epochs": result.epochs_run,
        "best_epoch": result.best_epoch,
        "validation_accuracy": result.best_metric,
        "temperature": result.temperature,
        "stopped_early": result.stopped_early,
        "resumed": result.resumed_from is not None,
        "seconds": round(result.seconds, 3),
        "test": tested,
        "head": head.config.to_dict(),
        "training": arguments.to_dict(),
        "history": result.history,
    }
