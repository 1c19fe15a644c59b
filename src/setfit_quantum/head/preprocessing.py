"""What happens to embeddings before they are encoded: centring, and a projection onto fewer numbers.

It is linear, knows no labels, and is fitted once, on the training embeddings. What it fitted is saved with the head and
counted by `num_fitted`, since a projection can hold far more numbers than the circuits have angles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from typing import Self

    from setfit_quantum.config import QuantumHeadConfig
    from setfit_quantum.head.head import SetFitQuantumHead

SHRINKAGE = 0.1
"""Share of the mean variance that `"whiten"` adds to each axis: what few samples hardly show is not blown up."""
_NEGLIGIBLE = 1e-6
"""Axes whose spread is below this share of the largest are rounding: there are no more axes than samples."""


class Preprocessor(nn.Module):
    """Embeddings scaled to norm 1, minus the training embeddings' mean, times a matrix.

    | `kind` | mean | matrix |
    |---|---|---|
    | `"center"` | fitted | none |
    | `"pca"` | fitted | fitted: the `projected_features` principal axes |
    | `"whiten"` | fitted | fitted: those axes, scaled to equal variance (`SHRINKAGE` of the mean variance is added) |
    | `"random"` | 0 | random orthonormal columns, drawn from the head's seed: nothing is fitted |

    Until it is fitted the mean is 0 and the matrix that of `"random"`. Where there are fewer axes than
    `projected_features`, the columns beyond them are 0: their amplitudes stay empty.

    Args:
        kind: One of the above.
        projected_features: Columns of the matrix; None with `"center"`.
        seed: Of the random matrix.
    """

    mean: Tensor
    matrix: Tensor
    fitted: Tensor

    def __init__(self, kind: str, projected_features: int | None, seed: int) -> None:
        super().__init__()
        self.kind = kind
        self.projected_features = projected_features
        self._seed = seed

    def build(self, in_features: int, like: Tensor) -> None:
        """Give mean and matrix their shapes for embeddings of `in_features` numbers; type and device are `like`'s."""
        self.register_buffer("mean", torch.zeros(in_features).to(like))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.int64, device=like.device))
        if self.projected_features is not None:
            rng = np.random.default_rng([self._seed, 4])
            columns, _ = np.linalg.qr(rng.standard_normal((in_features, self.projected_features)))
            self.register_buffer("matrix", torch.from_numpy(np.ascontiguousarray(columns)).to(like))

    @property
    def needs_fitting(self) -> bool:
        """Whether it waits for training embeddings."""
        return self.kind != "random" and not bool(self.fitted)

    def fit(self, embeddings: Tensor) -> None:
        """Take mean and axes from training embeddings, shape (n, in_features)."""
        scaled = _to_unit_norm(embeddings.detach().double().cpu())
        mean = scaled.mean(dim=0)
        self.mean.copy_(mean)
        if self.projected_features is not None:
            self.matrix.zero_()
            axes = _principal_axes(scaled - mean, self.projected_features, whiten=self.kind == "whiten")
            self.matrix[:, : axes.shape[1]] = axes.to(self.matrix)
        self.fitted.fill_(1)

    def num_fitted(self) -> int:
        """Numbers that were, or will be, fitted."""
        if self.kind == "random":
            return 0
        return self.mean.numel() + (0 if self.projected_features is None else self.matrix.numel())

    def forward(self, embeddings: Tensor) -> Tensor:
        """Shape (batch, projected_features), or (batch, in_features) with `"center"`."""
        scaled = _to_unit_norm(embeddings)
        if self.kind != "random":
            scaled = scaled - self.mean
        return scaled if self.projected_features is None else scaled @ self.matrix


class HeadPreprocessing(nn.Module):
    """A head's methods for its preprocessing."""

    config: QuantumHeadConfig
    preprocessor: Preprocessor | None

    def fit_preprocessing(self, embeddings: Tensor) -> Self:
        """Fit the preprocessing on training embeddings, unless it is fitted already or there is none.

        `train_head`, and so `SetFitModel.fit` and `QuantumHeadClassifier.fit`, call it before the first step. Later
        trainings keep what was fitted, since the circuits' angles belong to it.

        Args:
            embeddings: Shape (n, in_features).

        Returns:
            The head.

        Raises:
            ValueError: Embeddings of another width than the head was built for.
        """
        preprocessor = self.preprocessor
        if preprocessor is not None:
            cast("SetFitQuantumHead", self).build(int(embeddings.shape[1]))
            if preprocessor.needs_fitting:
                preprocessor.fit(embeddings)
        return self

    def num_fitted(self) -> int:
        """Numbers that preprocessing takes from the training embeddings, beside `num_parameters()` trained ones."""
        cast("SetFitQuantumHead", self).check_built()
        return 0 if self.preprocessor is None else self.preprocessor.num_fitted()


def _to_unit_norm(embeddings: Tensor) -> Tensor:
    """Rows of norm 1; a row of zeros stays. Scaled by its largest entry first: its square may under- or overflow."""
    largest = embeddings.detach().abs().amax(dim=1, keepdim=True)
    scaled = embeddings / torch.where(largest > 0, largest, 1.0)
    norms = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / torch.where(largest > 0, norms, 1.0)


def _principal_axes(centred: Tensor, projected_features: int, *, whiten: bool) -> Tensor:
    """Columns: the axes of largest variance, each with its largest entry positive, so that its sign is settled."""
    _, spreads, rows = torch.linalg.svd(centred, full_matrices=False)
    n_axes = min(projected_features, int((spreads > _NEGLIGIBLE * spreads[0]).sum()))
    axes: Tensor = rows[:n_axes].T
    spreads = spreads[:n_axes]
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    axes = axes * torch.where(largest < 0, -1.0, 1.0)
    if whiten:
        variances = spreads**2 / len(centred)
        axes = axes / (variances + SHRINKAGE * variances.mean()).sqrt()
    return axes.contiguous()
