"""The GPU engine: `backend` (PyTorch side), `plan` (circuits as launches), and the kernels of numba-cuda."""

from setfit_quantum.backends.cuda_engine.backend import CudaBackend

__all__ = ["CudaBackend"]
