"""Imports point one way, importing the package is light, and files stay readable."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import setfit_quantum

PACKAGE = Path(setfit_quantum.__file__).parent

# Each layer may import itself and what stands before it.
LAYERS = [
    {"checks"},
    {"config", "presets"},
    {"circuit"},
    {"energy"},
    {"noise"},
    {"backends"},
    {"measurement"},
    {"card", "head", "hub", "serialization", "vanilla"},
    {"calibration", "data", "default_body", "evaluate_modules", "evaluation"},
    {"training"},
    {"baselines", "classifier", "onnx_export"},
    {"model"},
    {"absa"},
    {"experiments"},
    {"demo"},
    {"cli", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported_layers(path):
    """Layers of this package that a file imports anywhere, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "setfit_quantum" and len(parts) > 1:
                yield parts[1], node.lineno


def test_every_module_has_a_layer():
    unknown = {layer_of(path) for path in MODULES} - set(RANK) - {"__init__"}
    assert not unknown


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    layer = layer_of(path)
    if layer == "__init__":
        return
    for imported, line in imported_layers(path):
        assert RANK[imported] <= RANK[layer], f"{path.name}:{line}: {layer} imports {imported}, a later layer"


@pytest.mark.parametrize("layer", ["checks", "config", "circuit", "noise"])
def test_first_layers_do_without_torch(layer):
    for path in MODULES:
        if layer_of(path) == layer:
            imports = [
                node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom | ast.Import)
            ]
            names = {getattr(node, "module", None) or node.names[0].name for node in imports}
            assert not {name for name in names if name.split(".")[0] == "torch"}, path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_at_most_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def test_import_is_light_and_changes_nothing():
    script = (
        "import sys, warnings, logging\n"
        "before = (list(warnings.filters), logging.root.level)\n"
        "import setfit_quantum\n"
        "assert (list(warnings.filters), logging.root.level) == before\n"
        "heavy = {'torch', 'setfit', 'transformers', 'numba', 'qiskit', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert 'QuantumHead' in dir(setfit_quantum)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="has no attribute 'QuantumTail'"):
        setfit_quantum.QuantumTail  # noqa: B018
