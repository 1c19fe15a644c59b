"""The tab "Train your own": a table of examples, live curves, then the trained model to try and to take home."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from setfit_quantum.data import draw_few_shot, load_examples
from setfit_quantum.demo.classify_panel import STATE_SECONDS, Panel, build_panel
from setfit_quantum.demo.engine import Engine
from setfit_quantum.demo.keeping import ZipShelf
from setfit_quantum.demo.limits import (
    MAX_CLASSES,
    MAX_ENCODERS,
    MAX_EPOCHS,
    MAX_QUBITS,
    MAX_ROWS,
    RequestError,
    check_training_rows,
    read_examples_file,
)
from setfit_quantum.demo.push_panel import build_login, build_push
from setfit_quantum.demo.request import on_page, refuse
from setfit_quantum.demo.train_pictures import describe, draw_curves, status
from setfit_quantum.demo.training_run import Trained, TrainingRequest, TrainingRun, own_model

TRAININGS = 2
"""Trainings that run at once; further visitors wait in the queue."""
TRAINING, ZIPPING = "training", "zipping"
"""Names of the groups of events that train, and that write zip files."""
PREFILLED = ("account", "billing", "delivery", "returns")
_CHIPS = 5


@dataclass(frozen=True)
class _Parts:
    """What a training changes on the page."""

    running: gr.State
    trained: gr.State
    status: gr.HTML
    curves: gr.HTML
    start: gr.Button
    stop: gr.Button
    done: gr.Column
    archive: gr.File
    panel: Panel

    def outputs(self) -> list[Any]:
        own = [self.status, self.curves, self.running, self.trained, self.start, self.stop, self.done, self.archive]
        return [*own, self.panel.text, *self.panel.chips]


def build_train_tab(engine: Engine, trained: gr.State, shelf: ZipShelf) -> None:
    """Build the tab in the current block; `trained` holds the session's `Trained`."""
    running = gr.State(None, time_to_live=STATE_SECONDS)
    gr.HTML(
        '<p class="sq-task">A few examples of each label are enough. Edit the table (⋮ in a cell adds and removes '
        "rows) or upload a file, then press Train. The model is yours alone and is forgotten after an hour.</p>"
    )
    build_login()
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            table = _build_table()
            with gr.Accordion("Examples from a file", open=False):
                file = gr.File(
                    label="CSV with the columns “text” and “label”",
                    file_types=[".csv", ".tsv", ".jsonl"],
                    height=130,
                    elem_id="train-file",
                )
        with gr.Column(scale=5, min_width=320):
            settings = _build_settings()
            with gr.Row():
                start = gr.Button("Train", variant="primary", elem_id="train-start")
                stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="train-stop")
            outcome = gr.HTML(status("Ready: 32 examples are in the table."), elem_id="train-status")
            curves = gr.HTML(elem_id="train-curves", elem_classes="sq-card", visible=False)
    with gr.Column(visible=False, elem_id="train-done") as done:
        gr.Markdown("## Try your model")
        panel = build_panel(engine, own_model, trained, prefix="own", examples=[""] * _CHIPS)
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                archive = _build_archive(engine, trained, shelf)
            with gr.Column(min_width=320):
                gr.Markdown("## Push it to the Hub")
                build_push(engine, trained)

    file.upload(_read_file, file, [table, outcome], api_visibility="private", concurrency_limit=4)
    parts = _Parts(running, trained, outcome, curves, start, stop, done, archive, panel)
    _listen(engine, parts, [table, *settings])


def _build_table() -> gr.Dataframe:
    return gr.Dataframe(
        value=prefilled_rows(),
        headers=["text", "label"],
        datatype=["str", "str"],
        column_count=2,
        column_widths=["72%", "28%"],
        type="array",
        interactive=True,
        wrap=True,
        max_height=380,
        label=f"Examples (2 to {MAX_CLASSES} labels, at most {MAX_ROWS} rows)",
        elem_id="train-table",
    )


def _build_settings() -> list[gr.Slider]:
    with gr.Group():
        qubits = gr.Slider(
            2,
            MAX_QUBITS,
            value=8,
            step=1,
            label="Qubits",
            info="Of the circuit that decides.",
            elem_id="train-qubits",
        )
        encoders = gr.Slider(
            1,
            MAX_ENCODERS,
            value=2,
            step=1,
            label="Quantum encoders",
            info="Circuits that compress the embedding into angles.",
            elem_id="train-encoders",
        )
        epochs = gr.Slider(
            5, MAX_EPOCHS, value=100, step=5, label="Epochs", info="Passes over the examples.", elem_id="train-epochs"
        )
    return [qubits, encoders, epochs]


def _build_archive(engine: Engine, trained: gr.State, shelf: ZipShelf) -> gr.File:
    gr.Markdown("## Take it home")
    kind = gr.Radio(
        [
            ("Quantum part alone (some 10 kB)", "head"),
            (f"Whole model (about {engine.body_megabytes:.0f} MB)", "whole"),
        ],
        value="head",
        label="What to download",
        elem_id="train-kind",
    )
    make = gr.Button("Make a zip file", elem_id="train-zip")
    archive = gr.File(label="Your model", visible=False, interactive=False, elem_id="train-archive")
    make.click(
        lambda state, choice: _make_zip(shelf, state, choice),
        [trained, kind],
        archive,
        api_visibility="private",
        concurrency_limit=1,
        concurrency_id=ZIPPING,
    )
    return archive


def _listen(engine: Engine, parts: _Parts, inputs: list[Any]) -> None:
    buttons = [parts.start, parts.stop]
    # Not in the queue: it tells at once that the press was heard, however long the queue is.
    waiting = parts.start.click(
        lambda: [
            status("Starting … (Two trainings run at once. If others are training, yours comes next.)"),
            gr.update(interactive=False),
        ],
        None,
        [parts.status, parts.start],
        api_visibility="private",
        queue=False,
        show_progress="hidden",
    )
    training = waiting.then(
        lambda rows, *values: (yield from _train(engine, parts.panel, rows, *values)),
        inputs,
        parts.outputs(),
        api_visibility="private",
        concurrency_limit=TRAININGS,
        concurrency_id=TRAINING,
        show_progress="hidden",
        trigger_mode="once",
    )
    training.success(**parts.panel.run, show_progress="hidden")
    training.failure(
        lambda: [status("Nothing was trained."), gr.update(interactive=True), gr.update(interactive=False)],
        None,
        [parts.status, *buttons],
        api_visibility="private",
        queue=False,
        show_progress="hidden",
    )
    # Not in the queue: it must get through while everything else waits.
    parts.stop.click(_stop, parts.running, parts.status, api_visibility="private", queue=False, show_progress="hidden")


def prefilled_rows() -> list[list[str]]:
    """32 bundled support requests: eight for each of four labels."""
    pool = load_examples("bundled:support")
    pool = pool.subset([row for row, label in enumerate(pool.labels) if label in PREFILLED])
    chosen = pool.subset(draw_few_shot(pool.strata, 8, seed=0))
    return [[text, str(label)] for text, label in zip(chosen.texts, chosen.labels, strict=True)]


def _train(engine: Engine, panel: Panel, rows: Any, qubits: Any, encoders: Any, epochs: Any) -> Iterator[list[Any]]:
    """Yields values for `_Parts.outputs`."""
    unchanged = gr.skip()
    offered = [unchanged] * (1 + len(panel.chips))
    try:
        request = TrainingRequest(check_training_rows(rows), qubits, encoders, epochs)
        run = TrainingRun(engine, request)
        buttons = [gr.update(interactive=False), gr.update(interactive=True)]
        hidden = gr.update(visible=False, value=None)
        words = status("Encoding the examples …")
        # Gradio can close a generator only after its first value: so long nothing may have begun.
        yield [words, unchanged, run, unchanged, *buttons, unchanged, hidden, *offered]
        for history in run.start().watch():
            if history:
                words = status(f"Epoch {len(history)} of {request.n_epochs} …")
            picture = gr.update(value=draw_curves(history, request.n_epochs), visible=bool(history))
            yield [words, picture, *[unchanged] * 6, *offered]
        found = run.result()
    except RequestError as error:
        raise refuse(error) from None
    picture = gr.update(value=draw_curves(found.history, request.n_epochs), visible=True)
    buttons = [gr.update(interactive=True), gr.update(interactive=False)]
    shown = gr.update(visible=True)
    yield [status(describe(found)), picture, None, found, *buttons, shown, unchanged, *panel.offer(found.to_try)]


def _stop(run: TrainingRun | None) -> str:
    if run is not None:
        run.stop()
    return status("Stopping after this epoch …")


@on_page
def _read_file(path: str | None) -> tuple[Any, str]:
    if path is None:
        raise RequestError("There is no file.")
    examples = read_examples_file(path)
    rows = [[text, str(label)] for text, label in zip(examples.texts, examples.labels, strict=True)]
    labels = ", ".join(escape(label) for label in examples.classes)
    return rows, status(f"{len(rows)} examples of {len(examples.classes)} labels: {labels}.")


@on_page
def _make_zip(shelf: ZipShelf, state: Trained | None, kind: str) -> Any:
    path = shelf.put(own_model(state), whole=kind == "whole")
    return gr.update(value=str(path), visible=True)
