"""What a study found: the selected run of every cell, column and seed, as an object and as a file of numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from setfit_quantum import __version__
from setfit_quantum.experiments.comparing import Answers, Comparison, compare_heads, correct
from setfit_quantum.experiments.expansion import Cell, expand
from setfit_quantum.experiments.pools import Pool
from setfit_quantum.experiments.result_file import write_text
from setfit_quantum.experiments.specification import load_specification
from setfit_quantum.experiments.study_work import draw_test_rows, unpack

SCHEMA = 1

_KEPT = (
    *("parameters", "trained_parameters", "body_parameters", "epochs", "best_epoch", "selected", "history"),
    *("seconds", "cpu_seconds"),
)


@dataclass(frozen=True)
class StudyResult:
    """A study's result.

    Args:
        name: Name of the study.
        level: Its level.
        cells: Rows of the table.
        columns: `"frozen"`, `"tuned"` or both.
        selected: Records by cell's name, column and seed.
        failures: One line for each failed run.
        n_runs: All runs, candidates included.
        hours: Hours of one core that all runs took.
        header: Title, source, notes, reference, claims, plot, body, and what `describe_pool` gives.
    """

    name: str
    level: str
    cells: Sequence[Cell]
    columns: Sequence[str]
    selected: Mapping[tuple[str, str, int], Mapping[str, Any]]
    failures: Sequence[str]
    n_runs: int
    hours: float
    header: Mapping[str, Any] = field(default_factory=dict)
    _compared: dict[tuple[str, str, str], Comparison | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def title(self) -> str:
        """What was studied, and at which level where that is not the default one."""
        title = str(self.header["title"])
        if self.level == "default":
            return title
        return f"{title} ({self.level}{', on ' + str(self.header['data']) if self.level == 'quick' else ''})"

    def records(self, cell: str, column: str) -> dict[int, Mapping[str, Any]]:
        """Records of a cell by seed."""
        return {seed: record for (name, of, seed), record in self.selected.items() if (name, of) == (cell, column)}

    def tested(self, cell: Cell, column: str) -> dict[int, Answers]:
        """Which of the pool's sentences the cell's heads were tested on and had right, by seed."""
        found = {}
        everything = np.arange(self.header["n_sentences"], dtype=np.int64)
        for seed, record in self.records(cell.name, column).items():
            rows = np.setdiff1d(everything, self.header["drawn"][str(seed)])
            found[seed] = Answers(draw_test_rows(rows, cell.max_test, seed), unpack(record["test"]))
        return found

    def compare(self, cell: str, reference: str, column: str) -> Comparison | None:
        """A cell against another in one column; None where they have no seed in common."""
        by_name = {one.name: one for one in self.cells}
        if cell not in by_name or reference not in by_name:
            return None
        place = (cell, reference, column)
        if place not in self._compared:
            tested, other = (self.tested(by_name[name], column) for name in (cell, reference))
            self._compared[place] = compare_heads(cell, tested, reference, other)
        return self._compared[place]

    def compare_all(self, reference: str, column: str) -> list[Comparison]:
        """Every other cell against the reference, with Holm's correction over all of them."""
        found = [self.compare(cell.name, reference, column) for cell in self.cells if cell.name != reference]
        return correct([comparison for comparison in found if comparison is not None])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values: numbers and names only, no sentence."""
        return {
            "schema": SCHEMA,
            "version": __version__,
            "name": self.name,
            "level": self.level,
            "columns": list(self.columns),
            "header": dict(self.header),
            "n_runs": self.n_runs,
            "hours": round(self.hours, 4),
            "failures": list(self.failures),
            "selected": [_to_entry(place, record) for place, record in self.selected.items()],
        }

    def save(self, path: Path) -> None:
        """Write the file, a line for each selected run."""
        values = self.to_dict()
        entries = values.pop("selected")
        lines = ",\n".join(json.dumps(entry, allow_nan=False) for entry in entries)
        head = json.dumps(values, indent=1, allow_nan=False, ensure_ascii=False)
        write_text(path, head[:-2] + ',\n "selected": [\n' + lines + "\n]}\n")

    @classmethod
    def load(cls, path: Path) -> StudyResult:
        """Read a file that `save` wrote; the specification of its name says what the cells are.

        Raises:
            ValueError: Not such a file, or the specification has other rows or settings by now.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["schema"] != SCHEMA:
                raise ValueError(f"schema {values['schema']}")
            selected = {(one["cell"], one["column"], one["seed"]): one for one in values["selected"]}
            specification = load_specification(values["name"])
            cells = expand(specification, values["level"])
            _check_settings(cells, selected)
            # Settings are as they were; how a specification words what they are may have been mended.
            notes = specification.at_level(values["level"]).get("notes", [])
            return cls(
                values["name"],
                values["level"],
                cells,
                values["columns"],
                selected,
                values["failures"],
                values["n_runs"],
                values["hours"],
                values["header"] | {"notes": notes},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"File {str(path)!r} is not the result of a study: {error}.") from error


def describe_pool(pool: Pool, seeds: Iterable[int]) -> dict[str, Any]:
    """What a header says of the data: sizes, and which rows each seed did not test on. No sentence.

    `n_seen` is the greatest number, over seeds, of test sentences that the data repeat among those drawn.
    """
    splits = {seed: pool.split(seed) for seed in sorted(set(seeds))}
    seen = []
    for split in splits.values():
        drawn = {pool.texts[row] for part in (split.train, split.validation) for row in part}
        seen.append(sum(pool.texts[row] in drawn for row in split.test))
    first = next(iter(splits.values()))
    return {
        "data": pool.name,
        "pool": pool.identity(),
        "n_sentences": len(pool.texts),
        "n_train": len(first.train),
        "n_validation": len(first.validation),
        "n_test": len(first.test),
        "n_seen": max(seen),
        "n_classes": len(pool.classes),
        "drawn": {
            str(seed): sorted(np.concatenate([split.train, split.validation]).tolist())
            for seed, split in splits.items()
        },
    }


def _to_entry(place: tuple[str, str, int], record: Mapping[str, Any]) -> dict[str, Any]:
    cell, column, seed = place
    entry: dict[str, Any] = {"cell": cell, "column": column, "seed": seed}
    settings = record.get("settings", record)
    if "head" in settings:
        entry["head"] = settings["head"]
    entry |= {"training": settings.get("training", {}), "version": record.get("version", __version__)}
    entry |= {name: record[name] for name in ("validation", "test", *_KEPT) if name in record}
    return entry


def _check_settings(cells: Sequence[Cell], selected: Mapping[tuple[str, str, int], Mapping[str, Any]]) -> None:
    """Refuse results of another specification than the one that describes them now."""
    by_name = {cell.name: cell for cell in cells}
    for (name, _, seed), entry in selected.items():
        if name not in by_name:
            raise ValueError(f"row {name!r} is not in the specification")
        candidates = by_name[name].runs(seed, {}, {})
        wanted = {part: entry[part] for part in ("head", "training") if part in entry}
        if not any(
            all(json.loads(json.dumps(getattr(run, part))) == wanted[part] for part in wanted) for run in candidates
        ):
            raise ValueError(f"row {name!r}, seed {seed}, was run with settings that the specification does not have")
