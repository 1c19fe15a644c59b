"""Files of older schema versions are read by steps; the mechanism, with versions that only exist here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from setfit_quantum import QuantumHead
from setfit_quantum.card import read_facts
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
    monkeypatch.setattr(json_files, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with pytest.raises(ModelFileError, match=f"is {SCHEMA_VERSION}, which nothing here can read"):
        load_head(tmp_path)


FORMER = sorted(path for path in (Path(__file__).parent / "former_versions").iterdir() if path.is_dir())
"""Folders as former versions of this package wrote them, by schema version; never written anew."""

PREDICTIONS = (
    [[0.3219207227230072, 0.35197922587394714, 0.32610008120536804],
     [0.3284335136413574, 0.36238303780555725, 0.3091834485530853]],
    [[0.3150612711906433, 0.3470839560031891, 0.3378548324108124],
     [0.3317092955112457, 0.3782515525817871, 0.2900391221046448]],
)  # fmt: skip
"""What folders of all former versions predicted when they were written, with their noise and shots, and without."""


@pytest.mark.parametrize("folder", FORMER, ids=lambda folder: folder.name)
def test_folders_of_former_versions_predict_as_they_did(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    head = load_head(tmp_path / "model")
    x = torch.linspace(-1, 1, 8).reshape(2, 4)
    noisy, exact = PREDICTIONS
    assert head.shots == 50
    assert torch.allclose(head.predict_proba(x), torch.tensor(noisy), atol=1e-6)
    head.shots = head.noise = None
    assert torch.allclose(head.predict_proba(x), torch.tensor(exact), atol=1e-6)
    facts = read_facts(tmp_path / "model")
    assert (facts.language, facts.results[0].interval) == (("en",), (0.8, 1.0))
    save_head(head, tmp_path / "model")  # which writes the present version, and finds the former one's manifest
    for name in (HEAD_CONFIG, MANIFEST):
        assert json.loads((tmp_path / "model" / name).read_text())["schema_version"] == SCHEMA_VERSION


def test_there_is_a_folder_of_every_former_version() -> None:
    assert [folder.name for folder in FORMER] == [str(version) for version in range(1, SCHEMA_VERSION)]


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
        if name.isupper() and isinstance(value, str) and name not in ("CARD_PLACEHOLDER", "CARD_PLACE_NOTE", "REMOVALS")
    ]
    assert len(names) > 10
    assert [name for name in names if name not in text] == []
    assert f'"schema_version": {SCHEMA_VERSION}' in text
