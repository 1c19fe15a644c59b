"""Encoders and the circuit behind them in one call.

A training step of a small head is over before PyTorch has passed values and gradients from one call to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.backends.base import Backend, BackendError, Moments
from setfit_quantum.backends.memory import check_memory
from setfit_quantum.backends.numba_engine.backend import (
    NO_CODES,
    NO_FLOATS,
    NumbaBackend,
    allocate_outputs,
    check_errors,
    gradients_of_outputs,
    used_outputs,
)
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
    WIDEST,
    new_order,
    set_encoders,
    set_gradients,
    set_inputs,
    set_number,
    set_values,
)
from setfit_quantum.backends.numba_engine.program import compile_program, half_angles
from setfit_quantum.backends.numba_engine.rows import empty_tiles
from setfit_quantum.backends.numba_engine.threads import are_apart, carry_out, count_threads
from setfit_quantum.backends.numba_engine.vector import LANES

if TYPE_CHECKING:
    from setfit_quantum.circuit import Circuit
    from setfit_quantum.noise import PauliErrors


class EncodedNumbaBackend(Backend):
    """Runs circuits whose features are the scaled expectations of encoders: `features` are amplitudes instead.

    For training, with gradients of all angles and of the scales; the amplitudes get none.

    Args:
        backend: Whose work it does.
        encoder: Circuit of every encoder, without features.
        weights: Angles in radians, shape (n_encoders, n_angles).
        scale: Of each encoder's expectations, shape (n_encoders,).
        shares: How many expectations each encoder hands on.
    """

    name = NumbaBackend.name
    capabilities = NumbaBackend.capabilities

    def __init__(
        self, backend: NumbaBackend, encoder: Circuit, weights: Tensor, scale: Tensor, shares: Sequence[int]
    ) -> None:
        self._backend = backend
        self._encoder = encoder
        self._weights = weights
        self._scale = scale
        self._shares = tuple(shares)

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

    def _run(
        self,
        mode: int,
        circuit: Circuit,
        weights: Tensor,
        amplitudes: Tensor | None,
        initial_state: Tensor | None,
        n_readout: int | None,
        errors: PauliErrors | None,
    ) -> tuple[Tensor, ...]:
        if amplitudes is None or initial_state is not None or weights.ndim != 1 or amplitudes.requires_grad:
            raise BackendError("Encoders take amplitudes without gradients, and one set of angles for all samples.")
        check_errors(errors, circuit, len(amplitudes))
        n_qubits, encoders = circuit.n_qubits, (len(self._shares), self._encoder.n_qubits)
        required = partial(required_bytes, n_qubits, n_readout or n_qubits, mode, True, encoders)
        check_memory(self.name, required, n_qubits=max(n_qubits, encoders[1]), batch=len(amplitudes), training=True)
        outputs: tuple[Tensor, ...] = _ModulesFunction.apply(
            self._backend,
            _Settings(self._encoder, circuit, self._shares, mode, n_readout or circuit.n_qubits, errors),
            self._weights,
            self._scale,
            weights,
            amplitudes,
        )
        return outputs


class _Settings(NamedTuple):
    """What of a call is not a tensor."""

    encoder: Circuit
    circuit: Circuit
    shares: tuple[int, ...]
    mode: int
    n_readout: int
    errors: PauliErrors | None


class _ModulesFunction(torch.autograd.Function):
    """Autograd node around both modules; differentiable once."""

    @staticmethod
    def forward(
        ctx: Any,
        backend: NumbaBackend,
        settings: _Settings,
        encoder_weights: Tensor,
        scale: Tensor,
        weights: Tensor,
        amplitudes: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.call = _ModulesCall(backend, settings, encoder_weights, scale, weights, amplitudes)
        ctx.set_materialize_grads(False)
        return tuple(torch.from_numpy(output) for output in ctx.call.forward())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        by_encoder, by_scale, by_weight = ctx.call.backward(
            [None if gradient is None else gradient.numpy() for gradient in gradients]
        )
        return (
            None,
            None,
            torch.from_numpy(by_encoder.sum(axis=0)),
            torch.from_numpy(by_scale.sum(axis=0)),
            torch.from_numpy(by_weight.sum(axis=0)),
            None,
        )


class _ModulesCall:
    """One evaluation: the arrays of its inputs, and the forward states until backward has used them."""

    def __init__(
        self,
        backend: NumbaBackend,
        settings: _Settings,
        encoder_weights: Tensor,
        scale: Tensor,
        weights: Tensor,
        amplitudes: Tensor,
    ) -> None:
        self.backend = backend
        self.encoder, self.program = compile_program(settings.encoder), compile_program(settings.circuit)
        self.shares = np.array(settings.shares)
        self.settings = settings
        self.mode, self.n_readout = settings.mode, settings.n_readout
        errors = settings.errors
        self.batch = len(amplitudes)
        self.n_tiles = -(-self.batch // LANES)
        self.codes = NO_CODES if errors is None else np.require(errors.codes, np.uint8, ["C", "W"])
        self.amplitudes = np.require(amplitudes.numpy(), np.float32, ["C", "W"])
        # Copies: an optimizer may change the parameters before backward runs.
        self.scale = scale.detach().numpy().copy()
        self.encoder_tables = half_angles(encoder_weights.detach().numpy())
        features = np.empty((2, self.batch, self.program.n_features), np.float32)
        self.tables = (
            *half_angles(weights.detach().numpy()[None]),
            features[0],
            features[1],
            *self.program.constant_tables,
        )
        self.latents = np.empty((self.batch, self.program.n_features), np.float32)
        self.states: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def _rows(self) -> tuple[int, int]:
        return 2**self.encoder.n_qubits, 2**self.program.n_qubits

    @property
    def _rows_swept(self) -> int:
        encoder_rows, rows = self._rows
        return len(self.shares) * encoder_rows * len(self.encoder.operations) + rows * len(self.program.operations)

    def forward(self) -> list[np.ndarray]:
        """Run encoders and circuit and keep their final states."""
        outputs = allocate_outputs(self.mode, self.batch, self.n_readout)
        encoder_rows, rows = self._rows
        n_threads = count_threads(self.n_tiles, self._rows_swept)
        apart = are_apart(self.n_tiles, n_threads)
        encoder_states = empty_tiles(self.n_tiles, len(self.shares) * encoder_rows, apart=apart)
        states = empty_tiles(self.n_tiles, rows, apart=apart)
        self.swept = np.zeros(self.n_tiles, np.int64)
        order = new_order(self.program.packed, self.encoder.packed)
        set_inputs(order, self.tables, self.codes, states, self.swept, self.amplitudes)
        set_values(order, *outputs)
        set_encoders(order, *self.encoder_tables, self.scale, self.shares, encoder_states, self.latents)
        for argument, value in (
            (MODE, self.mode), (N_READOUT, self.n_readout), (SAMPLES_PER_ROW, self.batch), (KEEP, 1),
            (WIDEST, max(self.settings.shares)),
        ):  # fmt: skip
            set_number(order, argument, value)
        carry_out(order, FORWARD, self.n_tiles, n_threads)
        self.order = order
        self.states = encoder_states, states
        self.backend.rows_swept += int(self.swept.sum())
        return [outputs[index] for index in used_outputs(self.mode)]

    def backward(self, by_output: list[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradients of the encoders' angles, of the scales and of the circuit's angles, by tile; uses up the states."""
        gradients = gradients_of_outputs(self.mode, self.batch, self.n_readout, by_output)
        if self.states is None:
            self.forward()  # a second backward through the same graph
        states, self.states = self.states, None  # the order names them: they must live until it is carried out
        n_encoders = len(self.shares)
        by_encoder = np.zeros((self.n_tiles, n_encoders, self.encoder.n_weights), np.float32)
        by_scale = np.zeros((self.n_tiles, n_encoders), np.float32)
        by_weight = np.zeros((self.n_tiles, self.program.n_weights), np.float32)
        by_feature = np.zeros_like(self.latents)
        n_threads = count_threads(self.n_tiles, 2 * self._rows_swept)
        cotangents = empty_tiles(n_threads, max(self._rows), beside=True)
        set_values(self.order, *gradients)
        set_gradients(self.order, cotangents, by_weight, by_feature, NO_FLOATS, by_encoder, by_scale)
        set_number(self.order, SHARED, 1)
        carry_out(self.order, BACKWARD, self.n_tiles, n_threads)
        del states
        self.backend.rows_swept += int(self.swept.sum())
        return by_encoder, by_scale, by_weight
