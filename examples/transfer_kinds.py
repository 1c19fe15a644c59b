"""Four kinds of transfer: what was trained on one task, frozen, feeds a new classifier for another task.

A is the pre-trained network, B the new one; each is classical (C) or quantum (Q). Here A is the encoder of a head that
learned to tell good reviews from bad ones, and B learns the five classes of the bundled support requests on top of it.

python examples/transfer_kinds.py [FIRST SECOND]

FIRST and SECOND are data sets as `load_examples` takes them, the second with a split `test`: folders of csv files, or
ids on the Hub (such as SetFit/emotion SetFit/sst2); without them the bundled ones are used.
"""

import copy
import sys

from sentence_transformers import SentenceTransformer

from setfit_quantum import ClassicalHead, QuantumHead, SetFitModel
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import resolve_body


def main(
    first: str = "bundled:reviews",
    second: str = "bundled:support",
    num_epochs: int = 60,
    n_qubits: int = 8,
    limit: int = 1000,
) -> dict[str, float]:
    body = SentenceTransformer(resolve_body(), device="cpu")
    former = load_examples(first, limit=limit)
    train, test = load_examples(second, limit=limit), load_examples(second, split="test", limit=limit)

    def accuracy(model: SetFitModel) -> float:
        model.fit(train.texts, train.labels, num_epochs=num_epochs, show_progress_bar=False)
        return sum(a == b for a, b in zip(model.predict(test.texts), test.labels, strict=True)) / len(test)

    accuracies = {}
    for settings in ({"encoder": "mlp", "encoder_hidden_dim": 16}, {"encoder": "quantum"}):
        source = SetFitModel(body, QuantumHead(n_qubits=n_qubits, seed=0, **settings))
        source.fit(former.texts, former.labels, num_epochs=num_epochs, show_progress_bar=False)
        for classifier in ("linear", "quantum"):
            model = SetFitModel(body, copy.deepcopy(source.model_head))
            model.model_head.freeze("encoder")
            model.replace_classifier(classifier)
            kind = model.model_head.transfer_kind
            accuracies[kind.value] = accuracy(model)
            print(f"{kind}: {100 * accuracies[kind.value]:.1f} %, {model.model_head.num_parameters()} numbers trained")
    accuracies["linear"] = accuracy(SetFitModel(body, ClassicalHead(seed=0)))
    print(f"A new linear head on the body's embeddings, nothing carried over: {100 * accuracies['linear']:.1f} %")
    return accuracies


if __name__ == "__main__":
    main(*sys.argv[1:3])
