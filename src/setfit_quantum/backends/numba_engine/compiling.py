"""How the kernels are compiled: without the GIL, and kept on disk wherever a folder can be written."""

# mypy: ignore-errors

import logging

from numba import njit, types
from numba.extending import intrinsic

logger = logging.getLogger(__name__)

_OPTIONS = {"nogil": True, "fastmath": {"contract", "nsz"}, "error_model": "numpy"}
COMPILE_OPTIONS = _OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""For functions that only compiled ones call."""


def compile_cached(function):
    """Compile an entry point and keep it in numba's cache: beside the code, or in the user's cache folder."""
    try:
        return njit(cache=True, no_cfunc_wrapper=True, **_OPTIONS)(function)
    except RuntimeError as error:  # numba finds no folder that it may write to
        logger.warning("The simulator is compiled anew in each process (%s); NUMBA_CACHE_DIR names a folder.", error)
        return njit(no_cfunc_wrapper=True, **_OPTIONS)(function)


@intrinsic
def keep_apart(typingctx):
    """Called in a function, keeps LLVM from copying it into its callers, which would take minutes to compile."""

    def generate(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate
