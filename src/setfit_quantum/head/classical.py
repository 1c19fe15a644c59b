"""`ClassicalHead`: a linear softmax or MLP head with SetFit's head interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from setfit_quantum.checks import check_bool, check_choice, check_float, check_int
from setfit_quantum.config import PARTS
from setfit_quantum.head.encoders import component_generator, initialize_linear
from setfit_quantum.head.loss import CheckedLoss
from setfit_quantum.head.transfer import TransferKind
from setfit_quantum.head.untrained import TrainingMark

if TYPE_CHECKING:
    from typing import Self


class ClassicalHead(TrainingMark):
    """A classical head that is trained and called exactly as a quantum head is.

    Without a hidden layer it is the linear softmax head (the paper's "MLP head, 0 hidden"); with one, ReLU stands
    between the two layers (the paper does not print its activation).

    Args:
        in_features: Width of the embedding; None: taken from the first batch.
        out_features: Number of classes or labels; None: 2 until labels are seen, then theirs.
        hidden_dim: Width of the hidden layer; None or 0: none.
        batch_norm: Whether the hidden layer is normalised by batch, before its activation.
        classifier_hidden_dim: Width of a further hidden layer, of the classifier on top of the first one (the encoder)
            that `replace_classifier("mlp")` makes; None: none.
        frozen: Parts that do not train: `"encoder"` (the first hidden layer), `"classifier"` (what follows).
        multitarget: Whether labels are independent (sigmoid) instead of exclusive (softmax).
        temperature: Divides the logits.
        device: Where the parameters live.
        seed: Seed of the initial weights; None draws one.

    Raises:
        TypeError, ValueError: Naming the argument, its value and what is allowed.

    Source: arXiv 2504.08732, Table II.
    """

    def __init__(
        self,
        in_features: int | None = None,
        out_features: int | None = None,
        *,
        hidden_dim: int | None = None,
        batch_norm: bool = False,
        classifier_hidden_dim: int | None = None,
        frozen: Sequence[str] = (),
        multitarget: bool = False,
        temperature: float = 1.0,
        device: torch.device | str | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.multitarget = check_bool("multitarget", multitarget)
        self._out_features_fixed = out_features is not None
        lowest = 1 if multitarget else 2
        self.out_features = lowest if out_features is None else check_int("out_features", out_features, minimum=lowest)
        self.hidden_dim = None if hidden_dim is None else check_int("hidden_dim", hidden_dim, minimum=0) or None
        self.batch_norm = check_bool("batch_norm", batch_norm)
        if batch_norm and self.hidden_dim is None:
            raise ValueError(f"Argument `batch_norm` needs a hidden layer, but hidden_dim is {hidden_dim!r}.")
        self.classifier_hidden_dim = (
            None
            if classifier_hidden_dim is None
            else check_int("classifier_hidden_dim", classifier_hidden_dim, minimum=1)
        )
        self.frozen = self._check_frozen(tuple(frozen))
        self.temperature = check_float("temperature", temperature)
        if self.temperature <= 0:
            raise ValueError(f"Argument `temperature` must be greater than 0, but got {temperature!r}.")
        self.seed = None if seed is None else check_int("seed", seed, minimum=0)
        self._init_seed = int(torch.randint(2**31, ())) if seed is None else self.seed
        self.in_features: int | None = None
        self.layers: nn.Sequential | None = None
        # Says where the head is while it has no parameters yet.
        self.register_buffer("_placement", torch.empty(0, device=device), persistent=False)
        if in_features is not None:
            self.build(in_features)

    @property
    def is_built(self) -> bool:
        """Whether the width of the embedding is known and all parameters have their shapes."""
        return self.layers is not None

    def build(self, in_features: int) -> None:
        """Create the layers for embeddings of `in_features` numbers.

        Raises:
            ValueError: The head was built for another width.
        """
        if self.is_built:
            if in_features != self.in_features:
                raise ValueError(
                    f"Argument `in_features` must be {self.in_features}, the width this head was built for, "
                    f"but got {in_features}."
                )
            return
        self.in_features = check_int("in_features", in_features, minimum=1)
        self._create_layers()

    def fit_out_features(self, n_outputs: int) -> None:
        """Take the number of classes (or labels) from the data, unless it was given or the head has been trained.

        Raises:
            ValueError: The head has fewer outputs than the data, and may not change.
        """
        if n_outputs == self.out_features or (self._out_features_fixed and n_outputs < self.out_features):
            return
        if self._out_features_fixed:
            raise ValueError(
                f"Argument `out_features` must be at least {n_outputs}, the number of classes in the labels, "
                f"but got {self.out_features} (given, or fixed when the head was trained: make a new head for more)."
            )
        self.out_features = max(n_outputs, 1 if self.multitarget else 2)
        if self.is_built:
            self.layers = nn.Sequential(*self.encoder, *self._classifier_layers()).to(self.device)
            self._apply_frozen()

    def fix_out_features(self) -> None:
        """Keep the number of outputs from now on: a training starts, which another last layer would throw away."""
        self._out_features_fixed = True

    def _create_layers(self) -> None:
        assert self.in_features is not None
        layers: list[nn.Module] = []
        if self.hidden_dim:
            layers.append(self._linear(self.in_features, self.hidden_dim, 0))
            layers += [nn.BatchNorm1d(self.hidden_dim)] if self.batch_norm else []
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers, *self._classifier_layers()).to(self.device)
        self._apply_frozen()

    def _classifier_layers(self) -> list[nn.Module]:
        width = self.hidden_dim or self.in_features
        assert width is not None
        number = 1 if self.hidden_dim else 0
        if self.classifier_hidden_dim is None:
            return [self._linear(width, self.out_features, number)]
        first = self._linear(width, self.classifier_hidden_dim, number)
        return [first, nn.ReLU(), self._linear(self.classifier_hidden_dim, self.out_features, number + 1)]

    def _linear(self, width: int, following: int, number: int) -> nn.Linear:
        assert self._init_seed is not None
        linear = nn.Linear(width, following)
        initialize_linear(linear, component_generator(self._init_seed, number))
        return linear

    @property
    def encoder(self) -> nn.Sequential:
        """The first hidden layer with what belongs to it; empty where there is none, or no width yet."""
        n_classifier = 1 if self.classifier_hidden_dim is None else 3
        return nn.Sequential() if self.layers is None else self.layers[:-n_classifier]

    def latents(self, x: Tensor) -> Tensor:
        """What the encoder makes of embeddings `x`, shape (batch, hidden_dim); `x` itself without a hidden layer."""
        self.build(int(x.shape[1]))
        hidden: Tensor = self.encoder(x)
        return hidden

    # ---- transfer -------------------------------------------------------------------------------------------

    @property
    def transfer_kind(self) -> TransferKind:
        """Always CC: see `TransferKind`."""
        return TransferKind.CC

    def freeze(self, part: str = "encoder") -> Self:
        """Keep `"encoder"` (the hidden layer) or `"classifier"` as it is while the head trains.

        Raises:
            ValueError: Another part, or no hidden layer to freeze.
        """
        self.frozen = self._check_frozen((*self.frozen, check_choice("part", part, PARTS)))
        return self._apply_frozen()

    def unfreeze(self, part: str | None = None) -> Self:
        """Let a part train again; None: both."""
        if part is not None:
            check_choice("part", part, PARTS)
        self.frozen = () if part is None else tuple(one for one in self.frozen if one != part)
        return self._apply_frozen()

    def _check_frozen(self, frozen: tuple[str, ...]) -> tuple[str, ...]:
        for part in frozen:
            check_choice("frozen", part, PARTS)
        if "encoder" in frozen and self.hidden_dim is None:
            raise ValueError("Argument `frozen='encoder'` needs a hidden layer, but hidden_dim is None.")
        return tuple(part for part in PARTS if part in frozen)

    def _apply_frozen(self) -> Self:
        if self.layers is not None:
            self.layers.requires_grad_("classifier" not in self.frozen)
            self.encoder.requires_grad_("encoder" not in self.frozen)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a frozen encoder stays in evaluation mode, so that its batch statistics do not change."""
        super().train(mode)
        if "encoder" in self.frozen:
            self.encoder.eval()
        return self

    def replace_classifier(
        self,
        classifier: str = "linear",
        *,
        out_features: int | None = None,
        hidden_dim: int | None = None,
        multitarget: bool | None = None,
        seed: int | None = None,
    ) -> Self:
        """Put a new, untrained classifier on the hidden layer, in place: for another task, with other classes.

        Args:
            classifier: `"linear"` or `"mlp"`. A circuit on a classical encoder is a `QuantumHead` with
                `encoder="linear"` or `"mlp"`.
            out_features: Number of classes or labels; None: taken from the labels.
            hidden_dim: Hidden width of `"mlp"`.
            multitarget: Whether labels are independent; None: as now.
            seed: Seed of the new weights; None: as now.

        Returns:
            The head.

        Raises:
            TypeError, ValueError: Naming the argument, its value and what is allowed.
        """
        if classifier == "quantum":
            raise ValueError(
                "Argument `classifier` must be 'linear' or 'mlp' for a ClassicalHead, but got 'quantum'; a classical "
                "encoder that a circuit can follow is QuantumHead(encoder='mlp', encoder_hidden_dim=...)."
            )
        check_choice("classifier", classifier, ("linear", "mlp"))
        if (classifier == "mlp") != (hidden_dim is not None):
            raise ValueError(
                f"Argument `hidden_dim` must be given with classifier='mlp' and only then, but got {hidden_dim!r} with "
                f"{classifier!r}."
            )
        several = self.multitarget if multitarget is None else check_bool("multitarget", multitarget)
        least = 1 if several else 2
        outputs = least if out_features is None else check_int("out_features", out_features, minimum=least)
        width = None if hidden_dim is None else check_int("hidden_dim", hidden_dim, minimum=1)
        if seed is not None:
            self.seed = self._init_seed = check_int("seed", seed, minimum=0)
        encoder = self.encoder
        self.multitarget, self.out_features, self.classifier_hidden_dim = several, outputs, width
        self.temperature = 1.0
        self._out_features_fixed = out_features is not None
        self.frozen = tuple(part for part in self.frozen if part != "classifier")
        if self.is_built:
            self.layers = nn.Sequential(*encoder, *self._classifier_layers()).to(self.device)
        self.mark_untrained()
        return self._apply_frozen()

    # ---- the interface of SetFit's heads ----------------------------------------------------------------------

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
            ValueError: Embeddings of the wrong width.
        """
        x = features["sentence_embedding"] if isinstance(features, dict) else features
        if x.ndim != 2:
            raise ValueError(f"Argument `x` must have shape (batch, in_features), but got {tuple(x.shape)}.")
        self.build(int(x.shape[1]))
        self.note_forward()
        assert self.layers is not None
        temperature = self.temperature if temperature is None else temperature
        if temperature <= 0:
            raise ValueError(f"Argument `temperature` must be greater than 0, but got {temperature!r}.")
        logits = self.layers(x) / temperature
        probs = torch.sigmoid(logits) if self.multitarget else torch.softmax(logits, dim=-1)
        if isinstance(features, dict):
            features.update({"logits": logits, "probs": probs})
            return features
        return logits, probs

    def predict_proba(self, x_test: Tensor | np.ndarray) -> Tensor:
        """Probabilities in evaluation mode and without gradients, shape (batch, out_features)."""
        self.eval()
        self.warn_if_untrained()
        with torch.no_grad():
            probs: Tensor = self(torch.as_tensor(x_test, device=self.device).float())[1]
            return probs

    def predict(self, x_test: Tensor | np.ndarray) -> Tensor:
        """Class numbers of shape (batch,), or 0/1 of shape (batch, out_features) with `multitarget`."""
        probs = self.predict_proba(x_test)
        return (probs >= 0.5).long() if self.multitarget else probs.argmax(dim=-1)

    def get_loss_fn(self) -> nn.Module:
        """Cross-entropy, or binary cross-entropy with `multitarget`."""
        return CheckedLoss(self.out_features, self.multitarget)

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        placement: Any = self._placement
        return torch.device(placement.device)

    def num_parameters(self) -> int:
        """Number of trainable parameters, those of batch normalisation included.

        Raises:
            ValueError: The width of the embedding is not known yet.
        """
        if not self.is_built:
            raise ValueError("Argument `in_features` must be given, or a first batch seen, before this can be told.")
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    # ---- files --------------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """The arguments that make a head of this shape, JSON-ready."""
        names = (
            "in_features", "out_features", "hidden_dim", "batch_norm", "classifier_hidden_dim", "multitarget",
            "temperature", "seed",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"frozen": list(self.frozen)}

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write the head alone (settings and weights) into a folder, atomically."""
        from setfit_quantum.serialization.classical_head_files import save_classical_head

        save_classical_head(self, save_directory)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> ClassicalHead:
        """Load a head from a folder or a Hub repository; arguments as of `QuantumHead.from_pretrained`."""
        from setfit_quantum.serialization.classical_head_files import load_classical_head

        return load_classical_head(pretrained_model_name_or_path, **kwargs)
