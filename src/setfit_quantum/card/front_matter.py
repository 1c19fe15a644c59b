"""The front matter of a card, which the Hub reads: library, tags, base model, licence, model index."""

from __future__ import annotations

from typing import Any

from setfit_quantum.card.facts import CardFacts, CardResult

LIBRARY = "setfit-quantum"
TAGS = ("setfit", "quantum", "sentence-transformers", "text-classification")
TASKS = {"text": "text-classification", "image": "image-classification"}


def write_front_matter(facts: CardFacts, name: str, *, quantum: bool = True, modality: str = "text") -> str:
    """The block between the two lines of dashes, these included.

    Only figures with an interval enter the model index: without one nobody can tell what a figure is worth.
    """
    from huggingface_hub import ModelCardData

    task = TASKS[modality]
    results = [result for result in facts.results if result.interval is not None]
    data = ModelCardData(
        library_name=LIBRARY,
        tags=[task if tag == TASKS["text"] else tag for tag in TAGS if quantum or tag != "quantum"],
        pipeline_tag=task,
        language=list(facts.language) or None,
        license=facts.license,
        base_model=facts.base_model,
        datasets=list(facts.datasets) or None,
        metrics=list(dict.fromkeys(result.metric for result in results)) or None,
        model_name=_line(name) if results else None,
        eval_results=[_to_eval_result(result, task) for result in results] or None,
    )
    return f"---\n{data.to_yaml(line_break=chr(10)).strip()}\n---"


def _to_eval_result(result: CardResult, task: str) -> Any:
    from huggingface_hub import EvalResult

    assert result.interval is not None
    arguments: dict[str, Any] = {
        "interval": [round(bound, 6) for bound in result.interval],
        "interval_method": _line(result.interval_method or "unknown"),
    }
    if result.n_examples is not None:
        arguments["n_examples"] = result.n_examples
    return EvalResult(
        task_type=task,
        task_name=task.replace("-", " ").capitalize(),
        dataset_type=_line(result.dataset),
        dataset_name=_line(result.dataset_name or result.dataset),
        dataset_split=_line(result.split),
        metric_type=_line(result.metric),
        metric_name=_line(result.metric_name or result.metric),
        metric_value=round(result.value, 6),
        metric_args=arguments,
    )


def _line(text: str) -> str:
    """One line: a line of dashes inside a value would end the front matter for some readers."""
    return " ".join(text.split())
