"""Importing Qiskit and Aer with an error that names the pip command."""

from __future__ import annotations

import importlib
from types import ModuleType


def import_qiskit(module: str = "qiskit") -> ModuleType:
    """A module of Qiskit or Qiskit Aer.

    Raises:
        ImportError: It is not installed; the message names the pip command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"Argument `backend` = 'qiskit' needs Qiskit and Aer: pip install \"setfit-quantum[qiskit]\" ({error})"
        ) from error
