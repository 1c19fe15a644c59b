"""What a model's card says: facts gathered from training, evaluation and SetFit's own card data."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from setfit_quantum import __version__
from setfit_quantum.card import CardFacts, CardResult
from setfit_quantum.card.facts import Scalar
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingResult

if TYPE_CHECKING:
    pass

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_LIBRARIES = ("torch", "setfit", "sentence-transformers", "transformers")


def gather_facts(model: Any) -> CardFacts:
    """All that is known of a `SetFitModel`: its facts, and what the user or SetFit's trainer put into its card data."""
    data = model.model_card_data
    facts: CardFacts = model.card_facts
    changes: dict[str, Any] = {"library_version": __version__}
    if data.model_name and not _is_setfits_own_name(data.model_name):
        changes["model_name"] = data.model_name
    if data.model_id and _HUB_ID.fullmatch(data.model_id):
        changes["model_id"] = data.model_id
    # A folder of this machine tells nobody else anything.
    if data.st_id and _HUB_ID.fullmatch(data.st_id) and not Path(data.st_id).exists():
        changes["base_model"] = data.st_id
    if data.license:
        changes["license"] = data.license
    if data.language:
        changes["language"] = (data.language,) if isinstance(data.language, str) else tuple(data.language)
    if data.dataset_id and _HUB_ID.fullmatch(data.dataset_id) and data.dataset_id not in facts.datasets:
        changes["datasets"] = (*facts.datasets, data.dataset_id)
    facts = facts.with_changes(**changes)
    known = {(result.metric, result.split) for result in facts.results}
    for result in _results_of_plain_trainer(data):
        if (result.metric, result.split) not in known:
            facts = facts.with_result(result)
    return facts


def restore_card_data(data: Any, facts: CardFacts) -> None:
    """Put loaded facts where SetFit's own code and the user look for them; what is there already stays."""
    data.st_id = data.st_id or facts.base_model
    data.language = data.language or (
        list(facts.language) if len(facts.language) > 1 else next(iter(facts.language), None)
    )
    data.license = data.license or facts.license
    data.model_id = data.model_id or facts.model_id
    data.dataset_id = data.dataset_id or next(iter(facts.datasets), None)
    if facts.model_name and (not data.model_name or _is_setfits_own_name(data.model_name)):
        data.model_name = facts.model_name


def describe_training(
    arguments: HeadTrainingArguments,
    result: HeadTrainingResult,
    *,
    n_train: int | None = None,
    n_validation: int | None = None,
    body: str = "frozen",
) -> dict[str, Scalar]:
    """Lines of the card's training table."""
    rows: dict[str, Any] = {"training texts": n_train, "validation texts": n_validation, "body": body}
    rows["epochs"] = f"{result.epochs_run}{' (stopped early)' if result.stopped_early else ''}"
    if result.best_epoch is not None:
        metric = arguments.to_dict()["metric"]
        value = "" if result.best_metric is None else f" ({result.best_metric:.4g})"
        rows["best epoch"] = f"{result.best_epoch}, by validation {metric}{value}"
    values = arguments.to_dict()
    for name in ("optimizer", "learning_rate", "lr_decay", "lr_schedule", "weight_decay", "batch_size", "class_weights",
                 "label_smoothing", "max_grad_norm", "seed"):  # fmt: skip
        value = values[name]
        if value is not None and not (name == "label_smoothing" and value == 0):
            rows[name.replace("_", " ")] = value if isinstance(value, str | int | float) else str(value)
    if result.final_layer == "lda":
        rows["last layer"] = "linear discriminant analysis of the expectations, in closed form"
    rows["seed"] = str(values["seed"])  # a seed is a name, not a quantity
    if result.temperature is not None:
        rows["calibrated temperature"] = f"{result.temperature:.4g}, fitted to the validation data"
    rows["seconds of head training"] = round(result.seconds, 1)
    return {name: value for name, value in rows.items() if value is not None}


def library_versions() -> dict[str, str]:
    """Versions of what computes."""
    found = {"setfit-quantum": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _results_of_plain_trainer(data: Any) -> list[CardResult]:
    """Figures that `setfit.Trainer.evaluate` left: without intervals, since it keeps no predictions."""
    results = []
    for name, value in (data.eval_results_dict or {}).items():
        split, _, metric = name.partition("_")
        if isinstance(value, int | float) and split and metric:
            results.append(
                CardResult(
                    metric,
                    float(value),
                    dataset=data.dataset_id or "unknown",
                    dataset_name=data.dataset_name,
                    split=split,
                )
            )
    return results


def _is_setfits_own_name(name: str) -> bool:
    return name == "SetFit" or name.startswith("SetFit with ")
