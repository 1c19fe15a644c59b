"""The training loop: what it computes, selects, stops at, reports, and leaves behind."""

import logging
import math

import pytest
import torch
from torch import nn

from setfit_quantum import QuantumHead
from setfit_quantum.backends.cores import available_cores
from setfit_quantum.training import (
    HeadTrainingArguments,
    HeadTrainingCallback,
    TrainingDivergedError,
    train_head,
)
from setfit_quantum.training.epoch import batch_sizes
from training_heads import LinearHead, PlainHead, assert_same_weights, make_blobs, weights_of, without_seconds

EMBEDDINGS, LABELS = make_blobs(50, spread=2.0)
VALIDATION = dict(zip(("eval_embeddings", "eval_labels"), make_blobs(20, spread=2.0, seed=1), strict=True))


def arguments(**changes):
    plain = {"num_epochs": 6, "learning_rate": 0.01, "lr_schedule": "constant", "final_layer": "trained"}
    return HeadTrainingArguments(**(plain | {"show_progress_bar": False} | changes))


def quantum_head(**settings):
    plain = {"n_encoders": 1, "encoder_layers": 1, "amplitude_noise": 0.0}
    return QuantumHead(**({"n_qubits": 2, **plain, "seed": 0} | settings))


def test_one_step_of_gradient_descent_by_hand():
    """From zero weights every probability is 1/2, so the step is lr * mean((onehot - 1/2) x)."""
    head = LinearHead()
    result = train_head(
        head, EMBEDDINGS, LABELS, arguments(num_epochs=1, batch_size=50, optimizer="sgd", learning_rate=0.5)
    )
    errors = nn.functional.one_hot(LABELS, 2) - 0.5
    torch.testing.assert_close(head.linear.weight.detach(), 0.5 * errors.T @ EMBEDDINGS / 50)
    assert result.history[0]["train_loss"] == pytest.approx(math.log(2))


def test_class_weights_and_smoothing_enter_the_loss():
    """With weights (1, 3) the mean of the weighted losses divides by the weights; smoothing halves the errors here."""
    head = LinearHead()
    settings = arguments(num_epochs=1, batch_size=50, optimizer="sgd", learning_rate=1.0, class_weights={1: 3.0})
    train_head(head, EMBEDDINGS, LABELS, settings)
    weights = torch.where(LABELS == 1, 3.0, 1.0)
    errors = (nn.functional.one_hot(LABELS, 2) - 0.5) * weights[:, None]
    torch.testing.assert_close(head.linear.weight.detach(), errors.T @ EMBEDDINGS / weights.sum())

    head = LinearHead()
    settings = arguments(num_epochs=1, batch_size=50, optimizer="sgd", learning_rate=1.0, label_smoothing=0.5)
    train_head(head, EMBEDDINGS, LABELS, settings)
    errors = nn.functional.one_hot(LABELS, 2) * 0.5 + 0.25 - 0.5
    torch.testing.assert_close(head.linear.weight.detach(), errors.T @ EMBEDDINGS / 50)


def test_weight_decay_zero_stays_zero():
    class Unused(LinearHead):
        def __init__(self):
            super().__init__()
            self.unused = nn.Parameter(torch.ones(3))

        def forward(self, x):
            logits = self.linear(x) + 0 * self.unused.sum()
            return logits, logits.softmax(-1)

    for optimizer in ("adam", "adamw", "sgd"):
        head = Unused()
        train_head(head, EMBEDDINGS, LABELS, arguments(optimizer=optimizer, weight_decay=0.0))
        assert torch.equal(head.unused, torch.ones(3))
        train_head(head, EMBEDDINGS, LABELS, arguments(optimizer=optimizer, weight_decay=0.1))
        assert head.unused.max() < 1


def test_learning_rate_decays_per_epoch():
    result = train_head(LinearHead(), EMBEDDINGS, LABELS, arguments(learning_rate=0.02, lr_decay=0.95))
    assert [entry["learning_rate"] for entry in result.history] == pytest.approx([0.02 * 0.95**e for e in range(6)])
    # 800 epochs are possible: nothing decays unless asked.
    result = train_head(LinearHead(), EMBEDDINGS, LABELS, arguments(learning_rate=0.02))
    assert {entry["learning_rate"] for entry in result.history} == {0.02}


def test_an_optimizer_of_the_users_own_decays_too():
    def factory(parameters):
        return torch.optim.RMSprop(parameters, lr=0.1)

    result = train_head(LinearHead(), EMBEDDINGS, LABELS, arguments(optimizer=factory, lr_decay=0.5, num_epochs=2))
    assert [entry["learning_rate"] for entry in result.history] == [0.1, 0.05]
    with pytest.raises(TypeError, match=r"must return a torch\.optim\.Optimizer"):
        train_head(LinearHead(), EMBEDDINGS, LABELS, arguments(optimizer=list))


def test_gradients_are_clipped():
    settings = arguments(num_epochs=1, batch_size=50, optimizer="sgd", learning_rate=1.0, max_grad_norm=0.01)
    head = LinearHead()
    train_head(head, EMBEDDINGS, LABELS, settings)
    norm = math.sqrt(sum(parameter.detach().square().sum().item() for parameter in head.parameters()))
    assert norm == pytest.approx(0.01, rel=1e-3)


def test_history_has_every_field_of_every_epoch():
    head = PlainHead()
    result = train_head(head, EMBEDDINGS, LABELS, arguments(eval_every=4, select_best=False), **VALIDATION)
    assert [entry["epoch"] for entry in result.history] == [1, 2, 3, 4, 5, 6]
    assert [entry["epoch"] for entry in result.history if entry["eval_metric"] is not None] == [4, 6]
    for entry in result.history:
        assert set(entry) == {
            "epoch",
            "learning_rate",
            "train_loss",
            "train_metric",
            "eval_loss",
            "eval_metric",
            "seconds",
        }
        assert entry["seconds"] > 0
    head.eval()
    logits, _ = head(VALIDATION["eval_embeddings"])
    assert result.history[-1]["eval_loss"] == pytest.approx(
        nn.functional.cross_entropy(logits, VALIDATION["eval_labels"]).item(), rel=1e-6
    )
    right = (logits.argmax(1) == VALIDATION["eval_labels"]).float().mean().item()
    assert result.history[-1]["eval_metric"] == pytest.approx(right)
    assert (result.epochs_run, result.stopped_early, result.resumed_from) == (6, False, None)


def test_string_labels_and_four_classes():
    embeddings, numbers = make_blobs(80, 4)
    names = ["billing", "delivery", "login", "refund"]
    head = quantum_head()
    labels = [names[number] for number in numbers]
    result = train_head(head, embeddings, labels, arguments(num_epochs=40, learning_rate=0.05))
    assert result.label_names == names
    assert head.out_features == 4
    assert (head.predict(embeddings) == numbers).float().mean() > 0.7
    reversed_names = names[::-1]
    assert train_head(
        quantum_head(), embeddings, labels, arguments(num_epochs=1), label_names=reversed_names
    ).label_names == (reversed_names)


def test_several_labels_per_sample():
    embeddings, _ = make_blobs(80, 3, spread=2.0)
    labels = (embeddings[:, :3] > 1).int()
    head = quantum_head(n_qubits=3, multitarget=True)
    majority = torch.maximum(labels.float().mean(0), 1 - labels.float().mean(0)).mean()
    settings = arguments(num_epochs=80, learning_rate=0.05, class_weights="balanced", label_smoothing=0.05)
    train_head(head, embeddings, labels.tolist(), settings)
    assert head.out_features == 3
    assert (head.predict(embeddings) == labels).float().mean() > majority + 0.1
    with pytest.raises(ValueError, match="multitarget=True"):
        train_head(quantum_head(), embeddings, labels)
    with pytest.raises(ValueError, match=r"one row of 0/1, or of names, per sample"):
        train_head(quantum_head(multitarget=True), embeddings, labels[:, 0])


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_the_quantum_head_learns(backend):
    head = quantum_head(backend=backend)
    embeddings, labels = make_blobs(60)
    result = train_head(head, embeddings, labels, arguments(num_epochs=25, learning_rate=0.05))
    assert head.in_features == 6
    assert result.history[-1]["train_loss"] < 0.6 * result.history[0]["train_loss"]
    assert result.history[-1]["train_metric"] > 0.85


def test_setfits_own_head_trains():
    from setfit import SetFitHead

    torch.manual_seed(0)
    head = SetFitHead(in_features=6, device="cpu")
    embeddings, labels = make_blobs(60)
    result = train_head(head, embeddings, labels, arguments(num_epochs=20, class_weights="balanced"))
    assert result.history[-1]["train_metric"] > result.history[0]["train_metric"] + 0.1


def test_lazy_layers_get_their_shapes():
    head = LinearHead()
    head.linear = nn.LazyLinear(2)
    result = train_head(head, EMBEDDINGS, LABELS, arguments())
    assert head.linear.in_features == 6
    assert result.epochs_run == 6


@pytest.mark.parametrize(
    ("head", "labels", "message"),
    [
        (PlainHead(), LABELS[:49], "same length, but got 50 and 49"),
        (PlainHead(), torch.zeros(50).long(), r"at least two classes, but all 50 samples have one class: 0"),
        (PlainHead(), ["same"] * 50, r"one class: 'same'"),
        (PlainHead(2), torch.arange(50) % 3, "has 3 classes, but the head has 2 outputs"),
        (LinearHead(4), LABELS, "mat1 and mat2"),
        (quantum_head(in_features=7), LABELS, "must have 7 columns, the head's in_features, but got 6"),
        (quantum_head(in_features=6, out_features=2), torch.arange(50) % 3, "must be at least 3"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_first_step(head, labels, message):
    before = weights_of(head)
    with pytest.raises((ValueError, RuntimeError), match=message):
        train_head(head, EMBEDDINGS, labels, arguments())
    assert_same_weights(weights_of(head), before)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"eval_embeddings": EMBEDDINGS}, "must be given together"),
        (
            {"eval_embeddings": EMBEDDINGS, "eval_labels": LABELS[:3]},
            "`eval_embeddings` and `eval_labels` must have the same",
        ),
        ({"eval_embeddings": EMBEDDINGS[:, :4], "eval_labels": LABELS}, "`eval_embeddings` must have 6 columns"),
        ({"eval_embeddings": EMBEDDINGS, "eval_labels": LABELS + 1}, "`eval_labels` must hold class numbers below 2"),
    ],
)
def test_validation_data_is_checked_too(data, message):
    with pytest.raises(ValueError, match=message):
        train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(), **data)


def test_frozen_heads_are_refused_and_frozen_layers_stay():
    head = PlainHead()
    head.layers[0].requires_grad_(False)
    before = head.layers[0].weight.clone()
    train_head(head, EMBEDDINGS, LABELS, arguments())
    assert torch.equal(head.layers[0].weight, before)
    with pytest.raises(ValueError, match="requires_grad=True, but it has none"):
        train_head(head.requires_grad_(False), EMBEDDINGS, LABELS, arguments())


class PoisonedHead(LinearHead):
    """Gives NaN logits in the given training step."""

    def __init__(self, step):
        super().__init__()
        self.remaining = step

    def forward(self, x):
        logits, probs = super().forward(x)
        if self.training:
            self.remaining -= 1
            if self.remaining == 0:
                logits = logits * float("nan")
        return logits, probs


def test_nan_stops_with_its_place_and_the_last_good_weights(tmp_path):
    good = LinearHead()
    train_head(good, EMBEDDINGS, LABELS, arguments(num_epochs=2))
    head = PoisonedHead(step=2 * 4 + 3)
    with pytest.raises(TrainingDivergedError, match=r"became nan in epoch 3, step 3 of 4.*lower learning_rate"):
        train_head(head, EMBEDDINGS, LABELS, arguments(checkpoint_dir=tmp_path))
    assert_same_weights(weights_of(head), weights_of(good))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000002.safetensors"]


def test_weights_that_become_infinite_in_the_last_step_are_seen():
    head = LinearHead()
    settings = arguments(num_epochs=1, batch_size=50, optimizer="sgd", learning_rate=3e38)
    with pytest.raises(TrainingDivergedError, match=r"weight `linear\.weight` became NaN or infinite in epoch 1"):
        train_head(head, EMBEDDINGS * 100, LABELS, settings)
    assert torch.equal(head.linear.weight, torch.zeros(2, 6))


class Fault(HeadTrainingCallback):
    def on_epoch_end(self, head, state):
        if state.epoch == 2:
            raise RuntimeError("mine")


def test_an_error_in_a_callback_leaves_a_whole_epoch_behind():
    short, head = PlainHead(), PlainHead()
    train_head(short, EMBEDDINGS, LABELS, arguments(num_epochs=2))
    with pytest.raises(RuntimeError, match="mine"):
        train_head(head, EMBEDDINGS, LABELS, arguments(), callbacks=[Fault()])
    assert_same_weights(weights_of(head), weights_of(short))


@pytest.mark.parametrize("way", ["return", "state"])
def test_callbacks_stop_the_training(way):
    class Stop(HeadTrainingCallback):
        def on_epoch_end(self, head, state):
            if state.epoch == 3:
                if way == "return":
                    return True
                state.should_stop = True
            return None

    result = train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(), callbacks=[Stop()])
    assert (result.epochs_run, result.stopped_early) == (3, False)
    with pytest.raises(TypeError, match="instances of HeadTrainingCallback"):
        train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(), callbacks=[Stop])


def test_same_seed_same_result_and_global_generators_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, third = PlainHead(), PlainHead(), PlainHead()
    result = train_head(first, EMBEDDINGS, LABELS, arguments())
    assert torch.equal(torch.rand(3), expected)
    again = train_head(second, EMBEDDINGS, LABELS, arguments())
    assert without_seconds(result.history) == without_seconds(again.history)
    assert_same_weights(weights_of(first), weights_of(second))
    train_head(third, EMBEDDINGS, LABELS, arguments(seed=1))
    assert not torch.equal(first.layers[0].weight, third.layers[0].weight)


@pytest.mark.parametrize("training", [True, False])
def test_the_heads_mode_is_kept(training):
    head = PlainHead().train(training)
    train_head(head, EMBEDDINGS, LABELS, arguments(num_epochs=1), **VALIDATION)
    assert head.training is training


@pytest.mark.parametrize("make_head", [quantum_head, PlainHead])
def test_pytorch_leaves_the_cores_to_the_engine_while_a_small_head_trains(make_head):
    seen = []

    class Look(HeadTrainingCallback):
        def on_epoch_end(self, head, state):
            seen.append((torch.get_num_threads(), available_cores()))

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        train_head(make_head(), EMBEDDINGS, LABELS, arguments(num_epochs=1), callbacks=[Look()])
        with pytest.raises(RuntimeError, match="mine"):
            train_head(make_head(), EMBEDDINGS, LABELS, arguments(), callbacks=[Fault()])
        assert seen == [(1, 3)]
        assert torch.get_num_threads() == available_cores() == 3
    finally:
        torch.set_num_threads(before)


def test_batches():
    assert batch_sizes(50, 16, normalised=False) == [16, 16, 16, 2]
    assert batch_sizes(49, 16, normalised=False) == [16, 16, 16, 1]
    assert batch_sizes(49, 16, normalised=True) == [16, 16, 17]
    assert batch_sizes(48, 16, normalised=True) == [16, 16, 16]
    assert batch_sizes(3, 16, normalised=True) == [3]
    with pytest.raises(ValueError, match="at least 2 for a head with batch normalisation"):
        batch_sizes(9, 1, normalised=True)
    # 435 sentences in batches of 16 are the paper's 28 steps.
    assert len(batch_sizes(435, 16, normalised=False)) == 28


def test_log_lines_and_progress_bar(caplog, capsys):
    caplog.set_level(logging.INFO, logger="setfit_quantum")
    train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(log_every=2, show_progress_bar=True), **VALIDATION)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert lines[0].startswith("epoch 2 of 6: loss 0.")
    assert "eval_metric" in lines[0]
    error = capsys.readouterr().err
    assert "Training head: 100%" in error
    assert "epoch=6/6" in error
    train_head(PlainHead(), EMBEDDINGS, LABELS, arguments())
    assert capsys.readouterr().err == ""
