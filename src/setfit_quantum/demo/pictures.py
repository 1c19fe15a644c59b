"""A reading as HTML: the answer, the cloud of re-measurements, and what each stage saw. All user text is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from setfit_quantum.demo.measuring import Reading
from setfit_quantum.demo.svg import COLOURS, HEIGHT, WIDTH

_BINS = 50
_LISTED = 10
"""Labels that the answer lists; of a model with more, the likeliest."""
_KEYS = 6
"""Labels that the cloud's legend lists."""
_ENCODERS = {
    "quantum": "A simulated quantum encoding compresses them into",
    "linear": "A linear layer (classical) turns them into",
    "mlp": "A small neural network (classical) turns them into",
}
_PLOT = (14, WIDTH - 14, 12, HEIGHT - 46)
"""Left, right, top and bottom of the cloud's plot."""


def percent(share: float) -> str:
    """A share as a percentage that is 0 or 100 only if it is exactly that."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %"


def signed(value: float) -> str:
    """A number with its sign and two decimals; zero has none."""
    text = f"{value:+.2f}"
    return "0.00" if text[1:] == "0.00" else text.replace("-", "−")


def draw_answer(reading: Reading) -> str:
    """Confidences of the quantum classifier beside those of its classical rival."""
    quantum = _head(
        "Quantum classifier", f"one measurement: {reading.device.describe()}", reading.labels, reading.probabilities[0]
    )
    if reading.classical is None:
        classical = (
            '<div class="sq-head"><h3>Logistic regression</h3><p class="sq-sub">'
            "needs the training data, which a saved model does not carry</p></div>"
        )
    else:
        classical = _head(
            "Logistic regression", "classical: same embedding, no circuit", reading.labels, reading.classical
        )
    return (
        f'<blockquote class="sq-quote" dir="auto">{escape(_shorten(reading.text))}</blockquote>'
        f'<div class="sq-heads sq-versus">{quantum}{classical}</div>'
    )


def _head(title: str, note: str, labels: Sequence[str], probabilities: np.ndarray) -> str:
    winner = int(np.argmax(probabilities))
    listed = list(range(len(labels)))
    if len(labels) > _LISTED:
        listed = np.argsort(-probabilities, kind="stable")[:_LISTED].tolist()
    rows = "".join(
        f'<li class="{"sq-won" if number == winner else ""}"><span class="sq-name" dir="auto">{escape(labels[number])}'
        f'</span><span class="sq-value">{percent(probabilities[number])}</span><span class="sq-track">'
        f'<span class="sq-fill {_colour(number)}" style="width:{100 * probabilities[number]:.2f}%"></span></span></li>'
        for number in listed
    )
    if len(labels) > _LISTED:
        rest = percent(max(0.0, 1 - float(probabilities[listed].sum())))
        rows += (
            f'<li><span class="sq-name sq-sub">{len(labels) - _LISTED} further labels</span>'
            f'<span class="sq-value sq-sub">{rest}</span></li>'
        )
    return (
        f'<div class="sq-head"><h3>{title}</h3><p class="sq-sub">{escape(note)}</p>'
        f'<p class="sq-verdict" dir="auto">{escape(labels[winner])}</p><ul class="sq-bars">{rows}</ul></div>'
    )


def draw_cloud(reading: Reading) -> str:
    """One brick for each re-measurement: where it fell, and which label won it."""
    shown = int(reading.exact_probabilities.argmax())
    label = reading.labels[shown]
    values = reading.probabilities[:, shown]
    winners = reading.probabilities.argmax(axis=1)
    bins = np.minimum((values * _BINS).astype(int), _BINS - 1)
    left, right, top, bottom = _PLOT
    width = (right - left) / _BINS
    height = min(7.0, (bottom - top) / max(1, np.bincount(bins, minlength=_BINS).max()))
    filled = np.zeros(_BINS, dtype=int)
    bricks = []
    for number, (place, winner) in enumerate(zip(bins, winners, strict=True)):
        filled[place] += 1
        bricks.append(
            f'<rect class="sq-brick {_colour(winner)}" x="{left + place * width + 0.4:.1f}" '
            f'y="{bottom - filled[place] * height:.2f}" width="{width - 0.8:.1f}" '
            f'height="{max(height - 0.7, height * 0.8):.2f}" style="animation-delay:{6 * number}ms"/>'
        )
    ticks = "".join(
        f'<text class="sq-tick" x="{left + share * (right - left):.1f}" y="{bottom + 16}" '
        f'text-anchor="{"start" if share == 0 else "end" if share == 1 else "middle"}">{100 * share:.0f} %</text>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    exact = left + float(reading.exact_probabilities[shown]) * (right - left)
    exact_line = f'<line class="sq-exact" x1="{exact:.1f}" x2="{exact:.1f}" y1="{top - 8}" y2="{bottom}"/>'
    axis = f'<line class="sq-axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
    title = f"confidence in “{_shorten(label, 30)}”"
    caption = f'<text class="sq-label" x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(title)}</text>'
    low, high = np.quantile(values, [0.05, 0.95])
    summary = (
        f"The sentence measured {len(values)} times: the confidence in {label} lies between {percent(low)} and "
        f"{percent(high)} in nine of ten measurements; without any noise it is "
        f"{percent(reading.exact_probabilities[shown])}."
    )
    svg = (
        f'<svg class="sq-chart sq-large" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(summary)}">'
        f"{axis}{ticks}{caption}{''.join(bricks)}{exact_line}</svg>"
    )
    return (
        f'<h3>The same sentence, measured {len(values)} times</h3><p class="sq-sub">{_wins(reading)} '
        f"Each brick is one answer.</p>"
        f'<div class="sq-figure">{svg}<div class="sq-legend">'
        f'<span class="sq-key"><i class="sq-sample sq-exact-key"></i>without shot or gate noise: '
        f"{percent(reading.exact_probabilities[shown])}</span>{_label_keys(reading)}</div></div>"
    )


def _wins(reading: Reading) -> str:
    total = len(reading.probabilities)
    counts = [(round(share * total), label) for share, label in zip(reading.agreement, reading.labels, strict=True)]
    counts = sorted((pair for pair in counts if pair[0]), key=lambda pair: -pair[0])
    if len(counts) == 1:
        return f"{_bold(counts[0][1])} won every time."
    return ", ".join(f"{_bold(label)} won {count} times" for count, label in counts[:4]) + "."


def _label_keys(reading: Reading) -> str:
    agreement = reading.agreement
    won = np.flatnonzero(agreement)
    if len(won) > _KEYS:
        won = np.sort(won[np.argsort(-agreement[won], kind="stable")[:_KEYS]])
    return "".join(
        f'<span class="sq-key" dir="auto"><i class="sq-square {_colour(number)}"></i>'
        f"{escape(_shorten(reading.labels[number], 24))}</span>"
        for number in won.tolist()
    )


def draw_stages(reading: Reading) -> str:
    """The embedding, and for each qubit its angle, its measured value and its vote."""
    measured, exact = reading.measured[0], reading.exact
    rows = []
    bands = np.quantile(reading.measured, [0.05, 0.95], axis=0)
    scale = 1.0 if reading.votes is None else max(float(np.abs(reading.votes).max()), 1e-9)
    for qubit in range(len(reading.latents)):
        cells = [f"<th scope='row'>{qubit}</th>", f"<td>{_dial(float(reading.latents[qubit]))}</td>"]
        if qubit < len(measured):
            band = (float(bands[0, qubit]), float(bands[1, qubit]))
            cells.append(f"<td>{_expectation(float(measured[qubit]), float(exact[qubit]), band)}</td>")
            cells.append(
                "" if reading.votes is None else f"<td>{_vote(float(reading.votes[qubit]), scale, reading)}</td>"
            )
        else:
            cells.append("<td>not measured</td>" + ("" if reading.votes is None else "<td></td>"))
        rows.append(f"<tr>{''.join(cells)}</tr>")
    vote_head = foot = ""
    adding = "What they say is the answer."
    if reading.votes is not None:
        adding = "A linear layer adds up what they say."
        for_, against = escape(reading.labels[reading.winner]), escape(reading.labels[reading.runner_up])
        vote_head = (
            f'<th scope="col">4 Vote<small>◂ <b dir="auto">{against}</b> or <b dir="auto">{for_}</b> ▸</small></th>'
        )
        between = percent(1 / (1 + math.exp(-min(float(reading.votes.sum()), 500))))
        bias, total = float(reading.votes[-1]), float(reading.votes.sum())
        foot = (
            f"<tfoot><tr><th scope='row' colspan='3'>constant</th><td>{_vote(bias, scale, reading)}</td></tr>"
            f"<tr><td colspan='4' class='sq-sum'>The votes add up to {total:+.2f} for "
            f'<b dir="auto">{for_}</b> over <b dir="auto">{against}</b>: {between}'
            f" between the two.</td></tr></tfoot>"
        )
    return (
        "<h3>What each stage saw</h3>"
        f"<p class='sq-sub'><b>1 Embedding</b> The sentence transformer turns the sentence into "
        f"{len(reading.embedding)} numbers (classical).</p>{_embedding(reading.embedding)}"
        f"<p class='sq-sub'><b>2 to 4</b> {_ENCODERS[reading.encoder]} one angle per qubit. The circuit turns the "
        f"qubits by these angles, entangles and measures them. {adding}</p>"
        f'<div class="sq-scroll"><table class="sq-table"><thead><tr><th scope="col">Qubit</th>'
        f'<th scope="col">2 Angle<small>radians</small></th>'
        f'<th scope="col">3 Measured ⟨Z⟩<small>−1 to 1; tick: exact</small></th>{vote_head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody>{foot}</table></div>"
    )


def _embedding(values: np.ndarray) -> str:
    columns = 64
    rows = -(-len(values) // columns)
    scale = float(np.abs(values).max()) or 1.0
    cells = "".join(
        f'<rect class="sq-c{4 if value >= 0 else 9}" x="{number % columns}" y="{number // columns}" width=".92" '
        f'height=".92" fill-opacity="{abs(value) / scale:.2f}"/>'
        for number, value in enumerate(values.tolist())
    )
    text = f"The embedding as {len(values)} coloured cells; the strongest number is {scale:.2f} in absolute value."
    return (
        f'<svg class="sq-embedding" preserveAspectRatio="none" viewBox="0 0 {columns} {rows}" role="img" '
        f'aria-label="{text}">{cells}</svg>'
    )


def _dial(angle: float) -> str:
    x, y = 11 + 8.5 * math.sin(angle), 11 - 8.5 * math.cos(angle)
    return (
        f'<span class="sq-cell"><svg class="sq-dial" viewBox="0 0 22 22" aria-hidden="true"><circle cx="11" cy="11" '
        f'r="9.5"/><line x1="11" y1="11" x2="{x:.1f}" y2="{y:.1f}"/></svg><span>{signed(angle)}</span></span>'
    )


def _expectation(value: float, exact: float, band: tuple[float, float]) -> str:
    def place(z: float) -> float:
        return 100 * (min(1.0, max(-1.0, z)) + 1) / 2

    low, high = place(band[0]), place(band[1])
    return (
        f'<span class="sq-cell"><span class="sq-z" aria-hidden="true"><i class="sq-zero"></i>'
        f'<i class="sq-spread" style="left:{low:.1f}%;width:{max(high - low, 1):.1f}%"></i>'
        f'<i class="sq-tickmark" style="left:{place(exact):.1f}%"></i>'
        f'<i class="sq-point" style="left:{place(value):.1f}%"></i></span><span>{signed(value)}</span></span>'
    )


def _vote(value: float, scale: float, reading: Reading) -> str:
    width = 50 * abs(value) / scale
    number = reading.winner if value >= 0 else reading.runner_up
    side = "left:50%" if value >= 0 else f"left:{50 - width:.1f}%"
    return (
        f'<span class="sq-cell"><span class="sq-z" aria-hidden="true"><i class="sq-zero"></i>'
        f'<i class="sq-voted {_colour(number)}" style="{side};width:{width:.1f}%"></i></span>'
        f"<span>{signed(value)}</span></span>"
    )


def _colour(number: int) -> str:
    """Class of a label's colour; from the eleventh label on they come again."""
    return f"sq-c{number % COLOURS}"


def _bold(text: str) -> str:
    return f'<b dir="auto">{escape(_shorten(text, 40))}</b>'


def _shorten(text: str, length: int = 220) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
