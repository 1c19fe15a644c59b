"""The models that the demo asks: one body for everybody, a head and its classical rival for each model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from setfit_quantum.baselines import fit_logistic_regression
from setfit_quantum.default_body import DEFAULT_BODY
from setfit_quantum.head import SetFitQuantumHead
from setfit_quantum.model.body import encode_texts


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

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Embeddings, shape (n, d)."""
        with self._lock:
            return encode_texts(self.body, texts, normalize=self.normalize, show_progress_bar=False).cpu()

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
