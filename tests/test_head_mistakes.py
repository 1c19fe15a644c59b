"""Mistakes that would pass in silence: settings that do not exist, predictions of heads that were never trained."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from setfit_quantum import QuantumHead
from setfit_quantum.head import ClassicalHead
from setfit_quantum.head.encoders import prepare_amplitudes
from setfit_quantum.training import HeadTrainingArguments, train_head

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
Y = [0, 1] * 3


def make_head(**settings: Any) -> QuantumHead:
    small: dict[str, Any] = {"n_qubits": 2, "encoder_layers": 1, "seed": 1, "backend": "torch"}
    return QuantumHead(4, **(small | settings))


# ---- settings that do not exist -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("n_shots", "`shots`?"),
        ("num_shots", "`shots`?"),
        ("shot", "`shots`?"),
        ("noise_model", "`noise`?"),
        ("noises", "`noise`?"),
        ("samplers", "`sampler`?"),
        ("n_trajectory", "`n_trajectories`?"),
        ("renormalize", "`renormalise`?"),
        ("back_end", "`backend`?"),
        ("temprature", "`temperature`?"),
        ("n_qubit", "`n_qubits`, which cannot be changed afterwards?"),
        ("num_classes", "`out_features`, which cannot be changed afterwards?"),
    ],
)
def test_near_misses_name_the_setting(name: str, meant: str) -> None:
    head = make_head()
    with pytest.raises(AttributeError, match=f"has no setting `{name}`; did you mean {meant[:-1]}") as caught:
        setattr(head, name, 5)
    assert str(caught.value).endswith(meant)
    assert not hasattr(head, name)


def test_other_attributes_are_the_users() -> None:
    head = make_head()
    for name in ("name", "labels", "notes", "_shot", "device_name", "is_best", "epoch"):
        setattr(head, name, 5)
        assert getattr(head, name) == 5
    head.classifiers_of_mine = nn.Linear(2, 2)
    copied = copy.deepcopy(head)
    assert copied.notes == 5
    head.shots = 7
    assert (head.shots, copied.shots) == (7, None)


# ---- heads that were never trained ----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [make_head, lambda: ClassicalHead(4, seed=0)])
def test_an_untrained_head_warns_once(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    head = make()
    head.predict(X)
    assert caplog.text.count("has not been trained") == 1
    assert type(head).__name__ in caplog.text
    head.predict_proba(X)
    assert caplog.text.count("has not been trained") == 1


@pytest.mark.parametrize("make", [make_head, lambda: ClassicalHead(4, seed=0)])
def test_a_trained_head_does_not(make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    by_us, by_others, by_state = make(), make(), make()
    train_head(by_us, X, Y, HeadTrainingArguments(num_epochs=1, show_progress_bar=False))
    by_others.train()
    by_others(X)[0].sum().backward()
    by_state.load_state_dict(by_us.state_dict())
    by_us.save_pretrained(tmp_path)
    for head in (by_us, by_others, by_state, type(by_us).from_pretrained(tmp_path), copy.deepcopy(by_us)):
        head.predict(X)
    assert "has not been trained" not in caplog.text
    by_us.replace_classifier("linear").predict(X)  # new weights
    assert caplog.text.count("has not been trained") == 1


def test_a_pass_without_gradients_is_no_training(caplog: pytest.LogCaptureFixture) -> None:
    head = make_head().train()
    with torch.no_grad():
        head(X)
    head.predict(X)
    assert "has not been trained" in caplog.text


# ---- embeddings that are very small or very large -------------------------------------------------------------------


@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize("factor", [1e-37, 1e-23, 1e-20, 1e-10, 1e30, 1e37])
def test_the_norm_of_an_embedding_does_not_matter(factor: float, bias: float) -> None:
    expected = prepare_amplitudes(X, bias)
    assert torch.allclose(prepare_amplitudes(X * factor, bias), expected, atol=1e-7)
    # Other rows of the batch stay exactly as they were.
    assert torch.equal(prepare_amplitudes(torch.cat([X, X[:1] * factor]), bias)[:-1], expected)
    assert make_head(amplitude_bias=bias).predict_proba(X * factor).isfinite().all()


def test_only_zero_rows_are_zero() -> None:
    rows = torch.tensor([[0.0, 0.0], [1e-44, 0.0]])
    with pytest.raises(ValueError, match="row 0 is 0"):
        prepare_amplitudes(rows, 0.0)
    assert torch.equal(prepare_amplitudes(rows[1:], 0.0), torch.tensor([[1.0, 0.0]]))
    assert torch.equal(prepare_amplitudes(rows, 1.0)[0], torch.tensor([0.0, 0.0, 1.0]))


def test_gradients_of_scaled_rows() -> None:
    x = X[:2].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: prepare_amplitudes(x * 1e-30, 1.0), (x,))
