"""Faults of the test Hub, and what the real client makes of them."""

import hashlib
from pathlib import Path

import pytest

from hub_faults import FaultBook
from hub_fixtures import hub, run_client, start_client
from hub_server import HubServer

__all__ = ["hub"]  # the fixture

WEIGHTS = bytes(range(256)) * 300
FILES = {"config.json": b'{"n_qubits": 4}', "head.safetensors": WEIGHTS, "text.txt": b"0123456789" * 9}

PUSH = """
    import json
    from huggingface_hub import HfApi
    api = HfApi()
    api.create_repo("tester/model", exist_ok=True)
    def push():
        return api.upload_file(path_or_fileobj=bytes.fromhex(content), path_in_repo=name, repo_id="tester/model").oid
    """


def test_transient_errors_while_uploading(hub: HubServer, tmp_path: Path) -> None:
    preupload = hub.fail("status", "/preupload/", status=503, times=2)
    batch = hub.fail("status", "/objects/batch$", status=429, retry_after=7)
    cut = hub.fail("cut_upload", "^/upload/", method="PUT", n_bytes=1000)
    drop = hub.fail("drop", "/objects/verify$")
    inputs = {"name": "head.safetensors", "content": WEIGHTS.hex()}
    result = run_client(PUSH + "print(json.dumps(push()))", hub, tmp_path, inputs=inputs, wait_scale=0.01)
    assert [fault.hits for fault in (preupload, batch, cut, drop)] == [2, 1, 1, 1]
    assert result.value == hub.repo("tester/model").branches["main"]
    assert hub.files("tester/model")["head.safetensors"] == WEIGHTS
    # Two waits for 503 (1 s, 2 s), Retry-After plus a second, one wait each for the two lost connections.
    assert result.waits == [1, 2, 8, 1, 1]
    assert [request.fault for request in hub.requests("PUT")] == ["cut_upload", None]
    assert [request.status for request in hub.requests("POST", "/preupload/")] == [503, 503, 200]


def test_errors_that_the_client_does_not_retry(hub: HubServer, tmp_path: Path) -> None:
    sha = hub.seed("tester/model", FILES)
    hub.fail("status", "/commit/main$", status=500, message="No luck")
    hub.fail("drop", "/commit/main$")
    hub.fail("lose_response", "/commit/main$")
    script = PUSH + "print(json.dumps([attempt(push) for _ in range(4)]))"
    first, second, third, fourth = run_client(script, hub, tmp_path, inputs={"name": "a", "content": "00"}).value
    assert (first["error"], first["status"]) == ("HfHubHTTPError", 500)
    assert "No luck" in first["message"]
    assert second["error"] == third["error"] == "RemoteProtocolError"
    # Two commits failed before anything changed; the third was made although the client never heard of it.
    repo = hub.repo("tester/model")
    assert [commit.parent for commit in repo.history()][:1] == [sha]
    assert fourth["value"] == repo.branches["main"]


def test_broken_downloads(hub: HubServer, tmp_path: Path) -> None:
    hub.seed("tester/model", FILES)
    script = """
        import json
        from pathlib import Path
        from huggingface_hub import constants, hf_hub_download
        # The client resumes after whole chunks only, of 10 MB by default.
        constants.DOWNLOAD_CHUNK_SIZE = 250
        def read(name):
            return Path(hf_hub_download("tester/model", name)).read_bytes().hex()
        fail("truncate", "^/download/.*/head.safetensors$", n_bytes=1000)
        resumed = read("head.safetensors")
        fail("truncate", "/text.txt$", times=None)
        never = attempt(lambda: read("text.txt"))
        fail("short", "/config.json$", n_bytes=5)
        short = attempt(lambda: read("config.json"))
        blobs = sorted(path.name for path in Path("hub/models--tester--model/blobs").iterdir())
        print(json.dumps([resumed, never, short, blobs]))
        """
    resumed, never, short, blobs = run_client(script, hub, tmp_path, wait_scale=0.01).value
    assert bytes.fromhex(resumed) == WEIGHTS
    ranges = [request.headers.get("range") for request in hub.requests("GET", server="storage")]
    assert ranges == [None, "bytes=1000-"]
    assert never["error"] == "RemoteProtocolError"
    assert short["error"] == "OSError"
    assert "should be of size 15 but has size 5" in short["message"]
    # Nothing broken stays in the cache.
    assert blobs == [hashlib.sha256(WEIGHTS).hexdigest()]


def test_corruption_is_not_noticed_by_the_client(hub: HubServer, tmp_path: Path) -> None:
    hub.seed("tester/model", FILES)
    fault = hub.fail("corrupt", "/head.safetensors$", n_bytes=70_000)
    script = """
        import json
        from pathlib import Path
        from huggingface_hub import snapshot_download
        print(json.dumps((Path(snapshot_download("tester/model")) / "head.safetensors").read_bytes().hex()))
        """
    content = bytes.fromhex(run_client(script, hub, tmp_path).value)
    assert fault.hits == 1
    assert [at for at in range(len(WEIGHTS)) if content[at] != WEIGHTS[at]] == [70_000]


def test_unreachable_hub_and_cache(hub: HubServer, tmp_path: Path) -> None:
    hub.seed("tester/model", FILES)
    script = """
        import json, time
        from huggingface_hub import hf_hub_download, snapshot_download
        start = time.monotonic()
        snapshot = attempt(lambda: snapshot_download("tester/model") and "read")
        file = attempt(lambda: hf_hub_download("tester/model", "text.txt") and "read")
        print(json.dumps([snapshot, file, time.monotonic() - start]))
        """
    hub.fail("delay", "/resolve/.*/text.txt$", method="HEAD", seconds=0.7)
    snapshot, file, seconds = run_client(script, hub, tmp_path / "a").value
    assert [snapshot, file] == [{"value": "read"}] * 2
    assert seconds > 0.7
    hub.halt()
    # With a cache the client falls back to it; without one it says so.
    assert run_client(script, hub, tmp_path / "a", wait_scale=0.01).value[:2] == [{"value": "read"}] * 2
    snapshot, file, _ = run_client(script, hub, tmp_path / "b", wait_scale=0.01).value
    assert snapshot["error"] == file["error"] == "LocalEntryNotFoundError"
    hub.restart()
    assert run_client(script, hub, tmp_path / "b").value[:2] == [{"value": "read"}] * 2


def test_client_killed_while_uploading(hub: HubServer, tmp_path: Path) -> None:
    sha = hub.seed("tester/model", FILES)
    inputs = {"name": "new.safetensors", "content": WEIGHTS[::-1].hex()}
    hub.fail("delay", "^/upload/", method="PUT", seconds=60)
    client = start_client(PUSH + "push()", hub, tmp_path, inputs=inputs)
    hub.log.wait_for("PUT", "^/upload/")
    assert client.kill().returncode == -9
    assert hub.repo("tester/model").branches["main"] == sha
    again = run_client(PUSH + "print(json.dumps(push()))", hub, tmp_path, inputs=inputs).value
    assert again == hub.repo("tester/model").branches["main"] != sha


def test_fault_book_counts_and_skips() -> None:
    book = FaultBook()
    fault = book.add("status", "/a$", method="GET", skip=1, times=2)
    for_ever = book.add("delay", "/b", times=None)
    assert book.take("POST", "/a") is None
    assert book.take("GET", "/a/c") is None
    assert [book.take("GET", "/a") for _ in range(4)] == [None, fault, fault, None]
    assert [book.take("PUT", "/b/1") for _ in range(3)] == [for_ever] * 3
    assert book.add("truncate", "/c", n_bytes=1).hits == 0
    assert book.take("HEAD", "/c") is None
    book.clear()
    assert book.take("PUT", "/b") is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "explode"}, "`kind` must be one of"),
        ({"kind": "status", "status": 200}, "`status` must be an error code"),
        ({"kind": "drop", "times": 0}, "`times` must be None or at least 1"),
        ({"kind": "drop", "skip": -1}, "`skip` must be at least 0"),
        ({"kind": "drop", "after": 3}, "among"),
    ],
)
def test_fault_book_refuses_mistakes(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FaultBook().add(**options)  # type: ignore[arg-type]
