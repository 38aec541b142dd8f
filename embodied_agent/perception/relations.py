"""Where measured things are to each other. Every answer carries its numbers and thresholds.

A thing that no camera can see now is not guessed about: the answer is `ok=False` with the
reason. Left and right are as a person at the robot's base sees them: +y is left, +x behind.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodied_agent.perception.geometry import hull_2d, in_polygon, smallest_rectangle, yaw_rotation
from embodied_agent.perception.localize import rim_circle
from embodied_agent.perception.support import behind_panel
from embodied_agent.types import Array, Object, Result

INSIDE_SHARE = 0.7  # of the measured points of a thing that lie over the container's opening
INSIDE_RIM = 0.006  # [m] a point this far over the rim's outside still counts as over it
BELOW_RIM = 0.005  # [m] an inside thing's lowest seen point may be this far above the rim...
SUNK = 0.007  # [m] ...if its estimated bottom is at least this far below the rim
DRAWER_MARGIN = 0.012  # [m]
RIM_SLICE = 0.015  # [m] of height below a rim that belongs to it
RIM_LAYER, RIM_STEP = 0.006, 0.003  # [m] of height in which a rim reaches around, and between those looked at
AROUND = 0.65  # of a container's breadth and depth that its rim has at least; a mug's handle is no part of it
ON_GAP = 0.018  # [m] between a support's top and the thing's lowest point
HIDDEN_GAP = 0.012  # [m]
ON_GAP_HIDDEN = 0.03  # [m] the same where the thing hides the support's top, whose height is unsure
HIDDEN_SHARE = 0.5  # of the support's seen points below the thing; fewer: only its sides are seen
ON_OVERHANG = 0.35  # of its width: a thing hides the support below it, which then seems smaller
BESIDE_GAP = 0.12  # [m] largest distance between footprints of things that are beside each other
BESIDE_HEIGHT = 0.05  # [m] largest difference of the heights they stand at
SIDE_MARGIN = 0.02  # [m] least difference of centres for left of, right of, behind, in front of
AT_DISTANCE = 0.04  # [m]
STALE = 1e-6  # [s]
SIDES = {"left": (1, 1.0), "right": (1, -1.0), "behind": (0, 1.0), "front": (0, -1.0)}


def unseen(items: Sequence[Object], now: float | None) -> Result | None:
    """The answer "unknown" if any of the things was not measured in the look at time `now`."""
    if now is None:
        return None
    for item in items:
        if item.stamp < now - STALE:
            return Result(
                ok=False,
                reason=f"the {item.description or item.kind} cannot be seen now "
                f"(last seen {now - item.stamp:.1f} s ago)",
                evidence={"id": item.id, "last_seen": round(item.stamp, 3), "now": round(now, 3)},
            )
    return None


def bottom_of(item: Object) -> float:
    """Height of the underside of a thing [m]."""
    return float(item.position[2] - item.extent[2] / 2)


def top_of(item: Object) -> float:
    """Height of the highest part of a thing [m]."""
    return float(item.position[2] + item.extent[2] / 2)


def footprint(item: Object) -> Array:
    """Convex outline (M, 2) of a thing seen from above, counter-clockwise [m]."""
    return hull_2d(item.cloud[:, :2])


def opening(container: Object, rim: float) -> Array:
    """Convex outline (M, 2) of a container's opening at its rim [m].

    A mug's handle and what sticks out below the rim do not belong to it.

    Args:
        container: A bowl, mug, box or bin.
        rim: Its height, as `rim_of` gives it [m].
    """
    cloud = container.cloud[container.cloud[:, 2] <= rim]
    circle = rim_circle(cloud)
    if circle is not None and container.kind != "box":
        angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return np.asarray(circle.center + circle.radius * ring)
    top = cloud[cloud[:, 2] > rim - RIM_SLICE]
    return hull_2d((top if len(top) >= 20 else cloud)[:, :2])


def rim_of(container: Object) -> float:
    """Height of a container's rim [m]: the highest slice that reaches around it.

    A mask takes in some of what stands out of a container, whose top is not the rim then.
    """
    cloud, top = container.cloud, top_of(container)
    axes = yaw_rotation(smallest_rectangle(footprint(container)).yaw)[:2, :2]
    flat = cloud[:, :2] @ axes
    whole = np.ptp(flat, axis=0)
    for height in np.arange(top, bottom_of(container) + RIM_SLICE, -RIM_STEP):
        at = flat[(cloud[:, 2] <= height) & (cloud[:, 2] > height - RIM_LAYER)]
        if len(at) >= 20 and bool(np.all(np.ptp(at, axis=0) >= AROUND * whole)):
            return float(height)
    return top


def is_inside(
    item: Object, container: Object, *, cabinet: Object | None = None, now: float | None = None
) -> Result:
    """Whether a thing lies in a container.

    Args:
        item: The thing.
        container: A bowl, mug, box or bin, or a drawer's front panel.
        cabinet: The drawer's cabinet; needed for a drawer.
        now: Time of the newest look; a thing measured earlier makes the answer unknown.
    """
    if (unknown := unseen([item, container], now)) is not None:
        return unknown
    if container.kind == "drawer":
        return _in_drawer(item, container, cabinet)
    rim = rim_of(container)
    outline = opening(container, rim)
    over = float(in_polygon(item.cloud[:, :2], outline, INSIDE_RIM).mean())
    centered = bool(in_polygon(item.position[None, :2], outline)[0])
    bottom = bottom_of(item)
    lowest = float(np.percentile(item.cloud[:, 2], 5.0))
    sunk = bottom < rim - min(SUNK, 0.5 * container.extent[2]) and lowest < rim + BELOW_RIM
    value = bool(over >= INSIDE_SHARE and centered and sunk)
    return Result(
        value=value,
        evidence={
            "share_over_opening": round(over, 3),
            "needed_share": INSIDE_SHARE,
            "center_over_opening": centered,
            "bottom": round(bottom, 4),
            "lowest_seen": round(lowest, 4),
            "rim": round(rim, 4),
        },
    )


def _in_drawer(item: Object, panel: Object, cabinet: Object | None) -> Result:
    if cabinet is None:
        return Result(ok=False, reason="the cabinet of the drawer was not seen, so its room is unknown")
    behind, before, side = behind_panel(panel, cabinet, item.position)
    above = float(np.percentile(item.cloud[:, 2], 5.0)) - bottom_of(panel)
    highest = top_of(panel) + item.extent[2] / 2
    value = (
        behind > 0.0
        and before > -DRAWER_MARGIN
        and side < panel.extent[1] / 2 + DRAWER_MARGIN
        and above > -DRAWER_MARGIN
        and float(item.position[2]) < highest
    )
    return Result(
        value=bool(value),
        evidence={
            "behind_panel": round(behind, 4),
            "before_cabinet": round(before, 4),
            "beside_middle": round(side, 4),
            "half_width": round(float(panel.extent[1]) / 2, 4),
            "above_panel_bottom": round(above, 4),
            "center_height": round(float(item.position[2]), 4),
            "highest_center": round(highest, 4),
        },
    )


def is_on(item: Object, support: Object, *, now: float | None = None) -> Result:
    """Whether a thing stands on another: above it, touching its top or, on a plate, its floor.

    Args:
        item: The thing.
        support: What it may stand on.
        now: Time of the newest look; a thing measured earlier makes the answer unknown.
    """
    if (unknown := unseen([item, support], now)) is not None:
        return unknown
    outline = footprint(support)
    overhang = ON_OVERHANG * float(item.extent[:2].min())
    centered = bool(in_polygon(item.position[None, :2], outline, overhang)[0])
    over = float(in_polygon(item.cloud[:, :2], outline, 0.004).mean())
    seen_low = float(np.percentile(item.cloud[:, 2], 2.0))
    bottom, top = bottom_of(item), top_of(support)
    floor = bottom_of(support)
    lowest_allowed = floor - ON_GAP / 2 if support.kind == "plate" else top - ON_GAP
    hidden = float(in_polygon(support.cloud[:, :2], footprint(item), 0.004).mean())
    largest = ON_GAP_HIDDEN if hidden < HIDDEN_SHARE and _covers(item, support) else ON_GAP
    touching = lowest_allowed <= bottom <= top + largest and top_of(item) > top + 0.004
    if not centered:  # a thing in front of its support's top hides it: then touching must be exact
        centered = abs(bottom - top) < HIDDEN_GAP and gap_between(item, support) < HIDDEN_GAP / 2
    value = centered and touching and seen_low > lowest_allowed
    return Result(
        value=bool(value),
        evidence={
            "center_over_support": centered,
            "share_over_support": round(over, 3),
            "bottom": round(bottom, 4),
            "lowest_seen": round(seen_low, 4),
            "support_top": round(top, 4),
            "gap": round(bottom - top, 4),
            "largest_gap": largest,
        },
    )


def _covers(item: Object, support: Object) -> bool:
    """Whether a thing is so wide that it hides the top of what it stands on."""
    return bool((np.sort(item.extent[:2]) > np.sort(support.extent[:2]) - 0.004).all())


def gap_between(a: Object, b: Object) -> float:
    """Smallest horizontal distance between two things as seen from above [m]; 0 if they overlap."""
    first, second = footprint(a), footprint(b)
    if in_polygon(first, second).any() or in_polygon(second, first).any():
        return 0.0
    return min(_to_outline(first, second), _to_outline(second, first))


def _to_outline(points: Array, outline: Array) -> float:
    start, end = outline, np.roll(outline, -1, axis=0)
    edge = end - start
    length = np.maximum((edge**2).sum(axis=1), 1e-12)
    along = np.einsum("nmk,mk->nm", points[:, None] - start[None], edge) / length
    nearest = start[None] + np.clip(along, 0.0, 1.0)[..., None] * edge[None]
    return float(np.linalg.norm(points[:, None] - nearest, axis=2).min())


def is_beside(item: Object, other: Object, *, side: str = "any", now: float | None = None) -> Result:
    """Whether a thing stands next to another at about the same height.

    Args:
        item: The thing.
        other: Its neighbour.
        side: "left", "right", "front" or "behind" of the neighbour, or "any".
        now: Time of the newest look; a thing measured earlier makes the answer unknown.
    """
    if (unknown := unseen([item, other], now)) is not None:
        return unknown
    gap = gap_between(item, other)
    lift = abs(bottom_of(item) - bottom_of(other))
    value = gap <= BESIDE_GAP and lift <= BESIDE_HEIGHT
    value = value and not (gap == 0.0 and (is_on(item, other).value or is_on(other, item).value))
    evidence = {
        "gap": round(gap, 4),
        "largest_gap": BESIDE_GAP,
        "height_difference": round(lift, 4),
        "largest_height_difference": BESIDE_HEIGHT,
    }
    if side != "any":
        axis, sign = SIDES[side]
        offset = sign * float(item.position[axis] - other.position[axis])
        value = value and offset > SIDE_MARGIN
        evidence[f"{side}_by"] = round(offset, 4)
    return Result(value=bool(value), evidence=evidence)


def lies(item: Object, side: str, other: Object, *, now: float | None = None) -> Result:
    """Whether a thing's centre lies to one side of another's.

    Args:
        item: The thing.
        side: "left" (+y), "right" (-y), "front" (-x) or "behind" (+x).
        other: What it is compared with.
        now: Time of the newest look; a thing measured earlier makes the answer unknown.
    """
    if (unknown := unseen([item, other], now)) is not None:
        return unknown
    axis, sign = SIDES[side]
    offset = sign * float(item.position[axis] - other.position[axis])
    return Result(
        value=offset > SIDE_MARGIN,
        evidence={f"{side}_by": round(offset, 4), "needed": SIDE_MARGIN},
    )


def is_at(item: Object, place: Array, *, distance: float = AT_DISTANCE, now: float | None = None) -> Result:
    """Whether a thing stands within `distance` [m] of a place (3,), measured horizontally."""
    if (unknown := unseen([item], now)) is not None:
        return unknown
    away = float(np.linalg.norm(item.position[:2] - np.asarray(place)[:2]))
    return Result(value=away <= distance, evidence={"distance": round(away, 4), "largest": distance})
