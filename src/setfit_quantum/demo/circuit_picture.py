"""The second module as a picture: what it repeats, then what follows, for the paper's layers and for any others."""

from __future__ import annotations

from html import escape

from setfit_quantum.circuit import Circuit, Gate
from setfit_quantum.circuit.ansatz import build_angle_encoding, build_pqc
from setfit_quantum.circuit.drawing import pack_columns
from setfit_quantum.circuit.layout import angle_text
from setfit_quantum.head import SetFitQuantumHead

MAX_DRAWN = 2000
"""Gates; a browser would take long for more."""
_ROW, _MARGIN, _TOP = 30, 40, 30
_LABEL = 250
"""Room for the words above each part."""
_BOX, _LETTER, _GAP = 30, 7.5, 4
"""Least width of a gate's box, width of a letter in it, space beside it."""
_SCREEN = 1060
"""Room for the drawing on a wide screen."""
_DAGGERS = {"sdg": "S†", "tdg": "T†"}
_WORDS = {"ry": "RY rotations", "rx": "RX rotations", "rz": "RZ rotations", "cx": "controlled NOT gates"}


def draw_circuit(head: SetFitQuantumHead, angles: list[float] | None = None) -> str:
    """A scrolling picture of the circuit.

    Args:
        head: Whose second module to draw.
        angles: The sentence's latent angles, shown when a gate is pointed at.
    """
    config, circuit = head.config, head.circuit
    repeated, last = circuit_parts(head)
    summary = f"{config.n_qubits} qubits, {len(circuit.gates)} gates, {circuit.num_parameters} trained angles."
    if len(repeated.gates) + len(last.gates) > MAX_DRAWN:
        return f'<p class="sq-sub">{summary} Too many gates to draw.</p>'
    svg, width = _draw_both(head, repeated, last, angles)
    has_fixed = any(gate.weight is None and gate.feature is None and len(gate.wires) == 1 for gate in circuit.gates)
    hint = " (scrolls sideways)" if width > _SCREEN else ""
    fixed = '<span class="sq-key"><i class="sq-square sq-c9"></i>fixed</span> ' if has_fixed else ""
    return (
        f'<p class="sq-sub">{summary} '
        '<span class="sq-key"><i class="sq-square sq-c4"></i>turned by the sentence</span> '
        '<span class="sq-key"><i class="sq-square sq-c0"></i>turned by a trained angle</span> '
        f'{fixed}<span class="sq-key">●─⊕ entangles two qubits</span>{hint}</p>'
        f'<div class="sq-scroll" tabindex="0" role="region" aria-label="Circuit drawing, scrolls sideways">{svg}</div>'
    )


def circuit_parts(head: SetFitQuantumHead) -> tuple[Circuit, Circuit]:
    """What the second module repeats, and what comes after it."""
    config = head.config
    if head.ansatz is not None:
        shared, last = head.ansatz
    else:
        shared = build_pqc(config.n_qubits, config.reupload_layers, config.connectivity)
        last = build_pqc(config.n_qubits, config.n_layers, config.connectivity)
    return build_angle_encoding(config.n_qubits) + shared, last.shift_weights(shared.num_parameters)


def describe_circuit(head: SetFitQuantumHead) -> str:
    """The picture in words."""
    config = head.config
    gates = ", ".join(f"{count} {_WORDS.get(name, name.upper())}" for name, count in head.circuit.count_ops().items())
    repeated, last = circuit_parts(head)
    times = "Once" if config.n_reuploads == 1 else f"{config.n_reuploads} times"
    return (
        f"Circuit of {config.n_qubits} qubits: {gates}. {times}: each qubit is turned by an angle of the sentence, "
        f"then come {len(repeated.gates) - config.n_qubits} gates, with the same trained angles each time. At the end "
        f"come {len(last.gates)} further gates, and {config.n_measured} qubits are measured."
    )


def _draw_both(
    head: SetFitQuantumHead, repeated: Circuit, last: Circuit, angles: list[float] | None
) -> tuple[str, float]:
    """The picture and its width."""
    config = head.config
    weights = head.circuit_weights.tolist()
    first, width = _draw(repeated, _MARGIN + 10, angles, weights)
    width = max(width, _LABEL)
    start = _MARGIN + 10 + width + 34
    second, width_last = _draw(last, start, angles, weights)
    end = start + max(width_last, _LABEL) + 10
    n = config.n_qubits
    height = _TOP + n * _ROW + 10
    wires = "".join(
        f'<text class="sq-tick" x="{_MARGIN - 8}" y="{_at(wire) + 4}" text-anchor="end">q{wire}</text>'
        f'<line class="sq-wire" x1="{_MARGIN}" x2="{end:.0f}" y1="{_at(wire)}" y2="{_at(wire)}"/>'
        for wire in range(n)
    )
    times = "once" if config.n_reuploads == 1 else f"{config.n_reuploads} times, with the same trained angles"
    measured = "every qubit is" if config.n_measured == n else f"the first {config.n_measured} are"
    if config.n_measured == 1:
        measured = "the first qubit is"
    box = (
        f'<rect class="sq-repeat" x="{_MARGIN + 4}" y="{_TOP - 8}" width="{width + 12:.0f}" '
        f'height="{n * _ROW + 6}" rx="8"/>'
        f'<text class="sq-label" x="{_MARGIN + 8}" y="{_TOP - 14}">run {times}</text>'
        f'<text class="sq-label" x="{start:.0f}" y="{_TOP - 14}">then once, and {measured} measured</text>'
    )
    svg = (
        f'<svg class="sq-circuit" width="{end + 10:.0f}" height="{height}" viewBox="0 0 {end + 10:.0f} {height}" '
        f'role="img" aria-label="{escape(describe_circuit(head))}">{wires}{box}{first}{second}</svg>'
    )
    return svg, end


def _draw(circuit: Circuit, left: float, angles: list[float] | None, weights: list[float]) -> tuple[str, float]:
    """Gates in columns as wide as they need; and the width of all."""
    parts = []
    right = left
    for column in pack_columns(circuit):
        width = max(_width(gate) for gate in column) + _GAP
        parts += [_draw_gate(gate, right + width / 2, angles, weights) for gate in column]
        right += width
    return "".join(parts), right - left


def _draw_gate(gate: Gate, x: float, angles: list[float] | None, weights: list[float]) -> str:
    places = [_at(wire) for wire in gate.wires]
    if len(places) == 1:
        return _draw_box(gate, x, places[0], angles, weights)
    first, second = places
    line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{first}" y2="{second}"/>'
    control = f'<circle class="sq-control" cx="{x:.1f}" cy="{first}" r="4"/>'
    if gate.name == "cx":
        target = (
            f'<circle class="sq-target" cx="{x:.1f}" cy="{second}" r="8"/>'
            f'<path d="M{x - 8:.1f} {second}h16M{x:.1f} {second - 8}v16"/>'
        )
    elif gate.name == "cz":
        target = f'<circle class="sq-control" cx="{x:.1f}" cy="{second}" r="4"/>'
    elif gate.name == "swap":
        control = ""
        target = "".join(f'<path d="M{x - 5:.1f} {y - 5}l10 10m0 -10l-10 10"/>' for y in places)
    else:
        target = _draw_box(gate, x, second, angles, weights)
    return f'<g class="sq-cx">{line}{control}{target}</g>'


def _draw_box(gate: Gate, x: float, y: int, angles: list[float] | None, weights: list[float]) -> str:
    if gate.feature is not None:
        colour, value = 4, None if angles is None else angles[gate.feature]
    elif gate.weight is not None:
        colour, value = 0, weights[gate.weight]
    else:
        colour, value = 9, None
    title = f"{gate.name.upper()} {angle_text(gate)}" + ("" if value is None else f" = {value:+.3f}")
    width = _width(gate)
    return (
        f'<g class="sq-gate sq-c{colour}"><title>{escape(title.strip())}</title><rect x="{x - width / 2:.1f}" '
        f'y="{y - 11}" width="{width:.1f}" height="22" rx="4"/><text x="{x:.1f}" y="{y + 4}" text-anchor="middle">'
        f"{escape(_text(gate))}</text></g>"
    )


def _text(gate: Gate) -> str:
    """What stands in the box. The circuit's usual gate, RY, needs no name."""
    name = gate.name[1:] if len(gate.wires) == 2 else gate.name
    name = _DAGGERS.get(name, name.upper())
    angle = angle_text(gate)
    if not angle:
        return name
    return angle if name == "RY" else f"{name} {angle}"


def _width(gate: Gate) -> float:
    return max(float(_BOX), 10 + _LETTER * len(_text(gate)))


def _at(wire: int) -> int:
    return _TOP + wire * _ROW + _ROW // 2 - 4
