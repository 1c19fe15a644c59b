"""Preprocessing in front of the encoders: fitted once, saved, counted; noise on amplitudes; the scale of latents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from setfit_quantum import QuantumHead, QuantumHeadClassifier
from setfit_quantum.head.encoders import add_amplitude_noise, prepare_amplitudes
from setfit_quantum.serialization import ModelFileError
from setfit_quantum.training import HeadTrainingArguments, train_head

RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.normal(size=(40, 12)).astype(np.float32) + np.repeat([[1.0], [-0.5]], 20, axis=0)).float()
Y = np.repeat([0, 1], 20)
QUIET = HeadTrainingArguments(num_epochs=2, show_progress_bar=False)


def small_head(**settings: object) -> QuantumHead:
    return QuantumHead(12, n_qubits=2, encoder_layers=1, n_reuploads=1, n_layers=1, seed=1, **settings)


def unit(x: torch.Tensor) -> np.ndarray:
    rows = x.double().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_center_subtracts_the_mean_of_unit_embeddings() -> None:
    head = small_head(preprocessing="center").fit_preprocessing(X)
    expected = unit(X) - unit(X).mean(axis=0)
    assert np.allclose(head.preprocessor(X).numpy(), expected, atol=1e-6)
    assert head.num_fitted() == 12
    assert small_head(preprocessing=None).num_fitted() == 0


def test_pca_is_scikit_learns_up_to_signs() -> None:
    head = small_head(preprocessing="pca", projected_features=5).fit_preprocessing(X)
    ours = head.preprocessor(X).numpy()
    theirs = PCA(5).fit_transform(unit(X))
    assert np.allclose(np.abs(ours), np.abs(theirs), atol=1e-5)
    largest = head.preprocessor.matrix.abs().argmax(dim=0)
    assert (head.preprocessor.matrix[largest, torch.arange(5)] > 0).all()
    assert head.num_fitted() == 12 + 12 * 5


def test_whitening_makes_variances_more_equal() -> None:
    spread = {}
    for kind in ("pca", "whiten"):
        head = small_head(preprocessing=kind, projected_features=6).fit_preprocessing(X)
        variances = head.preprocessor(X).var(dim=0)
        spread[kind] = float(variances.max() / variances.min())
    assert spread["whiten"] < spread["pca"] / 3


def test_a_random_projection_fits_nothing_and_comes_from_the_seed() -> None:
    head, again = (small_head(preprocessing="random", projected_features=4) for _ in range(2))
    matrix = head.preprocessor.matrix.clone()
    assert torch.equal(matrix, again.preprocessor.matrix)
    assert torch.allclose(matrix.T @ matrix, torch.eye(4), atol=1e-6)
    train_head(head, X, Y, QUIET)
    assert torch.equal(matrix, head.preprocessor.matrix)
    assert head.num_fitted() == 0


def test_the_encoder_is_as_wide_as_the_projection() -> None:
    assert small_head().encoder_circuit().n_qubits == 4  # 12 amplitudes and the constant
    assert small_head(preprocessing="pca", projected_features=3).encoder_circuit().n_qubits == 2
    head = small_head(preprocessing="pca", projected_features=3)
    assert head.latents(X).shape == (40, 2)
    linear = small_head(preprocessing="pca", projected_features=3, encoder="linear")
    assert linear.encoder.layers[0].weight.shape == (2, 3)
    assert linear(X)[0].shape == (40, 2)


def test_fewer_samples_thaprojected_features_leave_columns_empty() -> None:
    head = small_head(preprocessing="pca", projected_features=6).fit_preprocessing(X[:4])
    matrix = head.preprocessor.matrix
    assert (matrix[:, :3].abs().amax(dim=0) > 0).all()
    assert (matrix[:, 3:] == 0).all()


def test_training_fits_once_and_later_trainings_keep_it() -> None:
    head = small_head(preprocessing="pca", projected_features=4)
    assert head.preprocessor.needs_fitting
    train_head(head, X, Y, QUIET)
    assert not head.preprocessor.needs_fitting
    before = head.preprocessor.matrix.clone()
    train_head(head, X[:20] * 3 + 1, np.arange(20) % 2, QUIET)
    assert torch.equal(before, head.preprocessor.matrix)


def test_validation_data_is_not_fitted_on() -> None:
    heads = []
    for held_out in (X[30:], X[30:] + 5):
        head = small_head(preprocessing="center")
        train_head(head, X[:30], Y[:30] * 0 + np.arange(30) % 2, QUIET, eval_embeddings=held_out, eval_labels=Y[30:])
        heads.append(head)
    assert torch.equal(heads[0].preprocessor.mean, heads[1].preprocessor.mean)


@pytest.mark.parametrize("kind", ["center", "pca", "whiten", "random"])
def test_a_saved_head_predicts_the_same(tmp_path: Path, kind: str) -> None:
    components = None if kind == "center" else 4
    head = small_head(preprocessing=kind, projected_features=components)
    train_head(head, X, Y, QUIET)
    head.save_pretrained(tmp_path)
    loaded = QuantumHead.from_pretrained(tmp_path)
    assert torch.equal(loaded.predict_proba(X), head.predict_proba(X))
    assert loaded.num_fitted() == head.num_fitted()


def test_matrices_too_large_for_the_file_are_refused(tmp_path: Path) -> None:
    head = small_head(preprocessing="pca", projected_features=4)
    head.save_pretrained(tmp_path)
    path = tmp_path / "quantum_head_config.json"
    path.write_text(path.read_text().replace('"in_features": 12', '"in_features": 4194304'))
    with pytest.raises(ModelFileError, match="in_features"):
        QuantumHead.from_pretrained(tmp_path, verify=False)


def test_a_row_of_zeros_and_giant_numbers_pass() -> None:
    head = small_head(preprocessing="center").fit_preprocessing(X)
    rows = torch.zeros(2, 12)
    rows[1, 0] = 1e30
    assert torch.isfinite(head.preprocessor(rows)).all()
    assert torch.isfinite(head.predict_proba(rows)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preprocessing": "lda"}, "Argument `preprocessing` must be"),
        ({"preprocessing": "pca"}, "Argument `projected_features`"),
        ({"preprocessing": "pca", "projected_features": 13}, "Argument `projected_features`"),
        ({"preprocessing": "center", "projected_features": 3}, "Argument `projected_features` needs"),
        ({"projected_features": 3}, "Argument `projected_features` needs"),
        ({"amplitude_noise": -1.0}, "Argument `amplitude_noise`"),
        ({"latent_scale": -1.0}, "Argument `latent_scale`"),
        ({"latent_scale": 3.0, "encoder": "linear"}, "Argument `latent_scale` must keep its default"),
        ({"amplitude_noise": 0.5, "encoder": "linear"}, "Argument `amplitude_noise` must keep its default"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        small_head(**settings)


def test_components_are_checked_when_the_width_is_learnt() -> None:
    head = QuantumHead(n_qubits=2, preprocessing="pca", projected_features=20)
    with pytest.raises(ValueError, match="Argument `projected_features` must be"):
        head(X)


# ---- noise on the amplitudes, and the scale of the latents ----------------------------------------------------------


def test_amplitude_noise_has_the_length_asked_for_and_spares_the_constant() -> None:
    torch.manual_seed(0)
    clean = prepare_amplitudes(torch.ones(2000, 100), 2.0)
    noisy = add_amplitude_noise(clean, 100, 0.5, 2.0)
    assert torch.allclose(noisy.norm(dim=1), torch.ones(2000), atol=1e-5)
    scaled = noisy * (clean[:, -1:] / noisy[:, -1:])  # the constant as it was: what is left is the noise
    lengths = (scaled - clean)[:, :-1].norm(dim=1) / clean[:, :-1].norm(dim=1)
    assert abs(float(lengths.mean()) - 0.5) < 0.01


def test_noise_acts_in_training_steps_only() -> None:
    head = small_head(amplitude_noise=0.5)
    quiet = small_head(amplitude_noise=0.0).eval().latents(X)
    assert torch.equal(head.train().latents(X), quiet)  # calls in training mode are no steps
    with head.noisy_amplitudes():
        assert not torch.equal(head.train().latents(X), head.latents(X))
        assert torch.equal(head.eval().latents(X), quiet)
    assert torch.equal(head.train().latents(X), quiet)


def test_steps_of_training_are_noisy() -> None:
    ends = []
    for noise in (0.0, 0.5):
        head = small_head(amplitude_noise=noise)
        train_head(head, X, Y, QUIET)
        ends.append(head.encoder.weights.detach())
        assert not head.encoder.draws_noise
    assert not torch.equal(*ends)


def test_both_ways_through_the_modules_are_noisy() -> None:
    """In training the fast engine runs encoder and second module in one call, which takes amplitudes."""
    head = small_head(amplitude_noise=0.5).train()
    with head.noisy_amplitudes():
        noisy = head(X)[0]
    assert not torch.allclose(noisy, head(X)[0], atol=1e-4)


def test_latent_scale_is_where_the_trained_factor_starts() -> None:
    head, plain = small_head(latent_scale=3.0), small_head(latent_scale=1.0)
    assert torch.allclose(head.latents(X), 3 * plain.latents(X), atol=1e-6)
    assert head.num_parameters() == plain.num_parameters()
    train_head(head, X, Y, QUIET)
    assert (head.encoder.scale.detach() != 3.0).all()


def test_training_with_noise_is_repeatable_and_leaves_the_callers_randomness_alone() -> None:
    probabilities = []
    for caller in (1, 2):
        head = small_head(amplitude_noise=0.7)
        torch.manual_seed(caller)
        train_head(head, X, Y, QUIET)
        probabilities.append(head.predict_proba(X))
        drawn = torch.rand(1)
        torch.manual_seed(caller)
        assert torch.equal(drawn, torch.rand(1))
    assert torch.equal(*probabilities)


def test_the_classifier_takes_them() -> None:
    classifier = QuantumHeadClassifier(
        2, preprocessing="pca", projected_features=5, amplitude_noise=0.3, latent_scale=2.0, lr_schedule="cosine",
        min_steps=150, num_epochs=2, learning_rate=0.05, random_state=0,
    ).fit(X.numpy(), Y)  # fmt: skip
    assert classifier.head_.config.projected_features == 5
    assert classifier.n_iter_ == 50  # 3 steps an epoch
    assert classifier.score(X.numpy(), Y) > 0.8
