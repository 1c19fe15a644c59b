"""`SetFitModel.save_pretrained`: each trap of plain SetFit's saving has a test."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from bodies import NAMES, NUMBERS, TEXTS, WIDTH
from setfit_quantum import NoiseModel, QuantumHead, SetFitModel
from setfit_quantum.serialization import ModelFileError
from setfit_quantum.serialization.layout import HEAD_CONFIG, HEAD_WEIGHTS, MANIFEST
from small_models import load, small_head, trained

__all__ = ["trained"]  # the fixture


def test_saved_files(trained: tuple[SetFitModel, Path]) -> None:
    _, folder = trained
    names = {path.name for path in folder.iterdir()}
    expected = {"config_setfit.json", HEAD_CONFIG, HEAD_WEIGHTS, "circuit.qasm", "README.md", MANIFEST, "modules.json"}
    assert expected <= names
    assert not [name for name in names if name.endswith((".pkl", ".bin", ".joblib"))]
    assert json.loads((folder / "config_setfit.json").read_text()) == {
        "normalize_embeddings": False,
        "labels": ["negative", "positive"],
    }


def test_another_process_predicts_the_same(tiny_body: Path, tmp_path: Path) -> None:
    head = small_head(noise=NoiseModel.depolarizing(0.01, 0.02), shots=128)
    model = load(tiny_body, head, normalize_embeddings=True)
    model.fit(TEXTS, NAMES, num_epochs=1, show_progress_bar=False)
    model.save_pretrained(tmp_path)
    code = (
        "import sys, json; from setfit_quantum import SetFitModel;"
        "model = SetFitModel.from_pretrained(sys.argv[1], device='cpu');"
        "texts = json.loads(sys.argv[2]);"
        "probs = model.predict_proba(texts).double().tolist();"
        "print(json.dumps([model.predict(texts), probs, model.model_head.shots]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), json.dumps(TEXTS)], capture_output=True, text=True, check=True
    )
    labels, probs, shots = json.loads(done.stdout)
    assert labels == model.predict(TEXTS)
    assert torch.equal(torch.tensor(probs).float(), model.predict_proba(TEXTS))
    assert shots == 128


def test_settings_survive(tiny_body: Path, tmp_path: Path) -> None:
    noise = NoiseModel.paper("low")
    head = small_head(multitarget=True, out_features=3, noise=noise, shots=16)
    load(tiny_body, head, normalize_embeddings=True, labels=["a", "b", "c"]).save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert loaded.multi_target_strategy == "multi-output"
    assert loaded.normalize_embeddings is True
    assert loaded.labels == ["a", "b", "c"]
    assert loaded.model_head.noise == noise
    assert loaded.model_head.shots == 16
    assert load(tmp_path, labels=["x", "y", "z"]).labels == ["x", "y", "z"]


def test_a_given_head_replaces_the_saved_one(trained: tuple[SetFitModel, Path]) -> None:
    head = small_head(n_qubits=4)
    assert load(trained[1], head).model_head is head


def test_the_head_alone_loads_from_a_saved_model(trained: tuple[SetFitModel, Path]) -> None:
    model, folder = trained
    head = QuantumHead.from_pretrained(folder)
    assert torch.equal(head.predict_proba(model.encode(TEXTS)), model.predict_proba(TEXTS))


def test_other_heads_are_saved_without_pickle(tiny_body: Path, tmp_path: Path) -> None:
    classical = load(tiny_body, LogisticRegression())
    classical.fit(TEXTS, NUMBERS)
    dense = load(tiny_body, use_differentiable_head=True)
    for number, model in enumerate((classical, dense)):
        folder = tmp_path / str(number)
        model.save_pretrained(folder)
        assert not (folder / "model_head.pkl").exists()
        loaded = load(folder)
        assert type(loaded.model_head) is type(model.model_head)
        assert np.array_equal(loaded.predict_proba(TEXTS, as_numpy=True), model.predict_proba(TEXTS, as_numpy=True))


def test_a_head_that_needs_pickle_is_refused(tiny_body: Path, tmp_path: Path) -> None:
    model = load(tiny_body, nn.Linear(WIDTH, 2))
    with pytest.raises(TypeError, match="saved without pickle, but got Linear"):
        model.save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_saving_another_kind_of_head_leaves_nothing_of_the_former(
    trained: tuple[SetFitModel, Path], tmp_path: Path
) -> None:
    trained[0].save_pretrained(tmp_path)
    classical = load(tmp_path, LogisticRegression())
    classical.fit(TEXTS, NAMES)
    classical.save_pretrained(tmp_path)
    assert not (tmp_path / HEAD_CONFIG).exists()
    assert not (tmp_path / HEAD_WEIGHTS).exists()
    assert load(tmp_path).predict(TEXTS).tolist() == classical.predict(TEXTS).tolist()


def test_saving_does_not_touch_the_former_version_before_the_end(
    trained: tuple[SetFitModel, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = trained
    model.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(type(model.model_body), "save", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "config_setfit.json"])
def test_damaged_files_of_the_body_are_named(trained: tuple[SetFitModel, Path], tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(trained[1], tmp_path / "model")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelFileError, match=f"{name}: has .* bytes instead of"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"labels": "ab"}, "labels"), ({"normalize_embeddings": 1}, "normalize_embeddings"), ({"other": 1}, "other")],
)
def test_setfit_config_is_read_strictly(
    trained: tuple[SetFitModel, Path], tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    folder = shutil.copytree(trained[1], tmp_path / "model")
    values = json.loads((folder / "config_setfit.json").read_text())
    (folder / "config_setfit.json").write_text(json.dumps(values | change))
    with pytest.raises(ModelFileError) as caught:
        load(folder, verify=False)
    assert caught.value.field == field


def test_the_card_may_be_edited(trained: tuple[SetFitModel, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(trained[1], tmp_path / "model")
    (folder / "README.md").write_text("my own card")
    assert load(folder)


def test_the_card_describes_the_present_head(tiny_body: Path) -> None:
    model = load(tiny_body, LogisticRegression())
    assert "LogisticRegression" in model.generate_model_card()
    model.model_head = small_head(in_features=WIDTH)
    card = model.generate_model_card()
    assert "LogisticRegression" not in card
    assert "| qubits | 3 |" in card
    assert "library_name: setfit-quantum" in card
    assert "from setfit_quantum import SetFitModel" in card


def test_arguments_that_would_be_ignored_are_refused(trained: tuple[SetFitModel, Path], tmp_path: Path) -> None:
    model, _ = trained
    with pytest.raises(ValueError, match="`config` must be None"):
        model.save_pretrained(tmp_path, config={})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="need push_to_hub=True"):
        model.save_pretrained(tmp_path, private=True)
