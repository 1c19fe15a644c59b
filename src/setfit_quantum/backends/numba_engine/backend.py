"""The fast CPU backend: batched real float32 statevectors with adjoint gradients, compiled by numba.

What makes it fast is in `vector` and `evolve`; this file turns tensors into arrays, shares tiles among threads, and
ties forward and backward into PyTorch's autograd. Threads are plain Python threads over kernels that release the GIL,
so any number of callers may use the backend at once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.backends.base import Backend, BackendError, Capabilities, Moments, check_inputs
from setfit_quantum.backends.memory import check_memory
from setfit_quantum.backends.numba_engine.measure import EXPECTATIONS, MOMENTS, PROBABILITIES
from setfit_quantum.backends.numba_engine.needs import required_bytes
from setfit_quantum.backends.numba_engine.order import (
    BACKWARD,
    FORWARD,
    KEEP,
    MODE,
    N_READOUT,
    SAMPLES_PER_ROW,
    SHARED,
    new_order,
    set_gradients,
    set_inputs,
    set_number,
    set_values,
)
from setfit_quantum.backends.numba_engine.program import Program, compile_program, half_angles
from setfit_quantum.backends.numba_engine.rows import empty_tiles
from setfit_quantum.backends.numba_engine.threads import are_apart, carry_out, count_threads
from setfit_quantum.backends.numba_engine.vector import LANES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setfit_quantum.circuit import Circuit
    from setfit_quantum.noise import PauliErrors

NO_FLOATS = np.empty((0, 0), np.float32)
NO_PAIRS = np.empty((0, 0, 0), np.float32)
NO_CODES = np.empty((0, 0), np.uint8)
NO_GRADIENTS = np.empty((0, 0, 0), np.float32)


class NumbaBackend(Backend):
    """Real float32 statevectors on the CPU: `ry` and `cx` circuits, adjoint gradients, Pauli trajectories."""

    name = "numba"
    capabilities = Capabilities(
        gates=frozenset({"ry", "cx"}),
        dtypes=(torch.float32,),
        devices=("cpu",),
        gradients="adjoint",
        trajectories=True,
    )

    def __init__(self) -> None:
        self.rows_swept = 0
        """Rows that compiled operations swept so far, as counted by the kernels themselves."""

    def expectations(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        n_readout: int | None = None,
        errors: PauliErrors | None = None,
    ) -> Tensor:
        """See `Backend.expectations`."""
        return self._run(EXPECTATIONS, circuit, weights, features, initial_state, n_readout, errors)[0]

    def moments(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        n_readout: int | None = None,
        errors: PauliErrors | None = None,
    ) -> Moments:
        """See `Backend.moments`."""
        return Moments(*self._run(MOMENTS, circuit, weights, features, initial_state, n_readout, errors))

    def probabilities(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None = None,
        initial_state: Tensor | None = None,
        *,
        n_readout: int | None = None,
        errors: PauliErrors | None = None,
    ) -> Tensor:
        """See `Backend.probabilities`."""
        return self._run(PROBABILITIES, circuit, weights, features, initial_state, n_readout, errors)[0]

    def behind_encoders(
        self, encoder: Circuit, weights: Tensor, scale: Tensor, shares: Sequence[int]
    ) -> Backend | None:
        """See `Backend.behind_encoders`; None for tensors that this backend does not compute with."""
        from setfit_quantum.backends.numba_engine.modules import EncodedNumbaBackend

        if any(tensor.dtype != torch.float32 or tensor.device.type != "cpu" for tensor in (weights, scale)):
            return None
        return EncodedNumbaBackend(self, encoder, weights, scale, shares)

    def _run(
        self,
        mode: int,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None,
        initial_state: Tensor | None,
        n_readout: int | None,
        errors: PauliErrors | None,
    ) -> tuple[Tensor, ...]:
        self.check_circuit(circuit)
        batch, n_measured = check_inputs(circuit, weights, features, initial_state, n_readout)
        inputs = (weights, features, initial_state)
        for name, tensor in zip(("weights", "features", "initial_state"), inputs, strict=True):
            if tensor is not None and (tensor.dtype != torch.float32 or tensor.device.type != "cpu"):
                raise BackendError(
                    f"Backend 'numba' computes in float32 on the CPU, but `{name}` is {tensor.dtype} on "
                    f"{tensor.device}; backend='torch' takes any precision and device."
                )
        check_errors(errors, circuit, batch)
        training = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in inputs)
        required = partial(required_bytes, circuit.n_qubits, n_measured, mode, training, (0, 0))
        check_memory(self.name, required, n_qubits=circuit.n_qubits, batch=batch, training=training)
        call = _Call(self, compile_program(circuit), mode, batch, n_measured, errors)
        if training:
            outputs: tuple[Tensor, ...] = _AdjointFunction.apply(call, *inputs)
            return outputs
        call.bind(*inputs)
        return tuple(torch.from_numpy(output) for output in call.forward(keep=False))


def check_errors(errors: PauliErrors | None, circuit: Circuit, batch: int) -> None:
    """Refuse errors that are not one code per gate and sample.

    Raises:
        ValueError: Wrong shape, or a code that a gate of so few wires does not have.
    """
    if errors is None:
        return
    if errors.codes.shape != (len(circuit.gates), batch):
        raise ValueError(
            f"Argument `errors` must have codes of shape {(len(circuit.gates), batch)} (gates, batch), "
            f"but got {errors.codes.shape}."
        )
    if errors.codes.size and int(errors.codes.max()) > 3:
        limits = np.array([4 ** len(gate.wires) for gate in circuit.gates])
        if (errors.codes.max(axis=1) >= limits).any():
            raise ValueError("Argument `errors` must have codes below 4 for one-wire gates and 16 for two-wire gates.")


def used_outputs(mode: int) -> tuple[int, ...]:
    """Which of z, zz and probabilities the mode gives."""
    return {EXPECTATIONS: (0,), MOMENTS: (0, 1), PROBABILITIES: (2,)}[mode]


def allocate_outputs(mode: int, batch: int, m: int) -> list[np.ndarray]:
    """Arrays for z, zz and probabilities, of which the last two are empty where the mode has none."""
    return [
        np.empty((batch, m), np.float32),
        np.empty((batch, m, m), np.float32) if mode == MOMENTS else NO_PAIRS,
        np.empty((batch, 2**m), np.float32) if mode == PROBABILITIES else NO_FLOATS,
    ]


def gradients_of_outputs(mode: int, batch: int, m: int, given: list[np.ndarray | None]) -> list[np.ndarray]:
    """The same arrays with the loss's gradients; `given` has those that the mode gives."""
    gradients = allocate_outputs(mode, batch, m)
    for index, gradient in zip(used_outputs(mode), given, strict=True):
        if gradient is None:
            gradients[index].fill(0.0)
        else:
            gradients[index] = np.require(gradient, np.float32, ["C", "W"])
    return gradients


class _Call:
    """One evaluation: the arrays of its inputs, and the forward states until backward has used them."""

    def __init__(
        self, backend: NumbaBackend, program: Program, mode: int, batch: int, n_readout: int, errors: PauliErrors | None
    ) -> None:
        self.backend, self.program, self.mode, self.batch, self.n_readout = backend, program, mode, batch, n_readout
        self.codes = NO_CODES if errors is None else np.require(errors.codes, np.uint8, ["C", "W"])
        self.n_tiles = -(-batch // LANES)
        self.states: np.ndarray | None = None

    def bind(self, weights: Tensor, features: Tensor | None, initial_state: Tensor | None) -> None:
        """Half-angle cosines and sines of whatever the rotations refer to."""
        rows = weights.detach().numpy()
        rows = rows if rows.ndim == 2 else rows[None, :]
        self.samples_per_row = self.batch // rows.shape[0]
        self.shared = rows.shape[0] == 1
        latent = NO_FLOATS if features is None else features.detach().numpy()
        self.angle_tables = (*half_angles(rows), *half_angles(latent), *self.program.constant_tables)
        self.initial = NO_FLOATS
        if initial_state is not None:
            self.initial = np.require(initial_state.detach().numpy(), np.float32, ["C", "W"])

    def forward(self, keep: bool) -> list[np.ndarray]:
        """Run the circuits; `keep` retains the final states for `backward`."""
        outputs = allocate_outputs(self.mode, self.batch, self.n_readout)
        rows = 2**self.program.n_qubits
        n_threads = count_threads(self.n_tiles, rows * len(self.program.operations))
        if keep:
            states = empty_tiles(self.n_tiles, rows, apart=are_apart(self.n_tiles, n_threads))
        else:
            states = empty_tiles(n_threads, rows)
        self.swept = np.zeros(self.n_tiles, np.int64)
        order = new_order(self.program.packed)
        set_inputs(order, self.angle_tables, self.codes, states, self.swept, self.initial)
        set_values(order, *outputs)
        for argument, value in (
            (MODE, self.mode), (N_READOUT, self.n_readout), (SAMPLES_PER_ROW, self.samples_per_row), (KEEP, keep)
        ):  # fmt: skip
            set_number(order, argument, value)
        carry_out(order, FORWARD, self.n_tiles, n_threads)
        self.order = order
        self.states = states if keep else None
        self.backend.rows_swept += int(self.swept.sum())
        return [outputs[index] for index in used_outputs(self.mode)]

    def backward(self, by_output: list[np.ndarray | None], n_initial: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradients of weights (rows to be summed), features and initial amplitudes; uses up the kept states."""
        gradients = gradients_of_outputs(self.mode, self.batch, self.n_readout, by_output)
        if self.states is None:
            self.forward(keep=True)  # a second backward through the same graph
        states, self.states = self.states, None
        assert states is not None
        weight_gradient = np.zeros((self.n_tiles if self.shared else self.batch, self.program.n_weights), np.float32)
        feature_gradient = np.zeros((self.batch, self.program.n_features), np.float32)
        initial_gradient = np.empty((self.batch if n_initial else 0, n_initial), np.float32)
        rows = 2**self.program.n_qubits
        n_threads = count_threads(self.n_tiles, 2 * rows * len(self.program.operations))
        cotangents = empty_tiles(n_threads, rows, beside=True)
        order = self.order
        set_values(order, *gradients)
        set_gradients(
            order, cotangents, weight_gradient, feature_gradient, initial_gradient, NO_GRADIENTS, NO_FLOATS
        )  # fmt: skip
        set_number(order, SHARED, self.shared)
        carry_out(order, BACKWARD, self.n_tiles, n_threads)
        self.backend.rows_swept += int(self.swept.sum())
        return weight_gradient, feature_gradient, initial_gradient


class _AdjointFunction(torch.autograd.Function):
    """Autograd node around one `_Call`; differentiable once."""

    @staticmethod
    def forward(
        ctx: Any, call: _Call, weights: Tensor, features: Tensor | None, initial_state: Tensor | None
    ) -> tuple[Tensor, ...]:
        call.bind(weights, features, initial_state)
        outputs = call.forward(keep=True)
        ctx.call = call
        ctx.weights_shape = weights.shape
        ctx.features_width = 0 if features is None else features.shape[1]
        ctx.n_initial = initial_state.shape[1] if initial_state is not None and ctx.needs_input_grad[3] else 0
        ctx.set_materialize_grads(False)
        return tuple(torch.from_numpy(output) for output in outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[None, Tensor | None, Tensor | None, Tensor | None]:
        call: _Call = ctx.call
        by_output = [None if gradient is None else gradient.numpy() for gradient in gradients]
        by_weight, by_feature, by_amplitude = call.backward(by_output, ctx.n_initial)
        weights = features = initial = None
        if ctx.needs_input_grad[1]:
            n_rows = 1 if call.shared else call.batch // call.samples_per_row
            rows = by_weight.reshape(n_rows, len(by_weight) // n_rows, by_weight.shape[1]).sum(axis=1)
            weights = torch.from_numpy(rows).reshape(ctx.weights_shape)
        if ctx.needs_input_grad[2]:
            extra = ctx.features_width - by_feature.shape[1]
            features = torch.from_numpy(np.pad(by_feature, ((0, 0), (0, extra))) if extra else by_feature)
        if ctx.needs_input_grad[3]:
            initial = torch.from_numpy(by_amplitude)
        return None, weights, features, initial
