"""Five classes with names, validation, early stopping and class weights, on the bundled support requests.

python examples/support_requests.py [FOLDER FOR THE MODEL]
"""

import sys

from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import resolve_body


def main(folder: str = "support-model", num_epochs: int = 60) -> float:
    train, test = load_examples("bundled:support"), load_examples("bundled:support", split="test")
    model = SetFitModel.from_pretrained(resolve_body(), head=QuantumHead(n_qubits=8, seed=0))
    result = model.fit(
        train.texts,
        train.labels,
        num_epochs=num_epochs,
        validation_split=0.15,
        early_stopping_patience=20,
        class_weights="balanced",
        show_progress_bar=False,
    )
    print(f"Trained {result.epochs_run} epochs in {result.seconds:.1f} s; epoch {result.best_epoch} was the best.")
    right = sum(predicted == label for predicted, label in zip(model.predict(test.texts), test.labels, strict=True))
    print(f"{right} of {len(test)} test requests are right.")
    model.save_pretrained(folder)
    return right / len(test)


if __name__ == "__main__":
    main(*sys.argv[1:2])
