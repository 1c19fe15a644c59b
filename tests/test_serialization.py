"""Files of heads: round trips, strict reading, no pickle."""

from __future__ import annotations

import json
import pickletools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import torch
from safetensors.torch import load_file, save_file
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from setfit_quantum import NoiseModel, QuantumHead, QuantumHeadClassifier
from setfit_quantum.serialization import ModelFileError, load_head, save_head
from setfit_quantum.serialization.dense_head_files import read_dense_head, write_dense_head
from setfit_quantum.serialization.layout import (
    CIRCUIT,
    HEAD_CONFIG,
    HEAD_WEIGHTS,
    MANIFEST,
    SKLEARN_HEAD,
    STAGING_FOLDER,
)
from setfit_quantum.serialization.manifest import read_manifest
from setfit_quantum.serialization.sklearn_files import read_sklearn_head, write_sklearn_head

WIDTH = 5
X = torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(1))


def make_head(**settings: Any) -> QuantumHead:
    head = QuantumHead(WIDTH, **({"n_qubits": 3, "encoder_layers": 1, "seed": 7} | settings))
    with torch.no_grad():  # away from the initial weights, which a seed alone would restore
        for parameter in head.parameters():
            parameter += 0.3
    return head


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_head(make_head(), tmp_path / "head")
    return tmp_path / "head"


def edit_json(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def edit_tensors(path: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"out_features": 4, "n_encoders": 2, "amplitude_bias": 0.0},
        {"multitarget": True, "out_features": 3, "temperature": 2.0},
        {"encoder": "mlp", "encoder_hidden_dim": 4, "encoder_batch_norm": True},
        {"final_linear": False, "n_readout": 2},
        {"noise": NoiseModel.depolarizing(0.01, 0.02), "shots": 64, "sampler": "multinomial", "n_trajectories": 3},
        {"noise": "paper-high", "backend": "torch"},
    ],
)
def test_head_round_trip(tmp_path: Path, settings: dict[str, Any]) -> None:
    head = make_head(**settings)
    head.save_pretrained(tmp_path)
    loaded = QuantumHead.from_pretrained(tmp_path)
    assert loaded.config == head.config
    assert loaded.noise == head.noise
    assert loaded.shots == head.shots
    assert not loaded.training
    for name, tensor in head.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    assert torch.equal(loaded.predict_proba(X), head.predict_proba(X))


def test_double_precision_survives(tmp_path: Path) -> None:
    head = make_head(backend="torch").double()
    save_head(head, tmp_path)
    loaded = load_head(tmp_path)
    assert loaded.circuit_weights.dtype == torch.float64
    assert torch.equal(loaded.predict_proba(X), head.predict_proba(X))


def test_loading_leaves_the_global_generator_alone(saved: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load_head(saved)
    assert torch.equal(torch.rand(1), expected)


def test_another_process_predicts_the_same(tmp_path: Path) -> None:
    head = make_head(noise=NoiseModel.depolarizing(0.01, 0.02), shots=32)
    save_head(head, tmp_path)
    torch.save(X, tmp_path / "x.pt")
    code = (
        "import sys, torch; from setfit_quantum import QuantumHead;"
        "x = torch.load(sys.argv[1] + '/x.pt');"
        "print(QuantumHead.from_pretrained(sys.argv[1]).predict_proba(x).double().tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert torch.equal(torch.tensor(json.loads(done.stdout)).float(), head.predict_proba(X))


def test_files_and_no_pickle(saved: Path) -> None:
    names = {path.name for path in saved.iterdir()}
    assert names == {HEAD_CONFIG, HEAD_WEIGHTS, CIRCUIT, MANIFEST}
    assert set(read_manifest(saved / MANIFEST)) == names - {MANIFEST}
    for path in saved.iterdir():
        with pytest.raises(ValueError, match=r".*"):
            list(pickletools.genops(path.read_bytes()))
    qasm = (saved / CIRCUIT).read_text()
    assert qasm.startswith("OPENQASM 3")
    assert "theta_" not in qasm  # the trained angles are bound


def test_an_unbuilt_head_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="width of its embeddings"):
        save_head(QuantumHead(n_qubits=3), tmp_path)
    assert not (tmp_path / MANIFEST).exists()


def test_nan_weights_are_not_saved(tmp_path: Path, saved: Path) -> None:
    head = make_head()
    with torch.no_grad():
        head.circuit_weights[1] = float("nan")
    with pytest.raises(ValueError, match="`circuit_weights` has NaN"):
        save_head(head, saved)
    assert load_head(saved)  # the former version is whole


JSON_MUTATIONS: list[tuple[Callable[[dict[str, Any]], Any], str | None]] = [
    (lambda values: values.update(schema_version=99), "schema_version"),
    (lambda values: values.update(schema_version="1"), "schema_version"),
    (lambda values: values.update(schema_version=True), "schema_version"),
    (lambda values: values.pop("schema_version"), "schema_version"),
    (lambda values: values.update(library_version=3), "library_version"),
    (lambda values: values.update(extra=1), "extra"),
    (lambda values: values.pop("head"), "head"),
    (lambda values: values.update(head=[]), "head"),
    (lambda values: values.update(dtype="float16"), "dtype"),
    (lambda values: values.update(dtype=None), "dtype"),
    (lambda values: values["head"].update(n_quibts=3), "head.n_quibts"),
    (lambda values: values["head"].pop("n_qubits"), "head.n_qubits"),
    (lambda values: values["head"].update(n_qubits="3"), "head.n_qubits"),
    (lambda values: values["head"].update(n_qubits=10**9), "head.n_qubits"),
    (lambda values: values["head"].update(n_qubits=1), "head.n_qubits"),
    (lambda values: values["head"].update(in_features=None), "head.in_features"),
    (lambda values: values["head"].update(in_features=10**12), "head.in_features"),
    (lambda values: values["head"].update(n_reuploads=10**9), "head.n_reuploads"),
    (lambda values: values["head"].update(n_reuploads=1024, reupload_layers=64, n_qubits=64, connectivity=63), "head"),
    (lambda values: values["head"].update(encoder="linear", n_encoders=1, in_features=2**22), "head.in_features"),
    (lambda values: values["head"].update(encoder_layers=2.5), "head.encoder_layers"),
    (lambda values: values["head"].update(backend="none"), "head.backend"),
    (lambda values: values["head"].update(shots=0), "head.shots"),
    (lambda values: values["head"].update(multitarget=1), "head.multitarget"),
    (lambda values: values["head"].update(noise={"unknown": 1}), "head.noise"),
    (lambda values: values["head"].update(noise=[1]), "head.noise"),
    (lambda values: values["head"].update(temperature=0), "head.temperature"),
]


@pytest.mark.parametrize(("change", "field"), JSON_MUTATIONS)
def test_changed_settings_are_refused_by_field(
    saved: Path, change: Callable[[dict[str, Any]], Any], field: str | None
) -> None:
    edit_json(saved / HEAD_CONFIG, change)
    with pytest.raises(ModelFileError) as caught:
        load_head(saved, verify=False)
    assert caught.value.file == saved / HEAD_CONFIG
    assert caught.value.field == field
    assert HEAD_CONFIG in str(caught.value)
    assert str(field) in str(caught.value)
    with pytest.raises(ModelFileError, match=r"SHA-256|bytes instead"):
        load_head(saved)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"head": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, '{"schema_version": 1']
)
def test_broken_json_is_refused(saved: Path, text: str) -> None:
    (saved / HEAD_CONFIG).write_text(text)
    with pytest.raises(ModelFileError, match=HEAD_CONFIG):
        load_head(saved, verify=False)


def test_settings_that_are_not_text_are_refused(saved: Path) -> None:
    (saved / HEAD_CONFIG).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelFileError, match="UTF-8"):
        load_head(saved, verify=False)


def test_a_newer_schema_says_to_upgrade(saved: Path) -> None:
    edit_json(saved / HEAD_CONFIG, lambda values: values.update(schema_version=99, library_version="9.9"))
    with pytest.raises(ModelFileError, match=r"setfit-quantum 9\.9: upgrade"):
        load_head(saved, verify=False)


TENSOR_MUTATIONS: list[tuple[Callable[[dict[str, torch.Tensor]], Any], str]] = [
    (lambda tensors: tensors.pop("circuit_weights"), "circuit_weights"),
    (lambda tensors: tensors.update(other=torch.zeros(1)), "other"),
    (lambda tensors: tensors.update(circuit_weights=torch.zeros(2)), "circuit_weights"),
    (lambda tensors: tensors.update(circuit_weights=tensors["circuit_weights"].double()), "circuit_weights"),
    (lambda tensors: tensors["circuit_weights"].fill_(float("nan")), "circuit_weights"),
    (lambda tensors: tensors["linear.bias"].fill_(float("inf")), "linear.bias"),
]


@pytest.mark.parametrize(("change", "field"), TENSOR_MUTATIONS)
def test_changed_weights_are_refused_by_name(
    saved: Path, change: Callable[[dict[str, torch.Tensor]], Any], field: str
) -> None:
    edit_tensors(saved / HEAD_WEIGHTS, change)
    with pytest.raises(ModelFileError) as caught:
        load_head(saved, verify=False)
    assert caught.value.file == saved / HEAD_WEIGHTS
    assert caught.value.field == field


@pytest.mark.parametrize("keep", [0, 3, 8, 40, -1])
def test_truncated_weights_are_refused(saved: Path, keep: int) -> None:
    content = (saved / HEAD_WEIGHTS).read_bytes()
    (saved / HEAD_WEIGHTS).write_bytes(content[:keep])
    for verify in (True, False):
        with pytest.raises(ModelFileError, match=HEAD_WEIGHTS):
            load_head(saved, verify=verify)


@pytest.mark.parametrize("name", [HEAD_CONFIG, HEAD_WEIGHTS, MANIFEST])
def test_missing_files_are_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ModelFileError, match=f"{name}: is missing"):
        load_head(saved)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", "", "C:\\x"])
def test_a_manifest_cannot_point_outside(saved: Path, name: str) -> None:
    edit_json(saved / MANIFEST, lambda values: values["files"].update({name: {"sha256": "0" * 64, "size": 1}}))
    with pytest.raises(ModelFileError, match="inside the folder"):
        load_head(saved)


@pytest.mark.parametrize("entry", [None, {}, {"sha256": "0", "size": 1}, {"sha256": "0" * 64, "size": "1"}])
def test_a_broken_manifest_is_refused(saved: Path, entry: Any) -> None:
    edit_json(saved / MANIFEST, lambda values: values["files"].update({HEAD_CONFIG: entry}))
    with pytest.raises(ModelFileError, match=MANIFEST):
        load_head(saved)


def test_sources_that_are_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_head(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_head("./absent")
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        load_head(tmp_path / "file")
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        save_head(make_head(), tmp_path / "file")
    with pytest.raises(TypeError, match="must be a path"):
        load_head(3)  # type: ignore[arg-type]


def test_saving_a_head_keeps_other_files(saved: Path) -> None:
    (saved / "notes.txt").write_text("mine")
    save_head(make_head(n_qubits=4), saved)
    assert (saved / "notes.txt").read_text() == "mine"
    assert load_head(saved).config.n_qubits == 4
    assert not (saved / STAGING_FOLDER).exists()


def test_sklearn_head_round_trip(tmp_path: Path) -> None:
    x, y = X.numpy(), np.array(["no", "yes"] * 3)
    head = LogisticRegression().fit(x, y)
    write_sklearn_head(tmp_path / SKLEARN_HEAD, head)
    loaded = read_sklearn_head(tmp_path / SKLEARN_HEAD)
    assert np.array_equal(loaded.predict_proba(x), head.predict_proba(x))
    assert loaded.predict(x).tolist() == head.predict(x).tolist()


class Foreign(LogisticRegression):  # type: ignore[misc]
    """A type outside scikit-learn."""


def test_foreign_types_in_a_sklearn_head_must_be_trusted(tmp_path: Path) -> None:
    path = tmp_path / SKLEARN_HEAD
    write_sklearn_head(path, Foreign().fit(X.numpy(), [0, 1] * 3))
    with pytest.raises(ModelFileError, match=r"test_serialization\.Foreign"):
        read_sklearn_head(path)
    assert isinstance(read_sklearn_head(path, trusted=["test_serialization.Foreign"]), Foreign)


@pytest.mark.parametrize("value", [{"a": 1}, [1], np.ones(2), StandardScaler()])
def test_what_is_no_classifier_is_refused(tmp_path: Path, value: Any) -> None:
    skops.io.dump(value, tmp_path / SKLEARN_HEAD)
    with pytest.raises(ModelFileError, match=f"holds a {type(value).__name__}, which is no estimator"):
        read_sklearn_head(tmp_path / SKLEARN_HEAD)


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    own_optimizer = QuantumHeadClassifier(n_qubits=2, num_epochs=1, optimizer=lambda angles: torch.optim.Adam(angles))
    estimators = [own_optimizer, FunctionTransformer(lambda x: x)]
    for estimator in estimators:
        estimator.fit(X.numpy(), [0, 1] * 3)
        with pytest.raises(TypeError, match=f"this {type(estimator).__name__} cannot be saved without pickle"):
            write_sklearn_head(tmp_path / SKLEARN_HEAD, estimator)


def test_who_must_trust_types_is_told_when_saving(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / SKLEARN_HEAD
    head = RandomForestClassifier(2, random_state=0).fit(X.numpy(), [0, 1] * 3)
    write_sklearn_head(path, head)
    assert "must pass trusted=['sklearn.tree._tree.Tree']" in caplog.text
    with pytest.raises(ModelFileError, match=r"Pass trusted=\['sklearn\.tree\._tree\.Tree'\]"):
        read_sklearn_head(path)
    loaded = read_sklearn_head(path, trusted=["sklearn.tree._tree.Tree"])
    assert np.array_equal(loaded.predict_proba(X.numpy()), head.predict_proba(X.numpy()))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04"])
def test_a_broken_sklearn_head_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SKLEARN_HEAD).write_bytes(content)
    with pytest.raises(ModelFileError, match=SKLEARN_HEAD):
        read_sklearn_head(tmp_path / SKLEARN_HEAD)


def test_setfit_head_round_trip(tmp_path: Path) -> None:
    from setfit import SetFitHead

    head = SetFitHead(WIDTH, 3, temperature=1.5, device="cpu")
    write_dense_head(head, tmp_path)
    loaded = read_dense_head(tmp_path)
    assert torch.equal(loaded.predict_proba(X), head.predict_proba(X))
    edit_json(tmp_path / "setfit_head_config.json", lambda values: values["head"].update(out_features=10**10))
    with pytest.raises(ModelFileError, match=r"head\.out_features"):
        read_dense_head(tmp_path)
