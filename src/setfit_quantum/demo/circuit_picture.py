"""The second module as a picture: one of its equal repetitions, then what follows them."""

from __future__ import annotations

from html import escape

from setfit_quantum.circuit import Circuit, Gate
from setfit_quantum.circuit.ansatz import build_angle_encoding, build_pqc
from setfit_quantum.head import SetFitQuantumHead

_COLUMN, _ROW, _MARGIN, _TOP = 34, 30, 40, 30


def draw_circuit(head: SetFitQuantumHead, angles: list[float] | None = None) -> str:
    """A scrolling picture of the circuit.

    Args:
        head: Whose second module to draw.
        angles: The sentence's latent angles, shown when a gate is pointed at.
    """
    config = head.config
    repeated, last = circuit_parts(head)
    weights = head.circuit_weights.tolist()
    first, width = _draw(repeated, _MARGIN + 10, angles, weights)
    start = _MARGIN + 10 + width + 34
    second, width_last = _draw(last, start, angles, weights)
    end = start + width_last + 10
    n = config.n_qubits
    height = _TOP + n * _ROW + 10
    wires = "".join(
        f'<text class="sq-tick" x="{_MARGIN - 8}" y="{_at(wire) + 4}" text-anchor="end">q{wire}</text>'
        f'<line class="sq-wire" x1="{_MARGIN}" x2="{end}" y1="{_at(wire)}" y2="{_at(wire)}"/>'
        for wire in range(n)
    )
    box = (
        f'<rect class="sq-repeat" x="{_MARGIN + 4}" y="{_TOP - 8}" width="{width + 12}" '
        f'height="{n * _ROW + 6}" rx="8"/>'
        f'<text class="sq-label" x="{_MARGIN + 8}" y="{_TOP - 14}">run {config.n_reuploads} times, '
        f"with the same trained angles</text>"
        f'<text class="sq-label" x="{start}" y="{_TOP - 14}">then once, and every qubit is measured</text>'
    )
    counts = head.circuit.count_ops()
    text = (
        f"Circuit of {n} qubits with {counts.get('ry', 0)} rotations and {counts.get('cx', 0)} controlled NOT gates. "
        f"{config.n_reuploads} times: a rotation of each qubit by the sentence's angle, then a ring of controlled NOT "
        "gates each followed by a trained rotation, then a trained rotation of each qubit. At the end more such layers."
    )
    svg = (
        f'<svg class="sq-circuit" width="{end + 10}" height="{height}" viewBox="0 0 {end + 10} {height}" role="img" '
        f'aria-label="{escape(text)}">{wires}{box}{first}{second}</svg>'
    )
    return (
        f'<p class="sq-sub">{n} qubits, {len(head.circuit.gates)} gates, {head.circuit.num_parameters} trained angles. '
        '<span class="sq-key"><i class="sq-square sq-c4"></i>turned by the sentence</span> '
        '<span class="sq-key"><i class="sq-square sq-c0"></i>turned by a trained angle</span> '
        '<span class="sq-key">●─⊕ entangles two qubits</span></p>'
        f'<div class="sq-scroll" tabindex="0" role="region" aria-label="Circuit drawing, scrolls sideways">{svg}</div>'
    )


def circuit_parts(head: SetFitQuantumHead) -> tuple[Circuit, Circuit]:
    """What the second module repeats, and what comes after it."""
    config = head.config
    shared = build_pqc(config.n_qubits, config.reupload_layers, config.connectivity)
    repeated = build_angle_encoding(config.n_qubits) + shared
    last = build_pqc(config.n_qubits, config.n_layers, config.connectivity, shared.num_parameters)
    return repeated, last


def _draw(circuit: Circuit, left: int, angles: list[float] | None, weights: list[float]) -> tuple[str, int]:
    """Gates, each in the first free column; and the width they take."""
    free = [0] * circuit.n_qubits
    parts = []
    for gate in circuit.gates:
        covered = range(min(gate.wires), max(gate.wires) + 1)
        column = max(free[wire] for wire in covered)
        for wire in covered:
            free[wire] = column + 1
        parts.append(_draw_gate(gate, left + column * _COLUMN + _COLUMN // 2, angles, weights))
    return "".join(parts), max(free) * _COLUMN


def _draw_gate(gate: Gate, x: int, angles: list[float] | None, weights: list[float]) -> str:
    if len(gate.wires) == 2:
        control, target = (_at(wire) for wire in gate.wires)
        return (
            f'<g class="sq-cx"><line x1="{x}" x2="{x}" y1="{control}" y2="{target}"/><circle '
            f'class="sq-control" cx="{x}" cy="{control}" r="4"/><circle class="sq-target" cx="{x}" '
            f'cy="{target}" r="8"/>'
            f'<path d="M{x - 8} {target}h16M{x} {target - 8}v16"/></g>'
        )
    y = _at(gate.wires[0])
    if gate.feature is not None:
        colour, name = 4, f"x{gate.feature}"
        title = name if angles is None else f"{name} = {angles[gate.feature]:+.3f}"
    else:
        assert gate.weight is not None
        colour, name = 0, f"θ{gate.weight}"
        title = f"{name} = {weights[gate.weight]:+.3f}"
    return (
        f'<g class="sq-gate sq-c{colour}"><title>RY({title})</title><rect x="{x - 15}" y="{y - 11}" '
        f'width="30" height="22" rx="4"/><text x="{x}" y="{y + 4}" text-anchor="middle">{name}</text></g>'
    )


def _at(wire: int) -> int:
    return _TOP + wire * _ROW + _ROW // 2 - 4
