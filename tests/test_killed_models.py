"""A process that saves whole models, killed at 20 random moments: what loads is one of the two models, whole."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from bodies import TEXTS

SCRIPT = """
import json, os, signal, sys, threading, time
from pathlib import Path
import torch
from tqdm import tqdm
tqdm.set_lock(threading.RLock())  # its own is shared with forks, and stays locked if one is killed
from setfit_quantum import QuantumHead, SetFitModel

body, folder, moments, texts = json.loads(sys.argv[1])

def load(path, head=None):
    return SetFitModel.from_pretrained(path, head, device="cpu")

def probabilities(model):
    return model.predict_proba(texts).tolist()

models = []
for seed in (1, 2):
    head = QuantumHead(n_qubits=2, encoder_layers=1, backend="torch", seed=seed, noise="paper-low", shots=64)
    model = load(body, head)
    with torch.no_grad():
        for parameter in model.model_body.parameters():
            parameter.mul_(1 + 0.2 * seed)
    model.labels = [f"no {seed}", f"yes {seed}"]
    models.append(model)
expected = [probabilities(model) for model in models]
models[0].save_pretrained(folder)
start = time.monotonic()
models[0].save_pretrained(folder)
usual = time.monotonic() - start
found = []
for moment in moments:
    child = os.fork()
    if child == 0:
        try:
            for number in range(10**6):
                models[(number + len(found)) % 2].save_pretrained(folder)
        finally:
            os._exit(1)
    time.sleep(moment * usual)
    os.kill(child, signal.SIGKILL)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    leftover = bool(list(Path(folder).glob(".save-in-progress*")))
    model = load(folder)
    version = expected.index(probabilities(model))  # fails on a mixture
    assert model.labels == models[version].labels
    assert f"no {version + 1}" in (Path(folder) / "README.md").read_text()
    found.append([killed, leftover, version])
models[1].save_pretrained(folder)
assert not list(Path(folder).glob(".save-in-progress*"))
assert expected.index(probabilities(load(folder))) == 1
print(json.dumps(found))
"""


def test_killed_at_random_moments(tmp_path: Path, tiny_body: Path) -> None:
    moments = [random.Random(seed).uniform(0.0, 2.5) for seed in range(20)]  # in times of one save
    arguments = json.dumps([str(tiny_body), str(tmp_path / "model"), moments, TEXTS[:3]])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, arguments], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 20
    assert all(killed for killed, _, _ in found)
    assert any(leftover for _, leftover, _ in found)  # in the middle of a save
