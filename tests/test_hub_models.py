"""Whole models on the test Hub: pushed by one process, loaded by another from another cache; plain SetFit beside."""

import json
from pathlib import Path
from typing import Any

import joblib
import pytest

from bodies import NAMES, TEXTS
from hub_fixtures import hub, run_client
from hub_server import HubServer

__all__ = ["hub"]  # the fixture

START = """
    import json, logging, sys, torch
    from pathlib import Path
    import setfit
    from setfit_quantum import NoiseModel, QuantumHead, SetFitModel

    def head(**settings):
        return QuantumHead(n_qubits=3, encoder_layers=1, backend="torch", **settings)
    def probabilities(model):
        return model.predict_proba(texts).double().tolist()
    def load(repo_id, head=None, **options):
        return SetFitModel.from_pretrained(repo_id, head, device="cpu", **options)
    def refused(*args, **options):
        return attempt(lambda: type(load(*args, **options)).__name__)
    def changed_body(model):
        with torch.no_grad():
            for parameter in model.model_body.parameters():
                parameter.mul_(1.1)
    """

PUSH = """
    noise = NoiseModel.depolarizing(0.02, 0.05, convention="qiskit", readout=(0.01, 0.03))
    model = load(body, head(seed=1, noise=noise, shots=200))
    model.fit(texts, names, num_epochs=2, show_progress_bar=False)
    model.model_card_data.st_id = "tester/body"
    first = model.push_to_hub("tester/model", private=True, commit_message="First")
    expected = [probabilities(model)]
    changed_body(model)
    model.model_head = head(seed=2, in_features=model.model_head.in_features)
    model.labels = ["no", "yes"]
    model.push_to_hub("tester/model", branch="v2", private=True)
    expected.append(probabilities(model))
    model.model_head.push_to_hub("tester/head")
    classical = load(body, __import__("sklearn.linear_model").linear_model.LogisticRegression())
    classical.fit(texts, names)
    classical.push_to_hub("tester/classical")
    dense = load(body, use_differentiable_head=True)
    dense.save_pretrained("dense", push_to_hub=True, repo_id="tester/dense")
    plain = setfit.SetFitModel.from_pretrained(str(body), device="cpu")
    plain.fit(texts, names, num_epochs=1)
    plain.push_to_hub("tester/plain")
    several = load(body, head(seed=3, multitarget=True, out_features=2))
    several.push_to_hub("tester/several")
    print(json.dumps([expected, first.oid, classical.predict_proba(texts, as_numpy=True).tolist(),
        dense.predict_proba(texts).double().tolist(), plain.predict(texts).tolist()]))
    """

READ = """
    models = [load("tester/model", revision=revision) for revision in (None, "v2", first)]
    found = [probabilities(model) for model in models]
    one = models[0]
    with_head = load("tester/model", revision="v2", head=QuantumHead.from_pretrained("tester/head"))
    offline = load("tester/model", revision="v2", local_files_only=True)
    fail("corrupt", "/model.safetensors$", n_bytes=3000, times=1)
    fail("corrupt", "/quantum_head_config.json$", n_bytes=300, times=1)
    repaired = probabilities(load("tester/model", cache_dir="second"))
    fresh = probabilities(load("tester/model", force_download=True, cache_dir="second")) == found[0]
    fail("corrupt", "/tester/model/.*/tokenizer.json$", n_bytes=30, times=None)
    results = {
        "found": [*found, probabilities(with_head), probabilities(offline), repaired],
        "labels": [model.labels for model in models],
        "device": [one.model_head.shots, one.model_head.noise.to_dict(), one.model_card_data.st_id],
        "training": dict(one.card_facts.training),
        "fresh": fresh,
        "damaged": refused("tester/model", cache_dir="third"),
        "private": refused("tester/model", token=False, cache_dir="fourth"),
        "revision": refused("tester/model", revision="v9"),
        "absent": refused("tester/absent"),
        "uncached": refused("tester/absent", local_files_only=True),
        "classical": load("tester/classical").predict_proba(texts, as_numpy=True).tolist(),
        "dense": load("tester/dense").predict_proba(texts).double().tolist(),
        "pickle": refused("tester/plain"),
        "allowed": load("tester/plain", allow_pickle=True).predict(texts).tolist(),
        "new head": type(load("tester/plain", head()).model_head).__name__,
        "evil": [refused("tester/evil"), refused("tester/evil", head())],
    }
    # What plain SetFit does with these repositories.
    setfit.logging.set_verbosity_info()
    def plain(name):
        model = setfit.SetFitModel.from_pretrained(f"tester/{name}", device="cpu")
        return [type(model.model_head).__name__, attempt(lambda: model.predict(texts).tolist())]
    results["in plain SetFit"] = {name: attempt(lambda: plain(name)) for name in ("model", "classical", "several")}
    fail("drop", ".", times=None)
    results["unreachable"] = refused("tester/other")
    results["from the cache"] = probabilities(load("tester/model", cache_dir="second")) == found[0]
    results["body alone"] = refused("tester/other", head())
    print(json.dumps(results))
    """


class Payload:
    """A pickle of this runs code when it is loaded: it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def seed_evil_model(hub: HubServer, body: Path, file: Path, mark: Path) -> None:
    joblib.dump(Payload(mark), file)
    hub.seed("tester/evil", body)
    hub.seed("tester/evil", {"model_head.pkl": file.read_bytes()})


def test_models_travel_whole(hub: HubServer, tmp_path: Path, tiny_body: Path) -> None:
    inputs: dict[str, Any] = {"body": tiny_body, "texts": TEXTS, "names": NAMES}
    pushed = run_client(START + PUSH, hub, tmp_path / "writer", inputs=inputs).value
    expected, first, classical, dense, plain = pushed
    assert hub.repo("tester/model").private
    assert set(hub.repo("tester/model").branches) == {"main", "v2"}
    files = hub.files("tester/model")
    assert 'SetFitModel.from_pretrained("tester/model")' in files["README.md"].decode()
    assert not [name for name in (*files, *hub.files("tester/classical")) if name.endswith((".pkl", ".bin"))]

    mark = tmp_path / "executed"
    seed_evil_model(hub, tiny_body, tmp_path / "model_head.pkl", mark)
    read = run_client(START + READ, hub, tmp_path / "reader", inputs=inputs | {"first": first}, wait_scale=0.01)
    found = read.value
    assert found["found"] == [expected[0], expected[1], expected[0], expected[1], expected[1], expected[0]]
    assert expected[0] != expected[1]
    assert found["labels"] == [["negative", "positive"], ["no", "yes"], ["negative", "positive"]]
    shots, noise, base_model = found["device"]
    assert (shots, noise["convention"], base_model) == (200, "qiskit", "tester/body")
    assert found["training"]["training texts"] == len(TEXTS)
    assert found["fresh"]
    # The first cache; the second, damaged and repaired, and once more by force; the third.
    weights = hub.store.get("tester/model").commit_at("main").tree["model.safetensors"].lfs
    assert weights is not None
    assert len(hub.requests("GET", f"tester/model/{weights}", server="storage")) == 1 + 3 + 1
    assert "model.safetensors arrived damaged" in read.stderr
    assert "quantum_head_config.json arrived damaged" in read.stderr
    assert found["damaged"]["error"] == "ModelFileError"
    assert "tokenizer.json: does not have the SHA-256" in found["damaged"]["message"]
    for name in ("private", "revision", "absent", "uncached", "unreachable", "body alone"):
        assert found[name]["error"] == "HubError", (name, found[name])
    assert "it is private and not yours" in found["private"]["message"]
    assert found["revision"]["message"] == "tester/model: the repository has no such revision."
    assert "the Hub cannot be reached" in found["unreachable"]["message"]
    assert found["classical"] == classical
    assert found["dense"] == dense
    assert found["pickle"]["error"] == "ModelFileError"
    assert "Pass allow_pickle=True if you trust" in found["pickle"]["message"]
    assert found["allowed"] == plain
    assert found["new head"] == "SetFitQuantumHead"
    assert found["from the cache"]

    assert found["evil"][0]["error"] == "ModelFileError"
    assert found["evil"][1] == {"value": "SetFitModel"}
    assert not mark.exists()
    joblib.load(tmp_path / "model_head.pkl")
    assert mark.exists()  # it is what loading the pickle would have left

    # What plain SetFit does with these repositories, as the card says.
    for name in ("model", "classical"):
        kind, predicted = found["in plain SetFit"][name]["value"]
        assert kind == "LogisticRegression"
        assert predicted["error"] == "NotFittedError"
    assert "model_head.pkl not found on HuggingFace Hub, initialising classification head" in read.stderr
    # It does not know its own setting `multi_target_strategy` in its own file.
    assert found["in plain SetFit"]["several"]["error"] == "TypeError"


def test_command_line(hub: HubServer, tmp_path: Path, tiny_body: Path) -> None:
    """A model's folder by `setfit-quantum push`; the token is never printed."""
    script = """
    import contextlib, io, json, sys
    from pathlib import Path
    import torch
    from setfit_quantum import QuantumHead, SetFitModel
    from setfit_quantum.cli import main

    model = SetFitModel.from_pretrained(body, QuantumHead(n_qubits=2, encoder_layers=1, backend="torch"), device="cpu")
    model.fit(texts, names, num_epochs=1, show_progress_bar=False)
    model.save_pretrained("model")
    QuantumHead(8, n_qubits=2, encoder_layers=1, seed=1, backend="torch").save_pretrained("saved")
    def run(*arguments):
        return command("push", *arguments)
    def command(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                sys.argv = ["setfit-quantum", *arguments]
                main()
                code = 0
            except SystemExit as error:
                code = error.code or 0
        return [code, out.getvalue(), err.getvalue()]
    def predict(*arguments):
        pushed = run("model", "tester/model", "--private", "--branch", "v2")
        return [pushed[0], *[command("predict", "tester/model", *rest, "good film") for rest in arguments]]
    print(json.dumps({
        "predict": predict(["--revision", "v2"], ["--revision", "v9"], []),
        "local": command("predict", "model", "--revision", "v2", "good film"),
        "body": command("predict", str(body), "good film"),
        "json": run("saved", "tester/head", "--private", "--message", "From a shell", "--json", "--token", secret),
        "again": run("saved", "tester/head"),
        "branch": run("saved", "head", "--branch", "next"),
        "pull": run("saved", "team/head", "--create-pr"),
        "wrong": run("saved", "tester/head", "--token", "hf_wrong_secret"),
        "folder": run("absent", "tester/head"),
        "one": run("tester/head"),
        "not a model": run(".", "tester/head"),
        "space": run("--space", "tester/demo", "--json"),
        "same space": run("--space", "tester/demo"),
    }))
    """
    inputs = {"secret": "hf_tester_write", "body": tiny_body, "texts": TEXTS, "names": NAMES}
    result = run_client(script, hub, tmp_path, inputs=inputs, timeout=200)
    found = result.value
    pushed, branch, unknown, main_branch = found["predict"]
    assert pushed == 0
    assert json.loads(branch[1])["label"] in NAMES
    assert (unknown[0], main_branch[0], found["local"][0], found["body"][0]) == (2, 2, 2, 2)
    assert "no such revision" in unknown[2]
    assert "`--revision` needs a model on the Hub" in found["local"][2]
    assert "is a sentence transformer without a head" in found["body"][2]
    code, out, _ = found["json"]
    values = json.loads(out)
    commit = hub.repo("tester/head").branches["main"]
    assert (code, values["changed"], values["commit"], values["repo_id"]) == (0, True, commit, "tester/head")
    assert hub.repo("tester/head").private
    assert next(item.title for item in hub.repo("tester/head").history()) == "From a shell"
    assert "Nothing to do: tester/head already has these files" in found["again"][1]
    assert hub.repo("tester/head").branches["next"] == commit
    assert "Merge pull request 1" in found["pull"][1]
    assert found["wrong"][0] == 1
    assert "did not accept the token" in found["wrong"][2]
    assert [found[name][0] for name in ("folder", "one", "not a model")] == [2, 2, 2]
    assert "'absent' is none" in found["folder"][2]
    assert "the save was not finished" in found["not a model"][2]
    assert "hf_" not in result.stdout
    assert found["space"][0] == 0, found["space"]
    assert "Nothing to do" in found["same space"][1]


def check_wheel(content: bytes, folder: Path) -> None:
    """The wheel is one: its record agrees, and Python can import from it."""
    import base64
    import csv
    import hashlib
    import io
    import subprocess
    import sys
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        record = next(name for name in wheel.namelist() if name.endswith("/RECORD"))
        rows = list(csv.reader(wheel.read(record).decode().splitlines()))
        assert {row[0] for row in rows} == set(wheel.namelist())
        for name, digest, _ in rows:
            if name != record:
                expected = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b"=").decode()
                assert digest == f"sha256={expected}"
        assert "setfit_quantum/data/bundled/reviews/train.csv" in wheel.namelist()
        wheel.extractall(folder)
    code = "import setfit_quantum, importlib.metadata as m; print(setfit_quantum.__file__, m.version('setfit-quantum'))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = [{str(folder)!r}]\n{code}"],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    assert done.stdout.split()[0].startswith(str(folder))


def test_space_travels_with_its_wheel(hub: HubServer, tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "app.py").write_text("print('hello')\n")
    (app / "README.md").write_text("---\ntitle: Demo\nsdk: gradio\napp_file: app.py\n---\n# Demo\n")
    (app / "requirements.txt").write_text("# ours\nsetfit-quantum[demo]\ngradio>=6\n")
    hub.seed("tester/demo", {"setfit_quantum-0.0.1-py3-none-any.whl": b"old", "keep.txt": "x"}, repo_type="space")
    script = """
    import json
    from setfit_quantum.hub import PushOptions
    from setfit_quantum.hub.space import push_space
    results = [push_space("tester/demo", folder) for _ in "ab"]
    print(json.dumps([[result.url, result.changed] for result in results]))
    """
    results = run_client(script, hub, tmp_path / "cache", inputs={"folder": app}).value
    assert [changed for _, changed in results] == [True, False]
    files = hub.files("tester/demo", repo_type="space")
    wheels = [name for name in files if name.endswith(".whl")]
    assert len(wheels) == 1
    assert wheels[0].startswith("setfit_quantum-")
    assert wheels[0] != "setfit_quantum-0.0.1-py3-none-any.whl"
    assert "keep.txt" in files
    url = f"{hub.url}/spaces/tester/demo/resolve/main/{wheels[0]}"
    assert files["requirements.txt"].decode() == f"# ours\nsetfit-quantum[demo] @ {url}\ngradio>=6\n"
    check_wheel(files[wheels[0]], tmp_path / "unpacked")
    import urllib.request

    with urllib.request.urlopen(url) as answer:  # what pip does with the requirement
        assert answer.read() == files[wheels[0]]


@pytest.mark.parametrize("text", ["gradio\n", "setfit-quantum\nsetfit-quantum[demo]\n", "setfit-quantum-other\n"])
def test_requirements_must_name_the_package_once(text: str) -> None:
    from setfit_quantum.hub.space import address_requirements

    with pytest.raises(ValueError, match="must name setfit-quantum on one line"):
        address_requirements(text, "https://x/y.whl")
