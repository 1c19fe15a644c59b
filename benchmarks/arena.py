"""The arena: quantum heads and classical rivals on the same few sentences, with the same budget for tuning.

What is run is data, in `arena.json`. A run is one head on one data set, size, seed and body; results are kept in a
file, one line each, and a run that is there is not done again, so the command can be stopped and started at will.

    export SETFIT_QUANTUM_DATA=FOLDER
    python benchmarks/arena.py --only embeddings           # once: all sentences by the body as it is
    python benchmarks/arena.py --only tuned-embeddings     # once, a minute or two for each: by tuned bodies
    python benchmarks/arena.py --workers 2 --heads logistic --datasets sst2 --sizes 16
    python benchmarks/arena.py --report

`--quick` runs a small arena on the bundled reviews.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def main(given: list[str] | None = None) -> int:
    arguments = _parse(given)
    # Before any worker starts: each has one core, whatever the libraries below would take.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from arena_parts.planning import Arena, Part
    from arena_parts.specification import read_specification

    from setfit_quantum.experiments.executors import ProcessExecutor

    specification = read_specification(arguments.specification)
    part = Part(arguments.heads, arguments.datasets, arguments.sizes, arguments.seeds, arguments.bodies)
    if arguments.only == "tuned-embeddings":
        part = Part(part.heads, part.datasets, part.sizes, part.seeds, ["tuned"])
    elif arguments.only == "embeddings":
        part = Part(part.heads, part.datasets, part.sizes, part.seeds, ["frozen"])
    arena = Arena.load(specification, arguments.folder, part)
    failed = 0
    if not arguments.report:
        arena.prepare(part, say)
        if arguments.only is None:
            failed = arena.run(part, ProcessExecutor(arguments.workers), say)
    if arguments.report or (arguments.quick and arguments.only is None):
        report(arena, part, arguments.output)
    return 1 if failed else 0


def report(arena, part, output: Path) -> None:
    """Print the tables of what has been run; write them, the numbers and the picture beside `output`."""
    from arena_parts.figure import draw_figure
    from arena_parts.numbers import summarize
    from arena_parts.report import write_report

    results, records = arena.results(), {}
    for name, run in arena.runs(part):
        record = results.get(run.key)
        if record is not None:
            cells = records.setdefault(run.column, {}).setdefault(name, {})
            cells[run.dataset, run.size, run.seed] = record
    numbers = summarize(arena.specification, records)
    text = write_report(arena.specification, numbers)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(numbers, indent=1) + "\n")
    output.with_suffix(".md").write_text(text)
    draw_figure(arena.specification, numbers, output.with_suffix(""))
    print(text)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--specification", type=Path, help="JSON file (default: arena.json beside this file)")
    parser.add_argument("--quick", action="store_true", help="the small arena of arena_quick.json, with its report")
    parser.add_argument("--folder", type=Path, help="where embeddings and results are kept")
    parser.add_argument("--workers", type=int, default=1, help="processes, each on one core")
    parser.add_argument("--only", choices=("embeddings", "tuned-embeddings"), help="compute these and stop")
    parser.add_argument("--report", action="store_true", help="write tables, numbers and picture of what has been run")
    parser.add_argument("--output", type=Path, help="JSON file of the numbers; .md, .png and .svg beside it")
    parser.add_argument("--heads", help="only heads whose names match this regular expression")
    parser.add_argument("--datasets", nargs="+")
    parser.add_argument("--sizes", nargs="+", type=int)
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--bodies", nargs="+", choices=("frozen", "tuned"))
    arguments = parser.parse_args(given)
    name = "arena_quick" if arguments.quick else "arena"
    arguments.specification = arguments.specification or HERE / f"{name}.json"
    arguments.folder = arguments.folder or RESULTS / f"{name}_runs"
    # Numbers of a small arena stay with its runs.
    arguments.output = arguments.output or (arguments.folder if arguments.quick else RESULTS) / f"{name}.json"
    return arguments


if __name__ == "__main__":
    sys.exit(main())
