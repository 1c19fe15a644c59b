"""The estimator keeps scikit-learn's contract, and does what its own arguments say."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from setfit_quantum import NoiseModel, QuantumHeadClassifier, QuantumHeadConfig
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingCallback
from training_heads import make_blobs


def tiny(**settings) -> QuantumHeadClassifier:
    defaults = {"n_qubits": 2, "encoder_layers": 1, "num_epochs": 5, "learning_rate": 0.05}
    return QuantumHeadClassifier(**(defaults | {"amplitude_noise": 0.0, "random_state": 0} | settings))


def data(n=60, n_classes=2, **settings):
    embeddings, labels = make_blobs(n, n_classes, **settings)
    return embeddings.numpy(), labels.numpy()


@parametrize_with_checks([tiny()])
def test_scikit_learns_own_checks(estimator, check):
    """All of them, with none expected to fail."""
    check(estimator)


def test_strings_probabilities_and_decisions():
    x, y = data(80, 3)
    names = np.array(["refund", "login", "billing"])[y]
    classifier = tiny(num_epochs=40).fit(x, names)
    assert classifier.classes_.tolist() == ["billing", "login", "refund"]
    assert classifier.score(x, names) > 0.8
    probabilities = classifier.predict_proba(x)
    assert probabilities.shape == (80, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert (classifier.classes_[probabilities.argmax(axis=1)] == classifier.predict(x)).all()
    decisions = classifier.decision_function(x)
    np.testing.assert_allclose(np.exp(decisions) / np.exp(decisions).sum(axis=1, keepdims=True), probabilities)
    with torch.no_grad():
        _, head_probabilities = classifier.head_(torch.from_numpy(x))
    np.testing.assert_allclose(head_probabilities.numpy(), probabilities, atol=1e-6)


def test_two_classes_have_one_decision():
    x, y = data()
    classifier = tiny().fit(x, y)
    decisions = classifier.decision_function(x)
    assert decisions.shape == (60,)
    assert ((decisions > 0).astype(int) == classifier.predict(x)).all()
    np.testing.assert_allclose(1 / (1 + np.exp(-decisions)), classifier.predict_proba(x)[:, 1])


def test_several_labels_per_sample():
    x, _ = data(80, 3, spread=2.0)
    y = (x[:, :3] > 1).astype(int)
    classifier = tiny(n_qubits=3, num_epochs=80, class_weight="balanced").fit(x, y)
    assert classifier.head_.multitarget
    assert classifier.classes_.tolist() == [0, 1, 2]
    predictions = classifier.predict(x)
    assert predictions.shape == (80, 3)
    majority = np.maximum(y.mean(axis=0), 1 - y.mean(axis=0)).mean()
    assert (predictions == y).mean() > majority + 0.1
    assert (predictions == (classifier.predict_proba(x) >= 0.5)).all()
    assert classifier.score(x, y) == (predictions == y).all(axis=1).mean()


def test_pipeline_grid_search_cross_validation_and_clone():
    x, y = data(60)
    pipeline = make_pipeline(StandardScaler(), tiny())
    search = GridSearchCV(pipeline, {"quantumheadclassifier__learning_rate": [1e-4, 0.1]}, cv=2, error_score="raise")
    search.fit(x, y)
    assert search.best_params_ == {"quantumheadclassifier__learning_rate": 0.1}
    assert search.score(x, y) > 0.7
    scores = cross_val_score(tiny(num_epochs=20), x, y, cv=3, error_score="raise")
    assert scores.mean() > 0.7
    fitted = tiny().fit(x, y)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "head_")


def test_every_head_and_training_setting_can_be_given():
    names = set(QuantumHeadClassifier().get_params())
    head_names = set(QuantumHeadConfig().to_dict())
    # Taken from the data, from random_state, or (temperature, frozen parts) of no use to a fresh fit.
    assert head_names - names == {"in_features", "out_features", "multitarget", "temperature", "seed", "frozen"}
    training_names = set(HeadTrainingArguments().to_dict())
    own = {"class_weight", "random_state", "callbacks", "verbose", "device"}
    assert names - head_names - own <= training_names


def test_settings_reach_the_head_and_the_training():
    x, y = data()
    classifier = tiny(
        n_qubits=3, noise="paper-low", shots=50, n_reuploads=2, lr_schedule="constant", lr_decay=0.5, num_epochs=3
    )
    classifier.fit(x, y)
    config = classifier.head_.config
    assert (config.n_qubits, config.shots, config.n_reuploads, config.in_features) == (3, 50, 2, 6)
    assert classifier.head_.noise == NoiseModel.from_preset("paper-low")
    assert [entry["learning_rate"] for entry in classifier.history_] == [0.05, 0.025, 0.0125]
    assert classifier.n_iter_ == 3
    assert classifier.best_epoch_ is None


@pytest.mark.parametrize(
    "noise", [NoiseModel.from_preset("paper-high"), NoiseModel.from_preset("paper-high").to_dict()]
)
def test_noise_as_a_model_or_a_dictionary(noise):
    x, y = data(20)
    classifier = clone(tiny(noise=noise, num_epochs=1)).fit(x, y)
    assert classifier.head_.noise == NoiseModel.from_preset("paper-high")


def test_random_state_decides_everything():
    x, y = data()
    first, again, other = (tiny(shots=20, random_state=seed).fit(x, y).predict_proba(x) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    np.random.seed(0)
    unseeded = tiny(random_state=None).fit(x, y).head_.circuit_weights
    np.random.seed(0)
    assert torch.equal(tiny(random_state=None).fit(x, y).head_.circuit_weights, unseeded)
    tiny(random_state=np.random.RandomState(3)).fit(x, y)


def test_class_weight_moves_the_decision():
    x, y = data(80, spread=3.0)
    names = np.where(y == 1, "rare", "common")
    plain = tiny(num_epochs=20).fit(x, names)
    weighted = tiny(num_epochs=20, class_weight={"rare": 10.0}).fit(x, names)
    assert (weighted.predict(x) == "rare").sum() > (plain.predict(x) == "rare").sum()
    with pytest.raises(ValueError, match=r"only the classes \['common', 'rare'\], but got 'other'"):
        tiny(class_weight={"other": 1.0}).fit(x, names)


def test_validation_and_early_stopping():
    x, y = data(80)
    classifier = tiny(num_epochs=200, validation_split=0.25, early_stopping_patience=2).fit(x, y)
    assert classifier.n_iter_ < 200
    assert 1 <= classifier.best_epoch_ <= classifier.n_iter_
    assert len(classifier.history_) == classifier.n_iter_


def test_callbacks_and_progress(capsys):
    class Stop(HeadTrainingCallback):
        def on_epoch_end(self, head, state):
            return state.epoch == 2

    x, y = data()
    assert tiny(callbacks=[Stop()], verbose=True).fit(x, y).n_iter_ == 2
    assert "Training head" in capsys.readouterr().err
    tiny().fit(x, y)
    assert capsys.readouterr().err == ""


def test_pickled_estimators_predict_the_same():
    x, y = data()
    classifier = tiny(shots=30).fit(x, y)
    copy = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(copy.predict_proba(x), classifier.predict_proba(x))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_qubits": 1}, "`n_qubits`"),
        ({"encoder_qubits": 2}, "`encoder_qubits` must be at least 3"),
        ({"backend": "abacus"}, "`backend`"),
        ({"num_epochs": 0}, "`num_epochs`"),
        ({"early_stopping_patience": 3}, "`early_stopping_patience` needs validation data"),
    ],
)
def test_bad_settings_are_named_when_fitting(settings, message):
    with pytest.raises(ValueError, match=message):
        tiny(**settings).fit(*data())
