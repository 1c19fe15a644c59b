"""The head's loss: PyTorch's own, with labels checked before they index anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from setfit_quantum.head import SetFitQuantumHead


class CheckedLoss(nn.Module):
    """Cross-entropy, or binary cross-entropy with `multitarget`, naming labels the head has no output for."""

    def __init__(self, head: SetFitQuantumHead) -> None:
        super().__init__()
        self._multitarget = head.multitarget
        self._out_features = head.out_features
        self._loss = nn.BCEWithLogitsLoss() if head.multitarget else nn.CrossEntropyLoss()

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
            return self._loss(logits, labels.to(logits.dtype))
        if labels.ndim != 1:
            raise ValueError(f"Argument `labels` must have shape (batch,), but got {tuple(labels.shape)}.")
        if labels.numel() and int(labels.max()) >= self._out_features:
            raise ValueError(
                f"Argument `labels` must be below out_features = {self._out_features}, but got {int(labels.max())}; "
                f"give the head out_features={int(labels.max()) + 1} or more."
            )
        return self._loss(logits, labels)
