"""The engines of the comparison: how each is built, and what each cannot do."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from peers.cases import Case

OURS = "setfit-quantum"
REFERENCE = "PyTorch reference"


@dataclass(frozen=True)
class EngineInfo:
    """One engine.

    Args:
        name: For tables.
        module: Where its `build` is.
        options: Arguments of `build`.
        distributions: What must be installed, for the record of versions.
        how: How it is used, in a few words.
        precision: What it computes in.
        one_by_one: Whether it runs one sample after another, so that a step takes as long as its samples together.
        compiles: Whether the first call of each shape compiles the whole step.
        torch_threads: Whether PyTorch's number of threads matters to it; then the faster of one and all is taken.
        patience: Its budget is so many times as long as the others'.
        refuses: Why it cannot do a task of a case, or None if it can.
        remarks: What a reader of its numbers should know.
    """

    name: str
    module: str
    distributions: tuple[str, ...]
    how: str
    precision: str
    options: dict[str, Any] = field(default_factory=dict)
    one_by_one: bool = False
    compiles: bool = False
    torch_threads: bool = False
    patience: float = 1.0
    refuses: Callable[[Case, str], str | None] = lambda case, task: None
    remarks: tuple[str, ...] = ()

    def build(self, *arguments: Any, **keywords: Any) -> Any:
        """Import its library and build its engine."""
        return importlib.import_module(self.module).build(*arguments, **self.options, **keywords)


def _refuse_noise_in_static_mode(case: Case, task: str) -> str | None:
    if case.condition == "noisy":
        return "its static mode fixes the gates at the first call, and errors are other gates in every step"
    return None


def _refuse_training(case: Case, task: str) -> str | None:
    return "no gradients but parameter shifts (two circuits per angle and sample)" if task == "train" else None


_INDEPENDENT = "shots in training: Gaussian noise on each qubit alone, written by hand (less work than ours)"
_SHARED_ERRORS = "noise: Pauli gates inserted by hand, the same errors for the whole batch (less work than ours)"

ENGINES: dict[str, EngineInfo] = {
    info.name: info
    for info in (
        EngineInfo(
            OURS,
            "peers.own_engine",
            ("setfit-quantum", "torch", "numba"),
            "its head as it is, backend 'numba'",
            "float32",
            {"backend": "numba"},
        ),
        EngineInfo(
            REFERENCE,
            "peers.own_engine",
            ("torch",),
            "this package's backend 'torch'",
            "float32",
            {"backend": "torch"},
            torch_threads=True,
        ),
        EngineInfo(
            "TorchQuantum",
            "peers.torchquantum_engine",
            ("torchquantum-ng",),
            "gate by gate, as its users write it",
            "complex64",
            {"static": False},
            patience=6.0,  # one whole step at 18 qubits
            torch_threads=True,
            remarks=(_SHARED_ERRORS, _INDEPENDENT),
        ),
        EngineInfo(
            "TorchQuantum static",
            "peers.torchquantum_engine",
            ("torchquantum-ng",),
            "static mode: fused blocks of 4 and 3 wires",
            "complex64",
            {"static": True},
            torch_threads=True,
            refuses=_refuse_noise_in_static_mode,
            remarks=(_INDEPENDENT,),
        ),
        EngineInfo(
            "PennyLane default.qubit",
            "peers.pennylane_engine",
            ("pennylane",),
            "backpropagation through PyTorch, batch by broadcasting",
            "complex128 (no choice with PyTorch)",
            {"lightning": False},
            torch_threads=True,
            remarks=(_SHARED_ERRORS, _INDEPENDENT),
        ),
        EngineInfo(
            "PennyLane lightning.qubit",
            "peers.pennylane_engine",
            ("pennylane", "pennylane-lightning"),
            "adjoint gradients, samples in a loop",
            "complex64",
            {"lightning": True},
            one_by_one=True,
            remarks=(_SHARED_ERRORS, _INDEPENDENT),
        ),
        EngineInfo(
            "TensorCircuit-NG",
            "peers.tensorcircuit_engine",
            ("tensorcircuit-ng", "jax"),
            "JAX: jit of the whole step, vmap over the batch",
            "complex64",
            compiles=True,
            remarks=(
                "noise: Pauli matrices chosen at run time behind every gate, the same errors for the whole batch",
                _INDEPENDENT,
            ),
        ),
        EngineInfo(
            "Qulacs",
            "peers.qulacs_engine",
            ("qulacs",),
            "samples in a loop; adjoint sweep over its gates, since its backprop starts from |0..0> only",
            "complex128 (no choice)",
            one_by_one=True,
            remarks=(_SHARED_ERRORS, _INDEPENDENT),
        ),
        EngineInfo(
            "Qiskit Aer",
            "peers.aer_engine",
            ("qiskit-aer", "qiskit"),
            "statevector method, one circuit per sample",
            "complex64",
            one_by_one=True,
            refuses=_refuse_training,
            remarks=(_SHARED_ERRORS,),
        ),
    )
}
"""By name; this package's engine comes first."""
