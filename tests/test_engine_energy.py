"""Energy of the engine itself: time on one core times power, or the processor's own counter."""

import json
import time

import pytest
import torch
from matplotlib.image import imread
from typer.testing import CliRunner

from setfit_quantum.cli.app import app
from setfit_quantum.experiments import engine_energy
from setfit_quantum.experiments.engine_energy import (
    DEFAULT_WATTS,
    DEFAULT_WATTS_SOURCE,
    RaplCounter,
    measure_engine_energy,
)
from setfit_quantum.head import SetFitQuantumHead

QUICK = {"min_seconds": 0.01, "repeats": 2}


@pytest.fixture(autouse=True)
def _without_counter(monkeypatch, tmp_path):
    monkeypatch.setattr(engine_energy.RaplCounter, "find", classmethod(lambda cls, folder=None: None))


def test_energy_is_time_times_power():
    small, large = measure_engine_energy([4, 14], 2.5, **QUICK)
    for one in (small, large):
        assert one.circuit_joules == pytest.approx(2.5 * one.circuit_seconds)
        assert one.head_joules == pytest.approx(2.5 * one.head_seconds)
        assert one.source == "given"
        assert one.head_seconds > one.circuit_seconds > 0
    assert (small.n_qubits, large.n_qubits) == (4, 14)
    # 1,024 times as many amplitudes and 3.5 times as many gates.
    assert large.circuit_seconds > 10 * small.circuit_seconds
    (default,) = measure_engine_energy([4], **QUICK)
    assert (default.watts, default.source) == (DEFAULT_WATTS, DEFAULT_WATTS_SOURCE)


def test_time_is_of_the_engine_on_one_core(monkeypatch):
    """The time of a circuit is what the backend takes for it: a backend that takes longer is measured longer."""
    seen = []
    backend = type(SetFitQuantumHead.from_preset("paper-single", in_features=8, n_qubits=3).backend)
    expectations = backend.expectations

    def slow(self, circuit, *args, **options):
        seen.append((circuit.n_qubits, torch.get_num_threads()))
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass
        return expectations(self, circuit, *args, **options)

    monkeypatch.setattr(backend, "expectations", slow)
    (one,) = measure_engine_energy([3], 1.0, min_seconds=0.03, repeats=1)
    assert 0.02 / one.batch_size <= one.circuit_seconds
    assert {threads for _, threads in seen} == {1}
    assert 3 in {n_qubits for n_qubits, _ in seen}


def write_counter(folder, name, energy, limit):
    package = folder / name
    package.mkdir(parents=True, exist_ok=True)
    (package / "energy_uj").write_text(f"{energy}\n")
    (package / "max_energy_range_uj").write_text(f"{limit}\n")


def test_the_processors_counter(tmp_path, monkeypatch):
    monkeypatch.undo()
    assert RaplCounter.find(tmp_path) is None
    assert RaplCounter.find(tmp_path / "nowhere") is None
    for name, energy in (("intel-rapl:0", 5_000_000), ("intel-rapl:1", 90), ("intel-rapl:0:0", 1)):
        write_counter(tmp_path, name, energy, 99)
    write_counter(tmp_path, "intel-rapl:0", 5_000_000, 2**32)
    counter = RaplCounter.find(tmp_path)
    before = counter.read()
    assert before == [5_000_000, 90]
    # The second one ran over its 99.
    write_counter(tmp_path, "intel-rapl:0", 8_000_000, 2**32)
    write_counter(tmp_path, "intel-rapl:1", 10, 99)
    assert counter.since(before) == pytest.approx(3.00002)
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert RaplCounter.find(tmp_path) is None


def test_energy_by_the_counter(monkeypatch):
    class Counter:
        joules = 0.0

        def read(self):
            return [self.joules]

        def since(self, before):
            self.joules += 7.0
            return 7.0

    monkeypatch.setattr(engine_energy.RaplCounter, "find", classmethod(lambda cls, folder=None: Counter()))
    (one,) = measure_engine_energy([3], min_seconds=0.0, repeats=1)
    assert one.circuit_joules == pytest.approx(7.0 / one.batch_size)
    assert one.source.startswith("RAPL")
    assert one.watts == pytest.approx(one.circuit_joules / one.circuit_seconds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([4], -1.0), "`watts_per_core` must be greater than 0, but got -1.0"),
        (([25],), "`qubits` must be between 2 and 24, but got 25"),
        (([1],), "`qubits` must be between 2 and 24, but got 1"),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        measure_engine_energy(*arguments)


def test_command(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(app, ["energy", *arguments], prog_name="setfit-quantum")

    found = json.loads(run("--measure", "--watts", "5", "--measure-up-to", "5", "--json").stdout)
    assert found["crossover_qubits"] == 46
    assert [one["n_qubits"] for one in found["engine"]] == [4]
    for one in found["engine"]:
        assert one["circuit_joules"] == pytest.approx(5 * one["circuit_seconds"])
        assert one["gpu_joules"] < one["qpu_joules"]
    text = run("--measure", "--watts", "5", "--measure-up-to", "4", "--figure", str(tmp_path / "energy"))
    assert text.exit_code == 0, text.output
    assert imread(tmp_path / "energy.png").std() > 0.005
    drawn = (tmp_path / "energy.svg").read_text()
    assert "this engine, one core at 5 W, measured" in drawn
    assert "Power: 5 W (given)" in text.stdout
    assert "from 46 qubits on" in text.stdout
    assert "engine" not in json.loads(run("--json").stdout)
    refused = run("--watts", "5")
    assert refused.exit_code == 2
    assert "`--watts` needs --measure" in refused.stderr
    assert run("--measure", "--watts", "-5").exit_code == 2
    assert "`--figure` needs --measure" in run("--figure", "energy").stderr
