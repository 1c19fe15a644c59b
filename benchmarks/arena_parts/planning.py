"""Which runs the specification asks for, which of them are done, and doing the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arena_parts.embeddings import EmbeddingFolder
from arena_parts.sentences import Sentences, load_sentences
from arena_parts.specification import Specification
from arena_parts.work import ArenaRun, ArenaWork, cost
from setfit_quantum.experiments.executors import Executor
from setfit_quantum.experiments.result_file import ResultFile
from setfit_quantum.experiments.run_settings import FROZEN, TUNED

Say = Callable[[str], object]


@dataclass(frozen=True)
class Part:
    """A part of the arena; None means all.

    Args:
        heads: Regular expression that names must contain.
        datasets: Names of data sets.
        sizes: Sentences per class.
        seeds: Seeds.
        bodies: Body columns.

    Raises:
        ValueError: Nothing of the specification is in it.
    """

    heads: str | None = None
    datasets: Sequence[str] | None = None
    sizes: Sequence[int] | None = None
    seeds: Sequence[int] | None = None
    bodies: Sequence[str] | None = None

    def names(self, specification: Specification) -> list[str]:
        """Heads in it."""
        found = [name for name in specification.heads if self.heads is None or re.search(self.heads, name)]
        if not found:
            raise ValueError(f"`heads` must match one of {list(specification.heads)}, but got {self.heads!r}.")
        return found

    def cells(self, specification: Specification) -> list[tuple[str, str, int, int]]:
        """Body column, data set, size and seed of all cells in it."""
        found = [
            (column, dataset, size, seed)
            for column, body in specification.bodies.items()
            for dataset in specification.datasets
            for size in body["sizes"]
            for seed in body["seeds"]
            if _is_in(column, self.bodies) and _is_in(dataset, self.datasets)
            if _is_in(size, self.sizes) and _is_in(seed, self.seeds)
        ]
        if not found:
            raise ValueError("The data sets, sizes, seeds and bodies asked for must be in the specification.")
        return found


@dataclass
class Arena:
    """The specification with its sentences, embeddings and results.

    Args:
        specification: What to run.
        folder: Where `embeddings/` and `runs.jsonl` are.
        sentences: Data sets by name.
    """

    specification: Specification
    folder: Path
    sentences: Mapping[str, Sentences]

    @classmethod
    def load(cls, specification: Specification, folder: Path, part: Part | None = None) -> Arena:
        """Read the data sets that a part needs."""
        needed = {dataset for _, dataset, _, _ in (part or Part()).cells(specification)}
        sentences = {
            name: load_sentences(name, dataset, specification.max_test)
            for name, dataset in specification.datasets.items()
            if name in needed
        }
        return cls(specification, folder, sentences)

    @property
    def embeddings(self) -> EmbeddingFolder:
        """Where embeddings are."""
        tuning: Mapping[str, Any] = self.specification.bodies.get(TUNED, {}).get("tuning", {})
        return EmbeddingFolder(self.folder / "embeddings", self.specification.body, tuning)

    def results(self) -> ResultFile:
        """What has been done."""
        return ResultFile(self.folder / "runs.jsonl")

    def runs(self, part: Part) -> list[tuple[str, ArenaRun]]:
        """Heads' names and runs of a part."""
        specification, embeddings = self.specification, self.embeddings
        identities = {column: embeddings.identity(column) for column in specification.bodies}
        hashes = {name: sentences.identity() for name, sentences in self.sentences.items()}
        return [
            (
                name,
                ArenaRun(
                    dataset=dataset,
                    sentences=hashes[dataset],
                    size=size,
                    seed=seed,
                    column=column,
                    body=identities[column],
                    head=specification.heads[name].settings(),
                    validation_share=specification.validation_share,
                ),
            )
            for column, dataset, size, seed in part.cells(specification)
            for name in part.names(specification)
            if specification.heads[name].takes_part(column, dataset, size, seed)
        ]

    def prepare(self, part: Part, say: Say) -> None:
        """Compute the embeddings that a part needs and that are not there; an interruption loses only the one at work.

        Args:
            part: The part.
            say: Told before each that has to be computed.
        """
        embeddings, cells = self.embeddings, part.cells(self.specification)
        for dataset in dict.fromkeys(dataset for column, dataset, _, _ in cells if column == FROZEN):
            embeddings.frozen(self.sentences[dataset], say)
        for column, dataset, size, seed in cells:
            if column == TUNED:
                sentences = self.sentences[dataset]
                drawn = np.concatenate(sentences.draw(size, seed, self.specification.validation_share))
                embeddings.tuned(sentences, np.sort(drawn), size, seed, say)

    def run(self, part: Part, executor: Executor, say: Say) -> int:
        """Do what is missing of a part, the longest runs first; each result is on disk before the next is told.

        Returns:
            Number of runs that failed; their messages are told, and the next call tries them again.
        """
        results = self.results()
        missing = {run.key: (name, run) for name, run in self.runs(part) if results.get(run.key) is None}
        names = {key: name for key, (name, _) in missing.items()}
        todo: list[Any] = sorted((run for _, run in missing.values()), key=cost, reverse=True)
        say(f"{len(self.runs(part)) - len(todo)} runs are there, {len(todo)} to do.")
        work: Any = ArenaWork(self.embeddings, self.sentences)
        failed = 0
        for number, (done, record) in enumerate(executor.execute(work, todo), start=1):
            run: Any = done
            name = names[run.key]
            where = f"{name}, {run.dataset}, {run.size} per class, seed {run.seed}, {run.column}"
            if "error" in record:
                failed += 1
                say(f"[{number}/{len(todo)}] {where}: {record['error']}")
                continue
            results.add(run.key, record | {"kind": "arena", "name": name})
            say(f"[{number}/{len(todo)}] {where}: {100 * record['test']['accuracy']:.1f} % ({record['seconds']:.1f} s)")
        return failed


def _is_in(value: Any, wanted: Sequence[Any] | None) -> bool:
    return wanted is None or value in wanted
