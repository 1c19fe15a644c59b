"""What encoder and second module reach of the machine's limits: bytes, operations, rates, and share of the floor.

The floor counts rings alone: a sweep over the state for each ring forward, over state and cotangent backward, and 6
operations for each pair of rows and lane forward, 18 backward. It is the larger of the bytes over the bandwidth of the
level that a thread's part of the state lives in, and the operations over the rate of multiply-adds. The same with the
columns of rotations that stand between the rings is told beside it. Times are those of the backend's calls, with
whatever PyTorch and Python add, and those of the compiled kernels alone: the arrays of one call, forward and backward
in turns on the engine's own threads.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from peers.cases import BASE_BATCH, Case
from peers.machine import level_of
from peers.problem import PlainCircuit

SHARE_QUBITS = (10, 14, 18)
OPERATIONS = {"forward": 6, "backward": 18}
"""For each pair of rows and lane, of a rotation behind a CNOT; a rotation alone takes as many."""
SWEPT = {"forward": 1, "backward": 2}
"""Arrays as large as the state that a sweep reads and writes."""
_RUNS = 60


@dataclass(frozen=True)
class Count:
    """What a circuit consists of.

    Args:
        n_qubits: Its wires.
        rings: Runs of `n_qubits` blocks, each a CNOT and a rotation.
        columns: Runs of `n_qubits` rotations without a CNOT before them.
    """

    n_qubits: int
    rings: int
    columns: int

    def bytes(self, direction: str, batch: int, columns: bool = False) -> int:
        """Bytes read and written, float32."""
        sweeps = self.rings + (self.columns if columns else 0)
        return sweeps * SWEPT[direction] * 2 * 4 * 2**self.n_qubits * batch

    def operations(self, direction: str, batch: int, columns: bool = False) -> int:
        """Additions and multiplications."""
        rotations = self.n_qubits * (self.rings + (self.columns if columns else 0))
        return rotations * OPERATIONS[direction] * 2 ** (self.n_qubits - 1) * batch


def count_circuit(circuit: PlainCircuit) -> Count:
    """Rings and columns of one of the paper's circuits."""
    blocks = sum(gate.name == "cx" for gate in circuit.gates)
    rotations = sum(gate.name == "ry" for gate in circuit.gates)
    return Count(circuit.n_qubits, blocks // circuit.n_qubits, (rotations - blocks) // circuit.n_qubits)


def floor_seconds(
    count: Count, direction: str, batch: int, limits: dict[str, Any], level: str, columns: bool = False
) -> dict[str, float]:
    """Seconds that the bytes take, that the operations take, and the larger of the two."""
    by_bytes = count.bytes(direction, batch, columns) / limits["bandwidth"][level]
    by_operations = count.operations(direction, batch, columns) / limits["flops"]
    return {"bytes": by_bytes, "operations": by_operations, "floor": max(by_bytes, by_operations)}


def describe_share(
    count: Count, direction: str, batch: int, seconds: float, limits: dict[str, Any], kernel: float | None = None
) -> dict[str, Any]:
    """One row: what was done, how fast, and its share of the floor.

    Args:
        count: What the circuit consists of.
        direction: `"forward"` or `"backward"`.
        batch: Samples.
        seconds: What the call took.
        limits: What `measure_machine` found.
        kernel: Seconds of the compiled kernel alone, if they were measured.
    """
    threads = limits["threads"]
    working_set = SWEPT[direction] * 4 * 2**count.n_qubits * -(-batch // threads)
    level = level_of(working_set, limits["caches"], threads)
    with_columns = floor_seconds(count, direction, batch, limits, level, columns=True)
    row = {
        "qubits": count.n_qubits,
        "rings": count.rings,
        "columns": count.columns,
        "direction": direction,
        "seconds": seconds,
        "bytes": count.bytes(direction, batch),
        "operations": count.operations(direction, batch),
        "bytes_per_second": count.bytes(direction, batch) / seconds,
        "operations_per_second": count.operations(direction, batch) / seconds,
        "working_set": working_set,
        "level": level,
        "floor": floor_seconds(count, direction, batch, limits, level),
        "floor_with_columns": with_columns,
    }
    row["share"] = row["floor"]["floor"] / seconds
    row["share_with_columns"] = with_columns["floor"] / seconds
    if kernel is not None:
        row |= {
            "kernel_seconds": kernel,
            "kernel_share": row["floor"]["floor"] / kernel,
            "kernel_share_with_columns": with_columns["floor"] / kernel,
        }
    if level == "L3":  # a cache that others share: the same with memory's bandwidth
        row["share_from_memory"] = floor_seconds(count, direction, batch, limits, "memory")["floor"] / seconds
    return row


def measure_shares(
    limits: dict[str, Any], sizes: list[int], in_features: int, seed: int = 0, seconds: float = 3.0
) -> list[dict[str, Any]]:
    """Time encoder, second module and whole step at each size, forward and backward, batch 16.

    Args:
        limits: What `measure_machine` found.
        sizes: Qubits.
        in_features: Width of the embedding.
        seed: Of weights and batch.
        seconds: How long each is timed.
    """
    import torch

    from peers.problem import build_head, build_problem
    from setfit_quantum.backends.cores import torch_on_one_core

    torch.set_num_threads(limits["threads"])
    rows = []
    for n_qubits in sizes:
        case = Case(n_qubits, in_features=in_features)
        head = build_head(case, seed).train()
        problem = build_problem(head, case, seed)
        x = torch.from_numpy(problem.x)
        latents = head.latents(x).detach().requires_grad_()
        parts = {
            "encoder": (problem.encoder, head.encoder_circuit(0), (head.encoder.weights.detach()[0], None, x)),
            "second module": (problem.circuit, head.circuit, (head.circuit_weights.detach(), latents, None)),
        }
        with torch_on_one_core():
            for name, (plain, circuit, inputs) in parts.items():
                times = _time_directions(head.backend, circuit, inputs, seconds)
                kernels = time_kernels(head.backend, circuit, inputs, seconds)
                count = count_circuit(plain)
                for direction, taken in times.items():
                    row = describe_share(count, direction, BASE_BATCH, taken, limits, kernels[direction])
                    rows.append({"part": name} | row)
            step = _median(_make_step(head, x, torch.from_numpy(problem.labels)), seconds)
        rows.append(_describe_step(n_qubits, (problem.encoder, problem.circuit), step, limits))
    return rows


def _describe_step(
    n_qubits: int, circuits: tuple[PlainCircuit, ...], seconds: float, limits: dict[str, Any]
) -> dict[str, Any]:
    """The whole training step beside the bytes that its rings move, from memory and from where they live."""
    counts = [count_circuit(circuit) for circuit in circuits]
    parts = [describe_share(count, direction, BASE_BATCH, seconds, limits) for count in counts for direction in SWEPT]
    moved = sum(part["bytes"] for part in parts)
    floors = {
        "bytes": sum(part["floor"]["bytes"] for part in parts),
        "bytes_from_memory": moved / limits["bandwidth"]["memory"],
        "floor": sum(part["floor"]["floor"] for part in parts),
        "floor_with_columns": sum(part["floor_with_columns"]["floor"] for part in parts),
    }
    return {
        "part": "whole step",
        "qubits": n_qubits,
        "rings": sum(count.rings for count in counts),
        "columns": sum(count.columns for count in counts),
        "seconds": seconds,
        "bytes": moved,
        "operations": sum(part["operations"] for part in parts),
        "floors": floors,
        "share": floors["floor"] / seconds,
        "share_with_columns": floors["floor_with_columns"] / seconds,
        "times_the_floor_in_bytes": seconds / floors["bytes"],
        "times_the_floor_in_bytes_from_memory": seconds / floors["bytes_from_memory"],
    }


def _time_directions(backend: Any, circuit: Any, inputs: tuple[Any, ...], seconds: float) -> dict[str, float]:
    """Median seconds forward, without gradients, and backward: both together, less forward."""
    import torch

    weights, features, initial = inputs
    weights = weights.clone().requires_grad_()

    def forward() -> None:
        with torch.no_grad():
            backend.expectations(circuit, weights, features, initial)

    def both() -> None:
        backend.expectations(circuit, weights, features, initial).sum().backward()

    taken = {"forward": _median(forward, seconds)}
    return taken | {"backward": _median(both, seconds) - taken["forward"]}


def time_kernels(backend: Any, circuit: Any, inputs: tuple[Any, ...], seconds: float) -> dict[str, float]:
    """Median seconds of the compiled kernels alone, forward and backward, within about `seconds`.

    Nothing is allocated and no tensor is touched in between: what a call has prepared is carried out again and again.
    """
    from setfit_quantum.backends.numba_engine import backend as engine
    from setfit_quantum.backends.numba_engine.order import BACKWARD, FORWARD

    weights, features, initial = inputs
    orders: dict[int, tuple[Any, ...]] = {}
    times: dict[int, list[float]] = {FORWARD: [], BACKWARD: []}
    carry_out = engine.carry_out

    def repeat(order: Any, kind: int, *sizes: int) -> None:
        carry_out(order, kind, *sizes)
        orders[kind] = (order.copy(), kind, *sizes)  # backward reuses the order, but all arrays of both live until then
        if kind == FORWARD:
            return
        end = time.perf_counter() + seconds
        while not times[kind] or (len(times[kind]) < _RUNS and time.perf_counter() < end):
            for direction, arguments in orders.items():
                start = time.perf_counter()
                carry_out(*arguments)
                times[direction].append(time.perf_counter() - start)

    engine.carry_out = repeat
    try:
        z = backend.expectations(circuit, weights.clone().requires_grad_(), features, initial)
        z.sum().backward()  # `z` is kept until then: forward writes into it again
    finally:
        engine.carry_out = carry_out
    return {name: statistics.median(times[kind]) for name, kind in (("forward", FORWARD), ("backward", BACKWARD))}


def _make_step(head: Any, x: Any, labels: Any) -> Callable[[], None]:
    import torch

    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3, fused=True)  # as in training

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(head(x)[0], labels).backward()
        optimizer.step()

    return step


def _median(call: Callable[[], None], seconds: float) -> float:
    """Median seconds of up to 60 calls within about `seconds`, the first one left out."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or (len(times) < _RUNS and time.perf_counter() < end):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]
