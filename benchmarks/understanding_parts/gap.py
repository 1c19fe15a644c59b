"""Train-test gap against the number of parameters, from the arena's numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MISSING = "The arena's numbers are not there yet: `python benchmarks/arena.py --report` writes them."

ROLES = ("reference", "classical", "matched", "quantum", "ablation")
"""Roles of heads that are compared; levers are changes of one head and have a table of their own."""


def read_gaps(arena: Path, specification: Path) -> dict[str, list[dict[str, Any]]] | None:
    """For each body column the heads with their parameters, accuracies and gap.

    Args:
        arena: JSON file that the arena's report writes (see `arena_parts.numbers.summarize`).
        specification: JSON file of the arena's heads.

    Returns:
        The heads in the specification's order, or None where the arena's file is not there.
    """
    if not arena.is_file():
        return None
    numbers, heads = json.loads(arena.read_text()), json.loads(specification.read_text())["heads"]
    found: dict[str, list[dict[str, Any]]] = {}
    for column, of_column in numbers.items():
        rows = []
        for name, head in heads.items():
            one = of_column["heads"].get(name)
            if one is None or head["role"] not in ROLES:
                continue
            rows.append(
                {
                    "head": name,
                    "role": head["role"],
                    "parameters": one["parameters"],
                    "train_accuracy": one["train_accuracy"],
                    "accuracy": one["accuracy"],
                    "gap": one["train_accuracy"] - one["accuracy"],
                    "n_cells": one["n_cells"],
                    "n_expected": one["n_expected"],
                }
            )
        if rows:
            found[column] = rows
    return found or None
