"""docs/experiments.md: its commands have the options that they name, its Python runs, its space is one."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from setfit_quantum.cli.app import app
from setfit_quantum.experiments.search_space import parse_space

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "experiments.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("setfit-quantum")]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_have_these_options(line):
    name, *arguments = shlex.split(line, comments=True)[1:]
    group = typer.main.get_command(app)
    command = group.get_command(group.make_context("setfit-quantum", [name, "--help"], resilient_parsing=True), name)
    context = command.make_context(name, arguments)
    assert context.params["backend"] in ("local", "ray", None) if "backend" in context.params else True


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block, capsys):
    exec(block, {})
    printed = capsys.readouterr().out
    assert re.search(r"learning_rate 0.001 to 0.1: \+[\d.]+ points|8 qubits: [\d.]+ microjoules", printed)


def test_the_space_is_one():
    (text,) = blocks("json")
    assert len(parse_space(json.loads(text))) == 4


def test_its_files_are_there():
    for path in re.findall(r"`(examples/\S+\.py)`", TEXT):
        assert (ROOT / path).is_file()


def test_its_figures_are_the_formulas():
    from setfit_quantum.energy import build_paper_circuit, estimate_energy, find_crossover

    assert f"from {find_crossover()} qubits on, with Forte's older gate times from" in TEXT.replace("\n", " ")
    assert f"from {find_crossover(gate_times='forte')}." in TEXT
    for n_qubits, printed in ((10, "8.2e-5"), (16, "8.4e-3")):
        assert estimate_energy(build_paper_circuit(n_qubits)).gpu_joules == pytest.approx(float(printed), rel=0.02)
        assert f"{printed} J" in TEXT
