"""Tables of the page in Markdown, and how they get there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from understanding_parts.gap import MISSING
from understanding_parts.gradients import FROM

Numbers = Mapping[str, Any]


def write_tables(numbers: Numbers) -> dict[str, str]:
    """All tables by the name of their place in the page, each ending in a newline."""
    return {
        "second_module": _second_module(numbers),
        "response": _response(numbers),
        "encoder": _encoder(numbers),
        "spectrum": _spectrum(numbers),
        "linear_share": _linear_share(numbers),
        "gap": _gap(numbers["gap"]),
    }


def insert_tables(page: str, tables: Mapping[str, str]) -> str:
    """The page with what stands between `<!-- name -->` and `<!-- /name -->` replaced by each table.

    Raises:
        ValueError: The page has no such place, or more than one.
    """
    for name, table in tables.items():
        page, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda found, table=table: found[1] + table + found[2],
            page,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"Argument `page` must have one place for the table {name!r}, but has {count}.")
    return page


def _second_module(numbers: Numbers) -> str:
    qubits = numbers["settings"]["qubits"]
    rows = [
        [
            str(row["n_reuploads"]),
            str(row["n_layers"]),
            row["initialization"],
            *_variances(row["variance"]),
            *(_slope(row[kind]) for kind in ("slope", "slope_end", "slope_largest")),
        ]
        for row in numbers["second_module"]
    ]
    header = ["re-uploads", "layers", "start", *_qubits(qubits), "slope", f"from {FROM} on", "of the largest"]
    return _table(header, rows) + _error(numbers["second_module"])


def _response(numbers: Numbers) -> str:
    rows = [
        [
            str(row["n_reuploads"]),
            str(row["n_layers"]),
            row["initialization"],
            *(f"{value:.2f}" for value in row["response"]),
        ]
        for row in numbers["second_module"]
    ]
    return _table(["re-uploads", "layers", "start", *_qubits(numbers["settings"]["qubits"])], rows)


def _encoder(numbers: Numbers) -> str:
    qubits = numbers["settings"]["qubits"]
    rows = [
        [
            str(row["n_layers"]),
            row["initialization"],
            part,
            *_variances(found["variance"]),
            *(_slope(found[kind]) for kind in ("slope", "slope_end")),
        ]
        for row in numbers["encoder"]
        for part, found in (("all", row), ("linear", row["linear"]))
    ]
    header = ["layers", "start", "part", *_qubits(qubits), "slope", f"from {FROM} on"]
    return _table(header, rows) + _error([part for row in numbers["encoder"] for part in (row, row["linear"])])


def _spectrum(numbers: Numbers) -> str:
    rows = [
        [
            str(row["n_reuploads"]),
            row["initialization"],
            *(
                f"{amplitude:.3f}" if frequency <= row["n_reuploads"] else "0"
                for frequency, amplitude in enumerate(row["amplitude"])
            ),
            f"{row['above']:.0e}",
        ]
        for row in numbers["spectrum"]
    ]
    frequencies = [f"k = {k}" for k in range(len(numbers["spectrum"][0]["amplitude"]))]
    return _table(["re-uploads", "angles", *frequencies, "largest above"], rows)


def _linear_share(numbers: Numbers) -> str:
    rows = [
        [
            f"{row['bias']:g}",
            f"{100 * row['uniform']['share']:.1f}",
            f"{100 * row['small']['share']:.1f}",
            f"{100 * row['closed_form']:.1f}",
            f"{row['weight_norm']:.2f}",
            f"{row['uniform']['spread']:.4f}",
        ]
        for row in numbers["linear_share"]
    ]
    header = ["b", "linear, %", "linear at a small start, %", "2b²/(2b²+1), %", "2b/(1+b²)", "spread of the output"]
    return _table(header, rows)


def _gap(columns: Mapping[str, Sequence[Numbers]] | None) -> str:
    if columns is None:
        return MISSING + "\n"
    rows = [
        [
            row["head"],
            column,
            _range(row["parameters"]),
            f"{100 * row['train_accuracy']:.1f}",
            f"{100 * row['accuracy']:.1f}",
            f"{100 * row['gap']:.1f}",
            f"{row['n_cells']}" if row["n_cells"] == row["n_expected"] else f"{row['n_cells']} of {row['n_expected']}",
        ]
        for column, found in columns.items()
        for row in found
    ]
    table = _table(["head", "body", "trained parameters", "training, %", "test, %", "gap, points", "cells"], rows)
    return table + "\n![Train-test gap against trained parameters](images/understanding_gap.svg)\n"


def _variances(values: Sequence[float]) -> list[str]:
    return [f"{value:.2g}" if value >= 1e-3 else f"{value:.1e}" for value in values]


def _slope(value: float) -> str:
    return f"{value:+.2f}"


def _error(rows: Sequence[Numbers]) -> str:
    error = max(row["slope_error"] for row in rows)
    return f"\nStandard errors of the slopes over all Q, from the draws: at most {error:.3f}.\n"


def _qubits(qubits: Sequence[int]) -> list[str]:
    return [f"Q = {n_qubits}" for n_qubits in qubits]


def _range(ends: Sequence[int]) -> str:
    low, high = ends
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
