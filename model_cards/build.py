"""Train the reference models and write their cards: `python model_cards/build.py`.

Each model is trained on data bundled with the package, on the default sentence transformer (extra `demo`: offline).
What a card says is kept beside it as JSON, and `--render` writes the cards again from that, without training;
`--models DIR` also saves the models, ready for `setfit-quantum push`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PICTURE = "circuit.png"
SEED = 42

REFERENCES: dict[str, dict[str, Any]] = {
    "reviews-exact": {"data": "reviews", "head": {}, "title": "Reviews, 10 simulated qubits"},
    "reviews-noisy": {
        "data": "reviews",
        "head": {"noise": "paper-low", "shots": 1024},
        "title": "Reviews, 10 simulated qubits with gate noise and 1024 shots",
    },
    "support-exact": {"data": "support", "head": {}, "title": "Support requests, 10 simulated qubits"},
}
"""By the card's name: bundled data, settings of the head, title."""

TRAINING: dict[str, Any] = {"validation_split": 0.15, "seed": SEED}


def train(name: str, models: Path | None) -> dict[str, Any]:
    """Train and measure one reference model beside classical heads, and return what its card says."""
    from setfit_quantum import QuantumHead, SetFitModel
    from setfit_quantum.baselines import ClassicalHead, count_parameters, fit_logistic_regression
    from setfit_quantum.data import load_examples
    from setfit_quantum.default_body import DEFAULT_BODY, resolve_body
    from setfit_quantum.evaluation import evaluate_predictions
    from setfit_quantum.model.describing import gather_facts
    from setfit_quantum.training import HeadTrainingArguments, train_head
    from setfit_quantum.training.card_results import results_of

    plan = REFERENCES[name]
    source = f"bundled:{plan['data']}"
    examples, test = load_examples(source), load_examples(source, split="test")
    classes = examples.classes
    targets, truth = (part.indicators(classes).argmax(axis=1) for part in (examples, test))
    head = QuantumHead(seed=SEED, **plan["head"])
    model = SetFitModel.from_pretrained(resolve_body(), head=head, labels=classes)
    features, test_features = model.encode(examples.texts), model.encode(test.texts)
    arguments = HeadTrainingArguments(**TRAINING, show_progress_bar=False)
    result = train_head(head, features, targets, arguments, label_names=classes)

    model.model_card_data.st_id = DEFAULT_BODY
    model.model_card_data.license = "apache-2.0"  # the sentence transformer's, whose weights the model holds
    model.model_card_data.language = "en"
    model.model_card_data.model_name = plan["title"]
    n_validation = -(-len(examples) * 15 // 100)
    model.record_training(arguments, result, n_train=len(examples) - n_validation, n_validation=n_validation)
    place: dict[str, Any] = {"dataset": source, "dataset_name": f"{plan['data']} (bundled with setfit-quantum)"}

    def measure(predictions: Any, **whose: Any) -> list[Any]:
        return results_of(evaluate_predictions(truth, predictions, classes), **place, **whose)

    model.record_results(measure(head.predict(test_features).cpu().numpy()))
    # Seven hidden units: the MLP of about as many parameters as the quantum head, trained in the same way.
    small = ClassicalHead(hidden_dim=7, seed=SEED)
    train_head(small, features, targets, arguments, label_names=classes)
    whose = {"head": "MLP of this size (seven hidden units)", "parameters": small.num_parameters()}
    model.record_results(measure(small.predict(test_features).cpu().numpy(), **whose), compared=True)
    logistic = fit_logistic_regression(features.cpu(), targets)
    whose = {"head": "logistic regression", "parameters": count_parameters(logistic)}
    model.record_results(measure(logistic.predict(test_features.cpu()), **whose), compared=True)
    if models is not None:
        model.save_pretrained(models / name)
    return {
        "facts": gather_facts(model).to_dict(),
        "head": head.config.to_dict(),
        "labels": classes,
        "max_length": model.model_body.get_max_seq_length(),
    }


def render(values: dict[str, Any]) -> str:
    """The card from what was kept of a training."""
    from setfit_quantum import QuantumHead, QuantumHeadConfig
    from setfit_quantum.card import CardFacts, render_card

    head = QuantumHead.from_config(QuantumHeadConfig.from_dict(values["head"]))
    facts = CardFacts.from_dict(values["facts"])
    picture = PICTURE if same_circuit(head) else None
    return render_card(facts, head, labels=values["labels"], max_length=values["max_length"], picture=picture)


def same_circuit(head: Any) -> bool:
    """Whether the one picture beside the cards shows this head's circuit."""
    from setfit_quantum import QuantumHead

    return bool(head.circuit == QuantumHead().circuit)


def draw(folder: Path) -> None:
    """Draw the circuit that the reference models have in common into a folder."""
    from setfit_quantum import QuantumHead
    from setfit_quantum.card.picture import draw_circuit

    if not draw_circuit(QuantumHead(), folder / PICTURE):
        raise RuntimeError("The picture needs matplotlib: pip install 'setfit-quantum[plots]'.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or only render, the cards that are named (all by default)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"among {', '.join(REFERENCES)}")
    parser.add_argument("--render", action="store_true", help="write the cards again from the JSON files")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of the cards")
    parser.add_argument("--models", type=Path, help="folder to save the models in")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(REFERENCES)):
        parser.error(f"there is no reference model {unknown[0]!r}")
    draw(options.output)
    for name in options.names or REFERENCES:
        path = options.output / f"{name}.json"
        if not options.render:
            print(f"Training {name} ...", flush=True)
            path.write_text(json.dumps(train(name, options.models), indent=2) + "\n", encoding="utf-8")
        card = render(json.loads(path.read_text(encoding="utf-8")))
        path.with_suffix(".md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
