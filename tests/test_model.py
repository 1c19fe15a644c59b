"""`SetFitModel`: loading, predicting, saving; each trap of plain SetFit's `from_pretrained` and saving has a test."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import setfit
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from torch import nn

from bodies import NAMES, NUMBERS, TEXTS, WIDTH, build_tiny_body
from setfit_quantum import NoiseModel, QuantumHead, SetFitModel
from setfit_quantum.hub import HubError
from setfit_quantum.serialization import ModelFileError
from setfit_quantum.serialization.layout import HEAD_CONFIG, HEAD_WEIGHTS, MANIFEST, SKLEARN_HEAD

SMALL: dict[str, Any] = {"n_qubits": 3, "encoder_layers": 1, "seed": 5}


def small_head(**settings: Any) -> QuantumHead:
    return QuantumHead(**(SMALL | settings))


def load(body: Path, head: Any = None, **kwargs: Any) -> SetFitModel:
    return SetFitModel.from_pretrained(body, head, device="cpu", **kwargs)


@pytest.fixture(scope="module")
def trained(tiny_body: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[SetFitModel, Path]:
    model = load(tiny_body, small_head())
    model.fit(TEXTS, NAMES, num_epochs=3, show_progress_bar=False)
    folder = tmp_path_factory.mktemp("saved") / "model"
    model.save_pretrained(folder)
    return model, folder


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


# ---- saving ---------------------------------------------------------------------------------------------------------


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


# ---- importing ------------------------------------------------------------------------------------------------------

SNAPSHOT = """
import json, logging, os, sys, warnings
import datasets, evaluate, sentence_transformers, sklearn.linear_model, torch, transformers

def snapshot():
    names = ("", "transformers", "datasets", "huggingface_hub", "sentence_transformers", "evaluate")
    return [
        [(name, logging.getLogger(name).level, len(logging.getLogger(name).handlers)) for name in names],
        [str(entry) for entry in warnings.filters],
        sorted(os.environ), torch.get_num_threads(), str(torch.get_default_dtype()), torch.is_grad_enabled(),
    ]

before = snapshot()
import setfit_quantum.model, setfit_quantum.training.setfit_trainer
after = snapshot()
assert "setfit" in sys.modules
level = logging.getLogger("setfit").getEffectiveLevel()
assert level == logging.WARNING, level
assert before == after, (before, after)
import setfit_quantum
print("same")
"""


def test_importing_changes_nothing_in_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", SNAPSHOT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same"


def test_importing_the_package_alone_is_light() -> None:
    code = "import sys, setfit_quantum; print([m for m in ('torch', 'setfit', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
