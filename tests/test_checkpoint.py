"""Checkpoints are complete or absent, and a resumed training equals one that was never interrupted."""

import os
import pickle
import subprocess
import sys
import textwrap

import pytest
import torch

from setfit_quantum import QuantumHead
from setfit_quantum.training import (
    CheckpointError,
    HeadTrainingArguments,
    HeadTrainingCallback,
    TrainingInterrupted,
    train_head,
)
from setfit_quantum.training.checkpoint import CheckpointStore, read_checkpoint, write_checkpoint
from training_heads import PlainHead, assert_same_weights, make_blobs, weights_of, without_seconds

EMBEDDINGS, LABELS = make_blobs(50, spread=2.0)
VALIDATION = dict(zip(("eval_embeddings", "eval_labels"), make_blobs(20, spread=2.0, seed=1), strict=True))


def arguments(**changes):
    settings = {
        "num_epochs": 8,
        "lr_decay": 0.9,
        "lr_schedule": "constant",
        "learning_rate": 0.01,
        "save_every": 3,
        "show_progress_bar": False,
    } | changes
    return HeadTrainingArguments(**settings)


class Interrupt(HeadTrainingCallback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, head, state):
        if state.epoch == self.epoch:
            raise KeyboardInterrupt


def press_ctrl_c(head, step):
    """Let the given training step of `head` be interrupted."""
    steps = iter(range(1, step + 1))

    def count(module, inputs):
        if module.training and next(steps) == step:
            handle.remove()
            raise KeyboardInterrupt

    handle = head.register_forward_pre_hook(count)
    return head


def quantum_head(seed=0):
    return QuantumHead(n_qubits=2, encoder_layers=1, n_layers=1, noise="paper-high", shots=100, seed=seed)


def unseeded_quantum_head():
    return quantum_head(seed=None)


def test_a_tree_comes_back_as_it_was(tmp_path):
    tree = {
        "numbers": [1, 2.5, 2**90, float("inf"), None, True, "text"],
        "pair": (1, (2.0, torch.tensor(3.0))),
        "by number": {0: {"step": torch.tensor(4.0)}, 1: {}},
        "tensors": {"bool": torch.tensor([True, False]), "half": torch.ones(2, 3).bfloat16(), "empty": torch.ones(0)},
        "strided": torch.arange(6.0).view(2, 3).T,
    }
    path = tmp_path / "new" / "folder" / "a.safetensors"
    write_checkpoint(path, tree)
    back = read_checkpoint(path)
    assert back["numbers"] == tree["numbers"]
    assert back["pair"] == tree["pair"]
    assert isinstance(back["pair"], tuple)
    assert list(back["by number"]) == [0, 1]
    assert torch.equal(back["strided"], tree["strided"])
    for name, tensor in tree["tensors"].items():
        assert back["tensors"][name].dtype == tensor.dtype
        assert torch.equal(back["tensors"][name], tensor)
    assert [file.name for file in path.parent.iterdir()] == ["a.safetensors"]


def test_what_cannot_be_stored_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="/a/b of type object"):
        write_checkpoint(tmp_path / "a.safetensors", {"a": {"b": object()}})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("epoch", [1, 3, 5, 7])
@pytest.mark.parametrize("make_head", [PlainHead, quantum_head, unseeded_quantum_head])
def test_resume_equals_an_uninterrupted_training(tmp_path, make_head, epoch):
    torch.manual_seed(0)
    whole = make_head()
    expected = train_head(whole, EMBEDDINGS, LABELS, arguments(), **VALIDATION)

    settings = arguments(checkpoint_dir=tmp_path)
    torch.manual_seed(0)
    head = make_head()
    with pytest.raises(TrainingInterrupted, match=f"after {epoch} of 8 epochs: saved as") as caught:
        train_head(head, EMBEDDINGS, LABELS, settings, callbacks=[Interrupt(epoch)], **VALIDATION)
    assert caught.value.checkpoint.name == f"checkpoint-{epoch:06d}.safetensors"

    # The next process has other first weights, where no seed fixes them, and another global generator.
    torch.manual_seed(1)
    resumed = make_head()
    result = train_head(resumed, EMBEDDINGS, LABELS, settings, **VALIDATION)
    assert result.resumed_from == caught.value.checkpoint
    assert without_seconds(result.history) == without_seconds(expected.history)
    assert (result.best_epoch, result.best_metric) == (expected.best_epoch, expected.best_metric)
    assert_same_weights(weights_of(resumed), weights_of(whole))
    assert result.epochs_run == 8


@pytest.mark.parametrize("step", [1, 5, 11, 14])
def test_ctrl_c_within_an_epoch_falls_back_to_the_last_complete_one(tmp_path, step):
    """50 samples in batches of 16 are 4 steps: 50 = 16 + 16 + 16 + 2."""
    epoch = (step - 1) // 4
    short = PlainHead()
    if epoch:
        train_head(short, EMBEDDINGS, LABELS, arguments(num_epochs=epoch))
    settings = arguments(checkpoint_dir=tmp_path)
    head = press_ctrl_c(PlainHead(), step)
    with pytest.raises(TrainingInterrupted) as caught:
        train_head(head, EMBEDDINGS, LABELS, settings)
    assert_same_weights(weights_of(head), weights_of(short))
    if not epoch:
        assert caught.value.checkpoint is None
        assert "nothing to save yet" in str(caught.value)
        return
    whole = PlainHead()
    train_head(whole, EMBEDDINGS, LABELS, arguments())
    train_head(head, EMBEDDINGS, LABELS, settings)
    assert_same_weights(weights_of(head), weights_of(whole))


def test_a_resumed_training_can_be_interrupted_at_once(tmp_path):
    """The state written then is the one that was read, not one that a step has touched meanwhile."""
    settings = arguments(checkpoint_dir=tmp_path)
    with pytest.raises(TrainingInterrupted):
        train_head(PlainHead(), EMBEDDINGS, LABELS, settings, callbacks=[Interrupt(2)])
    copy = tmp_path / "elsewhere"
    with pytest.raises(TrainingInterrupted) as caught:
        train_head(
            press_ctrl_c(PlainHead(), 3),
            EMBEDDINGS,
            LABELS,
            settings.with_changes(checkpoint_dir=copy, resume=tmp_path / "checkpoint-000002.safetensors"),
        )
    whole, resumed = PlainHead(), PlainHead()
    train_head(whole, EMBEDDINGS, LABELS, arguments())
    result = train_head(resumed, EMBEDDINGS, LABELS, settings.with_changes(checkpoint_dir=copy))
    assert result.resumed_from == caught.value.checkpoint == copy / "checkpoint-000002.safetensors"
    assert_same_weights(weights_of(resumed), weights_of(whole))


def test_without_a_folder_the_message_says_that_nothing_was_saved():
    with pytest.raises(TrainingInterrupted, match=r"after 2 of 8 epochs: nothing was saved; give `checkpoint_dir`"):
        train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(), callbacks=[Interrupt(2)])


def test_a_killed_process_resumes(tmp_path):
    """SIGKILL between two checkpoints: no handler runs, and the last periodic one is gone on from."""
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_checkpoint import *
        class Kill(HeadTrainingCallback):
            def on_epoch_end(self, head, state):
                if state.epoch == 5:
                    os.kill(os.getpid(), signal.SIGKILL)
        train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(checkpoint_dir={str(tmp_path)!r}), callbacks=[Kill()])
    """
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, check=False)
    assert process.returncode == -9, process.stderr.decode()
    whole, resumed = PlainHead(), PlainHead()
    expected = train_head(whole, EMBEDDINGS, LABELS, arguments())
    result = train_head(resumed, EMBEDDINGS, LABELS, arguments(checkpoint_dir=tmp_path))
    assert result.resumed_from.name == "checkpoint-000003.safetensors"
    assert without_seconds(result.history) == without_seconds(expected.history)
    assert_same_weights(weights_of(resumed), weights_of(whole))


@pytest.mark.parametrize("damage", ["truncate", "empty", "flip", "pickle", "header"])
def test_a_damaged_newest_checkpoint_is_named_and_the_former_used(tmp_path, damage):
    settings = arguments(checkpoint_dir=tmp_path)
    with pytest.raises(TrainingInterrupted):
        train_head(PlainHead(), EMBEDDINGS, LABELS, settings, callbacks=[Interrupt(5)])
    newest = tmp_path / "checkpoint-000005.safetensors"
    content = newest.read_bytes()
    newest.write_bytes(
        {
            "truncate": content[: len(content) // 2],
            "empty": b"",
            "flip": content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
            "pickle": pickle.dumps({"epoch": 5}),
            "header": content.replace(b'\\"epoch\\": 5', b'\\"epoch\\": 6', 1),
        }[damage]
    )
    assert newest.read_bytes() != content
    resumed, whole = PlainHead(), PlainHead()
    with pytest.warns(UserWarning, match=r"checkpoint-000005\.safetensors is (damaged|not).*Going on from .*000003"):
        result = train_head(resumed, EMBEDDINGS, LABELS, settings)
    assert result.resumed_from.name == "checkpoint-000003.safetensors"
    train_head(whole, EMBEDDINGS, LABELS, arguments())
    assert_same_weights(weights_of(resumed), weights_of(whole))


def test_when_all_are_damaged_nothing_is_started_over_silently(tmp_path):
    settings = arguments(checkpoint_dir=tmp_path)
    train_head(PlainHead(), EMBEDDINGS, LABELS, settings)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"000008.*damaged.*000006.*damaged.*resume=False"):
        train_head(PlainHead(), EMBEDDINGS, LABELS, settings)
    train_head(PlainHead(), EMBEDDINGS, LABELS, settings.with_changes(resume=False))


def test_a_write_that_fails_leaves_the_former_file(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint-000001.safetensors"
    write_checkpoint(path, {"a": torch.ones(3)})

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_checkpoint(path, {"a": torch.zeros(3)})
    monkeypatch.undo()
    assert torch.equal(read_checkpoint(path)["a"], torch.ones(3))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_left_overs_of_torn_writes_are_ignored_and_removed(tmp_path):
    (tmp_path / ".checkpoint-000004.safetensors.77.tmp").write_bytes(b"torn")
    (tmp_path / "notes.txt").write_text("mine")
    store = CheckpointStore(tmp_path, limit=2)
    assert store.load_newest() is None
    for epoch in (1, 2, 1_000_000):
        store.save(epoch, {"epoch": epoch})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint-000002.safetensors", "checkpoint-1000000.safetensors", "notes.txt"]
    assert store.load_newest()[1] == {"epoch": 1_000_000}


@pytest.mark.parametrize(
    ("changes", "data", "message"),
    [
        ({"learning_rate": 0.5}, {}, "learning_rate was 0.01, is 0.5"),
        ({"class_weights": "balanced", "seed": 1}, {}, "class_weights was None, is 'balanced'; seed was 42, is 1"),
        ({}, {"embeddings": EMBEDDINGS.flip(0)}, "the embeddings of the training data differ"),
        (
            {},
            {"embeddings": EMBEDDINGS[:48], "labels": LABELS[:48]},
            r"training data had shape \(50, 6\), has \(48, 6\)",
        ),
        ({}, {"labels": 1 - LABELS}, "the labels of the training data differ"),
        ({}, VALIDATION, "validation data was absent, is given"),
        ({}, {"label_names": ["no", "yes"]}, r"label names was None, is \['no', 'yes'\]"),
        ({}, {"head": PlainHead(3)}, "the shapes of the head's parameters differ"),
        ({"num_epochs": 4}, {}, "is of epoch 8, but num_epochs is 4"),
    ],
)
def test_resuming_something_else_is_refused(tmp_path, changes, data, message):
    settings = arguments(checkpoint_dir=tmp_path)
    train_head(PlainHead(), EMBEDDINGS, LABELS, settings)
    call = {"head": PlainHead(), "embeddings": EMBEDDINGS, "labels": LABELS} | data
    with pytest.raises(CheckpointError, match=message):
        train_head(arguments=settings.with_changes(**changes), **call)


def test_a_quantum_head_of_other_settings_is_refused(tmp_path):
    settings = arguments(checkpoint_dir=tmp_path, num_epochs=1)
    train_head(quantum_head(), EMBEDDINGS, LABELS, settings)
    other = quantum_head(seed=1)
    other.shots = 7
    with pytest.raises(CheckpointError, match="seed was 0, is 1; shots was 100, is 7"):
        train_head(other, EMBEDDINGS, LABELS, settings)


def test_embeddings_that_differ_by_rounding_are_accepted_with_a_warning(tmp_path, caplog):
    settings = arguments(checkpoint_dir=tmp_path)
    with pytest.raises(TrainingInterrupted):
        train_head(PlainHead(), EMBEDDINGS, LABELS, settings, callbacks=[Interrupt(2)])
    result = train_head(PlainHead(), EMBEDDINGS * (1 + 1e-7), LABELS, settings)
    assert result.resumed_from is not None
    assert "differ from those of" in caplog.text


def test_prolonging_a_finished_training(tmp_path):
    train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(checkpoint_dir=tmp_path))
    longer, whole = PlainHead(), PlainHead()
    result = train_head(longer, EMBEDDINGS, LABELS, arguments(checkpoint_dir=tmp_path, num_epochs=11))
    assert result.resumed_from.name == "checkpoint-000008.safetensors"
    train_head(whole, EMBEDDINGS, LABELS, arguments(num_epochs=11))
    assert_same_weights(weights_of(longer), weights_of(whole))


def test_a_finished_training_is_read_and_not_repeated(tmp_path):
    settings = arguments(checkpoint_dir=tmp_path)
    first, again = PlainHead(), PlainHead()
    expected = train_head(first, EMBEDDINGS, LABELS, settings, **VALIDATION)
    result = train_head(again, EMBEDDINGS, LABELS, settings, callbacks=[Interrupt(8)], **VALIDATION)
    assert result.history == expected.history
    assert_same_weights(weights_of(again), weights_of(first))


def test_resume_false_starts_over_and_true_needs_a_checkpoint(tmp_path):
    settings = arguments(checkpoint_dir=tmp_path, num_epochs=3)
    with pytest.raises(CheckpointError, match=r"`resume=True` needs a checkpoint in .*, but there is none"):
        train_head(PlainHead(), EMBEDDINGS, LABELS, settings.with_changes(resume=True))
    with pytest.raises(CheckpointError, match="needs a checkpoint in"):
        train_head(PlainHead(), EMBEDDINGS, LABELS, settings.with_changes(resume=tmp_path / "none"))
    train_head(PlainHead(), EMBEDDINGS, LABELS, arguments(checkpoint_dir=tmp_path))
    fresh = train_head(PlainHead(), EMBEDDINGS, LABELS, settings.with_changes(resume=False, learning_rate=0.5))
    assert fresh.resumed_from is None
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000003.safetensors"]


def test_early_stopping_survives_a_resume(tmp_path):
    settings = arguments(num_epochs=40, early_stopping_patience=3, learning_rate=0.05)
    whole, resumed = PlainHead(), PlainHead()
    expected = train_head(whole, EMBEDDINGS, LABELS, settings, **VALIDATION)
    assert expected.stopped_early
    settings = settings.with_changes(checkpoint_dir=tmp_path)
    with pytest.raises(TrainingInterrupted):
        train_head(
            PlainHead(), EMBEDDINGS, LABELS, settings, callbacks=[Interrupt(expected.epochs_run - 1)], **VALIDATION
        )
    result = train_head(resumed, EMBEDDINGS, LABELS, settings, **VALIDATION)
    assert result.stopped_early
    assert result.epochs_run == expected.epochs_run
    assert_same_weights(weights_of(resumed), weights_of(whole))
    again = train_head(PlainHead(), EMBEDDINGS, LABELS, settings, **VALIDATION)
    assert again.epochs_run == expected.epochs_run
