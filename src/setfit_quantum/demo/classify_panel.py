"""The panel that classifies: sentence, shots, noise and device in; answer, cloud, stages and circuit out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from setfit_quantum.demo.circuit_picture import draw_circuit
from setfit_quantum.demo.engine import DemoModel, Engine
from setfit_quantum.demo.limits import (
    FILE_TYPES,
    MAX_NOISE_LEVEL,
    MAX_TEXTS,
    RequestError,
    check_noise_level,
    check_shots,
    check_texts,
    read_texts_file,
    split_lines,
)
from setfit_quantum.demo.measuring import DEVICES, LISTED_REPEATS, Device, Reading, read_texts
from setfit_quantum.demo.pictures import draw_answer, draw_cloud, draw_stages
from setfit_quantum.demo.request import on_page

FindModel = Callable[[Any], DemoModel]
"""What a panel asks, given the value of its state: the bundled model whatever that is, or the visitor's own."""

SHOTS, LEVEL, PRESET = 100, 1.0, "ionq-forte-enterprise"
MEASURING = "measuring"
"""Name of the group of events that measure; `LIMIT` of them run at once."""
LIMIT = 2
STATE_SECONDS = 3600
"""How long a session's sentences and model are kept."""
_SHOW = "() => { if (innerWidth < 700) document.querySelector('#%s-answer').scrollIntoView({behavior: 'smooth'}); }"


@dataclass(frozen=True)
class Panel:
    """What others may listen to or show.

    Args:
        text: The text box.
        chips: The examples to click.
        run: Calls the panel's work with these inputs and outputs, for `gr.on` and `load`.
    """

    text: gr.Textbox
    chips: list[gr.Button]
    run: dict[str, Any]

    def offer(self, sentences: Sequence[str]) -> list[Any]:
        """Updates of the text box and the chips: the first sentence, and the others to click."""
        chips = [gr.update(value=sentence, visible=True) for sentence in sentences[1 : len(self.chips) + 1]]
        return [sentences[0], *chips, *[gr.update(visible=False)] * (len(self.chips) - len(chips))]


def build_panel(engine: Engine, find_model: FindModel, trained: gr.State, *, prefix: str, examples: list[str]) -> Panel:
    """Build the panel in the current block.

    Args:
        engine: Embeds sentences.
        find_model: Gives the model to ask.
        trained: The session's state, handed to `find_model`.
        prefix: Start of the elements' ids.
        examples: Sentences to click; the first one stands in the box.
    """
    texts = gr.State([], time_to_live=STATE_SECONDS)
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            text = gr.Textbox(
                label="Your sentence (one per line for several)",
                value=examples[0] if examples else "",
                placeholder="Write anything …",
                lines=3,
                max_lines=8,
                elem_id=f"{prefix}-text",
            )
            with gr.Row(elem_classes="sq-chips"):
                chips = [gr.Button(example, size="sm", elem_classes="sq-chip") for example in examples[1:]]
            with gr.Group():
                shots = gr.Slider(
                    1,
                    5000,
                    value=SHOTS,
                    step=1,
                    label="Shots",
                    info="How often the circuit runs for one answer. Fewer shots, more shot noise.",
                    elem_id=f"{prefix}-shots",
                )
                level = gr.Slider(
                    0,
                    MAX_NOISE_LEVEL,
                    value=LEVEL,
                    step=0.5,
                    label="Noise level",
                    info="Multiple of the device's published error rates. 0: perfect gates.",
                    elem_id=f"{prefix}-level",
                )
                preset = gr.Dropdown(
                    [(title, name) for name, title in DEVICES.items()],
                    value=PRESET,
                    label="Device",
                    info="Whose gate and readout errors are simulated.",
                    filterable=False,
                    elem_id=f"{prefix}-device",
                )
            button = gr.Button("Measure", variant="primary", elem_id=f"{prefix}-run")
            with gr.Accordion("Many sentences from a file", open=False):
                file = gr.File(
                    label=f"CSV with a column “text” (at most {MAX_TEXTS} rows), or TXT",
                    file_types=list(FILE_TYPES),
                    height=130,
                    elem_id=f"{prefix}-file",
                )
        with gr.Column(scale=6, min_width=320):
            with gr.Column(visible=False, elem_classes="sq-card") as several:
                table = gr.Dataframe(
                    headers=["Sentence", "Quantum classifier", f"won, of {LISTED_REPEATS}", "Logistic regression"],
                    column_widths=["46%", "20%", "14%", "20%"],
                    label="All sentences",
                    interactive=False,
                    wrap=True,
                    max_height=320,
                    elem_id=f"{prefix}-table",
                )
                chosen = gr.Dropdown(label="Look inside", choices=[], type="index", elem_id=f"{prefix}-chosen")
            answer = gr.HTML(elem_id=f"{prefix}-answer", elem_classes="sq-card")
            cloud = gr.HTML(elem_id=f"{prefix}-cloud", elem_classes="sq-card")
    stages = gr.HTML(elem_id=f"{prefix}-stages", elem_classes="sq-card")
    with gr.Accordion("The circuit that decides", open=True):
        circuit = gr.HTML(elem_id=f"{prefix}-circuit")
    device_inputs = [shots, level, preset]
    pictures = [answer, cloud, stages, circuit]

    def show(model: DemoModel, sentences: list[str], row: int, device: Device) -> tuple[str, str, str, str]:
        sentence = sentences[row : row + 1]
        (reading,) = read_texts(model, sentence, engine.embed(sentence), device, secrets.randbits(63))
        drawing = draw_circuit(model.head, reading.latents.tolist())
        return draw_answer(reading), draw_cloud(reading), draw_stages(reading), drawing

    def run(sentences: list[str], state: Any, *values: Any) -> list[Any]:
        device = Device(check_shots(values[0]), check_noise_level(values[1]), values[2])
        model = find_model(state)
        drawn = show(model, sentences, 0, device)
        if len(sentences) == 1:
            return [*drawn, sentences, gr.update(visible=False), gr.update(), gr.update()]
        readings = read_texts(
            model, sentences, engine.embed(sentences), device, secrets.randbits(63), repeats=LISTED_REPEATS
        )
        choices = [f"{number}. {sentence[:70]}" for number, sentence in enumerate(sentences, start=1)]
        return [
            *drawn,
            sentences,
            gr.update(visible=True),
            [_row(reading) for reading in readings],
            gr.update(choices=choices, value=choices[0]),
        ]

    @on_page
    def measure_text(value: str, state: Any, *values: Any) -> list[Any]:
        return run(split_lines(value), state, *values)

    @on_page
    def measure_file(path: str | None, state: Any, *values: Any) -> list[Any]:
        if path is None:
            raise RequestError("There is no file.")
        return run(read_texts_file(path), state, *values)

    @on_page
    def look_inside(row: int | None, sentences: list[str], state: Any, *values: Any) -> list[Any]:
        device = Device(check_shots(values[0]), check_noise_level(values[1]), values[2])
        return list(show(find_model(state), check_texts(sentences), row or 0, device))

    # Private events take names too, from their functions: none of these may be that of a public endpoint.
    options: dict[str, Any] = {"concurrency_limit": LIMIT, "concurrency_id": MEASURING, "api_visibility": "private"}
    outputs = [*pictures, texts, several, table, chosen]
    work = {"fn": measure_text, "inputs": [text, trained, *device_inputs], "outputs": outputs, **options}
    gr.on(
        [button.click, text.submit, shots.release, level.release, preset.input],
        **work,
        trigger_mode="always_last",
        show_progress="minimal",
    )
    # On a phone the answer is below the fold.
    button.click(None, js=_SHOW % prefix, api_visibility="private")
    for chip in chips:
        chip.click(None, chip, text, js="sentence => sentence", api_visibility="private").then(
            **work, show_progress="minimal"
        )
    file.upload(measure_file, [file, trained, *device_inputs], outputs, show_progress="minimal", **options)
    chosen.input(look_inside, [chosen, texts, trained, *device_inputs], pictures, show_progress="minimal", **options)
    return Panel(text, chips, work)


def _row(reading: Reading) -> list[str]:
    """A line of the table: the label that most measurements gave, and how many."""
    winner = int(reading.agreement.argmax())
    wins = round(reading.agreement[winner] * len(reading.probabilities))
    rival = "" if reading.classical is None else reading.labels[int(reading.classical.argmax())]
    return [reading.text, reading.labels[winner], str(wins), rival]
