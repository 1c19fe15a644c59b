"""The `demo` fixture: one running demo for all tests and all workers of a test run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
STARTING_SECONDS = 240


@dataclass(frozen=True)
class Demo:
    """A running demo.

    Attributes:
        url: Its address.
        hub: Address of the test Hub that it pushes to.
        folder: Where it keeps its files.
        requests_at_start: What it asked of the Hub until it answered.
        is_space: Whether it runs as on a Space, where Gradio asks huggingface.co for a header of the page.
    """

    url: str
    hub: str
    folder: Path
    requests_at_start: int
    is_space: bool = False

    def log(self) -> str:
        """All that it wrote to standard output and standard error."""
        return (self.folder / "log.txt").read_text(errors="replace")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo; the first worker that asks starts it, and it ends with the test run."""
    folder, addresses = start(tmp_path_factory, "demo_process.py")
    return Demo(addresses["demo"], addresses["hub"], folder, addresses["requests_at_start"])


def start(tmp_path_factory: pytest.TempPathFactory, script: str) -> tuple[Path, dict[str, Any]]:
    """Start one of the scripts beside this file, unless another worker has; its folder and what it told."""
    base = tmp_path_factory.getbasetemp()
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    folder = (base.parent if parallel else base) / Path(script).stem
    owner = os.getppid() if parallel else os.getpid()
    try:
        folder.mkdir()
    except FileExistsError:
        pass  # another worker starts it
    else:
        log = (folder / "log.txt").open("w")
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-u", str(HERE / script), str(folder), str(owner)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        (folder / "pid").write_text(str(process.pid))
    return folder, wait_for(folder)


def wait_for(folder: Path) -> dict[str, Any]:
    """The addresses, once they are there.

    Raises:
        AssertionError: The demo did not start; with what it wrote.
    """
    deadline = time.monotonic() + STARTING_SECONDS
    path = folder / "addresses.json"
    while time.monotonic() < deadline:
        if path.exists():
            found: dict[str, Any] = json.loads(path.read_text())
            return found
        pid = folder / "pid"
        if pid.exists() and has_ended(int(pid.read_text())):
            break
        time.sleep(0.2)
    raise AssertionError(f"The demo did not start:\n{(folder / 'log.txt').read_text(errors='replace')}")


def has_ended(pid: int) -> bool:
    """Whether the process has ended, also where nobody has asked for its exit status yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True
    return state == "Z"
