"""`ClassicalHead`: a linear softmax or MLP head with SetFit's head interface."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from setfit_quantum.checks import check_bool, check_float, check_int
from setfit_quantum.head.encoders import component_generator, initialize_linear
from setfit_quantum.head.loss import CheckedLoss


class ClassicalHead(nn.Module):
    """A classical head that is trained and called exactly as a quantum head is.

    Without a hidden layer it is the linear softmax head (the paper's "MLP head, 0 hidden"); with one, ReLU stands
    between the two layers (the paper does not print its activation).

    Args:
        in_features: Width of the embedding; None: taken from the first batch.
        out_features: Number of classes or labels; None: 2 until labels are seen, then theirs.
        hidden_dim: Width of the hidden layer; None or 0: none.
        batch_norm: Whether the hidden layer is normalised by batch, before its activation.
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
            self._create_layers()

    def fix_out_features(self) -> None:
        """Keep the number of outputs from now on: a training starts, which another last layer would throw away."""
        self._out_features_fixed = True

    def _create_layers(self) -> None:
        assert self.in_features is not None
        assert self._init_seed is not None
        widths = [self.in_features, *([self.hidden_dim] if self.hidden_dim else []), self.out_features]
        layers: list[nn.Module] = []
        for index, (width, following) in enumerate(pairwise(widths)):
            linear = nn.Linear(width, following)
            initialize_linear(linear, component_generator(self._init_seed, index))
            layers.append(linear)
            if index < len(widths) - 2:
                layers += [nn.BatchNorm1d(following)] if self.batch_norm else []
                layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers).to(self.device).train(self.training)

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
        assert self.layers is not None
        logits = self.layers(x) / (temperature or self.temperature)
        probs = torch.sigmoid(logits) if self.multitarget else torch.softmax(logits, dim=-1)
        if isinstance(features, dict):
            features.update({"logits": logits, "probs": probs})
            return features
        return logits, probs

    def predict_proba(self, x_test: Tensor) -> Tensor:
        """Probabilities in evaluation mode, shape (batch, out_features)."""
        self.eval()
        probs: Tensor = self(x_test)[1]
        return probs

    def predict(self, x_test: Tensor) -> Tensor:
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
