"""Embeddings and targets of a head training, checked before the first step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from setfit_quantum.training.arguments import HeadTrainingArguments
from setfit_quantum.training.labels import EncodedLabels, encode_labels


@dataclass(frozen=True)
class LabelledEmbeddings:
    """Embeddings (n, d) and their targets: (n,) class numbers or (n, k) of 0/1."""

    embeddings: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> LabelledEmbeddings:
        """The same data on `device`."""
        return LabelledEmbeddings(self.embeddings.to(device), self.targets.to(device))

    def take(self, rows: Tensor) -> LabelledEmbeddings:
        """The given rows."""
        return LabelledEmbeddings(self.embeddings[rows], self.targets[rows])


def check_embeddings(embeddings: Any, *, argument: str = "embeddings", dtype: torch.dtype = torch.float32) -> Tensor:
    """Return embeddings as a tensor of shape (n, d) that autograd may use.

    Raises:
        ValueError: Wrong shape, no rows, or NaN or infinite numbers; the message names the first such row.
    """
    tensor = embeddings if isinstance(embeddings, Tensor) else torch.from_numpy(_to_array(embeddings, argument))
    if tensor.ndim != 2 or tensor.shape[1] == 0:
        raise ValueError(f"Argument `{argument}` must have shape (n, d), but got {tuple(tensor.shape)}.")
    if len(tensor) == 0:
        raise ValueError(f"Argument `{argument}` must hold at least one row, but it is empty.")
    # SentenceTransformer.encode returns inference tensors, which autograd refuses.
    tensor = (tensor.clone() if tensor.is_inference() else tensor.detach()).to(dtype)
    bad = ~torch.isfinite(tensor).all(dim=1)
    if bad.any():
        row = int(bad.int().argmax())
        raise ValueError(
            f"Argument `{argument}` must be finite, but row {row} holds NaN or infinity ({int(bad.sum())} such rows)."
        )
    return tensor


def _to_array(embeddings: Any, argument: str) -> np.ndarray:
    try:
        array = np.asarray(embeddings, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Argument `{argument}` must be an array of numbers of shape (n, d).") from error
    return np.ascontiguousarray(array) if array.flags.writeable else array.copy()


@dataclass(frozen=True)
class TrainingData:
    """Checked data of one training.

    Args:
        train: What is trained on, after any validation split.
        validation: What is validated on, or None.
        n_classes: Classes (or labels) in the data.
        n_outputs: Outputs of the head, at least `n_classes`.
        names: Names of the classes by number, or None.
        multitarget: Whether targets are 0/1 per label.
    """

    train: LabelledEmbeddings
    validation: LabelledEmbeddings | None
    n_classes: int
    n_outputs: int
    names: list[str] | None
    multitarget: bool


def prepare_training_data(
    head: nn.Module,
    embeddings: Any,
    labels: Any,
    arguments: HeadTrainingArguments,
    *,
    eval_embeddings: Any = None,
    eval_labels: Any = None,
    label_names: Sequence[str] | None = None,
) -> TrainingData:
    """Check the data, hold out validation data where asked for, and give the head its shapes.

    Raises:
        TypeError, ValueError: Naming the argument, what is wrong with it, and what is allowed.
    """
    if (eval_embeddings is None) != (eval_labels is None):
        raise ValueError("Arguments `eval_embeddings` and `eval_labels` must be given together, but one is missing.")
    multitarget = bool(getattr(head, "multitarget", False))
    outputs = None if multitarget else getattr(head, "out_features", None)
    tensor = check_embeddings(embeddings, dtype=_dtype_of(head))
    encoded = encode_labels(labels, label_names=label_names, multitarget=multitarget, n_classes=outputs)
    _check_lengths(tensor, encoded.targets, "embeddings", "labels")
    if not multitarget:
        check_two_classes(encoded, "labels")
    check_validation_given(arguments, given=eval_embeddings is not None)
    train, validation = LabelledEmbeddings(tensor, encoded.targets), None
    if eval_embeddings is not None:
        validation = _prepare_evaluation_data(head, eval_embeddings, eval_labels, encoded, tensor.shape[1])
    elif arguments.validation_split is not None:
        train, validation = split_validation(train, arguments.validation_split, arguments.seed)
    n_outputs = shape_head(head, tensor, encoded.n_classes)
    return TrainingData(train, validation, encoded.n_classes, n_outputs, encoded.names, multitarget)


def check_two_classes(encoded: EncodedLabels, argument: str) -> None:
    """Refuse class numbers that are all the same.

    Raises:
        ValueError: Naming the argument and the class.
    """
    if len(torch.unique(encoded.targets)) >= 2:
        return
    number = int(encoded.targets[0])
    only = number if encoded.names is None else encoded.names[number]
    raise ValueError(
        f"Argument `{argument}` must hold at least two classes, but all {len(encoded.targets)} samples have one class: "
        f"{only!r}."
    )


def check_validation_given(arguments: HeadTrainingArguments, *, given: bool) -> None:
    """Refuse settings that need validation data where there will be none.

    Args:
        arguments: The settings.
        given: Whether there is evaluation data.

    Raises:
        ValueError: Naming the setting.
    """
    if given or arguments.validation_split is not None:
        return
    if arguments.select_best or arguments.early_stopping_patience is not None or arguments.calibrate:
        name = "select_best=True" if arguments.select_best else "early_stopping_patience"
        name = "calibrate=True" if arguments.calibrate else name
        raise ValueError(f"Argument `{name}` needs validation data: give evaluation data or `validation_split`.")


def _prepare_evaluation_data(
    head: nn.Module, embeddings: Any, labels: Any, encoded: EncodedLabels, width: int
) -> LabelledEmbeddings:
    tensor = check_embeddings(embeddings, argument="eval_embeddings", dtype=_dtype_of(head))
    if tensor.shape[1] != width:
        raise ValueError(
            f"Argument `eval_embeddings` must have {width} columns, as `embeddings` has, but got {tensor.shape[1]}."
        )
    multitarget = bool(getattr(head, "multitarget", False))
    targets = encode_labels(
        labels,
        label_names=encoded.names,
        multitarget=multitarget,
        n_classes=encoded.n_classes if multitarget else None,
        allow_gaps=True,
        argument="eval_labels",
    ).targets
    _check_lengths(tensor, targets, "eval_embeddings", "eval_labels")
    if not multitarget and int(targets.max()) >= encoded.n_classes:
        raise ValueError(
            f"Argument `eval_labels` must hold class numbers below {encoded.n_classes}, the number of classes in "
            f"the training labels, but got {int(targets.max())}."
        )
    return LabelledEmbeddings(tensor, targets)


def count_held_out(fraction: float, n_samples: int) -> int:
    """How many of `n_samples` `split_validation` holds out."""
    return math.ceil(fraction * n_samples)


def split_validation(
    data: LabelledEmbeddings, fraction: float, seed: int
) -> tuple[LabelledEmbeddings, LabelledEmbeddings]:
    """Hold out `count_held_out` samples, stratified by class (at random for multi-label data).

    Returns:
        Training and validation data.

    Raises:
        ValueError: Too few samples for every class to be in both parts.
    """
    from sklearn.model_selection import train_test_split

    held_out = count_held_out(fraction, len(data))
    stratify = None
    n_classes = 1
    if data.targets.ndim == 1:
        counts = torch.bincount(data.targets)
        n_classes = int((counts > 0).sum())
        rare = [number for number, count in enumerate(counts.tolist()) if count == 1]
        if rare:
            raise ValueError(
                f"Argument `validation_split` needs at least two samples of every class, but class number {rare[0]} "
                "has one."
            )
        stratify = data.targets.numpy()
    if held_out < n_classes or len(data) - held_out < n_classes:
        raise ValueError(
            f"Argument `validation_split={fraction}` leaves {len(data) - held_out} samples for training and "
            f"{held_out} for validation: too few for {n_classes} classes."
        )
    train, held = train_test_split(
        np.arange(len(data)), test_size=held_out, random_state=seed % 2**32, stratify=stratify
    )
    return data.take(torch.from_numpy(train)), data.take(torch.from_numpy(held))


def shape_head(head: Any, embeddings: Tensor, n_classes: int) -> int:
    """Give a head its number of outputs and its parameters their shapes, and check that the data fits.

    Returns:
        The head's number of outputs.

    Raises:
        ValueError: The head has too few outputs, or wants embeddings of another width.
    """
    multitarget = bool(getattr(head, "multitarget", False))
    if hasattr(head, "fit_out_features"):
        head.fit_out_features(n_classes)
    width = getattr(head, "in_features", None)
    if width is not None and width != embeddings.shape[1]:
        raise ValueError(
            f"Argument `embeddings` must have {width} columns, the head's in_features, but got {embeddings.shape[1]}."
        )
    if hasattr(head, "build"):
        if not head.is_built:
            head.build(embeddings.shape[1])
        outputs = int(head.out_features)
    else:
        outputs = _probe_outputs(head, embeddings)
    if outputs < n_classes or (multitarget and outputs != n_classes):
        kind, bound = ("labels", "") if multitarget else ("classes", "at least ")
        raise ValueError(
            f"Argument `labels` has {n_classes} {kind}, but the head has {outputs} outputs; give the head "
            f"out_features of {bound}{n_classes}."
        )
    return outputs


def _probe_outputs(head: nn.Module, embeddings: Tensor) -> int:
    """Number of logits; running the head once also shapes lazy layers."""
    training = head.training
    head.eval()
    try:
        with torch.no_grad():
            logits, _ = head(embeddings[:1].to(device_of(head)))
    finally:
        head.train(training)
    return int(logits.shape[-1])


def device_of(head: nn.Module) -> torch.device:
    """Where the head's first parameter lives."""
    parameter = next(head.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _dtype_of(head: nn.Module) -> torch.dtype:
    parameter = next((p for p in head.parameters() if p.dtype.is_floating_point), None)
    return torch.float32 if parameter is None else parameter.dtype


def _check_lengths(embeddings: Tensor, targets: Tensor, first: str, second: str) -> None:
    if len(embeddings) != len(targets):
        raise ValueError(
            f"Arguments `{first}` and `{second}` must have the same length, but got {len(embeddings)} and "
            f"{len(targets)}."
        )
