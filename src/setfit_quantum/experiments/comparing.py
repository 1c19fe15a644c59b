"""Two heads on the same splits: difference, interval, test, effect size, and what they mean in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.experiments.intervals import Interval, difference_interval, of_one_seed
from setfit_quantum.experiments.paired_tests import (
    PairedTest,
    bootstrap_difference,
    effect_size,
    holm,
    mcnemar,
    odds_ratio,
    paired_t,
    wilcoxon,
)

SIGNIFICANCE = 0.05
WILCOXON_FROM = 10
"""Seeds from which Wilcoxon's test decides. Its smallest p-value is then 0.002, which survives Holm's correction over
25 comparisons; with 6 or 7 seeds no data whatever could be told from chance in a table of five heads."""


@dataclass(frozen=True)
class Answers:
    """Which of its test texts a head had right, with one seed.

    Args:
        rows: The texts' rows in the pool, shape (n,).
        right: Shape (n,).
    """

    rows: NDArray[np.int64]
    right: NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """A head against a reference.

    Args:
        head: Its name.
        reference: The reference's name.
        n_seeds: Seeds that both have.
        n_texts: Texts that both were tested on, over all seeds.
        accuracy: Mean accuracy of the head on those texts.
        reference_accuracy: The reference's.
        difference: Mean over seeds of the paired difference of accuracies.
        interval: Of it, over seeds; of one seed over texts.
        bootstrap: Of it, over seeds and texts at once.
        p: Of the test, not corrected.
        p_corrected: Holm's, among all comparisons of the table.
        test: The test's name.
        effect: Cohen's d over seeds, or None.
        odds: Texts gained for each one lost, or None.
        lost: Texts that only the reference has right, over all seeds.
        gained: Texts that only the head has right.
    """

    head: str
    reference: str
    n_seeds: int
    n_texts: int
    accuracy: float
    reference_accuracy: float
    difference: float
    interval: Interval
    bootstrap: Interval
    p: float
    p_corrected: float
    test: str
    effect: float | None
    odds: float | None
    lost: int
    gained: int

    @property
    def is_different(self) -> bool:
        """Whether the corrected test says so, and the bootstrap that it is not these texts alone.

        Seeds share most of their test texts. What one head happens to do better on these is the same in every seed,
        so that a test over seeds alone takes it for a difference of the heads.
        """
        return self.p_corrected < SIGNIFICANCE and not self._holds_zero

    @property
    def _holds_zero(self) -> bool:
        return self.bootstrap.low <= 0 <= self.bootstrap.high

    def verdict(self) -> str:
        """What was found, in plain words."""
        points = 100 * self.difference
        low, high = 100 * self.interval.low, 100 * self.interval.high
        measured = f"{abs(points):.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
        if self.is_different:
            side = "better" if points > 0 else "worse"
            text = f"{self.head} is {side} than {self.reference} by {measured}, p {_p(self.p_corrected)}."
        else:
            text = (
                f"No difference between {self.head} and {self.reference} could be told from chance: "
                f"{points:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}), p {_p(self.p_corrected)}."
            )
            if self.p_corrected < SIGNIFICANCE:
                low, high = 100 * self.bootstrap.low, 100 * self.bootstrap.high
                text += f" It may lie in these texts: over texts too the interval is {low:+.1f} to {high:+.1f}."
        if self.n_seeds == 1:
            text += " One seed: this concerns these two trained heads, not the two kinds of head."
        return text

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        values = asdict(self)
        for name in ("interval", "bootstrap"):
            values[name] = getattr(self, name)._asdict()
        return values | {"different": self.is_different, "verdict": self.verdict()}


def compare_heads(
    head: str, tested: Mapping[int, Answers], reference: str, reference_tested: Mapping[int, Answers], *, seed: int = 0
) -> Comparison | None:
    """Compare two heads on the seeds, and within them the texts, that both have.

    Which test decides depends on the number of seeds alone: Wilcoxon's over seeds from ten on, Student's paired t from
    two on, McNemar's over the texts of a single one.

    Args:
        head: Name of the head.
        tested: By seed.
        reference: Name of the reference.
        reference_tested: By seed.
        seed: Of the bootstrap.

    Returns:
        The comparison, its p-value not yet corrected; None without a common seed.
    """
    pairs = [
        _common(reference_tested[number], tested[number]) for number in sorted(set(tested) & set(reference_tested))
    ]
    pairs = [pair for pair in pairs if len(pair[0])]
    if not pairs:
        return None
    lost = [int((first & ~second).sum()) for _, first, second in pairs]
    gained = [int((second & ~first).sum()) for _, first, second in pairs]
    differences = [float(second.mean() - first.mean()) for _, first, second in pairs]
    found = _test(differences, lost, gained)
    return Comparison(
        head=head,
        reference=reference,
        n_seeds=len(pairs),
        n_texts=sum(len(rows) for rows, _, _ in pairs),
        accuracy=float(np.mean([second.mean() for _, _, second in pairs])),
        reference_accuracy=float(np.mean([first.mean() for _, first, _ in pairs])),
        difference=float(np.mean(differences)),
        interval=_interval(differences, lost, gained, [len(rows) for rows, _, _ in pairs]),
        bootstrap=bootstrap_difference(*_matrices(pairs), seed=seed),
        p=found.p,
        p_corrected=found.p,
        test=found.name,
        effect=effect_size(differences),
        odds=odds_ratio(sum(lost), sum(gained)),
        lost=sum(lost),
        gained=sum(gained),
    )


def correct(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of one table with Holm's p-values."""
    adjusted = holm([comparison.p for comparison in comparisons])
    return [replace(one, p_corrected=p) for one, p in zip(comparisons, adjusted, strict=True)]


def _test(differences: Sequence[float], lost: Sequence[int], gained: Sequence[int]) -> PairedTest:
    if len(differences) == 1:
        return mcnemar(lost[0], gained[0])
    if len(differences) >= WILCOXON_FROM:
        return wilcoxon(differences)
    if len(set(differences)) == 1:
        # Among few texts two or three seeds may well agree; that is no certainty.
        found = mcnemar(*of_one_seed(lost, gained))
        return PairedTest(found.p, f"{found.name}, over the texts of one seed")
    return paired_t(differences)


def _interval(
    differences: Sequence[float], lost: Sequence[int], gained: Sequence[int], n_texts: Sequence[int]
) -> Interval:
    if len(set(n_texts)) == 1:
        return difference_interval(lost, gained, n_texts[0])
    from setfit_quantum.experiments.intervals import seeds_interval

    return seeds_interval(differences)


_Pair = tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]


def _common(first: Answers, second: Answers) -> _Pair:
    rows, places, other_places = np.intersect1d(first.rows, second.rows, return_indices=True)
    return rows, first.right[places], second.right[other_places]


def _matrices(pairs: Sequence[_Pair]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    texts = np.unique(np.concatenate([rows for rows, _, _ in pairs]))
    found = np.full((2, len(pairs), len(texts)), np.nan)
    for number, (rows, first, second) in enumerate(pairs):
        columns = np.searchsorted(texts, rows)
        found[0, number, columns], found[1, number, columns] = first, second
    return found[0], found[1]


def format_p(p: float) -> str:
    """A p-value for people: none of them is 0."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _p(p: float) -> str:
    return format_p(p) if p < 0.001 else f"= {format_p(p)}"
