"""Charts as SVG: lines, areas, bars, and trades on a price. No script, no outside resource."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Final, NamedTuple

WIDTH: Final = 960
HEIGHT: Final = 240
LEFT: Final = 84
RIGHT: Final = 12
TOP: Final = 10
BOTTOM: Final = 24
MOST_POINTS: Final = 1_200
"""More are drawn as the least and the greatest of each stretch."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Axis(NamedTuple):
    """Positions 0 to length - 1, and what stands below the first and the last."""

    length: int
    first: str
    last: str


class DrawnLine(NamedTuple):
    """Values over positions 0, 1, 2, ...; `style` is a class of the page's style sheet."""

    name: str
    values: Sequence[float]
    style: str


class Mark(NamedTuple):
    """A mark at a position and value; `style` names its shape and colour."""

    position: int
    value: float
    style: str
    title: str


def chart(
    title: str,
    axis: Axis,
    series: Sequence[DrawnLine],
    marks: Sequence[Mark] = (),
    area: bool = False,
) -> str:
    """Lines over common positions; empty without values.

    Parameters
    ----------
    area
        Fill each line down to 0.
    """
    values = [value for each in series for value in each.values]
    values += [mark.value for mark in marks]
    if not values:
        return ""
    scale = _Scale(min(values), max(values), axis.length, area)
    parts = [_axes(scale, axis)]
    for each in series:
        points = thinned(each.values)
        if area:
            parts.append(_area(scale, points, each.style))
        else:
            path = " ".join(f"{scale.x(at)},{scale.y(value)}" for at, value in points)
            parts.append(f'<polyline class="{each.style}" points="{path}"/>')
    parts += [_mark(scale, mark) for mark in marks]
    legend = " · ".join(f'<span class="{each.style}">{escape(each.name)}</span>' for each in series)
    return (
        f"<figure><figcaption>{escape(title)} {legend}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg></figure>"
    )


def thinned(values: Sequence[float]) -> list[tuple[int, float]]:
    """Positions and values; of many the extremes of each of `MOST_POINTS` / 2 stretches."""
    if len(values) <= MOST_POINTS:
        return list(enumerate(values))
    edges = [len(values) * each * 2 // MOST_POINTS for each in range(MOST_POINTS // 2 + 1)]
    found: list[tuple[int, float]] = []
    for first, end in pairwise(edges):
        part = range(first, end)
        low = min(part, key=values.__getitem__)
        high = max(part, key=values.__getitem__)
        found += [(at, values[at]) for at in sorted({low, high})]
    return found


class _Scale:
    def __init__(self, low: float, high: float, count: int, from_zero: bool) -> None:
        if from_zero:
            low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            low, high = low - 1.0, high + 1.0
        self.low, self.high, self.count = low, high, count

    def x(self, position: int) -> str:
        span = WIDTH - LEFT - RIGHT
        return f"{LEFT + span * position / max(self.count - 1, 1):.1f}"

    def y(self, value: float) -> str:
        span = HEIGHT - TOP - BOTTOM
        return f"{TOP + span * (self.high - value) / (self.high - self.low):.1f}"

    def steps(self) -> list[float]:
        """Four to eight round values."""
        raw = (self.high - self.low) / 5.0
        power = 10.0 ** _exponent(raw)
        step = next(each * power for each in _STEPS if each * power >= raw * 0.999)
        first = -int(-self.low // step) if self.low > 0 else int(self.low / step)
        found = [step * each for each in range(first, first + 12)]
        return [each for each in found if self.low <= each <= self.high]


def _exponent(value: float) -> int:
    """Power of ten at or below a value above 0."""
    return int(f"{value:e}".partition("e")[2])


def _axes(scale: _Scale, axis: Axis) -> str:
    found = []
    for value in scale.steps():
        y = scale.y(value)
        found.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        found.append(f'<text class="axis" x="{LEFT - 6}" y="{y}" dy="4">{value:,.10g}</text>')
    ends = ((0, "start", axis.first), (axis.length - 1, "end", axis.last))
    for at, anchor, text in ends:
        found.append(
            f'<text class="label" x="{scale.x(at)}" y="{HEIGHT - 6}"'
            f' text-anchor="{anchor}">{escape(text)}</text>'
        )
    return "".join(found)


def _area(scale: _Scale, points: Sequence[tuple[int, float]], style: str) -> str:
    base = scale.y(0.0)
    path = " ".join(f"{scale.x(at)},{scale.y(value)}" for at, value in points)
    first, last = scale.x(points[0][0]), scale.x(points[-1][0])
    return f'<polygon class="{style} area" points="{first},{base} {path} {last},{base}"/>'


def _mark(scale: _Scale, mark: Mark) -> str:
    x, y = float(scale.x(mark.position)), float(scale.y(mark.value))
    size = 4.5
    corners = {
        "buy": [(x, y - size), (x - size, y + size), (x + size, y + size)],
        "sell": [(x, y + size), (x - size, y - size), (x + size, y - size)],
    }[mark.style]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in corners)
    title = f"<title>{escape(mark.title)}</title>"
    return f'<polygon class="{mark.style}" points="{path}">{title}</polygon>'
