"""The models that the demo asks: one body for everybody, a head and its classical rival for each model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from setfit_quantum.baselines import fit_logistic_regression
from setfit_quantum.default_body import DEFAULT_BODY
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.model.body import encode_texts

_TURN = 16
"""Texts that are encoded at a stretch, before others have their turn."""
_PAUSE = 0.005
"""Seconds between turns. Whoever lets a lock go and wants it again gets it, unless the others have time to wake up."""


@dataclass(frozen=True, eq=False)
class DemoModel:
    """A trained head with what stands beside it. It is never changed, so that threads may share it.

    Args:
        title: What the page calls it.
        head: The quantum head, in evaluation mode.
        labels: Names of the classes by number.
        classical: Logistic regression on the same embeddings, or None where the training data is not known.
        about: One sentence on where it comes from.
    """

    title: str
    head: SetFitQuantumHead
    labels: tuple[str, ...]
    classical: Any | None
    about: str

    def classical_probabilities(self, embeddings: Tensor) -> Any:
        """Probabilities by logistic regression, shape (n, classes), or None."""
        return None if self.classical is None else self.classical.predict_proba(embeddings.cpu().numpy())


class Engine:
    """The sentence transformer, and the model that visitors meet first.

    Args:
        body: The sentence transformer.
        bundled: The first model.
        body_name: What a saved model's card calls the body.
        normalize: Whether embeddings are scaled to norm 1.
    """

    def __init__(
        self, body: Any, bundled: DemoModel, *, body_name: str = DEFAULT_BODY, normalize: bool = False
    ) -> None:
        self.body = body
        self.bundled = bundled
        self.body_name = body_name
        self.normalize = normalize
        # A fast tokenizer is no good for two threads at once, and two forward passes would only share the cores.
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str], before_each: Callable[[], None] | None = None) -> Tensor:
        """Encode texts, in turns with other visitors.

        Args:
            texts: At least one.
            before_each: Called before each turn; may raise to give up.

        Returns:
            Embeddings, shape (n, d).
        """
        parts: list[Tensor] = []
        for start in range(0, len(texts), _TURN):
            if parts:
                time.sleep(_PAUSE)
            if before_each is not None:
                before_each()
            with self._lock:
                part = encode_texts(
                    self.body, texts[start : start + _TURN], normalize=self.normalize, show_progress_bar=False
                )
                parts.append(part.cpu())
        return torch.cat(parts)

    @property
    def body_megabytes(self) -> float:
        """Size of the sentence transformer's weights."""
        return float(sum(weight.numel() * weight.element_size() for weight in self.body.parameters())) / 1e6

    def fit_classical(self, embeddings: Tensor, targets: Any) -> Any:
        """Logistic regression on the same embeddings."""
        return fit_logistic_regression(embeddings.cpu().numpy(), targets)

    def saving(self) -> threading.Lock:
        """Held while the body's files are written: nobody encodes meanwhile."""
        return self._lock


def warm_up(head: SetFitQuantumHead) -> None:
    """Compile the simulator before anybody waits for it."""
    import copy

    assert head.in_features is not None
    trial = copy.deepcopy(head).train()
    logits, _ = trial(torch.ones(2, head.in_features))
    logits.sum().backward()
