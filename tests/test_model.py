"""`SetFitModel`: loading and predicting; each trap of plain SetFit's `from_pretrained` has a test."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import setfit
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from torch import nn

from bodies import NAMES, TEXTS, WIDTH, build_tiny_body
from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.hub import HubError
from setfit_quantum.serialization import ModelFileError
from setfit_quantum.serialization.layout import SKLEARN_HEAD
from small_models import SMALL, load, small_head, trained

__all__ = ["trained"]  # the fixture


# ---- from_pretrained ------------------------------------------------------------------------------------------------


def test_from_pretrained_returns_our_class_with_the_given_head(tiny_body: Path) -> None:
    head = small_head()
    model = SetFitModel.from_pretrained(tiny_body, head=head)
    assert type(model) is SetFitModel
    assert isinstance(model, setfit.SetFitModel)
    assert model.model_head is head
    assert head.in_features == WIDTH  # taken from the body


def test_a_subclass_loads_as_itself(tiny_body: Path) -> None:
    class Mine(SetFitModel):
        pass

    assert type(Mine.from_pretrained(tiny_body, small_head())) is Mine


def test_head_as_class_function_estimator_or_nothing(tiny_body: Path) -> None:
    assert load(tiny_body, QuantumHead, head_params=SMALL).model_head.config.n_qubits == 3
    assert load(tiny_body, lambda width: small_head(in_features=width)).model_head.in_features == WIDTH
    assert isinstance(load(tiny_body, LogisticRegression(C=2.0)).model_head, LogisticRegression)
    assert load(tiny_body, LogisticRegression, head_params={"C": 3.0}).model_head.C == 3.0
    default = load(tiny_body).model_head
    assert isinstance(default, QuantumHead)
    assert default.config.n_qubits == 10
    dense = load(tiny_body, use_differentiable_head=True, head_params={"out_features": 3}).model_head
    assert isinstance(dense, setfit.SetFitHead)
    assert dense.out_features == 3


def test_what_is_no_head_is_refused(tiny_body: Path) -> None:
    with pytest.raises(TypeError, match="Argument `head` must be a torch module"):
        load(tiny_body, 3)
    with pytest.raises(TypeError, match="which gave 7"):
        load(tiny_body, lambda width: 7)
    with pytest.raises(ValueError, match="`use_differentiable_head` must be False"):
        load(tiny_body, small_head(), use_differentiable_head=True)
    with pytest.raises(ValueError, match="`head_params` needs a class"):
        load(tiny_body, small_head(), head_params=SMALL)
    with pytest.raises(TypeError, match="model_haed"):
        SetFitModel.from_pretrained(tiny_body, model_haed=small_head())


def test_a_head_for_another_body_is_refused(tiny_body: Path) -> None:
    with pytest.raises(ValueError, match=f"width {WIDTH}.* is 7"):
        load(tiny_body, small_head(in_features=7))


def test_labels_give_the_number_of_classes(tiny_body: Path) -> None:
    assert load(tiny_body, small_head(), labels=["a", "b", "c"]).model_head.out_features == 3
    with pytest.raises(ValueError, match="`out_features` must be at least 3"):
        load(tiny_body, small_head(out_features=2), labels=["a", "b", "c"])


def test_strategies(tiny_body: Path) -> None:
    assert load(tiny_body, small_head(multitarget=True)).multi_target_strategy == "multi-output"
    assert load(tiny_body, multi_target_strategy="one-vs-rest", head_params=SMALL).model_head.multitarget
    wrapped = load(tiny_body, LogisticRegression, multi_target_strategy="one-vs-rest").model_head
    assert isinstance(wrapped, OneVsRestClassifier)
    with pytest.raises(ValueError, match="multitarget=True"):
        load(tiny_body, small_head(), multi_target_strategy="one-vs-rest")
    with pytest.raises(ValueError, match="scikit-learn head"):
        load(tiny_body, small_head(multitarget=True), multi_target_strategy="classifier-chain")
    with pytest.raises(ValueError, match="must be one of 'one-vs-rest'"):
        load(tiny_body, small_head(), multi_target_strategy="all")


def test_paths_and_strings_load_alike(trained: tuple[SetFitModel, Path]) -> None:
    model, folder = trained
    for source in (folder, str(folder)):
        assert torch.equal(load(source).predict_proba(TEXTS), model.predict_proba(TEXTS))
    with pytest.raises(FileNotFoundError, match="no folder"):
        load(folder / "absent")


@pytest.fixture
def hub_cache(tmp_path: Path, trained: tuple[SetFitModel, Path]) -> Path:
    """A Hub cache with two revisions of `me/model` (body and head differ), and `me/body`, a body alone."""
    second = load(build_tiny_body(tmp_path / "second", seed=1), small_head(seed=6), labels=["x", "y"])
    second.save_pretrained(tmp_path / "second" / "model")
    cache = tmp_path / "cache"
    for repository, ref, source in (
        ("me--model", "main", trained[1]),
        ("me--model", "v2", tmp_path / "second" / "model"),
        ("me--body", "main", tmp_path / "second" / "body"),
    ):
        sha = f"{ref:0<40}".replace("m", "a").replace("i", "b").replace("n", "c").replace("v", "d")
        folder = cache / f"models--{repository}"
        (folder / "refs").mkdir(parents=True, exist_ok=True)
        (folder / "refs" / ref).write_text(sha)
        shutil.copytree(source, folder / "snapshots" / sha)
    return cache


def test_revision_cache_and_offline_reach_body_and_head(
    hub_cache: Path, trained: tuple[SetFitModel, Path], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"cache_dir": hub_cache, "local_files_only": True}
    main = load("me/model", **options)  # type: ignore[arg-type]
    assert torch.equal(main.predict_proba(TEXTS), trained[0].predict_proba(TEXTS))
    second = load("me/model", revision="v2", **options)  # type: ignore[arg-type]
    expected = load(tmp_path / "second" / "model")
    assert second.labels == ["x", "y"]
    assert torch.equal(second.encode(TEXTS), expected.encode(TEXTS))
    assert not torch.equal(second.encode(TEXTS), main.encode(TEXTS))
    assert torch.equal(second.model_head.circuit_weights, expected.model_head.circuit_weights)
    head = QuantumHead.from_pretrained("me/model", revision="v2", **options)
    assert torch.equal(head.circuit_weights, expected.model_head.circuit_weights)
    body = load("me/body", small_head(), **options)  # type: ignore[arg-type]
    assert torch.equal(body.encode(TEXTS), expected.encode(TEXTS))
    with pytest.raises(HubError, match="me/absent: not in the cache"):
        load("me/absent", **options)  # type: ignore[arg-type]


def test_every_option_of_the_hub_reaches_the_body(tiny_body: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import EntryNotFoundError

    from setfit_quantum.model import body as body_module

    calls: list[tuple[str, dict[str, Any]]] = []
    real = body_module.SentenceTransformer

    def absent(repo_id: str, name: str, **kwargs: Any) -> str:
        calls.append((name, kwargs))
        raise EntryNotFoundError(name)

    def snapshot(repo_id: str, **kwargs: Any) -> str:
        calls.append((f"snapshot of {repo_id}", kwargs))
        return str(tiny_body)

    def loaded(name: str, **kwargs: Any) -> Any:
        calls.append((f"body {name}", kwargs))
        return real(str(tiny_body), device="cpu")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", absent)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    monkeypatch.setattr(body_module, "SentenceTransformer", loaded)
    given = {"revision": "v2", "cache_dir": "cache", "force_download": True, "local_files_only": False, "token": "t"}
    load("me/body", small_head(), trust_remote_code=True, **given)  # type: ignore[arg-type]
    names = [name for name, _ in calls]
    assert names[-2:] == ["snapshot of me/body", "body me/body"]
    for name, kwargs in calls[:-1]:
        assert given.items() <= kwargs.items(), name
    expected = {"revision": "v2", "cache_folder": "cache", "local_files_only": False, "token": "t", "device": "cpu"}
    assert (expected | {"trust_remote_code": True}).items() <= calls[-1][1].items()
    with pytest.raises(ValueError, match="must not both be True"):
        load("me/body", force_download=True, local_files_only=True)  # type: ignore[arg-type]


def test_a_pickled_head_needs_permission(tiny_body: Path, tmp_path: Path) -> None:
    classical = setfit.SetFitModel.from_pretrained(str(tiny_body), device="cpu")
    classical.fit(TEXTS, NAMES, num_epochs=1)
    classical.save_pretrained(tmp_path / "classical")
    with pytest.raises(ModelFileError, match="allow_pickle=True"):
        load(tmp_path / "classical")
    model = load(tmp_path / "classical", allow_pickle=True)
    assert type(model) is SetFitModel
    assert model.predict(TEXTS).tolist() == classical.predict(TEXTS).tolist()
    assert isinstance(load(tmp_path / "classical", small_head()).model_head, QuantumHead)  # the pickle is not touched
    model.save_pretrained(tmp_path / "safe")
    assert (tmp_path / "safe" / SKLEARN_HEAD).is_file()
    assert not (tmp_path / "safe" / "model_head.pkl").exists()
    assert load(tmp_path / "safe").predict(TEXTS).tolist() == classical.predict(TEXTS).tolist()


# ---- predicting -----------------------------------------------------------------------------------------------------


def test_forms_of_predictions(trained: tuple[SetFitModel, Path]) -> None:
    model, _ = trained
    assert model.labels == ["negative", "positive"]
    names = model.predict(TEXTS)
    assert set(names) <= {"negative", "positive"}
    numbers = model.predict(TEXTS, use_labels=False)
    assert isinstance(numbers, torch.Tensor)
    assert [model.labels[number] for number in numbers.tolist()] == names
    assert isinstance(model.predict(TEXTS, use_labels=False, as_numpy=True), np.ndarray)
    assert model.predict(TEXTS[0]) == names[0]
    assert model(TEXTS[:2]) == names[:2]
    probs = model.predict_proba(TEXTS)
    assert probs.shape == (len(TEXTS), 2)
    assert torch.allclose(probs.sum(dim=1), torch.ones(len(TEXTS)))
    assert model.predict_proba(TEXTS[0]).shape == (2,)
    assert isinstance(model.predict_proba(TEXTS, as_numpy=True), np.ndarray)
    assert model.predict(np.array(TEXTS)) == names
    assert torch.equal(model.predict_proba(tuple(TEXTS)), probs)


def test_no_texts_give_no_predictions(trained: tuple[SetFitModel, Path]) -> None:
    model, _ = trained
    assert model.predict([]) == []
    assert model.predict([], use_labels=False).shape == (0,)
    assert model.predict_proba([]).shape == (0, 2)


def test_embeddings_can_be_trained_on(trained: tuple[SetFitModel, Path]) -> None:
    embeddings = trained[0].encode(TEXTS)
    assert not embeddings.is_inference()
    assert embeddings.dtype == torch.float32
    nn.Linear(WIDTH, 1)(embeddings).sum().backward()
