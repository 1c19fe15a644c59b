"""One training step of the paper's single-encoder head on a GPU: this package's GPU engine against the others there.

Forward, backward and Adam, exact expectations, float32. Rivals are the PyTorch backend and the paper's simulator,
TorchQuantum, on the same GPU. Expectations and gradients are compared before anything is timed; each timed step ends
with a synchronisation. Without a GPU it says so and measures nothing (with NUMBA_ENABLE_CUDASIM=1 it runs on numba's
simulator of one, whose times mean nothing).

    python benchmarks/cuda_step.py --qubits 10 12 14 18 --batch 16
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from timing import describe_machine, describe_versions, format_table, summarize, time_call, time_interleaved, write_json
from torch import Tensor, nn

from setfit_quantum import QuantumHead
from setfit_quantum.backends import get_backend
from setfit_quantum.backends.cuda_engine.device import check_available, is_simulated

OURS, RIVALS = "cuda", ("torch", "torchquantum")
MAX_DIFFERENCE = 1e-5
"""Largest absolute difference allowed between expectations."""
MAX_GRADIENT_ERROR = 1e-3
"""Largest difference allowed between gradients, relative in norm."""


def compute_gradient(head: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Gradient of the loss with respect to all parameters, in one vector."""
    loss = nn.functional.cross_entropy(head(x)[0], labels)
    return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, list(head.parameters()))])


def check_agreement(head: QuantumHead, expected: tuple[Tensor, Tensor], x: Tensor, labels: Tensor) -> dict[str, float]:
    """Compare a head's expectations and gradient with `expected`, and time its first forward and backward.

    Raises:
        RuntimeError: It computes something else.
    """
    gradients: list[Tensor] = []
    seconds = time_call(lambda: gradients.append(compute_gradient(head, x, labels).cpu()))
    with torch.no_grad():
        difference = float((head.expectations(x) - expected[0]).abs().max())
    error = float((gradients[0] - expected[1]).norm() / expected[1].norm())
    if not (difference <= MAX_DIFFERENCE and error <= MAX_GRADIENT_ERROR):
        raise RuntimeError(
            f"Backend {head.config.backend!r} does not agree with float64: expectations differ by {difference:.2e} "
            f"(allowed {MAX_DIFFERENCE:.0e}), gradients by {error:.2e} in relative norm "
            f"(allowed {MAX_GRADIENT_ERROR:.0e})."
        )
    return {"first_call_s": seconds, "max_difference": difference, "gradient_error": error}


def make_step(head: nn.Module, x: Tensor, labels: Tensor) -> Callable[[], None]:
    """A training step that ends when the device has done it."""
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(x)[0], labels).backward()
        optimizer.step()
        if x.device.type == "cuda":
            torch.cuda.synchronize()

    return step


def measure_size(n_qubits: int, device: torch.device, options: argparse.Namespace) -> dict[str, Any]:
    """Check, warm up and time all engines at one size."""
    build = partial(QuantumHead.from_preset, "paper-single", n_qubits, options.in_features, seed=options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    x = torch.randn(options.batch, options.in_features, generator=generator).to(device)
    labels = (torch.arange(options.batch) % 2).to(device)
    exact = build(backend="torch").double().to(device).train()
    with torch.no_grad():
        expectations = exact.expectations(x.double()).float()
    expected = expectations, compute_gradient(exact, x.double(), labels).float().cpu()
    engines: dict[str, dict[str, Any]] = {}
    steps, bursts = {}, {}
    for name in (OURS, *options.rivals):
        head = build(backend=name).to(device).train()
        engines[name] = check_agreement(head, expected, x, labels)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        steps[name] = make_step(head, x, labels)
        steps[name]()
        if device.type == "cuda":
            engines[name]["peak_bytes"] = torch.cuda.max_memory_allocated()
        bursts[name] = options.steps if name == OURS else options.rival_steps
    for name, times in time_interleaved(steps, bursts, options.rounds).items():
        engines[name] |= summarize(times) | {"times": times}
    for name in options.rivals:
        engines[name]["ratio"] = engines[name]["median"] / engines[OURS]["median"]
    return {"qubits": n_qubits, "launches": get_backend(OURS).launches, "engines": engines}


def build_table(sizes: list[dict[str, Any]]) -> str:
    """Milliseconds and ratios of all engines and sizes."""
    rows = []
    for size in sizes:
        for name, engine in size["engines"].items():
            peak = f"{engine['peak_bytes'] / 2**20:.0f}" if "peak_bytes" in engine else ""
            cells = [str(size["qubits"]), name, f"{engine['median'] * 1e3:.3f}"]
            cells += [f"{engine['q1'] * 1e3:.3f} - {engine['q3'] * 1e3:.3f}", f"{engine.get('ratio', 1):.1f}"]
            rows.append([*cells, f"{engine['first_call_s']:.2f}", f"{engine['gradient_error']:.0e}", peak])
    header = ["qubits", "backend", "median ms", "quartiles ms", "times ours", "first call s", "gradient error"]
    return format_table([*header, "peak MiB"], rows)


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, print its table and write its JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qubits", type=int, nargs="+", default=[10, 12, 14, 18])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--in-features", type=int, default=768)
    parser.add_argument("--steps", type=int, default=20, help="steps of this package's engine in a round")
    parser.add_argument("--rival-steps", type=int, default=2, help="steps of each rival in a round")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--rivals", nargs="*", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "cuda_step.json")
    options = parser.parse_args(arguments)
    if not (torch.cuda.is_available() or is_simulated()):
        print("No GPU here, so nothing is measured.")
        return
    check_available()
    device = torch.device("cpu" if is_simulated() else "cuda")
    machine = describe_machine() | {"gpu": "simulated" if is_simulated() else torch.cuda.get_device_name()}
    settings = {key: value for key, value in vars(options).items() if key != "output"} | {"preset": "paper-single"}
    sizes = []
    for n_qubits in options.qubits:
        sizes.append(measure_size(n_qubits, device, options))
        print(f"{n_qubits} qubits: done", flush=True)
    print(f"\nOne training step on {machine['gpu']}, batch {options.batch}\n{build_table(sizes)}")
    versions = describe_versions("setfit-quantum", "torch", "numba", "numba-cuda", "numpy")
    write_json(
        options.output,
        {"benchmark": "cuda_step", "machine": machine, "versions": versions, "settings": settings, "sizes": sizes},
    )


if __name__ == "__main__":
    main()
