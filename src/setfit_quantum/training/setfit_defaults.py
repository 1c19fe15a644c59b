"""Telling SetFit's untouched defaults from what a user chose.

SetFit's `TrainingArguments` give the classifier phase batches of 2 and a weight decay of 0.01: slow, and bad for
angles. What a user set must be honoured, even where it equals the default. So the comparison is by identity: an
untouched field holds the very object that is the class's default.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from setfit_quantum.training.arguments import HeadTrainingArguments
from setfit_quantum.vanilla import import_setfit

logger = logging.getLogger(__name__)


class HeadDefaults(NamedTuple):
    """Batch size and weight decay of head training."""

    batch_size: int | None
    weight_decay: float | None


def replace_untouched(fields: Mapping[str, Any], batch_size: int | None, weight_decay: float | None) -> HeadDefaults:
    """Batch size and weight decay, ours in place of SetFit's untouched defaults; says so in the log.

    Args:
        fields: The fields of SetFit's arguments, as far as they are known.
        batch_size: What the arguments give for the head.
        weight_decay: What the arguments give.
    """
    defaults = import_setfit().TrainingArguments
    ours = HeadTrainingArguments()
    changes = []
    if fields.get("batch_size") is defaults.batch_size and batch_size != ours.batch_size:
        changes.append(f"batches of {ours.batch_size} (SetFit's default is {batch_size})")
        batch_size = ours.batch_size
    if weight_decay is not None and weight_decay is defaults.l2_weight:
        changes.append(f"a weight decay of {ours.weight_decay:g} (SetFit's default is {weight_decay})")
        weight_decay = ours.weight_decay
    if changes:
        logger.warning("The head is trained with %s; set `batch_size` or `l2_weight` to choose.", " and ".join(changes))
    return HeadDefaults(batch_size, weight_decay)


def trainer_fields(card_data: Any, head_learning_rate: float | None) -> Mapping[str, Any]:
    """The arguments' fields of the SetFit trainer that is calling `fit`, or nothing where `fit` was called directly.

    A plain `setfit.Trainer` leaves its arguments in the model's card data before it trains, and then hands `fit` the
    same objects.
    """
    fields: Mapping[str, Any] = getattr(card_data, "hyperparameters", None) or {}
    called_by_trainer = head_learning_rate is not None and fields.get("head_learning_rate") is head_learning_rate
    return fields if called_by_trainer else {}
