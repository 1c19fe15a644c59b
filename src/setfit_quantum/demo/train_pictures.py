"""A training in pictures and words: its curves while it runs, and how it ended."""

from __future__ import annotations

from typing import Any

from setfit_quantum.demo.svg import Axis, Series, line_chart
from setfit_quantum.demo.training_run import Trained


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
        text + f" On {found.n_held_out} held-out examples the quantum classifier is right in "
        f"{100 * found.accuracy:.0f} %, logistic regression in {100 * found.classical_accuracy:.0f} %. "
        "(With so few, chance decides much.)"
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


def status(words: str) -> str:
    """A line that screen readers tell when it changes; `words` is HTML."""
    return f'<p class="sq-status" role="status" aria-live="polite">{words}</p>'
