"""The process of one engine: it obeys messages on its standard input and answers on its standard output.

Messages and answers are pickles. Whatever else is written to standard output goes to standard error. One process per
engine, so that no library's threads, memory or settings touch another's.

    python -m peers.worker ENGINE THREADS MEMORY_LIMIT
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import pickle
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


class Worker:
    """Holds one engine's current problem.

    Args:
        engine: Name in `ENGINES`.
        threads: Threads it may use.
    """

    def __init__(self, engine: str, threads: int) -> None:
        from peers.engines import ENGINES

        self.info, self.threads = ENGINES[engine], threads
        self.engine: Any = None

    def load(self) -> None:
        """Import the engine's library."""
        importlib.import_module(self.info.module)
        gc.collect()
        gc.freeze()  # or every later collection would go through the library's modules, for a fifth of a second

    def build(self, problem: Any, samples: int, chunk: int) -> dict[str, float]:
        """Take a problem; the memory from here on counts for it."""
        self.engine = None
        gc.collect()
        _trim()
        _reset_peak()
        before = _status("VmRSS")
        options = {"threads": self.threads} if self.info.name == "Qiskit Aer" else {}
        start = time.perf_counter()
        self.engine = self.info.build(problem, samples, chunk, **options)
        return {"seconds": time.perf_counter() - start, "resident_before": before}

    def call(self, method: str, *arguments: Any) -> tuple[float, Any]:
        """Call a method of the engine; seconds and what it returned."""
        function = getattr(self.engine, method)
        start = time.perf_counter()
        result = function(*arguments)
        return time.perf_counter() - start, result

    def run(self, method: str, times: int) -> list[float]:
        """Seconds of each of several calls; garbage is collected before them."""
        gc.collect()
        function: Callable[[], object] = getattr(self.engine, method)
        seconds = []
        for _ in range(times):
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
        return seconds

    def use_torch_threads(self, count: int) -> None:
        """Let PyTorch compute on `count` threads from now on."""
        import torch

        torch.set_num_threads(count)

    def peak(self) -> dict[str, int]:
        """Peak resident memory since `build`, and the resident memory now, in bytes."""
        return {"peak": _status("VmHWM"), "resident": _status("VmRSS")}


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}.")


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM becomes VmRSS


def _trim() -> None:
    ctypes.CDLL(None).malloc_trim(0)  # give freed memory back, or the next problem seems to need none


def _serve(worker: Worker, source: BinaryIO, sink: BinaryIO) -> None:
    while True:
        try:
            method, arguments = pickle.load(source)
        except EOFError:
            return
        try:
            answer = ("done", getattr(worker, method)(*arguments))
        except Exception as error:
            answer = ("failed", f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}")
        pickle.dump(answer, sink)
        sink.flush()


def main() -> None:
    """Serve until the input ends."""
    engine, threads, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Data alone is limited: libraries reserve address space that they never touch.
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    _serve(Worker(engine, threads), sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
