"""The benchmark of whole jobs, at tiny sizes."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def whole_job(monkeypatch):
    """The benchmark's module; PyTorch's threads are put back afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    threads = torch.get_num_threads()
    yield importlib.import_module("whole_job")
    torch.set_num_threads(threads)
    for name in ("whole_job", "timing"):
        sys.modules.pop(name, None)


def test_import_times_are_read(whole_job):
    trace = "import time: self [us] | cumulative | imported package\nimport time:  1500 |   2500 |   first\n"
    trace += "import time:   900 |  30000 | second.part\n"
    assert whole_job.read_import_times(trace) == [
        {"module": "first", "own_ms": 1.5, "total_ms": 2.5},
        {"module": "second.part", "own_ms": 0.9, "total_ms": 30.0},
    ]


def test_texts_are_all_different(whole_job):
    texts = whole_job.list_texts(700)
    assert len(set(texts)) == len(texts) == 700


def test_training_and_evaluation(whole_job, tmp_path, capsys):
    output = tmp_path / "result.json"
    sizes = ["--qubits", "4", "--in-features", "16", "--epochs", "2", "--sentences", "20", "--test-sentences", "40"]
    whole_job.main(["--jobs", "train", "evaluate", "--threads", "1", "--repeats", "1", *sizes, "--output", str(output)])
    record = json.loads(output.read_text())
    training = record["jobs"]["train"]
    assert training["steps"] == 2 * 2
    assert training["ms_per_step"] == pytest.approx(1e3 * training["seconds"] / 4)
    evaluation = record["jobs"]["evaluate"]
    assert list(evaluation) == list(whole_job.CONDITIONS)
    for one in evaluation.values():
        assert one["sentences_per_second"] == pytest.approx(40 / one["seconds"])
    assert "| noise and 8192 shots: seconds" in capsys.readouterr().out


def test_a_process_that_fails_is_reported(whole_job):
    with pytest.raises(RuntimeError, match="no_such_module"):
        whole_job._python("-c", "import no_such_module")
