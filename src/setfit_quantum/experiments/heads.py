"""One interface to all kinds of heads that studies train: settings in, a trained head out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from setfit_quantum.baselines import (
    LogisticRegressionBaseline,
    MLPBaseline,
    SetFitHeadBaseline,
    SVCBaseline,
    TorchBaseline,
)
from setfit_quantum.baselines.neural_heads import SETFIT_TRAINING
from setfit_quantum.checks import check_choice
from setfit_quantum.circuit.ansatz import build_encoder, build_reuploading
from setfit_quantum.experiments.conditions import Condition
from setfit_quantum.experiments.defaults import STUDY_TRAINING
from setfit_quantum.experiments.run_settings import Run
from setfit_quantum.experiments.study_data import StudyData
from setfit_quantum.experiments.trained_heads import build_untrained_head, measured_under
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.training import HeadTrainingArguments, train_head
from setfit_quantum.training.result import HeadTrainingResult

ENTANGLEMENT = ("full", "encoders only", "none")
"""Where CNOTs are: in both modules, not in the second, or nowhere."""
ENCODER_TRAINING = ("trained", "random", "fixed")
"""Angles of the encoders: trained; drawn and kept; all zero and kept (the CNOTs alone act)."""
ABLATIONS = {"entanglement": ENTANGLEMENT, "encoder_training": ENCODER_TRAINING}

Predict = Callable[[NDArray[np.float32]], NDArray[np.int64]]


@dataclass(frozen=True)
class FittedHead:
    """A trained head.

    Args:
        predict: Classes of embeddings, under the run's evaluation condition.
        parameters: Parameters as the paper counts them.
        validation: `accuracy` and `loss` (None where the head has none) on the validation data.
        details: What else is worth keeping: best epoch, selected settings.
        history: One entry per epoch, or empty.
    """

    predict: Predict
    parameters: int
    validation: dict[str, float | None]
    details: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def fit_head(run: Run, data: StudyData) -> FittedHead:
    """Train the head that a run describes.

    Raises:
        TypeError, ValueError: Settings that the head does not take.
    """
    settings = {name: value for name, value in run.head.items() if name != "kind"}
    return _FITTERS[run.head["kind"]](run, settings, data)


def check_head(run: Run, in_features: int, n_classes: int) -> None:
    """Refuse settings that no head takes, before anything is trained.

    Raises:
        TypeError, ValueError: Naming the argument.
    """
    settings = {name: value for name, value in run.head.items() if name != "kind"}
    kind = run.head["kind"]
    if kind == "quantum":
        head = build_quantum_head(settings, Condition.parse(run.train_condition), run.seed, in_features, n_classes)
        head.backend.check_circuit(head.circuit)
    elif kind in ("logistic", "svc"):
        (LogisticRegressionBaseline if kind == "logistic" else SVCBaseline)(**settings)
    else:
        _build_torch_baseline(kind, settings, _arguments(run), run.seed).build_head(
            in_features, n_classes, bool(settings.get("batch_norm", False))
        )
    if kind not in ("logistic", "svc"):
        _arguments(run)


def build_quantum_head(
    settings: Mapping[str, Any], condition: Condition, seed: int, in_features: int, n_classes: int
) -> SetFitQuantumHead:
    """An untrained quantum head, with the ablations that its settings ask for.

    Args:
        settings: `preset` or none, arguments of the head, and `entanglement` and `encoder_training`.
        condition: Noise and shots in training.
        seed: Of its weights.
        in_features: Width of the embedding.
        n_classes: Number of classes.
    """
    values = dict(settings)
    ablation = {name: values.pop(name, choices[0]) for name, choices in ABLATIONS.items()}
    for name, choices in ABLATIONS.items():
        check_choice(name, ablation[name], choices)
    preset = values.pop("preset", None)
    if preset is not None:
        base = SetFitQuantumHead.from_preset(preset, in_features=in_features)
        values = base.config.to_dict() | values
        for name in ("out_features", "noise", "shots", "sampler", "seed"):
            values.pop(name)
    head = build_untrained_head(condition, seed, values | {"in_features": in_features}, n_classes)
    _remove_entanglement(head, ablation["entanglement"])
    if ablation["encoder_training"] != "trained":
        with torch.no_grad():
            for parameter in head.encoder.parameters():
                if ablation["encoder_training"] == "fixed" and parameter is getattr(head.encoder, "weights", None):
                    parameter.zero_()
                parameter.requires_grad_(False)
    return head


def _remove_entanglement(head: SetFitQuantumHead, entanglement: str) -> None:
    config = head.config
    if entanglement == "full":
        return
    if config.ansatz is not None or config.encoder != "quantum":
        raise ValueError(
            f"Argument `entanglement` must be 'full' with an own ansatz or encoder={config.encoder!r}, "
            f"but got {entanglement!r}."
        )
    head.circuit = build_reuploading(
        config.n_qubits, config.n_reuploads, config.reupload_layers, config.n_layers, config.connectivity, False
    )
    if entanglement == "none":
        qubits = config.resolve_encoder_qubits(config.in_features)
        connectivity = config.resolve_encoder_connectivity(qubits)
        head.encoder.circuit = build_encoder(qubits, config.encoder_layers, connectivity, False)


def _fit_quantum(run: Run, settings: dict[str, Any], data: StudyData) -> FittedHead:
    n_classes = count_classes(data)
    condition = Condition.parse(run.train_condition)
    head = build_quantum_head(settings, condition, run.seed, data.train.embeddings.shape[1], n_classes)
    result = train_head(head, *_training_data(data), _arguments(run), **_validation_data(data))
    head.eval()
    frozen = {id(parameter) for parameter in head.parameters() if not parameter.requires_grad}
    trained = sum(parameter.numel() for parameter in head.parameters() if id(parameter) not in frozen)

    def predict(embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
        device = measured_under(head, Condition.parse(run.eval_condition), run.seed)
        # Ablated circuits are no part of the configuration that the copy was made from.
        device.circuit = head.circuit
        if hasattr(head.encoder, "circuit"):
            device.encoder.circuit = head.encoder.circuit
        if run.eval_trajectories is not None:
            device.n_trajectories, device.share_trajectories_among_shots = run.eval_trajectories, True
        predicted: NDArray[np.int64] = device.predict(torch.from_numpy(embeddings)).cpu().numpy()
        return predicted

    details = _details(result) | ({"trained_parameters": trained} if frozen else {})
    return FittedHead(predict, head.num_parameters(), _validation(result), details, result.history)


def _fit_torch_baseline(run: Run, settings: dict[str, Any], data: StudyData) -> FittedHead:
    baseline = _build_torch_baseline(run.head["kind"], settings, _arguments(run), run.seed)
    train, validation = data.train, data.validation
    baseline.fit(train.embeddings, train.targets, validation.embeddings, validation.targets)
    result = baseline.result_
    return FittedHead(
        baseline.predict, baseline.num_parameters(), _validation(result), _details(result), result.history
    )


def _build_torch_baseline(
    kind: str, settings: dict[str, Any], arguments: HeadTrainingArguments, seed: int
) -> TorchBaseline:
    if kind == "setfit":
        return SetFitHeadBaseline(arguments, seed=seed, **settings)
    values = dict(settings)
    return MLPBaseline(
        values.pop("hidden_dim", 0) or 0,
        batch_norm=(values.pop("batch_norm", False),),
        arguments=arguments,
        seed=seed,
        **values,
    )


def _fit_sklearn(run: Run, settings: dict[str, Any], data: StudyData) -> FittedHead:
    baseline = (LogisticRegressionBaseline if run.head["kind"] == "logistic" else SVCBaseline)(**settings)
    train, validation = data.train, data.validation
    baseline.fit(train.embeddings, train.targets, validation.embeddings, validation.targets)
    found = {"accuracy": _accuracy(baseline.predict(validation.embeddings), validation.targets), "loss": None}
    return FittedHead(baseline.predict, baseline.num_parameters(), found, {"selected": baseline.selected_})


def _arguments(run: Run) -> HeadTrainingArguments:
    own = SETFIT_TRAINING if run.head["kind"] == "setfit" else {}
    return HeadTrainingArguments(
        **({"show_progress_bar": False} | STUDY_TRAINING | own | dict(run.training) | {"seed": run.seed})
    )


def _training_data(data: StudyData) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    return data.train.embeddings, data.train.targets


def _validation_data(data: StudyData) -> dict[str, Any]:
    return {"eval_embeddings": data.validation.embeddings, "eval_labels": data.validation.targets}


def _validation(result: HeadTrainingResult) -> dict[str, float | None]:
    assert result.best_epoch is not None
    loss = float(result.history[result.best_epoch - 1]["eval_loss"])
    return {"accuracy": result.best_metric, "loss": loss if math.isfinite(loss) else None}


def _details(result: HeadTrainingResult) -> dict[str, Any]:
    return {"epochs": result.epochs_run, "best_epoch": result.best_epoch}


def _accuracy(predicted: ArrayLike, targets: ArrayLike) -> float:
    return float(np.mean(np.asarray(predicted) == np.asarray(targets)))


def count_classes(data: StudyData) -> int:
    """Number of classes in all parts of the data."""
    return int(max(part.targets.max() for part in (data.train, data.validation, data.test))) + 1


_FITTERS: dict[str, Callable[[Run, dict[str, Any], StudyData], FittedHead]] = {
    "quantum": _fit_quantum,
    "neural": _fit_torch_baseline,
    "setfit": _fit_torch_baseline,
    "logistic": _fit_sklearn,
    "svc": _fit_sklearn,
}
