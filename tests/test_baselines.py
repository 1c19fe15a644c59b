"""Classical heads: the paper's parameter counts, SetFit's head interface, selection by validation."""

import copy

import numpy as np
import pytest
import torch
from setfit import SetFitHead
from setfit import SetFitModel as VanillaSetFitModel

from setfit_quantum.baselines import (
    ClassicalHead,
    count_parameters,
    fit_logistic_regression,
    tune_logistic_regression,
)


def _clusters(n, d, k, seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    return (np.eye(k, d)[labels] + spread * rng.normal(size=(n, d))).astype(np.float32), labels


@pytest.mark.parametrize(
    ("hidden_dim", "expected"), [(0, 1538), (None, 1538), (48, 37010), (96, 74018), (144, 111026), (192, 148034)]
)
def test_mlp_heads_have_the_papers_parameter_counts(hidden_dim, expected):
    assert ClassicalHead(768, 2, hidden_dim=hidden_dim).num_parameters() == expected


def test_logistic_regression_has_the_papers_parameter_count():
    features, labels = _clusters(40, 768, 2)
    assert count_parameters(fit_logistic_regression(features, labels)) == 769
    features, labels = _clusters(40, 768, 4)
    assert count_parameters(fit_logistic_regression(features, labels)) == 4 * 769


def test_linear_head_agrees_with_setfits_own():
    ours, theirs = ClassicalHead(8, 3, seed=0), SetFitHead(8, 3, eps=0.0, device="cpu")
    theirs.linear.load_state_dict(ours.layers[0].state_dict())
    x = torch.randn(5, 8)
    for mine, other in zip(ours(x), theirs(x), strict=True):
        torch.testing.assert_close(mine, other)
    features = {"sentence_embedding": x, "attention_mask": None}
    assert ours(features) is features
    torch.testing.assert_close(features["probs"], theirs(x)[1])
    torch.testing.assert_close(ours(x, temperature=2.0)[0], ours(x)[0] / 2)
    assert torch.equal(ours.predict(x), theirs.predict(x))


def test_head_with_batch_norm_switches_mode_and_counts_it():
    head = ClassicalHead(8, 2, hidden_dim=4, batch_norm=True, seed=0)
    assert head.num_parameters() == 8 * 4 + 4 + 2 * 4 + 4 * 2 + 2
    head.train()
    assert head.predict(torch.randn(1, 8)).shape == (1,)
    assert not head.training


def test_width_and_classes_can_come_from_the_data():
    head = ClassicalHead(seed=1, hidden_dim=3)
    with pytest.raises(ValueError, match="`in_features` must be given"):
        head.num_parameters()
    head.fit_out_features(4)
    logits, _ = head(torch.randn(2, 6))
    assert logits.shape == (2, 4)
    head.fit_out_features(3)
    assert head(torch.randn(2, 6))[0].shape == (2, 3)
    with pytest.raises(ValueError, match="`in_features` must be 6, the width this head was built for, but got 5"):
        head(torch.randn(2, 5))
    with pytest.raises(ValueError, match="`out_features` must be at least 3, the number of classes"):
        ClassicalHead(4, 2).fit_out_features(3)


def test_seed_decides_the_weights():
    first, again, other = ClassicalHead(5, 2, seed=3), ClassicalHead(5, 2, seed=3), ClassicalHead(5, 2, seed=4)
    assert torch.equal(first.layers[0].weight, again.layers[0].weight)
    assert not torch.equal(first.layers[0].weight, other.layers[0].weight)
    assert torch.equal(copy.deepcopy(first)(torch.ones(1, 5))[0], first(torch.ones(1, 5))[0])


def test_several_labels():
    head = ClassicalHead(4, 3, multitarget=True, seed=0)
    x = torch.randn(6, 4)
    probs = head.predict_proba(x)
    torch.testing.assert_close(probs, torch.sigmoid(head(x)[0]))
    assert torch.equal(head.predict(x), (probs >= 0.5).long())
    assert head.get_loss_fn()(head(x)[0], torch.ones(6, 3)).item() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_features": 0}, "`in_features` must be at least 1"),
        ({"out_features": 1}, "`out_features` must be at least 2"),
        ({"hidden_dim": -1}, "`hidden_dim` must be at least 0"),
        ({"batch_norm": True}, "`batch_norm` needs a hidden layer"),
        ({"temperature": 0.0}, "`temperature` must be greater than 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassicalHead(**arguments)


def test_plain_setfit_trains_a_classical_head():
    class Body(torch.nn.Module):
        def get_sentence_embedding_dimension(self):
            return 4

    head = ClassicalHead(seed=0)
    model = VanillaSetFitModel(model_body=Body(), model_head=head)
    assert model.has_differentiable_head
    loss = head.get_loss_fn()(head(torch.randn(8, 4))[0], torch.tensor([0, 1] * 4))
    loss.backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_tuning_selects_by_validation_and_prefers_the_stronger_penalty():
    features, labels = _clusters(60, 20, 3, spread=0.6)
    held_out, held_out_labels = _clusters(300, 20, 3, seed=1, spread=0.6)
    tuned = tune_logistic_regression(features, labels, held_out, held_out_labels)
    scores = {
        C: fit_logistic_regression(features, labels, C=C).score(held_out, held_out_labels)
        for C in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    }
    assert tuned.validation_accuracy == max(scores.values())
    best = [C for C, score in scores.items() if score == max(scores.values())]
    assert min(best) == tuned.C
    assert tuned.model.score(held_out, held_out_labels) == tuned.validation_accuracy
    with pytest.raises(ValueError, match="`Cs` must not be empty"):
        tune_logistic_regression(features, labels, held_out, held_out_labels, Cs=())


@pytest.mark.filterwarnings("error")
def test_logistic_regression_with_several_labels():
    features, labels = _clusters(60, 6, 3)
    indicators = np.eye(4, dtype=int)[labels]  # no text has the last label
    model = fit_logistic_regression(features, indicators)
    predictions = model.predict(features)
    assert predictions.shape == (60, 4)
    assert (predictions[:, 3] == 0).all()
    assert (predictions == indicators).all(axis=1).mean() > 0.8
    assert count_parameters(model) == 3 * 7


def test_string_labels_and_balanced_weights():
    features, numbers = _clusters(40, 6, 2, spread=1.0)
    keep = np.r_[np.flatnonzero(numbers == 0), np.flatnonzero(numbers == 1)[:4]]
    names = np.array(["bad", "good"])[numbers]
    plain = fit_logistic_regression(features[keep], names[keep])
    balanced = fit_logistic_regression(features[keep], names[keep], class_weight="balanced")
    assert set(plain.predict(features)) <= {"bad", "good"}
    assert (balanced.predict(features) == "good").sum() > (plain.predict(features) == "good").sum()
