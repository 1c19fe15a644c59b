"""SetFit's hyperparameter search (optuna) over a quantum head and its training.

python examples/search_settings.py
"""

from datasets import Dataset
from sentence_transformers import SentenceTransformer

from setfit_quantum import QuantumHead, SetFitModel, Trainer, TrainingArguments
from setfit_quantum.data import load_examples, stratified_split
from setfit_quantum.default_body import resolve_body


def main(n_trials: int = 5, num_epochs: int = 30) -> float:
    train, test = load_examples("bundled:reviews"), load_examples("bundled:reviews", split="test")
    rest, held_out = stratified_split(train.labels, 0.25, seed=0)
    parts = [train.subset(rows) for rows in (rest, held_out)]
    train_data, held_out_data = (Dataset.from_dict({"text": part.texts, "label": part.labels}) for part in parts)
    body = SentenceTransformer(resolve_body(), device="cpu")  # frozen here, so that all trials may share it

    def make_model(params) -> SetFitModel:
        params = params or {}
        return SetFitModel(body, QuantumHead(n_qubits=params.get("n_qubits", 4), seed=0))

    def space(trial) -> dict:
        return {
            "n_qubits": trial.suggest_int("n_qubits", 3, 8),
            "head_learning_rate": trial.suggest_float("head_learning_rate", 0.003, 0.1, log=True),
            "lr_decay": trial.suggest_categorical("lr_decay", [1.0, 0.97]),
        }

    arguments = TrainingArguments(num_epochs=(0, num_epochs), show_progress_bar=False, report_to="none")
    trainer = Trainer(
        model_init=make_model, args=arguments, train_dataset=train_data, eval_dataset=held_out_data,
        metric=lambda predicted, true: sum(map(int.__eq__, map(int, predicted), map(int, true))) / len(true),
    )  # fmt: skip
    best = trainer.hyperparameter_search(direction="maximize", hp_space=space, n_trials=n_trials)
    print(f"best on held-out data: {best.hyperparameters} with {100 * best.objective:.1f} %")
    trainer.apply_hyperparameters(best.hyperparameters, final_model=True)
    trainer.train()
    right = sum(a == b for a, b in zip(trainer.model.predict(test.texts), test.labels, strict=True)) / len(test)
    print(f"on the test data: {100 * right:.1f} %")
    return right


if __name__ == "__main__":
    main()
