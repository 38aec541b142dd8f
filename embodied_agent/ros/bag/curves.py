"""Joint positions, gripper and forces over time, drawn as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from embodied_agent.page import COLORS

Curve = tuple[str, NDArray[np.float64], NDArray[np.float64]]  # name, times [s], values
WIDTH, HEIGHT, LEFT, RIGHT, GAP = 960, 190, 60, 150, 34
MOST_POINTS = 600  # of one curve


def panels(groups: Sequence[tuple[str, float, Sequence[Curve]]], end: float) -> str:
    """Panels below each other.

    Args:
        groups: Title with unit, smallest height of the axis, and curves, of each panel; empty ones are left out.
        end: Right end of the time axis [s].
    """
    shown = [group for group in groups if group[2]]
    height = len(shown) * (HEIGHT + GAP) + 24
    body = "".join(
        _panel(title, least, curves, max(end, 1e-3), 12 + number * (HEIGHT + GAP))
        for number, (title, least, curves) in enumerate(shown)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12" fill="#333">{body}</svg>'
    )


def _panel(title: str, least: float, curves: Sequence[Curve], end: float, top: float) -> str:
    values = np.concatenate([value for _, _, value in curves])
    low, high = float(values.min()), float(values.max())
    margin = max(0.05 * (high - low), (least - (high - low)) / 2)
    low, high = low - margin, high + margin
    right, bottom = WIDTH - RIGHT, top + HEIGHT - 18

    def x(time: float) -> float:
        return LEFT + (right - LEFT) * min(max(time / end, 0.0), 1.0)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - low) / (high - low)

    parts = [f'<text x="{LEFT}" y="{top - 2:.0f}" font-weight="600">{escape(title)}</text>']
    for tick in _ticks(low, high):
        parts.append(
            f'<path d="M{LEFT} {y(tick):.1f}H{right}" stroke="#e3e6ea"/>'
            f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    for tick in _ticks(0.0, end):
        parts.append(f'<text x="{x(tick):.1f}" y="{bottom + 15:.1f}" text-anchor="middle">{tick:g} s</text>')
    for number, (name, times, value) in enumerate(curves):
        step = max(1, len(times) // MOST_POINTS)
        points = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in zip(times[::step], value[::step], strict=True))
        color = COLORS[number % len(COLORS)]
        dash = ' stroke-dasharray="5 3"' if number >= len(COLORS) else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"{dash}/>')
        line = top + 8 + 16 * number
        parts.append(
            f'<path d="M{right + 10} {line:.0f}h16" stroke="{color}" stroke-width="2"{dash}/>'
            f'<text x="{right + 32}" y="{line + 4:.0f}">{escape(name)}</text>'
        )
    return "".join(parts)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers, about five."""
    span = high - low
    step = 10.0 ** np.floor(np.log10(span / 4))
    step = next(step * k for k in (1, 2, 5, 10) if span / (step * k) <= 6)
    first = np.ceil(low / step)
    return [float(round(k * step, 9)) for k in np.arange(first, np.floor(high / step) + 1)]
