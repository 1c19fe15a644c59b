"""`config_setfit.json`: labels and settings of a model, as SetFit writes them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.json_files import read_plain_json
from setfit_quantum.serialization.layout import SETFIT_CONFIG


@dataclass(frozen=True)
class SetFitConfig:
    """What `config_setfit.json` holds.

    Args:
        labels: Names of the classes by number, or None.
        normalize_embeddings: Whether embeddings are scaled to norm 1 before the head.
        multi_target_strategy: SetFit's name of how several labels are handled; plain SetFit does not save it.
        modality: What is classified: `"text"` or `"image"`; plain SetFit knows texts only.
        span_context: Words read around a span, of a model of spans (ABSA); as SetFit saves it.
        spacy_model: The spaCy pipeline that finds its spans; as SetFit saves it.
        abstain_below: Least probability for which a class is named; plain SetFit always names one.
    """

    labels: list[Any] | None = None
    normalize_embeddings: bool = False
    multi_target_strategy: str | None = None
    modality: str = "text"
    abstain_below: float | None = None
    span_context: int | None = None
    spacy_model: str | None = None


def write_setfit_config(folder: Path, config: SetFitConfig) -> None:
    """Write the file, in SetFit's form."""
    values: dict[str, Any] = {
        "normalize_embeddings": config.normalize_embeddings,
        "labels": None if config.labels is None else [_to_plain(label) for label in config.labels],
    }
    if config.multi_target_strategy is not None:
        values["multi_target_strategy"] = config.multi_target_strategy
    if config.modality != "text":
        values["modality"] = config.modality
    if config.spacy_model is not None:
        values |= {"span_context": config.span_context, "spacy_model": config.spacy_model}
    if config.abstain_below is not None:
        values["abstain_below"] = config.abstain_below
    (folder / SETFIT_CONFIG).write_text(json.dumps(values, indent=2), encoding="utf-8")


def read_setfit_config(folder: Path) -> SetFitConfig:
    """Read the file; defaults where there is none.

    Raises:
        ModelFileError: Naming the file and the field.
    """
    path = folder / SETFIT_CONFIG
    if not os.path.lexists(path):
        return SetFitConfig()
    values = read_plain_json(path)
    for key, value in values.items():
        if key == "labels":
            plain = isinstance(value, list) and all(isinstance(label, str | int | float | bool) for label in value)
            if value is not None and not plain:
                raise ModelFileError(path, f"must be a list of names or null, but is {value!r}.", key)
        elif key == "normalize_embeddings":
            if not isinstance(value, bool):
                raise ModelFileError(path, f"must be true or false, but is {value!r}.", key)
        elif key == "multi_target_strategy":
            if value is not None and not isinstance(value, str):
                raise ModelFileError(path, f"must be a text or null, but is {value!r}.", key)
        elif key == "span_context":
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000):
                raise ModelFileError(path, f"must be a small whole number or null, but is {value!r:.100}.", key)
        elif key == "spacy_model":
            if value is not None and not isinstance(value, str):
                raise ModelFileError(path, f"must be a text or null, but is {value!r:.100}.", key)
        elif key == "abstain_below":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (number and 0 <= value <= 1):
                raise ModelFileError(path, f"must be a number between 0 and 1 or null, but is {value!r}.", key)
        elif key == "modality":
            if value not in ("text", "image"):
                raise ModelFileError(path, f"must be text or image, but is {value!r}.", key)
        else:
            allowed = ", ".join(field.name for field in fields(SetFitConfig))
            raise ModelFileError(path, f"is unknown; allowed are {allowed}.", key)
    return SetFitConfig(**values)


def _to_plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label
