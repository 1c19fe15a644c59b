"""What noise and shots add to one training step: exact, gate noise, Gaussian shots, and both, measured in turns.

The whole step: encoder, second module, loss, backward, Adam; of the paper's single-encoder head, of another preset,
or of the default head. Ratios are taken within each round, where all four ran a few steps one after another, so that a
busy machine slows all of them alike.

    python benchmarks/noise_step.py --qubits 10 --batch 16 --preset paper-single
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import (
    describe_machine,
    describe_versions,
    format_table,
    pin_threads,
    summarize,
    time_interleaved,
    write_json,
)
from torch import Tensor, nn

from setfit_quantum import QuantumHead
from setfit_quantum.backends.cores import torch_on_one_core

EXACT = "exact"
DEFAULT = "default"
BURST = 8
"""Steps of one condition in a row."""


def build_conditions(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Head settings of each condition."""
    noise, shots = {"noise": options.noise}, {"shots": options.shots}
    return {
        EXACT: {},
        f"noise only ({options.noise})": noise,
        f"Gaussian shots only ({options.shots})": shots,
        "noise and shots": noise | shots,
    }


def build_head(options: argparse.Namespace, **settings: Any) -> QuantumHead:
    """A preset's head, or the default one, with further settings."""
    if options.preset == DEFAULT:
        return QuantumHead(options.in_features, 2, n_qubits=options.qubits, seed=options.seed, **settings)
    return QuantumHead.from_preset(options.preset, options.qubits, options.in_features, seed=options.seed, **settings)


def make_step(head: QuantumHead, x: Tensor, labels: Tensor) -> Callable[[], None]:
    """A training step as a call without arguments; it frees its graph before it returns."""
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(head(x)[0], labels).backward()
        optimizer.step()

    return step


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Warm up and time all conditions; the same initial weights, data and number of steps."""
    generator = torch.Generator().manual_seed(options.seed)
    x = torch.randn(options.batch, options.in_features, generator=generator)
    labels = torch.arange(options.batch) % 2
    steps = {}
    for name, settings in build_conditions(options).items():
        steps[name] = make_step(build_head(options, **settings).train(), x, labels)
    with torch_on_one_core():  # as in training
        for step in steps.values():
            for _ in range(10):
                step()
        times = time_interleaved(steps, dict.fromkeys(steps, BURST), options.rounds)
    found = {}
    rounds = {name: [statistics.median(burst) for burst in batched(seconds)] for name, seconds in times.items()}
    for name, seconds in times.items():
        ratios = [one / exact for one, exact in zip(rounds[name], rounds[EXACT], strict=True)]
        found[name] = {"time": summarize(seconds), "ratio": summarize(ratios), "times": seconds}
    return found


def batched(seconds: list[float]) -> list[list[float]]:
    """The runs of each round."""
    return [seconds[start : start + BURST] for start in range(0, len(seconds), BURST)]


def build_table(found: dict[str, Any]) -> str:
    """Milliseconds of every condition, and its ratio to the exact step of the same round."""
    rows = []
    for name, condition in found.items():
        time, ratio = condition["time"], condition["ratio"]
        rows.append(
            [
                name,
                f"{time['median'] * 1e3:.2f}",
                f"{time['q1'] * 1e3:.2f} - {time['q3'] * 1e3:.2f}",
                f"{time['min'] * 1e3:.2f}",
                f"{ratio['median']:.2f}",
                f"{ratio['q1']:.2f} - {ratio['q3']:.2f}",
                f"{time['median'] / found[EXACT]['time']['median']:.2f}",
            ]
        )
    header = ["step", "median ms", "quartiles ms", "least ms", "ratio", "quartiles of the ratio", "ratio of medians"]
    return format_table(header, rows)


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, print its table and write its JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qubits", type=int, default=10)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--preset", default="paper-single", help=f"the head; {DEFAULT!r}: the package's own default")
    parser.add_argument("--in-features", type=int, default=768)
    parser.add_argument("--noise", default="paper-low", help="a preset")
    parser.add_argument("--shots", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=40, help=f"rounds of {BURST} steps of each condition")
    parser.add_argument("--threads", type=int, help="threads; all cores by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "noise_step.json")
    options = parser.parse_args(arguments)
    machine = describe_machine()
    threads = pin_threads(options.threads)
    settings = {key: value for key, value in vars(options).items() if key != "output"} | {
        "threads": threads,
        "burst": BURST,
        "precision": "float32",
        "optimizer": "Adam",
    }
    found = measure(options)
    what = f"One training step, head {options.preset!r}, {options.qubits} qubits, batch {options.batch}"
    print(f"{what}, {threads} threads\n{build_table(found)}")
    write_json(
        options.output,
        {
            "benchmark": "noise_step",
            "machine": machine,
            "versions": describe_versions("setfit-quantum", "torch", "numba", "numpy"),
            "settings": settings,
            "conditions": found,
        },
    )


if __name__ == "__main__":
    main()
