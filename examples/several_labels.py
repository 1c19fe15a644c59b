"""Any number of labels per text, with a quantum head for all of them or one for each, in every way that SetFit knows.

python examples/several_labels.py [DATA]

DATA is a data set as `load_examples` takes it, with a split `test` and labels joined by a bar (`joy|surprise`): a
folder of csv files, or an id on the Hub. Without it the bundled support requests are used; their labels are their
topic, and `question` where they end with a question mark.
"""

import sys
import tempfile

import numpy as np

from setfit_quantum import QuantumHead, QuantumHeadClassifier, SetFitModel
from setfit_quantum.data import Examples, load_examples
from setfit_quantum.default_body import resolve_body

STRATEGIES = (None, "one-vs-rest", "multi-output", "classifier-chain")


def main(
    data: str | None = None, num_epochs: int = 40, n_qubits: int = 4, strategies: tuple = STRATEGIES, limit: int = 500
) -> dict[str, float]:
    train, test = (load_several(data, split, limit) for split in ("train", "test"))
    names = train.classes

    def indicators(examples: Examples) -> np.ndarray:
        return examples.indicators(names)

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


def load_several(data: str | None, split: str, limit: int) -> Examples:
    """Texts with any number of labels each."""
    if data is not None:
        return load_examples(data, split=split, multilabel=True, limit=limit)
    found = load_examples("bundled:support", split=split)
    labels = [
        [str(label), *(["question"] if text.endswith("?") else [])]
        for text, label in zip(found.texts, found.labels, strict=True)
    ]
    return Examples(found.texts, labels, found.name, multilabel=True)


if __name__ == "__main__":
    main(*sys.argv[1:2])
