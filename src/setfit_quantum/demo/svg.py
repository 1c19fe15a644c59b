"""Line charts as SVG text: colours come from the page's style sheet, so that they suit the light and the dark theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 420, 250
COLOURS = 10
"""Colours that the style sheet has."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 12, 12, 42

Ticks = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Series:
    """One line.

    Args:
        name: Its name in the legend.
        x: Places.
        y: Values; where None the line has no point.
        low: Lower ends of a band around it, or None.
        high: Upper ends.
        colour: Number of the colour, 0 to 9.
        dashed: Whether the line is dashed.
        dots: Whether points are marked.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    colour: int = 0
    dashed: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Axis:
    """One axis: what it shows, from where to where, and what is written beside it.

    Args:
        label: Its title.
        low: Least value.
        high: Greatest value.
        log: Whether it is logarithmic.
        ticks: `(value, text)`; None: round numbers.
    """

    label: str
    low: float
    high: float
    log: bool = False
    ticks: Ticks | None = None

    def place(self, value: float) -> float:
        """Where a value stands, 0 at the lower end and 1 at the upper."""
        low, high, value = (math.log(max(v, 1e-300)) if self.log else v for v in (self.low, self.high, value))
        return (value - low) / (high - low) if high > low else 0.5

    def marks(self) -> Ticks:
        """The ticks that lie on the axis."""
        ticks = self.ticks
        if ticks is None:
            ticks = _decades(self.low, self.high) if self.log else round_ticks(self.low, self.high)
        return [(value, text) for value, text in ticks if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]


def line_chart(
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    description: str,
    marker: tuple[float, str] | None = None,
    width: int = WIDTH,
) -> str:
    """A figure with axes, lines, bands and a legend.

    Args:
        series: The lines.
        x: Horizontal axis.
        y: Vertical axis.
        description: What the picture shows, in words, for those who do not see it.
        marker: `(x, text)` of a vertical line.
        width: Units across; letters stay legible where a narrow chart has fewer.
    """
    frame = _Frame(width, x, y)
    parts = [_grid(frame)]
    for line in series:
        if line.low is not None and line.high is not None:
            band = frame.points(line.x, line.high) + frame.points(line.x, line.low)[::-1]
            if band:
                parts.append(f'<polygon class="sq-band sq-c{line.colour}" points="{_join(band)}"/>')
    if marker is not None:
        place = frame.at_x(marker[0])
        anchor = "end" if x.place(marker[0]) > 0.6 else "start"
        shift = -5 if anchor == "end" else 5
        parts.append(f'<line class="sq-marker" x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
        parts.append(
            f'<text class="sq-note" x="{place + shift:.1f}" y="{_TOP + 12}" text-anchor="{anchor}">'
            f"{escape(marker[1])}</text>"
        )
    for line in series:
        points = frame.points(line.x, line.y)
        style = f"sq-line sq-c{line.colour}{' sq-dashed' if line.dashed else ''}"
        if len(points) > 1:
            parts.append(f'<polyline class="{style}" points="{_join(points)}"/>')
        if line.dots or len(points) == 1:
            parts += [
                f'<circle class="sq-dot sq-c{line.colour}" cx="{a:.1f}" cy="{b:.1f}" r="3.2"/>' for a, b in points
            ]
    large = " sq-large" if width >= WIDTH else ""
    svg = (
        f'<svg class="sq-chart{large}" viewBox="0 0 {width} {HEIGHT}" role="img" aria-label="{escape(description)}">'
        f"{''.join(parts)}</svg>"
    )
    return f'<div class="sq-figure">{svg}{legend(series)}</div>'


def legend(series: Sequence[Series]) -> str:
    """Names of the lines beside a sample of each; they wrap on narrow screens."""
    items = (
        f'<span class="sq-key"><i class="sq-sample sq-c{line.colour}{" sq-dashed" if line.dashed else ""}"></i>'
        f"{escape(line.name)}</span>"
        for line in series
    )
    return f'<div class="sq-legend" aria-hidden="true">{"".join(items)}</div>'


def round_ticks(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """About `count` round numbers between two values."""
    span = max(high - low, 1e-12)
    step = 10 ** math.floor(math.log10(span / count))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= count)
    first = math.ceil(low / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(n * step, f"{n * step:.{digits}f}") for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[tuple[float, str]]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, -(-(last - first) // 5))
    return [(10.0**n, _power(n)) for n in range(first, last + 1, step)]


def _power(exponent: int) -> str:
    if 0 <= exponent <= 3:
        return str(10**exponent)
    return "10" + str(exponent).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))


@dataclass(frozen=True)
class _Frame:
    """Where values stand in the picture."""

    width: int
    x: Axis
    y: Axis

    @property
    def right(self) -> int:
        return self.width - _RIGHT

    def at_x(self, value: float) -> float:
        return _LEFT + self.x.place(value) * (self.right - _LEFT)

    def at_y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - min(1.0, max(0.0, self.y.place(value))) * (HEIGHT - _TOP - _BOTTOM)

    def points(self, xs: Sequence[float], ys: Sequence[float | None]) -> list[tuple[float, float]]:
        return [(self.at_x(a), self.at_y(b)) for a, b in zip(xs, ys, strict=True) if b is not None]


def _grid(frame: _Frame) -> str:
    parts = []
    for value, text in frame.y.marks():
        place = frame.at_y(value)
        parts.append(f'<line class="sq-grid" x1="{_LEFT}" x2="{frame.right}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(
            f'<text class="sq-tick" x="{_LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        )
    bottom = HEIGHT - _BOTTOM
    parts.append(f'<line class="sq-axis" x1="{_LEFT}" x2="{frame.right}" y1="{bottom}" y2="{bottom}"/>')
    for value, text in frame.x.marks():
        parts.append(
            f'<text class="sq-tick" x="{frame.at_x(value):.1f}" y="{bottom + 16}" text-anchor="middle">'
            f"{escape(text)}</text>"
        )
    middle = (_LEFT + frame.right) / 2
    parts.append(
        f'<text class="sq-label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(frame.x.label)}</text>'
        f'<text class="sq-label" transform="translate(12 {(_TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(frame.y.label)}</text>"
    )
    return "".join(parts)


def _join(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
