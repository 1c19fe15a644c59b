"""One temperature for a trained head, found on data that it was not trained on."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from setfit_quantum.calibration import fit_temperature
from setfit_quantum.training.data import LabelledEmbeddings
from setfit_quantum.training.metrics import targets_to_numpy


def check_calibratable(head: Any) -> None:
    """Raise TypeError for a head without a temperature."""
    if not isinstance(getattr(head, "temperature", None), int | float):
        raise TypeError(
            "Argument `calibrate=True` needs a head with a temperature (QuantumHead, ClassicalHead, SetFitHead), but "
            f"got a {type(head).__name__}."
        )


def calibrate_head(head: Any, data: LabelledEmbeddings) -> float:
    """Set the head's temperature to the one that fits `data` best, and return it.

    Predictions stay as they are: the temperature does not change which class is the most probable.

    Args:
        head: A trained head.
        data: Held-out embeddings and targets, on the head's device.

    Raises:
        TypeError: A head without a temperature.
    """
    check_calibratable(head)
    was_training = head.training
    head.eval()
    try:
        with torch.no_grad():
            logits, _ = head(data.embeddings)
    finally:
        head.train(was_training)
    found = fit_temperature((logits * head.temperature).double().cpu().numpy(), targets_to_numpy(data.targets))
    head.temperature = found
    return found


def reset_temperature(head: nn.Module) -> None:
    """Train on the logits as they are: a temperature of an earlier calibration would scale the gradients."""
    check_calibratable(head)
    head.temperature = 1.0  # type: ignore[assignment]
