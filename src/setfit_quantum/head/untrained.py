"""A head knows whether it was trained, and says so when it predicts without having been."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

logger = logging.getLogger(__name__)


class TrainingMark(nn.Module):
    """Keeps whether a head's weights come from training: by any loop, from a file, or from a state dictionary."""

    _is_trained = False
    _has_warned = False

    @property
    def is_trained(self) -> bool:
        """Whether the weights come from training, as far as is known."""
        return self._is_trained

    def mark_trained(self) -> None:
        """Say that the weights mean something."""
        self._is_trained = True

    def mark_untrained(self) -> None:
        """Say that some weights were drawn anew."""
        self._is_trained = self._has_warned = False

    def note_forward(self) -> None:
        """A pass in training mode with gradients is training, whoever does it."""
        if self.training and not self._is_trained and torch.is_grad_enabled():
            self._is_trained = True

    def warn_if_untrained(self) -> None:
        """Log, once, that what an untrained head predicts means nothing."""
        if self._is_trained or self._has_warned:
            return
        self._has_warned = True
        logger.warning(
            "This %s has not been trained: its weights are newly drawn, so what it predicts means nothing. Train it "
            "(`model.fit(texts, labels)`), or load a trained one.",
            type(self).__name__,
        )

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As `torch.nn.Module`'s; what is loaded counts as trained."""
        loaded = super().load_state_dict(state_dict, strict=strict, assign=assign)
        self.mark_trained()
        return loaded
