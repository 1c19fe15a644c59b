"""docs/understanding.md: its numbers are those of the command, and the command's are right where they are known."""

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from setfit_quantum import QuantumHead
from setfit_quantum.backends import get_backend
from setfit_quantum.circuit import Circuit, Gate
from setfit_quantum.circuit.ansatz import build_reuploading

ROOT = Path(__file__).parent.parent
NUMBERS = json.loads((ROOT / "benchmarks" / "results" / "understanding.json").read_text())
PAGE = (ROOT / "docs" / "understanding.md").read_text()


@pytest.fixture
def load(monkeypatch):
    """Import a part of the command, or the command itself, as the script would."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module
    for name in [name for name in sys.modules if name.split(".")[0] in ("understanding", "understanding_parts")]:
        sys.modules.pop(name)


# Paulis as (x bit, z bit); signs do not matter for squares.
IDENTITY, Z, X, Y = (0, 0), (0, 1), (1, 0), (1, 1)


def exact_variances(circuit: Circuit) -> list[float]:
    """Variance of the derivative of <Z_0> by each angle where all angles are independent and uniform.

    In the Heisenberg picture the mean squares of an observable's Pauli coefficients follow a Markov chain: RY mixes X
    and Z evenly (cos^2 and sin^2 have the mean 1/2, cos sin has 0), its derivative keeps only these two, a CNOT
    permutes. On |0..0> strings of I and Z have the expectation 1, others 0.
    """

    def pull(weights, gate, derive):
        found = {}
        for string, weight in weights.items():
            paulis = list(string)
            if gate.name == "cx":
                (xc, zc), (xt, zt) = (paulis[wire] for wire in gate.wires)
                paulis[gate.wires[0]], paulis[gate.wires[1]] = (xc, zc ^ zt), (xt ^ xc, zt)
                targets = [paulis]
            elif paulis[gate.wires[0]] in (X, Z):
                targets = []
                for pauli in (X, Z):
                    paulis[gate.wires[0]] = pauli
                    targets.append(paulis.copy())
            else:
                targets = [] if derive else [paulis]
            for target in targets:
                found[tuple(target)] = found.get(tuple(target), 0.0) + weight / len(targets)
        return found

    variances = np.zeros(circuit.num_parameters)
    for place, trained in enumerate(circuit.gates):
        if trained.weight is None:
            continue
        weights = {(Z,) + (IDENTITY,) * (circuit.n_qubits - 1): 1.0}
        for number in reversed(range(len(circuit.gates))):
            weights = pull(weights, circuit.gates[number], number == place)
        variances[trained.weight] = sum(w for string, w in weights.items() if set(string) <= {IDENTITY, Z})
    return variances.tolist()


def test_the_chain_itself_on_a_product_of_cosines():
    """RY on two qubits and a CNOT onto qubit 0: <Z_0> = cos(a) cos(b), whose derivatives have the variance 1/4."""
    gates = (Gate("ry", (0,), weight=0), Gate("ry", (1,), weight=1), Gate("cx", (1, 0)))
    assert exact_variances(Circuit(2, gates)) == [0.25, 0.25]


@pytest.mark.parametrize(("n_qubits", "n_layers"), [(2, 1), (3, 1), (3, 2), (4, 1)])
def test_variances_are_the_exact_ones(load, n_qubits, n_layers):
    n_draws = 20_000
    gradients = load("understanding_parts.gradients").second_module_gradients(
        n_qubits, 1, n_layers, "uniform", n_draws, 0
    )
    expected = np.array(exact_variances(build_reuploading(n_qubits, 1, 1, n_layers, 1)))
    error = np.square(gradients).std(axis=0) / np.sqrt(n_draws)
    np.testing.assert_array_less(np.abs(gradients.var(axis=0) - expected), 5 * error + 1e-9)
    assert np.abs(gradients[:, expected == 0]).max(initial=0) < 1e-5


@pytest.mark.parametrize("n_qubits", [2, 5])
def test_variances_at_the_identity_start(load, n_qubits):
    """The angle that turns Z_0 before its last CNOT gives sines and cosines of one latent: variance 1/2, at any Q."""
    gradients = load("understanding_parts.gradients").second_module_gradients(n_qubits, 1, 1, "identity", 20_000, 0)
    assert gradients.var(axis=0).max() == pytest.approx(0.5, abs=0.01)


def test_the_identity_start_passes_all_on(load):
    """<Z_q> = -sin(latent q): the Jacobian is minus the cosines."""
    respond = load("understanding_parts.gradients").latent_response
    assert respond(4, 1, 1, "identity", 5_000, 0) == pytest.approx(np.sqrt((1 + np.exp(-0.02)) / 2), abs=1e-3)
    assert respond(4, 1, 8, "uniform", 200, 0) < 0.7


def test_derivatives_of_the_linear_part(load):
    """By differences of <Z_0> itself, in double precision."""
    parts = load("understanding_parts.gradients")
    every, linear = parts.encoder_gradients(3, 2, "uniform", 2.0, 4, 0)
    weights = torch.empty(4, every.shape[1])
    parts.initialize_angles(weights, "uniform", parts.component_generator(0, 0))
    x = torch.randn(4, 7, generator=parts.component_generator(0, 1)).double()
    circuit, backend = parts.build_encoder(3, 2, 2), get_backend("torch")

    def value(shift, sign):
        moved = weights.double()
        moved[:, 5] += shift
        amplitudes = parts.prepare_amplitudes(sign * x, 2.0)
        return backend.expectations(circuit, moved, None, amplitudes, n_readout=1)[:, 0].numpy()

    plus, minus = ((value(1e-5, sign) - value(-1e-5, sign)) / 2e-5 for sign in (1, -1))
    np.testing.assert_allclose(every[:, 5], plus, atol=1e-5)
    np.testing.assert_allclose(linear[:, 5], (plus - minus) / 2, atol=1e-5)


@pytest.mark.parametrize("n_reuploads", [1, 2, 4])
def test_the_highest_frequency_is_the_number_of_reuploads(load, n_reuploads):
    found = load("understanding_parts.spectrum").amplitudes(
        3, n_reuploads, 1, 5, backend=get_backend("torch"), dtype=torch.float64
    )
    assert found[:, n_reuploads + 1 :].max() < 1e-14
    assert found[:, n_reuploads].max() > 1e-2


def test_the_spectrum_of_a_known_function(load, monkeypatch):
    """One encoding, then nothing: <Z_0> = cos(latent 0)."""
    spectrum = load("understanding_parts.spectrum")
    bare = Circuit(2, tuple(Gate("ry", (wire,), feature=wire) for wire in range(2)))
    monkeypatch.setattr(spectrum, "build_reuploading", lambda *_: bare)
    found = spectrum.amplitudes(2, 1, 1, 1)
    np.testing.assert_allclose(found[0, :, 0], [0, 1, 0, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found[0, 1:, 1], 0, atol=1e-6)


@torch.no_grad()
def test_without_the_constant_x_and_minus_x_are_the_same():
    x = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    settings = {"n_qubits": 3, "seed": 0, "initialization": "uniform", "preprocessing": None}
    head = QuantumHead(7, amplitude_bias=0.0, **settings).eval()
    assert torch.equal(head.latents(x), head.latents(-x))
    assert float((head.latents(x)[0] - head.latents(x)[1]).abs().max()) > 0.01
    head = QuantumHead(7, amplitude_bias=1.0, **settings).eval()
    assert float((head.latents(x) - head.latents(-x)).abs().max()) > 0.1


def test_the_linear_part_is_linear(load):
    """Least squares on x explains all of it and, of a symmetric set of x, nothing of the rest."""
    split = load("understanding_parts.linear_share").linear_and_quadratic
    linear, quadratic = split(7, 3, 2, "uniform", 1.0, 100, 0)
    x = torch.randn(100, 7, generator=load("understanding_parts.gradients").component_generator(0, 1))
    x = (x / x.norm(dim=1, keepdim=True)).numpy().astype(float)
    weights = np.linalg.lstsq(x, linear, rcond=None)[0]
    np.testing.assert_allclose(x @ weights, linear, atol=1e-6)
    # The weights of norm 2b |a| / (1 + b^2) with a unit vector (a, A_kk) at b = 1.
    assert (np.linalg.norm(weights, axis=0) <= 1 + 1e-6).all()
    assert quadratic.std() > 0.05


def test_quick_level_writes_pictures_numbers_and_tables(load, tmp_path, capsys):
    command, page = load("understanding"), tmp_path / "page.md"
    page.write_text(PAGE)
    given = ["--quick", "--output", str(tmp_path / "u.json"), "--images", str(tmp_path), "--page", str(page)]
    arena = tmp_path / "arena.json"
    assert command.main([*given, "--arena", str(arena)]) == 0
    printed = capsys.readouterr().out
    numbers = json.loads((tmp_path / "u.json").read_text())
    assert numbers["gap"] is None
    assert "The arena's numbers are not there yet" in printed
    tables = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", page.read_text(), flags=re.DOTALL)
    assert len(tables) == 6
    assert all(table in printed for _, table in tables)
    assert page.read_text() != PAGE
    assert not (tmp_path / "understanding_gap.svg").exists()

    head = {"accuracy": 0.75, "train_accuracy": 1.0, "parameters": [300, 320], "n_cells": 3, "n_expected": 4}
    heads = {"quantum default": head, "SVC": head | {"accuracy": 0.5}, "quantum default, hybrid": head}
    arena.write_text(json.dumps({"frozen": {"heads": heads}, "tuned": {"heads": {}}}))
    before = {path: path.read_bytes() for path in tmp_path.glob("*.svg")}
    assert command.main([*given, "--arena", str(arena), "--only", "gap"]) == 0
    again = json.loads((tmp_path / "u.json").read_text())
    assert {**again, "gap": None} == numbers
    # In the specification's order; changes of the default are not listed.
    assert [(row["head"], row["gap"]) for row in again["gap"]["frozen"]] == [("SVC", 0.5), ("quantum default", 0.25)]
    assert "| quantum default | frozen | 300 to 320 | 100.0 | 75.0 | 25.0 | 3 of 4 |" in page.read_text()
    assert len(before) == 3
    assert {path: path.read_bytes() for path in before} == before
    assert (tmp_path / "understanding_gap.svg").stat().st_size > 1000


def test_only_needs_numbers_of_the_same_settings(load, tmp_path):
    with pytest.raises(SystemExit):
        load("understanding").main(["--quick", "--only", "gap", "--output", str(tmp_path / "none.json")])
    (tmp_path / "full.json").write_text(json.dumps(NUMBERS))
    with pytest.raises(SystemExit, match="other settings"):
        load("understanding").main(["--quick", "--only", "gap", "--output", str(tmp_path / "full.json")])


def test_the_pages_tables_are_the_commands(load):
    assert NUMBERS["settings"] == load("understanding").SETTINGS
    tables = load("understanding_parts.tables")
    assert tables.insert_tables(PAGE, tables.write_tables(NUMBERS)) == PAGE
    with pytest.raises(ValueError, match="one place for the table 'gap', but has 0"):
        tables.insert_tables(PAGE.replace("<!-- gap -->", ""), tables.write_tables(NUMBERS))


def test_the_gap_is_that_of_the_arena(load):
    found = load("understanding_parts.gap").read_gaps(
        ROOT / "benchmarks" / "results" / "arena.json", ROOT / "benchmarks" / "arena.json"
    )
    assert NUMBERS["gap"] == found, "run `python benchmarks/understanding.py --only gap`"


def test_links_are_there():
    targets = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert "images/understanding_gradients.svg" in targets
    for target in targets:
        assert (ROOT / "docs" / target).is_file(), target


def test_what_it_says_of_the_tables_holds():
    second = {(row["n_reuploads"], row["n_layers"], row["initialization"]): row for row in NUMBERS["second_module"]}
    of_uniform = [second[1, n_layers, "uniform"] for n_layers in (1, 2, 4, 8)]
    assert of_uniform[-1]["slope"] == pytest.approx(-1, abs=0.05)
    assert of_uniform[0]["slope_end"] > -0.2
    for place, n_qubits in enumerate(NUMBERS["settings"]["qubits"]):
        variances = [row["variance"][place] for row in of_uniform]
        assert n_qubits < 6 or variances == sorted(variances, reverse=True)
        if n_qubits >= 4:
            responses = {case: row["response"][place] for case, row in second.items()}
            assert max(responses, key=responses.get) == (1, 1, "identity")
    assert abs(second[1, 1, "identity"]["slope_largest"]) < 0.02
    assert second[4, 2, "small"]["variance"][-1] < second[4, 2, "uniform"]["variance"][-1]
    assert all(np.diff(of_uniform[-1]["response"]) < 0)

    qubits, bias = np.array(NUMBERS["settings"]["qubits"]), NUMBERS["settings"]["encoder_bias"]
    for row in NUMBERS["encoder"]:
        assert row["linear"]["slope_end"] == pytest.approx(-1, abs=0.05)
        if row["initialization"] == "uniform":
            assert row["slope"] == pytest.approx(-1, abs=0.05)
            if row["n_layers"] > 1:
                found = np.array(row["linear"]["variance"])[qubits >= 6]
                expected = 2 * bias**2 / ((1 + bias**2) ** 2 * 2.0 ** qubits[qubits >= 6])
                np.testing.assert_allclose(found, expected, rtol=0.07)
        else:
            assert row["slope"] > -0.8
    for row in NUMBERS["spectrum"]:
        assert row["above"] < 1e-6
        assert row["amplitude"][row["n_reuploads"]] > 1e-3
    for row in NUMBERS["linear_share"]:
        assert row["uniform"]["share"] == pytest.approx(row["closed_form"], abs=0.01)


def test_the_defaults_it_explains_are_the_arenas():
    head = json.loads((ROOT / "benchmarks" / "arena.json").read_text())["heads"]["quantum default"]["head"]
    rows = PAGE.split("## What it means for the defaults")[1].split("\n\n")[2]
    named = dict(re.findall(r"`(\w+)=([^`]+)`", rows))
    assert named.pop("encoder_qubits") == "None"
    assert "encoder_qubits" not in head
    head |= {"initialization": QuantumHead(7, **head).config.chosen_initialization}
    assert {name: str(head[name]) for name in named} == {name: value.strip('"') for name, value in named.items()}
    assert len(named) == 10
