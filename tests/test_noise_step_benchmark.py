"""The benchmark of training steps under noise and shots, once at a tiny size."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def noise_step(monkeypatch):
    """The benchmark's module; PyTorch's threads are put back afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    threads = torch.get_num_threads()
    yield importlib.import_module("noise_step")
    torch.set_num_threads(threads)
    for name in ("noise_step", "timing"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("preset", ["paper-single", "default"])
def test_noise_step(noise_step, tmp_path, capsys, preset):
    output = tmp_path / "result.json"
    sizes = ["--qubits", "4", "--in-features", "16", "--batch", "3", "--rounds", "2", "--threads", "1"]
    noise_step.main([*sizes, "--preset", preset, "--noise", "paper-high", "--shots", "64", "--output", str(output)])
    record = json.loads(output.read_text())
    assert record["settings"]["shots"] == 64
    assert record["settings"]["preset"] == preset
    found = record["conditions"]
    assert list(found) == ["exact", "noise only (paper-high)", "Gaussian shots only (64)", "noise and shots"]
    for condition in found.values():
        assert len(condition["times"]) == condition["time"]["runs"] == 2 * noise_step.BURST
        assert condition["ratio"]["runs"] == 2
        assert min(condition["times"]) > 0
    assert found["exact"]["ratio"]["median"] == 1
    assert sum(line.startswith("|") for line in capsys.readouterr().out.splitlines()) == 2 + len(found)


def test_the_named_head_is_the_one_that_trains(noise_step):
    options = noise_step.argparse.Namespace(preset="paper-single", qubits=4, in_features=16, seed=0)
    paper = noise_step.build_head(options, shots=32)
    assert (paper.config.n_encoders, paper.config.encoder_layers, paper.config.shots) == (1, 3, 32)
    options.preset = "default"
    assert noise_step.build_head(options).config.encoder_layers == 6


def test_conditions_reach_the_heads(noise_step):
    options = noise_step.argparse.Namespace(noise="paper-low", shots=32)
    settings = list(noise_step.build_conditions(options).values())
    assert settings == [{}, {"noise": "paper-low"}, {"shots": 32}, {"noise": "paper-low", "shots": 32}]
