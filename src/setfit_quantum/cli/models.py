"""What commands do with models: build, load, change shots and noise, embed, classify."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.cli.console import note
from setfit_quantum.cli.errors import BadInput, Failure, checking_input

if TYPE_CHECKING:
    from torch import Tensor

    from setfit_quantum.data import Examples
    from setfit_quantum.head import SetFitQuantumHead
    from setfit_quantum.model import SetFitModel


def check_output(output: Path) -> None:
    """Refuse, before any work, a folder that the model cannot be saved in.

    Raises:
        BadInput: A file, a folder with other contents than a model, or a place that cannot be written.
    """
    if output.is_dir():
        others = [path.name for path in output.iterdir() if not path.name.startswith(".")]
        if others and not (output / "config_setfit.json").is_file():
            raise BadInput(
                f"Argument `--output` must be a new or empty folder or a saved model's, but {str(output)!r} holds "
                f"{', '.join(sorted(others)[:3])}{', ...' if len(others) > 3 else ''}."
            )
        return
    if output.exists():
        raise BadInput(f"Argument `--output` must be a folder, but {str(output)!r} is a file.")
    parent = next(path for path in output.absolute().parents if path.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise BadInput(
            f"Argument `--output`: {str(output)!r} cannot be created, since {str(parent)!r} is not writable."
        )


def check_body(body: str | None) -> None:
    """Refuse, before any work, a body that is a folder which does not exist.

    Raises:
        BadInput: There is no such folder.
    """
    if body is not None and _looks_like_path(body) and not Path(body).is_dir():
        raise BadInput(f"Argument `--body` must be a folder or a Hub id, but {body!r} is no existing folder.")


DEFAULT_IMAGE_BODY = "microsoft/resnet-18"
"""The vision model used when none is named."""


def build_model(body: str | None, head: Any, labels: Sequence[str], *, modality: str = "text") -> SetFitModel:
    """A model with a pre-trained body and a new head.

    Args:
        body: Folder or Hub id; None: the default of the modality.
        head: The head.
        labels: Names of the classes by number.
        modality: What is classified: `"text"` or `"image"`.

    Raises:
        BadInput: The body cannot be loaded.
    """
    from setfit_quantum.default_body import DEFAULT_BODY, resolve_body
    from setfit_quantum.model import SetFitModel

    name = resolve_body(body) if modality == "text" else body or DEFAULT_IMAGE_BODY
    try:
        with checking_input():
            if modality == "image":
                model: SetFitModel = SetFitModel.from_image_backbone(name, head=head, labels=list(labels))
            else:
                model = SetFitModel.from_pretrained(name, head=head, labels=list(labels))
    except OSError as error:
        raise _unreachable("body", name, error) from error
    except ImportError as error:
        raise Failure(str(error)) from error
    if modality == "text" and name != (body or DEFAULT_BODY):
        # The card names the body by its id, not by the folder of its offline copy.
        model.model_card_data.st_id = body or DEFAULT_BODY
    return model


def prepare_simulator(head: SetFitQuantumHead) -> None:
    """Run one step of a copy, so that compiling the simulator is announced and not counted as training.

    Only for the engine that is compiled; a device would be asked to measure for nothing.
    """
    import torch

    if head.backend.name != "numba" or head.in_features is None:
        return
    note("Preparing the simulator (compiled once on this machine, then kept) ...")
    started = time.perf_counter()
    trial = copy.deepcopy(head).train()
    logits, _ = trial(torch.ones(2, head.in_features, device=head.device))
    logits.sum().backward()
    trial.predict(torch.ones(2, head.in_features, device=head.device))
    note(f"Ready after {time.perf_counter() - started:.1f} s.")


def load_model(source: str, revision: str | None = None) -> SetFitModel:
    """Load a saved model from a folder or the Hub.

    Args:
        source: Folder or Hub id.
        revision: Branch, tag or commit on the Hub.

    Raises:
        BadInput: There is none, it has no trained head, or its files are damaged.
    """
    from setfit_quantum.model import SetFitModel

    if _looks_like_path(source) and not Path(source).is_dir():
        raise BadInput(f"Model {source!r} is not an existing folder.")
    if revision is not None and Path(source).is_dir():
        raise BadInput(f"Argument `--revision` needs a model on the Hub, but {source!r} is a folder.")
    try:
        with checking_input():
            model: SetFitModel = SetFitModel.from_pretrained(source, revision=revision)
    except OSError as error:
        raise _unreachable("model", source, error) from error
    if not getattr(model.model_head, "is_trained", True):
        raise BadInput(
            f"{source!r} is a sentence transformer without a head.\nTrain one on it: setfit-quantum train DATA --body "
            f"{source} --output FOLDER"
        )
    return model


def _looks_like_path(source: str) -> bool:
    return source.startswith((".", "/", "~")) or source.count("/") > 1 or source.endswith("/")


def _unreachable(kind: str, name: str, error: OSError) -> BadInput:
    reason = str(error).strip().splitlines()
    return BadInput(
        f"The {kind} {name!r} is neither a folder with a model nor could it be loaded from the Hub:\n"
        f"{reason[0] if reason else type(error).__name__}"
    )


def change_device(
    model: SetFitModel, *, shots: int | None, noise: str | None, sampler: str | None, backend: str | None, exact: bool
) -> None:
    """Run a loaded model's circuit with other shots, noise or backend than it was saved with.

    Raises:
        BadInput: The head is not a quantum head, or a value is not allowed.
    """
    from setfit_quantum.head import SetFitQuantumHead

    changes = {"shots": shots, "noise": noise, "sampler": sampler, "backend": backend}
    given = {name: value for name, value in changes.items() if value is not None}
    if not given and not exact:
        return
    if exact and (shots is not None or noise is not None or sampler is not None):
        raise BadInput("Argument `--exact` excludes --shots, --noise and --sampler.")
    head = model.model_head
    if not isinstance(head, SetFitQuantumHead):
        named = ", ".join(f"--{name}" for name in (given or {"exact": True}))
        raise BadInput(f"This model has no quantum head ({type(head).__name__}): {named} cannot be used.")
    if exact:
        head.shots, head.noise, head.sampler = None, None, None
    with checking_input():
        for name, value in given.items():
            setattr(head, name, value)


def class_names(model: SetFitModel) -> list[str]:
    """Names of the model's classes by number, as text."""
    if model.labels:
        return [str(label) for label in model.labels]
    head: Any = model.model_head
    count = getattr(head, "out_features", None) or len(head.classes_)
    return [str(number) for number in range(count)]


def is_multilabel(model: SetFitModel) -> bool:
    """Whether the model gives any number of labels to a text."""
    return bool(model.multi_target_strategy) or bool(getattr(model.model_head, "multitarget", False))


def embed(model: SetFitModel, texts: Sequence[str], *, show_progress: bool = False) -> Tensor:
    """Embeddings by the body in evaluation mode, shape (n_texts, d)."""
    embeddings: Any = model.encode(list(texts), show_progress_bar=show_progress)
    return cast("Tensor", embeddings)


def classify(model: SetFitModel, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Classes and probabilities of texts, from one measurement.

    Returns:
        Class numbers of shape (n,), or 0/1 of shape (n, k) for several labels; probabilities of shape (n, k).
    """
    probabilities = np.asarray(model.predict_proba(list(texts), as_numpy=True), dtype=np.float64)
    if probabilities.ndim == 3:  # scikit-learn's multi-output heads: (texts, labels, no or yes)
        probabilities = probabilities[:, :, 1]
    if is_multilabel(model):
        return (probabilities >= 0.5).astype(np.int64), probabilities
    return probabilities.argmax(axis=1), probabilities


def encode_targets(examples: Examples, classes: Sequence[str], multilabel: bool) -> NDArray[np.int64]:
    """Labels as class numbers of shape (n,), or as 0/1 of shape (n, k).

    Raises:
        BadInput: A label that is none of `classes`, or data of the other kind.
    """
    if examples.multilabel != multilabel:
        kinds = "several labels", "one label"
        expected, got = kinds if multilabel else kinds[::-1]
        hint = " (see --multilabel)" if multilabel else ""
        raise BadInput(f"{examples.name} has {got} per text, but {expected} per text is needed{hint}.")
    unknown = [label for label in examples.classes if label not in classes]
    if unknown:
        raise BadInput(
            f"{examples.name} has labels that are not the model's: {', '.join(map(repr, unknown[:5]))}"
            f"{', ...' if len(unknown) > 5 else ''}.\nThe model's are {', '.join(map(repr, classes))}."
        )
    matrix = examples.indicators(classes)
    return matrix if multilabel else matrix.argmax(axis=1)
