"""Folders that somebody prepared: torn saves whose files were changed, settings that ask for giant weights."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mutations import NAMES, mutation_of, replace_file
from setfit_quantum import QuantumHead
from setfit_quantum.head import ClassicalHead
from setfit_quantum.serialization import ModelFileError, load_head, save_head
from setfit_quantum.serialization.classical_head_files import read_classical_head, save_classical_head
from setfit_quantum.serialization.dense_head_files import read_dense_head, write_dense_head
from setfit_quantum.serialization.head_files import read_head_files
from setfit_quantum.serialization.json_files import write_json
from setfit_quantum.serialization.layout import (
    CLASSICAL_HEAD_CONFIG,
    CLASSICAL_HEAD_WEIGHTS,
    DENSE_HEAD_CONFIG,
    DENSE_HEAD_WEIGHTS,
    HEAD_CONFIG,
    HEAD_WEIGHTS,
    MANIFEST,
    REMOVALS,
    STAGING_FOLDER,
)
from setfit_quantum.vanilla import import_setfit

WIDTH = 4
SECONDS = 1.0


def test_torn_folders_are_finished_or_refused(tmp_path: Path) -> None:
    """Mutations of what a killed save left: whoever opens it moves and removes files, inside the folder only."""
    template, victim = tmp_path / "template", tmp_path / "victim.txt"
    victim.write_text("precious")
    save_head(QuantumHead(WIDTH, n_qubits=2, encoder_layers=1, backend="torch", seed=1), template)
    staging = template / STAGING_FOLDER
    staging.mkdir()
    for path in [path for path in template.iterdir() if path.is_file() and path.name != HEAD_CONFIG]:
        path.rename(staging / path.name)
    write_json(staging / REMOVALS, {"files": ["gone.txt"]})
    expected = load_file(staging / HEAD_WEIGHTS)
    names = [f"{STAGING_FOLDER}/{name}" for name in (MANIFEST, MANIFEST, REMOVALS, REMOVALS, HEAD_WEIGHTS)]
    outcomes: Counter[str] = Counter()
    for seed in range(300):
        rng = random.Random(seed)
        folder = tmp_path / "torn"
        shutil.copytree(template, folder)
        path = folder / rng.choice([*names, HEAD_CONFIG])
        kind = rng.randrange(11)
        if kind == 10:
            replace_file(path, rng)
        elif path.name == REMOVALS and kind < 5:
            listed = [rng.choice([*NAMES, "../victim.txt", "a", 3, None]) for _ in range(2)]
            path.write_text(json.dumps(json.loads(path.read_text()) | {"files": listed}))
        else:
            path.write_bytes(mutation_of(path.name, path.read_bytes(), kind, rng))
        start = time.process_time()
        try:
            head = load_head(folder)
            outcomes["loaded"] += 1
            assert all(torch.equal(expected[name], tensor) for name, tensor in head.state_dict().items())
        except ModelFileError:
            outcomes["refused"] += 1
        assert time.process_time() - start < SECONDS
        assert victim.read_text() == "precious"
        assert {entry.name for entry in tmp_path.iterdir()} == {"template", "victim.txt", "torn"}
        shutil.rmtree(folder)
    assert outcomes["loaded"] >= 5
    assert outcomes["refused"] >= 100


@pytest.mark.parametrize(
    ("config", "weights", "change"),
    [
        (DENSE_HEAD_CONFIG, DENSE_HEAD_WEIGHTS, {"in_features": 2**22, "out_features": 2**16}),
        (CLASSICAL_HEAD_CONFIG, CLASSICAL_HEAD_WEIGHTS, {"in_features": 2**22, "hidden_dim": 2**16}),
        (HEAD_CONFIG, HEAD_WEIGHTS, {"in_features": 2**22, "encoder_hidden_dim": 2**16}),
    ],
)
def test_giant_settings_take_no_memory(tmp_path: Path, config: str, weights: str, change: dict[str, int]) -> None:
    folder = tmp_path / "giant"
    if config == HEAD_CONFIG:
        save_head(QuantumHead(WIDTH, n_qubits=2, encoder="mlp", encoder_hidden_dim=2, backend="torch"), folder)
    elif config == CLASSICAL_HEAD_CONFIG:
        save_classical_head(ClassicalHead(WIDTH, hidden_dim=2), folder)
    else:
        folder.mkdir()
        write_dense_head(import_setfit().SetFitHead(WIDTH, 2, device="cpu"), folder)
    path = folder / config
    values = json.loads(path.read_text())
    values["head"] |= change
    path.write_text(json.dumps(values))
    readers: dict[str, Any] = {DENSE_HEAD_CONFIG: read_dense_head, CLASSICAL_HEAD_CONFIG: read_classical_head,
                               HEAD_CONFIG: read_head_files}  # fmt: skip
    for apparent in (None, 2**43):  # a sparse file looks as large as it likes
        if apparent is not None:
            os.truncate(folder / weights, apparent)
        with pytest.raises(ModelFileError, match=r"asks for \d+ weights") as caught:
            readers[config](folder)
        assert caught.value.file == path
