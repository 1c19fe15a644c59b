"""What a model's card says: facts gathered from training, evaluation and SetFit's own card data."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from setfit_quantum import __version__
from setfit_quantum.card import CardFacts, CardResult
from setfit_quantum.card.facts import Scalar
from setfit_quantum.evaluation import Evaluation
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingResult

if TYPE_CHECKING:
    from setfit_quantum.model.setfit_model import SetFitModel

WILSON = "95 % Wilson interval over examples"
BOOTSTRAP = "95 % percentile bootstrap over examples"
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
    if data.st_id and _HUB_ID.fullmatch(data.st_id):  # a folder of this machine tells nobody else anything
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
    for name in ("optimizer", "learning_rate", "lr_decay", "weight_decay", "batch_size", "class_weights",
                 "label_smoothing", "max_grad_norm", "seed"):  # fmt: skip
        value = values[name]
        if value is not None and not (name == "label_smoothing" and value == 0):
            rows[name.replace("_", " ")] = value if isinstance(value, str | int | float) else str(value)
    rows["seed"] = str(values["seed"])  # a seed is a name, not a quantity
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


def results_of(
    evaluation: Evaluation,
    dataset: str,
    split: str = "test",
    *,
    dataset_name: str | None = None,
    head: str | None = None,
    parameters: int | None = None,
) -> list[CardResult]:
    """Accuracy and macro F1 of an evaluation, for the card.

    Args:
        evaluation: What `evaluate_predictions` found.
        dataset: Id of the data.
        split: Its split.
        dataset_name: Its name for people.
        head: The head it belongs to; None: the model's own.
        parameters: Number of that head's trained parameters.
    """
    shared: dict[str, Any] = {
        "dataset": dataset, "split": split, "dataset_name": dataset_name, "n_examples": evaluation.n_examples,
        "head": head, "parameters": parameters,
    }  # fmt: skip
    return [
        CardResult("accuracy", evaluation.accuracy, evaluation.accuracy_interval, WILSON, **shared),
        CardResult("f1", evaluation.macro_f1, _around(evaluation.macro_f1, evaluation.macro_f1_interval), BOOTSTRAP,
                   metric_name="macro F1", **shared),
    ]  # fmt: skip


def record_results(model: SetFitModel, results: Iterable[CardResult], *, compared: bool = False) -> None:
    """Keep measured figures for the model's card."""
    for result in results:
        model.card_facts = model.card_facts.with_result(result, compared=compared)


def _around(value: float, interval: tuple[float, float]) -> tuple[float, float]:
    """A bootstrap interval may miss the value itself when almost all resamples agree."""
    return min(value, interval[0]), max(value, interval[1])


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
