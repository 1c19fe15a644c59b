"""What people praise and what they blame: aspects of restaurant reviews and their polarity, with quantum heads.

SetFit's ABSA: spaCy finds candidate words (nouns), one model tells which of them are aspects, another one what the
review says of each. With spaCy's `en_core_web_sm` or `en_core_web_lg` installed their tags are used; otherwise a blank
pipeline that knows the nouns of these sentences.

python examples/aspects.py
"""

import tempfile
from pathlib import Path

import spacy
from datasets import Dataset

from setfit_quantum import AbsaModel, AbsaTrainer, ClassicalHead, QuantumHead, TrainingArguments
from setfit_quantum.default_body import resolve_body

TRAIN = {
    "The pasta was delicious.": {"pasta": "positive"},
    "Our waiter was rude and slow.": {"waiter": "negative"},
    "My sister loved the wonderful desserts.": {"desserts": "positive"},
    "The soup arrived cold.": {"soup": "negative"},
    "We came on a Friday and the staff was charming.": {"staff": "positive"},
    "The tables were dirty.": {"tables": "negative"},
    "Great wine, awful coffee.": {"wine": "positive", "coffee": "negative"},
    "The prices are far too high for this street.": {"prices": "negative"},
    "A lovely view over the harbour.": {"view": "positive"},
    "My friends found the steak tough.": {"steak": "negative"},
    "The salad is always fresh.": {"salad": "positive"},
    "The music was unbearably loud.": {"music": "negative"},
    "For my birthday they brought an excellent cake.": {"cake": "positive"},
    "The fish smelled terrible.": {"fish": "negative"},
    "Friendly service and a cosy room.": {"service": "positive", "room": "positive"},
    "The bread was stale, the butter rancid.": {"bread": "negative", "butter": "negative"},
    "In the evening the atmosphere is magical.": {"atmosphere": "positive"},
    "The menu is short and boring.": {"menu": "negative"},
    "Last week the pizza was perfect.": {"pizza": "positive"},
    "The chef clearly does not care.": {"chef": "negative"},
    "Beautiful terrace, miserable parking.": {"terrace": "positive", "parking": "negative"},
    "Her husband enjoyed the superb lamb.": {"lamb": "positive"},
    "The toilets were disgusting.": {"toilets": "negative"},
    "The cocktails made our night.": {"cocktails": "positive"},
}
TEST = {
    "The burger was fantastic.": {"burger": "positive"},
    "The hostess ignored us for an hour.": {"hostess": "negative"},
    "My brother praised the amazing curry.": {"curry": "positive"},
    "The chairs are uncomfortable.": {"chairs": "negative"},
    "Tasty noodles, horrible tea.": {"noodles": "positive", "tea": "negative"},
    "The bill was a shock.": {"bill": "negative"},
    "On Sunday the brunch is outstanding.": {"brunch": "positive"},
    "The rice was overcooked.": {"rice": "negative"},
    "Attentive owners and a charming garden.": {"owners": "positive", "garden": "positive"},
    "The lighting gave me a headache.": {"lighting": "negative"},
}
OTHER_NOUNS = (
    "sister friday friends street harbour birthday evening week husband night brother hour shock sunday headache"
)


def main(
    num_epochs: int = 60, n_qubits: int = 6, body: str | None = None, seed: int = 0
) -> dict[str, dict[str, float]]:
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        pipeline = choose_pipeline(Path(scratch))
        for name, head in (
            ("quantum", QuantumHead(n_qubits=n_qubits, seed=seed)),
            ("linear", ClassicalHead(seed=seed)),
        ):
            model = AbsaModel.from_pretrained(body or resolve_body(), head=head, spacy_model=pipeline)
            arguments = TrainingArguments(num_epochs=(0, num_epochs), show_progress_bar=False, report_to="none")
            trainer = AbsaTrainer(model, args=arguments, train_dataset=to_dataset(TRAIN))
            trainer.train()
            scores = trainer.evaluate(to_dataset(TEST))
            found[name] = {part: scores[part]["accuracy"] for part in ("aspect", "polarity")}
            print(f"{name} heads: " + ", ".join(f"{part} {100 * value:.0f} %" for part, value in found[name].items()))
            if name == "quantum":
                model.save_pretrained(Path(scratch) / "model")
                loaded = AbsaModel.from_pretrained(Path(scratch) / "model-aspect", Path(scratch) / "model-polarity")
                text = "Tasty noodles, horrible tea."
                print(f"{text} {loaded.predict(text)}")
    return found


def to_dataset(reviews: dict[str, dict[str, str]]) -> Dataset:
    rows = [(text, span, label, 0) for text, spans in reviews.items() for span, label in spans.items()]
    return Dataset.from_dict(
        dict(zip(("text", "span", "label", "ordinal"), map(list, zip(*rows, strict=True)), strict=True))
    )


def choose_pipeline(folder: Path) -> str:
    """Name of a trained pipeline that is installed, or the folder of a blank one that knows these nouns."""
    for name in ("en_core_web_lg", "en_core_web_sm"):
        if spacy.util.is_package(name):
            return name
    pipeline = spacy.blank("en")
    spans = {span for reviews in (TRAIN, TEST) for found in reviews.values() for span in found}
    nouns = sorted({*spans, *OTHER_NOUNS.split()})
    pipeline.add_pipe("attribute_ruler").add([[{"LOWER": {"IN": nouns}}]], {"POS": "NOUN"})
    pipeline.to_disk(folder / "pipeline")
    return str(folder / "pipeline")


if __name__ == "__main__":
    main()
