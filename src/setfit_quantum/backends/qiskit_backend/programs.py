"""Circuits made ready for a primitive, once each, and the angles of a batch as its bindings."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from setfit_quantum.backends.base import BackendError
from setfit_quantum.backends.qiskit_backend.controlled import expand_controlled
from setfit_quantum.backends.qiskit_backend.imports import import_qiskit
from setfit_quantum.circuit import Circuit
from setfit_quantum.circuit.qiskit_export import build_qiskit_circuit

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

REGISTER = "c"
"""Name of the classical register; its bit q holds qubit q."""
_PARAMETER = re.compile(r"(theta|x)_(\d+)")
_T = TypeVar("_T")


class Rows(NamedTuple):
    """The angles of each row: `weights` (rows, P), `features` (rows, F), `initial_state` (rows, 2**n) or None."""

    weights: np.ndarray
    features: np.ndarray
    initial_state: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.weights)

    def part(self, start: int, stop: int) -> Rows:
        """Some of the rows."""
        return Rows(*(None if array is None else array[start:stop] for array in self))  # type: ignore[arg-type]

    def values(self, parameters: Any) -> np.ndarray:
        """The angle of each of Qiskit's `parameters`, shape (rows, parameters)."""
        columns = []
        for parameter in parameters:
            match = _PARAMETER.fullmatch(parameter.name)
            assert match is not None
            columns.append((self.weights if match[1] == "theta" else self.features)[:, int(match[2])])
        return np.stack(columns, axis=1).astype(float) if columns else np.empty((self.size, 0))


class Cache:
    """The last few results of a slow function of hashable arguments."""

    def __init__(self, size: int = 16) -> None:
        self._size = size
        self._items: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Cache, (self._size,)  # copies in other processes start empty

    def get(self, key: Hashable, build: Callable[[], _T]) -> _T:
        """What `build()` gave for `key`."""
        with self._lock:
            if key not in self._items:
                self._items[key] = build()
            while len(self._items) > self._size:
                self._items.popitem(last=False)
            found: _T = self._items[key]
        return found


def add_measurements(circuit: QuantumCircuit, n_measured: int) -> QuantumCircuit:
    """A copy that measures the first `n_measured` qubits into the register `c`."""
    qiskit = import_qiskit()
    measured = circuit.copy()
    register = qiskit.ClassicalRegister(n_measured, REGISTER)
    measured.add_register(register)
    measured.measure(range(n_measured), register)
    return measured


def transpile(circuit: Circuit, n_measured: int, target: Any, optimization_level: int) -> QuantumCircuit:
    """The circuit in the gates of `target` (None: as it is), with measurements if `n_measured` is not 0.

    Raises:
        BackendError: The target has too few qubits.
    """
    room = getattr(target, "num_qubits", None)
    if room is not None and room < circuit.n_qubits:
        raise BackendError(
            f"Backend 'qiskit' cannot run a circuit of {circuit.n_qubits} qubits on {target.name}, which has {room}."
        )
    built = build_qiskit_circuit(circuit)
    if n_measured:
        built = add_measurements(built, n_measured)
    if target is None:
        return built
    if type(target).__module__.startswith("qiskit_aer"):
        built = expand_controlled(built)
    transpiler = import_qiskit("qiskit.transpiler")
    # Seeded, so that a restarted run sends the very same circuits.
    passes = transpiler.generate_preset_pass_manager(
        optimization_level=optimization_level, backend=target, seed_transpiler=0
    )
    return passes.run(built)


def find_target(primitive: Any) -> Any:
    """The backend that a primitive runs on, or None where it has none (a simulator of ideal states)."""
    for name in ("backend", "_backend"):
        found = getattr(primitive, name, None)
        found = found() if callable(found) and not hasattr(found, "target") else found
        if found is not None and hasattr(found, "target"):
            return found
    return None


def build_observables(n_qubits: int, n_measured: int, pairs: bool, layout: Any = None) -> Any:
    """Z of each measured qubit and, with `pairs`, Z_i Z_j for i < j, as an array of shape (observables, 1)."""
    primitives = import_qiskit("qiskit.primitives.containers.observables_array")
    information = import_qiskit("qiskit.quantum_info")
    sets = [(qubit,) for qubit in range(n_measured)]
    if pairs:
        sets += [(i, j) for i in range(n_measured) for j in range(i + 1, n_measured)]  # type: ignore[misc]
    operators = []
    for wires in sets:
        operator = information.SparsePauliOp.from_sparse_list([("Z" * len(wires), list(wires), 1.0)], n_qubits)
        operators.append([operator if layout is None else operator.apply_layout(layout)])
    return primitives.ObservablesArray(operators)


def make_pubs(circuit: QuantumCircuit, rows: Rows, *observables: Any) -> list[tuple[Any, ...]]:
    """All rows as one pub, or one pub per row where rows differ in more than angles or have none."""
    if rows.initial_state is not None:
        return [
            (_prepend_state(circuit, rows.initial_state[row]), *observables, values)
            for row, values in enumerate(rows.values(circuit.parameters))
        ]
    if not circuit.parameters:
        return [(circuit, *observables)] * rows.size
    return [(circuit, *observables, rows.values(circuit.parameters))]


def _prepend_state(circuit: QuantumCircuit, amplitudes: np.ndarray) -> QuantumCircuit:
    library = import_qiskit("qiskit_aer.library")
    n_qubits = circuit.num_qubits
    # Qiskit's qubit 0 is the least significant bit.
    reordered = amplitudes.reshape((2,) * n_qubits).transpose().reshape(-1)
    started = circuit.copy_empty_like()
    started.append(library.SetStatevector(reordered.astype(complex)), range(n_qubits))
    return started.compose(circuit, range(n_qubits), range(circuit.num_clbits))
