"""The demo's tab "Explore": the studies, the energy and the parameter count."""

import math

import pytest

from setfit_quantum import QuantumHead
from setfit_quantum.demo.explore_tab import (
    STUDIES,
    count_parts,
    draw_energy,
    draw_parameters,
    draw_study,
    read_study,
)
from setfit_quantum.demo.limits import RequestError


@pytest.mark.parametrize(("qubits", "encoders", "classes", "width"), [(10, 1, 2, 384), (8, 2, 4, 768), (2, 1, 3, 1024)])
def test_parameter_counts_are_the_heads(qubits, encoders, classes, width):
    sizes = {"n_qubits": qubits, "n_encoders": encoders, "out_features": classes}
    head = QuantumHead.from_preset("paper-single", in_features=width, seed=0, **sizes)
    assert sum(count for _, count, _ in count_parts(qubits, encoders, classes, width)) == head.num_parameters()


def test_studies_say_how_they_were_made():
    for name in STUDIES:
        study = read_study(name)
        assert study["made_by"] == "benchmarks/demo_results.py"
        assert len(study["points"]) >= 5
        for point in study["points"]:
            assert len(point["accuracies"]) == len(study["seeds"])
            assert all(0.3 < accuracy <= 1 for accuracy in point["accuracies"])
        assert "aria-label" in draw_study(name)


@pytest.mark.parametrize(
    ("draw", "values", "message"),
    [
        (draw_energy, ("forte", math.nan, 300, 34, 700), "Shots must be a whole number"),
        (draw_energy, ("forte", 100, None, 34, 700), "watts per qubit must be a number"),
        (draw_energy, ("forte", 100, 300, 0, 700), "TFLOP/s must be a number"),
        (draw_energy, ("forte", 100, 300, 34, -1), "GPU's watts must be a number"),
        (draw_parameters, (math.nan, 1, 2, 384), "number of qubits must be a whole number"),
        (draw_parameters, (10**6, 1, 2, 384), "number of qubits must be a whole number"),
        (draw_parameters, (10, 1, 10**6, 384), "number of labels must be a whole number"),
        (draw_parameters, (10, 1, 2, 10**9), "The width must be a whole number"),
    ],
)
def test_figures_that_are_refused(draw, values, message):
    with pytest.raises(RequestError, match=message):
        draw(*values)


def test_fewer_shots_move_the_crossing():
    assert "From 41 qubits on" in draw_energy("forte", 100, 300, 34, 700)


def test_energy_figure_names_the_crossing():
    assert "From 46 qubits on" in draw_energy("forte-enterprise", 8000, 300, 34, 700)
    assert "From 47 qubits on" in draw_energy("forte", 8000, 300, 34, 700)
