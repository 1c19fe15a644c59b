"""Thousands of mutated model files: each loads as what it says, or is refused by a typed error, quickly."""

from __future__ import annotations

import json
import random
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression

from mutations import NAMES, mutation_of, replace_file
from setfit_quantum import QuantumHead
from setfit_quantum.card import CardFacts, CardResult, read_facts, write_facts
from setfit_quantum.head import ClassicalHead
from setfit_quantum.serialization import ModelFileError, load_head, save_head
from setfit_quantum.serialization.classical_head_files import (
    load_classical_head,
    save_classical_head,
)
from setfit_quantum.serialization.dense_head_files import read_dense_head, write_dense_head
from setfit_quantum.serialization.layout import (
    CARD_FACTS,
    CLASSICAL_HEAD_CONFIG,
    CLASSICAL_HEAD_WEIGHTS,
    DENSE_HEAD_CONFIG,
    DENSE_HEAD_WEIGHTS,
    HEAD_CONFIG,
    HEAD_WEIGHTS,
    MANIFEST,
    SETFIT_CONFIG,
    SKLEARN_HEAD,
)
from setfit_quantum.serialization.manifest import verify_files
from setfit_quantum.serialization.setfit_config import SetFitConfig, read_setfit_config, write_setfit_config
from setfit_quantum.serialization.sklearn_files import read_sklearn_head, write_sklearn_head

WIDTH = 4
X = torch.linspace(-1, 1, 2 * WIDTH).reshape(2, WIDTH)
SECONDS = 1.0
MEGABYTES = 300


def is_same(one: Any, other: Any) -> bool:
    """Equality of JSON values, in which a whole number may have become the nearest float."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, float) and isinstance(other, int) and not isinstance(other, bool):
        return one == float(other)
    return type(one) is type(other) and bool(one == other)


class Loaders:
    """One small model of every kind of file, and how each kind is read and then compared with its file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        heads = {
            "exact": QuantumHead(WIDTH, n_qubits=2, encoder_layers=1, backend="torch", seed=1),
            "noisy": QuantumHead(
                WIDTH, 3, n_qubits=2, encoder="mlp", encoder_hidden_dim=2, encoder_batch_norm=True, backend="torch",
                noise="ionq-forte", shots=5, seed=2,
            ),
        }  # fmt: skip
        for name, head in heads.items():
            save_head(head, folder / name)
        save_classical_head(
            ClassicalHead(WIDTH, hidden_dim=2, batch_norm=True, classifier_hidden_dim=2, seed=3), folder / "classical"
        )
        others = folder / "others"
        others.mkdir()
        write_facts(others, CardFacts(language=("en",), results=(CardResult("accuracy", 0.9, (0.8, 1.0)),)))
        write_setfit_config(others, SetFitConfig(["a", "b"], True, "one-vs-rest"))
        estimator = LogisticRegression().fit(X.repeat(2, 1).numpy(), [0, 1, 0, 1])
        write_sklearn_head(others / SKLEARN_HEAD, estimator)
        from setfit import SetFitHead

        write_dense_head(SetFitHead(WIDTH, 2, device="cpu"), others)
        self.originals = {
            path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        self.targets = [name for name in self.originals if not name.endswith(".qasm")]

    def load(self, name: str, verify: bool) -> None:
        """Load whatever the file `name` belongs to; what loads must be what its files say."""
        path = self.folder / name
        match path.name:
            case "model_card.json":
                facts = read_facts(path.parent)
                assert facts.to_dict().items() >= json.loads(path.read_bytes())["facts"].items()
            case "config_setfit.json":
                config = read_setfit_config(path.parent)
                assert vars(config).items() >= json.loads(path.read_bytes()).items()
            case "model_head.skops":
                read_sklearn_head(path)
            case "classical_head_config.json" | "classical_head.safetensors":
                classical = load_classical_head(path.parent, verify=verify)
                said = json.loads((path.parent / CLASSICAL_HEAD_CONFIG).read_bytes())["head"]
                assert is_same(json.loads(json.dumps(classical.settings())), said)
            case "setfit_head_config.json" | "setfit_head.safetensors":
                read_dense_head(path.parent)
            case _ if "classical" in path.parts:  # its manifest
                load_classical_head(path.parent, verify=verify)
            case _:
                if verify:
                    verify_files(path.parent)
                head = load_head(path.parent, verify=verify)
                said = json.loads((path.parent / HEAD_CONFIG).read_bytes())["head"]
                assert is_same(head.config.to_dict(), said)  # no silent default
                weights = load_file(path.parent / HEAD_WEIGHTS)
                assert all(torch.equal(weights[key], value) for key, value in head.state_dict().items())
                if verify:
                    for listed in (HEAD_CONFIG, HEAD_WEIGHTS):
                        original = self.originals[f"{path.parent.name}/{listed}"]
                        assert (path.parent / listed).read_bytes() == original

    def try_to_load(self, name: str, content: bytes | None, verify: bool) -> str:
        """Put `content` into the file (None: it has been replaced), load, and put the original back."""
        path = self.folder / name
        if content is not None:
            path.write_bytes(content)
        start = time.thread_time()
        try:
            self.load(name, verify)
            outcome = "loaded"
        except ModelFileError as error:
            outcome = "refused" if str(error) else "refused without a word"
        finally:
            seconds = time.thread_time() - start
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
            path.write_bytes(self.originals[name])
        assert seconds < SECONDS
        return outcome


@pytest.fixture(scope="module")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> Loaders:
    return Loaders(tmp_path_factory.mktemp("fuzz"))


def test_mutated_files_are_refused_or_load_as_what_they_say(
    loaders: Loaders, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(
        max_examples=2500,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        name=st.sampled_from(sorted(loaders.targets)),
        kind=st.integers(0, 10),
        seed=st.integers(0, 2**32),
        verify=st.booleans(),
    )
    def check(name: str, kind: int, seed: int, verify: bool) -> None:
        rng = random.Random(seed)
        original = loaders.originals[name]
        if kind == 10:
            replace_file(loaders.folder / name, rng)
            content = None
        else:
            content = mutation_of(name, original, kind, rng)
            if content == original:
                return
        outcomes[loaders.try_to_load(name, content, verify)] += 1
        touched[name] += 1

    check()
    count = sum(outcomes.values())
    with capsys.disabled():
        print(f"\n{count} mutated files: {outcomes['refused']} refused, {outcomes['loaded']} loaded as what they say")
    assert count >= 2000
    assert outcomes["refused"] > count / 2
    assert set(touched) == set(loaders.targets)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEGABYTES, f"{grown:.0f} MB more memory"
    for name in loaders.targets:  # and all is as before
        assert loaders.try_to_load(name, None, verify=True) == "loaded"


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_manifest(loaders: Loaders, name: str) -> None:
    path = f"exact/{MANIFEST}"
    values = json.loads(loaders.originals[path])
    values["files"][name] = {"sha256": "0" * 64, "size": 1}
    assert loaders.try_to_load(path, json.dumps(values).encode(), verify=True) == "refused"


def test_a_zip_bomb_is_refused_before_it_is_unpacked(loaders: Loaders) -> None:
    import io
    import zipfile

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("schema.json", b" " * 2**26)
    path = f"others/{SKLEARN_HEAD}"
    (loaders.folder / path).write_bytes(archive.getvalue())
    with pytest.raises(ModelFileError, match="unpacks to 67108864 bytes"):
        read_sklearn_head(loaders.folder / path)
    assert loaders.try_to_load(path, archive.getvalue(), verify=True) == "refused"


def test_all_kinds_of_files_are_fuzzed(loaders: Loaders) -> None:
    kinds = {Path(name).name for name in loaders.targets}
    assert kinds == {
        HEAD_CONFIG, HEAD_WEIGHTS, MANIFEST, CARD_FACTS, SETFIT_CONFIG, SKLEARN_HEAD, DENSE_HEAD_CONFIG,
        DENSE_HEAD_WEIGHTS, CLASSICAL_HEAD_CONFIG, CLASSICAL_HEAD_WEIGHTS,
    }  # fmt: skip
    assert np.isfinite(load_head(loaders.folder / "noisy").predict_proba(X).numpy()).all()
