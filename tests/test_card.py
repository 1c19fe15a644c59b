"""The model card: every field of its front matter, every section, and what survives saving and loading."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from huggingface_hub import ModelCard
from sklearn.linear_model import LogisticRegression

from bodies import NAMES, NUMBERS, TEXTS
from setfit_quantum import QuantumHead, SetFitModel, Trainer, TrainingArguments
from setfit_quantum.card import CardFacts, CardResult, picture, read_facts, render_card, render_head_card, write_facts
from setfit_quantum.card.picture import draw_circuit
from setfit_quantum.default_body import DEFAULT_BODY, resolve_body
from setfit_quantum.evaluation import wilson_interval
from setfit_quantum.serialization import ModelFileError
from setfit_quantum.serialization.layout import CARD_FACTS, CIRCUIT_PICTURE, SCHEMA_VERSION

BUILD = Path(__file__).parents[1] / "model_cards" / "build.py"
RESULT = CardResult(
    "accuracy", 0.9, (0.8, 0.95), "95 % Wilson interval over examples", "SetFit/sst2", "SST-2", "test", 100
)
RIVAL = CardResult(
    "accuracy", 0.92, (0.85, 0.97), "95 % Wilson interval over examples", "SetFit/sst2", "SST-2", "test", 100,
    head="logistic regression", parameters=385,
)  # fmt: skip
FACTS = CardFacts(
    model_name="Sentiment | of films",
    model_id="me/films",
    base_model="sentence-transformers/all-MiniLM-L6-v2",
    language=("en", "de"),
    license="apache-2.0",
    datasets=("SetFit/sst2",),
    training={"epochs": 3, "body": "frozen"},
    results=(RESULT, CardResult("f1", 0.5, split="validation")),
    comparisons=(RIVAL,),
    versions={"torch": "2.6"},
)


def make_head(**settings: Any) -> QuantumHead:
    return QuantumHead(6, **({"n_qubits": 3, "encoder_layers": 1, "seed": 1, "backend": "torch"} | settings))


def test_every_field_of_the_front_matter() -> None:
    data = ModelCard(render_card(FACTS, make_head(), labels=["neg", "pos"])).data
    assert data.library_name == "setfit-quantum"
    assert data.tags == ["setfit", "quantum", "sentence-transformers", "text-classification"]
    assert data.pipeline_tag == "text-classification"
    assert data.language == ["en", "de"]
    assert data.license == "apache-2.0"
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert data.datasets == ["SetFit/sst2"]
    assert data.metrics == ["accuracy"]
    assert data.model_name == "Sentiment | of films"
    assert len(data.eval_results) == 1  # a figure without an interval does not enter
    result = data.eval_results[0]
    assert (result.task_type, result.task_name) == ("text-classification", "Text classification")
    assert (result.dataset_type, result.dataset_name, result.dataset_split) == ("SetFit/sst2", "SST-2", "test")
    assert (result.metric_type, result.metric_name, result.metric_value) == ("accuracy", "accuracy", 0.9)
    assert result.metric_args == {
        "interval": [0.8, 0.95],
        "interval_method": "95 % Wilson interval over examples",
        "n_examples": 100,
    }


def test_unknown_facts_are_left_out_and_told() -> None:
    text = render_card(CardFacts(), make_head())
    data = ModelCard(text).data.to_dict()
    assert set(data) == {"library_name", "tags", "pipeline_tag"}
    for words in (
        "No figures were recorded",
        "How it was trained was not recorded",
        "No licence was recorded",
        "The language of the training texts was not recorded",
        "id was not recorded",
        "Classes are numbers 0 to 1",
        'from_pretrained("PATH_OR_ID")',
        "`setfit-quantum`, write the folder of this card in place of `PATH_OR_ID`, then:",
    ):
        assert words in text


def test_sections_describe_the_head() -> None:
    head = make_head(noise="ionq-forte", shots=500, n_encoders=2, out_features=3)
    text = render_card(FACTS, head, labels=["a", "b|c", "d`e"], max_length=128, picture="circuit.png")
    gates = [head.circuit.count_ops()[name] for name in ("ry", "cx")]
    assert "# Sentiment \\| of films" in text
    assert 'SetFitModel.from_pretrained("me/films")' in text
    assert "| 1 | b\\|c |" in text
    assert f"| **all** | {head.num_parameters()} |" in text
    counts = (head.circuit.num_parameters, *gates, head.circuit.depth())
    assert f"| second module | {' | '.join(map(str, counts))} |" in text
    assert "2 encoders, each" in text
    assert "estimated from 500 shots" in text
    assert head.noise is not None
    assert head.noise.describe() in text
    assert "convention 'average_infidelity'" in text
    assert "![The circuit](circuit.png)" in text
    assert head.circuit.draw(max_width=100) in text
    assert "Texts are cut after 128 tokens" in text
    assert "An estimate, not a measurement" in text
    assert "500 shots, gates of 63 and 650 microseconds" in text
    assert "**Nothing here runs faster or better because it is quantum.**" in text
    assert "arXiv:2504.08732" in text
    assert "arXiv:2209.11055" in text
    assert "| **quantum head** (this model) |" in text
    assert "| logistic regression | 385 | accuracy | 92.0 | 85.0 to 97.0 | SST-2 | test | 100 |" in text
    assert "2.0 points behind logistic regression; the intervals overlap, so this may be chance." in text
    assert "not computed" in text
    assert "| versions | torch 2.6 |" in text


@pytest.mark.parametrize(
    "settings", [{"encoder": "linear"}, {"encoder": "mlp", "encoder_hidden_dim": 2}, {"final_linear": False},
                 {"multitarget": True, "out_features": 3}, {"n_readout": 1, "one_logit": True}]
)  # fmt: skip
def test_every_kind_of_head_has_a_card(settings: dict[str, Any]) -> None:
    head = make_head(**settings)
    text = render_card(CardFacts(), head)
    assert f"| **all** | {head.num_parameters()} |" in text
    assert ModelCard(text).data.library_name == "setfit-quantum"
    alone = render_head_card(head)
    assert ModelCard(alone).data.tags is not None
    assert "section on training" not in alone
    assert 'head=head, labels=["LABEL_0", ' in alone
    assert "what its classes are called, is not kept with it" in alone


def test_a_circuit_too_large_to_draw_is_not_drawn(tmp_path: Path) -> None:
    head = make_head(n_reuploads=80)
    text = render_card(CardFacts(), head)
    assert "too many to draw" in text
    assert "```text" not in text
    assert not draw_circuit(head, tmp_path / "circuit.png")


def test_hostile_facts_cannot_break_the_card() -> None:
    hostile = "x\n---\nlicense: mit\n| a | <script>alert(1)</script> ``` `b`"
    facts = FACTS.with_changes(model_name=hostile, training={hostile: hostile})
    text = render_card(facts, make_head(), labels=[hostile, "b"])
    card = ModelCard(text)
    assert card.data.license == "apache-2.0"
    assert text.splitlines().count("---") == 2
    assert "<script" not in re.sub("`[^`]*`", "", card.text)  # in code font it is only shown
    table = text[text.index("## Training") :]
    row = next(line for line in table.splitlines() if line.startswith("| x"))
    assert row.replace("\\|", "").count("|") == 3


def test_a_picture_is_drawn_where_matplotlib_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = make_head()
    assert draw_circuit(head, tmp_path / "a.png")
    picture._render.cache_clear()  # draw it again
    assert draw_circuit(head, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert not draw_circuit(LogisticRegression(), tmp_path / "c.png")
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "matplotlib" else real(name))
    assert not draw_circuit(head, tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()


# ---- facts ----------------------------------------------------------------------------------------------------------


def test_facts_round_trip(tmp_path: Path) -> None:
    write_facts(tmp_path, FACTS)
    assert read_facts(tmp_path) == FACTS
    assert json.loads((tmp_path / CARD_FACTS).read_text())["schema_version"] == SCHEMA_VERSION
    assert read_facts(tmp_path / "nowhere") == CardFacts()


def test_a_new_figure_replaces_that_of_the_same_head_and_data() -> None:
    better = CardResult("accuracy", 0.95, (0.9, 0.99), dataset="SetFit/sst2", split="test")
    assert FACTS.with_result(better).results == (FACTS.results[1], better)
    assert FACTS.with_result(better, compared=True).comparisons == (RIVAL, better)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"license": 3}, "`license` must be a text"),
        ({"model_id": 'x")\nimport os'}, "`model_id` must be an id on the Hub"),
        ({"base_model": "a/b/c"}, "`base_model` must be an id on the Hub"),
        ({"language": "en"}, "`language` must be a sequence"),
        ({"training": {"a": [1]}}, "`training` must hold texts and numbers"),
        ({"training": {"a": float("nan")}}, "`training` must hold finite numbers"),
        ({"results": ("x",)}, "`results` must be a sequence of CardResult"),
    ],
)
def test_wrong_facts_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        CardFacts(**changes)


def test_wrong_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`interval` must hold the value"):
        CardResult("accuracy", 0.5, (0.6, 0.7))
    with pytest.raises(ValueError, match="`value` must be finite"):
        CardResult("accuracy", float("nan"))
    write_facts(tmp_path, FACTS)
    values = json.loads((tmp_path / CARD_FACTS).read_text())
    del values["facts"]["results"][0]["split"]
    (tmp_path / CARD_FACTS).write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match="'split' is missing"):
        read_facts(tmp_path)


# ---- models ---------------------------------------------------------------------------------------------------------


def test_what_training_and_measuring_leave_in_the_card(tiny_body: Path, tmp_path: Path) -> None:
    model = load(tiny_body)
    data = Dataset.from_dict({"text": TEXTS, "label": NUMBERS})
    arguments = TrainingArguments(
        output_dir=str(tmp_path), num_epochs=(0, 2), report_to="none", show_progress_bar=False, seed=5
    )
    model.model_card_data.st_id = "me/body"
    model.model_card_data.dataset_id = "me/films"
    model.model_card_data.license = "mit"
    trainer = Trainer(model, arguments, data, data, metric=accuracy_and_errors)
    trainer.train()
    found = trainer.evaluate(metric_key_prefix="validation")
    facts = model.card_facts
    assert facts.training["training texts"] == len(TEXTS)
    assert facts.training["seed"] == "5"
    assert facts.training["body"] == "frozen"
    assert str(facts.training["best epoch"]).endswith(f"by validation accuracy ({found['accuracy']:.4g})")
    accuracy, errors = facts.results
    right = round(found["accuracy"] * len(TEXTS))
    assert accuracy.interval == wilson_interval(right, len(TEXTS))
    assert (accuracy.dataset, accuracy.split, accuracy.n_examples) == ("me/films", "validation", len(TEXTS))
    assert errors.interval is not None  # a bootstrap of a metric that nobody here knows
    assert errors.interval[0] <= found["errors"] <= errors.interval[1]
    assert errors.interval[0] < errors.interval[1]

    model.save_pretrained(tmp_path / "model")
    loaded = SetFitModel.from_pretrained(tmp_path / "model", device="cpu")
    assert loaded.card_facts.results == facts.results
    assert (loaded.model_card_data.st_id, loaded.model_card_data.license) == ("me/body", "mit")
    card = ModelCard.load(tmp_path / "model" / "README.md").data
    assert (card.base_model, card.datasets, card.metrics) == ("me/body", ["me/films"], ["accuracy", "errors"])
    assert (tmp_path / "model" / CIRCUIT_PICTURE).is_file()
    assert loaded.generate_model_card(CIRCUIT_PICTURE) == (tmp_path / "model" / "README.md").read_text()

    loaded.record_results([RESULT])
    loaded.save_card(tmp_path / "model")
    again = SetFitModel.from_pretrained(tmp_path / "model", device="cpu")
    assert RESULT in again.card_facts.results
    assert again.predict(TEXTS).tolist() == model.predict(TEXTS).tolist()
    # Training again makes another head: what was measured before is not its.
    again.fit(TEXTS, NUMBERS, num_epochs=1, show_progress_bar=False)
    assert again.card_facts.results == ()
    # And so does another head; what was done to the body stays.
    other = SetFitModel.from_pretrained(tmp_path / "model", make_model_head(), device="cpu")
    assert (other.card_facts.results, other.card_facts.training) == ((), {"body": "frozen"})
    assert other.model_card_data.st_id == "me/body"


def make_model_head() -> QuantumHead:
    return QuantumHead(n_qubits=3, encoder_layers=1, seed=1, backend="torch")


def load(body: Path) -> SetFitModel:
    return SetFitModel.from_pretrained(body, make_model_head(), device="cpu")


def accuracy_and_errors(predicted: Any, expected: list[int]) -> dict[str, float]:
    wrong = sum(int(one) != int(other) for one, other in zip(predicted, expected, strict=True))
    return {"accuracy": 1 - wrong / len(expected), "errors": float(wrong)}


def test_classical_heads_have_cards_without_circuits(tiny_body: Path) -> None:
    model = SetFitModel.from_pretrained(tiny_body, LogisticRegression(), device="cpu")
    model.fit(TEXTS, NAMES)
    text = model.generate_model_card()
    assert "## The circuit" not in text
    assert "Nothing here runs faster" not in text
    assert ModelCard(text).data.tags == ["setfit", "sentence-transformers", "text-classification"]


def test_the_offline_copy_of_the_default_body_is_named() -> None:
    model = SetFitModel.from_pretrained(resolve_body(), make_model_head(), device="cpu")
    assert model.model_card_data.st_id == DEFAULT_BODY
    assert ModelCard(model.generate_model_card()).data.base_model == DEFAULT_BODY


def test_a_relative_path_is_no_base_model(tiny_body: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bodies" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    model = load(tiny_body)
    model.model_card_data.st_id = "bodies/mine"  # spelled like an id of the Hub
    assert "bodies/mine" not in model.generate_model_card()


def test_a_path_of_this_machine_is_no_base_model(tiny_body: Path) -> None:
    model = load(tiny_body)
    model.model_card_data.st_id = str(tiny_body)
    model.model_card_data.model_id = "/home/me/model"
    text = model.generate_model_card()
    assert str(tiny_body) not in text
    assert "/home/me" not in text


# ---- reference cards ------------------------------------------------------------------------------------------------


def build_module() -> Any:
    spec = importlib.util.spec_from_file_location("model_cards_build", BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BUILDER = build_module()


@pytest.mark.parametrize("name", sorted(BUILDER.REFERENCES))
def test_reference_cards_are_what_their_results_give(name: str) -> None:
    values = json.loads(BUILD.with_name(f"{name}.json").read_text(encoding="utf-8"))
    text = BUILD.with_name(f"{name}.md").read_text(encoding="utf-8")
    assert BUILDER.render(values) == text, "run `python model_cards/build.py --render`"
    data = ModelCard(text).data
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert data.metrics == ["accuracy", "f1"]
    for result in data.eval_results:
        low, high = result.metric_args["interval"]
        assert low <= result.metric_value <= high
        assert result.dataset_split == "test"
    assert "![The circuit](circuit.png)" in text
    facts = CardFacts.from_dict(values["facts"])
    assert {result.head for result in facts.comparisons} == {
        "MLP of this size (seven hidden units)",
        "logistic regression",
    }
    assert facts.training["training texts"]


def test_all_reference_cards_are_there_and_no_weights() -> None:
    files = {path.name for path in BUILD.parent.iterdir() if path.name != "__pycache__"}
    assert files == {
        "build.py",
        "circuit.png",
        *(f"{name}.{ending}" for name in BUILDER.REFERENCES for ending in ("json", "md")),
    }
