"""The table of a noise study: means, intervals over seeds, and paired differences to exact evaluation."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median, stdev
from typing import Any

from setfit_quantum.experiments.intervals import Interval, accuracy_interval, difference_interval

HEADER = (
    "trained",
    "evaluated",
    "seeds",
    "accuracy, %",
    "95 % interval",
    "sd",
    "minus exact",
    "ms per step",
    "ms per text",
)
"""Columns of the tables for people."""


@dataclass(frozen=True)
class StudyRow:
    """One training condition evaluated under one condition.

    Args:
        train: Name of the training condition.
        evaluation: Name of the evaluation condition.
        noise: Name of the noise level at inference.
        shots: Shots at inference, or None.
        n_seeds: Number of seeds.
        n_test: Measured texts per seed.
        accuracy: Mean over seeds.
        sd: Standard deviation over seeds, or None for one seed.
        interval: Of the mean.
        exact_accuracy: Mean of the same heads evaluated exactly on the same texts.
        difference: `accuracy - exact_accuracy`.
        difference_interval: Of the mean paired difference; None for the exact evaluation itself.
        ms_per_step: Median training step, or None.
        ms_per_text: Median time of evaluating one text.
    """

    train: str
    evaluation: str
    noise: str
    shots: int | None
    n_seeds: int
    n_test: int
    accuracy: float
    sd: float | None
    interval: Interval
    exact_accuracy: float
    difference: float
    difference_interval: Interval | None
    ms_per_step: float | None
    ms_per_text: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        values = asdict(self)
        for name in ("interval", "difference_interval"):
            interval = getattr(self, name)
            values[name] = None if interval is None else interval._asdict()
        return values

    def cells(self) -> tuple[str, ...]:
        """The row under `HEADER`, accuracies in percent."""
        interval, difference = self.interval_cells()
        return (
            self.train,
            self.evaluation,
            str(self.n_seeds),
            f"{100 * self.accuracy:.1f}",
            interval,
            "-" if self.sd is None else f"{100 * self.sd:.1f}",
            difference,
            "-" if self.ms_per_step is None else f"{self.ms_per_step:.2f}",
            f"{self.ms_per_text:.2f}",
        )

    def interval_cells(self) -> tuple[str, str]:
        """The accuracy's interval, and the difference with its interval, in percent."""
        interval = f"{100 * self.interval.low:.1f} - {100 * self.interval.high:.1f}"
        if self.difference_interval is None:
            return interval, "-"
        low, high, _ = self.difference_interval
        return interval, f"{100 * self.difference:+.1f} ({100 * low:+.1f}, {100 * high:+.1f})"


def summarize_study(records: Sequence[Mapping[str, Any]]) -> list[StudyRow]:
    """Aggregate the records of a study over seeds, in the order of the records.

    Raises:
        ValueError: Records of one row with different numbers of texts.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["train"], record["eval"]), []).append(record)
    return [_summarize(*names, group) for names, group in groups.items()]


def _summarize(train: str, evaluation: str, group: Sequence[Mapping[str, Any]]) -> StudyRow:
    first = group[0]
    n_test = first["n_test"]
    if any(record["n_test"] != n_test for record in group):
        raise ValueError(f"Argument `records` has different numbers of texts for {train!r} evaluated {evaluation!r}.")
    accuracies = [record["accuracy"] for record in group]
    differences = [(record["gained"] - record["lost"]) / n_test for record in group]
    lost, gained = ([record[side] for record in group] for side in ("lost", "gained"))
    is_exact = first["noise"] == "none" and first["shots"] is None
    steps = [record["ms_per_step"] for record in group if record["ms_per_step"] is not None]
    return StudyRow(
        train=train,
        evaluation=evaluation,
        noise=first["noise"],
        shots=first["shots"],
        n_seeds=len(group),
        n_test=n_test,
        accuracy=fmean(accuracies),
        sd=stdev(accuracies) if len(group) > 1 else None,
        interval=accuracy_interval(accuracies, n_test),
        exact_accuracy=fmean(record["exact_accuracy"] for record in group),
        difference=fmean(differences),
        difference_interval=None if is_exact else difference_interval(lost, gained, n_test),
        ms_per_step=median(steps) if steps else None,
        ms_per_text=median(1e3 * record["seconds"] / n_test for record in group),
    )


def describe_study(rows: Sequence[StudyRow]) -> str:
    """What the intervals are, and on how many texts the figures rest."""
    first = rows[0]
    texts = f"Accuracy on {first.n_test} test texts{' per seed' if first.n_seeds > 1 else ''}"
    if first.n_seeds > 1:
        intervals = (
            f"Student's t over {first.n_seeds} seeds, of the mean and of the mean paired difference (over the texts of "
            "one seed where all seeds give the same number)"
        )
    else:
        intervals = "over the texts: Wilson's for the accuracy, Bonett and Price's for the paired difference"
    return (
        f"{texts}; with noise and shots every shot is simulated with its own errors. 95 % intervals: {intervals}. "
        '"Minus exact" compares with the same heads evaluated exactly on the same texts. Milliseconds per training '
        "step and per evaluated text were measured one condition after another, on whatever else the machine did."
    )


def format_markdown(rows: Sequence[StudyRow], title: str) -> str:
    """The table with its explanation, as Markdown."""
    lines = [HEADER, ("---", "---", *["---:"] * (len(HEADER) - 2)), *(row.cells() for row in rows)]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    return f"# {title}\n\n{describe_study(rows)}\n\n{table}\n"


def format_csv(rows: Sequence[StudyRow]) -> str:
    """All figures, accuracies as fractions, as comma-separated values."""
    flat = []
    for row in rows:
        values = asdict(row)
        for name in ("interval", "difference_interval"):
            interval = values.pop(name)
            for part, value in zip(Interval._fields, interval or (None, None, None), strict=True):
                values[f"{name}_{part}"] = value
        flat.append(values)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()
