"""Saving where something is in the way: damaged manifests, foreign heads, links, folders, other processes."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from setfit_quantum import QuantumHead
from setfit_quantum.serialization import ModelFileError, load_head, save_head
from setfit_quantum.serialization.atomic import recover, staged_save, whole_version
from setfit_quantum.serialization.json_files import write_json
from setfit_quantum.serialization.layout import HEAD_WEIGHTS, MANIFEST, PICKLED_HEAD, REMOVALS, STAGING_FOLDER
from setfit_quantum.serialization.locks import FolderLock
from setfit_quantum.serialization.manifest import measure_files, read_manifest, verify_files, write_manifest


def write_version(folder: Path, files: dict[str, str], **options: Any) -> None:
    with staged_save(folder, **options) as staging:
        for name, text in files.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).write_text(text)


def seal_by_hand(folder: Path, files: dict[str, str], removals: Any = ()) -> Path:
    """A save that was interrupted after its point of no return."""
    staging = folder / STAGING_FOLDER
    for name, text in files.items():
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).write_text(text)
    write_manifest(staging / MANIFEST, measure_files(staging, files))
    write_json(staging / REMOVALS, {"files": removals if isinstance(removals, int | dict) else list(removals)})
    return staging


# ---- what lies in the output folder ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["{", '{"schema_version": 99, "library_version": "9.9", "files": {}}', ""])
def test_a_damaged_manifest_does_not_lose_the_new_version(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    save_head(QuantumHead(4, n_qubits=2, seed=0), tmp_path)
    (tmp_path / MANIFEST).write_text(content)
    new = QuantumHead(4, n_qubits=2, seed=1)
    save_head(new, tmp_path)
    assert "The former version is unknown" in caplog.text
    assert torch.equal(load_head(tmp_path).circuit_weights, new.circuit_weights)


def test_heads_of_other_models_do_not_stay_beside_the_new_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in (PICKLED_HEAD, "model_head.skops", "setfit_head_config.json"):
        (tmp_path / name).write_text("of something else")
    write_version(tmp_path, {"a.json": "new"})
    verify_files(tmp_path)  # which refuses a head that is not listed
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", MANIFEST}
    assert "removing model_head.skops, the head of another model" in caplog.text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: (folder / "body").write_text("file"), "is a file, where a folder"),
        (lambda folder: (folder / "body" / "weights").mkdir(parents=True), "is a folder, where a file"),
        (lambda folder: (folder / "body").symlink_to(folder.parent), "behind a symbolic link"),
    ],
)
def test_what_is_in_the_way_is_told_before_anything_changes(tmp_path: Path, make: Any, words: str) -> None:
    folder = tmp_path / "model"
    write_version(folder, {"a.json": "former"})
    make(folder)
    before = sorted(folder.rglob("*"))
    with pytest.raises(ModelFileError, match=words):
        write_version(folder, {"a.json": "new", "body/weights": "new"})
    assert sorted(folder.rglob("*")) == before
    assert (folder / "a.json").read_text() == "former"
    write_version(folder, {"a.json": "other"})  # and the folder is not stuck
    assert (folder / "a.json").read_text() == "other"


def test_links_to_files_are_replaced_and_their_targets_kept(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("shared")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.json").symlink_to("../blob")
    write_version(folder, {"a.json": "new"})
    assert not (folder / "a.json").is_symlink()
    assert (tmp_path / "blob").read_text() == "shared"


# ---- staging folders that no save made ------------------------------------------------------------------------------


def test_a_staging_folder_that_is_a_link_moves_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    write_version(victim, {"a.json": "precious"})
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / STAGING_FOLDER).symlink_to(victim)
    for open_it in (recover, load_head, lambda path: write_version(path, {"a.json": "new"})):
        with pytest.raises(ModelFileError, match="symbolic link"):
            open_it(folder)
    assert (victim / "a.json").read_text() == "precious"
    verify_files(victim)


def test_links_inside_a_staging_folder_move_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "b.txt").write_text("precious")
    folder = tmp_path / "hostile"
    staging = seal_by_hand(folder, {"a.json": "x"})
    (staging / "body").symlink_to(victim)
    write_manifest(staging / MANIFEST, measure_files(staging, ["a.json", "body/b.txt"]))
    with pytest.raises(ModelFileError, match="behind a symbolic link"):
        recover(folder)
    assert (victim / "b.txt").read_text() == "precious"


def test_no_folder_is_made_outside(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    folder = tmp_path / "hostile"
    staging = seal_by_hand(folder, {"a.json": "x"})
    (staging / "link" / "inner").mkdir(parents=True)
    (folder / "link").symlink_to(victim)
    with pytest.raises(ModelFileError, match="behind a symbolic link"):
        recover(folder)
    assert not list(victim.iterdir())


@pytest.mark.parametrize("removals", [3, {"a": 1}, [3], ["a\x00b"], ["x" * 5000], ["\ud800"], ["../a"], [None]])
def test_a_listing_that_no_save_wrote_is_refused(tmp_path: Path, removals: Any) -> None:
    seal_by_hand(tmp_path, {"a.json": "x"}, removals)
    with pytest.raises(ModelFileError, match=REMOVALS):
        load_head(tmp_path)


def test_a_recovery_that_is_not_possible_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seal_by_hand(tmp_path, {"a.json": "x"})

    def refuse(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(ModelFileError, match=r"cannot be finished here.*Read-only"):
        load_head(tmp_path)


def test_leftovers_of_killed_saves_go_with_the_next_save(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_version(tmp_path, {"a.json": "former"})
    leftover = tmp_path / f"{STAGING_FOLDER}-12345678"
    leftover.mkdir()
    (leftover / "a.json").write_text("half")
    with whole_version(tmp_path):
        verify_files(tmp_path)
    assert "unfinished save; the former version is used" in caplog.text
    (tmp_path / STAGING_FOLDER).mkdir()  # its files are all in place
    write_version(tmp_path, {"a.json": "new"})
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", MANIFEST}


# ---- several processes ----------------------------------------------------------------------------------------------


def forked(action: Any) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    return child


def test_savers_and_readers_of_one_folder_never_mix_versions(tmp_path: Path) -> None:
    names = [f"part{number}/{number}.txt" for number in range(6)]
    write_version(tmp_path, dict.fromkeys(names, "start"))

    def save_for_ever(text: str) -> None:
        while True:
            write_version(tmp_path, dict.fromkeys(names, text))

    savers = [forked(lambda text=text: save_for_ever(text)) for text in ("one", "other")]
    try:
        seen = set()
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            with whole_version(tmp_path):
                verify_files(tmp_path)
                texts = {(tmp_path / name).read_text() for name in names}
            assert len(texts) == 1
            seen |= texts
    finally:
        for saver in savers:
            os.kill(saver, signal.SIGKILL)
            os.waitpid(saver, 0)
    assert {"one", "other"} <= seen
    with whole_version(tmp_path):
        verify_files(tmp_path)
        assert set(read_manifest(tmp_path / MANIFEST)) == set(names)
    write_version(tmp_path, {"a.json": "end"})
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"a.json", MANIFEST}


def test_a_save_waits_until_a_reader_has_finished(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_version(tmp_path, {"a.json": "former"})

    def read() -> None:
        with whole_version(tmp_path):
            (tmp_path / "reading").touch()
            time.sleep(0.3)
            assert (tmp_path / "a.json").read_text() == "former"

    child = forked(read)
    while not (tmp_path / "reading").exists():
        time.sleep(0.01)
    with caplog.at_level(logging.WARNING):
        write_version(tmp_path, {"a.json": "new"})
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert "Waiting for another process" in caplog.text
    assert (tmp_path / "a.json").read_text() == "new"


def test_locks_exclude_and_end(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert first.is_real
    assert first.take(exclusive=False, wait=False)
    assert second.take(exclusive=False, wait=False)
    assert not second.take(exclusive=True, wait=False)
    first.close()
    assert second.take(exclusive=True, wait=False)
    second.close()
    second.close()  # once more does no harm


def test_without_locks_saving_works_as_for_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("setfit_quantum.serialization.locks.fcntl", None)
    leftover = tmp_path / f"{STAGING_FOLDER}-12345678"
    leftover.mkdir(parents=True)
    head = QuantumHead(4, n_qubits=2, seed=0)
    save_head(head, tmp_path)
    assert leftover.is_dir()  # perhaps another process collects there: only its age would tell
    os.utime(leftover, (0, 0))
    save_head(head, tmp_path)
    assert not leftover.exists()
    assert torch.equal(load_head(tmp_path).circuit_weights, head.circuit_weights)
    assert (tmp_path / HEAD_WEIGHTS).is_file()
