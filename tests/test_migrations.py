"""Files of older schema versions are read by steps; the mechanism, with versions that only exist here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from setfit_quantum import QuantumHead
from setfit_quantum.serialization import ModelFileError, json_files, load_head, migrations, save_head
from setfit_quantum.serialization.layout import HEAD_CONFIG, MANIFEST, SCHEMA_VERSION
from setfit_quantum.serialization.migrations import STEPS, VERSIONED_FILES, register_step

X = torch.ones(1, 4)


@pytest.fixture
def third_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the schema had had three versions: settings lay under `settings`, then under `head` with `qubits`."""
    monkeypatch.setattr(json_files, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(migrations, "STEPS", {})

    @register_step(HEAD_CONFIG, 1)
    def second(values: dict[str, Any]) -> dict[str, Any]:
        values["head"] = values.pop("settings")
        return values

    @register_step(HEAD_CONFIG, 2)
    def third(values: dict[str, Any]) -> dict[str, Any]:
        values["head"] = {**values["head"], "n_qubits": values["head"]["qubits"]}
        del values["head"]["qubits"]
        return values

    for version in (1, 2):
        register_step(MANIFEST, version)(lambda values: values)


def write_older(folder: Path, version: int) -> QuantumHead:
    head = QuantumHead(4, n_qubits=2, encoder_layers=1, backend="torch", seed=3)
    save_head(head, folder)
    path = folder / HEAD_CONFIG
    values = json.loads(path.read_text())
    values["schema_version"] = version
    if version < 3:
        values["head"]["qubits"] = values["head"].pop("n_qubits")
    if version < 2:
        values["settings"] = values.pop("head")
    path.write_text(json.dumps(values))
    return head


@pytest.mark.usefixtures("third_version")
@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_is_read(tmp_path: Path, version: int) -> None:
    head = write_older(tmp_path, version)
    loaded = load_head(tmp_path, verify=False)
    assert loaded.config == head.config
    assert torch.equal(loaded.predict_proba(X), head.predict_proba(X))


@pytest.mark.usefixtures("third_version")
def test_an_older_file_that_is_not_what_it_says_is_refused(tmp_path: Path) -> None:
    write_older(tmp_path, 2)
    values = json.loads((tmp_path / HEAD_CONFIG).read_text())
    (tmp_path / HEAD_CONFIG).write_text(json.dumps(values | {"schema_version": 1}))
    with pytest.raises(ModelFileError, match=r"field `schema_version` cannot be read as version 1 \(KeyError"):
        load_head(tmp_path, verify=False)


def test_a_version_without_a_step_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_head(QuantumHead(4, n_qubits=2, backend="torch"), tmp_path)
    monkeypatch.setattr(json_files, "SCHEMA_VERSION", 2)
    with pytest.raises(ModelFileError, match="is 1, which nothing here can read"):
        load_head(tmp_path)


def test_there_is_a_step_from_every_version_ever_written() -> None:
    assert {(name, version) for name in VERSIONED_FILES for version in range(1, SCHEMA_VERSION)} <= set(STEPS)


def test_steps_are_registered_once_and_for_known_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "STEPS", {(HEAD_CONFIG, 1): lambda values: values})
    with pytest.raises(ValueError, match=r"a step from version 1 of quantum_head_config\.json is there"):
        register_step(HEAD_CONFIG, 1)
    with pytest.raises(ValueError, match="Argument `name` must be one of"):
        register_step("other.json", 1)


def test_the_documentation_names_all_files() -> None:
    from setfit_quantum.serialization import layout

    text = (Path(__file__).parents[1] / "docs" / "format.md").read_text()
    names = [
        value
        for name, value in vars(layout).items()
        if name.isupper() and isinstance(value, str) and name not in ("CARD_PLACEHOLDER", "REMOVALS")
    ]
    assert len(names) > 10
    assert [name for name in names if name not in text] == []
    assert f'"schema_version": {SCHEMA_VERSION}' in text
