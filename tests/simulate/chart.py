"""The chart of what a decision costs: an SVG of a few lines, for the documentation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 190, 20, 45
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")


class Curve(NamedTuple):
    """Seconds by how many plans wait."""

    name: str
    seconds: Mapping[int, float]


def draw(curves: Sequence[Curve]) -> str:
    """Draw the curves; how many wait goes up by powers of ten, the time evenly."""
    sizes = sorted({size for curve in curves for size in curve.seconds})
    most = _rounded(max(max(curve.seconds.values()) for curve in curves) * 1e6)

    def place(size: int, micros: float) -> tuple[float, float]:
        first, last = math.log10(sizes[0]), math.log10(sizes[-1])
        along = (math.log10(size) - first) / (last - first)
        x = LEFT + along * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - micros / most * (HEIGHT - TOP - BOTTOM), 1)

    space = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
    parts = [
        f'<svg {space} font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for step in range(5):
        micros = most * step / 4
        x, y = place(sizes[0], micros)
        parts.append(f'<path d="M{x} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{micros:g} µs</text>')
    for size in sizes:
        x, y = place(size, 0)
        parts.append(f'<text x="{x}" y="{y + 18}" text-anchor="middle">{size:,}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">plans that wait; median time of one decision</text>')
    ends = sorted(enumerate(curves), key=lambda one: one[1].seconds[sizes[-1]])
    labels = _apart([place(sizes[-1], curve.seconds[sizes[-1]] * 1e6)[1] for _, curve in ends])
    for (number, curve), label in zip(ends, labels, strict=True):
        colour = COLOURS[number % len(COLOURS)]
        points = [place(size, seconds * 1e6) for size, seconds in sorted(curve.seconds.items())]
        line = " ".join(f"{x},{y}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{points[-1][0] + 10}" y="{label + 4}" fill="{colour}">{curve.name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _rounded(micros: float) -> float:
    """The next figure that four lines divide well."""
    step = math.pow(10, math.floor(math.log10(micros)))
    return next(factor * step for factor in (1, 2, 4, 8, 10) if factor * step >= micros)


def _apart(places: Sequence[float], least: float = 15.0) -> list[float]:
    """Move labels so that none covers another; they come from below."""
    found: list[float] = []
    for place in places:
        found.append(min(place, found[-1] - least) if found else place)
    return found
