"""`save_pretrained`: body, head, settings and card as files, without pickle, old or new version but never a mixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from setfit_quantum.card import write_facts
from setfit_quantum.card.picture import draw_circuit
from setfit_quantum.head import ClassicalHead, SetFitQuantumHead
from setfit_quantum.model.body import embedding_width
from setfit_quantum.model.describing import gather_facts
from setfit_quantum.model.heads import fit_to_body
from setfit_quantum.serialization.atomic import staged_save, whole_version
from setfit_quantum.serialization.classical_head_files import write_classical_head
from setfit_quantum.serialization.dense_head_files import write_dense_head
from setfit_quantum.serialization.head_files import write_head_files
from setfit_quantum.serialization.layout import CARD, CIRCUIT_PICTURE, SKLEARN_HEAD
from setfit_quantum.serialization.manifest import verify_files
from setfit_quantum.serialization.setfit_config import SetFitConfig, write_setfit_config
from setfit_quantum.serialization.sklearn_files import write_sklearn_head
from setfit_quantum.vanilla import import_setfit


def save_model(model: Any, folder: Path) -> None:
    """Write a `SetFitModel` into a folder, atomically.

    Raises:
        TypeError: A head that cannot be saved without pickle.
        ValueError: A part is missing, or a parameter of the head is NaN.
    """
    if model.model_body is None:
        raise ValueError("Argument `model_body` must be given before a model is saved, but it is None.")
    fit_to_body(model.model_head, embedding_width(model.model_body), None)
    check_savable(model.model_head)
    with staged_save(folder) as staging:
        _write_head(model.model_head, staging)
        config = SetFitConfig(
            None if model.labels is None else list(model.labels),
            model.normalize_embeddings,
            model.multi_target_strategy,
            model.modality,
            model.abstain_below,
            getattr(model, "span_context", None),
            getattr(model, "spacy_model", None),
        )
        write_setfit_config(staging, config)
        model.model_body.save(str(staging), create_model_card=False)
        _write_card(model, staging)


def save_card(model: Any, folder: Path) -> None:
    """Write the card of a `SetFitModel` anew into the folder that it was saved in, atomically.

    Raises:
        ModelFileError: The folder holds no saved model, or a damaged one.
    """
    with whole_version(folder):
        verify_files(folder)
    with staged_save(folder, keep_others=True, keep_head=True) as staging:
        _write_card(model, staging)


def _write_card(model: Any, folder: Path) -> None:
    write_facts(folder, gather_facts(model))
    picture = CIRCUIT_PICTURE if draw_circuit(model.model_head, folder / CIRCUIT_PICTURE) else None
    (folder / CARD).write_text(model.generate_model_card(picture), encoding="utf-8")


def check_savable(head: Any) -> None:
    """Refuse a head that could only be pickled.

    Raises:
        TypeError: Naming its class and what can be saved.
    """
    ours = SetFitQuantumHead | ClassicalHead | BaseEstimator
    if not isinstance(head, ours) and type(head) is not import_setfit().SetFitHead:
        raise TypeError(
            "Argument `model_head` must be a QuantumHead, a ClassicalHead, a SetFitHead or a scikit-learn estimator to "
            f"be saved without pickle, but got {type(head).__name__}."
        )


def _write_head(head: Any, folder: Path) -> None:
    if isinstance(head, SetFitQuantumHead):
        write_head_files(head, folder)
    elif isinstance(head, ClassicalHead):
        write_classical_head(head, folder)
    elif isinstance(head, BaseEstimator):
        write_sklearn_head(folder / SKLEARN_HEAD, head)
    else:
        write_dense_head(head, folder)
