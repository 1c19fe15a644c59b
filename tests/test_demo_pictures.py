"""The demo's pictures: escaped, described in words, and true to the circuit."""

import math
import re

import numpy as np
import pytest

from bodies import TEXTS
from demo_engine import PERFECT, make_engine
from setfit_quantum import Circuit, Gate, QuantumHead
from setfit_quantum.demo.about_tab import describe
from setfit_quantum.demo.circuit_picture import MAX_DRAWN, circuit_parts, draw_circuit
from setfit_quantum.demo.engine import DemoModel
from setfit_quantum.demo.explore_tab import draw_energy
from setfit_quantum.demo.measuring import Device, read_texts
from setfit_quantum.demo.pictures import draw_answer, draw_cloud, draw_stages, percent, signed
from setfit_quantum.demo.pipeline import draw_pipeline, pipeline_steps


def test_pictures_escape_what_visitors_write():
    engine = make_engine()
    evil = "<script>alert(1)</script>\"'&${1+1}"
    model = DemoModel("test", engine.bundled.head, (evil, evil + " 2"), None, "")
    (reading,) = read_texts(model, [evil], engine.embed([evil]), PERFECT, 0)
    for draw in (draw_answer, draw_cloud, draw_stages):
        page = draw(reading)
        assert "<script" not in page
        assert "alert(1)" in page
    assert "needs the training data" in draw_answer(reading)


def test_pictures_have_text_alternatives():
    engine = make_engine()
    (reading,) = read_texts(engine.bundled, TEXTS[:1], engine.embed(TEXTS[:1]), PERFECT, 0)
    pages = [
        draw_cloud(reading),
        draw_stages(reading),
        draw_circuit(engine.bundled.head),
        draw_energy("forte", 8000, 300, 34, 700),
    ]
    for page in pages:
        assert page.count('role="img"') >= 1
        for svg in page.split("<svg")[1:]:
            opening = svg.split(">", 1)[0]
            assert 'aria-label="' in opening or 'aria-hidden="true"' in opening
    assert draw_cloud(reading).count("sq-brick") == len(reading.probabilities)


def test_circuit_parts_are_the_circuit():
    for settings in ({}, {"reupload_layers": 2, "n_layers": 3, "connectivity": 2, "n_reuploads": 3}):
        head = QuantumHead(in_features=16, n_qubits=4, seed=0, **settings)
        repeated, last = circuit_parts(head)
        assert repeated.gates * head.config.n_reuploads + last.gates == head.circuit.gates


GATES = [
    Gate("h", (0,)), Gate("sdg", (1,)), Gate("rx", (1,), weight=0), Gate("ry", (0,), angle=math.pi / 2),
    Gate("cz", (0, 1)), Gate("crz", (2, 0), weight=1), Gate("swap", (1, 2)), Gate("cy", (0, 2)),
]  # fmt: skip


def test_a_users_own_ansatz_is_drawn_as_it_is():
    first, second = Circuit(3, GATES), Circuit(3, [Gate("rz", (2,), weight=0), Gate("cx", (2, 1))])
    head = QuantumHead(in_features=16, n_qubits=3, n_reuploads=2, n_readout=1, ansatz=(first, second), seed=0)
    repeated, last = circuit_parts(head)
    assert repeated.gates * 2 + last.gates == head.circuit.gates
    page = draw_circuit(head, [0.1, 0.2, 0.3])
    texts = re.findall(r'text-anchor="middle">([^<]*)</text>', page)
    assert sorted(texts) == sorted(["x₀", "x₁", "x₂", "H", "S†", "RX θ₀", "π/2", "RZ θ₁", "Y", "RZ θ₂"])
    weights = head.circuit_weights.tolist()
    assert f"<title>RZ θ₂ = {weights[2]:+.3f}</title>" in page
    assert "<title>RY x₁ = +0.200</title>" in page
    assert "3 qubits, 24 gates, 3 trained angles." in page
    assert "the first qubit is measured" in page
    assert 'sq-c9"></i>fixed' in page
    for name in ("2 CZ", "2 SWAP", "2 CRZ", "1 controlled NOT gates", "8 RY rotations"):
        assert name in page


def test_short_circuits_leave_room_for_the_words_above():
    page = draw_circuit(QuantumHead(in_features=16, n_qubits=2, n_reuploads=1, seed=0))
    places = [float(x) for x in re.findall(r'class="sq-label" x="([\d.]+)"', page)]
    assert places[1] - places[0] > 200
    assert ">run once</text>" in page


def test_a_circuit_of_too_many_gates_is_not_drawn():
    long = Circuit(2, [Gate("ry", (0,), weight=0)] * MAX_DRAWN)
    page = draw_circuit(QuantumHead(in_features=16, n_qubits=2, ansatz=(long, long), seed=0))
    assert "Too many gates to draw" in page
    assert "<svg" not in page


def test_more_labels_than_colours():
    engine = make_engine(n_qubits=6, n_classes=25)
    (reading,) = read_texts(engine.bundled, TEXTS[:1], engine.embed(TEXTS[:1]), Device(1, 10, "paper-high"), 0)
    assert np.count_nonzero(reading.agreement) > 6
    pages = [draw(reading) for draw in (draw_answer, draw_cloud, draw_stages)]
    assert {int(number) for page in pages for number in re.findall(r"sq-c(\d+)", page)} <= set(range(10))
    quantum = pages[0].split("Logistic regression")[0]
    assert "15 further labels" in quantum
    shown = [float(share) for share in re.findall(r"([\d.]+) %", quantum)]
    assert sum(shown) == pytest.approx(100, abs=1)
    assert f'sq-won"><span class="sq-name" dir="auto">{reading.labels[reading.winner]}<' in quantum
    assert pages[1].count("sq-square") == 6


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [False, True, True, False]),
        ({"encoder": "linear"}, [False, False, True, False]),
        ({"final_linear": False}, [False, True, True]),
    ],
)
def test_the_pipeline_says_what_is_quantum(settings, expected):
    engine = make_engine(**settings)
    assert [is_quantum for _, _, is_quantum in pipeline_steps(engine.bundled.head)] == expected
    page = draw_pipeline(engine.bundled.head)
    assert page.count("<li") == len(expected)
    assert page.count(">simulated quantum<") == sum(expected)
    (reading,) = read_texts(engine.bundled, TEXTS[:1], engine.embed(TEXTS[:1]), PERFECT, 0)
    assert ("A simulated quantum encoding" in draw_stages(reading)) == expected[1]
    assert ("<b>The encoder.</b>" in describe(engine)) == expected[1]


def test_signed_numbers():
    assert [signed(value) for value in (0.004, -0.004, 1.5, -0.25)] == ["0.00", "0.00", "+1.50", "−0.25"]


def test_percentages():
    assert [percent(share) for share in (0, 1e-5, 0.5, 0.9999, 1)] == [
        "0.0 %", "< 0.1 %", "50.0 %", "> 99.9 %", "100.0 %",
    ]  # fmt: skip
