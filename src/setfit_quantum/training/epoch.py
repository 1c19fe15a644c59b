"""One pass over the training data, and one over the validation data."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from setfit_quantum.training.arguments import HeadTrainingArguments
from setfit_quantum.training.data import LabelledEmbeddings
from setfit_quantum.training.losses import Criterion
from setfit_quantum.training.metrics import predicted_classes, targets_to_numpy
from setfit_quantum.training.result import TrainingDivergedError

MetricFunction = Callable[[np.ndarray, np.ndarray], float] | None


class EpochRunner:
    """Runs epochs of mini-batches in a seeded order; nothing is read back from the device within an epoch."""

    def __init__(
        self,
        head: nn.Module,
        data: LabelledEmbeddings,
        optimizer: torch.optim.Optimizer,
        criterion: Criterion,
        metric: MetricFunction,
        arguments: HeadTrainingArguments,
    ) -> None:
        self.generator = torch.Generator().manual_seed(arguments.seed)
        self._head = head
        self.data = data
        self._optimizer = optimizer
        self._criterion = criterion
        self._metric = metric
        # Noise that a head adds in training is part of these steps (and of a closed-form last layer), of no other call.
        self._noisy: Callable[[], AbstractContextManager[None]] = getattr(head, "noisy_amplitudes", nullcontext)
        self._max_norm = arguments.max_grad_norm
        self._parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._sizes = batch_sizes(len(data), arguments.batch_size, normalised=_has_batch_norm(head))

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return len(self._sizes)

    def run(self, epoch: int, on_step: Callable[[], Any]) -> tuple[float, float | None]:
        """Train one epoch.

        Args:
            epoch: Its number, for error messages.
            on_step: Called after each step.

        Returns:
            Mean loss and metric over the epoch's steps, each step with the weights it began with.

        Raises:
            TrainingDivergedError: Naming the step whose loss was not finite, or the weight that is not.
        """
        head, data = self._head, self.data
        head.train()
        order = torch.randperm(len(data), generator=self.generator).to(data.targets.device)
        losses: list[Tensor] = []
        outputs: list[Tensor] = []
        for rows in torch.split(order, self._sizes):
            self._optimizer.zero_grad(set_to_none=True)
            with self._noisy():
                logits, _ = head(data.embeddings[rows])
            loss = self._criterion(logits, data.targets[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            if self._max_norm is not None:
                nn.utils.clip_grad_norm_(self._parameters, self._max_norm)
            self._optimizer.step()
            losses.append(loss.detach())
            outputs.append(logits.detach())
            on_step()
        mean = self._mean_loss(torch.stack(losses).double().cpu(), epoch)
        if self._metric is None:
            return mean, None
        multitarget = data.targets.ndim == 2
        predictions = predicted_classes(torch.cat(outputs), multitarget=multitarget)
        return mean, self._metric(targets_to_numpy(data.targets[order]), predictions)

    def _mean_loss(self, losses: Tensor, epoch: int) -> float:
        finite = torch.isfinite(losses)
        if not finite.all():
            step = int((~finite).int().argmax())
            raise TrainingDivergedError(
                f"The training loss became {losses[step].item()} in epoch {epoch}, step {step + 1} of {self.steps}. "
                "The head was put back to its last good weights. Try a lower learning_rate, or max_grad_norm=1.0."
            )
        for name, parameter in self._head.named_parameters():
            if not torch.isfinite(parameter).all():
                raise TrainingDivergedError(
                    f"The weight `{name}` became NaN or infinite in epoch {epoch}. The head was put back to its last "
                    "good weights. Try a lower learning_rate, or max_grad_norm=1.0."
                )
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        return float((losses * sizes).sum() / sizes.sum())


def evaluate(
    head: nn.Module, data: LabelledEmbeddings, criterion: Criterion, metric: MetricFunction
) -> tuple[float, float]:
    """Loss and metric on `data` in evaluation mode; the metric is the loss where `metric` is None.

    Raises:
        TrainingDivergedError: The loss is not finite.
    """
    head.eval()
    with torch.no_grad():
        # In one call: a head splits large data itself, with one stream of shots for all of it.
        logits, _ = head(data.embeddings)
        loss = float(criterion(logits, data.targets))
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            f"The validation loss became {loss}. The head was put back to its last good weights. "
            "Try a lower learning_rate, or max_grad_norm=1.0."
        )
    if metric is None:
        return loss, loss
    predictions = predicted_classes(logits, multitarget=data.targets.ndim == 2)
    return loss, metric(targets_to_numpy(data.targets), predictions)


def batch_sizes(n_samples: int, batch_size: int, *, normalised: bool) -> list[int]:
    """Sizes of an epoch's batches, the last one smaller where they do not divide evenly.

    Args:
        n_samples: Samples of the epoch.
        batch_size: Samples per batch.
        normalised: Whether the head has batch normalisation, which cannot train on a single sample: a last batch
            of one then joins the one before it.

    Raises:
        ValueError: Batches of one sample for a head with batch normalisation.
    """
    full, rest = divmod(n_samples, batch_size)
    sizes = [batch_size] * full + [rest] * (rest > 0)
    if normalised and sizes[-1] == 1:
        if batch_size == 1 or len(sizes) == 1:
            raise ValueError(
                "Argument `batch_size` must be at least 2 for a head with batch normalisation, and so must the "
                f"number of samples, but got batch_size={batch_size} and {n_samples} samples."
            )
        sizes[-2:] = [batch_size + 1]
    return sizes


def _has_batch_norm(head: nn.Module) -> bool:
    return any(isinstance(module, _BatchNorm) for module in head.modules())
