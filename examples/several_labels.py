"""Any number of labels per text, with a quantum head for all of them or one for each, in every way that SetFit knows.

The labels of the bundled support requests are their topic, and `question` where they end with a question mark.

python examples/several_labels.py
"""

import tempfile

import numpy as np

from setfit_quantum import QuantumHead, QuantumHeadClassifier, SetFitModel
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import resolve_body

STRATEGIES = (None, "one-vs-rest", "multi-output", "classifier-chain")


def main(num_epochs: int = 40, n_qubits: int = 4, strategies: tuple = STRATEGIES) -> dict[str, float]:
    train, test = load_examples("bundled:support"), load_examples("bundled:support", split="test")
    names = [*train.classes, "question"]

    def rows(examples) -> list[list[str]]:
        return [
            [str(label), *(["question"] if text.endswith("?") else [])]
            for text, label in zip(examples.texts, examples.labels, strict=True)
        ]

    def indicators(examples) -> np.ndarray:
        return np.array([[int(name in row) for name in names] for row in rows(examples)])

    accuracies = {}
    for strategy in strategies:
        if strategy is None:
            head = QuantumHead(n_qubits=2 * n_qubits, multitarget=True, seed=0)
        else:
            head = QuantumHeadClassifier(n_qubits=n_qubits, num_epochs=num_epochs, random_state=0)
        model = SetFitModel.from_pretrained(resolve_body(), head=head, multi_target_strategy=strategy, labels=names)
        options = {"num_epochs": num_epochs, "show_progress_bar": False} if strategy is None else {}
        model.fit(train.texts, indicators(train), **options)
        name = strategy or "one head for all"
        accuracies[name] = float((np.asarray(model.predict(test.texts)) == indicators(test)).mean())
        print(f"{name}: {100 * accuracies[name]:.1f} % of the labels are right")
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)  # no pickle, whatever the strategy
        loaded = SetFitModel.from_pretrained(folder)
    same = np.array_equal(np.asarray(loaded.predict(test.texts)), np.asarray(model.predict(test.texts)))
    print(f"saved and loaded: {loaded.multi_target_strategy}, the same predictions: {same}")
    return accuracies


if __name__ == "__main__":
    main()
