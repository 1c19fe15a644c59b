"""`HeadTrainingArguments`: every setting of head training, validated on construction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from setfit_quantum.checks import check_bool, check_choice, check_float, check_int
from setfit_quantum.training.metrics import METRICS

OPTIMIZERS = ("adam", "adamw", "sgd")
LR_SCHEDULES = ("constant", "cosine")
FINAL_LAYERS = ("trained", "lda")

Metric = str | Callable[[np.ndarray, np.ndarray], float]
OptimizerFactory = Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer]
ClassWeights = str | Mapping[Any, float] | Sequence[float] | None


@dataclass(frozen=True)
class HeadTrainingArguments:
    """How a head is trained on cached embeddings. Immutable; `with_changes` makes a changed copy.

    Args:
        num_epochs: Passes over the training data.
        min_steps: On few samples as many more passes as give this many steps; None: just `num_epochs`.
        batch_size: Samples per step.
        learning_rate: Of the first epoch; epoch e (from 0) uses `learning_rate * lr_decay**e`, times the schedule.
        optimizer: `"adam"` (weight decay as an L2 term), `"adamw"` (decoupled), `"sgd"`, or a callable that takes
            the parameters and returns an optimizer (`learning_rate` and `weight_decay` are then its own affair).
        momentum: Of `"sgd"`, as Nesterov's; 0 is none.
        lr_decay: Factor on the learning rate after each epoch; 1 keeps it constant.
        lr_schedule: `"constant"`, or `"cosine"`: the rate falls to 0 over all epochs, along half a cosine.
        weight_decay: Weight decay; 0 stays 0.
        validation_split: Fraction of the training data to hold out, stratified by class, where no evaluation data
            is given; None holds nothing out.
        metric: `"accuracy"`, `"f1"`, `"matthews_correlation"`, `"loss"`, or a callable
            `(y_true, y_pred) -> float` on class numbers.
        greater_is_better: Whether a greater metric is better; None: yes, except for `"loss"`.
        select_best: Whether the head ends with the weights of its best epoch on the validation data: the best
            metric, among equals the lower validation loss, among those the earlier epoch. None: yes where there
            is validation data.
        early_stopping_patience: Stop after this many evaluations in a row without a better metric; None: never.
        early_stopping_threshold: How much better the metric must be to count for early stopping.
        class_weights: `"balanced"` (n / (k * count)), one weight per class (a sequence, or a mapping from the
            class's name or number, others weighing 1), or None. For multi-label data they weigh the positives of
            each label, and `"balanced"` is negatives / positives.
        calibrate: Whether to fit the head's temperature to the validation data afterwards, so that its probabilities
            mean what they say (any earlier temperature is given up first).
        label_smoothing: Share of the target that is spread over all classes.
        final_layer: How the head's last linear layer ends: `"trained"` with the rest; or `"lda"`: replaced after the
            training by a linear discriminant analysis of what it takes on the training data, in closed form; a
            simulated head with `amplitude_noise` sees each sample four times then, with other noise. None: `"lda"` for
            simulated quantum heads with exclusive classes, `"trained"` for others and with `end_to_end`.
        max_grad_norm: Gradients of a greater norm are scaled down to it; None: no limit.
        seed: Seed of the order of the samples, of the validation split, of amplitude noise and of any dropout.
        checkpoint_dir: Folder for checkpoints; None writes none.
        save_every: Epochs between checkpoints; one more is written at the end and on an interruption.
        save_total_limit: How many checkpoints are kept, the newest; None: all.
        resume: `"auto"`: go on from the newest checkpoint in `checkpoint_dir`, if there is one; True: there must
            be one; False: start over, replacing what is there; a path: that checkpoint file or folder.
        show_progress_bar: Whether to show a progress bar over the epochs.
        log_every: Epochs between log lines (level INFO); None: none.
        eval_every: Epochs between evaluations on the validation data; the last epoch is always evaluated.
        device: Where to train; None: where the head is.

    Raises:
        TypeError, ValueError: Naming the argument, its value and what is allowed.
    """

    num_epochs: int = 40
    min_steps: int | None = None
    batch_size: int = 16
    learning_rate: float = 0.02
    optimizer: str | OptimizerFactory = "adam"
    momentum: float = 0.0
    lr_decay: float = 1.0
    lr_schedule: str = "cosine"
    weight_decay: float = 0.0
    validation_split: float | None = None
    metric: Metric = "accuracy"
    greater_is_better: bool | None = None
    select_best: bool | None = None
    early_stopping_patience: int | None = None
    early_stopping_threshold: float = 0.0
    class_weights: ClassWeights = None
    calibrate: bool = False
    label_smoothing: float = 0.0
    final_layer: str | None = None
    max_grad_norm: float | None = None
    seed: int = 42
    checkpoint_dir: str | Path | None = None
    save_every: int = 10
    save_total_limit: int | None = 2
    resume: bool | str | Path = "auto"
    show_progress_bar: bool = True
    log_every: int | None = None
    eval_every: int = 1
    device: str | torch.device | None = None

    def __post_init__(self) -> None:
        for name in ("num_epochs", "batch_size", "save_every", "eval_every"):
            check_int(name, getattr(self, name), minimum=1)
        for name in ("min_steps", "early_stopping_patience", "save_total_limit", "log_every"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), minimum=1)
        check_int("seed", self.seed, minimum=0, maximum=2**63 - 1)
        for name in ("weight_decay", "early_stopping_threshold"):
            check_float(name, getattr(self, name), minimum=0.0)
        _check_positive("learning_rate", self.learning_rate)
        if _check_positive("lr_decay", self.lr_decay) > 1:
            raise ValueError(f"Argument `lr_decay` must be at most 1, but got {self.lr_decay!r}.")
        if self.max_grad_norm is not None:
            _check_positive("max_grad_norm", self.max_grad_norm)
        if not 0 <= check_float("momentum", self.momentum) < 1:
            raise ValueError(f"Argument `momentum` must be at least 0 and below 1, but got {self.momentum!r}.")
        if self.momentum > 0 and self.optimizer != "sgd":
            raise ValueError(
                f"Argument `momentum` must be 0 with optimizer={self.optimizer!r}, but got {self.momentum}."
            )
        if self.final_layer is not None:
            check_choice("final_layer", self.final_layer, FINAL_LAYERS)
        if not 0 <= check_float("label_smoothing", self.label_smoothing) < 1:
            raise ValueError(f"Argument `label_smoothing` must be in [0, 1), but got {self.label_smoothing!r}.")
        if self.validation_split is not None and not 0 < check_float("validation_split", self.validation_split) < 1:
            raise ValueError(
                "Argument `validation_split` must be a fraction between 0 and 1 (both excluded) or None, "
                f"but got {self.validation_split!r}."
            )
        check_choice("lr_schedule", self.lr_schedule, LR_SCHEDULES)
        if not callable(self.optimizer):
            check_choice("optimizer", self.optimizer, OPTIMIZERS)
        if not callable(self.metric):
            check_choice("metric", self.metric, METRICS)
        check_bool("show_progress_bar", self.show_progress_bar)
        check_bool("calibrate", self.calibrate)
        for name in ("greater_is_better", "select_best"):
            if getattr(self, name) is not None:
                check_bool(name, getattr(self, name))
        if self.metric == "loss" and self.greater_is_better:
            raise ValueError("Argument `greater_is_better` must be False or None with metric='loss', but got True.")
        self._check_class_weights()
        self._check_checkpoints()

    def _check_class_weights(self) -> None:
        weights = self.class_weights
        if weights is None or (isinstance(weights, str) and weights == "balanced"):
            return
        if isinstance(weights, str) or not isinstance(weights, Mapping | Sequence | np.ndarray | torch.Tensor):
            raise ValueError(
                "Argument `class_weights` must be None, 'balanced', a mapping or one number per class, "
                f"but got {weights!r}."
            )
        values: Any = weights.values() if isinstance(weights, Mapping) else weights
        for value in values:
            check_float("class_weights", float(value), minimum=0.0)

    def _check_checkpoints(self) -> None:
        if self.checkpoint_dir is not None:
            if not isinstance(self.checkpoint_dir, str | Path):
                raise TypeError(f"Argument `checkpoint_dir` must be a path, but got {self.checkpoint_dir!r}.")
            if Path(self.checkpoint_dir).is_file():
                raise ValueError(f"Argument `checkpoint_dir` must be a folder, but {self.checkpoint_dir} is a file.")
        if not isinstance(self.resume, bool | str | Path):
            raise TypeError(f"Argument `resume` must be 'auto', True, False or a path, but got {self.resume!r}.")
        if self.resume is True and self.checkpoint_dir is None:
            raise ValueError(
                "Argument `resume=True` needs `checkpoint_dir`, or give the checkpoint's path to `resume`."
            )

    @property
    def maximize(self) -> bool:
        """Whether a greater metric is better."""
        return self.metric != "loss" if self.greater_is_better is None else self.greater_is_better

    @property
    def uses_checkpoints(self) -> bool:
        """Whether checkpoints are written or read."""
        return self.checkpoint_dir is not None or self.resume not in (False, "auto")

    def with_changes(self, **changes: Any) -> HeadTrainingArguments:
        """A validated copy with some settings changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values; callables become their names."""
        return {field.name: _to_json(getattr(self, field.name)) for field in fields(self)}


def _check_positive(name: str, value: Any) -> float:
    number = check_float(name, value)
    if number <= 0:
        raise ValueError(f"Argument `{name}` must be greater than 0, but got {value!r}.")
    return number


def _to_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path | torch.device):
        return str(value)
    return getattr(value, "__qualname__", None) or repr(type(value).__qualname__)
