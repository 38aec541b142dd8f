"""How low a hand can let go of a thing: the lowest height at which hand and thing hit nothing seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodied_agent.perception.geometry import yaw_rotation
from embodied_agent.perception.hand import Hand
from embodied_agent.perception.spots import RELEASE, Spot
from embodied_agent.types import Array, Pose, quaternion_from_rotation

STEP = 0.008  # [m] between heights tried
HITS = 1  # more measured points inside the hand, or the thing, are a collision
ROOM = 0.006  # [m] around the fingers: a wall is known no better, and a thing sits askew in the hand
PALM = 0.08  # [m] of the hand behind the fingers
FLARE = 0.02  # [m] before the palm, in which knuckles stand out of the fingers by as much
FLAT = 0.012  # [m] points up to here above a surface are the surface
CORE = 0.8  # of a thing's half width; only points inside of it say that it does not fit
NEAR = 0.25  # [m] points farther away than this cannot be hit
TURNS = np.radians([0.0, 30.0, -30.0, 60.0, -60.0, 90.0, -90.0, 120.0, -120.0, 150.0, -150.0, 180.0])
TURN_COST = 0.003  # [m/rad] a turn of the hand is worth this much height
DROP_COST = 0.5  # [m/m]
OPTIONS = 36
SAME_SPOT = 3  # turns of the hand kept at one spot; what is out of reach so is so in any turn
SPACING = 0.012  # [m] and
TURN_SPACING = 0.3  # [rad] between options


@dataclass(frozen=True)
class Holding:
    """How a thing hangs in the hand.

    Attributes:
        hand: Sizes of the gripper.
        object_from_tool: The tool in the frame of the thing.
        opened: Opening of the fingers after they let go [m].
    """

    hand: Hand
    object_from_tool: Pose
    opened: float


@dataclass(frozen=True)
class Option:
    """A pose of a thing's centre at which the hand may let go, and what speaks against it [m]."""

    pose: Pose
    drop: float
    cost: float


def options(
    spots: Sequence[Spot],
    holding: Holding,
    extent: Array,
    points: Array,
    *,
    yaw: float = 0.0,
    highest: float = 0.0,
) -> list[Option]:
    """Poses to let go at, best first: each spot in several turns of the hand, as low as nothing is hit.

    Args:
        spots: Where the thing could go.
        holding: How it is held.
        extent: Its box sizes [m], (3,).
        points: Measured points of everything around, without the thing, (N, 3) [m].
        yaw: Its orientation now [rad].
        highest: Of its underside that is tried in any case [m], e.g. a container's rim.

    Returns:
        At most 36, none near another; [] where hand or thing would hit something at every height.
    """
    found: list[Option] = []
    for spot in spots:
        near = points[np.linalg.norm(points[:, :2] - spot.center, axis=1) < NEAR]
        near = near[near[:, 2] > spot.surface + FLAT]
        top = max(highest, spot.surface + RELEASE)
        bottoms = np.arange(spot.surface + RELEASE, top + STEP, STEP)
        for turn in TURNS:
            bottom = _lowest(spot.center, bottoms, yaw + float(turn), holding, extent, near)
            if bottom is None:
                continue
            center = np.array([*spot.center, bottom + float(extent[2]) / 2])
            pose = Pose(center, quaternion_from_rotation(yaw_rotation(yaw + float(turn))))
            drop = bottom - spot.surface
            found.append(Option(pose, drop, spot.cost + DROP_COST * drop + TURN_COST * abs(float(turn))))
    found.sort(key=lambda option: option.cost)
    return _varied(found)


def _lowest(
    center: Array, bottoms: Array, yaw: float, holding: Holding, extent: Array, points: Array
) -> float | None:
    """The lowest free height of the underside from which the way up is free too, or None."""
    if len(points) == 0:
        return float(bottoms[0])
    middle = np.column_stack([np.tile(center, (len(bottoms), 1)), bottoms + float(extent[2]) / 2])
    turned = yaw_rotation(yaw)
    rotation = turned @ holding.object_from_tool.rotation
    tools = middle + turned @ holding.object_from_tool.position
    count = len(bottoms)
    inside = _hits(holding, rotation, tools, points)
    local = np.abs((points - [*center, 0.0]) @ turned)  # (N, 3), heights apart
    core = (local[:, :2] < CORE * np.asarray(extent)[:2] / 2).all(axis=1)
    over = points[core, 2]
    inside = inside + [(over > bottom + FLAT / 2).sum() for bottom in bottoms]
    blocked = np.flatnonzero(inside > HITS)
    first = 0 if len(blocked) == 0 else int(blocked[-1]) + 1
    return None if first >= count else float(bottoms[first])


def _hits(holding: Holding, rotation: Array, tools: Array, points: Array) -> Array:
    """How many points (N, 3) each of many hands (K, 3) would meet, between its fingers included, (K,).

    The fingers come down closed on the thing and open there: nothing may stand anywhere between the
    outsides of the open fingers, a thin wall least of all.
    """
    hand = holding.hand
    px, py = hand.palm_half
    local = (points[None] - tools[:, None]) @ rotation  # (K, N, 3)
    x, y, z = np.abs(local[..., 0]), np.abs(local[..., 1]), local[..., 2]
    outer = holding.opened / 2 + hand.finger_thickness + ROOM
    fingers = (x < hand.finger_breadth / 2 + ROOM) & (y < outer)
    fingers &= (z > -hand.palm_depth) & (z < hand.tip_depth)
    fingers |= (x < px) & (y < outer + FLARE) & (z > -hand.palm_depth) & (z < -hand.palm_depth + FLARE)
    palm = (x < px) & (y < py) & (z < -hand.palm_depth) & (z > -hand.palm_depth - PALM)
    return np.asarray((fingers | palm).sum(axis=1))


def _varied(found: list[Option]) -> list[Option]:
    kept: list[Option] = []
    for option in found:
        here = [o for o in kept if _apart(option, o) < SPACING]
        turns = [abs(float(option.pose.quaternion @ o.pose.quaternion)) for o in here]
        if len(here) < SAME_SPOT and all(turn < np.cos(TURN_SPACING / 2) for turn in turns):
            kept.append(option)
        if len(kept) >= OPTIONS:
            break
    return kept


def _apart(a: Option, b: Option) -> float:
    return float(np.linalg.norm((a.pose.position - b.pose.position)[:2]))
