"""Circuits as matplotlib figures and as SVG for notebooks."""

import math
import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from setfit_quantum import Circuit, Gate, QuantumHead
from setfit_quantum.circuit import GATE_TYPES
from setfit_quantum.circuit.ansatz import build_encoder, build_reuploading
from setfit_quantum.circuit.layout import CHARACTER, angle_text, lay_out
from setfit_quantum.circuit.svg import draw_svg
from strategies import random_circuits

SVG = "{http://www.w3.org/2000/svg}"
EVERY_GATE = Circuit(
    3,
    tuple(
        Gate(name, (0, 2)[: kind.n_wires], **({"angle": 0.5} if kind.has_angle else {}))
        for name, kind in GATE_TYPES.items()
    ),
)
MARKS_ONLY = {"cx", "cz", "swap"}


def expected_parts(circuit):
    """How many parts of each sort a picture must have."""
    ops = Counter(circuit.count_ops())
    controlled = sum(number for name, number in ops.items() if name.startswith("c"))
    return {
        "gate": sum(number for name, number in ops.items() if name not in MARKS_ONLY),
        "link": controlled + ops["swap"],
        "dot": controlled + ops["cz"],  # both ends of a controlled Z
        "ring": ops["cx"],
        "cross": 2 * ops["swap"],
    }


def svg_parts(svg):
    root = ElementTree.fromstring(svg)
    classes = Counter(element.get("class", "").split(" ")[0] for element in root.iter())
    return root, classes


def figure_parts(figure):
    (axes,) = figure.axes
    gids = Counter(artist.get_gid() for artist in [*axes.patches, *axes.lines, *axes.texts])
    return axes, gids


def box_labels(circuit):
    layout = lay_out(circuit)
    return [(box.name, box.angle) for box in layout.boxes]


@settings(max_examples=20)
@given(circuit=random_circuits(5))
def test_svg_has_every_part_once(circuit):
    root, classes = svg_parts(draw_svg(circuit))
    expected = expected_parts(circuit)
    assert {name: classes[name] for name in expected} == expected
    assert classes["wire"] % circuit.n_qubits == 0
    assert root.get("aria-label") == f"Circuit of {circuit.n_qubits} qubits, {len(circuit.gates)} gates"


@pytest.mark.parametrize("circuit", [EVERY_GATE, build_reuploading(4, 2, 1, 1, 1), Circuit(2)])
def test_figure_has_every_part_once(circuit):
    axes, gids = figure_parts(circuit.draw("mpl"))
    expected = expected_parts(circuit)
    assert {name: gids[name] for name in expected} == expected
    texts = [text.get_text() for text in axes.texts if text.get_gid() == "label"]
    for name, angle in box_labels(circuit):
        assert name in texts
        assert not angle or angle in texts
    assert {f"q{wire}" for wire in range(circuit.n_qubits)} <= set(texts)


def test_parts_stand_on_their_wires():
    layout = lay_out(Circuit(3, (Gate("ry", (2,), weight=0), Gate("cx", (2, 0)), Gate("crx", (0, 1), feature=5))))
    y = {wire.qubit: wire.y for wire in layout.wires}
    assert y[0] < y[1] < y[2]
    assert [(box.name, box.angle, box.kind, box.y) for box in layout.boxes] == [
        ("RY", "θ₀", "weight", y[2]),
        ("RX", "x₅", "feature", y[1]),
    ]
    assert [(mark.shape, mark.y) for mark in layout.marks] == [("dot", y[2]), ("ring", y[0]), ("dot", y[0])]
    assert [(link.top, link.bottom) for link in layout.links] == [(y[0], y[2]), (y[0], y[1])]
    assert layout.boxes[0].x < layout.links[0].x < layout.links[1].x == layout.boxes[1].x


@given(circuit=random_circuits(4))
def test_nothing_overlaps(circuit):
    layout = lay_out(circuit, max_width=40)
    things = [(box.x - box.width / 2, box.x + box.width / 2, box.y, box.y) for box in layout.boxes]
    things += [(link.x - 8, link.x + 8, link.top, link.bottom) for link in layout.links if not on_box(link, layout)]
    for number, (left, right, top, bottom) in enumerate(things):
        assert left >= 0
        assert right <= layout.width
        assert bottom < layout.height
        for other in things[number + 1 :]:
            assert right <= other[0] or other[1] <= left or bottom < other[2] or other[3] < top


def on_box(link, layout):
    return any(box.x == link.x and link.top <= box.y <= link.bottom for box in layout.boxes)


def test_long_circuits_are_folded():
    circuit = build_reuploading(4, 4, 1, 2, 1)
    wide, narrow = lay_out(circuit, 1000), lay_out(circuit, 60)
    assert len(wide.wires) == 4
    assert not any(wire.continues or wire.continued for wire in wide.wires)
    rows = len(narrow.wires) // 4
    assert rows > 2
    assert [wire.continues for wire in narrow.wires[::4]] == [True] * (rows - 1) + [False]
    assert [wire.continued for wire in narrow.wires[::4]] == [False] + [True] * (rows - 1)
    assert narrow.width <= 60 * CHARACTER
    assert len(narrow.boxes) == len(wide.boxes)


@pytest.mark.parametrize(
    ("angle", "text"),
    [(math.pi, "π"), (-math.pi / 2, "−π/2"), (3 * math.pi / 4, "3π/4"), (2 * math.pi, "2π"), (0.0, "0"),
     (-0.12345, "−0.123"), (3.14, "3.14")],
)  # fmt: skip
def test_angles_read_well(angle, text):
    assert angle_text(Gate("ry", (0,), angle=angle)) == text
    assert angle_text(Gate("ry", (0,), weight=10)) == "θ₁₀"
    assert angle_text(Gate("h", (0,))) == ""


def test_the_legend_says_what_colours_mean():
    assert [key.text for key in lay_out(build_reuploading(2, 1, 1, 1, 1)).legend] == ["trained angle", "input angle"]
    assert lay_out(EVERY_GATE).legend == []  # all fixed


def test_notebooks_show_circuits():
    circuit = build_reuploading(3, 1, 1, 1, 1)
    picture = circuit.draw("notebook")
    assert circuit._repr_svg_() == picture._repr_svg_() == picture.svg == draw_svg(circuit)
    assert picture.svg.startswith("<svg xmlns=")
    assert len(repr(picture)) < 100
    assert build_encoder(12, 3, 9)._repr_svg_() is not None
    assert Circuit(2, (Gate("h", (0,)),) * 3001)._repr_svg_() is None


def test_heads_draw_their_circuit(tmp_path):
    head = QuantumHead(8, n_qubits=3, seed=0)
    assert head.draw() == head.circuit.draw()
    assert head.draw("notebook").svg == draw_svg(head.circuit)
    head.draw("mpl", max_width=60).savefig(tmp_path / "circuit.png")
    assert (tmp_path / "circuit.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="`output` must be one of 'text', 'mpl', 'notebook', but got 'latex'"):
        head.draw("latex")
    with pytest.raises(ValueError, match="`max_width` must be at least 20, but got 5"):
        head.draw("notebook", max_width=5)


def test_figures_leave_pyplot_alone_and_text_needs_no_matplotlib():
    script = (
        "import sys\n"
        "from setfit_quantum import Circuit, Gate\n"
        "circuit = Circuit(1, (Gate('h', (0,)),))\n"
        "circuit.draw(), circuit.draw('notebook')\n"
        "assert 'matplotlib' not in sys.modules\n"
        "circuit.draw('mpl')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_missing_matplotlib_names_the_pip_command(monkeypatch):
    for name in ("matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'pip install "setfit-quantum\[plots\]"'):
        Circuit(1).draw("mpl")
