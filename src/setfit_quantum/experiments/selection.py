"""Which candidate of a grid counts: the best on the validation data of its own seed. The test has no part in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]


def select_by_validation(records: Sequence[Record]) -> Record | None:
    """The record with the best validation accuracy; among equals the lower loss, then the first of the grid.

    Args:
        records: Records of one seed's candidates, in the order of the grid.

    Returns:
        The selected record; None where all of them failed.
    """
    best: Record | None = None
    for record in records:
        if "error" not in record and (best is None or _score(record) > _score(best)):
            best = record
    return best


def _score(record: Record) -> tuple[float, float]:
    validation = record["validation"]
    loss = validation.get("loss")
    return float(validation["accuracy"]), 0.0 if loss is None else -float(loss)
