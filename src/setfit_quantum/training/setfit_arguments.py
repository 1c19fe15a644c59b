"""`TrainingArguments`: SetFit's, plus the settings of head training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from setfit_quantum.training.arguments import ClassWeights, HeadTrainingArguments, Metric, OptimizerFactory
from setfit_quantum.training.setfit_defaults import replace_untouched
from setfit_quantum.vanilla import import_setfit

_SetFitArguments: Any = import_setfit().TrainingArguments
_head = HeadTrainingArguments()

_SAME_NAME = (
    "min_steps",
    "lr_decay",
    "lr_schedule",
    "validation_split",
    "select_best",
    "early_stopping_patience",
    "early_stopping_threshold",
    "class_weights",
    "calibrate",
    "label_smoothing",
    "momentum",
    "final_layer",
    "checkpoint_dir",
    "save_every",
    "resume",
    "seed",
    "show_progress_bar",
)
_PREFIXED = ("optimizer", "metric", "greater_is_better", "max_grad_norm", "eval_every", "log_every")


@dataclass
class TrainingArguments(_SetFitArguments):
    """SetFit's arguments with defaults for a quantum head, and what head training adds.

    As in SetFit, `num_epochs` and `batch_size` are pairs (body, head), or one number for both, and
    `body_learning_rate` is a pair (contrastive tuning, end-to-end). No body epochs, `num_epochs=(0, 40)`, train the
    head alone. The settings below are those of `HeadTrainingArguments` and concern the head only; those with `head_`
    in front would otherwise be taken for the body's.

    Args:
        batch_size: 16 for both phases.
        num_epochs: One epoch of contrastive tuning, 40 of head training.
        l2_weight: Weight decay of both phases; 0 stays 0.
        save_strategy: `"no"`: SetFit's checkpoints of the body are large and lack the head.
        min_steps: On few examples as many more epochs of head training as give this many steps.
        lr_decay: Factor on the head's learning rate after each epoch.
        lr_schedule: `"constant"` or `"cosine"`.
        validation_split: Fraction of the training data held out, where there is no `eval_dataset`.
        select_best: Whether the head ends with its best epoch on the validation data.
        early_stopping_patience: Evaluations without progress before the head's training stops.
        early_stopping_threshold: What counts as progress.
        class_weights: `"balanced"`, one weight per class, or None.
        calibrate: Whether to fit the head's temperature to the validation data afterwards.
        label_smoothing: Share of the target that is spread over all classes.
        momentum: Of the head's `"sgd"`.
        final_layer: How the head's last linear layer ends, `"trained"`, `"lda"` (in closed form) or None.
        checkpoint_dir: Folder for checkpoints of the head's training.
        save_every: Epochs between them.
        resume: Whether to go on from one.
        head_optimizer: Optimizer of the head.
        head_metric: Metric of model selection.
        head_greater_is_better: Whether a greater one is better.
        head_max_grad_norm: Limit on the norm of the head's gradients.
        head_eval_every: Epochs between evaluations.
        head_log_every: Epochs between log lines.

    Raises:
        TypeError, ValueError: Naming the argument, its value and what is allowed.
    """

    batch_size: int | tuple[int, int] = field(default=(16, 16), repr=False)
    num_epochs: int | tuple[int, int] = field(default=(1, _head.num_epochs), repr=False)
    head_learning_rate: float = _head.learning_rate
    l2_weight: float | None = _head.weight_decay
    save_strategy: str = "no"

    min_steps: int | None = _head.min_steps
    lr_decay: float = _head.lr_decay
    lr_schedule: str = _head.lr_schedule
    validation_split: float | None = None
    select_best: bool | None = None
    early_stopping_patience: int | None = None
    early_stopping_threshold: float = _head.early_stopping_threshold
    class_weights: ClassWeights = None
    calibrate: bool = False
    label_smoothing: float = _head.label_smoothing
    momentum: float = _head.momentum
    final_layer: str | None = _head.final_layer
    checkpoint_dir: str | Path | None = None
    save_every: int = _head.save_every
    resume: bool | str | Path = _head.resume
    head_optimizer: str | OptimizerFactory = _head.optimizer
    head_metric: Metric = _head.metric
    head_greater_is_better: bool | None = None
    head_max_grad_norm: float | None = None
    head_eval_every: int = _head.eval_every
    head_log_every: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.head_arguments()

    def head_arguments(self) -> HeadTrainingArguments:
        """The settings of head training among these."""
        return HeadTrainingArguments(
            num_epochs=self.classifier_num_epochs,
            batch_size=self.classifier_batch_size,
            learning_rate=self.head_learning_rate,
            weight_decay=_head.weight_decay if self.l2_weight is None else self.l2_weight,
            **{name: getattr(self, name) for name in _SAME_NAME},
            **{name: getattr(self, f"head_{name}") for name in _PREFIXED},
        )

    def update(self, arguments: dict[str, Any], ignore_extra: bool = False) -> TrainingArguments:
        """A copy with some arguments changed; SetFit's own method would drop those that are not SetFit's."""
        updated: TrainingArguments = type(self).from_dict({**self.to_dict(), **arguments}, ignore_extra=ignore_extra)
        return updated


def head_settings_in(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of head training, by the names of `HeadTrainingArguments`, among fields of our arguments.

    A plain `setfit.Trainer` hands on only what SetFit knows of; the rest is found in what it leaves in the card data.
    """
    own = {name: fields[name] for name in _SAME_NAME if name in fields and not hasattr(_SetFitArguments, name)}
    return own | {name: fields[f"head_{name}"] for name in _PREFIXED if f"head_{name}" in fields}


def head_arguments_of(args: Any) -> HeadTrainingArguments:
    """Head settings from our arguments, or from SetFit's own with its untouched defaults replaced by ours."""
    if isinstance(args, TrainingArguments):
        return args.head_arguments()
    batch_size, weight_decay = replace_untouched(vars(args), args.classifier_batch_size, args.l2_weight)
    given = {
        "num_epochs": args.classifier_num_epochs,
        "batch_size": batch_size,
        "learning_rate": args.head_learning_rate,
        "weight_decay": weight_decay,
        "seed": args.seed,
        "show_progress_bar": args.show_progress_bar,
    }
    return HeadTrainingArguments(**{name: value for name, value in given.items() if value is not None})
