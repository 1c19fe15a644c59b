"""Writing a model for plain SetFit, on request: exactly the same model, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from setfit_quantum.card.front_matter import TAGS
from setfit_quantum.serialization.layout import CARD, MANIFEST, PICKLED_HEAD
from setfit_quantum.serialization.setfit_config import SetFitConfig, write_setfit_config
from setfit_quantum.vanilla import import_setfit


def export_plain_setfit(model: Any, folder: Path) -> None:
    """Write a `SetFitModel` so that `setfit.SetFitModel.from_pretrained` loads it.

    Raises:
        TypeError: A head that plain SetFit cannot compute.
        ValueError: The folder holds a model of ours or other files.
    """
    head = model.model_head
    if not isinstance(head, BaseEstimator) and type(head) is not import_setfit().SetFitHead:
        raise TypeError(
            "Argument `model_head` must be a scikit-learn estimator or a SetFitHead to be exported, but is a "
            f"{type(head).__name__}: plain SetFit has nothing that computes it exactly. A classical model "
            "that imitates it can be trained with setfit.DistillationTrainer(teacher_model=this model, ...)."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "holds a model of setfit-quantum" if (folder / MANIFEST).is_file() else "is not an empty folder"
        raise ValueError(f"Argument `folder` must be new or empty, but {folder} {what}.")
    import joblib  # type: ignore[import-untyped]
    from huggingface_hub import ModelCardData

    folder.mkdir(parents=True, exist_ok=True)
    model.model_body.save(str(folder), create_model_card=False)
    labels = None if model.labels is None else list(model.labels)
    # Without the strategy: plain SetFit does not know this setting in its own file, and the head embodies it.
    write_setfit_config(folder, SetFitConfig(labels, model.normalize_embeddings))
    joblib.dump(head, folder / PICKLED_HEAD)
    front = ModelCardData(
        library_name="setfit", tags=[tag for tag in TAGS if tag != "quantum"], pipeline_tag="text-classification"
    ).to_yaml()
    text = (
        f"---\n{front}\n---\n\n# SetFit model\n\nExported by setfit-quantum for plain SetFit. `{PICKLED_HEAD}` is a "
        "pickle: loading it can run any code, so load it only if you trust where it comes from.\n"
    )
    (folder / CARD).write_text(text, encoding="utf-8")
