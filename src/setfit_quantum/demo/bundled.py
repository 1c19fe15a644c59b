"""The model that the demo starts with: loaded, or trained on bundled reviews once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from setfit_quantum import __version__
from setfit_quantum.data import load_examples
from setfit_quantum.data.bundled import bundled_path
from setfit_quantum.default_body import DEFAULT_BODY, resolve_body
from setfit_quantum.demo.engine import DemoModel, Engine, warm_up
from setfit_quantum.demo.limits import MAX_MODEL_QUBITS
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.model import SetFitModel
from setfit_quantum.presets import PRESETS
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.sklearn_files import read_sklearn_head, write_sklearn_head
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingCallback, train_head

DATA = "bundled:reviews"
# The paper's circuit, trained in the paper's way: its answers waver under shots and noise, which is what is to be seen.
HEAD = PRESETS["paper-single"] | {"n_qubits": 10, "amplitude_bias": 1.0, "seed": 0}
TRAINING = {"num_epochs": 15, "learning_rate": 0.01, "lr_schedule": "constant", "final_layer": "trained", "seed": 0}
_CLASSICAL = "logistic_regression.skops"

Report = Callable[[str], None]


def load_engine(model: str | None = None, report: Report = print) -> Engine:
    """The body and the first model.

    Args:
        model: Folder or Hub id of a saved model; None: the bundled one.
        report: Told in words what is being done.

    Raises:
        ValueError: A model that the demo cannot show.
        ModelFileError: Damaged files.
        OSError: Neither a folder nor a repository on the Hub that can be reached.
    """
    return _load_bundled(report) if model is None else _load_named(model, report)


def _load_named(source: str, report: Report) -> Engine:
    report(f"Loading {source} ...")
    model: Any = SetFitModel.from_pretrained(source)
    head = model.model_head
    if not isinstance(head, SetFitQuantumHead):
        raise ValueError(f"Argument `model` must have a quantum head, but {source!r} has a {type(head).__name__}.")
    if head.config.classifier != "quantum":
        raise ValueError(
            f"Argument `model` must have a circuit to measure, but {source!r} has a {head.config.classifier} "
            "classifier."
        )
    if head.multitarget:
        raise ValueError(f"Argument `model` must give one label per text, but {source!r} gives several.")
    if head.config.n_qubits > MAX_MODEL_QUBITS:
        raise ValueError(
            f"Argument `model` must have at most {MAX_MODEL_QUBITS} qubits for the demo, but {source!r} has "
            f"{head.config.n_qubits}."
        )
    head.eval()
    warm_up(head)
    labels = tuple(str(label) for label in model.labels or range(head.out_features))
    title = Path(source).name or source
    shown = DemoModel(title, head, labels, None, f"The model {title}. It knows {len(labels)} labels.")
    return Engine(model.model_body, shown, body_name=source, normalize=model.normalize_embeddings)


def _load_bundled(report: Report) -> Engine:
    report(f"Loading the sentence transformer {DEFAULT_BODY} ...")
    head = SetFitQuantumHead(**HEAD)  # type: ignore[arg-type]
    model: Any = SetFitModel.from_pretrained(resolve_body(), head=head)
    train = load_examples(DATA)
    folder = cache_folder() / f"demo-{_key()}"
    found = _read(folder, report)
    about = f"Is a review positive or negative? This classifier learned it from {len(train)} short reviews."
    if found is None:
        classical = _train(model, head, train, report)
        try:
            _write(folder, head, classical)
        except OSError as error:  # a full or read-only disk: it works all the same, and trains again next time
            report(f"The trained model could not be kept: {error}")
    else:
        head, classical = found
        report("Preparing the simulator (compiled once on this machine, then kept) ...")
        warm_up(head)
    head.eval()
    return Engine(model.model_body, DemoModel("Reviews", head, tuple(train.classes), classical, about))


def _train(model: Any, head: SetFitQuantumHead, train: Any, report: Report) -> Any:
    report(f"First start: encoding {len(train)} training sentences ...")
    features = model.encode(train.texts, show_progress_bar=False)
    targets = train.indicators(train.classes).argmax(axis=1)
    report("Preparing the simulator (compiled once on this machine, then kept) ...")
    warm_up(head)
    arguments = HeadTrainingArguments(**TRAINING, show_progress_bar=False)  # type: ignore[arg-type]
    train_head(head, features, targets, arguments, label_names=train.classes, callbacks=[_Progress(report)])
    from setfit_quantum.baselines import fit_logistic_regression

    return fit_logistic_regression(features.cpu().numpy(), targets)


class _Progress(HeadTrainingCallback):
    """Reports every fifth epoch."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def on_epoch_end(self, head: Any, state: Any) -> None:
        if state.epoch % 5 == 0 or state.epoch == state.num_epochs:
            loss = state.history[-1]["train_loss"]
            self._report(f"Training the quantum head: epoch {state.epoch} of {state.num_epochs}, loss {loss:.3f}")


def cache_folder() -> Path:
    """This package's folder in the user's cache: `$XDG_CACHE_HOME`, or `.cache` in the home folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "setfit-quantum"


def _key() -> str:
    """Changes with whatever changes the trained model."""
    settings = json.dumps([__version__, DEFAULT_BODY, HEAD, TRAINING])
    digest = hashlib.sha256(settings.encode() + bundled_path("reviews", "train").read_bytes())
    return digest.hexdigest()[:12]


def _read(folder: Path, report: Report) -> tuple[SetFitQuantumHead, Any] | None:
    if not folder.is_dir():
        return None
    try:
        return SetFitQuantumHead.from_pretrained(folder), read_sklearn_head(folder / _CLASSICAL)
    except ModelFileError as error:
        report(f"The kept model is damaged and is trained anew: {error}")
        shutil.rmtree(folder)
        return None


def _write(folder: Path, head: SetFitQuantumHead, classical: Any) -> None:
    """Keep the trained heads; whoever finishes first of several starting at once has written them."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".demo-", dir=folder.parent))
    try:
        head.save_pretrained(staging / "model")
        write_sklearn_head(staging / "model" / _CLASSICAL, classical)
        try:
            (staging / "model").rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
