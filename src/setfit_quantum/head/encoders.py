"""The first module: what compresses an embedding into one latent angle per qubit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from setfit_quantum.circuit import Circuit
from setfit_quantum.circuit.ansatz import build_encoder

if TYPE_CHECKING:
    from setfit_quantum.backends import Backend
    from setfit_quantum.config import QuantumHeadConfig

_SMALL_NORM = 1e-12
"""Below this, the squares of some numbers that matter may be too small for float32."""

SMALL_ANGLE = 0.1
"""Standard deviation in radians of `initialization="small"`."""


def prepare_amplitudes(embeddings: Tensor, amplitude_bias: float) -> Tensor:
    """Unit-norm amplitudes of each embedding, with a constant amplitude appended where asked.

    Args:
        embeddings: Shape (batch, in_features).
        amplitude_bias: Constant appended to the normalised embedding before it is normalised again; 0: none.

    Returns:
        Shape (batch, in_features) or, with a bias, (batch, in_features + 1); every row has norm 1.

    Raises:
        ValueError: A row is zero and there is no bias: it has no direction to encode.
    """
    norms = torch.linalg.vector_norm(embeddings, dim=1, keepdim=True)
    least, greatest = (float(bound) for bound in torch.aminmax(norms.detach()))
    zero: Tensor | None = None
    if not (least > _SMALL_NORM and math.isfinite(greatest)):  # the squares may under- or overflow: scale first
        embeddings = embeddings * _powers_near_one_over(embeddings.detach().abs().amax(dim=1, keepdim=True))
        norms = torch.linalg.vector_norm(embeddings, dim=1, keepdim=True)
        zero = norms == 0
        if amplitude_bias == 0 and bool(zero.any()):
            row = int(norms.argmin())
            raise ValueError(f"Argument `embeddings` must have no zero rows with amplitude_bias=0, but row {row} is 0.")
        norms = torch.where(zero, 1.0, norms)
    if amplitude_bias == 0:
        return embeddings.div(norms)
    length = math.hypot(1.0, amplitude_bias)
    constant = torch.full_like(norms, amplitude_bias / length)
    if zero is not None:
        constant = torch.where(zero, 1.0, constant)
    return torch.cat([embeddings / (norms * length), constant], dim=1)


def add_amplitude_noise(amplitudes: Tensor, n_features: int, noise: float, amplitude_bias: float) -> Tensor:
    """Gaussian noise on the amplitudes of the embedding, none on the constant, for training.

    Added before the constant, whose share it changes little: noise on the embedding itself would, normalised again,
    shrink the embedding beside the constant in training only.

    Args:
        amplitudes: From `prepare_amplitudes`.
        n_features: How many of them the embedding has.
        noise: Expected length of the noise relative to the embedding's.
        amplitude_bias: As given to `prepare_amplitudes`.

    Returns:
        Amplitudes of the same shape; every row has norm 1.
    """
    spread = noise / math.sqrt(n_features) / math.hypot(1.0, amplitude_bias)
    noisy = amplitudes.clone()
    noisy[:, :n_features] += spread * torch.randn_like(noisy[:, :n_features])
    return noisy.div(torch.linalg.vector_norm(noisy, dim=1, keepdim=True))


def _powers_near_one_over(values: Tensor) -> Tensor:
    """Powers of two that bring `values` near 1; multiplying by them rounds nothing, so other rows stay as they were."""
    limit = int(math.log2(torch.finfo(values.dtype).max)) - 2
    return torch.exp2(-torch.frexp(values).exponent.clamp(-limit, limit).to(values.dtype))


def initialize_angles(angles: Tensor, initialization: str, generator: torch.Generator) -> None:
    """Fill `angles` in place, in radians (see `QuantumHeadConfig.initialization`)."""
    with torch.no_grad():
        if initialization != "small":
            angles.copy_((2 * torch.rand(angles.shape, generator=generator) - 1) * torch.pi)
        else:
            angles.copy_(torch.randn(angles.shape, generator=generator) * SMALL_ANGLE)


def identity_angles(n_qubits: int) -> Tensor:
    """Angles with which a second module of one encoding and one layer passes its latents on: <Z_q> = -sin(latent q).

    Seen from the measurement backwards, RY(pi/2) after a CNOT turns Z of its target into X, on which the CNOT does not
    act; a column of RY(-pi/2) turns X back into Z before the other ring. In a ring qubit 0 is control first and target
    last: its X picks up X of qubit 1, and the other ring takes it away again.
    """
    turn = torch.full((n_qubits,), math.pi / 2)
    return torch.cat([turn, -turn, turn, torch.zeros(n_qubits)])


def component_generator(seed: int, component: int) -> torch.Generator:
    """An independent generator for each part of the head, so that building order does not matter."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, component]).generate_state(1)[0]))


class QuantumEncoders(nn.Module):
    """E quantum encoders: amplitude encoding, sPQC, Pauli-Z expectations, one scale per encoder.

    They are simulated exactly and without noise: in the paper they are classical preprocessing.

    Source: arXiv 2504.08732, Sec. III; the scale is inferred from its parameter counts (28 q + 1).
    """

    weights: nn.Parameter

    def __init__(self, config: QuantumHeadConfig, seed: int) -> None:
        super().__init__()
        self._seed = seed
        self.shares = config.encoder_shares
        self.circuit: Circuit | None = None
        self.draws_noise = False
        self.weights = cast(nn.Parameter, nn.parameter.UninitializedParameter())
        self.scale = nn.Parameter(torch.full((config.n_encoders,), config.latent_scale))

    @property
    def is_built(self) -> bool:
        """Whether the width of the embedding, and so the shape of the weights, is known."""
        return not nn.parameter.is_lazy(self.weights)

    def build(self, config: QuantumHeadConfig) -> None:
        """Create the circuit and the weights, shape (n_encoders, n_angles), for `config.in_features`."""
        n_qubits = config.resolve_encoder_qubits(config.in_features)
        connectivity = config.resolve_encoder_connectivity(n_qubits)
        self.circuit = build_encoder(n_qubits, config.encoder_layers, connectivity)
        shape = (config.n_encoders, self.circuit.num_parameters)
        assert isinstance(self.weights, nn.parameter.UninitializedParameter)
        self.weights.materialize(shape)
        # Encoders near the identity hand on little but constants: training starts from nothing, not from noise.
        how = "small" if config.chosen_initialization == "identity" else config.chosen_initialization
        initialize_angles(self.weights, how, component_generator(self._seed, 0))

    def join(self, embeddings: Tensor, config: QuantumHeadConfig, backend: Backend) -> tuple[Backend, Tensor] | None:
        """A backend that runs these encoders together with the circuit behind them, and the amplitudes that it takes.

        None where the backend cannot.
        """
        assert self.circuit is not None
        joined = backend.behind_encoders(self.circuit, self.weights, self.scale, self.shares)
        return None if joined is None else (joined, self._prepare(embeddings, config))

    def _prepare(self, embeddings: Tensor, config: QuantumHeadConfig) -> Tensor:
        amplitudes = prepare_amplitudes(embeddings, config.amplitude_bias)
        if self.training and self.draws_noise and config.amplitude_noise > 0:
            return add_amplitude_noise(amplitudes, embeddings.shape[1], config.amplitude_noise, config.amplitude_bias)
        return amplitudes

    def forward(self, embeddings: Tensor, config: QuantumHeadConfig, backend: Backend) -> Tensor:
        """Latent angles in radians, shape (batch, n_qubits)."""
        assert self.circuit is not None
        amplitudes = self._prepare(embeddings, config)
        if len(self.shares) == 1:
            weights = self.weights.view(-1)
            return backend.expectations(self.circuit, weights, None, amplitudes, n_readout=self.shares[0]) * self.scale
        # All encoders in one call: row e * batch + b is sample b in encoder e.
        batch = amplitudes.shape[0]
        measured = backend.expectations(
            self.circuit,
            self.weights.repeat_interleave(batch, dim=0),
            None,
            amplitudes.repeat(len(self.shares), 1),
            n_readout=max(self.shares),
        )
        parts = measured.view(len(self.shares), batch, -1)
        return torch.cat(
            [parts[index, :, :share] * self.scale[index] for index, share in enumerate(self.shares)], dim=1
        )


class ClassicalEncoder(nn.Module):
    """The ablation's linear or MLP encoder, on the embedding as it comes (not normalised).

    Source: arXiv 2504.08732, Table III; hidden activation ReLU (the paper does not print it).
    """

    def __init__(self, config: QuantumHeadConfig, seed: int) -> None:
        super().__init__()
        self._seed = seed
        hidden = config.encoder_hidden_dim
        if hidden is None:
            self.layers = nn.Sequential(nn.LazyLinear(config.n_qubits))
        else:
            norm = [nn.BatchNorm1d(hidden)] if config.encoder_batch_norm else []
            self.layers = nn.Sequential(nn.LazyLinear(hidden), *norm, nn.ReLU(), nn.Linear(hidden, config.n_qubits))

    @property
    def is_built(self) -> bool:
        """Whether the width of the embedding is known."""
        return not any(nn.parameter.is_lazy(parameter) for parameter in self.parameters())

    def build(self, config: QuantumHeadConfig) -> None:
        """Give the first layer `config.in_features` inputs and draw all weights."""
        width = config.encoded_features
        assert width is not None
        first = self.layers[0]
        assert isinstance(first, nn.LazyLinear)
        first.initialize_parameters(torch.empty(1, width, device=first.weight.device))
        first.in_features = width
        generator = component_generator(self._seed, 0)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                initialize_linear(layer, generator)

    def forward(self, embeddings: Tensor, config: QuantumHeadConfig, backend: Backend) -> Tensor:
        """Latent angles in radians, shape (batch, n_qubits)."""
        latents: Tensor = self.layers(embeddings)
        return latents


def initialize_linear(layer: nn.Linear, generator: torch.Generator) -> None:
    """Xavier-uniform weights and zero biases, drawn from `generator`."""
    bound = (6 / (layer.weight.shape[0] + layer.weight.shape[1])) ** 0.5
    with torch.no_grad():
        layer.weight.copy_((2 * torch.rand(layer.weight.shape, generator=generator) - 1) * bound)
        if layer.bias is not None:
            layer.bias.zero_()
