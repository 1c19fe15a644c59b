"""A circuit as a matplotlib figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.circuit.layout import ANGLE_SIZE, BREAK, CROSS, DOT, NAME_SIZE, RING, Box, Layout, Mark, lay_out
from setfit_quantum.circuit.svg import COLORS, LINK, PAPER, TEXT, WIRE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS_PER_INCH = 72


def draw_figure(circuit: Circuit, max_width: int = 100) -> Figure:
    """Draw a circuit with matplotlib.

    The figure is not pyplot's: the user's backend and open figures are left alone. Every part has a gid: `wire`,
    `link`, `gate`, `dot`, `ring`, `cross`, `label`.

    Args:
        circuit: The circuit.
        max_width: Where rows are folded, in characters of 9 points.

    Returns:
        A figure for `savefig`.

    Raises:
        ImportError: matplotlib is not installed; the message names the pip command.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Drawing a figure needs matplotlib: pip install "setfit-quantum[plots]"') from error
    layout = lay_out(circuit, max_width)
    size = (layout.width / _POINTS_PER_INCH, layout.height / _POINTS_PER_INCH)
    figure = Figure(figsize=size, dpi=144, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, layout.width)
    axes.set_ylim(layout.height, 0)  # so that one unit is one point, from the top
    _draw_wires(axes, layout)
    for link in layout.links:
        _line(axes, (link.x, link.x), (link.top, link.bottom), LINK, 1.3, 2, "link")
    for mark in layout.marks:
        _draw_mark(axes, mark)
    for box in layout.boxes:
        _draw_box(axes, box)
    for key in layout.legend:
        _rectangle(axes, key.x, key.y - 4.5, 9, 9, key.kind, 2, "legend")
        axes.text(key.x + 14, key.y, key.text, size=8, color=TEXT, va="center", gid="legend")
    return figure


def _draw_wires(axes: Any, layout: Layout) -> None:
    for wire in layout.wires:
        start = wire.start + (BREAK if wire.continued else 0.0)
        end = wire.end - (BREAK if wire.continues else 0.0)
        axes.text(
            wire.start - 6, wire.y, f"q{wire.qubit}", size=NAME_SIZE, color=TEXT, ha="right", va="center", gid="label"
        )
        _line(axes, (start, end), (wire.y, wire.y), WIRE, 1.0, 1, "wire")
        for at, is_dotted in ((wire.start, wire.continued), (end, wire.continues)):
            if is_dotted:
                _line(axes, (at, at + BREAK), (wire.y, wire.y), WIRE, 1.0, 1, "break", linestyle=(0, (2, 3)))


def _draw_mark(axes: Any, mark: Mark) -> None:
    from matplotlib.patches import Circle

    x, y = mark.x, mark.y
    if mark.shape == "dot":
        axes.add_artist(Circle((x, y), DOT, facecolor=LINK, edgecolor="none", zorder=3, gid="dot"))
    elif mark.shape == "ring":
        axes.add_artist(Circle((x, y), RING, facecolor=PAPER, edgecolor=LINK, linewidth=1.3, zorder=3, gid="ring"))
        _line(axes, (x - RING, x + RING), (y, y), LINK, 1.3, 4, "plus")
        _line(axes, (x, x), (y - RING, y + RING), LINK, 1.3, 4, "plus")
    else:
        _line(axes, (x - CROSS, x + CROSS), (y - CROSS, y + CROSS), LINK, 1.6, 3, "cross")
        _line(axes, (x - CROSS, x + CROSS), (y + CROSS, y - CROSS), LINK, 1.6, 3, "stroke")


def _draw_box(axes: Any, box: Box) -> None:
    _rectangle(axes, box.x - box.width / 2, box.y - box.height / 2, box.width, box.height, box.kind, 4, "gate")
    text = {"color": COLORS[box.kind][2], "ha": "center", "va": "baseline", "zorder": 4, "gid": "label"}
    # A name alone stands in the middle, with an angle both share the box.
    axes.text(box.x, box.y + (3.6 if not box.angle else -1.2), box.name, size=NAME_SIZE, **text)
    if box.angle:
        axes.text(box.x, box.y + 9.0, box.angle, size=ANGLE_SIZE, **text)


def _rectangle(
    axes: Any, x: float, y: float, width: float, height: float, kind: str, rounding: float, gid: str
) -> None:
    from matplotlib.patches import FancyBboxPatch

    inside, border, _ = COLORS[kind]
    style = f"round,pad=0,rounding_size={rounding}"
    axes.add_artist(
        FancyBboxPatch(
            (x, y), width, height, boxstyle=style, facecolor=inside, edgecolor=border, linewidth=1.0, zorder=3, gid=gid
        )
    )


def _line(
    axes: Any, x: tuple[float, ...], y: tuple[float, ...], color: str, width: float, zorder: int, gid: str, **style: Any
) -> None:
    axes.plot(x, y, color=color, linewidth=width, zorder=zorder, gid=gid, solid_capstyle="butt", **style)
