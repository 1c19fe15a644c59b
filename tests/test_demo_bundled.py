"""The model that the demo starts with."""

from pathlib import Path

import numpy as np
import pytest
import torch

from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.demo.bundled import cache_folder, load_engine


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "setfit-quantum"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path.home() / ".cache" / "setfit-quantum"


def test_first_model_is_trained_once_and_again_if_damaged(monkeypatch, tmp_path, tiny_body):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("setfit_quantum.demo.bundled.resolve_body", lambda: str(tiny_body))
    monkeypatch.setattr("setfit_quantum.demo.bundled.TRAINING", {"num_epochs": 2, "seed": 0})
    said = []
    first = load_engine(report=said.append)
    assert any("epoch 2 of 2" in line for line in said)
    x = first.embed(["good film"])
    said.clear()
    again = load_engine(report=said.append)
    assert not any("epoch" in line for line in said)
    torch.testing.assert_close(again.bundled.head.predict_proba(x), first.bundled.head.predict_proba(x))
    np.testing.assert_allclose(again.bundled.classical_probabilities(x), first.bundled.classical_probabilities(x))
    (weights,) = tmp_path.rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    said.clear()
    repaired = load_engine(report=said.append)
    assert any("damaged" in line for line in said)
    torch.testing.assert_close(repaired.bundled.head.predict_proba(x), first.bundled.head.predict_proba(x))
    assert [path.name for path in (tmp_path / "setfit-quantum").iterdir()] == [weights.parent.name]


def test_named_model(tmp_path, tiny_body):
    model = SetFitModel.from_pretrained(str(tiny_body), head=QuantumHead(n_qubits=3, seed=0), labels=["a", "b"])
    model.save_pretrained(str(tmp_path / "good"))
    engine = load_engine(str(tmp_path / "good"), report=lambda _: None)
    assert (engine.bundled.labels, engine.bundled.classical) == (("a", "b"), None)
    several = SetFitModel.from_pretrained(
        str(tiny_body), head=QuantumHead(n_qubits=3, multitarget=True, out_features=2)
    )
    several.save_pretrained(str(tmp_path / "several"))
    with pytest.raises(ValueError, match="must give one label per text"):
        load_engine(str(tmp_path / "several"), report=lambda _: None)
    with pytest.raises(FileNotFoundError):
        load_engine(str(tmp_path / "missing"), report=lambda _: None)
