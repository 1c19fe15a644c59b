"""Importing the package changes nothing in the process, and is light."""

from __future__ import annotations

import subprocess
import sys

SNAPSHOT = """
import json, logging, os, sys, warnings
import datasets, evaluate, sentence_transformers, sklearn.linear_model, torch, transformers

def snapshot():
    names = ("", "transformers", "datasets", "huggingface_hub", "sentence_transformers", "evaluate")
    return [
        [(name, logging.getLogger(name).level, len(logging.getLogger(name).handlers)) for name in names],
        [str(entry) for entry in warnings.filters],
        sorted(os.environ), torch.get_num_threads(), str(torch.get_default_dtype()), torch.is_grad_enabled(),
    ]

before = snapshot()
import setfit_quantum.model, setfit_quantum.training.setfit_trainer
after = snapshot()
assert "setfit" in sys.modules
level = logging.getLogger("setfit").getEffectiveLevel()
assert level == logging.WARNING, level
assert before == after, (before, after)
import setfit_quantum
print("same")
"""


def test_importing_changes_nothing_in_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", SNAPSHOT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same"


def test_importing_the_package_alone_is_light() -> None:
    code = "import sys, setfit_quantum; print([m for m in ('torch', 'setfit', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
