"""`accelerate launch` with two processes: the body is tuned by both, and both end with the same head."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from setfit_quantum import SetFitModel

SCRIPT = Path(__file__).parent.parent / "examples" / "several_devices.py"


def test_two_processes_train_one_model(tiny_body, tmp_path):
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    settings = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [*launch, *settings, str(SCRIPT), str(tiny_body), str(tmp_path / "model")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    heads = re.findall(r"process (\d) of 2: heads \[(\S+), (\S+)\]", result.stdout)
    assert {number for number, _, _ in heads} == {"0", "1"}
    assert all(first == second for _, first, second in heads)
    assert result.stdout.count("test reviews are right; saved to") == 1  # by the first process alone
    assert SetFitModel.from_pretrained(tmp_path / "model", device="cpu").predict(["good"]) in (
        ["positive"],
        ["negative"],
    )
