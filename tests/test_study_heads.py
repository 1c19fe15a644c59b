"""Ablations of quantum heads, and checks of settings before anything is trained."""

import numpy as np
import pytest
import torch

from setfit_quantum.experiments.conditions import Condition
from setfit_quantum.experiments.defaults import STUDY_TRAINING
from setfit_quantum.experiments.heads import build_quantum_head, check_head, fit_head
from setfit_quantum.experiments.run_settings import Run
from setfit_quantum.experiments.study_data import LabelledSet, StudyData

SMALL = {"n_qubits": 3, "preprocessing": None, "initialization": "uniform"}
TRAINING = {"num_epochs": 3, "batch_size": 8, "learning_rate": 0.1}


def build(**settings):
    return build_quantum_head(SMALL | settings, Condition(), 0, 8, 2)


def build_data():
    rng = np.random.default_rng(0)

    def part(n):
        targets = np.arange(n) % 2
        return LabelledSet(rng.normal(size=(n, 8)) + np.where(targets, 1.0, -1.0)[:, None], targets)

    return StudyData(part(16), part(8), part(20))


@pytest.mark.parametrize(
    ("head", "training"),
    [
        ({"kind": "quantum", "n_qubits": 3}, TRAINING | {"final_layer": "lda"}),
        ({"kind": "quantum", "n_qubits": 3, "preset": "paper-single"}, TRAINING),
        ({"kind": "neural", "hidden_dim": 4, "batch_norm": True}, TRAINING),
        ({"kind": "setfit"}, {"num_epochs": 3}),
        ({"kind": "logistic", "C": [0.01, 1.0], "class_weight": [None, "balanced"]}, {}),
        ({"kind": "svc", "C": [0.1, 10.0], "gamma": ["scale", 1.0]}, {}),
    ],
)
def test_the_test_data_decide_nothing(head, training):
    """Other test data: the same epoch and settings are selected, and the same head comes out."""
    data, run = build_data(), Run(head, 0, training=training)
    rng = np.random.default_rng(5)
    others = StudyData(data.train, data.validation, LabelledSet(100 * rng.normal(size=(20, 8)), np.arange(20) // 10))
    first, second = fit_head(run, data), fit_head(run, others)
    assert first.validation == second.validation
    assert first.details == second.details
    inputs = rng.normal(size=(200, 8)).astype(np.float32)
    np.testing.assert_array_equal(first.predict(inputs), second.predict(inputs))


def gates(circuit):
    return sum(gate.name == "cx" for gate in circuit.gates)


def test_entanglement_removed():
    full, half, none = (build(entanglement=choice) for choice in ("full", "encoders only", "none"))
    assert gates(full.circuit) > 0
    assert gates(half.circuit) == gates(none.circuit) == 0
    assert gates(half.encoder.circuit) == gates(full.encoder.circuit) > 0
    assert gates(none.encoder.circuit) == 0
    # As many angles as before: only the CNOTs are gone.
    assert full.num_parameters() == half.num_parameters() == none.num_parameters()
    x = torch.randn(4, 8)
    assert not torch.allclose(full(x)[0], half(x)[0])
    assert not torch.allclose(half(x)[0], none(x)[0])


def test_without_entanglement_qubits_are_independent():
    head = build(entanglement="encoders only")
    weights = head.circuit_weights.detach().clone()
    x = torch.randn(2, 8)
    before = head.expectations(x).detach()
    # The last qubit's angles: every third in rings and columns of three qubits.
    with torch.no_grad():
        targets = [gate.weight for gate in head.circuit.gates if gate.weight is not None and gate.wires == (2,)]
        head.circuit_weights[sorted(set(targets))] += 0.7
    after = head.expectations(x).detach()
    assert not torch.equal(weights, head.circuit_weights)
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2])


@pytest.mark.parametrize("choice", ["random", "fixed"])
def test_encoder_that_does_not_train(choice):
    run = Run({"kind": "quantum", **SMALL, "encoder_training": choice}, 0, training=TRAINING)
    head = build(encoder_training=choice)
    assert not any(parameter.requires_grad for parameter in head.encoder.parameters())
    assert (float(head.encoder.weights.abs().sum()) == 0) == (choice == "fixed")
    fitted = fit_head(run, build_data())
    assert fitted.details["trained_parameters"] == head.circuit_weights.numel() + 3 * 2 + 2
    assert fitted.predict(build_data().test.embeddings).shape == (20,)


def test_ablated_head_predicts_with_its_own_circuit():
    data = build_data()
    x = data.test.embeddings
    for settings in ({"entanglement": "none"}, {"entanglement": "encoders only"}):
        run = Run({"kind": "quantum", **SMALL, **settings}, 0, training=TRAINING)
        fitted = fit_head(run, data)
        # Trained again by hand, and asked directly.
        from setfit_quantum.training import HeadTrainingArguments, train_head

        head = build(**settings)
        train_head(
            head,
            data.train.embeddings,
            data.train.targets,
            HeadTrainingArguments(**STUDY_TRAINING | TRAINING, seed=0, show_progress_bar=False),
            eval_embeddings=data.validation.embeddings,
            eval_labels=data.validation.targets,
        )
        np.testing.assert_array_equal(fitted.predict(x), head.predict(torch.from_numpy(x)).numpy())


def test_conditions_of_training_and_inference():
    noisy = build_quantum_head(SMALL, Condition.parse("paper-high:64"), 0, 8, 2)
    assert (noisy.noise.name, noisy.shots, noisy.sampler) == ("paper-high", 64, "gaussian")
    data = build_data()
    exact = Run({"kind": "quantum", **SMALL}, 0, training=TRAINING)
    few = Run({"kind": "quantum", **SMALL}, 0, training=TRAINING, eval_condition="none:1")
    first, second = (fit_head(run, data).predict(data.test.embeddings) for run in (exact, few))
    # One shot per sentence: the same head gives other answers.
    assert (first != second).any()
    spread = Run(
        {"kind": "quantum", **SMALL}, 0, training=TRAINING, eval_condition="paper-high:64", eval_trajectories=2
    )
    assert fit_head(spread, data).predict(data.test.embeddings).shape == (20,)


def test_presets():
    head = build_quantum_head({"preset": "paper-single-qm1", "n_qubits": 4}, Condition(), 0, 8, 2)
    assert (head.config.n_readout, head.config.one_logit, head.config.amplitude_bias) == (1, True, 0.0)
    three = build_quantum_head({"preset": "paper-single", "n_qubits": 4}, Condition(), 0, 8, 3)
    assert three.out_features == 3


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"kind": "quantum", "n_qubits": 3, "entanglement": "some"}, "`entanglement` must be one of"),
        ({"kind": "quantum", "n_qubits": 3, "encoder": "linear", "entanglement": "none"}, "must be 'full' with"),
        ({"kind": "quantum", "preset": "paper-double"}, "must be one of 'paper-single'"),
        ({"kind": "quantum", "n_qubits": 3, "noise": "paper-low"}, "which the conditions give"),
        ({"kind": "neural", "batch_norm": True}, "`batch_norm` needs a hidden layer"),
        ({"kind": "svc", "gamma": []}, "`gamma` must be a list of values"),
    ],
)
def test_bad_heads_are_found_before_training(head, message):
    with pytest.raises(ValueError, match=message):
        check_head(Run(head, 0), 8, 2)


def test_bad_training_settings():
    with pytest.raises(TypeError, match="num_epoch"):
        check_head(Run({"kind": "neural"}, 0, training={"num_epoch": 2}), 8, 2)
