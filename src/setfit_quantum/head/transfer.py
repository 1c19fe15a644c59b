"""Transfer learning with a head: freeze what was trained, put a new classifier on it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from setfit_quantum.checks import check_choice, check_int
from setfit_quantum.circuit import Circuit
from setfit_quantum.config import CLASSIFIERS, PARTS, SECOND_MODULE, QuantumHeadConfig
from setfit_quantum.head.ansatz import build_second_module, read_ansatz, write_ansatz
from setfit_quantum.head.encoders import component_generator, identity_angles, initialize_angles, initialize_linear
from setfit_quantum.head.settings import as_noise_model
from setfit_quantum.head.untrained import TrainingMark
from setfit_quantum.noise import NoiseModel

if TYPE_CHECKING:
    from typing import Self

    from setfit_quantum.head.encoders import ClassicalEncoder, QuantumEncoders


class TransferKind(Enum):
    """What feeds what: a pre-trained network A, and the network B that is trained on it, each classical or quantum.

    A is the head's encoder where that is frozen, and the model's body otherwise; B is the rest of the head.
    """

    CC = "CC"
    CQ = "CQ"
    QC = "QC"
    QQ = "QQ"

    @property
    def pretrained(self) -> str:
        """A: `"classical"` or `"quantum"`."""
        return _NAMES[self.value[0]]

    @property
    def trained(self) -> str:
        """B: `"classical"` or `"quantum"`."""
        return _NAMES[self.value[1]]

    @classmethod
    def of(cls, *, pretrained_is_quantum: bool, trained_is_quantum: bool) -> TransferKind:
        """The kind by its two halves."""
        return cls("CQ"[pretrained_is_quantum] + "CQ"[trained_is_quantum])

    def __str__(self) -> str:
        return f"{self.value}: a {self.pretrained} network, pre-trained, feeds a {self.trained} one"


_NAMES = {"C": "classical", "Q": "quantum"}


class HeadTransfer(TrainingMark):
    """Freezing parts of a head, and replacing its classifier for another task."""

    config: QuantumHeadConfig
    circuit: Circuit
    circuit_weights: nn.Parameter
    encoder: QuantumEncoders | ClassicalEncoder
    linear: nn.Linear | None
    hidden: nn.Linear | None
    _ansatz: tuple[Circuit, Circuit] | None
    _init_seed: int
    _noise: NoiseModel | None
    _out_features_fixed: bool

    @property
    def is_quantum(self) -> bool:
        """Whether any part of the head is quantum: its encoder or its classifier."""
        return "quantum" in (self.config.encoder, self.config.classifier)

    @property
    def transfer_kind(self) -> TransferKind:
        """What feeds what, as the head is now: see `TransferKind`."""
        config = self.config
        frozen = "encoder" in config.frozen
        quantum_encoder = config.encoder == "quantum"
        return TransferKind.of(
            pretrained_is_quantum=frozen and quantum_encoder,
            trained_is_quantum=config.classifier == "quantum" or (quantum_encoder and not frozen),
        )

    def freeze(self, part: str = "encoder") -> Self:
        """Keep a part as it is while the head trains; saved with the head.

        Args:
            part: `"encoder"` or `"classifier"` (the second module with its linear layer).

        Returns:
            The head.

        Raises:
            ValueError: Another part.
        """
        check_choice("part", part, PARTS)
        self.config = self.config.with_changes(frozen=(*self.config.frozen, part))
        return self._apply_frozen()

    def unfreeze(self, part: str | None = None) -> Self:
        """Let a part train again; None: both."""
        kept = (
            () if part is None else tuple(one for one in self.config.frozen if one != check_choice("part", part, PARTS))
        )
        self.config = self.config.with_changes(frozen=kept)
        return self._apply_frozen()

    def _apply_frozen(self) -> Self:
        for name, parameter in self.named_parameters():
            part = "encoder" if name.startswith("encoder.") else "classifier"
            if not nn.parameter.is_lazy(parameter):  # those follow when they have their shapes
                parameter.requires_grad_(part not in self.config.frozen)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a frozen encoder stays in evaluation mode, so that its batch statistics do not change."""
        super().train(mode)
        if "encoder" in self.config.frozen:
            self.encoder.eval()
        return self

    def replace_classifier(
        self,
        classifier: str = "quantum",
        *,
        out_features: int | None = None,
        hidden_dim: int | None = None,
        multitarget: bool | None = None,
        seed: int | None = None,
        **settings: Any,
    ) -> Self:
        """Put a new, untrained classifier on the encoder, in place: for another task, with other classes.

        Args:
            classifier: `"quantum"`: a new second module; `"linear"` or `"mlp"`: a classical one on the latents.
            out_features: Number of classes or labels; None: taken from the labels.
            hidden_dim: Hidden width of `"mlp"`.
            multitarget: Whether labels are independent; None: as now.
            seed: Seed of the new weights, and of the head's shots and noise from now on; None: as now.
            **settings: Settings of the new second module (`n_reuploads`, `n_layers`, `connectivity`, `ansatz`, `noise`,
                `shots`, ...); those left out stay as they are, or have their defaults after a classical classifier.

        Returns:
            The head.

        Raises:
            TypeError, ValueError: Naming the argument, its value and what is allowed.
        """
        check_choice("classifier", classifier, CLASSIFIERS)
        for name in settings:
            if name not in SECOND_MODULE or classifier != "quantum":
                allowed = ", ".join(SECOND_MODULE) if classifier == "quantum" else "hidden_dim"
                raise TypeError(
                    f"Argument `{name}` is no setting of classifier={classifier!r}; its settings are {allowed}."
                )
        if (classifier == "mlp") != (hidden_dim is not None):
            raise ValueError(
                f"Argument `hidden_dim` must be given with classifier='mlp' and only then, but got {hidden_dim!r} with "
                f"{classifier!r}."
            )
        several = self.config.multitarget if multitarget is None else multitarget
        changes: dict[str, Any] = {name: getattr(QuantumHeadConfig, name) for name in SECOND_MODULE}
        if self.config.initialization == "identity":
            changes["initialization"] = None  # which is the same where the new module can start so
        if classifier == "quantum":
            changes |= {name: getattr(self.config, name) for name in SECOND_MODULE} | settings
            noise = as_noise_model(changes["noise"])
            if noise is not None:
                noise.readout_pairs(self.config.n_qubits)  # refuses pairs for another number of qubits
            ansatz = read_ansatz(changes["ansatz"], self.config.n_qubits)
            changes |= {"noise": None if noise is None else noise.to_dict(), "ansatz": write_ansatz(ansatz)}
        else:
            noise, ansatz = None, None
        config = self.config.with_changes(
            classifier=classifier,
            classifier_hidden_dim=hidden_dim,
            out_features=(1 if several else 2) if out_features is None else out_features,
            multitarget=several,
            frozen=tuple(part for part in self.config.frozen if part != "classifier"),
            temperature=1.0,
            seed=self.config.seed if seed is None else seed,
            **changes,
        )
        circuit = build_second_module(config, ansatz)
        # Nothing above changed the head: an argument that is refused leaves it as it was.
        if seed is not None:
            self._init_seed = check_int("seed", seed, minimum=0)
        self.config, self.circuit, self._noise, self._ansatz = config, circuit, noise, ansatz
        self._out_features_fixed = out_features is not None
        self._build_classifier()
        self.mark_untrained()
        return self._apply_frozen()

    # ---- the classifier's parameters ------------------------------------------------------------------------

    def _build_classifier(self) -> None:
        """Draw the second module's angles and the last layers, for `config`."""
        like = getattr(self, "circuit_weights", None)
        where: dict[str, Any] = {} if like is None else {"device": like.device, "dtype": like.dtype}
        if self.config.chosen_initialization == "identity":
            angles = identity_angles(self.config.n_qubits)
        else:
            angles = torch.empty(self.circuit.num_parameters)
            initialize_angles(angles, self.config.chosen_initialization, component_generator(self._init_seed, 1))
        self.circuit_weights = nn.Parameter(angles.to(**where))
        self._build_linear()

    def _build_linear(self) -> None:
        config = self.config
        where: dict[str, Any] = {"device": self.circuit_weights.device, "dtype": self.circuit_weights.dtype}
        width = config.n_measured
        self.hidden = None
        if config.classifier_hidden_dim is not None:
            self.hidden = nn.Linear(width, config.classifier_hidden_dim, **where)
            initialize_linear(self.hidden, component_generator(self._init_seed, 3))
            width = config.classifier_hidden_dim
        self.linear = None
        if config.final_linear:
            self.linear = nn.Linear(width, 1 if config.one_logit else config.out_features, **where)
            initialize_linear(self.linear, component_generator(self._init_seed, 2))
        if "classifier" in config.frozen:
            for layer in (self.hidden, self.linear):
                if layer is not None:
                    layer.requires_grad_(False)

    def to_logits(self, values: Tensor) -> Tensor:
        """Logits from what the classifier's last layers take, before the temperature.

        Args:
            values: Measured expectations, shape (batch, n_measured); with a classical classifier the latents.
        """
        if self.hidden is not None:
            values = torch.relu(self.hidden(values))
        if self.linear is not None:
            values = self.linear(values)
        config = self.config
        if config.one_logit or (self.linear is None and config.out_features == 2 and not config.multitarget):
            return torch.cat([-values[:, :1], values[:, :1]], dim=1)
        return values[:, : config.out_features]

    def fit_out_features(self, n_outputs: int) -> None:
        """Take the number of classes (or labels) from the data, unless it was given or the head has been trained.

        The last layer is drawn anew when the number changes.

        Raises:
            ValueError: The head has fewer outputs than the data, and may not change.
        """
        present = self.config.out_features
        if n_outputs == present or (self._out_features_fixed and n_outputs < present):
            return
        if self._out_features_fixed:
            raise ValueError(
                f"Argument `out_features` must be at least {n_outputs}, the number of classes in the labels, "
                f"but got {present} (given, or fixed when the head was trained: make a new head for more, or "
                "give this one a new classifier with replace_classifier)."
            )
        self.config = self.config.with_changes(out_features=max(n_outputs, 1 if self.config.multitarget else 2))
        self._build_linear()

    def fix_out_features(self) -> None:
        """Keep the number of outputs from now on: a training starts, which another last layer would throw away."""
        self._out_features_fixed = True
