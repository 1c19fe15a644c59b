"""From a specification to cells (the rows of a table) and from cells to runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from setfit_quantum.checks import check_int
from setfit_quantum.experiments.conditions import EXACT
from setfit_quantum.experiments.run_settings import Run
from setfit_quantum.experiments.specification import Specification, SpecificationError

_CONDITIONS = ("train_condition", "eval_condition")


@dataclass(frozen=True)
class Cell:
    """One row of a table: a head under one setting, over all seeds and, where it has a grid, all candidates.

    Args:
        name: What the table calls it.
        series: The line of a figure that it belongs to.
        axes: Where it lies on the axes, by their short names.
        head: The head's settings.
        training: Its training settings.
        candidates: Further settings, of which validation selects one per seed: dotted names as in a grid.
        seeds: The seeds.
        conditions: `train_condition` and `eval_condition`.
        eval_trajectories: See `Run`.
        max_test: See `Run`.
        keep_history: See `Run`.
        paper: The paper's accuracy in percent, or None.
        paper_parameters: The paper's number of parameters, or None.
    """

    name: str
    series: str
    axes: Mapping[str, Any]
    head: Mapping[str, Any]
    training: Mapping[str, Any]
    candidates: tuple[Mapping[str, Any], ...]
    seeds: tuple[int, ...]
    conditions: Mapping[str, str] = field(default_factory=dict)
    eval_trajectories: int | None = None
    max_test: int | None = None
    keep_history: bool = False
    paper: float | None = None
    paper_parameters: int | None = None

    def runs(self, seed: int, data: Mapping[str, Any], body: Mapping[str, Any]) -> list[Run]:
        """The candidates' runs of one seed, in the order of the grid."""
        return [
            Run(
                **apply_settings({"head": dict(self.head), "training": dict(self.training)}, candidate),
                seed=seed,
                data=data,
                body=body,
                max_test=self.max_test,
                eval_trajectories=self.eval_trajectories,
                keep_history=self.keep_history,
                train_condition=self.conditions.get("train_condition", EXACT),
                eval_condition=self.conditions.get("eval_condition", EXACT),
            )
            for candidate in self.candidates
        ]


def expand(specification: Specification, level: str, n_seeds: int | None = None) -> list[Cell]:
    """All cells of a specification at a level.

    Args:
        specification: A checked specification of kind `"heads"`.
        level: One of `LEVELS`.
        n_seeds: Seeds of every cell; None: as specified.

    Raises:
        SpecificationError: A setting that cannot be used; the message names the row.
    """
    cells = []
    for row in specification.rows_at(level):
        try:
            cells += _expand_row(row, n_seeds)
        except (TypeError, ValueError, KeyError) as error:
            message = f"specification {specification.name!r}, row {row['name']!r}: {error}"
            raise SpecificationError(message) from error
    names = [cell.name for cell in cells]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SpecificationError(f"specification {specification.name!r}: rows of one name: {sorted(twice)}.")
    return cells


def apply_settings(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Lay dotted settings (`head.n_qubits`; without a dot, of the training) over `{"head": ..., "training": ...}`."""
    parts = {name: dict(value) for name, value in base.items()}
    for dotted, value in settings.items():
        part, name = _split(dotted)
        parts[part][name] = value
    return parts


def _expand_row(row: Mapping[str, Any], n_seeds: int | None) -> list[Cell]:
    axes = row.get("axes", {})
    seeds = check_int("seeds", row["seeds"] if n_seeds is None else n_seeds, minimum=1)
    cells = []
    for values in product(*axes.values()):
        point = dict(zip(axes, values, strict=True))
        short = {name.rpartition(".")[2]: value for name, value in point.items()}
        conditions = {name: str(row[name]) for name in _CONDITIONS if name in row}
        settings = {}
        for name, value in point.items():
            if name == "condition":
                conditions = {place: str(value) for place in _CONDITIONS}
            elif name in _CONDITIONS:
                conditions[name] = value
            else:
                settings[name] = value
        parts = apply_settings({"head": row["head"], "training": row.get("training", {})}, settings)
        cell = Cell(
            name=str(row["name"]).format(**short),
            series=str(row.get("series", row["name"])).format(**short),
            axes=short,
            **parts,
            candidates=expand_grid(row.get("grid", {})),
            seeds=tuple(range(seeds)),
            conditions=conditions,
            eval_trajectories=row.get("eval_trajectories"),
            max_test=row.get("max_test"),
            keep_history=row.get("keep_history", False),
            paper=_look_up(row.get("paper"), values),
            paper_parameters=_look_up(row.get("parameters"), values),
        )
        cell.runs(0, {}, {})  # settings that cannot be used are told now
        cells.append(cell)
    return cells


def expand_grid(grid: Mapping[str, Sequence[Any]]) -> tuple[Mapping[str, Any], ...]:
    """All combinations of a grid's values; one empty one without a grid.

    Raises:
        ValueError: Something else than lists.
    """
    for name, values in grid.items():
        if not isinstance(values, list | tuple) or not values:
            raise ValueError(f"Argument `grid` must hold lists of values, but {name!r} is {values!r}.")
    return tuple(dict(zip(grid, values, strict=True)) for values in product(*grid.values()))


def _split(dotted: str) -> tuple[str, str]:
    part, dot, name = dotted.partition(".")
    if not dot:
        return "training", dotted
    if part not in ("head", "training"):
        raise ValueError(f"Setting {dotted!r} must begin with `head.` or `training.`, or have no dot.")
    return part, name


def _look_up(values: Any, point: Sequence[Any]) -> Any:
    """The paper's value at a point: one for all, or by the axes' values joined with commas."""
    if not isinstance(values, dict):
        return values
    return values.get(",".join(str(value) for value in point))
