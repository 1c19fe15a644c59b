"""Labels and embeddings: every form that users bring, and every mistake named before training starts."""

import numpy as np
import pandas as pd
import pytest
import torch

from setfit_quantum.training.arguments import HeadTrainingArguments
from setfit_quantum.training.data import LabelledEmbeddings, check_embeddings, split_validation
from setfit_quantum.training.labels import encode_labels
from setfit_quantum.training.losses import resolve_class_weights


@pytest.mark.parametrize(
    "labels",
    [
        [0, 2, 1, 0],
        (0, 2, 1, 0),
        np.array([0, 2, 1, 0], dtype=np.int32),
        np.array([0.0, 2.0, 1.0, 0.0]),
        torch.tensor([0, 2, 1, 0]),
        [torch.tensor(0), np.int64(2), 1, 0],
        pd.Series([0, 2, 1, 0], index=[7, 3, 5, 1]),
        np.array([0, 2, 1, 0], dtype=object),
    ],
)
def test_integers_in_any_container(labels):
    encoded = encode_labels(labels)
    assert encoded.targets.tolist() == [0, 2, 1, 0]
    assert encoded.targets.dtype == torch.int64
    assert encoded.n_classes == 3
    assert encoded.names is None


@pytest.mark.parametrize("container", [list, np.array, pd.Series])
def test_strings_get_sorted_names(container):
    encoded = encode_labels(container(["pos", "neg", "mixed", "pos"]))
    assert encoded.names == ["mixed", "neg", "pos"]
    assert encoded.targets.tolist() == [2, 1, 0, 2]


def test_given_names_fix_the_order_and_may_be_more_than_those_seen():
    encoded = encode_labels(["pos", "neg"], label_names=["pos", "neutral", "neg"])
    assert encoded.targets.tolist() == [0, 2]
    assert encoded.n_classes == 3
    assert encode_labels([0, 2], label_names=["pos", "neutral", "neg"]).n_classes == 3


@pytest.mark.parametrize("row", [list, tuple, set, frozenset])
def test_rows_of_names(row):
    encoded = encode_labels([row(["b", "a"]), row([]), row(["c"])], multitarget=True)
    assert encoded.names == ["a", "b", "c"]
    assert encoded.targets.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert encoded.targets.dtype == torch.float32
    given = encode_labels([row(["b"]), row([])], multitarget=True, label_names=["b", "x"], n_classes=2)
    assert (given.names, given.targets.tolist()) == (["b", "x"], [[1, 0], [0, 0]])


@pytest.mark.parametrize(
    "labels", [[True, False, True], np.array([True, False, True]), torch.tensor([True, False, True])]
)
def test_bools_are_two_classes(labels):
    encoded = encode_labels(labels)
    assert encoded.targets.tolist() == [1, 0, 1]
    assert encoded.n_classes == 2


@pytest.mark.parametrize(
    "rows", [[[1, 0, 1], [0, 0, 0]], np.array([[1, 0, 1], [0, 0, 0]]), torch.tensor([[1, 0, 1], [0, 0, 0]]).bool()]
)
def test_rows_for_several_labels(rows):
    encoded = encode_labels(rows, multitarget=True, label_names=["a", "b", "c"])
    assert encoded.targets.tolist() == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    assert encoded.targets.dtype == torch.float32
    assert (encoded.n_classes, encoded.names) == (3, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        ([], {}, ValueError, "is empty"),
        ("pos", {}, TypeError, "sequence of labels"),
        (["a", 1], {}, TypeError, "row 1 holds 1 among strings"),
        ([1, "a"], {}, TypeError, "row 1 holds 'a'"),
        ([0, None], {}, ValueError, "row 1 holds None"),
        (["a", None], {}, TypeError, "row 1 holds None"),
        (pd.Series(["a", np.nan]), {}, TypeError, "row 1 holds nan"),
        (np.array([0.0, np.nan]), {}, ValueError, "row 1 holds nan"),
        ([0, 1, 0.5], {}, ValueError, "row 2 holds 0.5"),
        ([0, -1], {}, ValueError, "from 0, but row 1 holds -1"),
        ([0, 2], {}, ValueError, "without gaps, but got 0, 2"),
        ([1, 2], {}, ValueError, "without gaps"),
        ([0, 5], {"label_names": ["a", "b"]}, ValueError, "below 2, the number of label names, but row 1 holds 5"),
        (["a", "c"], {"label_names": ["a", "b"]}, ValueError, "known labels \\('a', 'b'\\), but row 1 holds 'c'"),
        (["a"], {"label_names": ["a", "a"]}, ValueError, "distinct names"),
        (["a"], {"label_names": "ab"}, TypeError, "sequence of names"),
        ([[1, 0], [0, 1]], {}, ValueError, "multitarget=True"),
        ([0, 1], {"multitarget": True}, ValueError, "one row of 0/1, or of names, per sample"),
        ([[1, 0], [1]], {"multitarget": True}, ValueError, "lengths \\[1, 2\\]"),
        ([[1, 0], [2, 0]], {"multitarget": True}, ValueError, "row 1 is \\[2.0, 0.0\\]"),
        ([["a"], [1]], {"multitarget": True}, TypeError, "row 1 holds 1 though other rows hold names"),
        ([["a"], "b"], {"multitarget": True}, TypeError, "list of names per sample, but row 1 is 'b'"),
        ([["a"], None], {"multitarget": True}, TypeError, "list of names per sample, but row 1 is None"),
        ([[1, 0], 3], {"multitarget": True}, TypeError, "rows of 0/1, but row 1 is 3"),
        (
            [["a"]],
            {"multitarget": True, "label_names": ["b", "c"]},
            ValueError,
            "'b', 'c'\\), but row 0",
        ),
        ([["a"], ["b"]], {"multitarget": True, "n_classes": 3}, ValueError, "must hold 3 labels, but got 2"),
        ([["a"], ["b"]], {}, ValueError, "multitarget=True"),
        ([[], []], {"multitarget": True}, ValueError, "must have shape"),
        ([[1, 0]], {"multitarget": True, "label_names": ["a"]}, ValueError, "one name per label \\(2\\), but got 1"),
    ],
)
def test_mistakes_are_named(labels, options, error, message):
    with pytest.raises(error, match=message):
        encode_labels(labels, **options)


def test_numbers_may_leave_out_classes_that_the_head_has():
    assert encode_labels([0, 2], n_classes=3).targets.tolist() == [0, 2]


def test_embeddings_must_be_finite_and_the_row_is_named():
    embeddings = torch.ones(5, 3)
    embeddings[3, 1] = float("nan")
    with pytest.raises(ValueError, match=r"`eval_embeddings` must be finite, but row 3 .*\(1 such rows\)"):
        check_embeddings(embeddings, argument="eval_embeddings")
    with pytest.raises(ValueError, match=r"shape \(n, d\), but got \(5,\)"):
        check_embeddings(torch.ones(5))
    with pytest.raises(ValueError, match="it is empty"):
        check_embeddings(np.ones((0, 3)))
    with pytest.raises(ValueError, match="array of numbers"):
        check_embeddings([["a", "b"]])


def test_inference_tensors_become_trainable():
    with torch.inference_mode():
        embeddings = torch.ones(2, 3)
    weight = torch.ones(3, requires_grad=True)
    (check_embeddings(embeddings) @ weight).sum().backward()
    assert weight.grad.tolist() == [2.0, 2.0, 2.0]


def test_read_only_arrays_are_copied():
    array = np.ones((2, 3), dtype=np.float32)
    array.flags.writeable = False
    assert check_embeddings(array).shape == (2, 3)


def test_the_papers_split():
    """512 sentences, 85/15: 435 for training and 77 for validation, both balanced to within one."""
    data = LabelledEmbeddings(torch.arange(512.0)[:, None], torch.arange(512) % 2)
    train, held = split_validation(data, 0.15, seed=3)
    assert (len(train), len(held)) == (435, 77)
    assert abs(int(held.targets.sum()) - 38.5) < 1
    together = sorted(train.embeddings[:, 0].tolist() + held.embeddings[:, 0].tolist())
    assert together == list(range(512))
    again, _ = split_validation(data, 0.15, seed=3)
    other, _ = split_validation(data, 0.15, seed=4)
    assert torch.equal(train.embeddings, again.embeddings)
    assert not torch.equal(train.embeddings, other.embeddings)


def test_splits_that_leave_a_class_out_are_refused():
    rare = LabelledEmbeddings(torch.ones(5, 1), torch.tensor([0, 0, 0, 0, 1]))
    with pytest.raises(ValueError, match="class number 1 has one"):
        split_validation(rare, 0.4, seed=0)
    few = LabelledEmbeddings(torch.ones(8, 1), torch.arange(8) % 4)
    with pytest.raises(ValueError, match="1 for validation: too few for 4 classes"):
        split_validation(few, 0.1, seed=0)


def test_class_weights_by_every_form():
    targets = torch.tensor([0, 0, 0, 1])
    names = ["neg", "pos"]
    assert resolve_class_weights(None, targets, n_outputs=2, names=names) is None
    balanced = resolve_class_weights("balanced", targets, n_outputs=2, names=names)
    assert balanced.tolist() == pytest.approx([4 / 6, 2.0])
    for given in ({"pos": 3.0}, {1: 3.0}, [1.0, 3.0], np.array([1.0, 3.0]), torch.tensor([1.0, 3.0])):
        HeadTrainingArguments(class_weights=given)
        assert resolve_class_weights(given, targets, n_outputs=2, names=names).tolist() == [1.0, 3.0]
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    assert resolve_class_weights("balanced", rows, n_outputs=2, names=None).tolist() == pytest.approx([1 / 3, 1.0])
    with pytest.raises(ValueError, match="one number per class \\(2\\), but got 3"):
        resolve_class_weights([1, 2, 3], targets, n_outputs=2, names=names)
    with pytest.raises(ValueError, match=r"only the classes \['neg', 'pos'\], but got 'good'"):
        resolve_class_weights({"good": 1.0}, targets, n_outputs=2, names=names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_epochs": 0}, "`num_epochs` must be at least 1"),
        ({"batch_size": 2.5}, "`batch_size` must be an integer"),
        ({"learning_rate": 0.0}, "`learning_rate` must be greater than 0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be finite"),
        ({"optimizer": "lamb"}, "`optimizer` must be one of 'adam', 'adamw', 'sgd'"),
        ({"lr_decay": 1.1}, "`lr_decay` must be at most 1"),
        ({"weight_decay": -1e-3}, "`weight_decay` must be at least 0"),
        ({"validation_split": 1.0}, "`validation_split` must be a fraction"),
        ({"metric": "bleu"}, "`metric` must be one of 'accuracy'"),
        ({"metric": "loss", "greater_is_better": True}, "`greater_is_better` must be False"),
        ({"select_best": "yes"}, "`select_best` must be True or False"),
        ({"early_stopping_patience": 0}, "`early_stopping_patience` must be at least 1"),
        ({"class_weights": "equal"}, "`class_weights` must be None, 'balanced'"),
        ({"class_weights": [1.0, -1.0]}, "`class_weights` must be at least 0"),
        ({"label_smoothing": 1.0}, r"`label_smoothing` must be in \[0, 1\)"),
        ({"max_grad_norm": 0}, "`max_grad_norm` must be greater than 0"),
        ({"seed": -1}, "`seed` must be between 0"),
        ({"checkpoint_dir": 3}, "`checkpoint_dir` must be a path"),
        ({"checkpoint_dir": __file__}, "`checkpoint_dir` must be a folder"),
        ({"save_total_limit": 0}, "`save_total_limit` must be at least 1"),
        ({"resume": 1.0}, "`resume` must be 'auto'"),
        ({"resume": True}, "`resume=True` needs `checkpoint_dir`"),
    ],
)
def test_arguments_are_validated(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        HeadTrainingArguments(**settings)
