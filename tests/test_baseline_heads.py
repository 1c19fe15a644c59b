"""Classical baselines: one interface, the paper's grids and parameter counts, selection by validation alone."""

import numpy as np
import pytest

from setfit_quantum.baselines import (
    LogisticRegressionBaseline,
    MLPBaseline,
    SetFitHeadBaseline,
    SVCBaseline,
)
from setfit_quantum.training import HeadTrainingArguments

FEW = HeadTrainingArguments(num_epochs=12, learning_rate=0.05, show_progress_bar=False)


def clusters(n, d=12, k=3, seed=0, spread=0.25):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    return (np.eye(k, d)[labels] + spread * rng.normal(size=(n, d))).astype(np.float32), labels


BASELINES = {
    "logistic": lambda: LogisticRegressionBaseline(C=[0.1, 1.0]),
    "svc": lambda: SVCBaseline(C=[0.1, 10.0], gamma=["scale", 0.5]),
    "linear": lambda: MLPBaseline(arguments=FEW),
    "mlp": lambda: MLPBaseline(6, batch_norm=(False, True), weight_decay=(0.0, 1e-3), arguments=FEW),
    "setfit": lambda: SetFitHeadBaseline(),
}


@pytest.mark.parametrize("name", BASELINES)
def test_one_interface(name):
    X, numbers = clusters(180)
    y = np.array(["a", "b", "c"])[numbers]
    X_test, truth = clusters(90, seed=1)
    fitted = BASELINES[name]()
    assert fitted.fit(X, y, X_test[:30], np.array(["a", "b", "c"])[truth[:30]]) is fitted
    assert fitted.classes_.tolist() == ["a", "b", "c"]
    predicted, probabilities = fitted.predict(X_test), fitted.predict_proba(X_test)
    assert (predicted == np.array(["a", "b", "c"])[truth]).mean() > 0.75
    assert probabilities.shape == (90, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (fitted.classes_[probabilities.argmax(axis=1)] == predicted).mean() > 0.9
    assert 0.7 < fitted.validation_accuracy_ <= 1
    assert fitted.num_parameters() > 0


def test_parameters_as_the_paper_counts_them():
    X, y = clusters(40, 768, 2)
    assert LogisticRegressionBaseline().fit(X, y).num_parameters() == 769
    for hidden, expected in ((0, 1538), (48, 37010), (192, 148034)):
        fast = MLPBaseline(hidden, arguments=FEW.with_changes(num_epochs=1))
        assert fast.fit(X, y).num_parameters() == expected
    assert SetFitHeadBaseline(FEW).fit(X, y).num_parameters() == 1538
    svc = SVCBaseline(C=[0.001], gamma=[1.0]).fit(X, y)
    # So small a C makes every sentence a support vector: the paper's "SVC 435".
    assert svc.num_parameters() == len(X)
    assert SVCBaseline(C=[100.0]).fit(X, y).num_parameters() <= len(X)


def test_the_papers_grids():
    logistic = LogisticRegressionBaseline.paper().candidates()
    # 33 values of C, and one candidate without a penalty, for which C means nothing.
    assert len(logistic) == (33 + 1) * 2 * 3
    assert {candidate["C"] for candidate in logistic} == {None, *(round(0.3 * k, 1) for k in range(1, 34))}
    assert len(SVCBaseline.paper().candidates()) == 36
    assert len(MLPBaseline.paper(0).candidates()) == 15
    assert len(MLPBaseline.paper(48).candidates()) == 30
    assert MLPBaseline.paper(48).arguments.num_epochs == 800


def test_validation_selects_and_nothing_else():
    X, y = clusters(80, k=2, spread=0.8)
    X_validation, y_validation = clusters(40, k=2, seed=2, spread=0.8)
    grid = {"C": [1e-4, 1.0, 1e4], "gamma": ["scale", 5.0]}
    fitted = SVCBaseline(**grid).fit(X, y, X_validation, y_validation)
    single = {}
    for candidate in fitted.candidates():
        one = SVCBaseline(**{name: [value] for name, value in candidate.items()}).fit(X, y)
        single[tuple(candidate.values())] = float((one.predict(X_validation) == y_validation).mean())
    best = max(single.values())
    assert fitted.validation_accuracy_ == best
    # Among equals the first.
    assert tuple(fitted.selected_.values()) == next(key for key, value in single.items() if value == best)
    # Other validation labels select another candidate.
    flipped = SVCBaseline(**grid).fit(X, y, X_validation, 1 - y_validation)
    assert flipped.selected_ != fitted.selected_


def test_mlp_selects_settings_of_training_and_layers():
    X, y = clusters(60, k=2)
    validation = clusters(30, k=2, seed=1)
    fitted = MLPBaseline(
        4, batch_norm=(False, True), learning_rate=(1e-6, 0.05), arguments=FEW.with_changes(num_epochs=5)
    ).fit(X, y, *validation)
    assert fitted.selected_["learning_rate"] == 0.05
    assert len(fitted.candidates()) == 4
    again = MLPBaseline(
        4, batch_norm=(False, True), learning_rate=(1e-6, 0.05), arguments=FEW.with_changes(num_epochs=5)
    ).fit(X, y, *validation)
    np.testing.assert_array_equal(fitted.predict_proba(X), again.predict_proba(X))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SVCBaseline(C=[]), "`C` must be a list of values to try"),
        (lambda: SVCBaseline(gamma="scale"), "`gamma` must be a list"),
        (lambda: LogisticRegressionBaseline(penalty=["l1"]), "`penalty` must hold only 'l2' and None"),
        (lambda: MLPBaseline(0, batch_norm=(True,)), "`batch_norm` needs a hidden layer"),
        (lambda: MLPBaseline(-1), "`hidden_dim` must be at least 0"),
        (lambda: SVCBaseline(C=[1, 2]).fit(*clusters(9)), "must be given to select one of 2 candidates"),
        (lambda: MLPBaseline(4, lr_decay=(1.0, 0.9)).fit(*clusters(9)), "must be given to select one of 2"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build()
