"""Sharing tiles among threads: plain Python threads over kernels that release the GIL.

numba's own thread pools either abort when two Python threads enter them at once (workqueue) or do not survive a
fork (OpenMP); this one does neither.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

_pool: ThreadPoolExecutor | None = None
_pool_process = 0
_pool_lock = threading.Lock()


def share_tiles(run: Callable[[int, int], None], n_tiles: int) -> None:
    """Call `run(first, last)` over all tiles, on as many threads as PyTorch is allowed to use."""
    n_threads = min(torch.get_num_threads(), n_tiles)
    if n_threads == 1:
        run(0, n_tiles)
        return
    bounds = [n_tiles * part // n_threads for part in range(n_threads + 1)]
    pool = _get_pool()
    futures = [pool.submit(run, bounds[part], bounds[part + 1]) for part in range(1, n_threads)]
    try:
        run(bounds[0], bounds[1])
    finally:
        for future in futures:
            future.result()


def _get_pool() -> ThreadPoolExecutor:
    global _pool, _pool_process
    with _pool_lock:
        if _pool is None or _pool_process != os.getpid():  # threads do not survive a fork
            _pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="setfit-quantum")
            _pool_process = os.getpid()
        return _pool
