"""Whether a task was done, by simulator truth: only the benchmark and the report may ask.

A predicate speaks of things by their names in the scene and is judged on a `Run`: the truth (as
`World.truth` gives it) before and after, and the peaks of joints in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.containment import in_container, in_cupboard, in_drawer, local
from sim.dimensions import BUTTON_THRESHOLD, FIXTURE_DIMENSIONS
from sim.happened import Run
from sim.placement import DRAWER_BOTTOMS

DISTURBED = 0.03  # [m] or, for parts, of the range: what moved less was left alone
NEAR = 0.05  # [m] from a spot that counts as at it
BESIDE = 0.12  # [m] largest gap between things that are beside each other
_WAYS = {"left": (0.0, 1.0), "right": (0.0, -1.0), "front": (-1.0, 0.0), "behind": (1.0, 0.0)}
_WAYS |= {"forward": (1.0, 0.0), "backward": (-1.0, 0.0)}


class Predicate(Protocol):
    """Something that is true of a run, or not."""

    def holds(self, run: Run) -> bool:
        """Whether it is true."""
        ...

    def things(self) -> frozenset[str]:
        """Names of the objects and parts that it is about: these may move."""
        ...


@dataclass(frozen=True)
class Inside:
    """A thing lies in a container, in a drawer, or in the cupboard."""

    thing: str
    container: str

    def holds(self, run: Run) -> bool:
        body = run.body(self.thing)
        if self.container in DRAWER_BOTTOMS:
            return in_drawer(run, body, self.container)
        if self.container in ("cupboard", "cupboard door"):
            return in_cupboard(run, body)
        holder = run.body(self.container)
        return holder.upright and in_container(body, holder)

    def things(self) -> frozenset[str]:
        return frozenset((self.thing, self.container))


@dataclass(frozen=True)
class On:
    """A thing rests on another, or on the shelf."""

    thing: str
    support: str

    def holds(self, run: Run) -> bool:
        body = run.body(self.thing)
        if self.support in ("shelf", "cabinet", "cupboard"):
            x, y = local(run, self.support, body.pose.position)
            size = FIXTURE_DIMENSIONS[self.support]
            over = abs(x) <= size.half[0] and abs(y) <= size.half[1]
            return bool(over and abs(body.bottom - size.height) < 0.015)
        below = run.body(self.support)
        if not below.upright:
            return False
        apart = float(np.linalg.norm(body.xy - below.xy))
        if below.kind == "plate":
            base = below.pose.position[2] - below.size.height / 2
            return apart <= below.size.radius and -0.005 <= body.bottom - base <= below.size.height + 0.01
        return apart <= below.size.radius * 1.1 and abs(body.bottom - below.top) < 0.012

    def things(self) -> frozenset[str]:
        return frozenset((self.thing, self.support))


@dataclass(frozen=True)
class Beside:
    """A thing stands next to another; side any, left, right, front or behind."""

    thing: str
    other: str
    side: str = "any"

    def holds(self, run: Run) -> bool:
        a, b = run.body(self.thing), run.body(self.other)
        spaces = np.maximum(np.abs(a.xy - b.xy) - (a.half + b.half)[:2], 0.0)
        overlap = bool((np.abs(a.xy - b.xy) < 0.6 * np.minimum(a.half, b.half)[:2]).all())
        if float(np.linalg.norm(spaces)) > BESIDE or overlap or a.bottom > 0.02 + run.body(self.other).bottom:
            return False
        if self.side == "any":
            return True
        way = np.asarray(_WAYS[self.side])
        along = float((a.xy - b.xy) @ way)
        across = float(np.linalg.norm((a.xy - b.xy) - along * way))
        return along > 0.02 and along >= 0.8 * across

    def things(self) -> frozenset[str]:
        return frozenset((self.thing, self.other))


@dataclass(frozen=True)
class At:
    """A thing is over a spot of the table (x, y) [m]."""

    thing: str
    spot: tuple[float, float]
    tolerance: float = NEAR

    def holds(self, run: Run) -> bool:
        return float(np.linalg.norm(run.body(self.thing).xy - self.spot)) <= self.tolerance

    def things(self) -> frozenset[str]:
        return frozenset((self.thing,))


@dataclass(frozen=True)
class Exchanged:
    """A thing is where another was at the start."""

    thing: str
    other: str

    def holds(self, run: Run) -> bool:
        spot = run.body(self.other, start=True).xy
        return At(self.thing, (float(spot[0]), float(spot[1]))).holds(run)

    def things(self) -> frozenset[str]:
        return frozenset((self.thing, self.other))


@dataclass(frozen=True)
class Lifted:
    """A thing is held at least 5 cm above where it was."""

    thing: str

    def holds(self, run: Run) -> bool:
        return run.body(self.thing).bottom > run.body(self.thing, start=True).bottom + 0.05

    def things(self) -> frozenset[str]:
        return frozenset((self.thing,))


@dataclass(frozen=True)
class Off:
    """A thing is no longer on or in another, and was not dropped off the table."""

    thing: str
    other: str

    def holds(self, run: Run) -> bool:
        body = run.body(self.thing)
        inside = run.body(self.other).size.inner > 0 and Inside(self.thing, self.other).holds(run)
        return body.bottom > -0.03 and not inside and not On(self.thing, self.other).holds(run)

    def things(self) -> frozenset[str]:
        return frozenset((self.thing, self.other))


@dataclass(frozen=True)
class Opened:
    """A drawer or door is open: to a share of its range, or widely (None)."""

    part: str
    to: float | None = None

    def holds(self, run: Run) -> bool:
        fraction = float(run.joint(self.part)["fraction"])
        if self.to is None:
            return fraction >= 0.6
        return fraction >= 0.8 if self.to >= 0.95 else abs(fraction - self.to) <= 0.2

    def things(self) -> frozenset[str]:
        return frozenset((self.part,))


@dataclass(frozen=True)
class Closed:
    """A drawer or door is closed."""

    part: str

    def holds(self, run: Run) -> bool:
        return float(run.joint(self.part)["fraction"]) <= 0.08

    def things(self) -> frozenset[str]:
        return frozenset((self.part,))


@dataclass(frozen=True)
class Pressed:
    """A button was pressed at some time."""

    button: str = "button"

    def holds(self, run: Run) -> bool:
        return run.peak(self.button) >= BUTTON_THRESHOLD

    def things(self) -> frozenset[str]:
        return frozenset((self.button,))


@dataclass(frozen=True)
class Turned:
    """A knob is turned by an angle [rad], counter-clockwise positive, within a quarter of it."""

    angle: float
    knob: str = "knob"

    def holds(self, run: Run) -> bool:
        turned = float(run.joint(self.knob)["position"]) - float(run.joint(self.knob, start=True)["position"])
        return abs(turned - self.angle) <= max(0.20, 0.25 * abs(self.angle))

    def things(self) -> frozenset[str]:
        return frozenset((self.knob,))


@dataclass(frozen=True)
class Pushed:
    """A thing slid on the table in a direction by a distance [m]."""

    thing: str
    direction: str
    distance: float

    def holds(self, run: Run) -> bool:
        a, b = run.body(self.thing, start=True), run.body(self.thing)
        moved, way = b.xy - a.xy, np.asarray(_WAYS[self.direction])
        along = float(moved @ way)
        across = float(np.linalg.norm(moved - along * way))
        slack = max(0.025, 0.35 * self.distance)
        return abs(along - self.distance) <= slack and across <= slack and abs(b.bottom - a.bottom) < 0.02

    def things(self) -> frozenset[str]:
        return frozenset((self.thing,))


@dataclass(frozen=True)
class Untouched:
    """Nothing moved at all."""

    def holds(self, run: Run) -> bool:
        return not disturbed(run, frozenset())

    def things(self) -> frozenset[str]:
        return frozenset()


@dataclass(frozen=True)
class All:
    """Every part of it holds. Parts that are `All` themselves count as their own parts."""

    parts: tuple[Predicate, ...]

    def holds(self, run: Run) -> bool:
        return all(part.holds(run) for part in self.parts)

    def things(self) -> frozenset[str]:
        return frozenset().union(*(part.things() for part in self.parts))


def steps_of(predicate: Predicate) -> tuple[Predicate, ...]:
    """The single steps that a predicate asks for."""
    if isinstance(predicate, All):
        return tuple(step for part in predicate.parts for step in steps_of(part))
    return (predicate,)


@dataclass(frozen=True)
class Judgement:
    """The verdict of truth.

    Attributes:
        success: The task was done.
        finished, steps: Steps that hold at the end, and steps asked for.
        disturbed: Things that moved and were no part of the task; reported, not judged.
        unmet: What does not hold, in words.
    """

    success: bool
    finished: int
    steps: int
    disturbed: tuple[str, ...]
    unmet: tuple[str, ...]


def judge(predicate: Predicate, run: Run) -> Judgement:
    """Judge a run."""
    steps = steps_of(predicate)
    held = [step.holds(run) for step in steps]
    unmet = tuple(repr(step) for step, done in zip(steps, held, strict=True) if not done)
    return Judgement(all(held), sum(held), len(steps), disturbed(run, predicate.things()), unmet)


def disturbed(run: Run, allowed: frozenset[str]) -> tuple[str, ...]:
    """Names of things that moved beyond `DISTURBED` without being allowed to."""
    found = []
    for name in run.names:
        a, b = run.body(name, start=True).pose.position, run.body(name).pose.position
        if name not in allowed and float(np.linalg.norm(a - b)) > DISTURBED:
            found.append(name)
    for name in run.before["joints"]:
        if name not in allowed:
            moved = abs(float(run.joint(name)["fraction"]) - float(run.joint(name, start=True)["fraction"]))
            if moved > DISTURBED or (name == "button" and Pressed(name).holds(run)):
                found.append(name)
    return tuple(found)
