"""The last layer in closed form: linear discriminant analysis of the circuit's expectations."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from setfit_quantum import QuantumHead, QuantumHeadClassifier
from setfit_quantum.model.end_to_end import train_end_to_end
from setfit_quantum.training import HeadTrainingArguments, TrainingInterrupted, loop, train_head
from setfit_quantum.training.data import LabelledEmbeddings
from setfit_quantum.training.final_layer import discriminant, fit_final_layer

SMALL = {"n_qubits": 3, "encoder_layers": 1, "n_reuploads": 1, "n_layers": 1, "seed": 0}
QUICK = {"num_epochs": 3, "lr_schedule": "constant", "show_progress_bar": False, "final_layer": "lda"}


def blobs(n_classes: int, n: int = 30, width: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    centres = 2 * torch.randn(n_classes, width, generator=generator)
    targets = torch.arange(n_classes).repeat_interleave(n)
    return centres[targets] + torch.randn(len(targets), width, generator=generator), targets


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_the_posterior_is_scikit_learns(n_classes):
    x, y = blobs(n_classes)
    coefficients, intercepts = discriminant(x.double().numpy(), y.numpy(), n_classes, None)
    logits = x.double().numpy() @ coefficients.T + intercepts
    ours = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x.double().numpy(), y.numpy())
    assert np.allclose(ours, theirs.predict_proba(x.double().numpy()), atol=1e-9)


def test_a_class_without_samples_is_never_chosen():
    x, y = blobs(2)
    coefficients, intercepts = discriminant(x.double().numpy(), 2 * y.numpy(), 4, None)
    chosen = (x.double().numpy() @ coefficients.T + intercepts).argmax(axis=1)
    assert set(chosen) == {0, 2}


def test_one_class_alone_is_always_chosen():
    x, _ = blobs(1)
    coefficients, intercepts = discriminant(x.double().numpy(), np.ones(len(x), dtype=np.int64), 3, None)
    assert set((x.double().numpy() @ coefficients.T + intercepts).argmax(axis=1)) == {1}


def test_features_that_never_change_do_no_harm():
    x, y = blobs(2)
    wide = np.concatenate([x.double().numpy(), np.ones((len(x), 2))], axis=1)
    coefficients, intercepts = discriminant(wide, y.numpy(), 2, None)
    assert np.isfinite(coefficients).all()
    assert np.isfinite(intercepts).all()
    constant = discriminant(np.ones((4, 3)), np.array([0, 1, 0, 1]), 2, None)
    assert all(np.isfinite(part).all() for part in constant)


@pytest.mark.parametrize("settings", [{}, {"one_logit": True}, {"classifier": "mlp", "classifier_hidden_dim": 4}])
def test_only_the_last_layer_changes(settings):
    x, y = blobs(2)
    values = SMALL | {"amplitude_noise": 0.0} | settings
    if "classifier" in settings:
        values = {name: value for name, value in values.items() if name not in ("n_reuploads", "n_layers")}
    heads = [QuantumHead(6, 2, **values) for _ in range(2)]
    train_head(heads[0], x, y, HeadTrainingArguments(**QUICK | {"final_layer": "trained"}))
    train_head(heads[1], x, y, HeadTrainingArguments(**QUICK))
    for (name, plain), (_, closed) in zip(heads[0].state_dict().items(), heads[1].state_dict().items(), strict=True):
        assert torch.equal(plain, closed) is not name.startswith("linear"), name
    with torch.no_grad():
        features = heads[1].last_features(x).double().numpy()
        logits = heads[1].eval()(x)[0]
    coefficients, intercepts = discriminant(features, y.numpy(), 2, None)
    expected = features @ coefficients.T + intercepts
    assert np.allclose((logits[:, 1] - logits[:, 0]).numpy(), expected[:, 1] - expected[:, 0], atol=1e-4)


def test_class_weights_shift_the_decision():
    x, y = blobs(2)
    _, plain = discriminant(x.double().numpy(), y.numpy(), 2, None)
    _, weighted = discriminant(x.double().numpy(), y.numpy(), 2, np.array([1.0, 9.0]))
    assert weighted[1] - weighted[0] > plain[1] - plain[0] + 1


def test_the_reported_metric_is_that_of_the_new_layer():
    x, y = blobs(3)
    head = QuantumHead(6, 3, **SMALL)
    result = train_head(head, x, y, HeadTrainingArguments(**QUICK), eval_embeddings=x[::2], eval_labels=y[::2])
    assert result.best_metric == pytest.approx(float((head.predict(x[::2]) == y[::2]).float().mean()))


def test_a_resumed_training_ends_with_the_same_layer(tmp_path):
    x, y = blobs(2)
    whole, resumed = (QuantumHead(6, 2, **SMALL) for _ in range(2))
    train_head(whole, x, y, HeadTrainingArguments(**QUICK))
    first = HeadTrainingArguments(**QUICK | {"num_epochs": 1, "checkpoint_dir": tmp_path})
    train_head(resumed, x, y, first)
    train_head(resumed, x, y, first.with_changes(num_epochs=3))
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=1e-6), name


VALIDATED = {"num_epochs": 6, "validation_split": 0.3}


@pytest.mark.parametrize(
    "settings",
    [
        {"num_epochs": 2},
        VALIDATED | {"select_best": True},
        VALIDATED | {"select_best": False, "early_stopping_patience": 1, "early_stopping_threshold": 1.0},
        VALIDATED | {"select_best": True, "early_stopping_patience": 2, "early_stopping_threshold": 1.0},
    ],
)
def test_a_finished_training_resumed_draws_the_same_noise(tmp_path, settings):
    x, y = blobs(2)
    arguments = HeadTrainingArguments(**QUICK | settings | {"checkpoint_dir": tmp_path})
    whole, again = (QuantumHead(6, 2, **SMALL) for _ in range(2))
    first = train_head(whole, x, y, arguments)
    torch.rand(7)  # what the caller draws meanwhile changes nothing
    second = train_head(again, x, y, arguments.with_changes(resume=True))
    assert first.stopped_early is ("early_stopping_patience" in settings)
    assert second.resumed_from is not None
    assert second.best_metric == first.best_metric
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_an_interruption_in_the_last_layer_keeps_the_training(tmp_path, monkeypatch):
    x, y = blobs(2)
    whole, stopped = (QuantumHead(6, 2, **SMALL).train() for _ in range(2))
    arguments = HeadTrainingArguments(**QUICK | {"validation_split": 0.3, "checkpoint_dir": tmp_path})
    train_head(whole, x, y, arguments.with_changes(checkpoint_dir=None))

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "fit_final_layer", interrupt)
        with pytest.raises(TrainingInterrupted, match="after 3 of 3 epochs: saved as") as caught:
            train_head(stopped, x, y, arguments)
    assert caught.value.checkpoint.is_file()
    assert stopped.training
    train_head(stopped, x, y, arguments)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, stopped.state_dict()[name]), name


@pytest.mark.parametrize("mode", [True, False])
def test_the_heads_mode_is_kept_with_validation(mode):
    x, y = blobs(2)
    head = QuantumHead(6, 2, **SMALL).train(mode)
    train_head(head, x, y, HeadTrainingArguments(**QUICK), eval_embeddings=x, eval_labels=y)
    assert all(part.training is mode for part in head.modules())


def test_what_has_no_last_layer_is_refused():
    x, y = blobs(2)
    for settings, message in (
        ({"final_linear": False}, "without a final linear layer"),
        ({"multitarget": True}, "several labels"),
        ({"frozen": ("classifier",)}, "frozen"),
    ):
        labels = torch.stack([y, 1 - y], dim=1) if "multitarget" in settings else y
        with pytest.raises(ValueError, match=message):
            train_head(QuantumHead(6, 2, **SMALL | settings), x, labels, HeadTrainingArguments(**QUICK))
    with pytest.raises(ValueError, match="`final_layer`"):
        HeadTrainingArguments(final_layer="ridge")
    with pytest.raises(ValueError, match="`final_layer` must be 'trained' or None with end_to_end=True"):
        train_end_to_end(None, ["good"], [0], HeadTrainingArguments(final_layer="lda"))


def test_the_estimator_takes_it():
    x, y = blobs(2)
    plain, closed = (
        QuantumHeadClassifier(**{k: v for k, v in SMALL.items() if k != "seed"}, random_state=0, num_epochs=2,
                              final_layer=final_layer).fit(x.numpy(), y.numpy())
        for final_layer in ("trained", "lda")
    )  # fmt: skip
    assert not np.allclose(plain.predict_proba(x.numpy()), closed.predict_proba(x.numpy()))


def test_momentum_belongs_to_sgd():
    with pytest.raises(ValueError, match="`momentum` must be 0 with optimizer='adam'"):
        HeadTrainingArguments(momentum=0.9)
    with pytest.raises(ValueError, match="`momentum` must be at least 0 and below 1"):
        HeadTrainingArguments(momentum=1.0, optimizer="sgd")
    x, y = blobs(2)
    ends = []
    for momentum in (0.0, 0.9):
        head = QuantumHead(6, 2, **SMALL)
        train_head(head, x, y, HeadTrainingArguments(num_epochs=2, show_progress_bar=False, optimizer="sgd",
                                                     momentum=momentum))  # fmt: skip
        ends.append(head.circuit_weights.detach().clone())
    assert not torch.allclose(*ends)


@pytest.mark.parametrize("per_class", [1, 2, 3])
def test_very_few_samples_of_a_class_are_enough(per_class):
    """Ledoit and Wolf's estimate is degenerate there; a share of the whole variance keeps the nearest mean."""
    x, y = blobs(5, n=60, width=10)
    rows = torch.cat([torch.where(y == number)[0][:per_class] for number in range(5)])
    few, numbers = x[rows].double().numpy(), y[rows].numpy()
    coefficients, intercepts = discriminant(few, numbers, 5, None)
    means = np.stack([few[numbers == number].mean(axis=0) for number in range(5)])
    every = x.double().numpy()
    nearest = ((every[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    found = (every @ coefficients.T + intercepts).argmax(axis=1)
    assert (found == y.numpy()).mean() > (nearest == y.numpy()).mean() - 0.1
    head = QuantumHead(10, 5, **SMALL)
    train_head(head, x[rows], y[rows], HeadTrainingArguments(**QUICK))
    assert torch.isfinite(head.linear.weight).all()


def test_noisy_copies_of_few_samples_are_still_few():
    """Four draws for the only sample of a class tell how noise moves it, not how its class varies."""
    x, y = blobs(2)
    rows = torch.tensor([0, len(y) - 1])
    heads = []
    for noisy in (True, False):
        head = QuantumHead(6, 2, amplitude_noise=1e-2, **SMALL)
        torch.manual_seed(0)
        fit_final_layer(head, LabelledEmbeddings(x[rows], y[rows]), noisy=noisy)
        heads.append(head)
    # Little noise leaves the nearest mean nearly as it is.
    directions = [head.linear.weight[1] - head.linear.weight[0] for head in heads]
    assert torch.nn.functional.cosine_similarity(*directions, dim=0) > 0.99


def test_repeated_texts_are_told_apart():
    """Two texts, each eight times: nothing varies within a class."""
    points = np.array([[1.0, 2.0, 0.0], [0.0, 2.0, 1.0]])
    targets = np.repeat([0, 1], 8)
    coefficients, intercepts = discriminant(points[targets], targets, 2, None)
    assert (points @ coefficients.T + intercepts).argmax(axis=1).tolist() == [0, 1]


def test_a_calibrated_head_keeps_the_posterior():
    x, y = blobs(2)
    probabilities = []
    for temperature in (1.0, 5.0):
        head = QuantumHead(6, 2, temperature=temperature, **SMALL)
        fit_final_layer(head, LabelledEmbeddings(x, y), noisy=False)
        probabilities.append(head.predict_proba(x))
    assert torch.allclose(*probabilities, atol=1e-4)


def test_noise_of_training_is_seen_several_times():
    x, y = blobs(2)
    head = QuantumHead(6, 2, amplitude_noise=0.5, **SMALL)
    clean = np.asarray(head.last_features(x).detach().double())
    head.train()
    torch.manual_seed(4)
    fit_final_layer(head, LabelledEmbeddings(x, y))
    assert all(module.training for module in head.modules())

    torch.manual_seed(4)
    with torch.no_grad(), head.noisy_amplitudes():
        drawn = [head.last_features(x).double().numpy() for _ in range(4)]
    assert all(not np.allclose(part, clean, atol=1e-3) for part in drawn)
    coefficients, intercepts = discriminant(np.concatenate(drawn), np.tile(y.numpy(), 4), 2, None)
    assert np.allclose(head.linear.weight.detach().numpy(), coefficients, atol=1e-4)
    assert np.allclose(head.linear.bias.detach().numpy(), intercepts, atol=1e-4)


def test_without_noise_the_samples_are_seen_once():
    x, y = blobs(2)
    for settings, noisy in (({"amplitude_noise": 0.5}, False), ({"amplitude_noise": 0.0}, True)):
        head = QuantumHead(6, 2, **SMALL | settings).eval()
        fit_final_layer(head, LabelledEmbeddings(x, y), noisy=noisy)
        features = head.last_features(x).detach().double().numpy()
        coefficients, _ = discriminant(features, y.numpy(), 2, None)
        assert np.allclose(head.linear.weight.detach().numpy(), coefficients, atol=1e-4)


def test_a_device_is_asked_once_for_each_sample(monkeypatch):
    x, y = blobs(2, n=4)
    head = QuantumHead(6, 2, amplitude_noise=0.5, **SMALL)
    capabilities = replace(head.backend.capabilities, hardware_shots=True)
    monkeypatch.setattr(type(head.backend), "capabilities", capabilities)
    calls = []
    monkeypatch.setattr(head, "last_features", lambda x: calls.append(len(x)) or torch.randn(len(x), 3))
    fit_final_layer(head, LabelledEmbeddings(x, y))
    assert calls == [8]
