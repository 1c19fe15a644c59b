"""This package's CPU engine beside other simulators, and beside what this machine can do at most.

A training step (forward, backward, Adam) and inference of the paper's heads: each engine in a process of its own,
with the same cores, first compared with ours on the same weights, then timed in turns. Then the machine's memory
bandwidth and multiply-add rate, and what share of them encoder and second module reach. The rivals are installed by
peers/requirements.txt; what is not installed must be left out by --engines.

    python benchmarks/compare_peers.py
    python benchmarks/compare_peers.py --quick
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

from peers.accuracy import ACCURACY_QUBITS, measure_accuracy
from peers.cases import BATCHES, IN_FEATURES, NOISE_PRESET, QUBITS, SHOTS, Case, plan_cases
from peers.engines import ENGINES, OURS, REFERENCE
from peers.machine import measure_machine
from peers.measure import Comparison
from peers.prepare import Limits
from peers.report import build_report
from peers.shares import SHARE_QUBITS, measure_shares
from timing import count_cores, describe_machine, describe_versions, write_json

RESULTS = Path(__file__).parent / "results"


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; `--quick` changes what is not given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    engines = [name for name in ENGINES if name != REFERENCE]
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=engines, metavar="NAME")
    parser.add_argument("--qubits", type=int, nargs="+", help=f"default: {' '.join(map(str, QUBITS))}")
    parser.add_argument("--batches", type=int, nargs="+", help=f"default: {' '.join(map(str, BATCHES))}")
    parser.add_argument("--in-features", type=int, default=IN_FEATURES)
    parser.add_argument("--cross", action="store_true", help="all combinations, not one departure at a time")
    parser.add_argument("--quick", action="store_true", help="10 qubits, exact, few runs: does everything work?")
    parser.add_argument("--budget", type=float, help="seconds for one engine's runs of one task of one case")
    parser.add_argument("--base-budget", type=float, help="the same for batch 16, one encoder, exact")
    parser.add_argument("--compile-budget", type=float, help="seconds for an engine's first calls")
    parser.add_argument("--minutes", type=float, help="when the comparison has taken so long, only ours is measured")
    parser.add_argument("--rounds", type=int, help="turns of each engine")
    parser.add_argument("--memory", type=float, help="GiB for one engine; default: 70 percent of what is free")
    parser.add_argument("--threads", type=int, default=count_cores(), help="of every engine; default: all cores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="the JSON file; the table goes beside it")
    options = parser.parse_args(arguments)
    if OURS not in options.engines:
        parser.error(f"argument --engines: must have {OURS!r}, which the others are compared with")
    usual = {
        "qubits": list(QUBITS),
        "batches": list(BATCHES),
        "budget": 4.0,
        "base_budget": 30.0,
        "compile_budget": 120.0,
        "minutes": 20.0,
        "rounds": 12,
        "output": RESULTS / "peers.json",
    }
    quick = {
        "qubits": [10],
        "batches": [16],
        "budget": 1.0,
        "base_budget": 3.0,
        "compile_budget": 20.0,
        "minutes": 1.0,
        "rounds": 3,
        "output": RESULTS / "peers_quick.json",
    }
    for name, value in (quick if options.quick else usual).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.memory is None:
        options.memory = 0.7 * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return options


def find_versions(engines: list[str]) -> dict[str, str]:
    """Versions of what the engines need.

    Raises:
        SystemExit: Something is not installed.
    """
    names = sorted({name for engine in engines for name in ENGINES[engine].distributions} | {"numpy"})
    try:
        return describe_versions(*names)
    except PackageNotFoundError as error:
        raise SystemExit(
            f"{error.name} is not installed: pip install -r benchmarks/peers/requirements.txt (into an environment of "
            "its own), or leave its engines out by --engines."
        ) from error


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


def order_cases(cases: list[Case]) -> list[Case]:
    """What matters first: all cases of the smallest size, the base cases of the others, then the rest."""
    smallest = min(case.qubits for case in cases)
    return sorted(cases, key=lambda case: case.qubits != smallest and not case.is_base)


def compare(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure all cases."""
    memory = int(options.memory * 2**30)
    limits = Limits(options.budget, options.base_budget, options.compile_budget, memory)
    cases = plan_cases(options.qubits, options.batches, options.in_features, options.cross)
    if options.quick:
        cases = [case for case in cases if case.is_base]
    deadline = time.monotonic() + 60 * options.minutes
    comparison = Comparison(options.engines, limits, options.threads, options.rounds, deadline, options.seed, say)
    results = []
    try:
        for case in order_cases(cases):
            say(case.label)
            results.append(comparison.measure(case))
    finally:
        comparison.close()
    return results


def main(arguments: list[str] | None = None) -> None:
    """Run the comparison, write its JSON and its table, and print the table."""
    options = read_options(arguments)
    start = time.monotonic()
    record: dict[str, Any] = {
        "benchmark": "peers",
        "machine": describe_machine(),
        "versions": find_versions(options.engines),
        "settings": {key: value for key, value in vars(options).items() if key != "output"}
        | {"noise": NOISE_PRESET, "shots": SHOTS, "optimizer": "Adam"},
        "engines": {
            name: {"how": ENGINES[name].how, "precision": ENGINES[name].precision, "remarks": ENGINES[name].remarks}
            for name in options.engines
        },
    }
    say("the machine's limits")
    record["limits"] = measure_machine(options.threads, quick=options.quick)
    say("encoder and second module beside them")
    sizes = options.qubits if options.quick else list(SHARE_QUBITS)
    seconds = 0.5 if options.quick else 3.0
    record["shares"] = measure_shares(record["limits"], sizes, options.in_features, options.seed, seconds)
    say("gradients beside float64")
    sizes = options.qubits if options.quick else list(ACCURACY_QUBITS)
    record["accuracy"] = measure_accuracy(sizes, options.in_features, options.seed)
    record["cases"] = compare(options)
    record["seconds"] = time.monotonic() - start
    write_json(options.output, record)
    report = build_report(record)
    options.output.with_suffix(".md").write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
