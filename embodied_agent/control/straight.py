"""Tool paths that must be followed exactly: approaches, and the poses that lead a drawer or a door."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embodied_agent.control.effort import Spent, never
from embodied_agent.types import Array, Pose

if TYPE_CHECKING:  # programs are checked without a simulator installed
    from embodied_agent.control.collision import CollisionWorld
    from embodied_agent.control.kinematics import Kinematics

POSITION_STEP = 0.01  # [m] between solved poses
ROTATION_STEP = 0.05  # [rad]
JUMP = 0.35  # [rad] in one step: another branch of the kinematics, not a straight motion


@dataclass(frozen=True)
class StraightPath:
    """Joints along a tool path.

    Attributes:
        positions: [rad], (T, n); as far as the path could be followed.
        fraction: Share of the path that they cover, in [0, 1].
        reason: Why it ends early, with numbers; "" if it does not.
    """

    positions: Array
    fraction: float
    reason: str

    @property
    def complete(self) -> bool:
        """Whether it reaches the last pose."""
        return not self.reason


def follow_poses(
    kinematics: Kinematics,
    start: Array,
    poses: Sequence[Pose],
    world: CollisionWorld | None = None,
    spent: Spent = never,
    but_hand: bool = False,
) -> StraightPath:
    """Joints that lead the tool in straight lines from where it is through `poses`.

    Args:
        kinematics: The arm.
        start: Joints to begin at [rad], (n,).
        poses: Tool poses in the world; between them the tool moves straight and turns evenly.
        world: Collisions to stop at; None = do not look.
        spent: Whether the search has to end.
        but_hand: The hand may touch what is there, the links behind it may not.
    """
    current = np.asarray(start, dtype=np.float64)
    stations = interpolate_poses([kinematics.forward(current), *poses])
    path = [current]
    for i, pose in enumerate(stations, start=1):
        reason = ""
        result = kinematics.step_towards(pose, current)
        if not result.found:
            reason = _why(kinematics, result.positions, result.reason)
        elif np.abs(result.positions - current).max() > JUMP:
            reason = "the arm would have to swing to another posture"
        elif world is not None and (contact := world.contact(result.positions, but_hand=but_hand)) is not None:
            reason = str(contact)
        elif spent():
            reason = "the allowance for planning is spent"
        if reason:
            share = (i - 1) / len(stations)
            return StraightPath(np.array(path), share, f"{reason}, after {share:.0%} of the straight path")
        current = result.positions
        path.append(current)
    return StraightPath(np.array(path), 1.0, "")


def interpolate_poses(poses: Sequence[Pose]) -> list[Pose]:
    """Stations between consecutive poses at `POSITION_STEP` and `ROTATION_STEP`; the first is left out."""
    stations: list[Pose] = []
    for a, b in itertools.pairwise(poses):
        distance = float(np.linalg.norm(b.position - a.position))
        angle = rotation_angle(a, b)
        count = max(1, int(np.ceil(max(distance / POSITION_STEP, angle / ROTATION_STEP))))
        stations.extend(blend(a, b, k / count) for k in range(1, count + 1))
    return stations


def blend(a: Pose, b: Pose, share: float) -> Pose:
    """The pose at `share` in [0, 1] of the way: linear in position, spherical in rotation."""
    qa, qb = a.quaternion, b.quaternion
    cosine = float(np.dot(qa, qb))
    if cosine < 0:
        qb, cosine = -qb, -cosine
    if cosine > 0.9995:
        quaternion = qa + share * (qb - qa)
    else:
        angle = np.arccos(cosine)
        quaternion = (np.sin((1 - share) * angle) * qa + np.sin(share * angle) * qb) / np.sin(angle)
    return Pose(a.position + share * (b.position - a.position), quaternion)


def rotation_angle(a: Pose, b: Pose) -> float:
    """Angle between two orientations [rad]."""
    return 2 * float(np.arccos(np.clip(abs(np.dot(a.quaternion, b.quaternion)), 0.0, 1.0)))


def _why(kinematics: Kinematics, positions: Array, reason: str) -> str:
    """The joint that stands at its limit, if one does."""
    description = kinematics.description
    room = np.minimum(positions - description.lower, description.upper - positions)
    k = int(np.argmin(room))
    if room[k] < 0.02:
        return f"joint '{description.joint_names[k]}' reaches its limit of {positions[k]:.2f} rad"
    return reason
