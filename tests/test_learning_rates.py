"""Learning rates over the epochs, and how many epochs few samples get."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from setfit_quantum.training import CheckpointError, HeadTrainingArguments, train_head
from training_heads import LinearHead

X = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32))
Y = np.arange(20) % 2


def arguments(**settings: object) -> HeadTrainingArguments:
    return HeadTrainingArguments(**({"show_progress_bar": False, "batch_size": 8} | settings))


def test_cosine_falls_to_zero_along_half_a_cosine() -> None:
    result = train_head(LinearHead(), X, Y, arguments(num_epochs=8, learning_rate=0.1, lr_schedule="cosine"))
    rates = [entry["learning_rate"] for entry in result.history]
    assert rates == pytest.approx([0.05 * (1 + math.cos(math.pi * epoch / 8)) for epoch in range(8)])


def test_decay_and_cosine_multiply() -> None:
    settings = {"num_epochs": 4, "learning_rate": 1e-3, "lr_schedule": "cosine"}
    plain, decayed = (train_head(LinearHead(), X, Y, arguments(lr_decay=d, **settings)).history for d in (1.0, 0.5))
    for epoch in range(4):
        assert decayed[epoch]["learning_rate"] == pytest.approx(plain[epoch]["learning_rate"] * 0.5**epoch)


@pytest.mark.parametrize(("min_steps", "epochs"), [(None, 4), (5, 4), (13, 5), (30, 10)])
def test_few_samples_get_more_epochs(min_steps: int | None, epochs: int) -> None:
    result = train_head(LinearHead(), X, Y, arguments(num_epochs=4, min_steps=min_steps))  # 3 steps an epoch
    assert result.epochs_run == epochs


def test_the_cosine_spans_the_added_epochs_too() -> None:
    result = train_head(LinearHead(), X, Y, arguments(num_epochs=1, min_steps=30, lr_schedule="cosine"))
    assert result.history[5]["learning_rate"] == pytest.approx(0.5 * result.history[0]["learning_rate"])


def test_a_cosine_training_cannot_be_prolonged(tmp_path: Path) -> None:
    settings = {"checkpoint_dir": tmp_path, "lr_schedule": "cosine"}
    train_head(LinearHead(), X, Y, arguments(num_epochs=2, **settings))
    with pytest.raises(CheckpointError, match="num_epochs was 2, is 3"):
        train_head(LinearHead(), X, Y, arguments(num_epochs=3, **settings))
    prolonged = train_head(LinearHead(), X, Y, arguments(num_epochs=3, checkpoint_dir=tmp_path, resume=False))
    assert prolonged.epochs_run == 3


def test_an_interrupted_cosine_training_goes_on_exactly(tmp_path: Path) -> None:
    settings = {"num_epochs": 6, "lr_schedule": "cosine"}
    torch.manual_seed(0)
    whole, torn = LinearHead(), LinearHead()
    torn.load_state_dict(whole.state_dict())
    train_head(whole, X, Y, arguments(**settings))

    class Stop:
        def on_epoch_end(self, head: object, state: object) -> bool:
            return state.epoch == 3

    train_head(torn, X, Y, arguments(checkpoint_dir=tmp_path, **settings), callbacks=[Stop()])
    train_head(torn, X, Y, arguments(checkpoint_dir=tmp_path, **settings))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), torn.parameters(), strict=True))


@pytest.mark.parametrize("settings", [{"lr_schedule": "linear"}, {"min_steps": 0}, {"min_steps": 1.5}])
def test_settings_are_checked(settings: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError), match=f"Argument `{next(iter(settings))}` must"):
        arguments(**settings)
