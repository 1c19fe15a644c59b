"""Studies on a Ray cluster of two nodes: the same results as here, with a worker killed in the middle too."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

import setfit_quantum
from setfit_quantum.cli import console, study_work
from setfit_quantum.cli.app import app
from setfit_quantum.experiments import ray_executor
from setfit_quantum.experiments.executors import ClusterError, build_executor
from setfit_quantum.experiments.ray_executor import RayExecutor
from setfit_quantum.experiments.result_file import ResultFile
from setfit_quantum.experiments.run_settings import Run
from setfit_quantum.experiments.runner import run_all
from setfit_quantum.experiments.specification import load_specification

HERE = Path(__file__).parent
TIMES = ("seconds", "test_seconds", "cpu_seconds")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two nodes with one core each, on this machine; nothing is reported to anybody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Nodes find the work of this file.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(Path(setfit_quantum.__file__).parent.parent)]))
        # Everything on 127.0.0.1, as on Windows and macOS: no port of this machine's network is opened.
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 80_000_000}
        # Processes that a test does not need.
        node |= {"no_monitor": True, "include_log_monitor": False}
        found = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            found.add_node(**node)
            yield found
        finally:
            found.shutdown()


def run_command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="setfit-quantum")


def read_runs(folder):
    """Records by key, without times, in the order of keys."""
    records = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    assert len({record["key"] for record in records}) == len(records)
    for record in records:
        for name in TIMES:
            assert record.pop(name) >= 0
    return sorted(records, key=lambda record: record["key"])


def busy_workers(cluster):
    """Processes of the cluster that work on a run now."""
    raylets = {info.process.pid for node in cluster.list_all_nodes() for info in node.all_processes.get("raylet", [])}
    found = []
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")[0]
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent in raylets and command.startswith(b"ray::_work_on"):
            found.append(int(folder.name))
    return found


@pytest.fixture(scope="module")
def specification(tmp_path_factory):
    """Six runs of a fraction of a second each."""
    values = json.loads(json.dumps(dict(load_specification("table4").values)))
    values["levels"]["quick"]["seeds"] = 3
    values["levels"]["quick"]["training"] = {**values["levels"]["quick"].get("training", {}), "num_epochs": 15}
    path = tmp_path_factory.mktemp("specification") / "table4.json"
    path.write_text(json.dumps(values))
    return path


def test_a_study_whose_worker_is_killed_ends_with_the_results_of_this_machine(
    cluster, specification, tiny_body, tmp_path, monkeypatch
):
    command = ("reproduce", specification, "--quick", "--body", tiny_body, "--json")
    local = run_command(*command, "-o", tmp_path / "here")
    assert local.exit_code == 0, local.output
    killed, said, ended = [], [], threading.Event()
    monkeypatch.setattr(study_work, "note", lambda text: said.append(text) or console.note(text))

    def kill_one():
        """Once there is a result, kill a worker at work; another where that one had just ended its run."""
        results = tmp_path / "there" / "runs.jsonl"
        while not ended.wait(0.01) and not any(text.startswith("Lost") for text in said):
            if results.exists() and results.read_bytes().count(b"\n") >= 1:
                for process in busy_workers(cluster)[:1]:
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)
                    ended.wait(2)

    killer = threading.Thread(target=kill_one)
    killer.start()
    remote = run_command(*command, "-o", tmp_path / "there", "--backend", "ray", "--ray-address", cluster.address)
    ended.set()
    killer.join()
    assert remote.exit_code == 0, remote.output
    assert killed
    assert re.findall(r"Lost a worker \(seed \d, \w+\): its run is tried again", remote.stderr)
    assert "Ray cluster: 2 nodes, 2 cores." in remote.stderr
    assert "6/6: quantum" in remote.stderr
    assert read_runs(tmp_path / "there") == read_runs(tmp_path / "here")
    here, there = (json.loads(result.stdout) for result in (local, remote))
    assert there["rows"] == here["rows"]
    assert there["failures"] == []
    # Given again, nothing is left to do, and no cluster is asked.
    again = run_command(*command, "-o", tmp_path / "there", "--backend", "ray", "--ray-address", "127.0.0.1:1")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["rows"] == here["rows"]


def die_always(run):
    """Work that takes its process down, and says where it was."""
    if run.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"validation": {"accuracy": 1.0, "loss": None}, "threads": os.environ["OMP_NUM_THREADS"]}


@pytest.fixture
def connection(cluster):
    """A connection of the caller's own, which is used and left alone."""
    import ray

    ray.init(address=cluster.address, log_to_driver=False)
    yield ray
    assert ray.is_initialized()
    ray.shutdown()


def test_lost_runs_and_nodes_that_cannot_do_any(connection, monkeypatch):
    """What no worker survives is recorded and stops nothing; a node with another version is refused."""
    runs = [Run({"kind": "logistic"}, seed) for seed in range(3)]
    said = []
    executor = RayExecutor(1, say=said.append)
    records = run_all(runs, die_always, ResultFile(), executor=executor)
    errors = [record.get("error") for record in records.values()]
    assert errors == [None, "RuntimeError: 2 workers died of this run (out of memory?)", None]
    assert [text.rpartition(": ")[2] for text in said if text.startswith("Lost")] == [
        "its run is tried again.",
        "its run is recorded as failed.",
    ]
    assert records[runs[0].key]["threads"] == "1"
    monkeypatch.setattr(ray_executor, "__version__", "0.0.1")
    with pytest.raises(ClusterError, match=r"cannot do runs .*0\.0\.1 asks for the run.* on every node"):
        list(RayExecutor(1).execute(die_always, runs[:1]))


def test_a_cluster_that_is_not_there(tmp_path, tiny_body):
    command = ("reproduce", "table4", "--quick", "--body", tiny_body, "-o", tmp_path / "out", "--backend", "ray")
    result = run_command(*command, "--ray-address", "127.0.0.1:1")
    assert result.exit_code == 1, result.output
    assert "There is no Ray cluster at '127.0.0.1:1', or it cannot be used: [Errno" in result.stderr


def test_without_an_address_the_cluster_is_of_this_machine(monkeypatch):
    asked = []
    monkeypatch.setattr("ray.init", lambda **options: asked.append((options, os.environ["RAY_USAGE_STATS_ENABLED"])))
    monkeypatch.setattr("ray.shutdown", lambda: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    with ray_executor._connected(RayExecutor(3).address, 3):
        pass
    assert asked[0][0]["address"] == "local"
    assert asked[0][0]["num_cpus"] == 3
    assert asked[0][1] == "0"
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert RayExecutor().address == "10.0.0.1:6379"
    assert RayExecutor(address="auto").address == "auto"


def test_ray_is_named_where_it_is_missing(monkeypatch, tmp_path, tiny_body):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'pip install "setfit-quantum\[ray\]"'):
        build_executor("ray")
    result = run_command("reproduce", "table4", "--quick", "--body", tiny_body, "-o", tmp_path, "--backend", "ray")
    assert result.exit_code == 1
    assert 'pip install "setfit-quantum[ray]"' in result.stderr


def test_ray_and_optuna_are_imported_when_they_are_needed():
    modules = "ray_executor, search, screening, executors"
    script = (
        f"import sys\nfrom setfit_quantum.experiments import {modules}\n"
        "loaded = {'ray', 'optuna'} & set(sys.modules)\nassert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("command", [("reproduce", "table4", "--quick"), ("compare", "bundled:reviews")])
def test_an_address_needs_a_cluster(command, tmp_path, tiny_body):
    options = ("--body", tiny_body, "-o", tmp_path / "out", "--ray-address", "127.0.0.1:1")
    result = run_command(*command, *options)
    assert result.exit_code == 2
    assert "`--ray-address` needs --backend ray" in result.stderr
