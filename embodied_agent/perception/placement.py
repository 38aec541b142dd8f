"""Where to set a thing down: in a container, in a drawer, on a support.

Every place is the pose of the thing's centre at the moment the hand lets go, z up, with the
numbers that led to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied_agent.perception.geometry import Rectangle, in_polygon, smallest_rectangle, yaw_rotation
from embodied_agent.perception.localize import rim_circle
from embodied_agent.perception.relations import bottom_of, footprint, opening, rim_of, top_of
from embodied_agent.perception.spots import ABOVE, RELEASE, Placement, Spot
from embodied_agent.types import Array, Object, Pose, Result

DROP_IN = 0.015  # [m] between a container's rim and the thing's underside, if it cannot reach the floor
DIP = 0.012  # [m] of a thing's top over the rim when fingers fit into the container
FLOOR = 0.006  # [m] thickness of a container's floor
WALL = 0.006  # [m]
HAND_ROOM = 0.03  # [m] a hand needs on each side of a thing inside a container
MARGIN = 0.004  # [m] wanted between a thing and what lies in a container already
TIGHT = 0.01  # [m] a place where the thing may touch the wall is worth this much less
HIDING = 0.3  # [m/m] a place nearer to the wall that the camera looks over is worth this much less
EYE = np.array([0.0, 0.0, 1.1])  # [m] where a fixed camera usually stands
SPOTS = 24  # places in an opening or on a top that are worth a try
WIDELY = 0.025  # [m] between places on a top: the middle of a wide one may be out of reach
ROOMY = 0.05  # [m] a support this much wider than the thing offers more places than its middle
PLATE_RIM = 0.8  # of a plate's radius is flat enough to stand on


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
    rim, floor = rim_of(container), bottom_of(container) + FLOOR
    outline = opening(container, rim)
    room = smallest_rectangle(outline)
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
            there = "another thing stands" if len(crowded) == 1 else f"{len(crowded)} things stand"
            reason = f"no free place on the {support.kind}: {there} there"
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
