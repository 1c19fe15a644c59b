"""The GPU backend: real float32 statevectors with adjoint gradients, a whole circuit in one launch of a kernel.

Experimental: its arithmetic is tested in numba's simulator of a GPU, and its kernels are compiled in the tests, but it
has not run on a GPU yet.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from setfit_quantum.backends.base import Backend, BackendError, Capabilities, Moments, check_inputs
from setfit_quantum.backends.cuda_engine.call import Call
from setfit_quantum.backends.cuda_engine.device import check_available, device_type
from setfit_quantum.backends.cuda_engine.plan import build_plan
from setfit_quantum.backends.cuda_engine.tables import upload_products
from setfit_quantum.backends.memory import check_memory
from setfit_quantum.backends.torch_inputs import check_errors
from setfit_quantum.backends.torch_measure import marginal_probabilities

if TYPE_CHECKING:
    from setfit_quantum.circuit import Circuit
    from setfit_quantum.noise import PauliErrors

MAX_QUBITS = 30
"""Indices are 32-bit integers."""


class CudaBackend(Backend):
    """Real float32 statevectors on a GPU: `ry` and `cx` circuits, adjoint gradients, Pauli trajectories.

    Args:
        shared_qubits: Wires of a sample that a thread block holds in shared memory, 5 .. 12; circuits of no more wires
            are one launch. The default fills 45 of the 48 KiB that every GPU has.

    Raises:
        ImportError: numba-cuda is not installed; the message names the pip command.
        BackendError: There is no GPU.
        ValueError: `shared_qubits` out of range.
    """

    name: ClassVar[str] = "cuda"
    capabilities: ClassVar[Capabilities] = Capabilities(
        gates=frozenset({"ry", "cx"}),
        dtypes=(torch.float32,),
        devices=("cuda",),
        gradients="adjoint",
        trajectories=True,
        experimental=True,
    )

    def __init__(self, shared_qubits: int = 12) -> None:
        if not 5 <= shared_qubits <= 12:
            raise ValueError(f"Argument `shared_qubits` must be between 5 and 12, but got {shared_qubits}.")
        check_available()
        self.shared_qubits = shared_qubits
        self.launches = 0
        """Launches of the kernels that run circuits, so far."""

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
        call, _ = self._prepare(circuit, weights, features, initial_state, n_readout, errors, pairs=False)
        (z,) = self._run(call, weights, features, initial_state)
        return z

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
        call, _ = self._prepare(circuit, weights, features, initial_state, n_readout, errors, pairs=True)
        return Moments(*self._run(call, weights, features, initial_state))

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
        call, n_measured = self._prepare(circuit, weights, features, initial_state, n_readout, errors, pairs=None)
        (state,) = self._run(call, weights, features, initial_state)
        probabilities = marginal_probabilities(state.square(), n_measured)
        if call.flips is None:
            return probabilities
        # What the errors' frame flips at the end of the circuit.
        flips = (call.flips >> (circuit.n_qubits - n_measured)).long()
        outcomes = torch.arange(2**n_measured, device=state.device)
        return probabilities.gather(1, outcomes ^ flips[:, None])

    def _prepare(
        self,
        circuit: Circuit,
        weights: Tensor,
        features: Tensor | None,
        initial_state: Tensor | None,
        n_readout: int | None,
        errors: PauliErrors | None,
        pairs: bool | None,
    ) -> tuple[Call, int]:
        """The call, and the number of measured qubits; `pairs` is None where the states are wanted."""
        self.check_circuit(circuit)
        batch, n_measured = check_inputs(circuit, weights, features, initial_state, n_readout)
        if circuit.n_qubits > MAX_QUBITS:
            raise BackendError(f"Backend 'cuda' runs at most {MAX_QUBITS} qubits, but got {circuit.n_qubits}.")
        for name, tensor in (("weights", weights), ("features", features), ("initial_state", initial_state)):
            if tensor is None:
                continue
            if tensor.dtype != torch.float32 or tensor.device.type != device_type():
                raise BackendError(
                    f"Backend 'cuda' computes in float32 on a GPU, but `{name}` is {tensor.dtype} on {tensor.device}; "
                    "move the head with head.to('cuda'), or take backend='torch' for any precision and device."
                )
            if tensor.device != weights.device:
                raise BackendError(
                    f"Backend 'cuda' needs all tensors on one GPU, but `weights` is on {weights.device} and `{name}` "
                    f"on {tensor.device}."
                )
        if errors is not None:
            check_errors(circuit, errors, batch)
        training = torch.is_grad_enabled() and any(
            tensor is not None and tensor.requires_grad for tensor in (weights, features, initial_state)
        )
        check_memory(
            self.name,
            partial(self._required_bytes, circuit.n_qubits, training, pairs is None),
            n_qubits=circuit.n_qubits,
            batch=batch,
            training=training,
            device=weights.device,
        )
        plan = build_plan(circuit, self.shared_qubits)
        products = None if pairs is None else upload_products(plan, n_measured, pairs, weights.device)
        return Call(plan, products, batch, errors, weights.device), n_measured

    def _required_bytes(self, n_qubits: int, training: bool, wants_states: bool, batch: int) -> int:
        """Bytes of the states that are held at once."""
        in_shared_memory = n_qubits <= self.shared_qubits
        if wants_states:  # and their squares; in training a copy, and gradients by both and by the final state
            n_states = 5 if training else 2
        elif training:
            n_states = 1 if in_shared_memory else 2
        else:
            n_states = 0 if in_shared_memory else 1
        return n_states * batch * (1 << n_qubits) * 4

    def _run(
        self, call: Call, weights: Tensor, features: Tensor | None, initial_state: Tensor | None
    ) -> tuple[Tensor, ...]:
        inputs = (weights, features, initial_state)
        if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in inputs):
            outputs: tuple[Tensor, ...] = _AdjointFunction.apply(self, call, *inputs)
            return outputs
        call.bind(*inputs)
        return self._outputs(call, keep=False)

    def _outputs(self, call: Call, keep: bool) -> tuple[Tensor, ...]:
        values, states = call.forward(keep)
        self.launches += len(call.plan.launches)
        if call.products is not None:
            assert values is not None
            return call.products.arrange(values)
        assert states is not None
        final = states[:, : 2**call.plan.n_qubits]
        # The kept states may be un-evolved in place.
        return (final.clone() if keep else final,)


class _AdjointFunction(torch.autograd.Function):
    """Autograd node around one `Call`; differentiable once."""

    @staticmethod
    def forward(
        ctx: Any,
        backend: CudaBackend,
        call: Call,
        weights: Tensor,
        features: Tensor | None,
        initial_state: Tensor | None,
    ) -> tuple[Tensor, ...]:
        call.bind(weights, features, initial_state)
        ctx.backend, ctx.call = backend, call
        ctx.weights_shape = weights.shape
        ctx.features_width = 0 if features is None else features.shape[1]
        ctx.n_initial = initial_state.shape[1] if initial_state is not None and ctx.needs_input_grad[4] else 0
        ctx.set_materialize_grads(False)
        return backend._outputs(call, keep=True)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        call: Call = ctx.call
        by_product = by_state = None
        if call.products is not None:
            by_product = call.products.join(gradients)
        else:
            (given,) = gradients
            assert given is not None
            by_state = pad(given, (0, 2**call.plan.width - given.shape[1]))  # a copy, which may be overwritten
        collected, initial = call.backward(by_product, by_state, ctx.n_initial)
        ctx.backend.launches += len(call.plan.launches)
        n_weights = call.plan.n_weights
        by_weight = by_feature = None
        if ctx.needs_input_grad[2]:
            by_weight = collected[:, :n_weights]
            by_weight = (by_weight.sum(0) if call.shared else by_weight).reshape(ctx.weights_shape)
        if ctx.needs_input_grad[3]:
            by_feature = pad(collected[:, n_weights:], (0, ctx.features_width - call.plan.n_features))
        return None, None, by_weight, by_feature, initial
