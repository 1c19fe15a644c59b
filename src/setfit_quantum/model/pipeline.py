"""A model as other libraries call pipelines: inputs in, labels with their probabilities out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from setfit_quantum.model.inputs import is_single

if TYPE_CHECKING:
    from setfit_quantum.model.setfit_model import SetFitModel


class ClassificationPipeline:
    """What `SetFitModel.as_pipeline` gives; called like a pipeline of transformers.

    Args:
        model: A trained model that gives one label per input.

    Raises:
        ValueError: A model of several labels per input.
    """

    is_setfit_quantum = True

    def __init__(self, model: SetFitModel) -> None:
        if model.multi_target_strategy is not None:
            raise ValueError(
                "Argument `model` must give one label per text for a pipeline, but this one gives several."
            )
        self.model = model
        self.task = f"{model.modality}-classification"

    def __call__(
        self, inputs: Any, *, top_k: int | str | None = "auto", batch_size: int = 32, **ignored: Any
    ) -> list[Any] | dict[str, Any]:
        """Labels with their probabilities.

        Args:
            inputs: One text (or image), or several.
            top_k: How many labels, the most probable first; None: all. `"auto"`: one for a text, all for an image, as
                pipelines of transformers have it.
            batch_size: Inputs that the body encodes at once.
            **ignored: What pipelines of transformers take besides (`truncation`): the body decides that itself.

        Returns:
            `{"label", "score"}` for each input; a list of them for each where `top_k` is not 1; without the outer list
            for a single input.
        """
        if top_k == "auto":
            top_k = 1 if self.model.modality == "text" else None
        single = is_single(inputs, self.model.modality)
        values = [inputs] if single else list(inputs) if isinstance(inputs, Iterable) else [inputs]
        if self.model.modality == "text":
            values = [_take_text(value) for value in values]
        shares = np.atleast_2d(np.asarray(self.model.predict_proba(values, batch_size=batch_size, as_numpy=True)))
        names: Any = self.model.labels
        if not names:
            classes = getattr(self.model.model_head, "classes_", None)
            names = range(shares.shape[1]) if classes is None else np.asarray(classes).tolist()
        results: list[Any] = []
        for row in shares:
            order = np.argsort(-row, kind="stable")[: None if top_k is None else int(top_k)]
            found = [{"label": names[int(number)], "score": float(row[number])} for number in order]
            results.append(found[0] if top_k == 1 else found)
        return results[0] if single else results


def _take_text(value: Any) -> Any:
    """The text of what `evaluate` hands over: a mapping with a text, and with a second one for pairs."""
    if not isinstance(value, Mapping):
        return value
    if value.get("text_pair") is not None:
        raise ValueError("Argument `inputs` must hold single texts, but got pairs of texts.")
    return value["text"]
