"""Body and head trained together, beside the head on the frozen body.

python examples/end_to_end.py
"""

from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import resolve_body


def main(num_epochs: int = 3, n_qubits: int = 6, n_train: int = 64, body: str | None = None) -> dict[str, float]:
    train, test = load_examples("bundled:reviews"), load_examples("bundled:reviews", split="test")
    few = train.subset(range(n_train))
    accuracies = {}
    for name, end_to_end in (("frozen body", False), ("body and head together", True)):
        model = SetFitModel.from_pretrained(body or resolve_body(), head=QuantumHead(n_qubits=n_qubits, seed=0))
        model.fit(
            few.texts,
            few.labels,
            num_epochs=num_epochs,
            end_to_end=end_to_end,
            # The body changes slowly, the head fast.
            body_learning_rate=2e-5 if end_to_end else None,
            head_learning_rate=0.02,
            show_progress_bar=False,
        )
        right = sum(a == b for a, b in zip(model.predict(test.texts), test.labels, strict=True))
        accuracies[name] = right / len(test)
        print(f"{name}, {num_epochs} epochs on {n_train} reviews: {100 * accuracies[name]:.1f} % of {len(test)}")
    return accuracies


if __name__ == "__main__":
    main()
