"""The benchmarks' shared pieces, and each benchmark once at a tiny size."""

import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Import a benchmark's file as the script itself would."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for name in ("timing", "torchquantum_head", "train_step"):
        sys.modules.pop(name, None)


def test_times_are_taken_in_turns(load):
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    times = load("timing").time_interleaved(calls, {"a": 3, "b": 1}, rounds=3)
    assert "".join(order) == "aaab" + "baaa" + "aaab"
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 9, "b": 3}
    assert min(times["a"] + times["b"]) >= 0


def test_each_call_has_its_own_number_of_torch_threads(load):
    timing = load("timing")
    before, seen = torch.get_num_threads(), {"a": set(), "b": set()}
    calls = {name: lambda name=name: seen[name].add(torch.get_num_threads()) for name in seen}
    around = {name: lambda count=count: timing.torch_threads(count) for name, count in (("a", 3), ("b", 2))}
    timing.time_interleaved(calls, {"a": 1, "b": 2}, 2, around)
    assert seen == {"a": {3}, "b": {2}}
    assert torch.get_num_threads() == before


def test_summary(load):
    summarize = load("timing").summarize
    assert summarize([4.0, 1.0, 2.0, 3.0, 10.0]) == {"median": 3.0, "q1": 2.0, "q3": 4.0, "min": 1.0, "runs": 5}
    assert summarize([2.0]) == {"median": 2.0, "q1": 2.0, "q3": 2.0, "min": 2.0, "runs": 1}


def test_train_step_script(tmp_path):
    output = tmp_path / "result.json"
    command = [sys.executable, BENCHMARKS / "train_step.py", "--qubits", "4", "--in-features", "16", "--batch", "3"]
    command += ["--steps", "4", "--rival-steps", "2", "--threads", "1", "--output", output]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    text = output.read_text()
    record = json.loads(text)
    assert record["settings"]["threads"] == 1
    assert record["versions"]["torchquantum-ng"]
    (size,) = record["sizes"]
    engines = size["engines"]
    assert {name: len(engine["times"]) for name, engine in engines.items()} == {
        "numba": 4,
        "torchquantum backend": 2,
        "torchquantum by hand": 2,
        "torchquantum static": 2,
    }
    assert all(engine["gradient_error"] <= 1e-3 and engine["max_difference"] <= 1e-5 for engine in engines.values())
    assert any(engine["gradient_error"] > 0 for engine in engines.values())
    rivals = {name: engine["median"] for name, engine in engines.items() if name != "numba"}
    assert size["fastest_rival"] == min(rivals, key=rivals.get)
    assert size["ratio"] == pytest.approx(min(rivals.values()) / engines["numba"]["median"])
    assert sum(line.startswith("| 4 ") for line in result.stdout.splitlines()) == 4
    for private in (str(tmp_path), str(BENCHMARKS), str(Path.home()), platform.node()):
        assert private not in text


def test_a_rival_that_computes_something_else_is_refused(load):
    train_step = load("train_step")
    models = train_step.build_models(4, 16, seed=0)
    x, labels = torch.randn(3, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0])
    assert set(train_step.check_agreement(models, x, labels)) == set(models)
    with torch.no_grad():
        models["torchquantum static"].encoder_scale += 0.01
    with pytest.raises(RuntimeError, match="'torchquantum static' does not agree with 'numba'"):
        train_step.check_agreement(models, x, labels)


@pytest.mark.parametrize("simulated", ["0", "1"])
def test_cuda_step_script(tmp_path, simulated):
    output = tmp_path / "result.json"
    command = [sys.executable, BENCHMARKS / "cuda_step.py", "--qubits", "2", "--in-features", "4", "--batch", "2"]
    command += ["--steps", "1", "--rival-steps", "1", "--rounds", "1", "--rivals", "torch", "--output", output]
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": simulated, "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, env=environment)
    assert result.returncode == 0, result.stderr
    if simulated == "0":
        assert result.stdout == "No GPU here, so nothing is measured.\n"
        assert not output.exists()
        return
    (size,) = json.loads(output.read_text())["sizes"]
    assert size["launches"] > 0
    assert size["engines"]["cuda"]["gradient_error"] < 1e-5
    assert size["engines"]["torch"]["ratio"] > 0
