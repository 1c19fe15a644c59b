"""From facts and a head to the text of README.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from setfit_quantum.card.circuit_section import circuit_sections
from setfit_quantum.card.facts import CardFacts
from setfit_quantum.card.front_matter import LIBRARY, write_front_matter
from setfit_quantum.card.markdown import block, cell, code, join_and
from setfit_quantum.card.sections import (
    CITATION,
    base_model_line,
    labels_section,
    limits_section,
    place_note,
    results_section,
    training_section,
    usage,
)
from setfit_quantum.serialization.layout import CARD_PLACEHOLDER


def render_card(
    facts: CardFacts,
    head: Any,
    *,
    labels: Sequence[Any] | None = None,
    max_length: int | None = None,
    picture: str | None = None,
    modality: str = "text",
    part: str | None = None,
) -> str:
    """Text of README.md for a model.

    Args:
        facts: What is known beside the head.
        head: A quantum head whose embedding width is known, or any other head.
        labels: Names of the classes by number.
        max_length: Tokens after which the body cuts texts.
        picture: File name of a picture of the circuit beside the card, or None.
        modality: What the model classifies: `"text"` or `"image"`.
        part: Which half of an `AbsaModel` it is, `"aspect"` or `"polarity"`; None: a model of its own.
    """
    quantum = bool(getattr(head, "is_quantum", False))
    kind = "a quantum head" if quantum else f"a {type(head).__name__} head"
    name = facts.model_name or f"SetFit with {kind}"
    several = bool(getattr(head, "multitarget", False))
    parts = [
        write_front_matter(facts, name, quantum=quantum, modality=modality),
        f"# {cell(name)}",
        _introduction(facts, head, labels, kind, quantum, modality, part),
        "## How to use it",
        usage(facts.model_id or CARD_PLACEHOLDER, several=several, quantum=quantum, modality=modality, part=part),
        "## Labels",
        labels_section(labels, getattr(head, "out_features", None)),
        "## Results",
        results_section(facts, "quantum head" if quantum else type(head).__name__, count_parameters(head)),
        "## Limits",
        limits_section(facts, quantum=quantum, max_length=max_length, modality=modality),
        *_head_sections(head, picture, quantum, modality),
        "## Training",
        training_section(facts),
        *_citation(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_head_card(head: Any, facts: CardFacts | None = None) -> str:
    """Text of README.md for a quantum head that is published without a body."""
    facts = facts or CardFacts()
    code_lines = [
        "import torch",
        "from setfit_quantum import QuantumHead, SetFitModel",
        "",
        f'head = QuantumHead.from_pretrained("{facts.model_id or CARD_PLACEHOLDER}")',
        f"head.predict_proba(torch.randn(1, {head.in_features}))  # embeddings in, probabilities out",
        "",
        "# With the sentence transformer and the labels that it was trained with:",
        f'model = SetFitModel.from_pretrained("ID_OF_THE_BODY", head=head, labels=[{_label_slots(head)}])',
    ]
    parts = [
        write_front_matter(facts, facts.model_name or "Quantum head"),
        f"# {cell(facts.model_name or 'Quantum head')}",
        f"The quantum head of a [SetFit](https://github.com/huggingface/setfit) text classifier, without its sentence "
        f"transformer, made with {LIBRARY} {cell(facts.library_version)}. It takes embeddings of {head.in_features:,} "
        "numbers; only those of the body it was trained on make sense to it.",
        "## How to use it",
        f"Install the Python package `{LIBRARY}`{place_note(facts.model_id or CARD_PLACEHOLDER)}, then:\n\n"
        + block("\n".join(code_lines), "python"),
        "## Limits",
        limits_section(facts, quantum=True, max_length=None, alone=True),
        *circuit_sections(head),
        *_citation(),
    ]
    return "\n\n".join(parts) + "\n"


def _label_slots(head: Any) -> str:
    slots = [f'"LABEL_{number}"' for number in range(head.out_features)]
    return ", ".join(slots if len(slots) <= 4 else [*slots[:2], "...", slots[-1]])


def count_parameters(head: Any) -> int | None:
    """Trained parameters of a head, None where they cannot be told."""
    if hasattr(head, "num_parameters"):
        return int(head.num_parameters())
    if hasattr(head, "parameters"):
        return sum(int(parameter.numel()) for parameter in head.parameters())
    parts = getattr(head, "estimators_", [head])
    if all(hasattr(part, "coef_") for part in parts):
        return sum(int(part.coef_.size) + int(part.intercept_.size) for part in parts)
    return None


def _head_sections(head: Any, picture: str | None, quantum: bool, modality: str) -> list[str]:
    if not quantum:
        return ["## Head", code(repr(head))]
    sections = circuit_sections(head, picture)
    if modality == "text":
        return sections
    for text, other in (
        ("a text", f"an {modality}"),
        ("the text)", f"the {modality})"),
        ("per text", f"per {modality}"),
    ):
        sections = [section.replace(text, other) for section in sections]
    return sections


def _introduction(
    facts: CardFacts,
    head: Any,
    labels: Sequence[Any] | None,
    kind: str,
    quantum: bool,
    modality: str,
    part: str | None,
) -> str:
    things = f"{modality}s" if part is None else "words of texts"
    classes = things if not labels or len(labels) > 6 else f"{things} as {join_and([code(label) for label in labels])}"
    if labels and len(labels) > 6:
        classes = f"{things} into {len(labels)} classes"
    body = base_model_line(facts, getattr(head, "in_features", None), modality)
    decides = (
        "and a small simulated quantum circuit, trained on them, decides. Neither quantum hardware nor knowledge of it "
        "is needed."
        if quantum
        else "and the head decides."
    )
    article = "an" if modality == "image" else "a"
    return (
        f"This model classifies {classes}. It is a [SetFit](https://github.com/huggingface/setfit) model with {kind}, "
        f"made with {LIBRARY} {cell(facts.library_version)}: {body} turns {article} {modality} into "
        f"numbers, {decides}"
    )


def _citation() -> list[str]:
    return [
        "## Citation",
        "The head is that of the first, the training method that of the second:",
        block(CITATION, "bibtex"),
    ]
