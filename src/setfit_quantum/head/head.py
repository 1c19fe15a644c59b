"""`SetFitQuantumHead`: embeddings -> encoders -> parameterized quantum circuit -> logits, as a SetFit head."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from setfit_quantum.backends import Backend
from setfit_quantum.circuit import Circuit
from setfit_quantum.config import CUSTOM_BACKEND, QuantumHeadConfig
from setfit_quantum.head.ansatz import build_second_module, read_ansatz, write_ansatz
from setfit_quantum.head.circuits import HeadCircuits
from setfit_quantum.head.encoders import ClassicalEncoder, QuantumEncoders
from setfit_quantum.head.files import HeadFiles
from setfit_quantum.head.loss import CheckedLoss
from setfit_quantum.head.preprocessing import HeadPreprocessing, Preprocessor
from setfit_quantum.head.settings import HeadSettings, as_noise_model, backend_name
from setfit_quantum.head.transfer import HeadTransfer
from setfit_quantum.measurement import measure
from setfit_quantum.noise import NoiseModel
from setfit_quantum.presets import PRESETS

logger = logging.getLogger(__name__)

_MAX_AMPLITUDES = 2**24
"""Amplitudes simulated at once at inference (64 MiB in float32); training runs the user's batch as it is."""


class SetFitQuantumHead(HeadTransfer, HeadSettings, HeadPreprocessing, HeadCircuits, HeadFiles):
    """A classification head that decides with a parameterized quantum circuit.

    It follows the interface of `setfit.SetFitHead`, so SetFit trains and calls it like its own. The arguments
    are those of `QuantumHeadConfig` (each is explained there), with these additions:

    Args:
        in_features: Width of the embedding; None: taken from the body or from the first batch.
        out_features: Number of classes or labels; None: 2 until labels are seen, then theirs.
        ansatz: Your own `(PQC1, PQC2)` as two `Circuit`s without features, each with weights numbered from 0; all
            re-uploads share PQC1's. They stand in place of `reupload_layers`, `n_layers` and `connectivity`.
        noise: A `NoiseModel`, the name of one of its presets, its dictionary, or None.
        backend: Name of a backend, or a `Backend` instance. `"auto"`: `"numba"` for float32 on the CPU,
            `"torch"` otherwise, for gates that `"numba"` does not run and for amplitude damping.
        device: Where the parameters live.

    Raises:
        TypeError, ValueError: Naming the argument, its value and what is allowed.

    Example:
        >>> head = SetFitQuantumHead(in_features=384, n_qubits=4, seed=0)
        >>> logits, probs = head(torch.ones(2, 384))
        >>> tuple(probs.shape)
        (2, 2)

    Source: arXiv 2504.08732, Fig. 1.
    """

    def __init__(
        self,
        in_features: int | None = None,
        out_features: int | None = None,
        *,
        n_qubits: int = 10,
        n_encoders: int | None = QuantumHeadConfig.n_encoders,
        encoder: str = "quantum",
        encoder_qubits: int | None = None,
        encoder_layers: int = QuantumHeadConfig.encoder_layers,
        encoder_connectivity: int | None = None,
        encoder_hidden_dim: int | None = None,
        encoder_batch_norm: bool = False,
        classifier: str = "quantum",
        classifier_hidden_dim: int | None = None,
        frozen: Sequence[str] = (),
        preprocessing: str | None = QuantumHeadConfig.preprocessing,
        projected_features: int | None = QuantumHeadConfig.projected_features,
        amplitude_bias: float = QuantumHeadConfig.amplitude_bias,
        amplitude_noise: float = QuantumHeadConfig.amplitude_noise,
        latent_scale: float = QuantumHeadConfig.latent_scale,
        n_reuploads: int = QuantumHeadConfig.n_reuploads,
        reupload_layers: int = QuantumHeadConfig.reupload_layers,
        n_layers: int = QuantumHeadConfig.n_layers,
        connectivity: int = 1,
        ansatz: Sequence[Circuit | str] | None = None,
        n_readout: int | None = None,
        final_linear: bool = True,
        one_logit: bool = False,
        noise: NoiseModel | str | Mapping[str, Any] | None = None,
        shots: int | None = None,
        sampler: str | None = None,
        n_trajectories: int | None = None,
        shared_trajectories: bool = False,
        share_trajectories_among_shots: bool = False,
        renormalise: bool = True,
        backend: str | Backend = "auto",
        multitarget: bool = False,
        temperature: float = 1.0,
        initialization: str | None = QuantumHeadConfig.initialization,
        device: torch.device | str | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self._out_features_fixed = out_features is not None
        self._noise = as_noise_model(noise)
        if isinstance(backend, str) and backend.startswith(CUSTOM_BACKEND):
            logger.warning("The head ran on %r, which cannot be loaded; it uses 'auto' until you assign one.", backend)
            backend = "auto"
        self._backend: Backend | None = None if isinstance(backend, str) else backend
        self._ansatz = read_ansatz(ansatz, n_qubits)
        self.config = QuantumHeadConfig(
            in_features=in_features,
            out_features=(1 if multitarget else 2) if out_features is None else out_features,
            n_qubits=n_qubits,
            n_encoders=n_encoders,  # type: ignore[arg-type]  # None is replaced there
            encoder=encoder,
            encoder_qubits=encoder_qubits,
            encoder_layers=encoder_layers,
            encoder_connectivity=encoder_connectivity,
            encoder_hidden_dim=encoder_hidden_dim,
            encoder_batch_norm=encoder_batch_norm,
            classifier=classifier,
            classifier_hidden_dim=classifier_hidden_dim,
            frozen=tuple(frozen),
            preprocessing=preprocessing,
            projected_features=projected_features,
            amplitude_bias=amplitude_bias,
            amplitude_noise=amplitude_noise,
            latent_scale=latent_scale,
            n_reuploads=n_reuploads,
            reupload_layers=reupload_layers,
            n_layers=n_layers,
            connectivity=connectivity,
            ansatz=write_ansatz(self._ansatz),
            n_readout=n_readout,
            final_linear=final_linear,
            one_logit=one_logit,
            noise=None if self._noise is None else self._noise.to_dict(),
            shots=shots,
            sampler=sampler,
            n_trajectories=n_trajectories,
            shared_trajectories=shared_trajectories,
            share_trajectories_among_shots=share_trajectories_among_shots,
            renormalise=renormalise,
            backend=backend_name(backend),
            multitarget=multitarget,
            temperature=temperature,
            initialization=initialization,
            seed=seed,
        )
        # Without a seed, torch.manual_seed still decides.
        self._init_seed = int(torch.randint(2**31, ())) if seed is None else seed
        self._rng = np.random.default_rng([self._init_seed, 1])
        self.circuit: Circuit = build_second_module(self.config, self._ansatz)
        self._check_gates(backend)
        self.encoder = (QuantumEncoders if encoder == "quantum" else ClassicalEncoder)(self.config, self._init_seed)
        self._build_classifier()
        self.preprocessor = None
        if self.config.preprocessing is not None:
            self.preprocessor = Preprocessor(self.config.preprocessing, self.config.projected_features, self._init_seed)
        if in_features is not None:
            self.build(in_features)
        if device is not None:
            self.to(device)
        self._is_finished = True
        self._check_noise(self._noise)

    @classmethod
    def from_config(cls, config: QuantumHeadConfig, **overrides: Any) -> SetFitQuantumHead:
        """Build a head from its settings; `overrides` replace single ones (or add `device`)."""
        return cls(**(config.to_dict() | overrides))

    @classmethod
    def from_preset(
        cls, name: str, n_qubits: int = 10, in_features: int | None = 768, **overrides: Any
    ) -> SetFitQuantumHead:
        """One of the paper's heads, exact and noiseless unless overridden.

        Args:
            name: `"paper-single"`, `"paper-multi"` (two encoders of 14 qubits) or `"paper-single-qm1"` (the rival
                reading of the paper with one measured qubit and one logit).
            n_qubits: Qubits of the second module.
            in_features: Width of the embedding (768 for the paper's body).
            **overrides: Any other argument of the head.

        Raises:
            ValueError: Unknown name.
        """
        if name not in PRESETS:
            raise ValueError(f"Argument `name` must be one of {', '.join(map(repr, PRESETS))}, but got {name!r}.")
        return cls(**(PRESETS[name] | {"n_qubits": n_qubits, "in_features": in_features} | overrides))

    @property
    def is_built(self) -> bool:
        """Whether the width of the embedding is known and all parameters have their shapes."""
        return self.encoder.is_built

    def build(self, in_features: int) -> None:
        """Create the parameters whose shapes depend on the embedding's width.

        Raises:
            ValueError: The head was built for another width, or its encoder cannot hold so many features.
        """
        if self.is_built:
            if in_features != self.config.in_features:
                raise ValueError(
                    f"Argument `in_features` must be {self.config.in_features}, the width this head was built for, "
                    f"but got {in_features}."
                )
            return
        self.config = self.config.with_changes(in_features=in_features)
        if self.preprocessor is not None:
            self.preprocessor.build(in_features, like=self.circuit_weights.detach())
        self.encoder.build(self.config)
        self._apply_frozen()

    def forward(
        self, features: dict[str, Tensor] | Tensor, temperature: float | None = None
    ) -> dict[str, Tensor] | tuple[Tensor, Tensor]:
        """Logits and probabilities.

        Args:
            features: Embeddings of shape (batch, in_features), or SetFit's dictionary with `"sentence_embedding"`.
            temperature: Replaces the head's temperature for this call.

        Returns:
            `(logits, probs)`, each of shape (batch, out_features); for a dictionary, the same dictionary with
            `"logits"` and `"probs"` added.

        Raises:
            ValueError: Embeddings of the wrong width, NaN or infinite.
        """
        embeddings = features["sentence_embedding"] if isinstance(features, dict) else features
        self.note_forward()
        measures = self.config.classifier == "quantum"
        logits = self.to_logits(self.expectations(embeddings) if measures else self._latents_in_chunks(embeddings))
        temperature = self.config.temperature if temperature is None else temperature
        if temperature <= 0:
            raise ValueError(f"Argument `temperature` must be greater than 0, but got {temperature!r}.")
        if temperature != 1.0:
            logits = logits / temperature
        probs = torch.sigmoid(logits) if self.multitarget else torch.softmax(logits, dim=-1)
        if isinstance(features, dict):
            features.update({"logits": logits, "probs": probs})
            return features
        return logits, probs

    def predict_proba(self, x_test: Tensor | np.ndarray) -> Tensor:
        """Class probabilities, shape (batch, out_features), in evaluation mode and without gradients."""
        self.eval()
        self.warn_if_untrained()
        with torch.no_grad():
            embeddings = torch.as_tensor(x_test, device=self.device)
            probs: Tensor = self(embeddings.to(self.circuit_weights.dtype))[1]
            return probs

    def predict(self, x_test: Tensor | np.ndarray) -> Tensor:
        """Class numbers, shape (batch,), or 0/1 per label, shape (batch, out_features), with `multitarget`."""
        probs = self.predict_proba(x_test)
        return (probs >= 0.5).long() if self.multitarget else probs.argmax(dim=-1)

    def get_loss_fn(self) -> nn.Module:
        """Binary cross-entropy on logits with `multitarget`, else cross-entropy; labels are range-checked."""
        return CheckedLoss(self.out_features, self.multitarget)

    def latents(self, x: Tensor) -> Tensor:
        """Latent angles in radians that the first module makes of embeddings `x`, shape (batch, n_qubits)."""
        return self._encode(self._check_embeddings(x))

    def _encode(self, embeddings: Tensor) -> Tensor:
        latents: Tensor = self.encoder(embeddings, self.config, self._encoder_backend)
        return latents

    def expectations(self, x: Tensor) -> Tensor:
        """Measured Pauli-Z expectations of the second module, shape (batch, n_measured), under noise and shots.

        In evaluation mode a head with a seed draws its shots and noise from the seed and from `x`: the same call gives
        the same numbers, other texts (or other batches) get independent ones.

        Raises:
            ValueError: The head has a classical classifier, so that nothing is measured after its encoder.
        """
        if self.config.classifier != "quantum":
            raise ValueError(f"Argument `classifier` must be 'quantum' to measure, but is {self.config.classifier!r}.")
        embeddings = self._check_embeddings(x)
        rng = self._rng if self.training or self.config.seed is None else self._repeatable_rng(embeddings)
        if torch.is_grad_enabled():
            joined = self._join_modules(embeddings)
            backend, features = joined or (self.backend, self._encode(embeddings))
            return self._measure(backend, features, rng)
        chunks = [self._measure(self.backend, self._encode(chunk), rng) for chunk in self._split(embeddings)]
        return chunks[0] if len(chunks) == 1 else torch.cat(chunks)

    @contextmanager
    def noisy_amplitudes(self) -> Iterator[None]:
        """Inside, a head in training mode adds the noise of `amplitude_noise`; `train_head` trains so."""
        if isinstance(self.encoder, QuantumEncoders):
            self.encoder.draws_noise = True
        try:
            yield
        finally:
            if isinstance(self.encoder, QuantumEncoders):
                self.encoder.draws_noise = False

    def last_features(self, x: Tensor) -> Tensor:
        """What the last linear layer takes of embeddings `x`: expectations, or values of a classical classifier."""
        values = self.expectations(x) if self.config.classifier == "quantum" else self._latents_in_chunks(x)
        return values if self.hidden is None else torch.relu(self.hidden(values))

    def _latents_in_chunks(self, x: Tensor) -> Tensor:
        return (
            self.latents(x) if torch.is_grad_enabled() else torch.cat([self.latents(part) for part in self._split(x)])
        )

    def _split(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.split(x, max(1, _MAX_AMPLITUDES >> self._widest_register()))

    def _repeatable_rng(self, embeddings: Tensor) -> np.random.Generator:
        draws = self.config.shots is not None or self.backend.capabilities.hardware_shots
        if self._noise is None and not draws:
            return self._rng
        content = hashlib.blake2b(embeddings.detach().cpu().numpy().tobytes(), digest_size=8).digest()
        return np.random.default_rng([self._init_seed, 2, int.from_bytes(content, "big")])

    def _join_modules(self, embeddings: Tensor) -> tuple[Backend, Tensor] | None:
        """A backend that runs both modules in one call, and what it takes for features; None where there is none."""
        noise = self._noise
        once = noise is None or (self.config.n_trajectories or 1) == 1
        if not (self.training and once and isinstance(self.encoder, QuantumEncoders)) or embeddings.requires_grad:
            return None
        if not self.encoder.weights.requires_grad:
            return None  # a frozen encoder needs no backward sweep
        if noise is not None and (noise.has_rotation_error or not noise.is_pauli):
            return None
        return self.encoder.join(embeddings, self.config, self.backend)

    def _measure(self, backend: Backend, latents: Tensor, rng: np.random.Generator) -> Tensor:
        return measure(
            backend,
            self.circuit,
            self.circuit_weights,
            latents,
            n_readout=self.config.n_measured,
            noise=self._noise,
            shots=self.config.shots,
            sampler=self.config.sampler,
            n_trajectories=self.config.n_trajectories,
            shared_trajectories=self.config.shared_trajectories,
            share_trajectories_among_shots=self.config.share_trajectories_among_shots,
            renormalise=self.config.renormalise,
            training=self.training,
            rng=rng,
        )

    def _widest_register(self) -> int:
        encoder = getattr(self.encoder, "circuit", None)
        return max(self.config.n_qubits, encoder.n_qubits if encoder is not None else 0)

    def _check_embeddings(self, x: Tensor) -> Tensor:
        """Embeddings as the encoder takes them: checked, and preprocessed."""
        if x.ndim != 2 or x.shape[0] == 0:
            raise ValueError(f"Argument `x` must have shape (batch, in_features), but got {tuple(x.shape)}.")
        self.build(int(x.shape[1]))
        embeddings = x.to(self.circuit_weights.dtype)
        # A sum is NaN or infinite if any entry is: one pass instead of two.
        if not math.isfinite(float(embeddings.detach().sum())):
            finite = torch.isfinite(embeddings).all(dim=1)
            if not bool(finite.all()):
                row = int((~finite).nonzero()[0])
                raise ValueError(f"Argument `x` must be finite, but row {row} has NaN or infinite entries.")
        return embeddings if self.preprocessor is None else self.preprocessor(embeddings)

    def num_parameters(self) -> int:
        """Number of trainable parameters.

        Raises:
            ValueError: The width of the embedding is not known yet.
        """
        self.check_built()
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def extra_repr(self) -> str:
        """Settings shown by `print(head)`."""
        config = self.config
        return (
            f"in_features={config.in_features}, out_features={config.out_features}, n_qubits={config.n_qubits}, "
            f"n_encoders={config.n_encoders}, noise={self._noise}, shots={config.shots}, backend={config.backend!r}"
        )
