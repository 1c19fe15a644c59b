"""The comparison with other simulators: its plan, its checks, its estimates, and one run with two of our backends."""

import importlib
import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from setfit_quantum import QuantumHead
from setfit_quantum.circuit.ansatz import build_encoder
from setfit_quantum.noise import PauliErrors

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
CACHES = {"L1": 32 * 2**10, "L2": 2**20, "L3": 2**25}


@pytest.fixture
def load(monkeypatch):
    """Import a module of the suite as its script would."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for name in [name for name in sys.modules if name.split(".")[0] in ("peers", "timing", "compare_peers")]:
        sys.modules.pop(name)


@pytest.fixture
def problem(load):
    """A small case with noise, its head and its plain description."""
    cases, problems = load("peers.cases"), load("peers.problem")
    case = cases.Case(4, 3, condition="noisy", in_features=16)
    head = problems.build_head(case, seed=1)
    return case, head, problems.build_problem(head, case, seed=1)


def test_one_thing_departs_from_the_base_case_at_a_time(load):
    plan = load("peers.cases").plan_cases([12, 10], [1, 16, 256])
    assert [case.qubits for case in plan] == [10] * 6 + [12] * 6
    assert [case.variant for case in plan[:6]] == [
        (16, 1, "exact"), (1, 1, "exact"), (256, 1, "exact"), (16, 2, "exact"), (16, 1, "noisy"), (16, 1, "shots"),
    ]  # fmt: skip
    assert [case.is_base for case in plan[:6]] == [True] + [False] * 5
    crossed = load("peers.cases").plan_cases([10], [1, 16, 256], cross=True)
    assert len({case.variant for case in crossed}) == len(crossed) == 3 * 2 * 3
    assert crossed[0].is_base


def test_smallest_size_first_then_base_cases(load):
    plan = load("peers.cases").plan_cases([10, 12], [1])
    ordered = load("compare_peers").order_cases(plan)
    assert [case.qubits for case in ordered[:6]] == [10] * 5 + [12]
    assert ordered[5].is_base
    assert sorted(map(repr, ordered)) == sorted(map(repr, plan))


def test_plain_problem_is_the_head(problem):
    case, head, plain = problem
    assert plain.rates == (1e-4, 1e-3)
    assert plain.parameters["encoder_weights"].shape == tuple(head.encoder.weights.shape)
    assert sum(value.size for value in plain.parameters.values()) == head.num_parameters()
    assert [gate.name for gate in plain.circuit.gates] == [gate.name for gate in head.circuit.gates]
    np.testing.assert_allclose(np.linalg.norm(plain.x, axis=1), 1, rtol=1e-6)
    assert plain.codes.shape == (len(head.circuit.gates),)
    assert PauliErrors(np.repeat(plain.codes[:, None], case.batch, axis=1)).batch == case.batch


def test_errors_are_drawn_at_their_rates(load, problem):
    _, _, plain = problem
    codes = load("peers.problem").draw_codes(plain.circuit, (0.3, 0.6), np.random.default_rng(0), 4000)
    two = np.array([len(gate.wires) == 2 for gate in plain.circuit.gates])
    assert (codes[~two] > 0).mean() == pytest.approx(0.3, abs=0.01)
    assert (codes[two] > 0).mean() == pytest.approx(0.6, abs=0.01)
    assert set(np.unique(codes[~two])) == set(range(4))
    assert set(np.unique(codes[two])) == set(range(16))


def test_paulis_and_signs(load):
    problems = load("peers.problem")
    gate = problems.PlainGate("cx", (2, 5), -1, -1)
    assert problems.list_paulis(gate, 0) == []
    assert problems.list_paulis(gate, 4 * 1 + 3) == [("X", 2), ("Z", 5)]
    assert problems.list_paulis(gate, 2) == [("Y", 5)]
    np.testing.assert_array_equal(problems.parity_signs(2), [[1, 1, -1, -1], [1, -1, 1, -1]])


def test_rings_and_columns_of_the_papers_circuits(load):
    problems, shares, cases = load("peers.problem"), load("peers.shares"), load("peers.cases")
    case = cases.Case(10)
    plain = problems.build_problem(problems.build_head(case, 0), case, 0)
    encoder, second = shares.count_circuit(plain.encoder), shares.count_circuit(plain.circuit)
    assert (encoder.rings, encoder.columns) == (27, 1)
    assert (second.rings, second.columns) == (6, 9)
    # One read and one write of 16 states of 1,024 float32 amplitudes, for each of 27 rings.
    assert encoder.bytes("forward", 16) == 27 * 2 * 4 * 1024 * 16
    assert encoder.bytes("backward", 16) == 2 * encoder.bytes("forward", 16)
    assert encoder.operations("forward", 16) == 27 * 10 * 512 * 16 * 6
    assert second.operations("backward", 16, columns=True) == 15 * 10 * 512 * 16 * 18


def test_floor_is_the_larger_of_two_times(load):
    shares = load("peers.shares")
    count = shares.Count(n_qubits=10, rings=1, columns=1)
    limits = {"bandwidth": {"L1": 1e9, "memory": 1e8}, "flops": 1e9, "threads": 2, "caches": CACHES}
    floor = shares.floor_seconds(count, "forward", 16, limits, "L1")
    assert floor["bytes"] == pytest.approx(2 * 4 * 1024 * 16 / 1e9)
    assert floor["operations"] == pytest.approx(10 * 512 * 16 * 6 / 1e9)
    assert floor["floor"] == max(floor["bytes"], floor["operations"])
    row = shares.describe_share(count, "forward", 16, 2 * floor["floor"], limits)
    assert row["level"] == "L1"
    assert row["share"] == pytest.approx(0.5)
    assert row["share_with_columns"] == pytest.approx(1.0)
    assert "kernel_share" not in row
    row = shares.describe_share(count, "forward", 16, 2 * floor["floor"], limits, kernel=1.25 * floor["floor"])
    assert row["kernel_share"] == pytest.approx(0.8)
    assert row["kernel_share_with_columns"] == pytest.approx(1.6)


def test_kernels_are_timed_alone_and_changed_nothing(load, monkeypatch):
    shares, engine = load("peers.shares"), importlib.import_module("setfit_quantum.backends.numba_engine.backend")
    carry_out, calls = engine.carry_out, []

    def mine(order, kind, *sizes):
        calls.append(kind)
        carry_out(order, kind, *sizes)

    monkeypatch.setattr(engine, "carry_out", mine)
    backend, circuit = engine.NumbaBackend(), build_encoder(4, 2, 3)
    found = shares.time_kernels(backend, circuit, (torch.ones(circuit.num_parameters), None, torch.eye(16)), 0.01)
    assert 0 < found["forward"] < 0.1
    assert 0 < found["backward"] < 0.1
    assert calls == [0, 1] * (len(calls) // 2)
    assert 4 <= len(calls) <= 2 + 2 * 60
    assert engine.carry_out is mine


def test_levels(load):
    machine = load("peers.machine")
    levels = [machine.level_of(size, CACHES, 2) for size in (2**15, 2**15 + 1, 2**20, 2**21, 2**24, 2**24 + 1)]
    assert levels == ["L1", "L2", "L2", "L3", "L3", "memory"]
    assert machine.working_sets(CACHES) == {"L1": 2**14, "L2": 2**19, "L3": 2**22, "memory": 2**28}
    assert machine.at_size({2**10: 1.0, 2**20: 2.0}, 2**16) == 2.0


def test_machine_kernels_do_what_they_are_counted_for(load):
    kernels = load("peers.machine_kernels")
    array = np.full(256, 2.0, np.float32)
    kernels.sweep_memory(array, 3)
    expected = np.float32(2.0)
    for _ in range(3):
        expected = expected * np.float32(0.999) + np.float32(0.001)
    np.testing.assert_allclose(array, expected, rtol=1e-6)
    numbers = np.full(kernels.CHAINS * kernels.WIDTH, 2.0, np.float32)
    kernels.multiply_add(numbers, 3)
    np.testing.assert_allclose(numbers, expected, rtol=1e-6)


def test_turns(load):
    plan_turns = load("peers.measure").plan_turns
    assert plan_turns(0.001, 30, 12) == (12, 20)
    assert plan_turns(0.05, 30, 12) == (12, 2)
    assert plan_turns(5.0, 30, 12) == (6, 1)
    assert plan_turns(100.0, 30, 12) == (1, 1)


def test_what_would_take_too_long_is_left_out_with_the_estimate(load):
    history, cases, prepare = load("peers.history"), load("peers.cases"), load("peers.prepare")
    limits = prepare.Limits(budget=4, base_budget=30, compile_budget=100, memory=2**30)
    known = history.History()
    known.note("a", cases.Case(10), history.Known(seconds=16.0))
    known.note("b", cases.Case(10), history.Known(failure="too little memory"))
    known.note("c", cases.Case(10), history.Known(seconds=0.01, first_call=60.0))

    def reason(name, case, compiles=False):
        return known.reason_to_leave_out(name, compiles, case, limits)

    assert reason("new", cases.Case(18)) is None
    assert reason("a", cases.Case(10)) is None
    assert reason("a", cases.Case(10, 256)) is None  # two samples are affordable, and are scaled
    assert reason("a", cases.Case(18)).startswith("2 samples would take about ")
    assert reason("b", cases.Case(12)) == "at 10 qubits, batch 16: too little memory"
    assert reason("b", cases.Case(12, 1)) is None
    assert "compiled anew, which took 60 s" in reason("c", cases.Case(12, 256), compiles=True)
    assert reason("c", cases.Case(12), compiles=True) is None
    assert history.growth(10, cases.Case(10)) == 1
    assert history.growth(10, cases.Case(12)) == pytest.approx(4.8, rel=0.01)


def test_scatter_of_shots(load):
    measure_scatter = load("peers.prepare").measure_scatter
    exact = np.zeros((50, 40))
    sampled = np.random.default_rng(0).normal(0, 1 / np.sqrt(100), exact.shape)
    assert measure_scatter(sampled, exact, 100) == pytest.approx(1, abs=0.1)
    assert measure_scatter(3 * sampled, exact, 100) == pytest.approx(9, abs=0.9)


class FakeClient:
    """Answers as an engine's process would, with expectations and a gradient of its own."""

    def __init__(self, values, gradient):
        self.answers = {"values": values, "gradient": gradient}

    def ask(self, method, name, *arguments, seconds):
        assert method == "call"
        return 0.5, self.answers[name]


def test_an_engine_that_computes_something_else_is_refused(load):
    prepare, problems, cases = load("peers.prepare"), load("peers.problem"), load("peers.cases")
    case = cases.Case(4, 2, in_features=16)
    problem = problems.build_problem(problems.build_head(case, 0), case, 0)
    values, gradient = np.zeros((2, 4)), np.ones(7)
    expected = values, values, gradient

    def check(*answers):
        return prepare.check(FakeClient(*answers), problem, expected, 2, ["train", "infer"], 1.0)

    found = check(values + 1e-7, gradient)
    assert found["difference"] == pytest.approx(1e-7)
    assert found["first_train_s"] == 0.5
    with pytest.raises(prepare.DisagreementError, match=r"expectations differ from ours by 1\.0e-03"):
        check(values + 1e-3, gradient)
    with pytest.raises(prepare.DisagreementError, match=r"gradient differs from ours by 1\.0e-02"):
        check(values, 1.01 * gradient)
    with pytest.raises(prepare.DisagreementError):
        check(values * np.nan, gradient)


def test_torch_engine_returns_what_the_head_returns(load, problem):
    """The head that is written around the rivals, on a simulator that calls this package's reference."""
    case, head, plain = problem
    torch_engine = load("peers.torch_engine")
    from setfit_quantum.backends import get_backend

    backend, circuits = get_backend("torch"), {plain.encoder: head.encoder_circuit(0), plain.circuit: head.circuit}

    class Simulator(torch_engine.Simulator):
        def expectations(self, circuit, weights, features=None, amplitudes=None, codes=None):
            batch = len(features if amplitudes is None else amplitudes)
            errors = None if codes is None else PauliErrors(np.repeat(codes[:, None], batch, axis=1))
            return backend.expectations(circuits[circuit], weights, features, amplitudes, errors=errors)

        def sample(self, circuit, weights, features, shots):
            raise NotImplementedError

    whole = torch_engine.TorchEngine(plain, Simulator(), case.batch, case.batch)
    parts = torch_engine.TorchEngine(plain, Simulator(), case.batch, 2)
    clean = QuantumHead.from_preset("paper-single", 4, 16, seed=1)
    x = torch.from_numpy(plain.x)
    np.testing.assert_allclose(whole.values(), clean.expectations(x).detach(), atol=1e-5)
    loss = torch.nn.functional.cross_entropy(clean(x)[0], torch.from_numpy(plain.labels))
    names = ("encoder.weights", "encoder.scale", "circuit_weights", "linear.weight", "linear.bias")
    expected = torch.autograd.grad(loss, [clean.get_parameter(name) for name in names])
    expected = torch.cat([part.flatten() for part in expected]).numpy()
    for engine in (whole, parts):
        np.testing.assert_allclose(engine.gradient(), expected, atol=1e-5)
    before = whole.parameters["circuit_weights"].detach().clone()
    whole.step()
    assert (whole.parameters["circuit_weights"] != before).any()


def test_reasons_are_told_once(load):
    report, cases = load("peers.report"), load("peers.cases")
    entries = {"a": {"left_out": "too slow"}, "b": {"refused": {"train": "no gradients"}}, "c": {"failed": "died"}}
    lines = report._omissions([(cases.Case(10), entries), (cases.Case(12), entries)]).splitlines()
    assert lines == [
        "- a: too slow (10 qubits, batch 16, 1 encoder, exact; 12 qubits, batch 16, 1 encoder, exact)",
        "- b: train: no gradients (10 qubits, batch 16, 1 encoder, exact; 12 qubits, batch 16, 1 encoder, exact)",
        "- c: failed: died (10 qubits, batch 16, 1 encoder, exact; 12 qubits, batch 16, 1 encoder, exact)",
    ]


def test_a_process_that_fails_ends_or_takes_too_long(load):
    client = load("peers.client")
    process = client.Client("setfit-quantum", 1, 2**33)
    try:
        with pytest.raises(client.EngineError, match="AttributeError"):
            process.ask("call", "nothing", seconds=60)
        with pytest.raises(client.EngineError, match="stopped after 0 s"):
            process.ask("load", seconds=0.01)
        with pytest.raises(client.EngineError, match="ended with status 1"):
            client.Client("unknown", 1, 2**33).ask("load", seconds=60)
    finally:
        process.stop()


def test_comparison_of_two_of_our_backends(tmp_path):
    output = tmp_path / "peers.json"
    command = [sys.executable, BENCHMARKS / "compare_peers.py", "--quick", "--engines", "setfit-quantum"]
    command += ["PyTorch reference", "--qubits", "4", "--in-features", "16", "--threads", "1", "--output", output]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    text = output.read_text()
    record = json.loads(text)
    assert record["settings"]["threads"] == 1
    (case,) = record["cases"]
    ours, other = case["engines"]["setfit-quantum"], case["engines"]["PyTorch reference"]
    for entry in (ours, other):
        for task in ("train", "infer"):
            assert entry[task]["runs"] == len(entry[task]["times"]) >= 1
            assert entry[task]["peak_bytes"] > 2**20
    assert 0 < other["gradient_error"] < 1e-4
    assert other["difference"] < 1e-5
    assert {row["part"] for row in record["shares"]} == {"encoder", "second module", "whole step"}
    assert all(row["kernel_seconds"] > 0 for row in record["shares"] if "direction" in row)
    assert min(record["limits"]["bandwidth"].values()) > 1e8
    assert record["accuracy"][0]["gradient_error"] < 2e-5
    table = output.with_suffix(".md").read_text()
    assert table.strip() == result.stdout.strip()
    ratio = other["train"]["median"] / ours["train"]["median"]
    assert f"({ratio:.3g})" in table
    assert "| kernel ms |" in table
    for private in (str(tmp_path), str(BENCHMARKS), str(Path.home()), platform.node()):
        assert private not in text
        assert private not in table


def test_ours_must_be_there(load, capsys):
    with pytest.raises(SystemExit):
        load("compare_peers").main(["--engines", "Qulacs"])
    assert "must have 'setfit-quantum'" in capsys.readouterr().err
