"""The model card, written from the model as it is when saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from setfit_quantum import __version__

if TYPE_CHECKING:
    from setfit_quantum.model import SetFitModel

LIBRARY = "setfit-quantum"
TAGS = ("setfit", "quantum", "sentence-transformers", "text-classification")


def render_card(model: SetFitModel) -> str:
    """Text of README.md: front matter for the Hub, how to load the model, its head and labels."""
    from huggingface_hub import ModelCardData

    data = model.model_card_data
    front = ModelCardData(
        library_name=LIBRARY,
        tags=list(TAGS),
        pipeline_tag="text-classification",
        language=data.language,
        license=data.license,
        base_model=data.st_id,
        datasets=[data.dataset_id] if data.dataset_id else None,
        model_name=(data.model_name or "SetFit with a quantum head") if data.eval_results_dict else None,
        eval_results=_results(data) or None,
    ).to_yaml()
    return f"---\n{front}\n---\n\n" + "\n\n".join(section for section in _sections(model) if section) + "\n"


def _results(data: Any) -> list[Any]:
    """The metrics of the last `Trainer.evaluate`, for the front matter's model index."""
    from huggingface_hub import EvalResult

    results = []
    for name, value in data.eval_results_dict.items():
        split, _, metric = name.partition("_")
        results.append(
            EvalResult(
                task_type="text-classification",
                dataset_type=data.dataset_id or "unknown",
                dataset_name=data.dataset_name or data.dataset_id or "Unknown",
                dataset_split=split,
                metric_type=metric,
                metric_value=value,
            )
        )
    return results


def _sections(model: SetFitModel) -> list[str]:
    head = model.model_head
    repository = model.model_card_data.model_id or "PATH_OR_ID"
    quantum = hasattr(head, "circuit")
    kind = "a quantum head" if quantum else f"a {type(head).__name__} head"
    return [
        f"# {model.model_card_data.model_name or 'Text classifier'}",
        f"A [SetFit](https://github.com/huggingface/setfit) text classifier with {kind}, made with {LIBRARY} "
        f"{__version__}.",
        "## How to use it",
        "Load it with this package's class: plain SetFit does not know the head's files.",
        f'```python\nfrom setfit_quantum import SetFitModel\n\nmodel = SetFitModel.from_pretrained("{repository}")\n'
        'model.predict(["A sentence to classify."])\n```',
        "## Head",
        _head_table(head) if quantum else f"`{head!r}`",
        "" if model.labels is None else "## Labels\n\n" + ", ".join(f"`{label}`" for label in model.labels),
    ]


def _head_table(head: Any) -> str:
    config = head.config
    ops = head.circuit.count_ops()
    noise = "none" if head.noise is None else str(head.noise)
    rows = [
        ("class", type(head).__name__),
        ("embedding width", config.in_features),
        ("classes", config.out_features),
        ("qubits", config.n_qubits),
        ("encoders", f"{config.n_encoders} ({config.encoder})"),
        ("trainable parameters", head.num_parameters()),
        ("gates of the circuit", ", ".join(f"{count} {name}" for name, count in ops.items())),
        ("depth of the circuit", head.circuit.depth()),
        ("noise", noise),
        ("shots", "exact" if config.shots is None else config.shots),
        ("backend", config.backend),
    ]
    return "| setting | value |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows)
