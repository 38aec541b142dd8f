"""Ranked grasps on a measured object, under the unit's preferences.

The score is a weighted sum of what the detector believed, how near the grasp is to the part
wanted, how well the approach agrees with the wanted one, and how squarely the surfaces face the
fingers; the weights are those RoboCodeX published (arXiv 2402.16117).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embodied_agent.perception import candidates as source
from embodied_agent.perception.candidates import LEAST_ROOM, OPENING_ROOM, Candidates
from embodied_agent.perception.geometry import voxel_centers
from embodied_agent.perception.hand import Hand, hits, lowest
from embodied_agent.perception.localize import HANDLES, PANELS
from embodied_agent.types import Array, Grasp, Object, Pose

WEIGHT_DETECTOR = 0.01
WEIGHT_POSITION = 0.2
WEIGHT_APPROACH = 0.4
WEIGHT_NORMAL = 0.4
COLLISION_POINTS = 3  # more of a scene's points inside the hand are a collision
OWN_POINTS = 0.02  # share of the thing's own points that may lie inside the fingers
NEAR_HAND = 0.22  # [m] points farther from the thing cannot be hit
FLOOR_ROOM = 0.002  # [m] finger tips stay this far above the support
POSITION_SCALE = 0.05  # [m] at which the position term has fallen to one half
Indices = NDArray[np.intp]
RIMMED = frozenset({"bowl", "mug", "plate", "bin", "box"})
BEST = 40
COPY_DISTANCE = 0.006  # [m] and
COPY_TURN = 0.15  # [rad]: two grasps nearer than this in both are the same grasp

DIRECTIONS = {"above": np.array([0.0, 0.0, -1.0]), "front": np.array([1.0, 0.0, 0.0])}


def propose(
    item: Object,
    hand: Hand,
    *,
    approach: str = "any",
    grasp_at: str = "",
    obstacles: Array | None = None,
    support: float | None = None,
    handle: Object | None = None,
    outward: Array | None = None,
    viewpoint: Array | None = None,
    best: int = BEST,
) -> list[Grasp]:
    """Grasps that fit the hand and hit nothing, best first.

    Args:
        item: What to hold.
        hand: Sizes of the gripper.
        approach: "above", "side", "front" or "any".
        grasp_at: "body", "handle", "rim", or "" for whatever suits the kind.
        obstacles: Measured points of everything else, (N, 3) [m].
        support: Height of the surface below the thing [m]; None = its own underside.
        handle: Its handle, if it has one that was detected apart (drawer, door).
        outward: Direction (3,) in which a handle stands out, where `item` is the handle itself;
            with a panel it is the side of the panel that the handle is on.
        viewpoint: Where the cloud was seen from (3,) [m]; None = from above the robot.
        best: How many to return at most.

    Returns:
        At most `best` grasps; [] if none fits. Each is there in both turns of the hand.
    """
    eye = np.array([0.0, 0.0, 1.1]) if viewpoint is None else viewpoint
    floor = float(item.position[2] - item.extent[2] / 2) if support is None else support
    around = np.zeros((0, 3)) if obstacles is None else np.asarray(obstacles, dtype=np.float64)
    reach = NEAR_HAND + float(item.extent.max()) / 2
    around = around[np.linalg.norm(around - item.position, axis=1) < reach]
    own = voxel_centers(item.cloud, 0.005)
    found: list[Grasp] = []
    for group in _groups(item, hand, approach, grasp_at, handle, outward, eye):
        held = handle if handle is not None and group.source == "handle" else item
        found += _kept(group, held, hand, approach, around, own, floor)
    found.sort(key=lambda grasp: -grasp.score)
    return _varied(found, best)


def _groups(
    item: Object,
    hand: Hand,
    approach: str,
    grasp_at: str,
    handle: Object | None,
    outward: Array | None,
    eye: Array,
) -> Sequence[Candidates]:
    if item.kind in HANDLES:
        return [source.from_handle(item, hand, outward)]
    if item.kind in PANELS:
        if handle is None:
            return []
        normal = item.pose.rotation[:, 0]
        if (handle.position - item.position) @ normal < 0:  # an open door shows its back
            normal = -normal
        return [source.from_handle(handle, hand, normal)]
    if item.kind == "knob":
        return [source.from_knob(item, hand)]
    if grasp_at == "handle":
        return [source.from_mug_handle(item, hand)] if item.kind == "mug" else []
    if grasp_at == "rim":
        return [source.from_rim(item, hand)]
    groups = [source.from_box(item, hand)]
    if item.kind not in RIMMED:
        groups.append(source.from_pairs(item, hand, eye))
    if approach in ("side", "front", "any"):
        groups.append(source.from_sides(item, hand))
    if item.kind in RIMMED and grasp_at != "body":
        groups.append(source.from_rim(item, hand))
    return groups


def _kept(
    group: Candidates, held: Object, hand: Hand, approach: str, around: Array, own: Array, floor: float
) -> list[Grasp]:
    if len(group) == 0:
        return []
    opened = np.minimum(group.widths + OPENING_ROOM, hand.max_width)
    if group.source in ("rim", "handle"):
        opened = np.minimum(group.widths + 0.04, hand.max_width)
    fits = group.widths <= hand.max_width - LEAST_ROOM
    x = np.cross(group.closing, group.approach)
    rotations = np.stack([x, group.closing, group.approach], axis=2)  # (K, 3, 3), tool axes as columns
    if group.source != "handle":
        fits &= lowest(hand, rotations, group.centers, opened) >= floor + FLOOR_ROOM - 1e-9
    index: Indices = np.flatnonzero(fits)
    if len(index) == 0:
        return []
    free = hits(hand, rotations[index], group.centers[index], opened[index], around) <= COLLISION_POINTS
    allowed = max(COLLISION_POINTS, int(OWN_POINTS * len(own)))
    free &= hits(hand, rotations[index], group.centers[index], opened[index], own) <= allowed
    index = index[free]
    terms = _terms(group, index, held, approach)
    total = np.sum(list(terms.values()), axis=0)
    grasps = []
    for row, k in enumerate(index):
        told = {name: round(float(values[row]), 4) for name, values in terms.items()}
        for turn in (1.0, -1.0):
            axes = np.stack([turn * x[k], turn * group.closing[k], group.approach[k]], axis=1)
            pose = Pose.from_matrix(axes).translated(group.centers[k])
            grasps.append(Grasp(pose, float(opened[k]), float(np.clip(total[row], 0.0, 1.0)), told))
    return grasps


def _terms(group: Candidates, index: Indices, held: Object, approach: str) -> dict[str, Array]:
    chosen = group.centers[index]
    wanted = held.position if group.source == "handle" else held.pose.position
    across = np.linalg.norm((chosen - wanted)[:, :2], axis=1)
    if group.source == "rim":  # every place on a rim is as good; nearer the robot is easier
        across = (np.linalg.norm(chosen[:, :2], axis=1) - np.linalg.norm(wanted[:2])) * 0.2 + 0.02
    position = 1.0 / (1.0 + np.maximum(across, 0.0) / POSITION_SCALE)
    return {
        "detector": WEIGHT_DETECTOR * np.full(len(index), held.confidence),
        "position": WEIGHT_POSITION * position,
        "approach": WEIGHT_APPROACH * _agreement(group.approach[index], approach),
        "normal": WEIGHT_NORMAL * group.normality[index],
    }


def _agreement(directions: Array, approach: str) -> Array:
    """How well approach directions (K, 3) agree with the wanted one, in [0, 1]."""
    if approach in DIRECTIONS:
        return np.asarray(np.clip(directions @ DIRECTIONS[approach], 0.0, 1.0))
    level = np.linalg.norm(directions[:, :2], axis=1)
    if approach == "side":
        return np.asarray(level)
    above = np.clip(-directions[:, 2], 0.0, 1.0)  # "any": above is the surest, forward next
    return np.asarray(np.maximum(above, 0.8 * np.clip(directions[:, 0], 0.0, 1.0)))


def _varied(grasps: list[Grasp], best: int) -> list[Grasp]:
    """The best ones without near copies, so that a retry tries something else."""
    if not grasps:
        return []
    places = np.array([grasp.pose.position for grasp in grasps])
    turns = np.array([grasp.pose.quaternion for grasp in grasps])
    kept: list[int] = []
    for k in range(len(grasps)):
        near = np.linalg.norm(places[kept] - places[k], axis=1) < COPY_DISTANCE
        alike = np.abs(turns[kept] @ turns[k]) > np.cos(COPY_TURN / 2)
        if not (near & alike).any():
            kept.append(k)
        if len(kept) >= best:
            break
    return [grasps[k] for k in kept]
