"""Training body and head together, by the same loop that trains a head alone.

The loop sees one module and a matrix of "embeddings". Here each row of that matrix names a text, and the module turns
the named texts into embeddings with the body (in training mode while it trains) before it calls the head. So
validation, model selection, early stopping, checkpoints and exact resume are the loop's own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from setfit_quantum.checks import check_float
from setfit_quantum.model.body import embedding_width
from setfit_quantum.model.inputs import describe_input, embed
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingResult, train_head
from setfit_quantum.training.optimizers import build_named_optimizer

if TYPE_CHECKING:
    from setfit_quantum.model.setfit_model import SetFitModel

BODY_LEARNING_RATE = 1e-5
"""SetFit's own default for the body in this phase."""

_EVAL_BATCH = 32
_EXACT = 2**24
"""Whole numbers below this are exact in float32."""


def train_end_to_end(
    model: SetFitModel,
    texts: Sequence[Any],
    labels: Any,
    arguments: HeadTrainingArguments,
    *,
    eval_texts: Sequence[Any] | None = None,
    eval_labels: Any = None,
    label_names: Sequence[str] | None = None,
    body_learning_rate: float | None = None,
    callbacks: Iterable[Any] = (),
) -> HeadTrainingResult:
    """Train body and head together; a frozen body stays frozen. Arguments as for `train_head`.

    Args:
        model: The model, trained in place.
        texts: One per label.
        labels: Labels of the texts.
        arguments: Settings; `learning_rate` is the head's.
        eval_texts: Validation texts.
        eval_labels: Their labels.
        label_names: Names of the classes by number.
        body_learning_rate: The body's learning rate; None: 1e-5.
        callbacks: Callbacks of head training.

    Raises:
        ValueError: A custom `optimizer`, which cannot be told of two learning rates, or `final_layer="lda"`.
    """
    if callable(arguments.optimizer):
        raise ValueError("Argument `optimizer` must be a name with end_to_end=True, but got a callable.")
    if arguments.final_layer == "lda":
        raise ValueError("Argument `final_layer` must be 'trained' or None with end_to_end=True, but got 'lda'.")
    rate = BODY_LEARNING_RATE if body_learning_rate is None else check_float("body_learning_rate", body_learning_rate)
    if rate <= 0:
        raise ValueError(f"Argument `body_learning_rate` must be greater than 0, but got {rate}.")
    module = BodyAndHead(model, [*texts, *(eval_texts or ())])
    return train_head(
        module,
        module.rows(0, len(texts)),
        labels,
        arguments.with_changes(optimizer=_TwoRates(module, arguments, rate), momentum=0.0),
        eval_embeddings=None if eval_texts is None else module.rows(len(texts), len(texts) + len(eval_texts)),
        eval_labels=eval_labels,
        label_names=label_names,
        callbacks=callbacks,
    )


class BodyAndHead(nn.Module):
    """Body and head as one module whose input rows name texts."""

    def __init__(self, model: SetFitModel, texts: Sequence[Any]) -> None:
        super().__init__()
        if len(texts) >= _EXACT:
            raise ValueError(f"Argument `x_train` must hold fewer than {_EXACT} texts, but got {len(texts)}.")
        width = embedding_width(model.model_body)
        if hasattr(model.model_head, "build") and width is not None:
            model.model_head.build(width)
        # The head first: its type and device are what the loop takes for the module's own.
        self.head = model.model_head
        self.body = model.model_body
        self._normalize = model.normalize_embeddings
        self._modality = model.modality
        self._texts = list(texts)

    def train(self, mode: bool = True) -> BodyAndHead:
        """Set the mode; a body that is frozen as a whole stays in evaluation mode, so that its dropout is off."""
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.body.parameters()):
            self.body.eval()
        return self

    def noisy_amplitudes(self) -> AbstractContextManager[None]:
        """Noise that the head adds in steps of training."""
        add: Any = getattr(self.head, "noisy_amplitudes", nullcontext)
        noise: AbstractContextManager[None] = add()
        return noise

    def rows(self, start: int, end: int) -> Tensor:
        """Names of texts, shape (end - start, 2): number, and a checksum so that a checkpoint knows its texts."""
        described = [describe_input(text, self._modality) for text in self._texts[start:end]]
        sums = [zlib.crc32(text.encode(errors="surrogatepass")) % _EXACT for text in described]
        return torch.stack([torch.arange(start, end).double(), torch.tensor(sums).double()], dim=1)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and probabilities of the texts that `rows` name."""
        logits, probs = self.head(self._embed(rows))
        return logits, probs

    def _embed(self, rows: Tensor) -> Tensor:
        texts = [self._texts[number] for number in rows[:, 0].round().long().tolist()]
        # In evaluation the loop hands over all rows at once, which is too much for a body.
        size = len(texts) if self.training else _EVAL_BATCH
        parts = [
            embed(self.body, texts[start : start + size], self._modality, normalize=self._normalize)
            for start in range(0, len(texts), size)
        ]
        return torch.cat(parts)

    def get_loss_fn(self) -> nn.Module:
        """The head's own loss."""
        loss: nn.Module = self.head.get_loss_fn()
        return loss

    def fit_out_features(self, n_outputs: int) -> None:
        """Tell the head the number of classes."""
        if hasattr(self.head, "fit_out_features"):
            self.head.fit_out_features(n_outputs)

    def fit_preprocessing(self, rows: Tensor) -> None:
        """Fit the head's preprocessing, where it has one, on the embeddings that the body gives before training."""
        preprocessor = getattr(self.head, "preprocessor", None)
        if preprocessor is not None and preprocessor.needs_fitting:
            training = self.training
            self.eval()
            with torch.no_grad():
                self.head.fit_preprocessing(self._embed(rows))
            self.train(training)

    def fix_out_features(self) -> None:
        """Tell the head that its training starts."""
        if hasattr(self.head, "fix_out_features"):
            self.head.fix_out_features()

    @property
    def multitarget(self) -> bool:
        """Whether the head gives several labels per text."""
        return bool(getattr(self.head, "multitarget", False))

    @property
    def out_features(self) -> int | None:
        """The head's number of outputs."""
        return getattr(self.head, "out_features", None)

    @property
    def temperature(self) -> Any:
        """What the head's logits are divided by; None for a head without a temperature."""
        return getattr(self.head, "temperature", None)

    @temperature.setter
    def temperature(self, value: float) -> None:
        self.head.temperature = value  # type: ignore[assignment]

    @property
    def config(self) -> Any:
        """The head's settings, by which a checkpoint knows its training."""
        return getattr(self.head, "config", None)

    def rng_state(self) -> Any:
        """State of the head's generator of shots and noise."""
        return self.head.rng_state() if hasattr(self.head, "rng_state") else None

    def set_rng_state(self, state: Any) -> None:
        """Put back what `rng_state` returned."""
        if state is not None:
            self.head.set_rng_state(state)


class _TwoRates:
    """Makes the optimizer: one group for the head, one for the body, of whatever is not frozen."""

    def __init__(self, module: BodyAndHead, arguments: HeadTrainingArguments, body_learning_rate: float) -> None:
        self._module = module
        self._arguments = arguments
        self._body_rate = body_learning_rate
        # What a checkpoint remembers of a callable optimizer is its name.
        momentum = f", momentum {arguments.momentum}" if arguments.momentum else ""
        self.__qualname__ = f"{arguments.optimizer} (body {body_learning_rate}{momentum})"

    def __call__(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        groups = [
            {"params": [parameter for parameter in part.parameters() if parameter.requires_grad], "lr": rate}
            for part, rate in ((self._module.head, self._arguments.learning_rate), (self._module.body, self._body_rate))
        ]
        return build_named_optimizer([group for group in groups if group["params"]], self._arguments)
