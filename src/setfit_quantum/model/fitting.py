"""`SetFitModel.fit` for module heads: encode every text once with the body as it predicts, then train the head."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from setfit_quantum.model.body import check_texts, limited_length
from setfit_quantum.model.end_to_end import train_end_to_end
from setfit_quantum.model.mistakes import warn_of_unnamed
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingResult, train_head
from setfit_quantum.training.data import check_two_classes, check_validation_given
from setfit_quantum.training.labels import UnknownLabelError, encode_labels, encode_name_rows
from setfit_quantum.training.modes import preserved

if TYPE_CHECKING:
    from setfit_quantum.model.setfit_model import SetFitModel

TextsAndLabels = tuple[Any, Any]


def build_arguments(
    base: HeadTrainingArguments | None, setfit_values: Mapping[str, Any], others: Mapping[str, Any]
) -> HeadTrainingArguments:
    """Settings of head training from `fit`'s arguments; None means the default.

    Args:
        base: Settings to start from.
        setfit_values: SetFit's own arguments, by our names.
        others: Further arguments, by our names.

    Raises:
        TypeError: An unknown argument; the message lists the known ones.
    """
    known = {field.name for field in fields(HeadTrainingArguments)}
    for name, value in others.items():
        if name not in known:
            raise TypeError(f"Argument `{name}` is unknown to fit; besides SetFit's own it takes {sorted(known)}.")
        if setfit_values.get(name) is not None:
            raise TypeError(
                f"Argument `{name}` was given twice, once by SetFit's name: {value!r} and {setfit_values[name]!r}."
            )
    changes = {name: value for name, value in setfit_values.items() if value is not None}
    return (base or HeadTrainingArguments()).with_changes(**(changes | dict(others)))


def read_validation(validation_data: Any, eval_dataset: Any, modality: str = "text") -> TextsAndLabels | None:
    """Validation texts and labels from `fit`'s arguments.

    Raises:
        TypeError, ValueError: Both are given, or one has the wrong form.
    """
    if validation_data is not None and eval_dataset is not None:
        raise ValueError("Arguments `validation_data` and `eval_dataset` must not both be given.")
    if validation_data is not None:
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise TypeError(
                f"Argument `validation_data` must be (texts, labels), but got {type(validation_data).__name__}."
            )
        return validation_data[0], validation_data[1]
    if eval_dataset is None:
        return None
    columns = getattr(eval_dataset, "column_names", None) or list(eval_dataset)
    if not {modality, "label"} <= set(columns):
        raise ValueError(
            f"Argument `eval_dataset` must have the columns {modality!r} and 'label', but has {sorted(columns)}."
        )
    return eval_dataset[modality], eval_dataset["label"]


def refuse_module_settings(head: Any, settings: Mapping[str, Any], **others: Any) -> None:
    """Refuse, for a head that scikit-learn trains, what it would not heed.

    Args:
        head: The head.
        settings: Settings of head training that were given.
        **others: Other arguments, None where they were not given.

    Raises:
        ValueError: Naming the arguments that were given.
    """
    names = [*settings, *(name for name, value in others.items() if value is not None)]
    if names:
        raise ValueError(
            f"Arguments {names} need a module head, but the head is a {type(head).__name__}, which scikit-learn trains."
        )


def read_estimator_labels(model: SetFitModel, labels: Any) -> list[Any]:
    """Labels as scikit-learn takes them: 0/1 in place of rows of names, which become the model's labels.

    Raises:
        ValueError: Rows of names for a model that gives one label per text.
    """
    rows = encode_name_rows(labels, label_names=model.labels, argument="y_train")
    if rows is None:
        return list(labels)
    if model.multi_target_strategy is None:
        raise ValueError(
            f"Argument `y_train` must hold one label per text, but got rows of names such as {list(labels[0])!r}; for "
            "several labels per text load the model with multi_target_strategy='one-vs-rest', 'multi-output' or "
            "'classifier-chain'."
        )
    model.labels = rows.names
    targets: list[Any] = rows.targets.long().tolist()
    return targets


def fit_module_head(
    model: SetFitModel,
    x_train: Any,
    y_train: Any,
    arguments: HeadTrainingArguments,
    *,
    validation: TextsAndLabels | None = None,
    end_to_end: bool = False,
    body_learning_rate: float | None = None,
    max_length: int | None = None,
    callbacks: Iterable[Any] = (),
    label_names: Sequence[Any] | None = None,
) -> HeadTrainingResult:
    """Train the head (with `end_to_end` the body too), and leave the body's freeze and mode as they were."""
    names = model.labels if label_names is None else label_names
    check_validation_given(arguments, given=validation is not None)
    texts = _check_pairs(model, names, "x_train", x_train, "y_train", y_train)
    eval_texts, eval_labels = (None, None)
    if validation is not None:
        eval_texts, eval_labels = validation
        names_of = ("validation texts", "validation labels")
        eval_texts = _check_pairs(model, names, names_of[0], eval_texts, names_of[1], eval_labels, allow_gaps=True)
    names = None if names is None else list(names)
    model.model_head.to(model.device)
    with preserved(model.model_body), limited_length(model.model_body, max_length):
        if end_to_end:
            with preserved(model.model_head):
                result = train_end_to_end(
                    model,
                    texts,
                    y_train,
                    arguments,
                    eval_texts=eval_texts,
                    eval_labels=eval_labels,
                    label_names=names,
                    body_learning_rate=body_learning_rate,
                    callbacks=callbacks,
                )
        else:
            bar = arguments.show_progress_bar
            result = train_head(
                model.model_head,
                model.encode(texts, show_progress_bar=bar),
                y_train,
                arguments,
                eval_embeddings=None if eval_texts is None else model.encode(eval_texts, show_progress_bar=bar),
                eval_labels=eval_labels,
                label_names=names,
                callbacks=callbacks,
            )
    if label_names is not None:
        model.labels = list(label_names)
    elif model.labels is None and result.label_names is not None:
        model.labels = list(result.label_names)
    warn_of_unnamed(model.model_head, model.labels)
    return result


def _check_pairs(
    model: SetFitModel,
    names: Sequence[Any] | None,
    texts_name: str,
    texts: Any,
    labels_name: str,
    labels: Any,
    *,
    allow_gaps: bool = False,
) -> list[Any]:
    """Check texts and labels before anything is encoded, which can take long."""
    values = check_texts(texts_name, texts)
    head = model.model_head
    multitarget = bool(getattr(head, "multitarget", False))
    try:
        encoded = encode_labels(
            labels,
            label_names=names,
            multitarget=multitarget,
            n_classes=None if multitarget else getattr(head, "out_features", None),
            allow_gaps=allow_gaps,
            argument=labels_name,
        )
    except UnknownLabelError as error:
        raise UnknownLabelError(
            f"{error} For a task with other labels give the model a new classifier (model.replace_classifier), or set "
            "model.labels to their names."
        ) from None
    if len(values) != len(encoded.targets):
        raise ValueError(
            f"Arguments `{texts_name}` and `{labels_name}` must have the same length, but got {len(values)} and "
            f"{len(encoded.targets)}."
        )
    if not allow_gaps and not multitarget:
        check_two_classes(encoded, labels_name)
    return values
