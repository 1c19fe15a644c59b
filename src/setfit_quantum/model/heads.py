"""From what a user gives as `head` to a head that fits the body and the labels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sklearn.base import BaseEstimator
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from torch import nn

from setfit_quantum.head import ClassicalHead, SetFitQuantumHead
from setfit_quantum.model.mistakes import warn_of_unnamed
from setfit_quantum.vanilla import import_setfit

logger = logging.getLogger(__name__)

HeadSpec: TypeAlias = nn.Module | BaseEstimator | type | Callable[[int | None], Any]
"""An instance, a class, or a function from the embedding's width to a head."""

STRATEGIES = {
    "one-vs-rest": OneVsRestClassifier,
    "multi-output": MultiOutputClassifier,
    "classifier-chain": ClassifierChain,
}


def build_head(
    head: HeadSpec | None,
    *,
    in_features: int | None,
    multi_target_strategy: str | None = None,
    use_differentiable_head: bool = False,
    head_params: Mapping[str, Any] | None = None,
) -> Any:
    """A head for embeddings of width `in_features`.

    Args:
        head: An instance (used as it is: the same instance given to two models is shared by them), a class, or a
            function `in_features -> head`. None: a quantum head, or SetFit's own with `use_differentiable_head`.
        in_features: Width of the embedding, None where the body does not say.
        multi_target_strategy: SetFit's name of how a scikit-learn head handles several labels.
        use_differentiable_head: SetFit's switch for its own differentiable head; only without `head`.
        head_params: Arguments for the head that is built here.

    Raises:
        TypeError: `head` is not, and does not make, a module or an estimator.
        ValueError: Arguments that contradict each other.
    """
    if multi_target_strategy is not None and multi_target_strategy not in STRATEGIES:
        raise ValueError(
            f"Argument `multi_target_strategy` must be one of {', '.join(map(repr, STRATEGIES))} or None, "
            f"but got {multi_target_strategy!r}."
        )
    params = dict(head_params or {})
    if head is not None and use_differentiable_head:
        raise ValueError("Argument `use_differentiable_head` must be False where `head` is given, but got True.")
    if head is None:
        params.setdefault("multitarget", multi_target_strategy is not None)
        head_class = import_setfit().SetFitHead if use_differentiable_head else SetFitQuantumHead
        if not use_differentiable_head:
            logger.info("No head given and none in the model's files: using a new QuantumHead.")
        return head_class(in_features, **params)
    if is_head(head):
        if params:
            raise ValueError("Argument `head_params` needs a class or None as `head`, but got an instance.")
        built: Any = head
    elif isinstance(head, type):
        built = head(**params) if issubclass(head, BaseEstimator) else head(in_features, **params)
    elif callable(head):
        built = head(in_features, **params)
    else:
        built = head
    if not is_head(built):
        raise TypeError(
            "Argument `head` must be a torch module or scikit-learn estimator, a class of these, or a function "
            f"`in_features -> head`, but got {head!r}{'' if built is head else f', which gave {built!r}'}."
        )
    if isinstance(built, (nn.Module, *STRATEGIES.values())) or multi_target_strategy is None:
        return built
    return STRATEGIES[multi_target_strategy](built)


def is_head(value: Any) -> bool:
    """Whether `value` is a head itself, not a class or function that makes one."""
    if isinstance(value, type):
        return False
    return isinstance(value, nn.Module) or all(hasattr(value, name) for name in ("fit", "predict"))


def fit_to_body(head: Any, in_features: int | None, labels: Sequence[Any] | None) -> None:
    """Tell a head the width of the embeddings and the number of labels, as far as they are known.

    Raises:
        ValueError: The head was made for another width, or for fewer classes.
    """
    if not isinstance(head, nn.Module):
        return
    width = getattr(head, "in_features", None)
    if in_features is not None and width is not None and width != in_features:
        raise ValueError(
            f"Argument `head` must take embeddings of width {in_features}, as the body gives, but its in_features "
            f"is {width}."
        )
    if isinstance(head, SetFitQuantumHead | ClassicalHead):
        if in_features is not None:
            head.build(in_features)
        if labels:
            head.fit_out_features(len(labels))
            warn_of_unnamed(head, labels)


def resolve_strategy(head: Any, strategy: str | None) -> str | None:
    """The multi-target strategy that goes with a head.

    Raises:
        ValueError: A strategy for a head that gives one label per sample, or one that it cannot follow.
    """
    if not isinstance(head, nn.Module):
        return strategy
    multitarget = bool(getattr(head, "multitarget", False))
    if strategy is None:
        # SetFit draws its pairs by this; for a module head all strategies are the same.
        return "multi-output" if multitarget else None
    if strategy == "classifier-chain":
        raise ValueError(
            "Argument `multi_target_strategy='classifier-chain'` needs a scikit-learn head, such as "
            f"QuantumHeadClassifier(...), but got a {type(head).__name__}."
        )
    if not multitarget and hasattr(head, "multitarget"):
        raise ValueError(f"Argument `multi_target_strategy={strategy!r}` needs a head made with multitarget=True.")
    return strategy
