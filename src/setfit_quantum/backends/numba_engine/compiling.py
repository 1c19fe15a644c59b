"""How the kernels are compiled: without the GIL, and kept on disk wherever a folder can be written."""

# mypy: ignore-errors

import logging

from numba import njit

logger = logging.getLogger(__name__)

COMPILE_OPTIONS = {"nogil": True, "fastmath": {"contract", "nsz"}, "error_model": "numpy"}


def compile_cached(function):
    """Compile an entry point and keep it in numba's cache: beside the code, or in the user's cache folder."""
    try:
        return njit(cache=True, **COMPILE_OPTIONS)(function)
    except RuntimeError as error:  # numba finds no folder that it may write to
        logger.warning("The simulator is compiled anew in each process (%s); NUMBA_CACHE_DIR names a folder.", error)
        return njit(**COMPILE_OPTIONS)(function)
