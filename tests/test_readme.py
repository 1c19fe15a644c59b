"""What the README says is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_ci_runs_the_readmes_test_command():
    command = next(block.strip() for block in blocks("bash") if "pytest" in block)
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == command


def test_first_command_is_the_quickstart():
    assert blocks("bash")[0].strip().endswith("setfit-quantum quickstart")


def test_first_example_runs_as_printed(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stderr
    predictions = finished.stdout.strip().splitlines()[-1]
    assert re.fullmatch(r"\['(positive|negative)', '(positive|negative)'\]", predictions)
    assert (tmp_path / "reviews-model" / "quantum_head.safetensors").is_file()


def test_head_example_runs():
    scope = {}
    exec("from setfit_quantum import QuantumHead\n" + blocks("python")[1], scope)
    assert (scope["head"].noise.name, scope["head"].shots) == ("ionq-forte-enterprise", 1024)


@pytest.mark.parametrize("command", re.findall(r"^setfit-quantum (\S+)", README, flags=re.MULTILINE))
def test_commands_exist(command):
    from typer.testing import CliRunner

    from setfit_quantum.cli.app import app

    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_table_of_backends_is_what_they_declare():
    from setfit_quantum.backends import capability_table

    assert README.split("<!-- backends -->\n")[1].split("<!-- /backends -->")[0] == capability_table()


def test_links_point_to_files():
    for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
