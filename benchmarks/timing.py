"""What all benchmarks share: interleaved timing, summaries, a description of the machine, tables and JSON files."""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def pin_threads(n_threads: int | None) -> int:
    """Give PyTorch, and with it this package's engine, that many threads (None: all cores); return the number."""
    count = count_cores() if n_threads is None else n_threads
    torch.set_num_threads(count)
    return count


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def time_call(call: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch compute on `count` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def time_interleaved(
    calls: Mapping[str, Callable[[], object]],
    bursts: Mapping[str, int],
    rounds: int,
    around: Mapping[str, Callable[[], AbstractContextManager[object]]] | None = None,
) -> dict[str, list[float]]:
    """Time several calls in turns, so that whatever else the machine does hits all of them alike.

    In every round each call runs `bursts[name]` times in a row, and every run counts. The order turns around from
    round to round. Garbage is collected before each burst, outside the measured time.

    Args:
        calls: What to time. A call must free what it made before it returns, or the next one pays for it.
        bursts: Runs in a row.
        rounds: Number of rounds.
        around: Contexts to enter around a call's bursts, outside the measured time.

    Returns:
        Seconds of every run, in order.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    order = list(calls)
    for _ in range(rounds):
        for name in order:
            with around[name]() if around else nullcontext():
                gc.collect()
                times[name] += [time_call(calls[name]) for _ in range(bursts[name])]
        order.reverse()
    return times


def summarize(times: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and minimum in seconds, and the number of runs."""
    first, median, third = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return {"median": median, "q1": first, "q3": third, "min": min(times), "runs": len(times)}


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory and how busy the machine was; no names of hosts, users or folders."""
    return {
        "processor": _processor_name(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "cores": count_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_average_at_start": round(os.getloadavg()[0], 2),
    }


def describe_versions(*distributions: str) -> dict[str, str]:
    """Versions of Python and of installed distributions."""
    return {"python": platform.python_version()} | {name: version(name) for name in distributions}


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a result file, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
