"""The test Hub, spoken to by the real client: repositories, files, references, permissions."""

import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path

from hub_access import READ_TOKEN, STRANGER_TOKEN
from hub_fixtures import ServerProcess, hub, run_client
from hub_server import HubServer

__all__ = ["hub"]  # the fixture

WEIGHTS = bytes(range(256)) * 20
FILES = {"config.json": b'{"n_qubits": 4}', "head/weights.safetensors": WEIGHTS}
README = "---\nlibrary_name: setfit-quantum\ntags:\n- quantum\n- setfit\nlicense: mit\n---\n# Model\n"


def make_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_upload_and_download_in_another_cache(hub: HubServer, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", {**FILES, "README.md": README.encode()})
    pushed = run_client(
        """
        import json
        from huggingface_hub import HfApi
        api = HfApi()
        url = api.create_repo("tester/model")
        again = attempt(lambda: api.create_repo("tester/model"))
        same = api.create_repo("tester/model", exist_ok=True)
        first = api.upload_folder(repo_id="tester/model", folder_path=folder, commit_message="First")
        unchanged = api.upload_folder(repo_id="tester/model", folder_path=folder)
        api.create_tag("tester/model", tag="v1", tag_message="one")
        api.create_branch("tester/model", branch="next", revision="v1")
        on_next = api.upload_file(path_or_fileobj=b'{"n_qubits": 6}', path_in_repo="config.json",
            repo_id="tester/model", revision="next", commit_message="Six", parent_commit=first.oid)
        late = attempt(lambda: api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="tester/model",
            revision="next", parent_commit=first.oid))
        pull = api.upload_file(path_or_fileobj=b"new", path_in_repo="new.txt", repo_id="tester/model", create_pr=True)
        refs = api.list_repo_refs("tester/model", include_pull_requests=True)
        print(json.dumps({
            "url": url, "repo_id": url.repo_id, "again": again, "same": same, "first": first.oid, "late": late,
            "unchanged": unchanged.oid, "on_next": on_next.oid, "pull": [pull.pr_num, pull.pr_revision, pull.oid],
            "refs": {ref.ref: ref.target_commit for ref in refs.branches + refs.tags + refs.pull_requests},
            "titles": [commit.title for commit in api.list_repo_commits("tester/model", revision="next")],
            "user": api.whoami()["name"],
        }))
        """,
        hub,
        tmp_path / "writer",
        inputs={"folder": folder},
    ).value
    assert pushed["url"] == f"{hub.url}/tester/model"
    assert pushed["repo_id"] == "tester/model"
    assert pushed["user"] == "tester"
    assert pushed["again"]["status"] == 409
    assert pushed["same"] == pushed["url"]
    assert pushed["unchanged"] == pushed["first"]
    assert pushed["late"]["status"] == 412
    assert pushed["titles"] == ["Six", "First", "initial commit"]
    assert pushed["pull"][:2] == [1, "refs/pr/1"]
    assert pushed["refs"] == {
        "refs/heads/main": pushed["first"],
        "refs/heads/next": pushed["on_next"],
        "refs/tags/v1": pushed["first"],
        "refs/pr/1": pushed["pull"][2],
    }
    # The large file went through the storage, the small ones through the commit, and no token left the Hub.
    uploads = hub.requests("PUT", server="storage")
    assert [request.path.rsplit("/", 1)[1] for request in uploads] == [hashlib.sha256(WEIGHTS).hexdigest()]
    assert hub.requests("POST", "/info/lfs/objects/verify")
    assert hub.repo("tester/model").entry_at("head/weights.safetensors").lfs
    assert hub.repo("tester/model").entry_at("config.json").lfs is None
    assert all("authorization" not in request.headers for request in hub.requests(server="storage"))
    assert "hf_tester" not in json.dumps([request.headers for request in hub.requests()])

    read = run_client(
        """
        import json
        from pathlib import Path
        from huggingface_hub import HfApi, hf_hub_download, snapshot_download
        api = HfApi()
        here = Path(snapshot_download("tester/model"))
        files = {str(path.relative_to(here)): path.read_bytes().hex() for path in here.rglob("*") if path.is_file()}
        def config(revision):
            return Path(hf_hub_download("tester/model", "config.json", revision=revision)).read_text()
        info = api.model_info("tester/model", files_metadata=True)
        sizes = {sibling.rfilename: sibling.size for sibling in info.siblings}
        paths = api.get_paths_info("tester/model", ["head", "head/weights.safetensors", "none"], expand=True)
        offline = snapshot_download("tester/model", local_files_only=True)
        tree = api.list_repo_tree("tester/model", recursive=True)
        folder = [item.path for item in api.list_repo_tree("tester/model", path_in_repo="head")]
        print(json.dumps({
            "files": files, "configs": [config(revision) for revision in ["main", "v1", "next", on_next, "refs/pr/1"]],
            "card": [info.library_name, info.tags, info.card_data.license], "sizes": sizes, "sha": info.sha,
            "listed": sorted(api.list_repo_files("tester/model", revision="refs/pr/1")), "folder": folder,
            "paths": [[item.path, item.last_commit and item.last_commit.title] for item in paths],
            "tree": [item.path for item in tree], "offline": offline == str(here),
            "exists": [api.repo_exists("tester/model"), api.repo_exists("tester/none"),
                api.revision_exists("tester/model", "v2"), api.file_exists("tester/model", "config.json")],
            "no_revision": attempt(lambda: config("v2")),
            "no_file": attempt(lambda: hf_hub_download("tester/model", "none.json")),
            "not_cached": attempt(lambda: hf_hub_download("tester/model", "x.json", local_files_only=True)),
        }))
        """,
        hub,
        tmp_path / "reader",
        token=None,
        inputs={"on_next": pushed["on_next"]},
    ).value
    sent = {**FILES, "README.md": README.encode()}
    assert {name: bytes.fromhex(text) for name, text in read["files"].items() if name != ".gitattributes"} == sent
    assert read["configs"] == ['{"n_qubits": 4}'] * 2 + ['{"n_qubits": 6}'] * 2 + ['{"n_qubits": 4}']
    assert read["card"] == ["setfit-quantum", ["setfit-quantum", "quantum", "setfit", "license:mit"], "mit"]
    assert read["sha"] == pushed["first"]
    assert read["sizes"]["head/weights.safetensors"] == len(WEIGHTS)
    assert read["listed"] == sorted([*sent, ".gitattributes", "new.txt"])
    assert read["folder"] == ["head/weights.safetensors"]
    assert read["paths"] == [["head", None], ["head/weights.safetensors", "First"]]
    assert read["tree"] == sorted([*sent, ".gitattributes", "head"])
    assert read["offline"]
    assert read["exists"] == [True, False, False, True]
    assert read["no_revision"]["error"] == "RevisionNotFoundError"
    assert read["no_file"]["error"] == "RemoteEntryNotFoundError"
    assert read["not_cached"]["error"] == "LocalEntryNotFoundError"


def test_permissions(hub: HubServer, tmp_path: Path) -> None:
    hub.seed("tester/private", FILES, private=True)
    hub.seed("tester/gated", FILES, gated=True)
    hub.seed("tester/public", FILES)
    script = """
        import json
        from huggingface_hub import HfApi, hf_hub_download, snapshot_download
        api = HfApi()
        def write(repo, **options):
            return api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo, **options).pr_num
        print(json.dumps({
            "private": attempt(lambda: hf_hub_download("tester/private", "config.json") and "read"),
            "gated": attempt(lambda: hf_hub_download("tester/gated", "head/weights.safetensors") and "read"),
            "snapshot": attempt(lambda: snapshot_download("tester/private") and "read"),
            "write": attempt(lambda: write("tester/public")),
            "pull": attempt(lambda: write("tester/public", create_pr=True)),
            "create": attempt(lambda: str(api.create_repo("tester/mine"))),
            "whoami": attempt(lambda: api.whoami()["auth"]["accessToken"]["role"]),
        }))
        """
    seen = {
        name: run_client(script, hub, tmp_path / name, token=token).value
        for name, token in (("nobody", None), ("stranger", STRANGER_TOKEN), ("reader", READ_TOKEN), ("bad", "hf_bad"))
    }
    for name, status in (("nobody", 401), ("stranger", 404)):
        for key in ("private", "snapshot"):
            assert seen[name][key]["error"] == "RepositoryNotFoundError"
            assert seen[name][key]["status"] == status
        assert seen[name]["gated"]["error"] == "GatedRepoError"
    assert [seen["reader"][key] for key in ("private", "gated", "snapshot")] == [{"value": "read"}] * 3
    assert [seen["stranger"][key].get("status") for key in ("write", "create")] == [403, 403]
    assert [seen["reader"][key].get("status") for key in ("write", "create")] == [403, 403]
    assert [seen["nobody"][key].get("status") for key in ("write", "create", "pull")] == [401, 401, 401]
    assert [seen[name]["pull"]["value"] for name in ("stranger", "reader")] == [1, 2]
    assert seen["nobody"]["whoami"]["error"] == "LocalTokenNotFoundError"
    assert seen["reader"]["whoami"] == {"value": "read"}
    assert [seen["bad"][key]["status"] for key in ("private", "write", "whoami")] == [401, 401, 401]
    assert seen["bad"]["private"]["error"] == "HfHubHTTPError"


def test_spaces_datasets_deletions_and_pull_requests(hub: HubServer, tmp_path: Path) -> None:
    space = make_folder(tmp_path / "space", {"app.py": b"print()", "requirements.txt": b"torch"})
    result = run_client(
        """
        import json
        from pathlib import Path
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelHubMixin, hf_hub_download
        api = HfApi()
        no_sdk = attempt(lambda: api.create_repo("tester/demo", repo_type="space"))
        api.create_repo("tester/demo", repo_type="space", space_sdk="gradio", private=True)
        first_readme = Path(hf_hub_download("tester/demo", "README.md", repo_type="space")).read_text()
        url = api.upload_folder(repo_id="tester/demo", folder_path=space, repo_type="space")
        bad_card = attempt(lambda: api.upload_file(path_or_fileobj=b"---\\nsdk: gradio\\ncolorTo: mauve\\n---\\n",
            path_in_repo="README.md", repo_id="tester/demo", repo_type="space"))
        info = api.space_info("tester/demo")

        api.create_repo("team/data", repo_type="dataset")
        rows = b"a,b\\n" * 3
        api.create_commit("team/data", repo_type="dataset", commit_message="Rows", operations=[
            CommitOperationAdd("rows.csv", rows), CommitOperationAdd("rows/part.parquet", b"PAR1" * 9),
            CommitOperationAdd("old/a.txt", b"a"), CommitOperationAdd("old/b.txt", b"b")])
        api.delete_file("rows.csv", "team/data", repo_type="dataset")
        api.delete_folder("old", "team/data", repo_type="dataset")
        gone = attempt(lambda: api.delete_file("rows.csv", "team/data", repo_type="dataset"))
        data = sorted(api.list_repo_files("team/data", repo_type="dataset"))

        class Tiny(ModelHubMixin):
            def __init__(self, width: int = 1):
                self.width = width
            def _save_pretrained(self, folder):
                (folder / "tiny.bin").write_bytes(bytes(self.width))
            @classmethod
            def _from_pretrained(cls, *, model_id, revision, cache_dir, force_download, local_files_only, token,
                    width=1, **kwargs):
                path = hf_hub_download(model_id, "tiny.bin", revision=revision, token=token,
                    local_files_only=local_files_only)
                assert len(Path(path).read_bytes()) == width
                return cls(width)
        pushed = Tiny(7).push_to_hub("tester/tiny", commit_message="Tiny", private=True)
        pull = Tiny(9).push_to_hub("tester/tiny", create_pr=True)
        widths = [Tiny.from_pretrained("tester/tiny", revision=revision).width for revision in ("main", "refs/pr/1")]
        api.merge_pull_request("tester/tiny", 1)
        widths.append(Tiny.from_pretrained("tester/tiny").width)
        status = api.get_discussion_details("tester/tiny", 1).status
        opened = [(d.num, d.is_pull_request) for d in api.get_repo_discussions("tester/tiny")]

        api.delete_repo("tester/tiny")
        print(json.dumps({
            "no_sdk": no_sdk, "readme": first_readme, "space": [str(url), info.sdk, info.private], "data": data,
            "bad_card": bad_card, "gone": gone, "widths": widths, "status": status, "opened": opened,
            "deleted": attempt(lambda: api.model_info("tester/tiny")),
        }))
        """,
        hub,
        tmp_path / "cache",
        inputs={"space": space},
    ).value
    assert "space_sdk" in result["no_sdk"]["message"]
    assert "sdk: gradio" in result["readme"]
    assert result["space"][0].startswith(f"{hub.url}/spaces/tester/demo/")
    assert result["space"][1:] == ["gradio", True]
    assert {"app.py", "requirements.txt", "README.md"} <= hub.files("tester/demo", repo_type="space").keys()
    assert result["bad_card"]["error"] == "ValueError"
    assert "colorTo" in result["bad_card"]["message"]
    assert result["data"] == [".gitattributes", "rows/part.parquet"]
    assert result["gone"]["error"] == "RemoteEntryNotFoundError"
    assert result["widths"] == [7, 9, 9]
    assert result["status"] == "merged"
    assert result["opened"] == [[1, True]]
    assert result["deleted"]["error"] == "RepositoryNotFoundError"


def get(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_ranges_and_headers(hub: HubServer) -> None:
    sha = hub.seed("tester/model", FILES)
    url = f"{hub.url}/tester/model/resolve/main/config.json"
    status, headers, body = get(url, "HEAD")
    assert (status, body) == (200, b"")
    assert headers["X-Repo-Commit"] == sha
    assert headers["Content-Length"] == str(len(FILES["config.json"]))
    content = FILES["config.json"]
    for asked, start, end in (("0-3", 0, 3), ("5-", 5, 14), ("-4", 11, 14), ("10-99", 10, 14)):
        status, headers, body = get(url, Range=f"bytes={asked}")
        assert (status, body) == (206, content[start : end + 1])
        assert headers["Content-Range"] == f"bytes {start}-{end}/15"
    status, headers, _ = get(url, Range="bytes=15-")
    assert (status, headers["Content-Range"]) == (416, "bytes */15")
    # A large file redirects to the other origin, where the same ranges work.
    status, headers, body = get(f"{hub.url}/tester/model/resolve/{sha}/head/weights.safetensors", Range="bytes=256-258")
    assert (status, body) == (206, b"\0\1\2")
    assert hub.requests(server="storage")
    # No signature, and a token where none belongs.
    oid = hashlib.sha256(WEIGHTS).hexdigest()
    assert get(f"{hub.storage_url}/download/models/tester/model/{oid}/w")[0] == 403
    assert get(f"{hub.storage_url}/download/models/tester/model/{oid}/w", Authorization="Bearer x")[0] == 400
    assert get(f"{hub.url}/api/models/tester/model/unheard-of")[0] == 404


def test_multipart_upload_and_pages(tmp_path: Path) -> None:
    with HubServer(tmp_path / "server", multipart_size=1000, lfs_threshold=3000) as hub:
        hub.routes.page_size = 2
        folder = make_folder(tmp_path / "model", {**FILES, "text.json": b"{}" * 2000, "b.json": b"{}"})
        files = run_client(
            """
            import json
            from huggingface_hub import HfApi
            api = HfApi()
            api.create_repo("tester/model")
            api.upload_folder(repo_id="tester/model", folder_path=folder)
            print(json.dumps(sorted(api.list_repo_files("tester/model"))))
            """,
            hub,
            tmp_path / "cache",
            inputs={"folder": folder},
        ).value
        assert files == [".gitattributes", "b.json", "config.json", "head/weights.safetensors", "text.json"]
        assert hub.files("tester/model")["head/weights.safetensors"] == WEIGHTS
        assert len(hub.requests("PUT", server="storage")) == 6 + 4
        # Five files and a folder are three pages of two.
        assert [request.query.get("cursor") for request in hub.requests("GET", "/tree/main")] == [None, ["2"], ["4"]]
        assert not hub.errors


def test_server_process_survives_being_killed(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", FILES)
    push = """
        import json
        from huggingface_hub import HfApi
        api = HfApi()
        api.create_repo("tester/model", private=True)
        print(json.dumps(api.upload_folder(repo_id="tester/model", folder_path=folder).oid))
        """
    pull = """
        import json
        from huggingface_hub import hf_hub_download, model_info
        from pathlib import Path
        fail("status", r"/api/models/", method="GET", status=503, times=1)
        first = attempt(lambda: model_info("tester/model").sha)
        weights = Path(hf_hub_download("tester/model", "head/weights.safetensors", revision=first.get("value")))
        print(json.dumps([first, model_info("tester/model").sha, weights.read_bytes().hex()]))
        """
    with ServerProcess(tmp_path / "server") as server:
        sha = run_client(push, server.url, tmp_path / "writer", inputs={"folder": folder}).value
        server.kill()
        assert server.start().url
        first, again, weights = run_client(pull, server.url, tmp_path / "reader").value
        assert first["status"] == 503
        assert again == sha
        assert bytes.fromhex(weights) == WEIGHTS
        assert [fault["hits"] for fault in server.admin("GET", "faults")] == [1]
        server.admin("DELETE", "requests")
        assert server.admin("GET", "requests") == []
