"""`ModelTrust`: calibrated probabilities, and saying nothing where the model is not sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from setfit_quantum.calibration import Abstention, choose_threshold
from setfit_quantum.card import CardFacts
from setfit_quantum.checks import check_probability
from setfit_quantum.model.body import check_texts
from setfit_quantum.training.calibrating import calibrate_head, check_calibratable
from setfit_quantum.training.data import LabelledEmbeddings
from setfit_quantum.training.labels import encode_labels

ABSTAINED = -1
"""The class number of an input that the model does not decide on; its name is None."""


class ModelTrust:
    """What `SetFitModel` has for probabilities that people can act on."""

    model_head: Any
    labels: Sequence[Any] | None
    card_facts: CardFacts
    encode: Any
    predict_proba: Any
    device: torch.device

    _abstain_below: float | None = None

    @property
    def abstain_below(self) -> float | None:
        """Least probability of a class for which `predict` names it; below, it gives None (number -1). None: always.

        Saved with the model.
        """
        return self._abstain_below

    @abstain_below.setter
    def abstain_below(self, value: float | None) -> None:
        if value is not None:
            check_probability("abstain_below", value)
            self._check_one_label()
        self._abstain_below = None if value is None else float(value)

    def calibrate(self, texts: Any, labels: Any) -> float:
        """Fit the head's temperature to held-out texts, so that its probabilities mean what they say.

        Which class is the most probable stays as it is. Saved with the model.

        Args:
            texts: Texts (or images) that were not trained on.
            labels: Their labels.

        Returns:
            The temperature that the logits are divided by from now on.

        Raises:
            TypeError: A head without a temperature (scikit-learn has `CalibratedClassifierCV` for its own).
            ValueError: Labels that the model does not know.
        """
        check_calibratable(self.model_head)
        embeddings, targets = self._held_out(texts, labels)
        found = calibrate_head(self.model_head, LabelledEmbeddings(embeddings, targets.to(embeddings.device)))
        note = f"{found:.4g}, fitted to {len(targets)} held-out examples"
        training = {**self.card_facts.training, "calibrated temperature": note}
        self.card_facts = self.card_facts.with_changes(training=training)
        return found

    def choose_abstention(self, texts: Any, labels: Any, accuracy: float) -> Abstention:
        """Set `abstain_below` so that at least `accuracy` of the answers on held-out texts are right.

        Args:
            texts: Texts (or images) that were not trained on.
            labels: Their labels.
            accuracy: The accuracy wanted of the answers that are given.

        Returns:
            The threshold, and on what share of the texts it lets the model answer.

        Raises:
            ValueError: No threshold reaches it; the message says what can be reached.
        """
        self._check_one_label()
        embeddings, targets = self._held_out(texts, labels)
        found = choose_threshold(self.model_head.predict_proba(embeddings).cpu().numpy(), targets.numpy(), accuracy)
        self.abstain_below = found.threshold
        return found

    def _check_one_label(self) -> None:
        if bool(getattr(self, "multi_target_strategy", None)):
            raise ValueError("Argument `abstain_below` needs one label per text, but this model gives several.")

    def _held_out(self, texts: Any, labels: Any) -> tuple[torch.Tensor, torch.Tensor]:
        values = check_texts("texts", texts)
        head = self.model_head
        if not isinstance(head, torch.nn.Module):
            raise TypeError(f"Argument `model_head` must be a module head for this, but is a {type(head).__name__}.")
        encoded = encode_labels(
            labels,
            label_names=self.labels,
            multitarget=bool(getattr(head, "multitarget", False)),
            n_classes=getattr(head, "out_features", None),
            allow_gaps=True,
        )
        if len(values) != len(encoded.targets):
            raise ValueError(
                f"Arguments `texts` and `labels` must have the same length, but got {len(values)} and "
                f"{len(encoded.targets)}."
            )
        return self.encode(values), encoded.targets

    def _predict_or_abstain(
        self, inputs: Any, batch_size: int, as_numpy: bool, use_labels: bool, show_progress_bar: bool | None
    ) -> Any:
        """What `predict` gives with `abstain_below`: one measurement decides both the class and whether to name it."""
        shares = np.asarray(
            self.predict_proba(inputs, batch_size=batch_size, as_numpy=True, show_progress_bar=show_progress_bar)
        )
        single = shares.ndim == 1
        shares = np.atleast_2d(shares)
        numbers = np.where(shares.max(axis=1) >= (self._abstain_below or 0.0), shares.argmax(axis=1), ABSTAINED)
        names = self.labels or getattr(self.model_head, "classes_", None)
        if use_labels and self.labels and names is not None:
            named = [None if number == ABSTAINED else names[number] for number in numbers.tolist()]
            return named[0] if single else named
        result = numbers if as_numpy else torch.from_numpy(numbers)
        return result[0] if single else result
