"""Fewer qubits by shorter embeddings: the first numbers of an embedding, and an instruction before every text.

`truncate_dim` is meant for bodies whose first numbers say most (Matryoshka); other bodies lose more. Both settings are
saved with the body.

python examples/fewer_qubits.py
"""

from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import resolve_body


def main(widths: tuple[int | None, ...] = (None, 127, 31), num_epochs: int = 40) -> dict[str, float]:
    train, test = load_examples("bundled:reviews"), load_examples("bundled:reviews", split="test")
    accuracies = {}
    for width in widths:
        for prompt in (None, "Sentiment of a review: ") if width is None else (None,):
            head = QuantumHead(n_qubits=4, seed=0)
            model = SetFitModel.from_pretrained(resolve_body(), head=head, truncate_dim=width, prompt=prompt)
            model.fit(train.texts, train.labels, num_epochs=num_epochs, show_progress_bar=False)
            right = sum(a == b for a, b in zip(model.predict(test.texts), test.labels, strict=True))
            name = f"{head.in_features} numbers, {head.encoder_circuit().n_qubits} encoder qubits"
            name += "" if prompt is None else ", with an instruction"
            accuracies[name] = right / len(test)
            print(f"{name}: {100 * accuracies[name]:.1f} % of {len(test)}")
    return accuracies


if __name__ == "__main__":
    main()
