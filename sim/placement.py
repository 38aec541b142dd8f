"""Where things stand: footprints, gaps, heights at rest, and what makes a scene impossible."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from embodied_agent.config import nearest
from embodied_agent.types import Array
from sim.dimensions import DIMENSIONS, DRAWER_TRAVEL, FIXTURE_DIMENSIONS
from sim.scene import REACH, FixtureSpec, ObjectSpec, Scene

# Cabinet, in its own frame (origin on the table, x to the back): shared with sim/fixtures.py.
DRAWER_BOTTOMS = {"bottom drawer": 0.030, "top drawer": 0.145}  # underside of the front panel [m]
DRAWER_INNER = (0.105, 0.094)  # half depth and half width inside the tray [m]
DRAWER_FLOOR = 0.018  # inner floor above the underside of the front [m]
CUPBOARD_INNER = (0.078, 0.105)
CUPBOARD_FLOOR = 0.022
BOWL_FLAT = 0.62  # radius of the flat bottom of a bowl, as a part of its outer radius
MAX_OBJECTS = 24
_ROUND = frozenset(["cylinder", "ball", "bowl", "plate", "can", "bottle", "apple", "bin"])


@dataclass(frozen=True)
class Footprint:
    """A disc (radius > 0) or an oriented rectangle on the table."""

    x: float
    y: float
    half: tuple[float, float]
    yaw: float = 0.0
    radius: float = 0.0

    def corners(self) -> Array:
        """Corners of the rectangle, (4, 2)."""
        signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]], dtype=float)
        return signs * self.half @ _turn(self.yaw).T + (self.x, self.y)


@dataclass(frozen=True)
class Rest:
    """Where an object's underside centre is at rest [m], and its yaw [rad]."""

    x: float
    y: float
    z: float
    yaw: float


def footprint(spec: ObjectSpec, x: float, y: float, yaw: float) -> Footprint:
    """The ground that an object covers at (x, y)."""
    half = spec.dimensions.half
    return Footprint(x, y, half, yaw, half[0] if spec.kind in _ROUND else 0.0)


def fixture_footprints(spec: FixtureSpec, sweep: bool) -> tuple[Footprint, ...]:
    """The ground a fixture covers, and with `sweep` also what its parts and the hand need."""
    size = FIXTURE_DIMENSIONS[spec.kind]
    x, y = spec.position
    result = [Footprint(x, y, size.half, spec.yaw)]
    if sweep and size.sweep > 0:
        forward = _turn(spec.yaw) @ (-(size.half[0] + size.sweep / 2), 0.0)
        result.append(Footprint(x + forward[0], y + forward[1], (size.sweep / 2, size.half[1]), spec.yaw))
    return tuple(result)


def clearance(a: Footprint, b: Footprint) -> float:
    """Distance between two footprints [m]; negative = they overlap. Exact for discs."""
    if a.radius and b.radius:
        return math.hypot(a.x - b.x, a.y - b.y) - a.radius - b.radius
    if a.radius or b.radius:
        disc, box = (a, b) if a.radius else (b, a)
        local = np.abs(_turn(box.yaw).T @ (disc.x - box.x, disc.y - box.y)) - box.half
        inside = min(float(local.max()), 0.0)
        return float(np.linalg.norm(np.maximum(local, 0.0))) + inside - disc.radius
    first, second = a.corners(), b.corners()
    axes = np.concatenate([_turn(a.yaw).T, _turn(b.yaw).T])  # (4, 2) face normals
    p, q = first @ axes.T, second @ axes.T  # (4 corners, 4 axes)
    return float(np.maximum(p.min(0) - q.max(0), q.min(0) - p.max(0)).max())


def rest_places(scene: Scene) -> dict[str, Rest]:
    """Where every object starts, drawers and doors as the scene says.

    Raises:
        ValueError: A support is unknown or carries itself.
    """
    places: dict[str, Rest] = {}
    for spec in scene.objects:
        _place(scene, spec, places, ())
    return places


def _place(scene: Scene, spec: ObjectSpec, places: dict[str, Rest], above: tuple[str, ...]) -> Rest:
    if spec.name in places:
        return places[spec.name]
    support = spec.on or spec.inside
    if not support:
        x, y = spec.position[:2] if spec.position else (0.45, 0.0)
        z = spec.position[2] if len(spec.position) == 3 else 0.0
        rest = Rest(x, y, z, spec.yaw)
    elif support in above or support == spec.name:
        raise ValueError(f"'{spec.name}' carries itself")
    else:
        dx, dy = spec.position[:2] if spec.position else (0.0, 0.0)
        base, height = _support(scene, spec, support, places, (*above, spec.name))
        rest = Rest(base.x + dx, base.y + dy, base.z + height, spec.yaw)
    places[spec.name] = rest
    return rest


def _support(
    scene: Scene, spec: ObjectSpec, support: str, places: dict[str, Rest], above: tuple[str, ...]
) -> tuple[Rest, float]:
    """Underside of the support, and height above it at which `spec` rests."""
    for carrier in scene.objects:
        if carrier.name == support:
            size = carrier.dimensions
            height = size.floor if (spec.inside or carrier.kind == "plate") else size.height
            if carrier.kind == "bowl":  # wide things rest on the slope of the wall
                height += max(0.0, max(spec.dimensions.half) - BOWL_FLAT * size.radius) * 1.2
            return _place(scene, carrier, places, above), height
    try:
        fixture = scene.fixture(support)
    except KeyError:
        known = [o.name for o in scene.objects] + [n for f in scene.fixtures for n in (f.kind, *f.parts)]
        raise ValueError(f"'{spec.name}' rests on unknown '{support}'{nearest(support, known)}") from None
    forward, height = 0.0, FIXTURE_DIMENSIONS[fixture.kind].height
    if support in DRAWER_BOTTOMS:
        forward = DRAWER_TRAVEL * fixture.state.get(support, 0.0)
        height = DRAWER_BOTTOMS[support] + DRAWER_FLOOR
    elif spec.inside:
        height = CUPBOARD_FLOOR
    shift = _turn(fixture.yaw) @ (-forward, 0.0)
    return Rest(fixture.position[0] + shift[0], fixture.position[1] + shift[1], 0.0, fixture.yaw), height


def fits_inside(spec: ObjectSpec, container: str, size: str = "small") -> bool:
    """Whether an object lies wholly within a container kind, or a drawer or cupboard."""
    if container in DRAWER_BOTTOMS or container in ("drawer", "cupboard"):
        room = CUPBOARD_INNER if container == "cupboard" else DRAWER_INNER
        top = 0.24 if container == "cupboard" else 0.075
        return max(spec.dimensions.half) <= min(room) and spec.dimensions.height <= top
    carrier = DIMENSIONS[container, size]
    return carrier.inner > 0 and max(spec.dimensions.half) <= carrier.inner


def problems(scene: Scene) -> list[str]:
    """Everything that keeps a scene from existing, one sentence each."""
    found = _problems_of_supports(scene)
    if len(scene.objects) > MAX_OBJECTS:
        found.append(f"{len(scene.objects)} objects, at most {MAX_OBJECTS}")
    for kind, times in Counter(f.kind for f in scene.fixtures).items():
        if times > 1:
            found.append(
                f"{times} fixtures of kind '{kind}': at most one of each, so that its parts have one name"
            )
    names = [camera.name for camera in scene.cameras]
    if not names:
        found.append("no camera: at least one fixed camera is needed")
    found += [f"camera name '{n}' is given twice" for n, times in Counter(names).items() if times > 1]
    if "wrist" in names:
        found.append("camera name 'wrist' belongs to the robot's own camera")
    if found:
        return found
    places = rest_places(scene)
    for spec in scene.objects:
        if not (spec.on or spec.inside):
            found += _problems_of_reach(f"'{spec.name}'", places[spec.name].x, places[spec.name].y)
    for fixture in scene.fixtures:
        found += _problems_of_reach(f"the {fixture.kind}", *fixture.position, more=0.15)
    return found + _overlaps(scene, places)


def _problems_of_supports(scene: Scene) -> list[str]:
    found = []
    try:
        rest_places(scene)
    except ValueError as error:
        return [str(error)]
    kinds = {o.name: o for o in scene.objects}
    for spec in scene.objects:
        support = spec.on or spec.inside
        if not support:
            if not spec.position:
                found.append(f"'{spec.name}' has no position")
        elif spec.inside:
            carrier = kinds.get(support)
            kind, size = (carrier.kind, carrier.size) if carrier else (support, "small")
            if carrier is None and support not in (*DRAWER_BOTTOMS, "cupboard"):
                found.append(f"nothing goes inside '{support}'; name a drawer, 'cupboard', or a container")
            elif not fits_inside(spec, kind, size):
                found.append(f"'{spec.name}' is too large to lie inside '{support}'")
        elif support not in kinds and support not in ("shelf", "cabinet", "cupboard"):
            found.append(f"nothing stands on '{support}'; name an object, 'shelf', 'cabinet' or 'cupboard'")
    return found


def _problems_of_reach(what: str, x: float, y: float, more: float = 0.0) -> list[str]:
    distance = math.hypot(x, y)
    if x < 0 or not REACH[0] <= distance <= REACH[1] + more:
        return [
            f"{what} at ({x:.2f}, {y:.2f}) is out of reach: {distance:.2f} m from the robot, "
            f"allowed {REACH[0]:.2f} to {REACH[1] + more:.2f} m in front of it"
        ]
    return []


def _overlaps(scene: Scene, places: dict[str, Rest]) -> list[str]:
    solids = []  # (name, footprint, bottom, top)
    for spec in scene.objects:
        rest = places[spec.name]
        if not (spec.on or spec.inside):
            solids.append(
                (
                    f"'{spec.name}'",
                    footprint(spec, rest.x, rest.y, rest.yaw),
                    rest.z,
                    rest.z + spec.dimensions.height,
                )
            )
    for fixture in scene.fixtures:
        top = FIXTURE_DIMENSIONS[fixture.kind].height
        solids += [(f"the {fixture.kind}", f, 0.0, top) for f in fixture_footprints(fixture, sweep=False)]
    found = []
    for i, (name, area, bottom, top) in enumerate(solids):
        for other, other_area, other_bottom, other_top in solids[:i]:
            gap = clearance(area, other_area)
            if gap < -1e-4 and bottom < other_top - 1e-4 and other_bottom < top - 1e-4:
                found.append(f"{other} and {name} overlap by {-gap * 100:.1f} cm; move one of them")
    return found


def _turn(yaw: float) -> Array:
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s], [s, c]])
