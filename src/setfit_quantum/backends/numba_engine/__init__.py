"""The fast CPU engine: `backend` (PyTorch side), `program` (flat circuits), and the compiled kernels."""

from setfit_quantum.backends.numba_engine.backend import NumbaBackend

__all__ = ["NumbaBackend"]
