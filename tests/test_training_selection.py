"""Validation: which epoch is kept, when training stops early, and by which metrics."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef

from setfit_quantum.training import HeadTrainingArguments, HeadTrainingCallback, train_head
from setfit_quantum.training.metrics import build_metric
from setfit_quantum.training.selection import ModelSelection
from training_heads import PlainHead, assert_same_weights, make_blobs, weights_of

EMBEDDINGS, LABELS = make_blobs(50, spread=2.0)
VALIDATION = dict(zip(("eval_embeddings", "eval_labels"), make_blobs(20, spread=2.0, seed=1), strict=True))


def arguments(**changes):
    return HeadTrainingArguments(**({"num_epochs": 6, "show_progress_bar": False} | changes))


class Recorder(HeadTrainingCallback):
    def __init__(self):
        self.events = []
        self.weights = []

    def on_train_begin(self, head, state):
        self.events.append(("begin", state.epoch))

    def on_epoch_end(self, head, state):
        self.events.append(("epoch", state.epoch))
        self.weights.append(weights_of(head))

    def on_train_end(self, head, state):
        self.events.append(("end", state.epoch))
        self.final = weights_of(head)


def test_the_best_epochs_weights_are_restored():
    recorder, head = Recorder(), PlainHead()
    settings = arguments(num_epochs=25, learning_rate=0.1)
    result = train_head(head, EMBEDDINGS, LABELS, settings, callbacks=[recorder], **VALIDATION)
    ranked = sorted(result.history, key=lambda entry: (-entry["eval_metric"], entry["eval_loss"], entry["epoch"]))
    assert result.best_epoch == ranked[0]["epoch"] < 25, "the last epoch must not be the best for this to be a test"
    assert result.best_metric == ranked[0]["eval_metric"]
    assert_same_weights(weights_of(head), recorder.weights[result.best_epoch - 1])
    assert_same_weights(recorder.final, weights_of(head))
    assert recorder.events == [("begin", 0), *[("epoch", e) for e in range(1, 26)], ("end", 25)]

    last = PlainHead()
    train_head(last, EMBEDDINGS, LABELS, settings.with_changes(select_best=False), **VALIDATION)
    assert_same_weights(weights_of(last), recorder.weights[-1])


def test_ties_go_to_the_lower_loss_and_then_to_the_earlier_epoch():
    selection = ModelSelection()
    settings = arguments(early_stopping_patience=3)
    outcomes = [(0.8, 0.5), (0.8, 0.4), (0.8, 0.4), (0.7, 0.1), (0.8, 0.6)]
    improved = [selection.update(epoch + 1, *outcome, settings) for epoch, outcome in enumerate(outcomes)]
    assert improved == [True, True, False, False, False]
    assert (selection.best_epoch, selection.best_metric, selection.best_loss) == (2, 0.8, 0.4)
    assert selection.evaluations_without_progress == 4
    assert selection.exhausted(settings)


def test_a_smaller_loss_is_better():
    result = train_head(
        PlainHead(), EMBEDDINGS, LABELS, arguments(num_epochs=25, metric="loss", learning_rate=0.1), **VALIDATION
    )
    losses = [entry["eval_loss"] for entry in result.history]
    assert result.best_metric == min(losses)
    assert result.best_epoch == losses.index(min(losses)) + 1
    assert [entry["eval_metric"] for entry in result.history] == losses
    assert {entry["train_metric"] for entry in result.history} == {None}


def test_early_stopping_counts_evaluations_without_progress():
    settings = arguments(num_epochs=200, learning_rate=0.05, early_stopping_patience=4)
    result = train_head(PlainHead(), EMBEDDINGS, LABELS, settings, **VALIDATION)
    metrics = [entry["eval_metric"] for entry in result.history]
    assert result.stopped_early
    assert result.epochs_run == len(metrics) < 200
    assert max(metrics[:-4]) >= max(metrics[-4:])
    first_best = metrics.index(max(metrics)) + 1
    assert result.epochs_run == first_best + 4
    # Nothing improves by more than 1.
    settings = settings.with_changes(early_stopping_threshold=1.0)
    assert train_head(PlainHead(), EMBEDDINGS, LABELS, settings, **VALIDATION).epochs_run == 5


def test_validation_split_is_held_out():
    result = train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(validation_split=0.2))
    assert result.best_epoch is not None
    steps = {round(entry["eval_metric"] * 10, 9) for entry in result.history}
    assert steps <= set(map(float, range(11))), "accuracies on ten held-out samples are tenths"


@pytest.mark.parametrize("setting", [{"select_best": True}, {"early_stopping_patience": 3}])
def test_settings_that_need_validation_data_are_refused_without(setting):
    with pytest.raises(ValueError, match=f"`{next(iter(setting))}.* needs validation data"):
        train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(**setting))


def test_metrics_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    two, predicted = rng.integers(0, 2, (2, 40))
    many, others = rng.integers(0, 4, (2, 40))
    rows, guesses = rng.integers(0, 2, (2, 40, 3))
    assert build_metric("f1", multitarget=False, n_classes=2)(two, predicted) == f1_score(two, predicted)
    macro = f1_score(many, others, average="macro")
    assert build_metric("f1", multitarget=False, n_classes=4)(many, others) == macro
    assert build_metric("f1", multitarget=True, n_classes=3)(rows, guesses) == f1_score(rows, guesses, average="macro")
    mcc = matthews_corrcoef(many, others)
    assert build_metric("matthews_correlation", multitarget=False, n_classes=4)(many, others) == mcc
    subset = build_metric("accuracy", multitarget=True, n_classes=3)(rows, guesses)
    assert subset == (rows == guesses).all(axis=1).mean()
    with pytest.raises(ValueError, match="not defined for several labels"):
        build_metric("matthews_correlation", multitarget=True, n_classes=3)


def test_a_metric_of_the_users_own():
    def recall(y_true, y_pred):
        return float((y_pred[y_true == 1] == 1).mean())

    result = train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(metric=recall), **VALIDATION)
    assert result.best_metric == max(entry["eval_metric"] for entry in result.history)
    with pytest.raises(ValueError, match="must return a finite number"):
        train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(metric=lambda a, b: float("nan")), **VALIDATION)
