"""The `hub` fixture and the client processes of Hub tests: `from hub_fixtures import hub, run_client`.

Every script runs in a process of its own, because `huggingface_hub` reads HF_ENDPOINT when it is imported.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hub_access import WRITE_TOKEN
from hub_server import HubServer

HERE = Path(__file__).parent


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """A fresh, empty Hub with the accounts of `hub_access.ACCOUNTS`."""
    with HubServer(tmp_path / "hub-server") as server:
        yield server
    assert not server.errors, "\n".join(server.errors)


@dataclass
class ClientResult:
    """What a client process did.

    Attributes:
        value: The JSON value on the last line of its standard output, None when there is none.
        returncode: Exit status; negative for a signal.
        stdout: Standard output.
        stderr: Standard error.
        waits: Seconds of every `time.sleep` of 0.5 s or more, before scaling.
    """

    value: Any
    returncode: int
    stdout: str
    stderr: str
    waits: list[float] = field(default_factory=list)


@dataclass
class Client:
    """A running client process."""

    process: subprocess.Popen[str]
    report: Path

    def kill(self) -> ClientResult:
        """Kill the process at once (SIGKILL: it cannot clean up) and return what it printed so far."""
        self.process.send_signal(signal.SIGKILL)
        return self.result(check=False)

    def result(self, timeout: float = 120.0, check: bool = True) -> ClientResult:
        """Wait for the end and return the result.

        Raises:
            AssertionError: With `check`, the exit status is not 0.
        """
        try:
            stdout, stderr = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            stdout, stderr = self.process.communicate()
            raise AssertionError(f"The client did not end within {timeout} s.\n{stdout}\n{stderr}") from None
        status = self.process.returncode
        assert not check or status == 0, f"The client ended with status {status}.\n{stdout}\n{stderr}"
        waits = json.loads(self.report.read_text()) if self.report.exists() else []
        return ClientResult(_last_json(stdout), status, stdout, stderr, waits)


def client_environment(
    hub: HubServer | str,
    cache_dir: Path,
    token: str | None = WRITE_TOKEN,
    extra_env: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment of a client process: only this Hub, only this cache, no settings of the host.

    Args:
        hub: Server, or its address.
        cache_dir: HF_HOME; processes with the same folder share the cache.
        token: Value of HF_TOKEN; None is an anonymous client.
        extra_env: Further variables, which win.
    """
    foreign = ("HF_", "HUGGING", "TRANSFORMERS_", "SENTENCE_TRANSFORMERS_", "XDG_CACHE", "DATASETS_")
    env = {name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)}
    env = {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}
    env["HF_ENDPOINT"] = hub if isinstance(hub, str) else hub.url
    env["HF_HOME"] = str(cache_dir)
    env |= dict.fromkeys(("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS"), "1")
    env |= {"HF_HUB_DISABLE_UPDATE_CHECK": "1", "OMP_NUM_THREADS": env.get("OMP_NUM_THREADS", "1")}
    if token is not None:
        env["HF_TOKEN"] = token
    return env | dict(extra_env or {})


def start_client(
    script: str | Path,
    hub: HubServer | str,
    cache_dir: Path,
    token: str | None = WRITE_TOKEN,
    extra_env: Mapping[str, str] | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
    wait_scale: float = 1.0,
) -> Client:
    """Start a script in a client process and return at once.

    Args:
        script: Python code (indented as a whole if you like), or the path of a script.
        hub: Server, or its address.
        cache_dir: HF_HOME and working directory of the process; created if needed.
        token: HF_TOKEN; None is an anonymous client.
        extra_env: Further environment variables.
        inputs: Global variables of the script (values must fit JSON; paths become strings).
        arguments: `sys.argv[1:]`.
        wait_scale: Factor for every `time.sleep` of 0.5 s or more: 0.01 makes waiting for retries short.
    """
    cache_dir = Path(cache_dir)
    cache_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".client-", dir=cache_dir))
    if isinstance(script, str):
        (folder / "script.py").write_text(textwrap.dedent(script))
        script = folder / "script.py"
    task = {"script": str(script), "inputs": dict(inputs or {}), "wait_scale": wait_scale, "arguments": [*arguments]}
    (folder / "task.json").write_text(json.dumps(task, default=str))
    report = folder / "waits.json"
    command = [sys.executable, str(HERE / "hub_client_process.py"), str(folder / "task.json"), str(report)]
    env = client_environment(hub, cache_dir, token, extra_env)
    pipe = subprocess.PIPE
    return Client(subprocess.Popen(command, env=env, cwd=cache_dir, stdout=pipe, stderr=pipe, text=True), report)


def run_client(
    script: str | Path,
    hub: HubServer | str,
    cache_dir: Path,
    token: str | None = WRITE_TOKEN,
    extra_env: Mapping[str, str] | None = None,
    *,
    timeout: float = 120.0,
    check: bool = True,
    **options: Any,
) -> ClientResult:
    """Run a script in a client process, see `start_client`, and return its result (`.value` is what it printed)."""
    return start_client(script, hub, cache_dir, token, extra_env, **options).result(timeout, check)


@dataclass
class ServerProcess:
    """A Hub in a process of its own; `start` again after `kill` to go on at the same addresses with the same data."""

    directory: Path
    url: str = ""
    storage_url: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> ServerProcess:
        ports = [url.rsplit(":", 1)[1] if url else "0" for url in (self.url, self.storage_url)]
        command = [sys.executable, str(HERE / "hub_server.py"), "--directory", str(self.directory)]
        command += ["--port", ports[0], "--storage-port", ports[1]]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"The server process did not start: {command}"
        addresses = json.loads(line)
        self.url, self.storage_url = addresses["url"], addresses["storage_url"]
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def admin(self, method: str, route: str, payload: Mapping[str, Any] | None = None) -> Any:
        """Set and read faults and the log: POST/GET/DELETE `faults`, GET/DELETE `requests`."""
        body = json.dumps(payload).encode() if payload is not None else None
        request = urllib.request.Request(f"{self.url}/__admin__/{route}", body, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def __enter__(self) -> ServerProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


def _last_json(stdout: str) -> Any:
    lines = [line for line in stdout.splitlines() if line.strip()]
    try:
        return json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
