"""`ModelTransfer`: carrying a trained model over to another task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from setfit_quantum.card import CardFacts
from setfit_quantum.model.body import embedding_width
from setfit_quantum.model.heads import fit_to_body, resolve_strategy


class ModelTransfer:
    """What `SetFitModel` has for transfer learning."""

    model_body: Any
    model_head: Any
    labels: Sequence[Any] | None
    multi_target_strategy: str | None
    card_facts: CardFacts

    def replace_classifier(
        self, classifier: str = "quantum", *, labels: Sequence[Any] | None = None, **settings: Any
    ) -> None:
        """Give the model a new classifier for another task, in place; body and encoder stay.

        Freeze the encoder first (`model.model_head.freeze("encoder")`) to keep what it learned.

        Args:
            classifier: `"quantum"`, `"linear"` or `"mlp"`.
            labels: Names of the new classes by number; None: taken from the labels of the next training.
            **settings: Handed on to the head's `replace_classifier`.

        Raises:
            TypeError: A head of another library, which has no encoder to keep.
        """
        head = self.model_head
        if not hasattr(head, "replace_classifier"):
            raise TypeError(
                f"Argument `model_head` must be a QuantumHead or a ClassicalHead, but is a {type(head).__name__}."
            )
        if self.model_body is not None:
            fit_to_body(head, embedding_width(self.model_body), None)
        head.replace_classifier(classifier, **settings)
        self.labels = None if labels is None else list(labels)
        fit_to_body(head, None, self.labels)
        self.multi_target_strategy = resolve_strategy(head, None)
        # What was measured and recorded belongs to the former task.
        self.card_facts = CardFacts(base_model=self.card_facts.base_model)
