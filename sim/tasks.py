"""Whether a task was done, by simulator truth: only the benchmark and the report may ask.

A predicate speaks of things by their names in the scene and is judged on a `Run`: the truth (as
`World.truth` gives it) before and after, and the peaks of joints in between.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from embodied_agent.types import Array, Pose
from sim.dimensions import BUTTON_THRESHOLD, DIMENSIONS, DRAWER_TRAVEL, FIXTURE_DIMENSIONS, Dimensions
from sim.placement import CUPBOARD_FLOOR, CUPBOARD_INNER, DRAWER_BOTTOMS, DRAWER_FLOOR, DRAWER_INNER
from sim.scene import Scene

Truth = Mapping[str, Any]
DISTURBED = 0.03  # [m] or, for parts, of the range: what moved less was left alone
NEAR = 0.05  # [m] from a spot that counts as at it
BESIDE = 0.12  # [m] largest gap between things that are beside each other
_DRAWER_FRONT = 0.014  # thickness of a drawer's front panel [m]
_WAYS = {"left": (0.0, 1.0), "right": (0.0, -1.0), "front": (-1.0, 0.0), "behind": (1.0, 0.0)}
_WAYS |= {"forward": (1.0, 0.0), "backward": (-1.0, 0.0)}


@dataclass(frozen=True)
class Body:
    """One object at one moment.

    Attributes:
        name: In the scene.
        kind: Kind of object.
        size: Its dimensions.
        pose: Of its middle, z along its own upright axis.
    """

    name: str
    kind: str
    size: Dimensions
    pose: Pose

    @cached_property
    def half(self) -> Array:
        """Half sizes of the world-aligned box around it, as it lies [m], (3,)."""
        turn, own = self.pose.rotation, np.array([*self.size.half, self.size.height / 2])
        if self.kind in ("ball", "apple", "lemon"):  # an ellipsoid is no larger for being turned
            half: Array = np.sqrt(turn**2 @ own**2)
        elif self.kind == "banana":
            half = np.abs(turn) @ (own - own[2]) + own[2]
        elif self.kind in ("cylinder", "can", "bottle", "bowl", "plate", "bin"):
            axis = np.abs(turn[:, 2])
            half = own[2] * axis + own[0] * np.sqrt(np.maximum(0.0, 1.0 - axis**2))
        else:
            half = np.abs(turn) @ own
        return half

    @property
    def xy(self) -> Array:
        """Middle over the table [m], (2,)."""
        return self.pose.position[:2]

    @property
    def bottom(self) -> float:
        """Height of its lowest point [m]."""
        return float(self.pose.position[2] - self.half[2])

    @property
    def top(self) -> float:
        """Height of its highest point [m]."""
        return float(self.pose.position[2] + self.half[2])

    @property
    def upright(self) -> bool:
        """Whether it still stands, within 30 degrees."""
        return bool(self.pose.rotation[2, 2] > math.cos(math.radians(30)))


@dataclass(frozen=True)
class Run:
    """What happened in the world.

    Attributes:
        scene: How it was made.
        before, after: Truth at the start and at the end.
        peaks: Largest position of each joint in between; {} = read "peak" in `after`.
    """

    scene: Scene
    before: Truth
    after: Truth
    peaks: Mapping[str, float] | None = None

    def body(self, name: str, *, start: bool = False) -> Body:
        """An object at the end, or at the start."""
        entry = (self.before if start else self.after)["objects"][name]
        size = DIMENSIONS[entry["kind"], entry["size"]]
        pose = Pose(np.asarray(entry["position"]), np.asarray(entry["quaternion"]))
        return Body(name, entry["kind"], size, pose)

    def joint(self, name: str, *, start: bool = False) -> Mapping[str, Any]:
        """A moving part's joint at the end, or at the start."""
        entry: Mapping[str, Any] = (self.before if start else self.after)["joints"][name]
        return entry

    def peak(self, name: str) -> float:
        """The largest position that a joint reached."""
        last = self.joint(name)
        return max(float(last["position"]), float(last.get("peak", 0.0)), (self.peaks or {}).get(name, 0.0))

    @property
    def names(self) -> tuple[str, ...]:
        """Every object."""
        return tuple(self.before["objects"])


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
            return _in_drawer(run, body, self.container)
        if self.container in ("cupboard", "cupboard door"):
            return _in_cupboard(run, body)
        holder = run.body(self.container)
        return holder.upright and _in_container(body, holder)

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
            local = _local(run, self.support, body.pose.position)
            size = FIXTURE_DIMENSIONS[self.support]
            over = abs(local[0]) <= size.half[0] and abs(local[1]) <= size.half[1]
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


def _in_container(body: Body, holder: Body) -> bool:
    """Middle within the free space, lowest point below the rim and above the floor."""
    local = holder.pose.rotation.T @ (body.pose.position - holder.pose.position)
    if holder.kind == "box":
        ratio = holder.size.half[0] / holder.size.half[1]
        within = abs(local[0]) <= holder.size.inner * ratio and abs(local[1]) <= holder.size.inner
    else:
        within = math.hypot(local[0], local[1]) <= holder.size.inner
    base = float(holder.pose.position[2]) - holder.size.height / 2
    return bool(within and -0.005 < body.bottom - base < holder.size.height - 0.004)


def _in_drawer(run: Run, body: Body, drawer: str) -> bool:
    fixture = run.scene.fixture(drawer)
    local = _local(run, fixture.kind, body.pose.position)
    pulled = float(run.joint(drawer)["fraction"]) * DRAWER_TRAVEL
    centre = -FIXTURE_DIMENSIONS[fixture.kind].half[0] + _DRAWER_FRONT + DRAWER_INNER[0] - pulled
    floor = DRAWER_BOTTOMS[drawer] + DRAWER_FLOOR
    within = abs(local[0] - centre) <= DRAWER_INNER[0] and abs(local[1]) <= DRAWER_INNER[1]
    return bool(within and -0.01 < body.bottom - floor < 0.05)


def _in_cupboard(run: Run, body: Body) -> bool:
    local = _local(run, "cupboard", body.pose.position)
    within = abs(local[0]) <= CUPBOARD_INNER[0] + 0.01 and abs(local[1]) <= CUPBOARD_INNER[1]
    return bool(within and abs(body.bottom - CUPBOARD_FLOOR) < 0.03)


def _local(run: Run, fixture: str, position: Array) -> Array:
    """A world point in a fixture's own frame (x to its back), (2,)."""
    spec = run.scene.fixture(fixture)
    c, s = math.cos(spec.yaw), math.sin(spec.yaw)
    dx, dy = float(position[0]) - spec.position[0], float(position[1]) - spec.position[1]
    return np.array([c * dx + s * dy, -s * dx + c * dy])
