"""From every schema version ever written to the present one, a step at a time.

When the schema changes: raise `layout.SCHEMA_VERSION`, register here, for each kind of file, the step from the former
version, and keep a file of the former version among the tests. Steps are never removed or changed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.layout import (
    CARD_FACTS,
    CLASSICAL_HEAD_CONFIG,
    DENSE_HEAD_CONFIG,
    HEAD_CONFIG,
    MANIFEST,
    REMOVALS,
)

Values: TypeAlias = dict[str, Any]
Step: TypeAlias = Callable[[Values], Values]

VERSIONED_FILES = (HEAD_CONFIG, DENSE_HEAD_CONFIG, CLASSICAL_HEAD_CONFIG, CARD_FACTS, MANIFEST, REMOVALS)
"""Files whose header has a schema version."""

STEPS: dict[tuple[str, int], Step] = {}
"""By file name and version: the step from that version's values to those of the next one."""


def register_step(name: str, version: int) -> Callable[[Step], Step]:
    """Register the step from `version` to the next for files called `name`.

    Args:
        name: Name of the file.
        version: The version that the step reads.

    Raises:
        ValueError: There is such a step already, or the file has no versions.
    """
    if name not in VERSIONED_FILES:
        raise ValueError(f"Argument `name` must be one of {', '.join(VERSIONED_FILES)}, but got {name!r}.")
    if (name, version) in STEPS:
        raise ValueError(f"Argument `version` must be new, but a step from version {version} of {name} is there.")

    def register(step: Step) -> Step:
        STEPS[name, version] = step
        return step

    return register


def migrate(path: Path, values: Values, version: int, present: int) -> Values:
    """Values of an older file as the present version has them.

    Args:
        path: The file.
        values: What it holds, without the header.
        version: Its schema version, at most `present`.
        present: The version to reach.

    Raises:
        ModelFileError: A step is missing, or the values are not what their version says.
    """
    for number in range(version, present):
        step = STEPS.get((path.name, number))
        if step is None:
            raise ModelFileError(path, f"is {number}, which nothing here can read.", "schema_version")
        try:
            values = step(dict(values))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFileError(
                path, f"cannot be read as version {number} ({type(error).__name__}: {error}).", "schema_version"
            ) from error
    return values


# ---- the steps ------------------------------------------------------------------------------------------------------

_OF_VERSION_2: Values = {"classifier": "quantum", "classifier_hidden_dim": None, "frozen": []}
"""Classical classifiers on the latents, and parts of a head that do not train, came with version 2."""
_OF_VERSION_3: Values = {"preprocessing": None, "projected_features": None, "amplitude_noise": 0.0, "latent_scale": 1.0}
"""Preprocessing, noise on the amplitudes in training and the first scale of the latents came with version 3."""


@register_step(HEAD_CONFIG, 1)
def _name_the_classifier(values: Values) -> Values:
    return values | {"head": _OF_VERSION_2 | values["head"]}


@register_step(HEAD_CONFIG, 2)
def _name_the_preprocessing(values: Values) -> Values:
    return values | {"head": _OF_VERSION_3 | values["head"]}


def _keep(values: Values) -> Values:
    return values


for _name in VERSIONED_FILES:
    if _name != HEAD_CONFIG:
        for _version in (1, 2):
            register_step(_name, _version)(_keep)
