"""The work behind `setfit-quantum screen`: effects from the results of a study, and their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from setfit_quantum.cli.errors import Failure
from setfit_quantum.experiments import screening_report
from setfit_quantum.experiments.noise_plot import save_figure
from setfit_quantum.experiments.result_file import write_text
from setfit_quantum.experiments.screening import Effect, estimate_effects, read_responses
from setfit_quantum.experiments.search_space import Factor
from setfit_quantum.experiments.study_report import format_hours
from setfit_quantum.experiments.study_result import StudyResult


@dataclass(frozen=True)
class Outcome:
    """Effects, the design with its accuracies, and the files that were written."""

    title: str
    effects: list[Effect]
    settings: Sequence[Mapping[str, Any]]
    responses: list[float | None]
    notes: list[str]
    failures: list[str]
    files: list[Path]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Rows of the printed table."""
        return screening_report.format_effects(self.effects)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "effects": [
                {
                    "setting": one.factor.name,
                    "values": one.label,
                    "effect": one.size,
                    "interval": [one.low, one.high],
                    "p": one.p,
                    "p_holm": one.p_corrected,
                }
                for one in self.effects
            ],
            "design": [
                {"settings": dict(settings), "accuracy": response}
                for settings, response in zip(self.settings, self.responses, strict=True)
            ],
            "failures": self.failures,
            "files": [str(path) for path in self.files],
        }


def report(
    result: StudyResult, space: Sequence[Factor], settings: Sequence[Mapping[str, Any]], response: str, folder: Path
) -> Outcome:
    """Estimate the effects, and write the tables and the figure.

    Raises:
        Failure: So many runs failed that the effects cannot be told.
    """
    responses = read_responses(result, response)
    known = [number for number, value in enumerate(responses) if value is not None]
    ran, found = [settings[number] for number in known], [float(responses[number] or 0.0) for number in known]
    try:
        effects = estimate_effects(space, ran, found)
    except ValueError as error:
        failed = f" ({len(result.failures)} runs failed; the first: {result.failures[0]})" if result.failures else ""
        raise Failure(f"{error}{failed}") from error
    n_seeds = len(result.cells[0].seeds)
    data = str(result.header["data"])
    # A data set is called by its name wherever its copy lies.
    title = f"Main effects on the {response} accuracy: {Path(data).name if Path(data).exists() else data}"
    size = result.header["n_validation" if response == "validation" else "n_test"]
    notes = [
        f"{len(ran)} settings, {n_seeds} seed{'s' if n_seeds > 1 else ''} each, {result.header['n_train']} training "
        f"texts; accuracy on {size} {response} texts; {format_hours(result.hours)} of one core.",
        "Effects of a linear model without interactions; the unit of the intervals is a setting.",
    ]
    if response == "validation":
        notes.append("The validation texts select the epoch too: all accuracies are a little too high.")
    if result.failures:
        notes.append(f"{len(result.failures)} runs failed; the first: {result.failures[0]}")
    write_text(folder / "effects.md", screening_report.format_markdown(effects, title, notes))
    write_text(folder / "effects.csv", screening_report.format_csv(effects))
    write_text(folder / "design.csv", screening_report.format_design(settings, responses))
    figures = save_figure(screening_report.plot_main_effects(effects, ran, found, title), folder / "main-effects")
    files = [folder / name for name in ("effects.md", "effects.csv", "design.csv")] + figures
    return Outcome(title, effects, settings, responses, notes, list(result.failures), files)
