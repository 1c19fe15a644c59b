"""Mistakes with a model that would pass in silence, or end in an error that names nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from setfit_quantum.head.settings import SETTABLE

logger = logging.getLogger(__name__)


class ModelMistakes:
    """Refuses, on a model, what is a setting of its head: assigned here it would change nothing."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SETTABLE and not hasattr(type(self), name):
            raise AttributeError(f"A SetFitModel has no setting `{name}`; assign `model.model_head.{name}` instead.")
        super().__setattr__(name, value)


def warn_of_unnamed(head: Any, labels: Sequence[Any] | None) -> None:
    """Log that the head has classes for which there are no names."""
    outputs = getattr(head, "out_features", None)
    if labels and isinstance(outputs, int) and len(labels) < outputs:
        logger.warning(
            "The head has %d classes, but only %d names (%s): `predict` cannot name the others. Give `labels` with all "
            "names.",
            outputs,
            len(labels),
            ", ".join(map(repr, labels)),
        )


@contextmanager
def naming(head: Any, labels: Sequence[Any] | None) -> Iterator[None]:
    """Explain the IndexError of a prediction for whose class there is no name.

    Raises:
        ValueError: Naming `labels`, and what to do.
    """
    try:
        yield
    except IndexError as error:
        outputs = getattr(head, "out_features", None)
        if not labels or not isinstance(outputs, int) or len(labels) >= outputs:
            raise
        raise ValueError(
            f"Argument `labels` must name all {outputs} classes of the head, but names {len(labels)} "
            f"({', '.join(map(repr, labels))}), and the most probable class of a text is another. Give `labels` with "
            "all names, or predict with use_labels=False."
        ) from error
