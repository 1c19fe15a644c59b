"""Pushing heads and models to the test Hub: what arrives, what is retried, what is refused, and how."""

import json
import random
from pathlib import Path

import pytest

from hub_access import READ_TOKEN, STRANGER_TOKEN
from hub_fixtures import hub, run_client
from hub_server import HubServer

__all__ = ["hub"]  # the fixture

HEAD = """
    import json, logging, os, signal, sys, time, torch
    from pathlib import Path
    from setfit_quantum import NoiseModel, QuantumHead
    from setfit_quantum.hub import PushOptions, PushInterrupted, push_saved, push_head, push_folder
    from setfit_quantum.hub.retries import RetryPolicy

    X = torch.linspace(-1, 1, 24).reshape(3, 8)
    def head(seed=1, **settings):
        return QuantumHead(8, n_qubits=2, encoder_layers=1, seed=seed, backend="torch", **settings)
    def probabilities(head):
        return head.predict_proba(X).double().tolist()
    def load(repo_id, **options):
        return QuantumHead.from_pretrained(repo_id, **options)
    def refused(*args, **options):
        return attempt(lambda: type(load(*args, **options)).__name__)
    """

INCOMPLETE = (
    "team/ignoring: the Hub left out circuit.qasm, so what is there now cannot be loaded. "
    "Remove the pattern from the repository's .gitignore, and push again."
)


def test_a_head_alone_travels_with_noise_and_shots(hub: HubServer, tmp_path: Path) -> None:
    pushed = run_client(
        HEAD
        + """
    one = head(noise=NoiseModel.depolarizing(0.05, 0.1, readout=(0.02, 0.03)), shots=64)
    url = one.push_to_hub("tester/head", private=True, commit_message="One")
    again = one.push_to_hub("head")
    other = head(seed=2).push_to_hub("tester/head", branch="v2/other")
    pull = head(seed=3).push_to_hub("tester/head", create_pr=True, commit_message="Three", commit_description="More")
    same = one.push_to_hub("tester/head", create_pr=True)
    print(json.dumps([url, url.oid, again.oid, str(url.repo_url), other.oid, pull.pr_url, pull.oid, same.pr_url,
        probabilities(one), probabilities(head(seed=2)), probabilities(head(seed=3))]))
    """,
        hub,
        tmp_path / "writer",
    ).value
    url, oid, again, repo_url, other, pull_url, pull, same, *expected = pushed
    repo = hub.repo("tester/head")
    assert repo.private
    assert url.endswith(f"/tester/head/commit/{oid}")
    assert repo_url == f"{hub.url}/tester/head"
    assert again == oid  # nothing had changed
    assert [commit.title for commit in repo.history(oid)] == ["One", "initial commit"]
    assert repo.branches == {"main": oid, "v2/other": other}
    assert pull_url == f"{hub.url}/tester/head/discussions/1"
    assert (repo.commit_at("refs/pr/1").id, repo.commit_at("refs/pr/1").description) == (pull, "More")
    assert same is None
    assert len(repo.discussions) == 1
    files = hub.files("tester/head")
    assert set(files) == {
        ".gitattributes", "README.md", "circuit.qasm", "quantum_head.safetensors", "quantum_head_config.json",
        "setfit_quantum_manifest.json",
    }  # fmt: skip
    card = files["README.md"].decode()
    assert "library_name: setfit-quantum" in card
    assert 'QuantumHead.from_pretrained("tester/head")' in card
    assert "PATH_OR_ID" not in card
    assert "Install the Python package `setfit-quantum`, then:" in card

    read = run_client(
        HEAD
        + """
    heads = [load("tester/head", revision=revision) for revision in (None, "v2/other", "refs/pr/1", oid)]
    offline = load("tester/head", local_files_only=True)
    print(json.dumps([
        [probabilities(one) for one in (*heads, offline)],
        heads[0].shots, heads[0].noise.to_dict() == NoiseModel.depolarizing(0.05, 0.1, readout=(0.02, 0.03)).to_dict(),
        refused("tester/head", token=False, cache_dir="another"),
        refused("tester/head", revision="v9"),
        refused("tester/none"),
        refused("tester/none", local_files_only=True),
        refused("tester/head", cache_dir="elsewhere", local_files_only=True),
    ]))
    """,
        hub,
        tmp_path / "reader",
        inputs={"oid": oid},
    ).value
    found, shots, same_noise, private, revision, absent, uncached, elsewhere = read
    assert found == [expected[0], expected[1], expected[2], expected[0], expected[0]]
    assert expected[0] != expected[1]
    assert (shots, same_noise) == (64, True)
    assert [item["error"] for item in (private, revision, absent, uncached, elsewhere)] == ["HubError"] * 5
    assert "no such repository, or it is private" in private["message"]
    assert "hf auth login" in private["message"]
    assert revision["message"] == "tester/head: the repository has no such revision."
    assert "no such repository" in absent["message"]
    assert "not in the cache" in uncached["message"]
    assert "not in the cache" in elsewhere["message"]
    script = """
    print(json.dumps([probabilities(load("tester/head", revision=revision)) for revision in (None, "v2/other")]))
    """
    n_requests = len(hub.requests())
    offline = run_client(HEAD + script, hub, tmp_path / "reader", extra_env={"HF_HUB_OFFLINE": "1"}).value
    assert offline == expected[:2]
    assert len(hub.requests()) == n_requests


def test_transient_errors_are_retried(hub: HubServer, tmp_path: Path) -> None:
    """Also the requests that the client itself does not repeat, and a commit whose answer was lost."""
    faults = [
        hub.fail("status", "/api/repos/create", status=503),
        hub.fail("drop", "/api/repos/create"),
        hub.fail("status", "/commit/main$", status=429, retry_after=7),
        hub.fail("lose_response", "/commit/main$"),
        hub.fail("cut_upload", "^/upload/", method="PUT", n_bytes=10),
    ]
    result = run_client(
        HEAD + 'print(json.dumps(push_head(head(), "tester/head").commit))', hub, tmp_path, wait_scale=0.01
    )
    assert [fault.hits for fault in faults] == [1] * 5
    assert result.value == hub.repo("tester/head").branches["main"]
    # One commit: the attempt after the lost answer found it in place.
    assert [commit.title for commit in hub.repo("tester/head").history()] == [
        "Push model with setfit-quantum",
        "initial commit",
    ]
    assert {1.0, 2.0, 7.0} <= set(result.waits)
    assert "Creating the repository (tester/head) failed (HfHubHTTPError, status 503); attempt 2 of 5" in result.stderr
    assert "status 429); attempt 2 of 5 in 7 s" in result.stderr


def test_a_pull_request_whose_answer_was_lost_is_not_opened_twice(hub: HubServer, tmp_path: Path) -> None:
    hub.seed("tester/head", {"notes.txt": "x"})
    hub.fail("lose_response", "/commit/main$", times=2)
    script = """
    results = [push_head(head(), "tester/head", PushOptions(create_pr=True, commit_message="Mine")) for _ in "ab"]
    print(json.dumps([[result.pull_request, result.url, result.changed] for result in results]))
    """
    first, second = run_client(HEAD + script, hub, tmp_path, wait_scale=0.01).value
    # The second push is a new request of the user, so it gets a pull request of its own.
    assert [first[0], second[0]] == [1, 2]
    assert first[1] == f"{hub.url}/tester/head/discussions/1"
    assert sorted(hub.repo("tester/head").discussions) == [1, 2]


def test_files_of_the_former_version_go_and_others_stay(hub: HubServer, tmp_path: Path) -> None:
    hub.seed("tester/head", {"model_head.pkl": b"pickle", "notes.txt": "mine", "README.md": "# old"})
    script = """
    Path("folder").mkdir()
    head().save_pretrained("folder")
    Path("folder/README.md").write_text("my card of PATH_OR_ID")
    Path("folder/secret.txt").write_text("not part of the model")
    push_saved("folder", "tester/head")
    push_folder({"other.bin": b"1"}, "tester/extra")
    print(json.dumps(attempt(lambda: push_saved("nothing", "tester/head"))))
    Path("folder/quantum_head.safetensors").write_bytes(b"broken")
    print(json.dumps(attempt(lambda: push_saved("folder", "tester/head"))))
    """
    broken = run_client(HEAD + script, hub, tmp_path).value
    assert broken["error"] == "ModelFileError"
    files = hub.files("tester/head")
    assert files["notes.txt"] == b"mine"
    assert files["README.md"] == b"my card of tester/head"
    assert not {"model_head.pkl", "secret.txt"} & set(files)
    assert len(list(hub.repo("tester/head").history())) == 2 + 1


def test_a_model_replaces_all_files_of_the_former_one(hub: HubServer, tmp_path: Path) -> None:
    """The manifest on the Hub says which files were the former version's."""
    script = """
    from setfit_quantum.serialization.atomic import staged_save
    for number, names in enumerate((["a.json", "sub/b.bin"], ["a.json", "c.bin"])):
        with staged_save(Path("folder")) as staging:
            for name in names:
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).write_text(f"{number}")
        push_saved("folder", "tester/model")
    """
    hub.seed("tester/model", {"kept.txt": "mine"})
    run_client(HEAD + script, hub, tmp_path)
    names = {".gitattributes", "kept.txt", "a.json", "c.bin", "setfit_quantum_manifest.json"}
    assert set(hub.files("tester/model")) == names


def test_a_head_alone_does_not_take_the_body_away(hub: HubServer, tmp_path: Path) -> None:
    script = """
    from setfit_quantum.serialization.atomic import staged_save
    head().save_pretrained("model")
    with staged_save(Path("model"), keep_others=True, keep_head=True) as staging:
        (staging / "modules.json").write_text("[]")
    push_saved("model", "tester/model")
    print(json.dumps([attempt(lambda: head(seed=2).push_to_hub("tester/model", **options))
        for options in ({}, {"branch": "next"}, {"create_pr": True})]))
    """
    refused = run_client(HEAD + script, hub, tmp_path).value
    assert {item["error"] for item in refused} == {"PushError"}
    assert "holds a whole model, whose sentence transformer a head alone would remove" in refused[0]["message"]
    assert "modules.json" in hub.files("tester/model")
    assert len(list(hub.repo("tester/model").history())) == 2


def test_a_save_waits_for_a_push_of_the_same_folder(hub: HubServer, tmp_path: Path) -> None:
    """What is pushed is one version, though another is saved meanwhile."""
    script = """
    import threading
    from setfit_quantum.serialization.locks import FolderLock
    head(seed=1).save_pretrained("folder")
    expected = [probabilities(head(seed=seed)) for seed in (1, 2)]
    fail("delay", "/preupload/", seconds=1.0)
    push = threading.Thread(target=lambda: push_saved("folder", "tester/head"))
    push.start()
    def is_free():
        lock = FolderLock(Path("folder"))
        free = lock.take(exclusive=True, wait=False)
        lock.close()
        return free
    while is_free():
        time.sleep(0.01)
    head(seed=2).save_pretrained("folder")
    push.join()
    print(json.dumps([probabilities(load("tester/head")) == expected[0], probabilities(load("folder")) == expected[1]]))
    """
    assert run_client(HEAD + script, hub, tmp_path).value == [True, True]


def test_refusals_say_how_to_go_on(hub: HubServer, tmp_path: Path) -> None:
    hub.seed("tester/public", {"a": "1"})
    hub.seed("team/ignoring", {".gitignore": "*.qasm\n"})
    script = """
    def pushing(repo_id, **options):
        return attempt(lambda: push_head(head(), repo_id, PushOptions(**options)).commit)
    results = {
        "anonymous": pushing("tester/new", token=False),
        "wrong": pushing("tester/new", token="hf_wrong_secret"),
        "stranger": pushing("tester/public", token=stranger),
        "reader": pushing("tester/public", token=reader),
        "id": pushing("a/b/c"),
        "public": pushing("tester/public", private=True),
        "ignoring": pushing("team/ignoring"),
    }
    fail("status", "/commit/main$", status=429, retry_after=4000)
    results["much too long"] = pushing("tester/public")
    fail("status", "/commit/main$", status=500, times=None, message="No luck today")
    results["broken"] = pushing("tester/public")
    print(json.dumps(results))
    """
    inputs = {"stranger": STRANGER_TOKEN, "reader": READ_TOKEN}
    result = run_client(HEAD + script, hub, tmp_path, inputs=inputs, wait_scale=0.001, timeout=300)
    found = result.value
    assert found.pop("ignoring") == {
        "error": "IncompletePushError", "status": None, "message": INCOMPLETE,
        "bases": ["IncompletePushError", "PushError", "HubError", "OSError", "Exception", "BaseException", "object"],
    }  # fmt: skip
    assert {item["error"] for item in found.values()} == {"PushError"}
    messages = {name: item["message"] for name, item in found.items()}
    words = {
        "anonymous": "hf auth login",
        "wrong": "did not accept the token",
        "stranger": "needs write access to 'tester'",
        "reader": "needs write access to 'tester'",
        "id": "is no id of a repository",
        "public": "exists and is public, but private=True",
        "broken": "the Hub answered 500: No luck today.",
        "much too long": "429",
    }
    for name, word in words.items():
        assert word in messages[name], (name, messages[name])
        assert "Push again with the same arguments to go on" in messages[name]
        assert "the head in memory is whole" in messages[name]
    assert "hf_" not in json.dumps(messages)
    assert result.waits == [1.0, 2.0, 4.0, 8.0]
    assert len(hub.requests("POST", "/tester/public/commit/main")) == 1 + 5
    assert set(hub.files("tester/public")) == {".gitattributes", "a"}


def test_an_interrupted_push_says_how_to_go_on(hub: HubServer, tmp_path: Path) -> None:
    hub.fail("delay", "/commit/main$", seconds=20)
    script = """
    import threading
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        push_head(head(), "tester/head")
    except PushInterrupted as error:
        print(json.dumps([str(error), isinstance(error, KeyboardInterrupt)]))
    """
    message, is_interrupt = run_client(HEAD + script, hub, tmp_path).value
    assert is_interrupt
    assert message.startswith("Pushing to tester/head was interrupted. the head in memory is whole")


def test_an_unreachable_hub_is_told(hub: HubServer, tmp_path: Path) -> None:
    hub.halt()
    script = """
    print(json.dumps([
        attempt(lambda: push_head(head(), "tester/head", PushOptions(retries=RetryPolicy(attempts=2)))),
        attempt(lambda: load("tester/head")),
    ]))
    """
    pushed, loaded = run_client(HEAD + script, hub, tmp_path, wait_scale=0.01).value
    assert pushed["error"] == "PushError"
    assert "the Hub cannot be reached (ConnectError" in pushed["message"]
    assert loaded["error"] == "HubError"
    assert "not in the cache, and the Hub cannot be reached" in loaded["message"]
    hub.restart()


def test_offline_mode_is_told(hub: HubServer, tmp_path: Path) -> None:
    script = """
    print(json.dumps([attempt(lambda: push_head(head(), "tester/head")), attempt(lambda: load("tester/head"))]))
    """
    pushed, loaded = run_client(HEAD + script, hub, tmp_path, extra_env={"HF_HUB_OFFLINE": "1"}).value
    assert "HF_HUB_OFFLINE is set" in pushed["message"]
    assert "not in the cache" in loaded["message"]


def test_corruption_is_repaired_or_named(hub: HubServer, tmp_path: Path) -> None:
    script = """
    expected = probabilities(head())
    head().push_to_hub("tester/head")
    fail("corrupt", "/quantum_head.safetensors$", n_bytes=100)
    repaired = probabilities(load("tester/head")) == expected
    fail("corrupt", "/setfit_quantum_manifest.json$", n_bytes=3)
    manifest = probabilities(load("tester/head", cache_dir="second")) == expected
    fail("corrupt", "/quantum_head_config.json$", n_bytes=200, times=None)
    named = attempt(lambda: load("tester/head", cache_dir="third"))
    still = attempt(lambda: load("tester/head", cache_dir="third", local_files_only=True))
    print(json.dumps([repaired, manifest, named, still]))
    """
    result = run_client(HEAD + script, hub, tmp_path)
    repaired, manifest, named, still = result.value
    assert repaired
    assert manifest
    assert "quantum_head.safetensors arrived damaged; downloading it again" in result.stderr
    for error in (named, still):
        assert error["error"] == "ModelFileError"
        assert "quantum_head_config.json: does not have the SHA-256" in error["message"]


def test_a_push_between_two_downloads_is_not_mixed_in(hub: HubServer, tmp_path: Path) -> None:
    script = """
    import setfit_quantum.serialization.sources as sources
    head(seed=1).push_to_hub("tester/head")
    real, pushes = sources.fetch_file, []
    def fetch(*args):
        path = real(*args)
        if not pushes:  # after the first file
            pushes.append(head(seed=2).push_to_hub("tester/head"))
        return path
    sources.fetch_file = fetch
    print(json.dumps([probabilities(load("tester/head")) == probabilities(head(seed=1)),
        probabilities(load("tester/head")) == probabilities(head(seed=2))]))
    """
    assert run_client(HEAD + script, hub, tmp_path).value == [True, True]


def test_killed_at_random_moments_of_a_push(hub: HubServer, tmp_path: Path) -> None:
    """After each of 20 kills the Hub has one of the two versions, whole."""
    script = """
    folders = {}
    for seed in (1, 2):
        head(seed).save_pretrained(f"version-{seed}")
        folders[seed] = (f"version-{seed}", probabilities(head(seed)))
    def forked(action):
        child = os.fork()
        if child == 0:
            try:
                action()
                os._exit(0)
            finally:
                os._exit(1)
        return child
    def push_for_ever():
        number = 0
        while True:
            number += 1
            push_saved(folders[1 + number % 2][0], "tester/head", PushOptions(commit_message=str(number)))
    def check():
        import tempfile
        with tempfile.TemporaryDirectory() as cache:
            found = probabilities(load("tester/head", cache_dir=cache, force_download=True))
        version = [expected for _, expected in folders.values()].index(found)
        with open("found.txt", "a") as file:
            file.write(f"{version}\\n")
    os.waitpid(forked(lambda: push_saved(folders[1][0], "tester/head")), 0)
    codes = []
    for moment in moments:
        child = forked(push_for_ever)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        checked = os.waitstatus_to_exitcode(os.waitpid(forked(check), 0)[1])
        codes.append([killed, checked])
    os.waitpid(forked(lambda: push_saved(folders[2][0], "tester/head")), 0)  # and one can go on
    check()
    print(json.dumps([codes, Path("found.txt").read_text().split()]))
    """
    moments = [random.Random(seed).uniform(0.05, 0.45) for seed in range(20)]
    result = run_client(HEAD + script, hub, tmp_path, inputs={"moments": moments})
    codes, found = result.value
    assert codes == [[-9, 0]] * 20, result.stderr
    assert len(found) == 21
    assert set(found) == {"0", "1"}
    assert found[-1] == "1"


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3.0), ("0", 0.0), (None, None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    from setfit_quantum.hub.retries import parse_retry_after

    assert parse_retry_after(value) == seconds
