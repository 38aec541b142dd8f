"""Places that the arm cannot serve while the hand holds a thing as it does, and which grasps could serve them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embodied_agent.perception.geometry import wrap
from embodied_agent.types import Array, Grasp, Object, Pose

if TYPE_CHECKING:  # programs are checked without a simulator installed
    from embodied_agent.primitives.arm import Arm

LEANING = (0.25, 1.25)  # [rad] from straight down: what reaches farther, and still lets things down
PLACES = 3  # tried for each grasp
CANDIDATES = 400  # grasps asked for: the leaning ones are seldom among the best
TESTED = 40  # leaning grasps at most
SUITED = 5  # found are enough
SAME_GRASP = 0.01  # [m]


@dataclass(frozen=True)
class Far:
    """Where a held thing could not be put.

    Attributes:
        goal: What it should go into, on or beside.
        places: Of the thing's centre, nearest to the robot first.
        tool_from_object: How it was held.
        reason: Why the arm could not.
    """

    goal: str
    places: tuple[Pose, ...]
    tool_from_object: Pose
    reason: str

    def holds_for(self, tool_from_object: Pose) -> bool:
        """Whether a thing is held as it was then."""
        change = self.tool_from_object.inverse() @ tool_from_object
        return bool(np.linalg.norm(change.position) < SAME_GRASP and abs(change.quaternion[0]) > 0.99)


def far_from(goal: str, places: Sequence[Pose], tool_from_object: Pose, reason: str) -> Far:
    """What is remembered of places that the arm cannot serve."""
    nearest = sorted(places, key=lambda place: float(np.linalg.norm(place.position[:2])))
    return Far(goal, tuple(nearest[:PLACES]), tool_from_object, reason)


def suited(
    arm: Arm, grasps: Sequence[Grasp], item: Object, far: Far, obstacles: Array, above: float
) -> list[Grasp]:
    """The grasps, best first, with which the arm could put a thing where it could not before.

    The hand leans away from the robot there: so it reaches farther than pointing down.

    Args:
        arm: The arm.
        grasps: On the thing where it stands now.
        item: The thing.
        far: Where it should go.
        obstacles: Points (N, 3) to keep off over there.
        above: Length of the straight way down [m].
    """
    leaning = [g for g in grasps if LEANING[0] < _lean(g.pose) < LEANING[1]]
    found: list[Grasp] = []
    for grasp in leaning[:TESTED]:
        object_from_tool = item.pose.inverse() @ grasp.pose
        tools = [_outwards(place @ object_from_tool, place.position) for place in far.places]
        if arm.first_placeable(tools, obstacles, None, above)[0] is not None:
            found.append(grasp)
        if len(found) >= SUITED:
            break
    return found


def outward_turn(tool: Pose, place: Array) -> float:
    """How far a leaning hand would have to turn about the vertical to point away from the robot [rad].

    Args:
        tool: Of the hand.
        place: Where it would be (2,) or (3,) [m].

    Returns:
        In [-pi, pi]; 0 for a hand that points down.
    """
    if not LEANING[0] < _lean(tool) < LEANING[1]:
        return 0.0
    approach = tool.rotation[:2, 2]
    return wrap(float(np.arctan2(place[1], place[0]) - np.arctan2(approach[1], approach[0])))


def _lean(tool: Pose) -> float:
    """Angle of a hand from pointing straight down [rad]."""
    return float(np.arccos(np.clip(-tool.rotation[2, 2], -1.0, 1.0)))


def _outwards(tool: Pose, place: Array) -> Pose:
    """A tool pose turned about the vertical through a place until the hand points away from the robot."""
    turn = outward_turn(tool, place)
    about = Pose(place * np.array([1.0, 1.0, 0.0]))
    turned = Pose(np.zeros(3), np.array([np.cos(turn / 2), 0.0, 0.0, np.sin(turn / 2)]))
    return about @ turned @ about.inverse() @ tool
