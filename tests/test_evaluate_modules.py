"""Metrics as modules of the `evaluate` library, and its evaluators on our models."""

from __future__ import annotations

import evaluate
import numpy as np
import pytest
from datasets import Dataset
from datasets import Image as ImageFeature
from sklearn.linear_model import LogisticRegression

from bodies import NAMES, TEXTS
from image_bodies import KINDS, PICTURES
from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.calibration import evaluate_probabilities
from setfit_quantum.evaluate_modules import MODULES, evaluator, load_module, module_path

SHARES = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
TARGETS = [0, 1, 1]


class Accuracy(evaluate.Metric):
    def _info(self):
        from datasets import Features, Value

        features = Features({"predictions": Value("int64"), "references": Value("int64")})
        return evaluate.MetricInfo(description="share", citation="", features=features)

    def _compute(self, predictions, references):
        return {"accuracy": float(np.mean(np.array(predictions) == np.array(references)))}


def model_of(body, **changes):
    return SetFitModel.from_pretrained(
        body, head=QuantumHead(n_qubits=3, encoder_layers=1, seed=0, **changes), device="cpu"
    )


def test_every_module_loads_from_its_folder_and_computes():
    found = {name: load_module(name) for name in MODULES}
    expected = evaluate_probabilities(SHARES, TARGETS)
    computed = found["expected_calibration_error"].compute(predictions=SHARES, references=TARGETS)
    assert computed == {"expected_calibration_error": pytest.approx(expected.expected_calibration_error)}
    assert found["brier_score"].compute(predictions=SHARES, references=TARGETS) == {"brier_score": expected.brier}
    computed = found["selective_accuracy"].compute(predictions=SHARES, references=TARGETS, threshold=0.7)
    assert computed == {"coverage": pytest.approx(2 / 3), "selective_accuracy": 1.0}
    assert all(module.description and module.citation for module in found.values())
    assert evaluate.load(str(module_path("brier_score"))).name == "brier_score"
    combined = evaluate.combine([found["brier_score"], found["expected_calibration_error"]])
    assert set(combined.compute(predictions=SHARES, references=TARGETS)) == {
        "brier_score", "expected_calibration_error",
    }  # fmt: skip
    with pytest.raises(ValueError, match="Argument `name` must be one of 'brier_score'"):
        load_module("accuracy")


def test_the_evaluator_takes_our_models(tiny_body):
    model = model_of(tiny_body)
    model.fit(TEXTS, NAMES, num_epochs=3, show_progress_bar=False)
    data = Dataset.from_dict({"text": TEXTS, "label": [int(name == "positive") for name in NAMES]})
    found = evaluator("text-classification").compute(
        model_or_pipeline=model.as_pipeline(), data=data, metric=Accuracy(), label_mapping=model.label2id
    )
    expected = np.mean([a == b for a, b in zip(model.predict(TEXTS), NAMES, strict=True)])
    assert found["accuracy"] == pytest.approx(expected)
    again = evaluator().compute(model_or_pipeline=model, data=data, metric=Accuracy(), label_mapping=model.label2id)
    assert again["accuracy"] == found["accuracy"]
    with pytest.raises(ValueError, match="must be of the task 'image-classification', but is of 'text-classification'"):
        evaluator("image-classification").prepare_pipeline(model.as_pipeline())
    with pytest.raises(ValueError, match="Argument `task` must be one of"):
        evaluator("translation")


def test_the_evaluator_takes_models_of_images(resnet):
    model = SetFitModel.from_image_backbone(resnet, head=QuantumHead(n_qubits=3, seed=0), device="cpu")
    model.fit(PICTURES, KINDS, num_epochs=2, show_progress_bar=False)
    data = Dataset.from_dict({"image": PICTURES, "label": [0, 1] * 8}).cast_column("image", ImageFeature())
    found = evaluator("image-classification").compute(
        model_or_pipeline=model.as_pipeline(), data=data, metric=Accuracy(), label_mapping=model.label2id
    )
    assert found["accuracy"] == pytest.approx(
        np.mean([a == b for a, b in zip(model.predict(PICTURES), KINDS, strict=True)])
    )


def test_a_pipeline_gives_labels_with_probabilities(tiny_body):
    model = model_of(tiny_body)
    model.fit(TEXTS, NAMES, num_epochs=2, show_progress_bar=False)
    pipeline = model.as_pipeline()
    shares = model.predict_proba(TEXTS[:3])
    found = pipeline(TEXTS[:3], truncation=True)
    assert [one["label"] for one in found] == model.predict(TEXTS[:3])
    assert [one["score"] for one in found] == pytest.approx(shares.max(dim=1).values.tolist())
    assert pipeline(TEXTS[0]) == found[0]
    both = pipeline(TEXTS[0], top_k=None)
    assert sum(one["score"] for one in both) == pytest.approx(1)
    assert both[0] == found[0]
    with pytest.raises(ValueError, match="must give one label per text"):
        model_of(tiny_body, multitarget=True).as_pipeline()


def test_a_pipeline_of_a_scikit_learn_head_without_names(tiny_body):
    model = SetFitModel.from_pretrained(tiny_body, head=LogisticRegression(), device="cpu")
    model.fit(TEXTS, [3 + int(name == "positive") for name in NAMES])
    assert [one["label"] for one in model.as_pipeline()(TEXTS)] == model.predict(TEXTS).tolist()
