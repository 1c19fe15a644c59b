"""The head's loss: PyTorch's own, with labels checked before they index anything."""

from __future__ import annotations

from torch import Tensor, nn


class CheckedLoss(nn.Module):
    """Cross-entropy, or binary cross-entropy with `multitarget`, naming labels the head has no output for."""

    def __init__(self, out_features: int, multitarget: bool) -> None:
        super().__init__()
        self._multitarget = multitarget
        self._out_features = out_features
        self._loss = nn.BCEWithLogitsLoss() if multitarget else nn.CrossEntropyLoss()

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of logits (batch, out_features); labels are (batch,) or, with multitarget, 0/1 like the logits.

        Raises:
            ValueError: Labels the head has no output for, or of the wrong shape.
        """
        if self._multitarget:
            if labels.shape != logits.shape:
                raise ValueError(
                    f"Argument `labels` must have shape {tuple(logits.shape)} (batch, out_features) with "
                    f"multitarget=True, but got {tuple(labels.shape)}."
                )
            labels = labels.to(logits.dtype)
        elif labels.ndim != 1:
            raise ValueError(f"Argument `labels` must have shape (batch,), but got {tuple(labels.shape)}.")
        elif labels.numel() and int(labels.min()) < 0:
            raise ValueError(f"Argument `labels` must be at least 0, but got {int(labels.min())}.")
        elif labels.numel() and int(labels.max()) >= self._out_features:
            raise ValueError(
                f"Argument `labels` must be below out_features = {self._out_features}, but got {int(labels.max())}; "
                f"give the head out_features={int(labels.max()) + 1} or more."
            )
        loss: Tensor = self._loss(logits, labels)
        return loss
