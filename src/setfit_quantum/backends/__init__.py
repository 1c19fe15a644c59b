"""Backends by name. Each is imported only when it is asked for."""

from __future__ import annotations

import importlib
from functools import cache

from setfit_quantum.backends.base import Backend, BackendError, Capabilities, Moments

__all__ = [
    "Backend",
    "BackendError",
    "Capabilities",
    "Moments",
    "capability_table",
    "get_backend",
    "get_backend_class",
    "list_backends",
]

_CLASSES = {
    "numba": ("setfit_quantum.backends.numba_engine", "NumbaBackend"),
    "torch": ("setfit_quantum.backends.torch_reference", "TorchBackend"),
    "cuda": ("setfit_quantum.backends.cuda_engine", "CudaBackend"),
    "torchquantum": ("setfit_quantum.backends.torchquantum_backend", "TorchQuantumBackend"),
    "qiskit": ("setfit_quantum.backends.qiskit_backend", "QiskitBackend"),
}


def list_backends() -> list[str]:
    """Names that `get_backend` accepts."""
    return list(_CLASSES)


@cache
def get_backend(name: str) -> Backend:
    """The backend of that name (one instance per process).

    Raises:
        BackendError: Unknown name; the message lists the known ones.
    """
    return get_backend_class(name)()


def get_backend_class(name: str) -> type[Backend]:
    """The class behind a name, with its `capabilities`; the extra that an instance needs need not be there.

    Raises:
        BackendError: Unknown name; the message lists the known ones.
    """
    if name not in _CLASSES:
        raise BackendError(
            f"Argument `backend` must be one of 'auto', {', '.join(map(repr, _CLASSES))}, but got {name!r}."
        )
    module, class_name = _CLASSES[name]
    backend_class: type[Backend] = getattr(importlib.import_module(module), class_name)
    return backend_class


def capability_table() -> str:
    """A Markdown table of what each backend supports, from the backends' declarations (extras need not be there)."""
    from setfit_quantum.backends.table import render_table

    return render_table({name: get_backend_class(name) for name in _CLASSES})
