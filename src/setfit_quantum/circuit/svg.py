"""A circuit as a picture in SVG, for notebooks and web pages; needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.circuit.layout import ANGLE_SIZE, BREAK, CROSS, DOT, NAME_SIZE, RING, Box, Layout, Mark, lay_out

COLORS = {
    "weight": ("#e0e7ff", "#4f46e5", "#312e81"),
    "feature": ("#fef3c7", "#d97706", "#78350f"),
    "fixed": ("#f3f4f6", "#9ca3af", "#111827"),
}
"""Of a gate by where its angle comes from: inside, border, text."""
WIRE, LINK, TEXT, PAPER = "#9ca3af", "#334155", "#374151", "#ffffff"
"""Colours of wires, of lines and marks of gates on two wires, of labels, and of what all is drawn on."""


@dataclass(frozen=True)
class CircuitPicture:
    """A picture that a notebook displays; `svg` is its text."""

    svg: str = field(repr=False)

    def _repr_svg_(self) -> str:
        return self.svg


def draw_svg(circuit: Circuit, max_width: int = 100) -> str:
    """Draw a circuit as SVG.

    Args:
        circuit: The circuit.
        max_width: Where rows are folded, in characters of 9 points.

    Returns:
        An `<svg>` element with classes `wire`, `link`, `gate`, `dot`, `ring` and `cross`.
    """
    layout = lay_out(circuit, max_width)
    width, height = round(layout.width), round(layout.height)
    title = f"Circuit of {circuit.n_qubits} qubits, {len(circuit.gates)} gates"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{title}" font-family="DejaVu Sans, Verdana, Arial, sans-serif" text-anchor="middle">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="{PAPER}"/>',
        *_draw_wires(layout),
        f'<g stroke="{LINK}" stroke-width="1.3">',
        *(f'<path class="link" d="M{link.x:g} {link.top:g}V{link.bottom:g}"/>' for link in layout.links),
        "</g>",
        *map(_draw_mark, layout.marks),
        *map(_draw_box, layout.boxes),
        *_draw_legend(layout),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _draw_wires(layout: Layout) -> list[str]:
    parts = []
    for wire in layout.wires:
        start = wire.start + (BREAK if wire.continued else 0.0)
        end = wire.end - (BREAK if wire.continues else 0.0)
        parts.append(
            f'<text x="{wire.start - 6:g}" y="{wire.y + 3.5:g}" font-size="{NAME_SIZE:g}" fill="{TEXT}" '
            f'text-anchor="end">q{wire.qubit}</text>'
            f'<path class="wire" d="M{start:g} {wire.y:g}H{end:g}" stroke="{WIRE}"/>'
        )
        for at, is_dotted in ((wire.start, wire.continued), (end, wire.continues)):
            if is_dotted:
                parts.append(f'<path d="M{at:g} {wire.y:g}h{BREAK:g}" stroke="{WIRE}" stroke-dasharray="2 3"/>')
    return parts


def _draw_mark(mark: Mark) -> str:
    place = f'cx="{mark.x:g}" cy="{mark.y:g}"'
    if mark.shape == "dot":
        return f'<circle class="dot" {place} r="{DOT:g}" fill="{LINK}"/>'
    if mark.shape == "ring":
        cross = f"M{mark.x - RING:g} {mark.y:g}h{2 * RING:g}M{mark.x:g} {mark.y - RING:g}v{2 * RING:g}"
        return (
            f'<g class="ring" stroke="{LINK}" stroke-width="1.3"><circle {place} r="{RING:g}" fill="{PAPER}"/>'
            f'<path d="{cross}"/></g>'
        )
    size = 2 * CROSS
    cross = f"M{mark.x - CROSS:g} {mark.y - CROSS:g}l{size:g} {size:g}m0 -{size:g}l-{size:g} {size:g}"
    return f'<path class="cross" d="{cross}" stroke="{LINK}" stroke-width="1.6" fill="none"/>'


def _draw_box(box: Box) -> str:
    inside, border, text = COLORS[box.kind]
    # A name alone stands in the middle, with an angle both share the box.
    lines = [(box.name, NAME_SIZE, 3.6 if not box.angle else -1.2)]
    if box.angle:
        lines.append((box.angle, ANGLE_SIZE, 9.0))
    return (
        f'<g class="gate {box.kind}"><rect x="{box.x - box.width / 2:g}" y="{box.y - box.height / 2:g}" '
        f'width="{box.width:g}" height="{box.height:g}" rx="4" fill="{inside}" stroke="{border}"/>'
        + "".join(
            f'<text x="{box.x:g}" y="{box.y + below:g}" font-size="{size:g}" fill="{text}">{escape(line)}</text>'
            for line, size, below in lines
        )
        + "</g>"
    )


def _draw_legend(layout: Layout) -> list[str]:
    return [
        f'<rect x="{key.x:g}" y="{key.y - 4.5:g}" width="9" height="9" rx="2" fill="{COLORS[key.kind][0]}" '
        f'stroke="{COLORS[key.kind][1]}"/><text x="{key.x + 14:g}" y="{key.y + 3:g}" font-size="8" fill="{TEXT}" '
        f'text-anchor="start">{key.text}</text>'
        for key in layout.legend
    ]
