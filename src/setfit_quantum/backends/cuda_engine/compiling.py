"""How functions that run on the GPU are compiled: into the kernels that call them."""

# mypy: ignore-errors

from numba import cuda

from setfit_quantum.backends.cuda_engine.device import is_simulated

# The simulator, which compiles nothing, does not know the option.
device_function = cuda.jit(device=True, **({} if is_simulated() else {"forceinline": True}))
"""Decorates functions for the GPU; tuples that they take and return stay in registers."""
