"""Charts as SVG inside a page: no script, the colours of the page's style, and a tooltip on each shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 400, 250  #: Of a panel with curves, in its own units; a page scales it.
_ROW, _NAMES, _VALUES = 17, 112, 50  # a bar's height with its gap, the columns of names and of values
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 96, 26, 36


@dataclass(frozen=True)
class Bar:
    """A bar of a panel.

    Attributes:
        name: Written left of it.
        colour: A name of the page's style, such as ``C0``.
        value: Its length; written right of it.
        spread: Half the length of its error bar.
        mark: A value from elsewhere, a stroke across the bar.
    """

    name: str
    colour: str
    value: float
    spread: float | None = None
    mark: float | None = None


@dataclass(frozen=True)
class Curve:
    """A curve of a panel.

    Attributes:
        name: Shown under the pointer.
        colour: A name of the page's style.
        points: x and y.
        label: Written at its end; empty for none.
    """

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    label: str = ""


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Return a panel of horizontal bars that start at zero, or at the lowest value where one is negative."""
    ends = [0.0, *(row.value + (row.spread or 0.0) for row in rows), *(row.mark or 0.0 for row in rows)]
    low, high = min([0.0, *(row.value for row in rows)]), max(ends)
    room = WIDTH - _NAMES - _VALUES
    shapes = []

    def x(value: float) -> float:
        return _NAMES + room * (value - low) / ((high - low) or 1.0)

    for place, row in enumerate(rows):
        y = _TOP + place * _ROW
        left, right = sorted((x(0.0), x(row.value)))
        told = f"{row.name}: {row.value:.4f}" + (f" ± {row.spread:.4f}" if row.spread is not None else "")
        told += f", elsewhere {row.mark:.4f}" if row.mark is not None else ""
        shapes += [f"<g {_colour(row.colour)}><title>{escape(told)}</title>"]
        shapes += [_text(_NAMES - 6, y + 10, _short(row.name), "end")]
        shapes += [f'<rect class="fill" x="{left:.1f}" y="{y}" width="{right - left:.1f}" height="{_ROW - 4}"/>']
        if row.spread:
            shapes += [_line(x(row.value - row.spread), y + 6.5, x(row.value + row.spread), y + 6.5, "spread")]
        if row.mark is not None:
            shapes += [_line(x(row.mark), y - 1, x(row.mark), y + _ROW - 3, "mark")]
        shapes += [_text(WIDTH, y + 10, f"{row.value:.4f}", "end"), "</g>"]
    return _panel(title, WIDTH, _TOP + _ROW * len(rows) + 4, shapes)


def curves(title: str, lines: Sequence[Curve], x_name: str, log_x: bool = False, log_y: bool = False) -> str:
    """Return a panel of curves with two axes; points that a logarithm cannot show are left out."""
    drawn = [
        (line, [(x, y) for x, y in line.points if (x > 0 or not log_x) and (y > 0 or not log_y)]) for line in lines
    ]
    drawn = [(line, points) for line, points in drawn if points]
    if not drawn:
        return _panel(title, WIDTH, _TOP, [])
    right = _RIGHT if any(line.label for line, _ in drawn) else 10
    across = _Axis([x for _, points in drawn for x, _ in points], _LEFT, WIDTH - right, log_x)
    up = _Axis([y for _, points in drawn for _, y in points], HEIGHT - _BOTTOM, _TOP, log_y)
    shapes = []
    for tick in up.ticks():
        shapes += [_line(_LEFT, up(tick), WIDTH - right, up(tick), "grid")]
        shapes += [_text(_LEFT - 5, up(tick) + 3.5, f"{tick:.4g}", "end")]
    shapes += [_text(across(tick), HEIGHT - _BOTTOM + 14, f"{tick:,.10g}", "middle") for tick in across.ticks()]
    shapes += [_text((_LEFT + WIDTH - right) / 2, HEIGHT - 5, x_name, "middle")]
    ends = []
    for line, points in sorted(drawn, key=lambda item: bool(item[0].label)):  # labelled ones on top
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        shapes += [f"<g {_colour(line.colour)}><title>{escape(line.name)}</title>"]
        shapes += [f'<polyline class="curve" points="{path}"/>']
        x, y = points[-1]
        if line.label or len(points) == 1:
            shapes += [f'<circle class="fill" cx="{across(x):.1f}" cy="{up(y):.1f}" r="2.5"/>']
        shapes += ["</g>"]
        if line.label:
            ends.append((up(y), line))
    floor = float(_TOP)
    for place, (y, line) in enumerate(sorted(ends, key=lambda end: end[0])):
        y = max(floor, min(y, HEIGHT - _BOTTOM - 13 * (len(ends) - 1 - place)))
        floor, x = y + 13, WIDTH - right + 6
        shapes += [f'<g {_colour(line.colour)}><rect class="fill" x="{x}" y="{y - 4:.1f}" width="8" height="8"/></g>']
        shapes += [_text(x + 12, y + 3.5, _short(line.label, 13), "start")]
    return _panel(title, WIDTH, HEIGHT, shapes)


class _Axis:
    """From values to places: linear, or by powers of ten."""

    def __init__(self, values: Sequence[float], start: float, end: float, log: bool) -> None:
        self.log = log
        self.low, self.high = (self._scaled(value) for value in (min(values), max(values)))
        if self.low == self.high:
            self.low, self.high = self.low - 0.5, self.high + 0.5
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        part = (self._scaled(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return three to six round values, or fewer where powers of ten are few."""
        if self.log:
            steps = (1, 2, 5) if self.high - self.low < 2 else (1,)
            tens = range(math.floor(self.low), math.ceil(self.high) + 1)
            every = math.ceil(len(tens) / 6)
            values = [step * 10.0**ten for ten in tens[::every] for step in steps]
        else:
            rough = (self.high - self.low) / 4
            ten = 10.0 ** math.floor(math.log10(rough))
            step = next(step * ten for step in (1, 2, 5, 10) if step * ten >= rough)
            first = math.ceil(self.low / step)
            values = [place * step for place in range(first, math.floor(self.high / step) + 1)]
        return [value for value in values if self.low - 1e-9 <= self._scaled(value) <= self.high + 1e-9]

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value


def _panel(title: str, width: int, height: int, shapes: Sequence[str]) -> str:
    head = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
    return "".join([head, f'<text class="title" x="0" y="13">{escape(title)}</text>', *shapes, "</svg>"])


def _colour(name: str) -> str:
    return f'style="--c: var(--{name})"'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _short(text: str, most: int = 18) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
