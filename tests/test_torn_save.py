"""A save that is killed at any moment leaves the former version or the new one, whole."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from setfit_quantum import QuantumHead
from setfit_quantum.serialization import ModelFileError, load_head, save_head
from setfit_quantum.serialization.atomic import recover, staged_save
from setfit_quantum.serialization.json_files import write_json
from setfit_quantum.serialization.layout import MANIFEST, REMOVALS, STAGING_FOLDER
from setfit_quantum.serialization.manifest import measure_files, read_manifest, verify_files, write_manifest

VERSIONS: dict[str, dict[str, str]] = {
    "former": {"a.json": "former a", "body/weights": "former weights", "gone/old.txt": "former only"},
    "new": {"a.json": "new a", "body/weights": "new weights", "fresh/b.txt": "new only"},
}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the save runs after it."""


def write_version(folder: Path, version: str) -> None:
    with staged_save(folder) as staging:
        for name, text in VERSIONS[version].items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).write_text(text)


def read_version(folder: Path) -> str:
    """The version that a loader finds; fails on a mixture."""
    recover(folder)
    verify_files(folder)
    listed = read_manifest(folder / MANIFEST)
    for version, files in VERSIONS.items():
        if set(files) == set(listed):
            assert {name: (folder / name).read_text() for name in files} == files
            return version
    raise AssertionError(f"neither version: {sorted(listed)}")


def kill_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Let the `call`-th change to the disk, and all after it, fail; no clean-up runs either."""
    count = 0

    def counted(function: Any) -> Any:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count > call:
                raise Killed
            return function(*args, **kwargs)

        return wrapper

    for module, name in (
        (os, "replace"),
        (os, "rename"),
        (os, "fsync"),
        (Path, "unlink"),
        (Path, "write_text"),
        (Path, "mkdir"),
        (Path, "chmod"),
        (shutil, "rmtree"),
    ):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))


def test_killed_at_every_step(tmp_path: Path) -> None:
    found = []
    for call in range(200):
        folder = tmp_path / str(call)
        write_version(folder, "former")
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, call)
            try:
                write_version(folder, "new")
                finished = True
            except Killed:
                finished = False
        found.append(read_version(folder))
        assert read_version(folder) == found[-1]  # recovering changes nothing the second time
        if found[-1] == "new":
            assert not (folder / "gone").exists()
        write_version(folder, "former")  # and the folder can be saved to again
        assert read_version(folder) == "former"
        assert not (folder / STAGING_FOLDER).exists()
        if finished:
            break
    assert finished
    assert len(found) > 20
    assert found == sorted(found)  # first the former version, then, from one step on, the new one
    assert found[0] == "former"
    assert found[-1] == "new"


def test_first_save_killed_leaves_no_model(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, 4)
        with pytest.raises(Killed):
            write_version(tmp_path / "m", "new")
    with pytest.raises(ModelFileError, match="the save was not finished"):
        read_version(tmp_path / "m")


def test_sigkill_at_random_moments(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_version(folder, "former")
    version = "former"
    for seed in range(20):
        child = os.fork()
        if child == 0:
            try:
                while True:
                    version = "new" if version == "former" else "former"
                    write_version(folder, version)
            finally:
                os._exit(1)
        time.sleep(random.Random(seed).uniform(0.002, 0.1))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL  # it was still saving
        version = read_version(folder)  # fails on anything but one of the two


def test_an_error_while_writing_leaves_the_former_version(tmp_path: Path) -> None:
    write_version(tmp_path, "former")

    def fail() -> None:
        with staged_save(tmp_path) as staging:
            (staging / "a.json").write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk"):
        fail()
    assert read_version(tmp_path) == "former"
    assert not (tmp_path / STAGING_FOLDER).exists()


def test_other_files_are_kept_and_a_stale_pickle_is_not(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "model_head.pkl").write_text("head of plain SetFit")
    write_version(tmp_path, "new")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "model_head.pkl").exists()


def test_everybody_whom_the_umask_allows_can_read(tmp_path: Path) -> None:
    save_head(QuantumHead(4, n_qubits=2), tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert len(set(modes.values())) == 1, modes


def test_hostile_listing_removes_nothing_outside(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    folder = tmp_path / "model"
    staging = folder / STAGING_FOLDER
    staging.mkdir(parents=True)
    (staging / "a.json").write_text("x")
    write_manifest(staging / MANIFEST, measure_files(staging, ["a.json"]))
    write_json(staging / REMOVALS, {"files": ["../victim.txt"]})
    with pytest.raises(ModelFileError, match="inside the folder"):
        recover(folder)
    (folder / "link").symlink_to(tmp_path)
    write_json(staging / REMOVALS, {"files": ["link/victim.txt"]})
    with pytest.raises(ModelFileError, match="symbolic link"):
        recover(folder)
    assert victim.read_text() == "precious"


def test_a_killed_save_of_a_head_is_recovered_on_load(tmp_path: Path) -> None:
    x = torch.ones(1, 4)
    former, new = (QuantumHead(4, n_qubits=2, seed=seed) for seed in (0, 1))
    expected = [former.predict_proba(x), new.predict_proba(x)]
    assert not torch.equal(*expected)
    seen = []
    for call in range(0, 40, 3):
        folder = tmp_path / str(call)
        save_head(former, folder)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, call)
            with contextlib.suppress(Killed):
                save_head(new, folder)
        found = load_head(folder).predict_proba(x)
        seen.append([torch.equal(found, probs) for probs in expected].index(True))
    assert seen[0] == 0
    assert seen[-1] == 1
