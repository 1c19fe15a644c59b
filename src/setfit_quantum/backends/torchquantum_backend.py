"""The paper's own simulator as a backend: TorchQuantum's gates on a batched `QuantumDevice`, gradients by autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from setfit_quantum.backends.base import BackendError, Capabilities, check_inputs
from setfit_quantum.backends.statevector import StatevectorBackend
from setfit_quantum.backends.torch_inputs import build_angle_lookup, check_errors, check_real, prepare_state
from setfit_quantum.backends.torchquantum_import import import_torchquantum
from setfit_quantum.circuit import Circuit

if TYPE_CHECKING:
    from setfit_quantum.noise import PauliErrors

FUNCTIONS = {
    "ry": "ry",
    "rx": "rx",
    "rz": "rz",
    "h": "hadamard",
    "x": "paulix",
    "y": "pauliy",
    "z": "pauliz",
    "s": "s",
    "sdg": "sdg",
    "t": "t",
    "tdg": "tdg",
    "cx": "cnot",
    "cy": "cy",
    "cz": "cz",
    "swap": "swap",
    "crx": "crx",
    "cry": "cry",
    "crz": "crz",
}
"""Our gate names -> functions of `torchquantum.functional`: same wires, same signs and phases."""


class TorchQuantumBackend(StatevectorBackend):
    """Runs every gate as a call of TorchQuantum's `torchquantum.functional`, on complex64 states.

    Batched angles (features, or weights of one row per sample) go into TorchQuantum as batched parameters. Pauli
    errors are TorchQuantum's `qubitunitaryfast` with a matrix per sample. Memory grows with the number of gates
    when gradients are asked for: autograd keeps each intermediate state.

    Raises:
        ImportError: TorchQuantum is not installed; the message names the pip command.
    """

    name: ClassVar[str] = "torchquantum"
    capabilities: ClassVar[Capabilities] = Capabilities(
        gates=frozenset(FUNCTIONS),
        dtypes=(torch.float32,),
        devices=("cpu", "cuda"),
        gradients="autograd",
        higher_order=True,
        trajectories=True,
        probabilities=True,
    )
    working_states: ClassVar[tuple[int, int]] = (4, 4)

    def __init__(self) -> None:
        torchquantum = import_torchquantum()
        self._device_class = torchquantum.QuantumDevice
        self._functional = torchquantum.functional
        single = torch.stack([torchquantum.functional.mat_dict[name] for name in ("i", "paulix", "pauliy", "pauliz")])
        pairs = torch.stack([torch.kron(first, second) for first in single for second in single])
        self._paulis = {1: single, 2: pairs}  # by number of wires; row c is the Pauli of code c

    def state(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        errors: PauliErrors | None = None,
    ) -> Tensor:
        """The final state, complex64 of shape (batch, 2**n_qubits).

        Raises:
            ValueError: Shapes that do not fit the circuit.
            BackendError: A precision other than float32.
        """
        batch, _ = self._check(circuit, weights, features, initial_state, None)
        if errors is not None:
            check_errors(circuit, errors, batch)
        amplitudes = prepare_state(circuit, weights, initial_state, batch).to(torch.complex64)
        if not batch:
            return amplitudes  # TorchQuantum cannot reshape a state without samples
        device = self._device_class(n_wires=circuit.n_qubits, device=weights.device)
        device.set_states(amplitudes)
        angle_of = build_angle_lookup(weights, features)
        for position, gate in enumerate(circuit.gates):
            apply = getattr(self._functional, FUNCTIONS[gate.name])
            angle = angle_of(gate)
            if angle is None:
                apply(device, wires=list(gate.wires))
            else:
                apply(device, wires=list(gate.wires), params=angle)
            if errors is not None and errors.codes[position].any():
                codes = torch.tensor(errors.codes[position], dtype=torch.long)
                matrices = self._paulis[len(gate.wires)][codes].to(weights.device)  # (batch, 2**m, 2**m)
                self._functional.qubitunitaryfast(device, wires=list(gate.wires), params=matrices)
        states: Tensor = device.get_states_1d()
        return states

    def _check(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None,
        initial_state: Tensor | None,
        n_readout: int | None,
    ) -> tuple[int, int]:
        if weights.dtype not in self.capabilities.dtypes:
            raise BackendError(
                f"Backend {self.name!r} computes in float32, since TorchQuantum's states are complex64, but "
                f"`weights` has {weights.dtype}; backend='torch' computes in float64 too."
            )
        self.check_circuit(circuit)
        check_real(features, initial_state)
        batch, n_measured = check_inputs(circuit, weights, features, initial_state, n_readout)
        self._check_memory(circuit, weights, features, initial_state, batch, is_complex=True)
        return batch, n_measured
