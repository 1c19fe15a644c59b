"""The work behind `setfit-quantum noise-study`: data, embeddings, the study, and its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from setfit_quantum.cli.console import is_interactive, note, percent
from setfit_quantum.cli.errors import BadInput, Failure, checking_input
from setfit_quantum.cli.models import (
    build_model,
    check_body,
    class_names,
    embed,
    encode_targets,
    load_model,
    prepare_simulator,
)
from setfit_quantum.cli.training_run import build_arguments
from setfit_quantum.data import Examples, draw_few_shot, has_splits, load_examples, pooled_split, stratified_split
from setfit_quantum.experiments.conditions import Condition, build_grid, by_name
from setfit_quantum.experiments.embedding_cache import cached_embeddings
from setfit_quantum.experiments.noise_plot import check_matplotlib, plot_noise_study, save_figure
from setfit_quantum.experiments.noise_report import StudyRow, format_csv, format_markdown, summarize_study
from setfit_quantum.experiments.noise_study import evaluate_head, run_noise_study
from setfit_quantum.experiments.result_file import write_text
from setfit_quantum.experiments.study_data import LabelledSet, StudyData
from setfit_quantum.experiments.trained_heads import build_untrained_head
from setfit_quantum.head import SetFitQuantumHead

PER_CLASS = 256
VALIDATION_SHARE = 0.15
DEFAULT_TRAIN = ("exact", "paper-low:8192")
DEFAULT_EVAL_NOISE = ("none", "paper-low", "paper-high", "ionq-forte-enterprise")
DEFAULT_EVAL_SHOTS = ("0", "128", "1024", "8192")
RESULTS = "results.jsonl"


@dataclass(frozen=True)
class Outcome:
    """Records of the study, its table, and the files that were written."""

    records: list[dict[str, Any]]
    rows: list[StudyRow]
    files: list[Path]


def check_output(output: Path) -> None:
    """Refuse, before any work, a folder that holds something else than a study.

    Raises:
        BadInput: It does, or it is a file.
    """
    if output.exists() and not output.is_dir():
        raise BadInput(f"Argument `--output` must be a folder, but {str(output)!r} is a file.")
    others = [path.name for path in output.iterdir()] if output.is_dir() else []
    if others and not {RESULTS, "embeddings.npz"} & set(others):
        raise BadInput(
            f"Argument `--output` must be a new or empty folder or an earlier study's, but {str(output)!r} holds "
            f"{', '.join(sorted(others)[:3])}{', ...' if len(others) > 3 else ''}."
        )


def check_plots() -> None:
    """Refuse, before any work, to go without matplotlib.

    Raises:
        Failure: With the command that installs it.
    """
    try:
        check_matplotlib()
    except ImportError as error:
        raise Failure(str(error)) from error


def check_not_given(option: str, others: Mapping[str, Any]) -> None:
    """Refuse options that would have no effect beside `option`.

    Raises:
        BadInput: Naming those of `others` that have a value.
    """
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise BadInput(f"Argument `{option}` evaluates a trained model; it excludes {', '.join(given)}.")


def load_part(
    data: str, split: str | None, default_split: str | None, limit: int | None, source: Mapping[str, Any]
) -> Examples:
    """Read texts with one label each; where the data has splits and none is named, those of the default one.

    Raises:
        BadInput: Unreadable data, or several labels per text.
    """
    with checking_input():
        part = default_split if split is None and has_splits(data) else split
        examples = load_examples(data, part, limit=limit, **source)
    if examples.multilabel:
        raise BadInput(f"{examples.name} has several labels per text; a study needs one.")
    return examples


def parse_grid(noise: Sequence[str] | None, shots: Sequence[str] | None) -> dict[str, Condition]:
    """Evaluation conditions: every noise level with every number of shots.

    Raises:
        BadInput: A value is not allowed.
    """
    numbers = parse_shots("--eval-shots", shots or DEFAULT_EVAL_SHOTS)
    with checking_input():
        return build_grid(noise or DEFAULT_EVAL_NOISE, numbers)


def parse_conditions(
    named: Sequence[str] | None, noise: Sequence[str] | None, shots: Sequence[str] | None
) -> dict[str, Condition]:
    """Training conditions: those named one by one, or every noise level with every number of shots.

    Raises:
        BadInput: Both ways are used, or a value is not allowed.
    """
    if named and (noise or shots):
        raise BadInput("Argument `--train` excludes --train-noise and --train-shots.")
    numbers = parse_shots("--train-shots", shots or ["0"])
    with checking_input():
        if noise or shots:
            return build_grid(noise or ["none"], numbers)
        return by_name(Condition.parse(text) for text in named or DEFAULT_TRAIN)


def parse_shots(option: str, values: Sequence[str]) -> list[int]:
    """Numbers of shots, 0 for none.

    Raises:
        BadInput: Not a whole number of at least 0.
    """
    for value in values:
        if not value.isdecimal():
            raise BadInput(f"Argument `{option}` must be whole numbers of at least 0 (0: exact), but got {value!r}.")
    return [int(value) for value in values]


def study_new_heads(
    pool: Examples,
    test: Examples | None,
    train_conditions: Mapping[str, Condition],
    eval_conditions: Mapping[str, Condition],
    seeds: range,
    *,
    body: str | None,
    per_class: int | None,
    head_settings: Mapping[str, Any],
    training_settings: Mapping[str, Any],
    max_test: int,
    output: Path,
) -> Outcome:
    """Train heads on parts of the pool and evaluate them on the rest of it, or on the test data.

    Settings that are None keep the library's values.

    Raises:
        BadInput: Data or settings that cannot be used.
    """
    check_body(body)
    classes = pool.classes
    head_settings = {name: value for name, value in head_settings.items() if value is not None}
    with checking_input():
        arguments = build_arguments(**training_settings, show_progress_bar=False)
        if len(classes) < 2:
            raise BadInput(f"{pool.name} must have at least two classes, but has {classes}.")
        splits = _Splits(pool, test, per_class)
        splits.rows(seeds[0])  # too few examples are found before anything is encoded
        build_untrained_head(Condition(), 0, head_settings, len(classes))
    model = build_model(body, SetFitQuantumHead(), classes)
    texts = pool.texts + (test.texts if test is not None else [])
    embeddings = _encode(model, texts, output)
    targets = encode_targets(pool, classes, False)
    test_set = None
    if test is not None:
        test_set = LabelledSet(embeddings[len(pool) :], encode_targets(test, classes, False))
    pooled = LabelledSet(embeddings[: len(pool)], targets)
    head_settings = head_settings | {"in_features": embeddings.shape[1]}
    with checking_input():
        trial = build_untrained_head(Condition(), 0, head_settings, len(classes))
    prepare_simulator(trial)

    def split(seed: int) -> StudyData:
        train, validation, rest = splits.rows(seed)
        return StudyData(pooled.take(train), pooled.take(validation), test_set or pooled.take(rest))

    records = run_noise_study(
        split,
        train_conditions,
        eval_conditions,
        seeds,
        head_settings=head_settings,
        arguments=arguments,
        max_test=max_test,
        folder=output,
        on_result=_say_result,
    )
    return _write(records, f"Accuracy under noise and shots: {pool.name}", output)


def study_model(
    source: str, test: Examples, eval_conditions: Mapping[str, Condition], *, seed: int, max_test: int, output: Path
) -> Outcome:
    """Evaluate one trained model on `test`.

    Raises:
        BadInput: There is no such model, or none with a quantum head and one label per text.
    """
    model = load_model(source)
    head = model.model_head
    if not isinstance(head, SetFitQuantumHead):
        raise BadInput(f"Argument `--model`: this model has no quantum head ({type(head).__name__}).")
    if head.multitarget:
        raise BadInput("Argument `--model`: this model gives several labels per text; a study needs one.")
    targets = encode_targets(test, class_names(model), False)
    tested = LabelledSet(_encode(model, test.texts, output), targets)
    prepare_simulator(head)
    records = evaluate_head(
        head, tested, eval_conditions, seed=seed, max_test=max_test, folder=output, on_result=_say_result
    )
    return _write(records, f"Accuracy of a trained model under noise and shots: {test.name}", output)


class _Splits:
    """Row numbers of training, validation and test data for each seed; the test's are empty with `test` given."""

    def __init__(self, pool: Examples, test: Examples | None, per_class: int | None) -> None:
        self._labels, self._has_test, self._per_class = pool.strata, test is not None, per_class
        if test is not None:
            encode_targets(test, pool.classes, False)
        elif per_class is None:
            self._per_class = min(PER_CLASS, min(Counter(self._labels).values()) // 2)
            if self._per_class < 2:
                raise BadInput(f"{pool.name} must have at least four texts of every class.")
            note(f"Each seed draws {self._per_class} texts of every class; the rest is the test set.")

    def rows(self, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labels = self._labels
        if not self._has_test:
            assert self._per_class is not None
            return pooled_split(labels, seed, per_class=self._per_class, validation_fraction=VALIDATION_SHARE)
        drawn = np.arange(len(labels)) if self._per_class is None else draw_few_shot(labels, self._per_class, seed)
        kept, held_out = stratified_split([labels[row] for row in drawn], VALIDATION_SHARE, seed)
        return drawn[kept], drawn[held_out], np.zeros(0, dtype=np.int64)


def _encode(model: Any, texts: Sequence[str], output: Path) -> Any:
    def encode(part: Sequence[str]) -> Any:
        if len(part) == len(texts):
            note(f"Encoding {len(part)} texts ...")
        return embed(model, part, show_progress=is_interactive()).detach().cpu().numpy()

    return cached_embeddings(output / "embeddings.npz", texts, encode)


def _say_result(record: Mapping[str, Any], done: int, total: int) -> None:
    note(
        f"{done}/{total}: seed {record['seed']}, trained {record['train']}, evaluated {record['eval']}: "
        f"{percent(record['accuracy'])} %"
    )


def _write(records: list[dict[str, Any]], title: str, output: Path) -> Outcome:
    rows = summarize_study(records)
    write_text(output / "table.md", format_markdown(rows, title))
    write_text(output / "table.csv", format_csv(rows))
    figures = save_figure(plot_noise_study(rows), output / "figure")
    return Outcome(records, rows, [output / RESULTS, output / "table.md", output / "table.csv", *figures])
