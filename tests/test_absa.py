"""Aspects and their polarity: SetFit's two models with our heads, on a spaCy pipeline with hand-set tags."""

from __future__ import annotations

import json

import pytest
import spacy
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression

from setfit_quantum import AbsaModel, AbsaTrainer, ClassicalHead, QuantumHead, TrainingArguments
from setfit_quantum.absa import AspectModel, PolarityModel
from setfit_quantum.training import HeadTrainingCallback

DATA = Dataset.from_dict(
    {
        "text": ["good film and great cast", "a dull story", "awful music", "lovely plot and bad cast", "a warm story"],
        "span": ["film", "story", "music", "cast", "story"],
        "label": ["positive", "negative", "negative", "negative", "positive"],
        "ordinal": [0, 0, 0, 0, 0],
    }
)


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    """Folder of a blank English pipeline that tags five words as nouns."""
    nouns = ["film", "cast", "story", "music", "plot"]
    built = spacy.blank("en")
    built.add_pipe("attribute_ruler").add([[{"LOWER": {"IN": nouns}}]], {"POS": "NOUN"})
    folder = tmp_path_factory.mktemp("spacy") / "pipeline"
    built.to_disk(folder)
    return str(folder)


def load(body, pipeline, head=None, **options):
    head = QuantumHead(n_qubits=3, encoder_layers=1, seed=0) if head is None else head
    return AbsaModel.from_pretrained(body, head=head, spacy_model=pipeline, device="cpu", **options)


def train(model, *, num_epochs=(0, 3), callbacks=None, **options):
    arguments = TrainingArguments(num_epochs=num_epochs, show_progress_bar=False, report_to="none", **options)
    trainer = AbsaTrainer(model, args=arguments, train_dataset=DATA, callbacks=callbacks)
    trainer.train()
    return trainer


def test_both_models_are_trained_saved_and_loaded(tiny_body, pipeline, tmp_path):
    model = load(tiny_body, pipeline)
    assert model.aspect_model.model_head is not model.polarity_model.model_head  # a copy, not shared
    texts = list(DATA["text"])
    epochs = []

    class Counter(HeadTrainingCallback):
        def on_epoch_end(self, head, state):
            epochs.append(state.epoch)

    trainer = train(model, callbacks=[Counter()])
    assert epochs == [1, 2, 3, 1, 2, 3]
    assert model.aspect_model.labels == ["no aspect", "aspect"]
    assert model.polarity_model.labels == ["negative", "positive"]
    model.save_pretrained(tmp_path / "model")
    saved = json.loads((tmp_path / "model-polarity" / "config_setfit.json").read_text())
    assert (saved["spacy_model"], saved["span_context"]) == (pipeline, 3)
    loaded = AbsaModel.from_pretrained(tmp_path / "model-aspect", tmp_path / "model-polarity", device="cpu")
    assert (type(loaded.aspect_model), type(loaded.polarity_model)) == (AspectModel, PolarityModel)
    assert (loaded.aspect_model.span_context, loaded.polarity_model.span_context) == (0, 3)
    for first, second in (
        (model.aspect_model, loaded.aspect_model),
        (model.polarity_model, loaded.polarity_model),
    ):
        assert torch.equal(first.predict_proba(texts), second.predict_proba(texts))
    assert loaded.predict(texts) == model.predict(texts)
    found = loaded.predict(DATA)
    assert set(found["pred_polarity"]) <= {"negative", "positive"}
    scores = trainer.evaluate(DATA)
    assert set(scores) == {"aspect", "polarity"}
    assert 0 <= scores["polarity"]["accuracy"] <= 1
    other = AbsaModel.from_pretrained(
        tmp_path / "model-aspect", tmp_path / "model-polarity", span_contexts=(1, 0), device="cpu"
    )
    assert (other.aspect_model.span_context, other.polarity_model.span_context) == (1, 0)


def test_both_models_are_found_by_the_name_they_were_saved_under(tiny_body, pipeline, tmp_path):
    model = load(tiny_body, pipeline)
    train(model, num_epochs=(0, 1))
    model.save_pretrained(tmp_path / "model")
    loaded = AbsaModel.from_pretrained(tmp_path / "model", device="cpu")
    texts = list(DATA["text"])
    assert torch.equal(loaded.aspect_model.predict_proba(texts), model.aspect_model.predict_proba(texts))
    assert torch.equal(loaded.polarity_model.predict_proba(texts), model.polarity_model.predict_proba(texts))
    with pytest.raises(
        ValueError, match=r"`polarity_model_id` must be given, since .*model-aspect' is a model of aspe"
    ):
        AbsaModel.from_pretrained(tmp_path / "model-aspect", device="cpu")


def test_cards_say_how_both_halves_are_used(tiny_body, pipeline, tmp_path):
    load(tiny_body, pipeline).save_pretrained(tmp_path / "model")
    for part, line in (
        ("aspect", 'model = AbsaModel.from_pretrained("PATH_OR_ID", "POLARITY_MODEL")'),
        ("polarity", 'model = AbsaModel.from_pretrained("ASPECT_MODEL", "PATH_OR_ID")'),
    ):
        card = (tmp_path / f"model-{part}" / "README.md").read_text()
        assert line in card
        assert "(with the folder or id of the other half in place of `" in card
        assert f"This is the {part} half of an aspect based sentiment model" in card
        assert "setfit_quantum.AbsaModel" in card
        assert "SetFitModel" not in card.split("## Labels")[0]


def test_data_that_teach_no_aspects_are_refused(tiny_body, pipeline, tmp_path, caplog):
    model = load(tiny_body, pipeline)
    with pytest.raises(ValueError, match=r"must have the columns text, span, label, ordinal .* but ordinal is missing"):
        AbsaTrainer(model, train_dataset=DATA.remove_columns("ordinal"))
    misplaced = Dataset.from_dict({**DATA.to_dict(), "span": ["nowhere", "sto", "music", "cast", "story"]})
    AbsaTrainer(model, train_dataset=misplaced)
    assert "2 of 5 spans are left out: they are no whole words of their texts" in caplog.text
    nothing = Dataset.from_dict({**DATA.to_dict(), "span": ["nowhere"] * 5})
    with pytest.raises(ValueError, match="must hold at least one span that is in its text"):
        AbsaTrainer(model, train_dataset=nothing)
    spacy.blank("en").to_disk(tmp_path / "blank")
    blank = load(tiny_body, str(tmp_path / "blank"))
    with pytest.raises(ValueError, match=r"finds no noun beside the aspects.* a blank one .* tags nothing"):
        AbsaTrainer(blank, train_dataset=DATA)


def test_predictions_name_spans_and_their_polarity(tiny_body, pipeline):
    # Five sentences alone: with noise on their amplitudes, nothing would be sure enough.
    model = load(tiny_body, pipeline, QuantumHead(n_qubits=3, encoder_layers=1, amplitude_noise=0.0, seed=0))
    train(model, num_epochs=(0, 60), head_learning_rate=0.05)
    found = model.predict("good film and great cast")
    assert {"span": "film", "polarity": "positive"} in found
    assert model.predict(["nothing here"]) == [[]]
    assert len(model.predict(["a dull story", "awful music"])) == 2


def test_a_span_is_read_with_its_context(tiny_body, pipeline):
    model = load(tiny_body, pipeline)
    docs, aspects = model.aspect_extractor(["good film and great cast"])
    assert aspects == [[slice(1, 2), slice(4, 5)]]
    assert next(iter(model.aspect_model.prepend_aspects(docs, aspects))) == "film:good film and great cast"
    assert (
        list(model.polarity_model.prepend_aspects(docs, aspects))[1] == "film and great cast:good film and great cast"
    )


@pytest.mark.parametrize(
    "head", [ClassicalHead(seed=0), LogisticRegression(), QuantumHead], ids=["linear", "sk", "class"]
)
def test_other_heads_work_too(head, tiny_body, pipeline, tmp_path):
    model = load(tiny_body, pipeline, head)
    train(model, num_epochs=(0, 1))
    model.save_pretrained(tmp_path / "model")
    loaded = AbsaModel.from_pretrained(tmp_path / "model-aspect", tmp_path / "model-polarity", device="cpu")
    texts = list(DATA["text"])
    assert list(loaded.polarity_model.predict(texts)) == list(model.polarity_model.predict(texts))


def test_bodies_are_tuned_before_the_heads(tiny_body, pipeline):
    model = load(tiny_body, pipeline)
    before = model.aspect_model.encode(list(DATA["text"]))
    train(model, num_epochs=(1, 1), max_steps=2, batch_size=4)
    assert not torch.allclose(model.aspect_model.encode(list(DATA["text"])), before)


def test_what_cannot_be_loaded_is_refused(tiny_body, pipeline, tmp_path, monkeypatch):
    with pytest.raises(OSError, match="spacy download no_such_pipeline"):
        load(tiny_body, "no_such_pipeline")
    with pytest.raises(TypeError, match=r"name or folder of a spaCy pipeline .* but got a pipeline of type English"):
        load(tiny_body, spacy.blank("en"))
    with pytest.raises(ValueError, match="Argument `span_context` must be at least 0"):
        load(tiny_body, pipeline, span_contexts=(-1, 0))
    model = load(tiny_body, pipeline)
    train(model, num_epochs=(0, 1))
    model.polarity_model.spacy_model = "another"
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(ValueError, match="saved with different pipelines"):
        AbsaModel.from_pretrained(tmp_path / "model-aspect", tmp_path / "model-polarity", device="cpu")
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    with pytest.raises(ImportError, match=r'pip install "setfit-quantum\[absa\]"'):
        load(tiny_body, pipeline)
