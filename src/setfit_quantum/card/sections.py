"""The sections of a card that do not depend on the circuit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from setfit_quantum.card.facts import CardFacts, CardResult
from setfit_quantum.card.front_matter import LIBRARY
from setfit_quantum.card.markdown import block, cell, code, percent, table
from setfit_quantum.serialization.layout import CARD_PLACE_NOTE, CARD_PLACEHOLDER

Interval: TypeAlias = tuple[float, float]

CITATION = """\
@misc{kim2025quantum,
  title  = {Quantum Large Language Model Fine-Tuning},
  author = {Kim, Sang Hyub and Mei, Jonathan and Girotto, Claudio and Yamada, Masako and Roetteler, Martin},
  year   = {2025},
  note   = {arXiv:2504.08732},
  url    = {https://arxiv.org/abs/2504.08732}
}

@misc{tunstall2022efficient,
  title  = {Efficient Few-Shot Learning Without Prompts},
  author = {Tunstall, Lewis and Reimers, Nils and Jo, Unso Eun Seo and Bates, Luke and Korat, Daniel and
            Wasserblat, Moshe and Pereg, Oren},
  year   = {2022},
  note   = {arXiv:2209.11055},
  url    = {https://arxiv.org/abs/2209.11055}
}"""


def usage(place: str, *, several: bool, quantum: bool, modality: str = "text", part: str | None = None) -> str:
    """How to load and call the model.

    Args:
        place: Its id on the Hub, or the placeholder.
        several: Whether it gives several labels.
        quantum: Whether its head is quantum.
        modality: `"text"` or `"image"`.
        part: Which half of an `AbsaModel` it is, `"aspect"` or `"polarity"`; None: a model of its own.
    """
    if part is not None:
        return _usage_of_half(place, part, quantum=quantum)
    answer = "a list of 0 and 1 per label" if several else f"one label per {modality}"
    first, second = ("A text to classify.", "And another.") if modality == "text" else ("one.jpg", "another.png")
    lines = [
        "from setfit_quantum import SetFitModel",
        "",
        f'model = SetFitModel.from_pretrained("{place}")',
        f'model.predict(["{first}", "{second}"])  # {answer}',
        f'model.predict_proba(["{first}"])  # probabilities, in the order of the labels',
    ]
    command = block(f'setfit-quantum predict {place} "{first}"', "bash")
    package = f"`{LIBRARY}`" if modality == "text" else f"`{LIBRARY}` with its extra `vision`"
    return (
        f"Install the Python package {package}{place_note(place)}, then:\n\n"
        + block("\n".join(lines), "python")
        + f"\n\nor on the command line:\n\n{command}\n\n"
        + _plain_setfit(quantum, unknown="multi_target_strategy" if several else modality)
    )


def _usage_of_half(place: str, part: str, *, quantum: bool) -> str:
    halves = {"aspect": "ASPECT_MODEL", "polarity": "POLARITY_MODEL"} | {part: place}
    what = {
        "aspect": "spaCy finds candidate words in a text, and this model tells which of them are aspects",
        "polarity": "what a text says of each aspect that the other half found in it",
    }[part]
    lines = [
        "from setfit_quantum import AbsaModel",
        "",
        f'model = AbsaModel.from_pretrained("{halves["aspect"]}", "{halves["polarity"]}")',
        'model.predict("The food was great, the service slow.")  # a list of {"span": ..., "polarity": ...}',
    ]
    return (
        f"This is the {part} half of an aspect based sentiment model: {what}. Install the Python package `{LIBRARY}` "
        f"with its extra `absa`{place_note(place)}, then (with the folder or id of the other half in place of "
        f"`{halves['polarity' if part == 'aspect' else 'aspect']}`):\n\n"
        + block("\n".join(lines), "python")
        + "\n\n"
        + _plain_setfit(quantum, unknown="text").replace("SetFitModel", "AbsaModel")
    )


def place_note(place: str) -> str:
    """What to write for the placeholder, where the model's id is not known."""
    return CARD_PLACE_NOTE if place == CARD_PLACEHOLDER else ""


def _plain_setfit(quantum: bool, unknown: str) -> str:
    head = "quantum head" if quantum else "head, which is saved without pickle"
    if unknown == "text":
        what = (
            f"Plain SetFit does not know the {head}: it loads the body (the sentence transformer) and puts an "
            "untrained head on it. Its `predict` then raises `NotFittedError`; with `use_differentiable_head=True` it "
            "would answer at random."
        )
    else:
        setting = "modality" if unknown == "image" else unknown
        what = (
            f"Plain SetFit does not know the {head}, nor the setting `{setting}`, at which it stops with a `TypeError`."
        )
    return (
        f"**Load it with `setfit_quantum.SetFitModel`, not with plain `setfit.SetFitModel`.** {what}\n\n"
        "The files hold no pickle and loading runs no code from this repository: weights are safetensors, settings "
        "JSON, and a manifest of hashes tells damaged files."
    )


def labels_section(labels: Sequence[Any] | None, outputs: int | None) -> str:
    """The classes by number."""
    if labels is None:
        known = "" if outputs is None else f" 0 to {outputs - 1}"
        return f"Classes are numbers{known}: no names were given in training."
    return table(("number", "label"), list(enumerate(labels)), numbers=(0,))


def results_section(facts: CardFacts, head: str, parameters: int | None) -> str:
    """Measured figures, this model's and those of other heads, and what may be concluded."""
    if not facts.results:
        return (
            "No figures were recorded with this model: measure it on your own data before you rely on it "
            "(`setfit-quantum evaluate`)."
        )
    rows = [_result_row(result, f"**{head}** (this model)", parameters) for result in facts.results]
    rows += [_result_row(result, result.head or "other head", None) for result in facts.comparisons]
    shown = table(
        ("head", "trained parameters", "metric", "value, %", "interval, %", "data", "split", "examples"),
        rows,
        numbers=(1, 3, 4, 7),
    )
    methods = sorted({result.interval_method for result in (*facts.results, *facts.comparisons)} - {None, ""})  # type: ignore[type-var]
    notes = ["An interval shows how far the value may be off by the luck of the examples it was measured on"
             f" ({'; '.join(map(cell, methods))})." if methods else ""]  # fmt: skip
    if any(result.interval is None for result in (*facts.results, *facts.comparisons)):
        notes.append("Figures without an interval are not in the front matter: they may be luck.")
    notes += _verdicts(facts)
    return shown + "\n\n" + " ".join(note for note in notes if note)


def _result_row(result: CardResult, head: str, parameters: int | None) -> tuple[Any, ...]:
    interval = "not computed" if result.interval is None else " to ".join(percent(bound) for bound in result.interval)
    count = result.parameters if result.parameters is not None else parameters
    return (
        head,
        "" if count is None else count,
        result.metric_name or result.metric,
        percent(result.value),
        interval,
        result.dataset_name or result.dataset,
        result.split,
        "" if result.n_examples is None else result.n_examples,
    )


def _verdicts(facts: CardFacts) -> list[str]:
    """One honest sentence for each other head, on the first figure that both have."""
    sentences = ["All heads read the same embeddings of the same body."] if facts.comparisons else []
    judged: set[str | None] = set()
    for other in facts.comparisons:
        for own in facts.results:
            same = (own.metric, own.dataset, own.split) == (other.metric, other.dataset, other.split)
            if same and other.head not in judged and own.interval is not None and other.interval is not None:
                judged.add(other.head)
                sentences.append(_verdict(own, own.interval, other, other.interval))
    return sentences


def _verdict(own: CardResult, interval: Interval, other: CardResult, other_interval: Interval) -> str:
    points = 100 * abs(own.value - other.value)
    side = "ahead of" if own.value > other.value else "behind"
    order = "equal to" if points < 0.05 else f"{points:.1f} points {side}"
    apart = interval[0] > other_interval[1] or other_interval[0] > interval[1]
    doubt = "the intervals do not overlap" if apart else "the intervals overlap, so this may be chance"
    metric, rival = cell(own.metric_name or own.metric), cell(other.head or "the other head")
    return f"In {metric} this model is {order} {rival}; {doubt}."


_TRAINING_NAMES = {"body": "body (what makes the embeddings)", "lr decay": "learning rate decay per epoch"}
_TRAINING_VALUES: dict[tuple[str, Any], str] = {("body", "frozen"): "frozen: it was not trained further"}


def training_section(facts: CardFacts) -> str:
    """How the model was trained, and with which versions."""
    if not facts.training:
        return "How it was trained was not recorded."
    rows = [(_TRAINING_NAMES.get(name, name), _TRAINING_VALUES.get((name, value), value))
            for name, value in facts.training.items()]  # fmt: skip
    if facts.versions:
        rows.append(("versions", ", ".join(f"{name} {version}" for name, version in facts.versions.items())))
    return table(("setting", "value"), rows)


def limits_section(
    facts: CardFacts, *, quantum: bool, max_length: int | None, modality: str = "text", alone: bool = False
) -> str:
    """What the model cannot do, without embellishment; a head alone knows neither its training nor its labels."""
    points = []
    if quantum:
        points += [
            "**Nothing here runs faster or better because it is quantum.** The circuit is simulated on an ordinary "
            "computer; the cost of an exact simulation doubles with every qubit."
            + ("" if alone else " It was not run on quantum hardware, unless the section on training says so."),
            "On frozen embeddings of small training sets, plain logistic regression is usually as good or better; "
            "compare before you choose this head.",
        ]
    body = "the body" if facts.base_model is None else code(facts.base_model)
    unknown = "other languages, other kinds of text, irony" if modality == "text" else "other kinds of picture"
    points.append(
        f"It knows only the classes it was trained on, and gives one of them to any {modality}. What {body} does not "
        f"understand ({unknown}), this model does not understand either; its biases are inherited."
    )
    if alone:
        points.append("What it was trained on, and what its classes are called, is not kept with it: ask its author.")
    if max_length is not None:
        points.append(f"Texts are cut after {max_length} tokens.")
    if "calibrated temperature" in facts.training:
        points.append("Probabilities were calibrated on held-out data; on other kinds of input they may be off.")
    else:
        points.append("Probabilities are not calibrated: 0.9 does not mean right in nine of ten cases.")
    if not facts.language and modality == "text":
        points.append("The language of the training texts was not recorded.")
    if facts.license is None:
        points.append("No licence was recorded: ask its author before you use it.")
    return "\n".join(f"- {point}" for point in points)


def base_model_line(facts: CardFacts, width: int | None, modality: str = "text") -> str:
    """What the body is."""
    kind = "sentence transformer" if modality == "text" else "vision model"
    if facts.base_model is None:
        return f"a {kind} whose id was not recorded"
    known = "" if width is None else f" ({width:,} numbers per {modality})"
    return f"the {kind} [{cell(facts.base_model)}](https://huggingface.co/{cell(facts.base_model)}){known}"
