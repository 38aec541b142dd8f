"""What was measured, as rows that table, page and JSON share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embodied_agent.ros.measuring.stream import StreamFigures

STILL = 0.1  # [s] from a request to a resting arm
RATE = 0.95  # share of the images that were asked for
GROWTH = 0.05  # [s] that images may be older at the end than at the beginning

# Name of a spread in an exercise's numbers -> what it is, and the limit of its largest value [s].
SPREADS: Mapping[str, tuple[str, float | None]] = {
    "ended_after_s": ("goal ended after the fault", None),
    "cancel_sent_s": ("request to the cancel's departure from the node", None),
    "cancel_confirmed_s": ("request to the controller's confirmation", None),
    "stop_s": ("request to standstill, as the node measures it", STILL),
    "by_the_robots_clock_s": ("request to standstill, as a client sees it, robot's clock", None),
    "request_to_rest_s": ("request to standstill, as a client sees it, wall", None),
}


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        of: The exercise.
        what: Measured quantity.
        n: Samples; 0 = it is a count itself.
        p50, p95, most: Of them, in `unit`; None where it is one value, which `told` holds.
        unit: "s", "MB", ...
        told: The value, where it is no spread.
        target: In words; "" = none.
        met: Whether the target is met; None without one.
    """

    of: str
    what: str
    n: int = 0
    p50: float | None = None
    p95: float | None = None
    most: float | None = None
    unit: str = "s"
    told: str = ""
    target: str = ""
    met: bool | None = None

    def cells(self) -> list[str]:
        """What, n, p50, p95, max, target and whether it is met, as text."""
        spread = [_shown(value, self.unit) for value in (self.p50, self.p95, self.most)]
        values = [self.told, "", ""] if self.told else spread
        mark = {True: "met", False: "not met", None: ""}[self.met]
        return [self.what, str(self.n or ""), *values, self.target, mark]


def exercise_rows(name: str, numbers: Mapping[str, Any]) -> list[Row]:
    """The rows of one exercise's numbers."""
    rows = []
    for key, value in numbers.items():
        if isinstance(value, Mapping):
            what, limit = SPREADS.get(key, (key, None))
            if value:
                met = None if limit is None else value["max"] <= limit
                target = "" if limit is None else f"max <= {1000 * limit:g} ms"
                rows.append(
                    Row(name, what, value["n"], value["p50"], value["p95"], value["max"], target=target, met=met)
                )
        else:
            told = " → ".join(f"{v:g}" for v in value) if isinstance(value, Sequence) else str(value)
            unit = " MB" if key.endswith("_mb") else ""
            rows.append(Row(name, key.removesuffix("_mb").replace("_", " "), told=f"{told}{unit}"))
    return rows


def stream_rows(name: str, found: StreamFigures, memory: Sequence[float]) -> list[Row]:
    """The rows of an image stream.

    Args:
        name: Of the camera.
        found: Its figures.
        memory: Of the node before and after [MB].
    """
    n, age, least = found.received, found.age, RATE * found.asked
    rate = f"{found.hz:g} of {found.asked:g} Hz"
    return [
        Row(name, "rate received", n, told=rate, target=f">= {100 * RATE:g} %", met=found.hz >= least),
        Row(name, "lost on the way", n, told=str(found.lost), target="0", met=not found.lost),
        Row(name, "left out by the driver", n, told=str(found.undrawn)),
        Row(name, "age when received", n, age.p50, age.p95, found.oldest),
        Row(
            name, "older at the end than at the beginning", n, told=_shown(found.growth, "s"),
            target=f"< {1000 * GROWTH:g} ms", met=found.growth < GROWTH,
        ),
        Row(name, "memory of the node", n, told=" → ".join(f"{v:.0f}" for v in memory) + " MB"),
    ]  # fmt: skip


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit != "s":
        return f"{value:.1f} {unit}"
    return f"{1000 * value:.0f} ms" if abs(value) < 1 else f"{value:.2f} s"
