"""`QuantumHeadClassifier`: a quantum head as a scikit-learn estimator on embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from setfit_quantum.circuit import Circuit
from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.noise import NoiseModel
from setfit_quantum.serialization.embedded_heads import pack_head, unpack_head
from setfit_quantum.training.arguments import HeadTrainingArguments, OptimizerFactory
from setfit_quantum.training.loop import train_head

_HEAD_SETTINGS = (
    "n_qubits",
    "n_encoders",
    "encoder",
    "encoder_qubits",
    "encoder_layers",
    "encoder_connectivity",
    "encoder_hidden_dim",
    "encoder_batch_norm",
    "classifier",
    "classifier_hidden_dim",
    "preprocessing",
    "projected_features",
    "amplitude_bias",
    "amplitude_noise",
    "latent_scale",
    "n_reuploads",
    "reupload_layers",
    "n_layers",
    "connectivity",
    "ansatz",
    "n_readout",
    "final_linear",
    "one_logit",
    "initialization",
    "noise",
    "shots",
    "sampler",
    "n_trajectories",
    "shared_trajectories",
    "share_trajectories_among_shots",
    "renormalise",
    "backend",
    "device",
)
_TRAINING_SETTINGS = (
    "num_epochs",
    "min_steps",
    "batch_size",
    "learning_rate",
    "optimizer",
    "lr_decay",
    "lr_schedule",
    "momentum",
    "weight_decay",
    "label_smoothing",
    "final_layer",
    "validation_split",
    "early_stopping_patience",
)


class QuantumHeadClassifier(ClassifierMixin, BaseEstimator):
    """A quantum head trained on embeddings, with scikit-learn's interface.

    Works in `Pipeline`, `GridSearchCV`, `cross_val_score` and with `clone`. Labels are anything scikit-learn
    takes: numbers, strings, or 0/1 rows of shape (n, k) for several labels per sample.

    Args:
        n_qubits: And the settings up to `device`: those of `QuantumHeadConfig`. `noise` is a `NoiseModel`, a
            preset's name or a dictionary; `ansatz` two circuits.
        num_epochs: And the settings up to `early_stopping_patience`: those of `HeadTrainingArguments`.
        class_weight: `"balanced"`, a mapping from class to weight, or None. For several labels per sample the
            weights are those of the positives, keyed by column.
        random_state: Seed of the weights, the order of the samples, shots and noise.
        callbacks: Instances of `HeadTrainingCallback`, or None.
        verbose: Whether to show a progress bar.

    Attributes:
        classes_: The classes, sorted (for several labels per sample, the columns' numbers).
        head_: The trained `SetFitQuantumHead`.
        history_: One entry per epoch (see `HeadTrainingResult`).
        n_iter_: Number of epochs run.
        best_epoch_: Best epoch by validation accuracy, or None without `validation_split`.
        n_features_in_: Width of the embeddings.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(40, 8)) + np.repeat([[2.0], [-2.0]], 20, axis=0)
        >>> y = ["good"] * 20 + ["bad"] * 20
        >>> classifier = QuantumHeadClassifier(n_qubits=2, num_epochs=20, random_state=0).fit(x, y)
        >>> classifier.score(x, y) > 0.9
        True
    """

    def __init__(
        self,
        n_qubits: int = 10,
        *,
        n_encoders: int | None = QuantumHeadConfig.n_encoders,
        encoder: str = "quantum",
        encoder_qubits: int | None = None,
        encoder_layers: int = QuantumHeadConfig.encoder_layers,
        encoder_connectivity: int | None = None,
        encoder_hidden_dim: int | None = None,
        encoder_batch_norm: bool = False,
        classifier: str = "quantum",
        classifier_hidden_dim: int | None = None,
        preprocessing: str | None = QuantumHeadConfig.preprocessing,
        projected_features: int | None = QuantumHeadConfig.projected_features,
        amplitude_bias: float = QuantumHeadConfig.amplitude_bias,
        amplitude_noise: float = QuantumHeadConfig.amplitude_noise,
        latent_scale: float = QuantumHeadConfig.latent_scale,
        n_reuploads: int = QuantumHeadConfig.n_reuploads,
        reupload_layers: int = QuantumHeadConfig.reupload_layers,
        n_layers: int = QuantumHeadConfig.n_layers,
        connectivity: int = 1,
        ansatz: Sequence[Circuit | str] | None = None,
        n_readout: int | None = None,
        final_linear: bool = True,
        one_logit: bool = False,
        initialization: str | None = QuantumHeadConfig.initialization,
        noise: NoiseModel | str | Mapping[str, Any] | None = None,
        shots: int | None = None,
        sampler: str | None = None,
        n_trajectories: int | None = None,
        shared_trajectories: bool = False,
        share_trajectories_among_shots: bool = False,
        renormalise: bool = True,
        backend: str = "auto",
        device: str | None = None,
        num_epochs: int = HeadTrainingArguments.num_epochs,
        min_steps: int | None = HeadTrainingArguments.min_steps,
        batch_size: int = 16,
        learning_rate: float = HeadTrainingArguments.learning_rate,
        optimizer: str | OptimizerFactory = "adam",
        lr_decay: float = HeadTrainingArguments.lr_decay,
        lr_schedule: str = HeadTrainingArguments.lr_schedule,
        momentum: float = HeadTrainingArguments.momentum,
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
        final_layer: str | None = HeadTrainingArguments.final_layer,
        validation_split: float | None = None,
        early_stopping_patience: int | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        random_state: int | np.random.RandomState | None = None,
        callbacks: Iterable[Any] | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_qubits = n_qubits
        self.n_encoders = n_encoders
        self.encoder = encoder
        self.encoder_qubits = encoder_qubits
        self.encoder_layers = encoder_layers
        self.encoder_connectivity = encoder_connectivity
        self.encoder_hidden_dim = encoder_hidden_dim
        self.encoder_batch_norm = encoder_batch_norm
        self.classifier = classifier
        self.classifier_hidden_dim = classifier_hidden_dim
        self.preprocessing = preprocessing
        self.projected_features = projected_features
        self.amplitude_bias = amplitude_bias
        self.amplitude_noise = amplitude_noise
        self.latent_scale = latent_scale
        self.n_reuploads = n_reuploads
        self.reupload_layers = reupload_layers
        self.n_layers = n_layers
        self.connectivity = connectivity
        self.ansatz = ansatz
        self.n_readout = n_readout
        self.final_linear = final_linear
        self.one_logit = one_logit
        self.initialization = initialization
        self.noise = noise
        self.shots = shots
        self.sampler = sampler
        self.n_trajectories = n_trajectories
        self.shared_trajectories = shared_trajectories
        self.share_trajectories_among_shots = share_trajectories_among_shots
        self.renormalise = renormalise
        self.backend = backend
        self.device = device
        self.num_epochs = num_epochs
        self.min_steps = min_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.lr_decay = lr_decay
        self.lr_schedule = lr_schedule
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.final_layer = final_layer
        self.validation_split = validation_split
        self.early_stopping_patience = early_stopping_patience
        self.class_weight = class_weight
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new head.

        Args:
            X: Embeddings, shape (n, d).
            y: Labels, shape (n,), or 0/1 of shape (n, k).

        Raises:
            TypeError, ValueError: Data or settings that cannot be trained on.
        """
        X, y = validate_data(self, X, y, dtype=np.float32, multi_output=True)
        targets, multitarget = self._encode_targets(y)
        seed = self._draw_seed()
        head = SetFitQuantumHead(
            in_features=X.shape[1],
            out_features=targets.shape[1] if multitarget else len(self.classes_),
            multitarget=multitarget,
            seed=seed,
            **{name: getattr(self, name) for name in _HEAD_SETTINGS},
        )
        arguments = HeadTrainingArguments(
            seed=seed,
            class_weights=self._class_weights(multitarget),
            show_progress_bar=self.verbose,
            **{name: getattr(self, name) for name in _TRAINING_SETTINGS},
        )
        result = train_head(head, X, targets, arguments, callbacks=self.callbacks or ())
        self.head_ = head.eval()
        self.history_ = result.history
        self.n_iter_ = result.epochs_run
        self.best_epoch_ = result.best_epoch
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Classes, shape (n,), or 0/1 of shape (n, k) for several labels per sample."""
        logits, _ = self._run(X)
        if self.head_.multitarget:
            return (logits >= 0).astype(np.int64)
        predictions: np.ndarray = self.classes_[logits.argmax(axis=1)]
        return predictions

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, or of each label being given, shape (n, k)."""
        return self._run(X)[1]

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits, shape (n, k); for two classes the second's minus the first's, shape (n,)."""
        logits, _ = self._run(X)
        two_classes = len(self.classes_) == 2 and not self.head_.multitarget
        decisions: np.ndarray = logits[:, 1] - logits[:, 0] if two_classes else logits
        return decisions

    def _run(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        self.head_.eval()
        with torch.no_grad():
            # In double precision probabilities sum to one, and logits tell the same order as probabilities.
            logits = self.head_(torch.from_numpy(np.array(X)).to(self.head_.device))[0].double().cpu()
        probabilities = torch.sigmoid(logits) if self.head_.multitarget else torch.softmax(logits, dim=-1)
        return logits.numpy(), probabilities.numpy()

    def _encode_targets(self, y: Any) -> tuple[np.ndarray, bool]:
        y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multilabel-indicator":
            self.classes_ = np.arange(y.shape[1])
            return y.astype(np.int64), True
        if y.ndim != 1:
            raise ValueError(
                "Argument `y` must hold one label per sample, or 0/1 rows for several labels, but got targets of "
                f"type {kind!r}."
            )
        self.classes_, targets = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"Argument `y` must hold at least two classes, but all {len(y)} samples have one class: "
                f"{self.classes_[0]!r}."
            )
        return targets, False

    def _class_weights(self, multitarget: bool) -> Any:
        if not isinstance(self.class_weight, Mapping) or multitarget:
            return self.class_weight
        numbers = {label: number for number, label in enumerate(self.classes_.tolist())}
        unknown = [label for label in self.class_weight if label not in numbers]
        if unknown:
            raise ValueError(
                f"Argument `class_weight` must name only the classes {list(numbers)}, but got {unknown[0]!r}."
            )
        return {numbers[label]: weight for label, weight in self.class_weight.items()}

    def _draw_seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def __getstate__(self) -> dict[str, Any]:
        """Plain values only, so that skops keeps a fitted classifier (alone or in a pipeline) without pickle."""
        state = dict(super().__getstate__())
        if "head_" in state:
            state["head_"] = pack_head(self.head_)
        if isinstance(self.noise, NoiseModel):
            state["noise"] = self.noise.to_dict()
        if self.ansatz is not None:
            state["ansatz"] = [part.to_qasm3() if isinstance(part, Circuit) else part for part in self.ansatz]
        state["callbacks"] = None  # they watched a training that is over
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "head_" in state:
            self.head_ = unpack_head(state["head_"])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
