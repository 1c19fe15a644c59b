"""SetFit's hyperparameter search over quantum heads: their settings and those of their training."""

from __future__ import annotations

import pytest
from datasets import Dataset

from bodies import NAMES, TEXTS
from setfit_quantum import QuantumHead, SetFitModel, Trainer, TrainingArguments

DATA = Dataset.from_dict({"text": TEXTS, "label": NAMES})


@pytest.fixture
def trainer(tiny_body):
    def make_model(params):
        params = params or {}
        head = QuantumHead(n_qubits=params.get("n_qubits", 2), encoder_layers=1, seed=0)
        return SetFitModel.from_pretrained(tiny_body, head=head, device="cpu")

    arguments = TrainingArguments(num_epochs=(0, 2), show_progress_bar=False, report_to="none")
    return Trainer(model_init=make_model, args=arguments, train_dataset=DATA, eval_dataset=DATA)


def space(trial):
    return {
        "n_qubits": trial.suggest_categorical("n_qubits", [2, 3]),
        "head_learning_rate": trial.suggest_float("head_learning_rate", 0.01, 0.1, log=True),
        "num_epochs": (0, trial.suggest_int("epochs", 1, 3)),
        "lr_decay": trial.suggest_categorical("lr_decay", [1.0, 0.95]),
    }


def test_settings_of_head_and_training_are_searched(trainer):
    seen = []
    original = trainer.train

    def train(*args, **kwargs):
        original(*args, **kwargs)
        head = trainer.model.model_head
        seen.append((head.config.n_qubits, trainer.args.head_learning_rate, trainer.model.head_training.epochs_run))

    trainer.train = train
    best = trainer.hyperparameter_search(direction="maximize", hp_space=space, n_trials=3)
    assert len(seen) == 3
    assert {n_qubits for n_qubits, _, _ in seen} <= {2, 3}
    assert len({rate for _, rate, _ in seen}) == 3
    assert set(best.hyperparameters) == {"n_qubits", "head_learning_rate", "epochs", "lr_decay"}
    assert 0 <= best.objective <= 1
    chosen = {**best.hyperparameters, "num_epochs": (0, best.hyperparameters["epochs"])}
    del chosen["epochs"]
    trainer.apply_hyperparameters(chosen, final_model=True)
    assert trainer.model.model_head.config.n_qubits == best.hyperparameters["n_qubits"]
    trainer.train()
    assert trainer.model.head_training.epochs_run == best.hyperparameters["epochs"]
    assert set(trainer.model.predict(TEXTS)) <= set(NAMES)
