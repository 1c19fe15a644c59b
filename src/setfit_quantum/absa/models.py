"""The models of aspects and of polarities, and both together."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from setfit_quantum.checks import check_int
from setfit_quantum.model import SetFitModel
from setfit_quantum.model.heads import HeadSpec, is_head
from setfit_quantum.serialization.setfit_config import SetFitConfig
from setfit_quantum.vanilla import import_setfit

import_setfit()  # without what importing its submodules would change
_span: Any = importlib.import_module("setfit.span.modeling")

DEFAULT_SPACY_MODEL = "en_core_web_lg"
NO_ASPECT, ASPECT = "no aspect", "aspect"


class SpanModel(SetFitModel):
    """A `SetFitModel` that classifies spans of a text: the span, a colon and the text are what it reads.

    Args:
        spacy_model: Name or folder of the spaCy pipeline that finds the spans; saved with the model.
        span_context: How many words before and after a span are read with it; saved with the model.
        **arguments: Those of `SetFitModel`.
    """

    span_context_default = 0

    def __init__(
        self, *arguments: Any, spacy_model: str = DEFAULT_SPACY_MODEL, span_context: int | None = None, **others: Any
    ) -> None:
        super().__init__(*arguments, **others)
        self.spacy_model = spacy_model
        self.span_context = self.span_context_default if span_context is None else span_context

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        head: HeadSpec | None = None,
        *,
        spacy_model: str | None = None,
        span_context: int | None = None,
        **options: Any,
    ) -> Any:
        """Load a model, or a body to which a head is added.

        Args:
            pretrained_model_name_or_path: Folder or Hub id.
            head: As for `SetFitModel.from_pretrained`.
            spacy_model: Name or folder of a spaCy pipeline; None: as saved, else `en_core_web_lg`.
            span_context: Words around a span; None: as saved, else the class's own.
            **options: Other arguments of `SetFitModel.from_pretrained`.
        """
        model: Any = super().from_pretrained(pretrained_model_name_or_path, head, **options)
        if spacy_model is not None:
            model.spacy_model = str(spacy_model)
        if span_context is not None:
            model.span_context = check_int("span_context", span_context, minimum=0)
        return model

    def restore_settings(self, config: SetFitConfig) -> None:
        """Take over what was saved beside body and head."""
        super().restore_settings(config)
        if config.spacy_model is not None:
            self.spacy_model = config.spacy_model
        if config.span_context is not None:
            self.span_context = config.span_context

    def prepend_aspects(self, docs: Sequence[Any], aspects_list: Sequence[Sequence[slice]]) -> Iterable[str]:
        """What the model reads: for each span its words (with context), a colon and the text."""
        found: Iterable[str] = _span.SpanSetFitModel.prepend_aspects(self, docs, aspects_list)
        return found

    def __call__(self, docs: Any, aspects_list: Any = None, **options: Any) -> Any:
        """Classes of the spans of spaCy documents, one list for each; with texts alone it predicts as any model."""
        if aspects_list is None:
            return self.predict(docs, **options)
        inputs = list(self.prepend_aspects(docs, aspects_list))
        classes = iter(self.predict(inputs) if inputs else [])
        return [[next(classes) for _ in aspects] for aspects in aspects_list]


class AspectModel(SpanModel):
    """Tells which spans are aspects."""

    absa_part = "aspect"

    def __call__(self, docs: Any, aspects_list: Any = None, **options: Any) -> Any:
        """The spans that are aspects, one list for each document."""
        found = super().__call__(docs, aspects_list, **options)
        if aspects_list is None:
            return found
        return [
            [aspect for aspect, name in zip(aspects, names, strict=True) if name == ASPECT]
            for aspects, names in zip(aspects_list, found, strict=True)
        ]


class PolarityModel(SpanModel):
    """Tells what a text says of an aspect; it reads three words around the span."""

    absa_part = "polarity"
    span_context_default = 3


class AbsaModel(_span.AbsaModel):  # type: ignore[misc]
    """SetFit's model of aspects and their polarity, made of models of this package; `predict` is SetFit's own.

    Example:
        >>> model = AbsaModel.from_pretrained(body, head=QuantumHead(n_qubits=8))  # doctest: +SKIP
        >>> AbsaTrainer(model, train_dataset=data).train()  # doctest: +SKIP
        >>> model.predict("The food was great, the service slow.")  # doctest: +SKIP
        [{'span': 'food', 'polarity': 'positive'}, {'span': 'service', 'polarity': 'negative'}]
    """

    @classmethod
    def from_pretrained(
        cls,
        model_id: str | Path,
        polarity_model_id: str | Path | None = None,
        head: HeadSpec | None = None,
        polarity_head: HeadSpec | None = None,
        *,
        spacy_model: str | None = None,
        span_contexts: tuple[int | None, int | None] = (None, None),
        **options: Any,
    ) -> AbsaModel:
        """Load both models, or a body for both.

        Args:
            model_id: Folder or Hub id of the aspect model, or of a body for both; `id@revision` on the Hub. Or the
                folder that was given to `save_pretrained`, which appends `-aspect` and `-polarity` to it.
            polarity_model_id: Of the polarity model; None: the same body.
            head: Head of the aspect model, and a copy of it for the polarity model; None: as saved, else new ones.
            polarity_head: Another head for the polarity model.
            spacy_model: Name or folder of the spaCy pipeline; None: as saved, else `en_core_web_lg`.
            span_contexts: Words around a span, for aspects and for polarities; None: as saved, else 0 and 3.
            **options: Other arguments of `SetFitModel.from_pretrained`.

        Raises:
            ImportError: spaCy is not installed; names the pip command.
            OSError: spaCy has no such pipeline; names the command that gets it.
            ValueError: The two models were saved with different spaCy pipelines, or both are one model of aspects.
        """
        check_spacy()
        extractor = None if spacy_model is None else load_extractor(spacy_model)
        if polarity_model_id is None and not Path(model_id).exists() and Path(f"{model_id}-aspect").is_dir():
            model_id, polarity_model_id = f"{model_id}-aspect", f"{model_id}-polarity"
        revision = options.pop("revision", None)
        loaded: list[Any] = []
        second = polarity_head if polarity_head is not None else _own_copy(head)
        for kind, place, one_head, context in (
            (AspectModel, model_id, head, span_contexts[0]),
            (PolarityModel, polarity_model_id or model_id, second, span_contexts[1]),
        ):
            name, _, own_revision = str(place).partition("@") if not Path(place).exists() else (str(place), "", "")
            labels: dict[str, Any] = {"labels": [NO_ASPECT, ASPECT]} if kind is AspectModel else {}
            settings: dict[str, Any] = {
                "spacy_model": spacy_model,
                "span_context": context,
                "revision": own_revision or revision,
            }
            loaded.append(kind.from_pretrained(name, one_head, **settings, **labels, **options))
        aspect_model, polarity_model = loaded
        if aspect_model.spacy_model != polarity_model.spacy_model:
            raise ValueError(
                "Argument `spacy_model` must be given, since the two models were saved with different pipelines: "
                f"{aspect_model.spacy_model!r} and {polarity_model.spacy_model!r}."
            )
        if polarity_model_id is None and polarity_model.labels == [NO_ASPECT, ASPECT]:
            raise ValueError(
                f"Argument `polarity_model_id` must be given, since {str(model_id)!r} is a model of aspects alone."
            )
        if extractor is None:
            extractor = load_extractor(aspect_model.spacy_model)
        return cls(extractor, aspect_model, polarity_model)

    def push_to_hub(self, repo_id: str, polarity_repo_id: str | None = None, **options: Any) -> tuple[Any, Any]:
        """Push both models, each to a repository of its own.

        Args:
            repo_id: Of the aspect model; alone, `-aspect` and `-polarity` are appended to it.
            polarity_repo_id: Of the polarity model.
            **options: As for `SetFitModel.push_to_hub`.

        Returns:
            Addresses of the two commits.

        Raises:
            PushError: The Hub refused or could not be reached; the message says how to go on.
        """
        first, second = (
            (repo_id, polarity_repo_id) if polarity_repo_id else (f"{repo_id}-aspect", f"{repo_id}-polarity")
        )
        return self.aspect_model.push_to_hub(first, **options), self.polarity_model.push_to_hub(second, **options)


def check_spacy() -> None:
    """Raise ImportError, naming the extra, where spaCy is not installed."""
    try:
        import spacy  # noqa: F401
    except ImportError as error:
        raise ImportError('Finding aspects needs spaCy: pip install "setfit-quantum[absa]"') from error


def load_extractor(spacy_model: str | Path) -> Any:
    """What finds the nouns of texts, by a spaCy pipeline.

    Raises:
        TypeError: Something else than a name or folder: it is saved with the model, which a pipeline cannot be.
        OSError: spaCy has no such pipeline; names the command that gets it.
    """
    if not isinstance(spacy_model, str | Path):
        raise TypeError(
            "Argument `spacy_model` must be the name or folder of a spaCy pipeline (nlp.to_disk(folder) saves one), "
            f"but got a pipeline of type {type(spacy_model).__name__}."
        )
    try:
        return _span.AspectExtractor(spacy_model=str(spacy_model))
    except OSError as error:
        raise OSError(
            f"Argument `spacy_model` must be the name of an installed spaCy pipeline, or a folder with one, but got "
            f"{str(spacy_model)!r}. Pipelines of spaCy itself are installed by: python -m spacy download {spacy_model}"
        ) from error


def _own_copy(head: HeadSpec | None) -> HeadSpec | None:
    """A head of its own: one instance for both models would be trained twice and be right for neither."""
    return copy.deepcopy(head) if is_head(head) else head
