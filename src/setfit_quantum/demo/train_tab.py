"""The tab "Train your own": a table of examples, live curves, then the trained model to try and to take home."""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from setfit_quantum.data import draw_few_shot, load_examples
from setfit_quantum.demo.classify_panel import build_panel
from setfit_quantum.demo.engine import DemoModel, Engine
from setfit_quantum.demo.keeping import push, write_zip
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
from setfit_quantum.demo.request import refuse
from setfit_quantum.demo.svg import Axis, Series, line_chart
from setfit_quantum.demo.training_run import Trained, TrainingRequest, TrainingRun

TRAININGS = 2
"""Trainings that run at once; further visitors wait in the queue."""
STATE_SECONDS = 3600
"""How long a session's model is kept after it was last trained."""
PREFILLED = ("account", "billing", "delivery", "returns")
TRY_IT = ["Where is my parcel?", "I was charged twice this month.", "I forgot my password.", "May I send it back?"]


def build_train_tab(engine: Engine, trained: gr.State) -> None:
    """Build the tab in the current block; `trained` holds the session's `Trained`."""
    running = gr.State(None, time_to_live=STATE_SECONDS)
    gr.Markdown(
        "Give a few examples of each label, and train a quantum head on them. Nothing is kept: the model lives as long "
        "as this page, and nobody else can reach it."
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            table = gr.Dataframe(
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
            with gr.Accordion("Examples from a file", open=False):
                file = gr.File(
                    label="CSV with the columns “text” and “label”",
                    file_types=[".csv", ".tsv", ".jsonl"],
                    height=130,
                    elem_id="train-file",
                )
        with gr.Column(scale=5, min_width=320):
            with gr.Group():
                qubits = gr.Slider(2, MAX_QUBITS, value=8, step=1, label="Qubits", elem_id="train-qubits")
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
                    5,
                    MAX_EPOCHS,
                    value=100,
                    step=5,
                    label="Epochs",
                    info="Passes over the examples.",
                    elem_id="train-epochs",
                )
            with gr.Row():
                start = gr.Button("Train", variant="primary", elem_id="train-start")
                stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="train-stop")
            status = gr.HTML(_status("Ready: 32 examples are in the table."), elem_id="train-status")
            curves = gr.HTML(elem_id="train-curves", elem_classes="sq-card", visible=False)
    with gr.Column(visible=False, elem_id="train-done") as done:
        gr.Markdown("## Try your model")
        build_panel(engine, own_model, trained, prefix="own", examples=["", *TRY_IT])
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                gr.Markdown("## Take it home")
                kind = gr.Radio(
                    [("Head alone (some 20 kB)", "head"), ("Whole model (about 90 MB)", "whole")],
                    value="head",
                    label="What to download",
                    elem_id="train-kind",
                )
                make = gr.Button("Make a zip file", elem_id="train-zip")
                archive = gr.File(label="Your model", visible=False, interactive=False, elem_id="train-archive")
            with gr.Column(min_width=320):
                gr.Markdown("## Push it to the Hub")
                _build_push(engine, trained)

    file.upload(_read_file, file, [table, status], api_visibility="private", concurrency_limit=4)
    start.click(
        lambda rows, *values: (yield from _train(engine, rows, *values)),
        [table, qubits, encoders, epochs],
        [status, curves, running, trained, start, stop, done, archive],
        api_visibility="private",
        concurrency_limit=TRAININGS,
        concurrency_id="training",
        show_progress="hidden",
        trigger_mode="once",
    )
    # Not in the queue: it must get through while everything else waits.
    stop.click(_stop, running, status, api_visibility="private", queue=False, show_progress="hidden")
    make.click(
        lambda state, choice: _make_zip(engine, state, choice),
        [trained, kind],
        archive,
        api_visibility="private",
        concurrency_limit=1,
        concurrency_id="files",
    )


def prefilled_rows() -> list[list[str]]:
    """32 bundled support requests: eight for each of four labels."""
    pool = load_examples("bundled:support")
    pool = pool.subset([row for row, label in enumerate(pool.labels) if label in PREFILLED])
    chosen = pool.subset(draw_few_shot(pool.strata, 8, seed=0))
    return [[text, str(label)] for text, label in zip(chosen.texts, chosen.labels, strict=True)]


def own_training(state: Trained | None) -> Trained:
    """The session's own training.

    Raises:
        RequestError: It has none.
    """
    if state is None:
        raise RequestError("This session has no trained model (or no longer: it is kept for an hour). Train one first.")
    return state


def own_model(state: Trained | None) -> DemoModel:
    """The session's own model, see `own_training`."""
    return own_training(state).model


def _train(engine: Engine, rows: Any, qubits: Any, encoders: Any, epochs: Any) -> Iterator[list[Any]]:
    """Yields status, curves, run, trained model, both buttons, the part below, the zip file."""
    unchanged = gr.skip()
    try:
        request = TrainingRequest(check_training_rows(rows), qubits, encoders, epochs)
        run = TrainingRun(engine, request).start()
        buttons = [gr.update(interactive=False), gr.update(interactive=True)]
        hidden = gr.update(visible=False, value=None)
        yield [_status("Encoding the examples …"), gr.update(), run, unchanged, *buttons, unchanged, hidden]
        for history in run.watch():
            words = f"Epoch {len(history)} of {request.n_epochs} …" if history else "Encoding the examples …"
            picture = gr.update(value=draw_curves(history, request.n_epochs), visible=bool(history))
            yield [_status(words), picture, unchanged, unchanged, unchanged, unchanged, unchanged, unchanged]
        found = run.result()
    except RequestError as error:
        raise refuse(error) from None
    picture = gr.update(value=draw_curves(found.history, request.n_epochs), visible=True)
    buttons = [gr.update(interactive=True), gr.update(interactive=False)]
    yield [_status(describe(found)), picture, None, found, *buttons, gr.update(visible=True), unchanged]


def describe(found: Trained) -> str:
    """The outcome in words, as HTML."""
    head = found.model.head
    ended = {"finished": "Finished", "stopped": "Stopped by you", "out of time": "Ended by the time limit"}[found.ended]
    text = (
        f"<b>{ended}</b> after {len(found.history)} epochs in {found.seconds:.1f} s: "
        f"{head.num_parameters()} parameters, {found.n_train} examples."
    )
    if found.accuracy is None or found.classical_accuracy is None:
        return text + " Nothing was held out: for that, every label needs four examples."
    return (
        text + f" On {found.n_held_out} held-out examples the quantum head is right in {100 * found.accuracy:.0f} %, "
        f"logistic regression in {100 * found.classical_accuracy:.0f} %. (With so few, chance decides much.)"
    )


def draw_curves(history: list[dict[str, Any]], n_epochs: int) -> str:
    """Loss and accuracy by epoch."""
    if not history:
        return ""
    epochs = [entry["epoch"] for entry in history]
    x = Axis("epoch", 0, n_epochs)
    held_out = history[-1]["eval_loss"] is not None
    charts = []
    for kind, name in (("loss", "loss"), ("metric", "accuracy")):
        lines = [Series("trained on", epochs, [entry[f"train_{kind}"] for entry in history])]
        if held_out:
            values = [entry[f"eval_{kind}"] for entry in history]
            lines.append(Series("held out", epochs, values, colour=1, dashed=True))
        top = 1.0 if kind == "metric" else max(float(value or 0) for line in lines for value in line.y)
        last = ", ".join(f"{line.name} {line.y[-1]:.2f}" for line in lines)
        words = f"{name} after {epochs[-1]} epochs: {last}"
        charts.append(line_chart(lines, x, Axis(name, 0, max(top, 0.1)), description=words, width=320))
    return f'<div class="sq-pair">{"".join(charts)}</div>'


def _status(words: str) -> str:
    return f'<p class="sq-status" role="status" aria-live="polite">{words}</p>'


def _stop(run: TrainingRun | None) -> str:
    if run is not None:
        run.stop()
    return _status("Stopping after this epoch …")


def _read_file(path: str | None) -> tuple[Any, str]:
    try:
        if path is None:
            raise RequestError("There is no file.")
        examples = read_examples_file(path)
    except RequestError as error:
        raise refuse(error) from None
    rows = [[text, str(label)] for text, label in zip(examples.texts, examples.labels, strict=True)]
    labels = ", ".join(escape(label) for label in examples.classes)
    return rows, _status(f"{len(rows)} examples of {len(examples.classes)} labels: {labels}.")


def _make_zip(engine: Engine, state: Trained | None, kind: str) -> Any:
    try:
        path = write_zip(engine, own_training(state), whole=kind == "whole")
    except RequestError as error:
        raise refuse(error) from None
    return gr.update(value=str(path), visible=True)


def _build_push(engine: Engine, trained: gr.State) -> None:
    # A Space without `hf_oauth` has no client id, and its visitors type a token.
    on_space = "SPACE_ID" in os.environ and "OAUTH_CLIENT_ID" in os.environ
    repository = gr.Textbox(
        label="Repository", placeholder="you/my-quantum-model", max_lines=1, elem_id="push-repository"
    )
    if on_space:
        gr.LoginButton()
    token = gr.Textbox(
        label="Token with write access",
        info="Used for this one push, never logged or stored."
        + (" Not needed if you are signed in." if on_space else ""),
        type="password",
        max_lines=1,
        elem_id="push-token",
    )
    private = gr.Checkbox(label="Private repository", value=True, elem_id="push-private")
    button = gr.Button("Push", elem_id="push-start")
    outcome = gr.HTML(elem_id="push-outcome")

    def run(
        state: Trained | None, name: str, secret: str, is_private: bool, login: gr.OAuthToken | None
    ) -> tuple[str, str]:
        try:
            own = secret or (login.token if login is not None else "")
            url = push(engine, own_model(state), name, own, private=is_private)
        except RequestError as error:
            raise refuse(error) from None
        return _status(f'Pushed: <a href="{escape(url)}" target="_blank" rel="noopener">{escape(url)}</a>'), ""

    button.click(
        run,
        [trained, repository, token, private],
        [outcome, token],
        api_visibility="private",
        concurrency_limit=2,
        concurrency_id="files",
    )
