"""Screening: a space-filling design over settings, and the main effects that a linear model finds in its results.

Every setting of the design is a row of a study, so that runs are cached, resumed and spread over workers as those of
any other. Unordered settings are coded so that the effects of their values add up to zero; a range or a list of numbers
has one effect, from its first to its last value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.checks import check_choice, check_int
from setfit_quantum.experiments.bodies import EmbeddingStore
from setfit_quantum.experiments.expansion import Cell
from setfit_quantum.experiments.intervals import LEVEL
from setfit_quantum.experiments.paired_tests import holm
from setfit_quantum.experiments.pools import Pool
from setfit_quantum.experiments.search_space import Factor, split_settings
from setfit_quantum.experiments.study import EMBEDDINGS_FOLDER, StudyPlan
from setfit_quantum.experiments.study_result import StudyResult

DESIGNS = ("latin-hypercube", "sobol")
RESPONSES = ("validation", "test")

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """What the model expects at one value of a factor, the other factors at their middle."""

    value: Any
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """The main effect of a factor.

    Args:
        factor: What was varied.
        label: From which value to which, or which value against the average of all.
        size: Change of the accuracy.
        low: Lower end of its 95 % interval (Student's t over settings).
        high: Upper end.
        p: Of the whole factor having no effect: a partial F test.
        p_corrected: By Holm's method over all factors.
        levels: Expected accuracies at the values of the factor.
    """

    factor: Factor
    label: str
    size: float
    low: float
    high: float
    p: float
    levels: tuple[Level, ...]
    p_corrected: float = float("nan")


def draw_design(
    space: Sequence[Factor], n_settings: int, design: str = "latin-hypercube", seed: int = 0
) -> list[dict[str, Any]]:
    """Settings that fill a space evenly.

    Args:
        space: What is varied.
        n_settings: Number of settings; a power of 2 for `"sobol"`, which is even only then.
        design: `"latin-hypercube"` (of small discrepancy) or `"sobol"` (scrambled).
        seed: Of the design.

    Returns:
        One mapping of dotted names to values per setting.

    Raises:
        ValueError: Fewer settings than the main effects need, or a number that the design does not have.
    """
    from scipy.stats import qmc

    check_choice("design", design, DESIGNS)
    check_int("n_settings", n_settings, minimum=2)
    needed = count_coefficients(space) + 1
    if n_settings < needed:
        raise ValueError(
            f"Argument `n_settings` must be at least {needed} to tell the effects of {len(space)} settings, "
            f"but got {n_settings}."
        )
    generator = np.random.default_rng(check_int("seed", seed, minimum=0))
    if design == "sobol":
        if n_settings & (n_settings - 1):
            raise ValueError(f"Argument `n_settings` must be a power of 2 with 'sobol', but got {n_settings}.")
        points = qmc.Sobol(len(space), seed=generator).random_base2(n_settings.bit_length() - 1)
    else:
        sampler = qmc.LatinHypercube(len(space), optimization="random-cd" if len(space) > 1 else None, seed=generator)
        points = sampler.random(n_settings)
    return [{factor.name: factor.at(float(place)) for factor, place in zip(space, row, strict=True)} for row in points]


def plan_screening(
    pool: Pool,
    settings: Sequence[Mapping[str, Any]],
    *,
    head: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    body: str | None = None,
    n_seeds: int = 1,
    folder: Path | None = None,
    say: Any = None,
) -> StudyPlan:
    """Plan the study of a design: one row per setting. Nothing is encoded or trained yet.

    Args:
        pool: The sentences.
        settings: What `draw_design` gives.
        head: Settings of all heads; `preset` among them, or arguments of `SetFitQuantumHead`.
        training: Settings of all trainings.
        body: Sentence transformer; None: the default.
        n_seeds: Seeds of each setting, each with its own split.
        folder: Where embeddings are kept; None: nowhere.
        say: Told what takes long.
    """
    seeds = tuple(range(check_int("n_seeds", n_seeds, minimum=1)))
    cells = []
    for number, one in enumerate(settings, start=1):
        own_head, own_training = split_settings(one)
        cells.append(
            Cell(
                name=f"setting {number}",
                series="settings",
                axes=dict(one),
                head={"kind": "quantum", **(head or {}), **own_head},
                training={**(training or {}), **own_training},
                candidates=({},),
                seeds=seeds,
            )
        )
    store = EmbeddingStore(pool, body, None if folder is None else folder / EMBEDDINGS_FOLDER, None, say)
    header = {"title": f"Screening on {pool.name}", "source": "A space-filling design", "reference": None}
    return StudyPlan("screen", "default", cells, ["frozen"], store, header)


def read_responses(result: StudyResult, response: str = "validation") -> list[float | None]:
    """Mean accuracy over seeds of every setting, in the design's order; None where every run failed.

    Args:
        result: Of `plan_screening`'s study.
        response: `"validation"` or `"test"`.
    """
    check_choice("response", response, RESPONSES)
    found: list[float | None] = []
    for cell in result.cells:
        values = [record[response]["accuracy"] for record in result.records(cell.name, "frozen").values()]
        found.append(float(np.mean(values)) if values else None)
    return found


def count_coefficients(space: Sequence[Factor]) -> int:
    """Coefficients of the linear model: the mean, one per ordered factor, and values less one per other."""
    return 1 + sum(_width(factor) for factor in space)


def estimate_effects(
    space: Sequence[Factor], settings: Sequence[Mapping[str, Any]], responses: Sequence[float]
) -> list[Effect]:
    """Main effects by least squares, in the order of the space.

    Args:
        space: What was varied.
        settings: The settings that were run.
        responses: Their accuracies, one for each: the unit is a setting, not a seed.

    Returns:
        One effect per ordered factor or factor of two values, and one per value of the others.

    Raises:
        ValueError: Too few settings, or settings whose effects cannot be told apart.
    """
    from scipy.special import fdtrc, stdtrit

    y = np.asarray(responses, dtype=np.float64)
    columns = [_code(factor, [one[factor.name] for one in settings]) for factor in space]
    design = np.column_stack([np.ones(len(y)), *columns])
    freedom = len(y) - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError(
            f"The effects of {', '.join(factor.name for factor in space)} cannot be told apart with {len(y)} settings; "
            f"at least {design.shape[1] + 1} that differ are needed."
        )
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = float(((y - design @ coefficients) ** 2).sum())
    covariance = residual / freedom * np.linalg.inv(design.T @ design)
    half = float(stdtrit(freedom, 0.5 + LEVEL / 2))
    effects: list[Effect] = []
    p_values: list[float] = []
    first = 1
    for factor in space:
        places = np.arange(first, first + _width(factor))
        first += len(places)
        part = coefficients[places]
        statistic = float(part @ np.linalg.solve(covariance[np.ix_(places, places)], part)) / len(places)
        p_values.append(float(fdtrc(len(places), freedom, statistic)) if residual > 0 else 0.0)

        def estimate(weights: Matrix) -> tuple[float, float, float]:
            value = float(weights @ coefficients)
            error = half * float(np.sqrt(max(weights @ covariance @ weights, 0.0)))
            return value, value - error, value + error

        def weigh(value: Any, mean: float, places: Any = places, factor: Factor = factor) -> Matrix:
            weights = np.zeros(len(coefficients))
            weights[0], weights[places] = mean, _code(factor, [value])[0]
            return weights

        values = _values(factor)
        levels = tuple(Level(value, *estimate(weigh(value, 1.0))) for value in values)
        if factor.is_ordered or len(values) == 2:
            low, high = factor.ends()
            contrast = weigh(high, 0.0) - weigh(low, 0.0)
            effects.append(Effect(factor, f"{_name(low)} to {_name(high)}", *estimate(contrast), p_values[-1], levels))
        else:
            effects += [
                Effect(factor, f"{_name(value)}, not the average", *estimate(weigh(value, 0.0)), p_values[-1], levels)
                for value in values
            ]
    corrected = dict(zip([factor.name for factor in space], holm(p_values), strict=True))
    return [replace(effect, p_corrected=corrected[effect.factor.name]) for effect in effects]


def _width(factor: Factor) -> int:
    return 1 if factor.is_ordered or factor.choices is None else len(factor.choices) - 1


def _code(factor: Factor, values: Sequence[Any]) -> Matrix:
    """Columns of the design matrix, shape (n, `_width`)."""
    if factor.is_ordered or factor.choices is None:
        return np.array([[factor.coordinate(value)] for value in values])
    levels = factor.choices
    code = np.vstack([np.eye(len(levels) - 1), -np.ones(len(levels) - 1)])
    return np.asarray(code[[levels.index(value) for value in values]])


def _values(factor: Factor) -> list[Any]:
    """Values at which the effect is drawn."""
    if factor.choices is not None:
        return list(factor.choices)
    low, high = factor.ends()
    if factor.is_whole and high - low < 12:
        return list(range(low, high + 1))
    return [low, *(factor.at(place) for place in (0.25, 0.5, 0.75)), high]


def _name(value: Any) -> str:
    return "none" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
