"""The machine's limits: memory bandwidth by working set, and the rate of multiply-adds, on all threads together.

Bandwidth is that of sweeps that read, change and write every number, as a gate does; both directions are counted.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = tuple(2**power for power in range(13, 29))
"""Bytes of one thread's working set, 8 KiB to 256 MiB."""
QUICK_SIZES = (2**14, 2**18, 2**24)
LEVELS = ("L1", "L2", "L3")
_WINDOW = 0.01
_TRIES = 9
_PAGE = 4096


def measure_machine(threads: int, quick: bool = False) -> dict[str, Any]:
    """Bandwidth curve, bandwidth of each level, multiply-add rate, and the same in C where there is a compiler.

    Args:
        threads: Threads that run at once, each on its own array.
        quick: Three sizes instead of sixteen, and fewer tries.
    """
    from peers.machine_kernels import CHAINS, WIDTH, multiply_add, sweep_memory

    sizes, tries = (QUICK_SIZES, 3) if quick else (SIZES, _TRIES)
    caches = find_caches()
    curve = {size: _bandwidth(sweep_memory, size, threads, tries) for size in sizes}
    found: dict[str, Any] = {
        "threads": threads,
        "vector_width": WIDTH,
        "caches": caches,
        "bandwidth_by_bytes": {str(size): rate for size, rate in curve.items()},
        "bandwidth": {level: at_size(curve, size) for level, size in working_sets(caches).items()},
        "flops": _operations(lambda array, count: multiply_add(array, count), CHAINS * WIDTH, threads, tries),
    }
    compiled = _compile_reference(CHAINS, WIDTH)
    if compiled is not None:
        found["c_reference"] = {
            "bandwidth_by_bytes": {
                str(size): _bandwidth(compiled.sweep, size, threads, tries) for size in (sizes[0], sizes[-1])
            },
            "flops": _operations(compiled.multiply_add, CHAINS * WIDTH, threads, tries),
        }
    return found


def find_caches() -> dict[str, int]:
    """Bytes of a core's data caches, by level, as the system tells; empty where it does not."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind, level, size = ((folder / name).read_text(encoding="ascii").strip() for name in ("type", "level", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = int(size.rstrip("KM")) * {"K": 2**10, "M": 2**20}[size[-1]]
    return found


def working_sets(caches: dict[str, int]) -> dict[str, int]:
    """Bytes of a thread's working set that stands for each level: half of a cache, and far more than all."""
    sets = {level: caches[level] // 2 for level in LEVELS if level in caches}
    if "L3" in sets:
        sets["L3"] = caches["L3"] // 8  # shared by all cores
    return sets | {"memory": SIZES[-1]}


def level_of(size: int, caches: dict[str, int], threads: int) -> str:
    """The nearest level that holds a working set of `size` bytes of each of `threads` threads."""
    for level in LEVELS:
        if level in caches and size * (threads if level == "L3" else 1) <= caches[level]:
            return level
    return "memory"


def at_size(curve: dict[int, float], size: int) -> float:
    """The bandwidth of the measured working set next to `size`."""
    return curve[min(curve, key=lambda known: abs(np.log2(known / size)))]


def run_together(run: Callable[[int], None], threads: int) -> float:
    """Seconds from the common start of `run(0)` .. `run(threads - 1)`, each in a thread, to the last one's end."""
    barrier = threading.Barrier(threads + 1)

    def work(number: int) -> None:
        barrier.wait()
        run(number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    start = time.perf_counter()
    for worker in workers:
        worker.join()
    return time.perf_counter() - start


def _bandwidth(sweep: Callable[[np.ndarray, int], None], size: int, threads: int, tries: int) -> float:
    """Bytes read and written per second by all threads, the best of several tries."""
    arrays = [_aligned(size) for _ in range(threads)]
    sweep(arrays[0], 1)  # compiles
    start = time.perf_counter()
    sweep(arrays[0], 1)
    repeats = max(1, int(_WINDOW / (time.perf_counter() - start)))
    times = [run_together(lambda number: sweep(arrays[number], repeats), threads) for _ in range(tries)]
    return 2 * size * repeats * threads / min(times)


def _operations(run: Callable[[np.ndarray, int], None], numbers: int, threads: int, tries: int) -> float:
    """Operations per second of all threads, two for each multiply-add, the best of several tries."""
    arrays = [_aligned(4 * numbers) for _ in range(threads)]
    run(arrays[0], 1)
    count = 10_000
    start = time.perf_counter()
    run(arrays[0], count)
    count = max(1, int(count * _WINDOW / (time.perf_counter() - start)))
    times = [run_together(lambda number: run(arrays[number], count), threads) for _ in range(tries)]
    return 2 * numbers * count * threads / min(times)


def _aligned(size: int) -> np.ndarray:
    room = np.ones(size // 4 + _PAGE // 4, np.float32)
    start = -(room.ctypes.data // 4) % (_PAGE // 4)
    return room[start : start + size // 4]


class _CompiledReference:
    """The C kernels with the compiled ones' arguments."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._sweep, self._multiply_add = library.sweep_memory, library.multiply_add
        self._sweep.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long
        self._multiply_add.argtypes = ctypes.c_void_p, ctypes.c_long

    def sweep(self, array: np.ndarray, repeats: int) -> None:
        self._sweep(array.ctypes.data, len(array), repeats)

    def multiply_add(self, array: np.ndarray, count: int) -> None:
        self._multiply_add(array.ctypes.data, count)


def _compile_reference(chains: int, width: int) -> _CompiledReference | None:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    source = Path(__file__).parent / "machine_reference.c"
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "reference.so"
        flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", f"-DCHAINS={chains}", f"-DWIDTH={width}"]
        subprocess.run([compiler, *flags, str(source), "-o", str(library)], check=True)
        return _CompiledReference(ctypes.CDLL(str(library)))
