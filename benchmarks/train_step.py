"""One training step of the paper's single-encoder head: this package's CPU engine against TorchQuantum.

Forward, backward and Adam, exact expectations, float32. TorchQuantum runs in three ways (this package's backend,
which calls its gates one by one; a hand-written module; the same in TorchQuantum's static mode), and the fastest of
them is the rival. Each runs PyTorch on one thread or on all, whichever is faster. Expectations and gradients are
compared before anything is timed.

    python benchmarks/train_step.py --qubits 10 12 14 --batch 16
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from timing import (
    describe_machine,
    describe_versions,
    format_table,
    pin_threads,
    summarize,
    time_call,
    time_interleaved,
    torch_threads,
    write_json,
)
from torch import Tensor, nn
from torchquantum_head import TorchQuantumHead

from setfit_quantum import QuantumHead
from setfit_quantum.backends.cores import torch_on_one_core

OURS = "numba"
MAX_DIFFERENCE = 1e-5
"""Largest absolute difference allowed between expectations."""
MAX_GRADIENT_ERROR = 1e-3
"""Largest difference allowed between gradients, relative in norm."""
WIRES_PER_BLOCK = (4, 3)
"""Wires per static block for encoder and second module; 4 and 3 were on the plateau at 10 and 12 qubits."""


def build_models(n_qubits: int, in_features: int, seed: int) -> dict[str, nn.Module]:
    """The same head with the same weights, on each engine; ours comes first."""
    build = partial(QuantumHead.from_preset, "paper-single", n_qubits, in_features, seed=seed)
    head = build(backend=OURS)
    return {
        OURS: head.train(),
        "torchquantum backend": build(backend="torchquantum").train(),
        "torchquantum by hand": TorchQuantumHead(head).train(),
        "torchquantum static": TorchQuantumHead(head, WIRES_PER_BLOCK).train(),
    }


def compute_gradient(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Gradient of the loss with respect to all parameters, in one vector; parameters in the order of their names."""
    parameters = [parameter for _, parameter in sorted(model.named_parameters(), key=_normal_name)]
    loss = nn.functional.cross_entropy(model(x)[0], labels)
    return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, parameters)])


def check_agreement(models: dict[str, nn.Module], x: Tensor, labels: Tensor) -> dict[str, dict[str, float]]:
    """Compare every model with ours; time each model's first forward and backward, which compiles what it compiles.

    Raises:
        RuntimeError: A model computes something else.
    """
    found: dict[str, dict[str, float]] = {}
    expected: tuple[Tensor, Tensor] | None = None
    for name, model in models.items():
        results: list[Tensor] = []
        seconds = time_call(lambda model=model, results=results: results.append(compute_gradient(model, x, labels)))
        with torch.no_grad():
            pair = model.expectations(x), results[0]
        expected = expected or pair
        difference = float((pair[0] - expected[0]).abs().max())
        error = float((pair[1] - expected[1]).norm() / expected[1].norm())
        if not (difference <= MAX_DIFFERENCE and error <= MAX_GRADIENT_ERROR):
            raise RuntimeError(
                f"{name!r} does not agree with {OURS!r}: expectations differ by {difference:.2e} (allowed "
                f"{MAX_DIFFERENCE:.0e}), gradients by {error:.2e} in relative norm (allowed {MAX_GRADIENT_ERROR:.0e})."
            )
        found[name] = {"first_call_s": seconds, "max_difference": difference, "gradient_error": error}
    return found


def make_step(model: nn.Module, x: Tensor, labels: Tensor) -> Callable[[], None]:
    """A training step as a call without arguments; it frees its graph before it returns."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x)[0], labels).backward()
        optimizer.step()

    return step


def choose_threads(step: Callable[[], None], threads: int, tries: int) -> int:
    """PyTorch's threads, 1 or `threads`, with which a step was fastest in `tries` tries of each."""
    best = {}
    for count in {1, threads}:
        with torch_threads(count):
            step()  # starts the threads
            best[count] = min(time_call(step) for _ in range(tries))
    return min(best, key=best.__getitem__)


def measure(n_qubits: int, options: argparse.Namespace) -> dict[str, Any]:
    """Check, warm up and time all engines at one size."""
    models = build_models(n_qubits, options.in_features, options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    x = torch.randn(options.batch, options.in_features, generator=generator)
    labels = torch.arange(options.batch) % 2
    with torch_on_one_core():
        checks = check_agreement(models, x, labels)
    steps = {name: make_step(model, x, labels) for name, model in models.items()}
    large = n_qubits >= 14
    rounds = options.rival_steps or (3 if large else 12)
    bursts = dict.fromkeys(models, 1) | {OURS: -(-options.steps // rounds)}
    threads = {
        name: choose_threads(step, torch.get_num_threads(), 1 if large else 2)
        for name, step in steps.items()
        if name != OURS
    }
    around: dict[str, Any] = {name: partial(torch_threads, count) for name, count in threads.items()}
    around[OURS] = torch_on_one_core  # as in training: the engine's own threads have the cores
    with torch_on_one_core():
        for _ in range(min(5, bursts[OURS])):
            steps[OURS]()
    times = time_interleaved(steps, bursts, rounds, around)
    threads[OURS] = 1
    engines = {
        name: checks[name] | summarize(times[name]) | {"torch_threads": threads[name], "times": times[name]}
        for name in models
    }
    rivals = [name for name in engines if name != OURS]
    for name in rivals:
        engines[name]["ratio"] = engines[name]["median"] / engines[OURS]["median"]
    fastest = min(rivals, key=lambda name: engines[name]["median"])
    return {
        "qubits": n_qubits,
        "parameters": models[OURS].num_parameters(),
        "rounds": rounds,
        "engines": engines,
        "fastest_rival": fastest,
        "ratio": engines[fastest]["ratio"],
    }


def build_table(sizes: list[dict[str, Any]]) -> str:
    """Milliseconds and ratios of all engines and sizes."""
    rows = []
    for size in sizes:
        for name, engine in size["engines"].items():
            quartiles = f"{engine['q1'] * 1e3:.2f} - {engine['q3'] * 1e3:.2f}"
            ratio = f"{engine['ratio']:.0f}" if "ratio" in engine else "1"
            cells = [f"{engine['median'] * 1e3:.2f}", quartiles, ratio, f"{engine['first_call_s']:.2f}"]
            cells += [f"{engine['gradient_error']:.0e}", str(engine["torch_threads"]), str(engine["runs"])]
            rows.append([str(size["qubits"]), name, *cells])
    header = ["qubits", "engine", "median ms", "quartiles ms", "times ours", "first call s", "gradient error"]
    return format_table([*header, "PyTorch threads", "steps"], rows)


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, print its table and write its JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qubits", type=int, nargs="+", default=[10, 12, 14])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--in-features", type=int, default=768)
    parser.add_argument("--steps", type=int, default=240, help="steps of this package's engine")
    parser.add_argument("--rival-steps", type=int, help="steps of each rival; 12, or 3 from 14 qubits on")
    parser.add_argument("--threads", type=int, help="threads of every engine; all cores by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "train_step.json")
    options = parser.parse_args(arguments)
    machine = describe_machine()
    threads = pin_threads(options.threads)
    settings = {key: value for key, value in vars(options).items() if key != "output"} | {
        "threads": threads,
        "precision": "float32 (TorchQuantum: complex64)",
        "wires_per_block": WIRES_PER_BLOCK,
        "preset": "paper-single",
        "optimizer": "Adam",
    }
    versions = describe_versions("setfit-quantum", "torch", "numba", "numpy", "torchquantum-ng")
    sizes = []
    for n_qubits in options.qubits:
        sizes.append(measure(n_qubits, options))
        print(f"{n_qubits} qubits: {sizes[-1]['ratio']:.0f} times {sizes[-1]['fastest_rival']}", flush=True)
    print(f"\nOne training step, batch {options.batch}, {threads} threads\n{build_table(sizes)}")
    write_json(
        options.output,
        {"benchmark": "train_step", "machine": machine, "versions": versions, "settings": settings, "sizes": sizes},
    )


def _normal_name(item: tuple[str, nn.Parameter]) -> str:
    return item[0].replace(".", "_")


if __name__ == "__main__":
    main()
