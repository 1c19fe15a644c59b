"""The tab "Explore": measured accuracies, the energy curve, and where the parameters are."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from setfit_quantum.circuit.ansatz import build_encoder, build_pqc
from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.demo.limits import MAX_CLASSES, MAX_ENCODERS, MAX_SHOTS, RequestError, check_whole
from setfit_quantum.demo.request import on_page
from setfit_quantum.demo.svg import Axis, Series, line_chart
from setfit_quantum.energy import GATE_TIMES, EnergySettings, energy_curve, find_crossover, find_meeting_point
from setfit_quantum.head.ansatz import build_second_module
from setfit_quantum.presets import PRESETS

RESULTS = Path(__file__).parent / "results"
STUDIES = ("qubits", "noise", "shots")
_TITLES = {
    "qubits": "More qubits",
    "noise": "More noise",
    "shots": "More shots",
}
_QUBITS = range(10, 61, 2)


def build_explore_tab() -> None:
    """Build the tab in the current block."""
    gr.Markdown(
        "## Measured accuracy\n"
        "On the bundled reviews, by this package's own benchmark: mean over seeds, and the range between the best "
        "and the worst. Differences of a few percent are chance: the test has few sentences."
    )
    gr.HTML(f'<div class="sq-triple">{"".join(draw_study(name) for name in STUDIES)}</div>', elem_id="explore-accuracy")
    gr.Markdown(
        "## Energy of one inference\n"
        "A quantum processor needs energy in proportion to shots and gates; a GPU that simulates the same circuit "
        "needs twice as much with every further qubit. Where they cross depends on the assumptions: move them."
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320), gr.Group():
            times = gr.Dropdown(
                [(f"{_us(t.one_qubit)} and {_us(t.two_qubit)} µs ({name})", name) for name, t in GATE_TIMES.items()],
                value="forte-enterprise",
                label="Gate times (one and two qubits)",
                filterable=False,
                elem_id="energy-times",
            )
            shots = gr.Slider(100, 20_000, value=8000, step=100, label="Shots", elem_id="energy-shots")
            watts = gr.Slider(1, 1000, value=300, step=1, label="Watts per qubit", elem_id="energy-watts")
            rate = gr.Slider(1, 1000, value=34, step=1, label="GPU, TFLOP/s", elem_id="energy-rate")
            power = gr.Slider(50, 2000, value=700, step=50, label="GPU, watts", elem_id="energy-power")
        with gr.Column(scale=6, min_width=320):
            figure = gr.HTML(
                draw_energy("forte-enterprise", 8000, 300, 34, 700), elem_id="energy-figure", elem_classes="sq-card"
            )
    sliders = [shots, watts, rate, power]
    gr.on(
        [times.input, *(slider.release for slider in sliders)],
        on_page(draw_energy),
        [times, *sliders],
        figure,
        api_visibility="private",
        show_progress="hidden",
        concurrency_limit=4,
        trigger_mode="always_last",
    )
    gr.Markdown(
        "## Where the parameters are\n"
        "The paper's quantum classifier is small: a few hundred trained numbers, most of them angles of the encoders."
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320), gr.Group():
            qubits = gr.Slider(2, 18, value=10, step=1, label="Qubits", elem_id="count-qubits")
            encoders = gr.Slider(1, 2, value=1, step=1, label="Quantum encoders", elem_id="count-encoders")
            classes = gr.Slider(2, 10, value=2, step=1, label="Labels", elem_id="count-classes")
            width = gr.Dropdown(
                [("384 (MiniLM)", 384), ("768 (mpnet, the paper's)", 768), ("1024", 1024)],
                value=384,
                label="Width of the embedding",
                filterable=False,
                elem_id="count-width",
            )
        with gr.Column(scale=6, min_width=320):
            counted = gr.HTML(draw_parameters(10, 1, 2, 384), elem_id="count-figure", elem_classes="sq-card")
    sliders = [qubits, encoders, classes]
    gr.on(
        [width.input, *(slider.release for slider in sliders)],
        on_page(draw_parameters),
        [*sliders, width],
        counted,
        api_visibility="private",
        show_progress="hidden",
        concurrency_limit=4,
        trigger_mode="always_last",
    )


def read_study(name: str) -> dict[str, Any]:
    """One of the measured studies."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def draw_study(name: str) -> str:
    """Accuracy over what the study varies."""
    study = read_study(name)
    points = study["points"]
    xs = [float(point["x"]) for point in points]
    means = [sum(point["accuracies"]) / len(point["accuracies"]) for point in points]
    lines = [
        Series(
            "quantum classifier",
            xs,
            means,
            low=[min(point["accuracies"]) for point in points],
            high=[max(point["accuracies"]) for point in points],
            dots=True,
        )
    ]
    reference = study.get("reference")
    if reference:
        lines.append(Series(reference["name"], [min(xs), max(xs)], [reference["accuracy"]] * 2, colour=1, dashed=True))
    ends = f"{means[0]:.0%} at {xs[0]:g}, {means[-1]:.0%} at {xs[-1]:g}"
    log = bool(study.get("log"))
    ticks = None if log else [(x, f"{x:g}") for x in xs]
    return (
        f'<section class="sq-card"><h3>{escape(_TITLES[name])}</h3>'
        + line_chart(
            lines,
            Axis(study["x_label"], min(xs), max(xs), log=log, ticks=ticks),
            Axis("test accuracy", 0.4, 1.0, ticks=[(share / 10, f"{10 * share} %") for share in range(4, 11)]),
            description=f"Test accuracy by {study['x_label']}: {ends}.",
            width=320,
        )
        + f'<p class="sq-sub">{escape(study["note"])}</p></section>'
    )


def draw_energy(times: str, shots: float, watts: float, rate: float, power: float) -> str:
    """Both curves and where they meet.

    Raises:
        RequestError: A number that is none.
    """
    n_shots = check_whole("Shots", shots, 1, MAX_SHOTS)
    for name, value in (("watts per qubit", watts), ("GPU's TFLOP/s", rate), ("GPU's watts", power)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            raise RequestError(f"The {name} must be a number between 0 and 1,000,000, but got {value!r:.60}.")
    settings = EnergySettings(times, n_shots, float(watts), float(power), float(rate) * 1e12)
    curve = energy_curve(list(_QUBITS), settings=settings)
    crossover, meeting = find_crossover(settings=settings), find_meeting_point(settings=settings)
    xs = [float(estimate.n_qubits) for estimate in curve]
    lines = [
        Series("quantum processor", xs, [estimate.qpu_joules for estimate in curve], colour=0),
        Series("GPU that simulates it", xs, [estimate.gpu_joules for estimate in curve], colour=1),
    ]
    values = [value for line in lines for value in line.y if value is not None]
    low, high = (10.0 ** f(math.log10(v)) for f, v in ((math.floor, min(values)), (math.ceil, max(values))))
    marker = None
    if crossover is not None and meeting is not None and _QUBITS[0] <= meeting <= _QUBITS[-1]:
        marker = (meeting, f"meet at {meeting:.2f}")
    words = (
        "The GPU never needs more in this range."
        if crossover is None
        else f"From {crossover} qubits on the GPU needs more energy than the quantum processor."
    )
    picture = line_chart(
        lines,
        Axis("qubits", _QUBITS[0], _QUBITS[-1], ticks=[(q, str(q)) for q in range(10, 61, 10)]),
        Axis("joules per inference", low, high, log=True),
        description=f"Energy per inference over the number of qubits. {words}",
        marker=marker,
    )
    return (
        f'<p class="sq-verdict" role="status">{words}</p>{picture}<p class="sq-sub">'
        "Gate counts are those of the paper’s circuit (15 one-qubit and 6 two-qubit gates per qubit). The paper puts "
        "the crossing at 46 qubits. A simulator on a GPU is not the best classical method: at 10 qubits, logistic "
        "regression does the same job for a tiny part of either energy.</p>"
    )


def draw_parameters(qubits: float, encoders: float, classes: float, width: int) -> str:
    """Trained numbers by part.

    Raises:
        RequestError: A number that is not allowed.
    """
    n_qubits = check_whole("The number of qubits", qubits, 2, 18)
    n_encoders = check_whole("The number of encoders", encoders, 1, MAX_ENCODERS)
    n_classes = check_whole("The number of labels", classes, 2, MAX_CLASSES)
    width = check_whole("The width", width, 1, 4096)
    parts = count_parts(n_qubits, n_encoders, n_classes, width)
    total = sum(count for _, count, _ in parts)
    rows = "".join(
        f'<li><span class="sq-name">{escape(name)}</span><span class="sq-value">{count:,}</span><span class="sq-track">'
        f'<span class="sq-fill sq-c{number}" style="width:{100 * count / total:.2f}%"></span></span>'
        f'<small class="sq-sub">{escape(note)}</small></li>'
        for number, (name, count, note) in enumerate(parts)
    )
    linear = width + 1 if n_classes == 2 else (width + 1) * n_classes
    hidden = (width + 1) * 48 + 49 * n_classes
    return (
        f'<p class="sq-verdict" role="status">{total:,} trained parameters</p><ul class="sq-bars">{rows}</ul>'
        f'<p class="sq-sub">For comparison: logistic regression has {linear:,}, a network with 48 hidden units '
        f"{hidden:,}.</p>"
    )


def count_parts(n_qubits: int, n_encoders: int, n_classes: int, width: int) -> Sequence[tuple[str, int, str]]:
    """`(part, number of parameters, why)` of the paper's head, counted from the circuits themselves."""
    sizes = {"n_qubits": n_qubits, "n_encoders": n_encoders, "out_features": n_classes, "in_features": width}
    config = QuantumHeadConfig(**(PRESETS["paper-single"] | sizes))
    wires = config.resolve_encoder_qubits(width)
    connectivity = config.resolve_encoder_connectivity(wires)
    encoder = build_encoder(wires, config.encoder_layers, connectivity).num_parameters
    circuit = build_second_module(config, None)
    shared = build_pqc(n_qubits, config.reupload_layers, config.connectivity).num_parameters
    return [
        (
            "encoders",
            n_encoders * (encoder + 1),
            f"{n_encoders} × ({encoder} angles on {wires} qubits, which hold {width} numbers, and 1 scale)",
        ),
        ("circuit, repeated part", shared, f"the same angles in all {config.n_reuploads} repetitions"),
        (
            "circuit, last part",
            circuit.num_parameters - shared,
            f"{config.n_layers} layers of rotations and entangling rings",
        ),
        ("linear layer", (n_qubits + 1) * n_classes, f"{n_qubits} measured values and a constant for each label"),
    ]


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:g}"
