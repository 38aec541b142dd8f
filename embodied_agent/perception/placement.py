"""Where to set a thing down: in a container, on a support, beside something, on the free table.

Every place is the pose of the thing's centre at the moment the hand lets go, z up, with the
numbers that led to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from embodied_agent.perception.geometry import Rectangle, in_polygon, smallest_rectangle, yaw_rotation
from embodied_agent.perception.localize import rim_circle
from embodied_agent.perception.relations import bottom_of, footprint, opening, top_of
from embodied_agent.perception.release import RELEASE, Spot
from embodied_agent.types import Array, Object, Pose, Result

REACH = np.array([[0.27, 0.72], [-0.38, 0.38]])  # [m] of the table that the arm works on
CELL = 0.01  # [m] of the occupancy grid
CLEARANCE = 0.02  # [m] between footprints
BESIDE_CLEARANCE = 0.035  # [m] room for a finger between neighbours
DROP_IN = 0.015  # [m] between a container's rim and the thing's underside, if it cannot reach the floor
DIP = 0.012  # [m] of a thing's top over the rim when fingers fit into the container
FLOOR = 0.006  # [m] thickness of a container's floor
WALL = 0.006  # [m]
HAND_ROOM = 0.03  # [m] a hand needs on each side of a thing inside a container
FREE_SIDE = 0.12  # [m] edge of a free spot for a thing of unknown size
SIDE_ANGLES = {"left": np.pi / 2, "right": -np.pi / 2, "front": np.pi, "behind": 0.0}
MARGIN = 0.004  # [m] wanted between a thing and what lies in a container already
TIGHT = 0.01  # [m] a place where the thing may touch the wall is worth this much less
HIDING = 0.3  # [m/m] a place nearer to the wall that the camera looks over is worth this much less
EYE = np.array([0.0, 0.0, 1.1])  # [m] where a fixed camera usually stands
SPOTS = 24  # places in an opening or on a top that are worth a try
WIDELY = 0.025  # [m] between places on a top: the middle of a wide one may be out of reach
ROOMY = 0.05  # [m] a support this much wider than the thing offers more places than its middle
ABOVE = 0.03  # [m] over a surface that a thing may be let go, where the hand cannot go lower
PLATE_RIM = 0.8  # of a plate's radius is flat enough to stand on


@dataclass(frozen=True)
class Placement:
    """A place for a thing.

    Attributes:
        pose: Of the thing's centre when the hand lets go, world frame, z up.
        surface: Height of what it will stand on [m].
        drop: Distance that it falls after release [m].
        clearance: Horizontal distance to the nearest other thing or wall [m].
        evidence: The numbers behind it, JSON-ready.
        spots: Places that would do as well, best first; which one the hand can serve is not known here.
        highest: Of the thing's underside over any of them [m]; higher is never needed.
    """

    pose: Pose
    surface: float
    drop: float
    clearance: float
    evidence: Mapping[str, object] = field(default_factory=dict)
    spots: tuple[Spot, ...] = ()
    highest: float = 0.0


def inside(
    container: Object,
    extent: Array,
    *,
    contents: Sequence[Object] = (),
    cabinet: Object | None = None,
    yaw: float = 0.0,
    eye: Array = EYE,
) -> Result:
    """Where to let go of a thing so that it comes to lie in a container.

    Args:
        container: A bowl, mug, box or bin, or the front panel of an open drawer.
        extent: Box sizes of the thing [m], (3,).
        contents: What lies in the container already; the new place keeps away from it.
        cabinet: The drawer's cabinet, if the container is a drawer.
        yaw: Orientation to keep [rad].
        eye: Where the fixed camera stands [m]; a wall hides what lies close behind it.
    """
    if container.kind == "drawer":
        return _in_drawer(container, cabinet, extent, contents, yaw, eye)
    outline = opening(container)
    room = smallest_rectangle(outline)
    rim, floor = top_of(container), bottom_of(container) + FLOOR
    spots = _spread(outline, room, extent, contents, floor, eye)
    center, free = spots[0].center, _gap(spots[0].center, extent, contents, room)
    need = float(min(extent[0], extent[1]))
    inner = float(room.size.min()) - 2 * WALL
    if need > inner:
        return Result(
            ok=False,
            reason=f"the thing is {need * 1000:.0f} mm wide, the {container.kind} opens {inner * 1000:.0f} mm",
            evidence={"width": round(need, 4), "opening": round(inner, 4)},
        )
    surface = spots[0].surface
    bottom = _release_height(rim, surface, float(extent[2]), inner - need >= 2 * HAND_ROOM)
    pose = Pose.from_matrix(yaw_rotation(yaw)).translated(np.array([*center, bottom + extent[2] / 2]))
    evidence = {
        "rim": round(rim, 4),
        "floor": round(floor, 4),
        "opening": round(inner, 4),
        "contents": len(contents),
        "bottom_at_release": round(bottom, 4),
    }
    highest = max(rim, surface) + DROP_IN
    return Result(
        value=Placement(pose, surface, bottom - surface, free, evidence, spots, highest), evidence=evidence
    )


def _release_height(rim: float, surface: float, height: float, roomy: bool) -> float:
    """Height of a thing's underside when the hand lets go [m].

    Where fingers fit into the opening they lower the thing until its top is level with the rim,
    so that the palm stays out; else they stay over the rim.
    """
    over = rim + DIP - height if roomy else rim + DROP_IN - 0.5 * height
    return max(over, surface + RELEASE)


def _spread(
    outline: Array,
    room: Rectangle,
    extent: Array,
    contents: Sequence[Object],
    floor: float,
    eye: Array,
    spacing: float = 0.012,
) -> tuple[Spot, ...]:
    """Places in an opening, best first: clear of the contents, on the floor, near the middle."""
    grid = np.linspace(-0.5, 0.5, 21)
    local = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2) * room.size
    points = local @ yaw_rotation(room.yaw)[:2, :2].T + room.center
    most = 0.42 * float(room.size.min())
    points = points[in_polygon(points, outline, -min(0.25 * float(extent[0] + extent[1]), most))]
    points = np.concatenate([room.center[None], points])
    at_wall = np.logical_not(in_polygon(points, outline, -min(_radius(extent) + WALL, most)))
    aside = 0.0 if contents else _room_for_more(room, extent)
    away = room.center - np.asarray(eye)[:2]
    away = away / max(float(np.linalg.norm(away)), 1e-6)
    spots = []
    for point, tight in zip(points, at_wall, strict=True):
        below = [c for c in contents if _overlaps(point, extent, c)]
        surface = max([floor, *(top_of(c) for c in below)])
        gap = _gap(point, extent, contents, room) if contents else MARGIN
        cost = 0.25 * abs(float(np.linalg.norm(point - room.center)) - aside) + max(0.0, MARGIN - gap)
        nearer = float((room.center - point) @ away)
        cost += TIGHT * float(tight) + HIDING * max(0.0, nearer) + (0.05 * abs(nearer) if aside else 0.0)
        cost += 0.5 * (surface - floor)  # what stands on other things rolls off them
        spots.append(Spot(point, surface, cost))
    spots.sort(key=lambda spot: spot.cost)
    kept: list[Spot] = []
    for spot in spots:
        if all(np.linalg.norm(spot.center - other.center) > spacing for other in kept):
            kept.append(spot)
    return tuple(kept[:SPOTS])


def _room_for_more(room: Rectangle, extent: Array) -> float:
    """How far from the middle the first thing goes, so that another like it finds room beside it [m]."""
    inner, half = float(room.size.min()) / 2 - WALL, 0.25 * float(extent[0] + extent[1])
    if inner < 2 * half:
        return 0.0
    return float(np.clip(3 * half + 0.02 - inner, 0.0, max(0.0, inner - half - HAND_ROOM)))


def _radius(extent: Array) -> float:
    return 0.4 * float(np.linalg.norm(extent[:2]))


def _gap(center: Array, extent: Array, contents: Sequence[Object], room: Rectangle) -> float:
    """Distance of a thing at `center` to the nearest of the contents [m], or else to the wall."""
    if not contents:
        return float(room.size.min()) / 2 - _radius(extent)
    half = 0.25 * float(extent[0] + extent[1])
    return min(
        float(np.linalg.norm(center - c.position[:2])) - half - 0.25 * float(c.extent[0] + c.extent[1])
        for c in contents
    )


def _overlaps(center: Array, extent: Array, other: Object) -> bool:
    """Whether a thing at `center` would stand on another rather than next to it."""
    reach = 0.25 * float(extent[0] + extent[1] + other.extent[0] + other.extent[1])
    return bool(np.linalg.norm(center - other.position[:2]) < 0.97 * reach)


def _in_drawer(
    panel: Object, cabinet: Object | None, extent: Array, contents: Sequence[Object], yaw: float, eye: Array
) -> Result:
    if cabinet is None:
        return Result(ok=False, reason="the cabinet of the drawer was not seen, so its room is unknown")
    outward, along = panel.pose.rotation[:2, 0], panel.pose.rotation[:2, 1]
    cabinet_front = float(np.percentile(cabinet.cloud[:, :2] @ outward, 97.0))
    back_of_panel = float(panel.position[:2] @ outward) - float(panel.extent[0]) / 2
    room = back_of_panel - cabinet_front
    need = float(min(extent[0], extent[1]))
    if room < need + 0.02:
        return Result(
            ok=False,
            reason=f"the drawer is open {room * 1000:.0f} mm; the thing needs {need * 1000 + 20:.0f} mm",
            evidence={"room": round(room, 4), "width": round(need, 4)},
        )
    middle = outward * (back_of_panel + cabinet_front) / 2
    middle = middle + along * float(panel.position[:2] @ along)
    half = np.array([room, max(float(panel.extent[1]) - 0.03, need)]) / 2
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * half
    outline = np.array([middle + c[0] * outward + c[1] * along for c in corners])
    box = smallest_rectangle(outline)
    rim, floor = top_of(panel), bottom_of(panel) + 0.015
    spots = _spread(outline[::-1] if _clockwise(outline) else outline, box, extent, contents, floor, eye)
    center, free, surface = spots[0].center, _gap(spots[0].center, extent, contents, box), spots[0].surface
    bottom = _release_height(rim, surface, float(extent[2]), room - need >= 2 * HAND_ROOM)
    pose = Pose.from_matrix(yaw_rotation(yaw)).translated(np.array([*center, bottom + extent[2] / 2]))
    evidence = {"room": round(room, 4), "rim": round(rim, 4), "floor": round(floor, 4)}
    highest = max(rim, surface) + DROP_IN
    return Result(
        value=Placement(pose, surface, bottom - surface, free, evidence, spots, highest), evidence=evidence
    )


def _clockwise(outline: Array) -> bool:
    following = np.roll(outline, -1, axis=0)
    return float(np.sum(outline[:, 0] * following[:, 1] - outline[:, 1] * following[:, 0])) < 0


def on(support: Object, extent: Array, *, contents: Sequence[Object] = (), yaw: float = 0.0) -> Result:
    """Where to set a thing on another: the middle of its measured top.

    Args:
        support: What it shall stand on.
        extent: Box sizes of the thing [m], (3,).
        contents: What stands there already; the new place keeps clear of it.
        yaw: Orientation to keep [rad].
    """
    center, surface, spread = _top_face(support)
    outline = footprint(support)
    crowded = [c for c in contents if bottom_of(c) > surface - 0.02]
    spots: tuple[Spot, ...] = (Spot(center, surface),)
    roomy = float(support.extent[:2].min()) > float(np.max(extent[:2])) + ROOMY
    if crowded or roomy:
        places = _spread(outline, smallest_rectangle(outline), extent, crowded, surface, EYE, WIDELY)
        spots = (*(() if crowded else spots), *(spot for spot in places if spot.surface == surface))
        if not spots:
            reason = f"no free place on the {support.kind}: {len(crowded)} things stand there"
            return Result(ok=False, reason=reason, evidence={"surface": round(surface, 4)})
        center = spots[0].center
    bottom = surface + RELEASE
    pose = Pose.from_matrix(yaw_rotation(yaw)).translated(np.array([*center, bottom + extent[2] / 2]))
    evidence = {"surface": round(surface, 4), "flatness": round(spread, 4), "support": support.id}
    highest = surface + RELEASE + ABOVE
    return Result(value=Placement(pose, surface, RELEASE, 0.0, evidence, spots, highest), evidence=evidence)


def _top_face(support: Object) -> tuple[Array, float, float]:
    """Centre (2,), height and spread of the face that things can stand on."""
    cloud = support.cloud
    if support.kind in ("plate", "bowl"):
        circle = rim_circle(cloud)
        center = circle.center if circle else support.position[:2]
        radius = (circle.radius if circle else float(support.extent[:2].min()) / 2) * PLATE_RIM
        middle = cloud[np.linalg.norm(cloud[:, :2] - center, axis=1) < 0.7 * radius]
        if len(middle) >= 10:
            return center, float(np.median(middle[:, 2])), float(np.std(middle[:, 2]))
        return center, bottom_of(support) + FLOOR, 0.0
    top = top_of(support)
    face = cloud[cloud[:, 2] > top - 0.008]
    rectangle = smallest_rectangle(face[:, :2]) if len(face) >= 10 else None
    center = rectangle.center if rectangle is not None else support.position[:2]
    return center, float(np.median(face[:, 2])) if len(face) else top, float(np.std(face[:, 2]))


class Table:
    """Which part of the table is taken, as a grid over the reachable area.

    Args:
        obstacles: Points of everything that stands there, (N, 3) [m].
        height: Of the table [m].
        reach: Low and high of x and of y [m], (2, 2).
    """

    def __init__(self, obstacles: Array, height: float = 0.0, reach: Array = REACH) -> None:
        from scipy import ndimage

        self.height = height
        self.reach = np.asarray(reach, dtype=np.float64)
        pad = 0.15  # [m] things just outside the area still take room inside it
        self._low = self.reach[:, 0] - pad
        shape = np.ceil((self.reach[:, 1] + pad - self._low) / CELL).astype(int)
        taken = np.zeros(shape, dtype=bool)
        cells = np.floor((obstacles[:, :2] - self._low) / CELL).astype(int)
        cells = cells[((cells >= 0) & (cells < shape)).all(axis=1)]
        taken[tuple(cells.T)] = True
        self._distance = ndimage.distance_transform_edt(~taken) * CELL  # [m] to the nearest taken cell
        axes = [self._low[k] + (np.arange(shape[k]) + 0.5) * CELL for k in (0, 1)]
        self._places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    def clearance(self, places: Array) -> Array:
        """Distance [m] of places (N, 2) to the nearest taken cell; 0 outside the grid."""
        cells = np.floor((np.atleast_2d(places)[:, :2] - self._low) / CELL).astype(int)
        ok = ((cells >= 0) & (cells < self._distance.shape)).all(axis=1)
        result = np.zeros(len(cells))
        result[ok] = self._distance[tuple(cells[ok].T)]
        return result

    def in_reach(self, places: Array, margin: float = 0.0) -> Array:
        """Which places (N, 2) lie in the reachable area shrunk by `margin` [m]."""
        low, high = self.reach[:, 0] + margin, self.reach[:, 1] - margin
        return np.asarray(((places >= low) & (places <= high)).all(axis=-1))

    def free_spot(self, extent: Array | None = None, near: Array | None = None, yaw: float = 0.0) -> Result:
        """A free place for a thing.

        Args:
            extent: Its box sizes [m], (3,); None = room for anything up to 0.12 m.
            near: Wanted place (2,) or (3,); None = the roomiest near the middle of the area.
            yaw: Orientation to keep [rad].
        """
        radius = FREE_SIDE / 2 if extent is None else 0.5 * float(np.linalg.norm(extent[:2]))
        need = radius + CLEARANCE
        fits = (self._distance >= need) & self.in_reach(self._places, 0.02)
        if not fits.any():
            return Result(
                ok=False,
                reason=f"no free place of {2 * need:.2f} m on the table within reach",
                evidence={"needed_radius": round(need, 4), "roomiest": round(float(self._distance.max()), 4)},
            )
        wanted = self.reach.mean(axis=1) if near is None else np.asarray(near)[:2]
        away = np.linalg.norm(self._places - wanted, axis=-1)
        worth = -away if near is not None else np.minimum(self._distance, 0.15) - 0.3 * away
        index = np.unravel_index(int(np.argmax(np.where(fits, worth, -np.inf))), fits.shape)
        clearance = float(self._distance[index]) - radius
        return self._placed(self._places[index], extent, yaw, clearance, {})

    def beside(
        self,
        other: Object,
        extent: Array,
        *,
        side: str = "any",
        clearance: float = BESIDE_CLEARANCE,
        yaw: float = 0.0,
    ) -> Result:
        """A free place on the table next to a thing.

        Args:
            other: The neighbour.
            extent: Box sizes of the thing to place [m], (3,).
            side: "left", "right", "front", "behind" or "any".
            clearance: Gap to the neighbour [m].
            yaw: Orientation to keep [rad].
        """
        radius = 0.5 * float(np.linalg.norm(extent[:2]))
        outline = footprint(other)
        wanted = SIDE_ANGLES.get(side)
        spread = np.linspace(-np.pi, np.pi, 48, endpoint=False)
        if wanted is not None:
            spread = np.linspace(-0.6, 0.6, 13)
        found: list[tuple[float, Array, float]] = []
        for gap in (clearance, clearance + 0.02, clearance + 0.04, clearance + 0.06):
            for turn in spread:
                angle = (wanted or 0.0) + turn
                way = np.array([np.cos(angle), np.sin(angle)])
                reach = float((outline @ way).max() - other.position[:2] @ way)
                place = other.position[:2] + way * (reach + gap + radius)
                free = float(self.clearance(place[None])[0]) - radius
                if free < CLEARANCE or not self.in_reach(place[None], 0.02)[0]:
                    continue
                worth = min(free, 0.05) - 2.0 * (gap - clearance) - 0.05 * abs(turn) * (wanted is not None)
                worth -= 0.02 * float(np.linalg.norm(place - self.reach.mean(axis=1)))
                found.append((worth, place, free))
        if not found:
            where = "beside" if side == "any" else f"{side} of"
            return Result(
                ok=False,
                reason=f"no free place {where} the {other.kind} within reach",
                evidence={"side": side, "needed_radius": round(radius + CLEARANCE, 4)},
            )
        found.sort(key=lambda item: -item[0])
        best = found[0]
        some = found[:: 1 + len(found) // 40]
        spots = tuple(Spot(place, self.height, best[0] - worth) for worth, place, _ in some)
        return self._placed(best[1], extent, yaw, best[2], {"beside": other.id, "side": side}, spots=spots)

    def at(self, place: Array, extent: Array, *, yaw: float = 0.0) -> Result:
        """Exactly the place asked for, if it is free and within reach.

        Args:
            place: (2,) or (3,) [m]; the height of a clicked surface is kept.
            extent: Box sizes of the thing [m], (3,).
            yaw: Orientation to keep [rad].
        """
        place = np.asarray(place, dtype=np.float64)
        surface = float(place[2]) if len(place) == 3 and place[2] > self.height + 0.03 else self.height
        free = float(self.clearance(place[None, :2])[0]) - 0.5 * float(extent[:2].min())
        evidence = {"clearance": round(free, 4), "surface": round(surface, 4)}
        if not self.in_reach(place[None, :2], -0.05)[0]:
            reason = f"({place[0]:.2f}, {place[1]:.2f}) lies outside the reachable area"
            return Result(ok=False, reason=reason, evidence=evidence)
        if surface == self.height and free < 0.0:
            reason = f"something stands within {-free * 1000:.0f} mm of ({place[0]:.2f}, {place[1]:.2f})"
            return Result(ok=False, reason=reason, evidence=evidence)
        return self._placed(place[:2], extent, yaw, free, evidence, surface)

    def _placed(
        self,
        center: Array,
        extent: Array | None,
        yaw: float,
        clearance: float,
        evidence: Mapping[str, object],
        surface: float | None = None,
        spots: tuple[Spot, ...] = (),
    ) -> Result:
        level = self.height if surface is None else surface
        bottom = level + RELEASE
        half = 0.0 if extent is None else float(extent[2]) / 2
        pose = Pose.from_matrix(yaw_rotation(yaw)).translated(np.array([*center, bottom + half]))
        told = {**evidence, "clearance": round(clearance, 4), "place": [round(float(v), 4) for v in center]}
        spots = spots or (Spot(np.asarray(center), level),)
        highest = bottom + ABOVE
        return Result(value=Placement(pose, level, RELEASE, clearance, told, spots, highest), evidence=told)
