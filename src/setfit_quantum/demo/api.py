"""Named endpoints for programs: `/classify`, `/train`, `/download`. They take and give plain values."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import gradio as gr

from setfit_quantum.demo.classify_panel import LEVEL, LIMIT, MEASURING, PRESET, SHOTS
from setfit_quantum.demo.engine import Engine
from setfit_quantum.demo.keeping import ZipShelf
from setfit_quantum.demo.limits import (
    RequestError,
    check_noise_level,
    check_shots,
    check_training_rows,
    check_whole,
    split_lines,
)
from setfit_quantum.demo.measuring import DEVICES, LISTED_REPEATS, REPEATS, Device, Reading, read_texts
from setfit_quantum.demo.request import refuse
from setfit_quantum.demo.train_tab import TRAINING, TRAININGS, ZIPPING
from setfit_quantum.demo.training_run import Trained, TrainingRequest, TrainingRun, list_epochs, own_model

BUNDLED, OWN = "bundled", "own"


def build_api(engine: Engine, trained: gr.State, shelf: ZipShelf) -> None:
    """Add the endpoints to the current `Blocks`, bound to parts that are never shown."""

    def classify(
        text: str, shots: float, noise_level: float, device: str, model: str, seed: float, state: Trained | None
    ) -> tuple[dict[str, float], dict[str, Any]]:
        """Classify a text, one sentence or one per line.

        Returns the confidences of the first sentence by label, and details: every stage of every sentence. A seed of -1
        draws one; the same seed gives the same measurement.
        """
        try:
            found = _classify(engine, text, shots, noise_level, device, model, seed, state)
        except RequestError as error:
            raise refuse(error, page=False) from None
        return found[0].confidences, {"sentences": [_details(reading) for reading in found]}

    # A generator, since Gradio can stop nothing else when its client gives up.
    def train(examples: Any, n_qubits: float, n_encoders: float, epochs: float) -> Iterator[tuple[Any, Any]]:
        """Train on [text, label] pairs. The model is then the session's own: `/classify` with model="own" asks it.

        While it trains, a job's outputs are the curves so far; the last one is the summary.
        """
        try:
            request = TrainingRequest(check_training_rows(examples), n_qubits, n_encoders, epochs)  # type: ignore[arg-type]
            run = TrainingRun(engine, request)
            # Gradio can close a generator only after its first value: so long nothing may have begun.
            yield {"ended": None, "epochs": 0, "history": []}, gr.skip()
            for history in run.start().watch(1.0):
                yield {"ended": None, "epochs": len(history), "history": list_epochs(history)}, gr.skip()
            found = run.result()
        except RequestError as error:
            raise refuse(error, page=False) from None
        yield found.summary(), found

    def download(kind: str, state: Trained | None) -> str:
        """The session's own model as a zip file: kind="head" or kind="whole"."""
        try:
            if kind not in ("head", "whole"):
                raise RequestError(f"The kind must be head or whole, but got {kind!r:.60}.")
            return str(shelf.put(own_model(state), whole=kind == "whole"))
        except RequestError as error:
            raise refuse(error, page=False) from None

    with gr.Column(visible=False):
        gr.Button().click(
            classify,
            [
                gr.Textbox(label="text"),
                gr.Number(SHOTS, label="shots"),
                gr.Number(LEVEL, label="noise_level"),
                gr.Textbox(PRESET, label="device"),
                gr.Textbox(BUNDLED, label="model"),
                gr.Number(-1, label="seed"),
                trained,
            ],
            [gr.JSON(label="confidences"), gr.JSON(label="details")],
            api_name="classify",
            concurrency_limit=LIMIT,
            concurrency_id=MEASURING,
        )
        gr.Button().click(
            train,
            [
                gr.JSON(label="examples"),
                gr.Number(8, label="n_qubits"),
                gr.Number(2, label="n_encoders"),
                gr.Number(100, label="epochs"),
            ],
            [gr.JSON(label="summary"), trained],
            api_name="train",
            concurrency_limit=TRAININGS,
            concurrency_id=TRAINING,
        )
        gr.Button().click(
            download,
            [gr.Textbox("head", label="kind"), trained],
            gr.File(label="zip"),
            api_name="download",
            concurrency_limit=1,
            concurrency_id=ZIPPING,
        )


def _classify(
    engine: Engine, text: str, shots: Any, level: Any, device: str, model: str, seed: Any, state: Trained | None
) -> list[Reading]:
    texts = split_lines(text)
    measured_with = Device(check_shots(shots), check_noise_level(level), device)
    if model not in (BUNDLED, OWN):
        raise RequestError(f"The model must be {BUNDLED} or {OWN}, but got {model!r:.60}.")
    asked = own_model(state) if model == OWN else engine.bundled
    drawn = check_whole("The seed", seed, -1, 2**53 - 1)
    measured_by = secrets.randbits(63) if drawn == -1 else drawn
    repeats = REPEATS if len(texts) == 1 else LISTED_REPEATS
    return read_texts(asked, texts, engine.embed(texts), measured_with, measured_by, repeats)


def _details(reading: Reading) -> dict[str, Any]:
    """One sentence, JSON-ready."""
    labels = reading.labels

    def by_label(values: Any) -> dict[str, float] | None:
        return None if values is None else {label: float(value) for label, value in zip(labels, values, strict=True)}

    return {
        "text": reading.text,
        "label": labels[reading.winner],
        "confidences": reading.confidences,
        "without_noise": by_label(reading.exact_probabilities),
        "logistic_regression": by_label(reading.classical),
        "share_of_repetitions_won": by_label(reading.agreement),
        "repetitions": len(reading.probabilities),
        "angles": reading.latents.tolist(),
        "expectations": reading.measured[0].tolist(),
        "expectations_without_noise": reading.exact.tolist(),
        "votes": None if reading.votes is None else reading.votes.tolist(),
        "shots": reading.device.shots,
        "noise_level": reading.device.level,
        "device": DEVICES[reading.device.preset],
    }
