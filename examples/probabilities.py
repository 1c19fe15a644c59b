"""Probabilities that mean what they say: a temperature from held-out data, and silence where the model is not sure.

python examples/probabilities.py [DATA]

DATA is a data set as `load_examples` takes it, with a split `test`: a folder of csv files, or an id on the Hub (such as
SetFit/sst2); without it the bundled ones are used.
"""

import sys

from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.calibration import abstention, evaluate_probabilities
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import resolve_body
from setfit_quantum.evaluate_modules import load_module


def main(data: str = "bundled:support", num_epochs: int = 60, n_qubits: int = 8, limit: int = 1000) -> dict[str, float]:
    train, test = load_examples(data, limit=limit), load_examples(data, split="test", limit=limit)
    held_out = train.subset(range(0, len(train), 4))
    rest = train.subset([row for row in range(len(train)) if row % 4])
    model = SetFitModel.from_pretrained(resolve_body(), head=QuantumHead(n_qubits=n_qubits, seed=0))
    model.fit(
        rest.texts, rest.labels, num_epochs=num_epochs, validation_data=(held_out.texts, held_out.labels),
        class_weights="balanced", show_progress_bar=False,
    )  # fmt: skip
    targets = [model.label2id[label] for label in test.labels]

    figures = {}
    for name in ("before", "after"):
        if name == "after":  # the same as fit(..., calibrate=True)
            print(f"temperature: {model.calibrate(held_out.texts, held_out.labels):.2f}")
        found = evaluate_probabilities(model.predict_proba(test.texts), targets)
        figures[name] = found.expected_calibration_error
        print(
            f"{name}: mean confidence {100 * found.confidence:.1f} %, right {100 * found.accuracy:.1f} %, "
            f"calibration error {100 * found.expected_calibration_error:.1f} %, log loss {found.log_loss:.3f}"
        )

    chosen = model.choose_abstention(held_out.texts, held_out.labels, accuracy=0.9)
    found = abstention(model.predict_proba(test.texts), targets, chosen.threshold)
    figures["coverage"], figures["accuracy of answers"] = found.coverage, found.accuracy or 0.0
    print(
        f"below {chosen.threshold:.2f} it says nothing: it answers {100 * found.coverage:.0f} % of the test requests, "
        f"and is right in {100 * figures['accuracy of answers']:.1f} % of its answers"
    )
    print(f"{test.texts[0]!r}: {model.predict(test.texts[0])}")

    metric = load_module("brier_score")  # a module of the `evaluate` library
    print(metric.compute(predictions=model.predict_proba(test.texts).tolist(), references=targets))
    return figures


if __name__ == "__main__":
    main(*sys.argv[1:2])
