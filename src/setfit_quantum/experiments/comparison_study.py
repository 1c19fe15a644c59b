"""Quantum against classical heads on any data: the cells, the comparisons, and the verdict in plain words."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from setfit_quantum.baselines.sklearn_heads import PAPER_LOGISTIC_GRID, PAPER_SVC_GRID
from setfit_quantum.checks import check_int
from setfit_quantum.experiments.bodies import EmbeddingStore
from setfit_quantum.experiments.comparing import Comparison, correct
from setfit_quantum.experiments.expansion import Cell, expand_grid
from setfit_quantum.experiments.pools import Pool
from setfit_quantum.experiments.study import EMBEDDINGS_FOLDER, StudyPlan
from setfit_quantum.experiments.study_result import StudyResult
from setfit_quantum.training import HeadTrainingArguments

QUANTUM_RATES = (0.01, 0.02, 0.05)
CLASSICAL_RATES = (0.001, 0.003, 0.01)
"""Learning rates that are tried for each kind of head, equally many for both."""
HIDDEN_DIM = 48
DEFAULT_SEEDS = 10
QUANTUM = "quantum head"


def plan_comparison(
    pool: Pool,
    *,
    head: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    body: str | None = None,
    n_seeds: int = DEFAULT_SEEDS,
    columns: Sequence[str] = ("frozen",),
    folder: Path | None = None,
    say: Any = None,
) -> StudyPlan:
    """Plan a comparison of one quantum head with classical ones. Nothing is encoded or trained yet.

    Args:
        pool: The sentences.
        head: Settings of the quantum head; `preset` among them, or arguments of `SetFitQuantumHead`.
        training: Settings of training; a `learning_rate` among them is used for all heads, instead of a choice.
        body: Sentence transformer; None: the default.
        n_seeds: Seeds, each with its own split.
        columns: `"frozen"`, `"tuned"` or both.
        folder: Where embeddings are kept; None: nowhere.
        say: Told what takes long.
    """
    seeds = tuple(range(check_int("n_seeds", n_seeds, minimum=1)))
    # This package's own way of training, not the paper's, which other studies have by default.
    defaults = HeadTrainingArguments()
    own_way = {name: getattr(defaults, name) for name in ("num_epochs", "lr_schedule", "final_layer")}
    settings = own_way | dict(training or {})

    def build(name: str, values: Mapping[str, Any], rates: Sequence[float] = ()) -> Cell:
        grid = {"learning_rate": list(rates)} if rates and "learning_rate" not in settings else {}
        own = values["kind"] in ("logistic", "svc", "setfit")
        return Cell(name, name, {}, values, {} if own else settings, expand_grid(grid), seeds)

    cells = [
        build(QUANTUM, {"kind": "quantum", **(head or {})}, QUANTUM_RATES),
        build("logistic regression", {"kind": "logistic", **PAPER_LOGISTIC_GRID}),
        build("SVC", {"kind": "svc", **PAPER_SVC_GRID}),
        build("linear softmax head", {"kind": "neural", "hidden_dim": 0}, CLASSICAL_RATES),
        build(f"MLP head, {HIDDEN_DIM} hidden", {"kind": "neural", "hidden_dim": HIDDEN_DIM}, CLASSICAL_RATES),
        build("SetFit's default head", {"kind": "logistic", "C": [1.0]}),
    ]
    store = EmbeddingStore(pool, body, None if folder is None else folder / EMBEDDINGS_FOLDER, None, say)
    header = {
        "title": f"Quantum and classical heads on {pool.name}",
        "source": "A comparison of heads on the same splits",
        "reference": None,
        "notes": [
            "Learning rates of the quantum head: "
            + ", ".join(map(str, QUANTUM_RATES if "learning_rate" not in settings else [settings["learning_rate"]]))
            + "; of the linear softmax head and the MLP: "
            + ", ".join(map(str, CLASSICAL_RATES if "learning_rate" not in settings else [settings["learning_rate"]]))
            + ". Logistic regression and SVC choose from the grids of arXiv 2504.08732; SetFit's head has defaults.",
            "The quantum head is tested against each classical one on the same sentences of the same seeds (Wilcoxon's "
            "test over seeds from ten on, Student's paired t from two on, McNemar's for one); p-values are corrected "
            "by Holm's method, and a difference must also hold in a bootstrap over seeds and sentences.",
        ],
    }
    return StudyPlan("compare", "default", cells, list(columns), store, header)


def compare_with_classical(result: StudyResult, column: str) -> list[Comparison]:
    """The quantum head against every classical one, with Holm's correction over all of them."""
    found = [result.compare(QUANTUM, cell.name, column) for cell in result.cells if cell.name != QUANTUM]
    return correct([comparison for comparison in found if comparison is not None])


def format_csv(comparisons: Mapping[str, Sequence[Comparison]]) -> str:
    """All figures of the comparisons, by body, as comma-separated values; accuracies as fractions."""
    text = io.StringIO()
    lines = []
    for column, found in comparisons.items():
        for one in found:
            values: dict[str, Any] = {"body": column, **one.to_dict()}
            for name in ("interval", "bootstrap"):
                interval = values.pop(name)
                values |= {f"{name}_low": interval["low"], f"{name}_high": interval["high"]}
            lines.append(values)
    writer = csv.DictWriter(text, fieldnames=list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def summarize(comparisons: Sequence[Comparison]) -> str:
    """One sentence over all comparisons."""
    if not comparisons:
        return "Nothing could be compared: every run of the quantum head, or of all others, failed."
    better = [one.reference for one in comparisons if one.is_different and one.difference > 0]
    worse = [one.reference for one in comparisons if one.is_different and one.difference < 0]
    rest = [one.reference for one in comparisons if not one.is_different]
    parts = []
    if better:
        parts.append(f"is better than {_join(better)}")
    if worse:
        parts.append(f"is worse than {_join(worse)}")
    if rest:
        parts.append(f"cannot be told apart from {_join(rest)}")
    alone = " With one seed this concerns these trained heads alone." if comparisons[0].n_seeds == 1 else ""
    return f"On these data the {QUANTUM} " + ", and ".join(parts) + "." + alone


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
