"""Loading from repositories and caches that are not whole: never another head without a word, never stuck offline."""

import json
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
from sklearn.linear_model import LogisticRegression

from bodies import NAMES, TEXTS, WIDTH
from hub_fixtures import hub, run_client
from hub_server import HubServer
from test_hub_models import START

__all__ = ["hub"]  # the fixture

WRITE = """
    from huggingface_hub import HfApi
    from sklearn.linear_model import LogisticRegression
    for name, one in (("quantum", head(seed=1)), ("classical", LogisticRegression())):
        model = load(body, one)
        model.fit(texts, names)
        model.push_to_hub(f"tester/{name}")
        HfApi().delete_file("setfit_quantum_manifest.json", f"tester/{name}")
    """


def test_a_repository_that_lost_its_manifest_keeps_its_head(hub: HubServer, tmp_path: Path, tiny_body: Path) -> None:
    inputs: dict[str, Any] = {"body": tiny_body, "texts": TEXTS, "names": NAMES}
    run_client(START + WRITE, hub, tmp_path / "writer", inputs=inputs)
    script = """
    from huggingface_hub import HfApi
    results = {name: refused(f"tester/{name}") for name in ("quantum", "classical")}
    results["kinds"] = [type(load(f"tester/{name}", verify=False).model_head).__name__
        for name in ("quantum", "classical")]
    token = writer_token
    for name in ("quantum_head_config.json", "quantum_head.safetensors"):
        HfApi(token=token).delete_file(name, "tester/quantum")
    HfApi(token=token).upload_file(path_or_fileobj=b"{}", path_in_repo="setfit_head_config.json",
        repo_id="tester/quantum")
    HfApi(token=token).delete_file("setfit_head_config.json", "tester/quantum")
    HfApi(token=token).upload_file(path_or_fileobj=manifest.encode(), path_in_repo="setfit_quantum_manifest.json",
        repo_id="tester/quantum")
    results["no head"] = refused("tester/quantum", verify=False)
    results["new head"] = type(load("tester/quantum", head(), verify=False).model_head).__name__
    print(json.dumps(results))
    """
    manifest = json.dumps({"schema_version": 1, "library_version": "0.1.0", "files": {}})
    inputs |= {"writer_token": "hf_tester_write", "manifest": manifest}
    found = run_client(START + script, hub, tmp_path / "reader", inputs=inputs).value
    for name in ("quantum", "classical"):
        assert found[name]["error"] == "ModelFileError"
        assert "setfit_quantum_manifest.json: is missing" in found[name]["message"]
    assert found["kinds"] == ["SetFitQuantumHead", "LogisticRegression"]
    assert found["no head"]["error"] == "ModelFileError"
    assert "quantum_head_config.json: is missing, and so is every other kind of head" in found["no head"]["message"]
    assert found["new head"] == "SetFitQuantumHead"


def test_what_others_cached_is_found_offline(hub: HubServer, tmp_path: Path, tiny_body: Path) -> None:
    hub.seed("tester/body", tiny_body)
    hub.seed("tester/plain", tiny_body)
    joblib.dump(LogisticRegression().fit(np.eye(2, WIDTH), [0, 1]), tmp_path / "model_head.pkl")
    head = (tmp_path / "model_head.pkl").read_bytes()
    hub.seed("tester/plain", {"model_head.pkl": head, "config_setfit.json": b'{"normalize_embeddings": true}'})
    inputs: dict[str, Any] = {"body": tiny_body, "texts": TEXTS, "names": NAMES}
    script = """
    from sentence_transformers import SentenceTransformer
    SentenceTransformer("tester/body", device="cpu")
    print(json.dumps(setfit.SetFitModel.from_pretrained("tester/plain", device="cpu").predict(texts).tolist()))
    """
    expected = run_client(START + script, hub, tmp_path / "reader", inputs=inputs).value
    script = """
    def describe(*args, **options):
        model = load(*args, **options)
        return [type(model.model_head).__name__, model.normalize_embeddings]
    print(json.dumps({
        "body, head": describe("tester/body", head()),
        "body": refused("tester/body"),
        "forced": refused("tester/body", head(), force_download=True),
        "plain, head": describe("tester/plain", head()),
        "plain, pickle": load("tester/plain", allow_pickle=True).predict(texts).tolist(),
        "plain": refused("tester/plain"),
        "absent, head": refused("tester/absent", head()),
    }))
    """
    read = run_client(START + script, hub, tmp_path / "reader", inputs=inputs, extra_env={"HF_HUB_OFFLINE": "1"})
    found = read.value
    assert found["body, head"] == ["SetFitQuantumHead", False]
    assert found["plain, head"] == ["SetFitQuantumHead", True]
    assert found["plain, pickle"] == expected
    assert found["plain"]["error"] == "ModelFileError"
    for name in ("body", "forced", "absent, head"):
        assert found[name]["error"] == "HubError", (name, found[name])
        assert "HF_HUB_OFFLINE is set" in found[name]["message"]
    assert "pass head=QuantumHead(...) to use it with a new head" in found["body"]["message"]
    assert "using what the cache has" in read.stderr
    hub.halt()  # no answer, where one is expected
    script = """
    print(json.dumps([refused("tester/body", head()), refused("tester/body", head(), force_download=True)]))
    """
    found = run_client(START + script, hub, tmp_path / "reader", inputs=inputs, wait_scale=0.01).value
    assert found[0] == {"value": "SetFitModel"}
    assert found[1]["error"] == "HubError"
    assert "the Hub cannot be reached (ConnectError" in found[1]["message"]
    hub.restart()


def test_a_hub_that_fails_is_not_called_unreachable(hub: HubServer, tmp_path: Path) -> None:
    hub.seed("tester/model", {"a": "1"})
    script = """
    fail("status", "/resolve/", method="HEAD", status=500, times=None, message="Boom")
    print(json.dumps([refused("tester/model"), refused("tester/model", local_files_only=True)]))
    """
    failed, local = run_client(START + script, hub, tmp_path, wait_scale=0.01).value
    assert failed["error"] == "HubError"
    assert "not in the cache, and the Hub answered 500" in failed["message"]
    assert "not in the cache, and the Hub must not be asked" in local["message"]
