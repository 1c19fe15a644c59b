"""Small classical heads with the head's contract, and embeddings that they can learn: fast stand-ins for training."""

import torch
from torch import Tensor, nn


class PlainHead(nn.Module):
    """The least that the loop asks of a head: `forward` and `get_loss_fn`, with lazy shapes and dropout."""

    def __init__(self, n_classes: int = 2, *, multitarget: bool = False, dropout: float = 0.2, seed: int = 0) -> None:
        super().__init__()
        self.multitarget = multitarget
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(dropout), nn.Linear(5, n_classes)
            )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.layers(x)
        return logits, logits.sigmoid() if self.multitarget else logits.softmax(-1)

    def get_loss_fn(self) -> nn.Module:
        return nn.BCEWithLogitsLoss() if self.multitarget else nn.CrossEntropyLoss()


class LinearHead(nn.Module):
    """A linear layer whose weights start at 0, so that its training can be computed by hand."""

    def __init__(self, width: int = 6, n_classes: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(width, n_classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.linear(x)
        return logits, logits.softmax(-1)

    def get_loss_fn(self) -> nn.Module:
        return nn.CrossEntropyLoss()


def make_blobs(
    n: int = 60, n_classes: int = 2, *, width: int = 6, spread: float = 1.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Embeddings (n, width) around one centre per class, and the class numbers (n,)."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.eye(n_classes, width)
    labels = torch.arange(n) % n_classes
    return centres[labels] + spread * torch.randn(n, width, generator=generator), labels


def weights_of(head: nn.Module) -> dict[str, Tensor]:
    """A copy of all tensors of the head."""
    return {name: tensor.clone() for name, tensor in head.state_dict().items()}


def assert_same_weights(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    """Equal to the bit."""
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def without_seconds(history: list[dict]) -> list[dict]:
    """The history without the times, which no two runs share."""
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in history]
