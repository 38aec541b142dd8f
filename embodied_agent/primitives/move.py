"""Moving the hand: planned joint motion in free space, straight lines near things."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from embodied_agent.primitives.context import Context
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Range, Type, Unit
from embodied_agent.types import Grasp, Pose, Result

PREGRASP = 0.10  # [m] back from a grasp along its approach axis
CLEARANCE = 0.10  # [m] above a placement before the straight way down
CONTACT = 8.0  # [N] that ends a guarded descent


@primitive(returns=Type.NONE, effect="move")
def home(context: Context) -> Result:
    """Fold the arm to its home pose, out of the camera's view of the table."""
    return context.arm.home(context.obstacles(), context.held)


@primitive(returns=Type.NONE, effect="move")
def wait(context: Context, seconds: Annotated[float, Range(0.0, 30.0), Unit("s")]) -> Result:
    """Hold still for a while.

    Args:
        seconds: How long.
    """
    return context.arm.wait(seconds)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def move_to_pregrasp(context: Context, grasp: Grasp) -> Result:
    """Bring the hand in front of a grasp, collision-free.

    Args:
        grasp: The grasp that follows.
    """
    back = grasp.pose.translated(-PREGRASP * grasp.pose.rotation[:, 2])
    return context.arm.move_to(back, context.obstacles(), context.held)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def reach(context: Context, grasp: Grasp) -> Result:
    """Go straight along the approach axis until the object is between the fingers.

    Args:
        grasp: The grasp to reach.
    """
    return context.arm.move_straight(grasp.pose, speed=0.25, max_force=_force(context))


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def lift(context: Context, height: Annotated[float, Range(0.01, 0.4), Unit("m")] = 0.12) -> Result:
    """Raise the hand straight up.

    Args:
        height: How far.
    """
    pose = context.arm.tool_pose().translated(np.array([0.0, 0.0, height]))
    return context.arm.move_straight(pose, speed=0.4, partial=True)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def move_over(context: Context, spot: Pose) -> Result:
    """Carry what is held to above a placement, collision-free.

    Args:
        spot: Pose that the object's centre is to get.
    """
    tool = _tool_for(context, spot)
    if isinstance(tool, Result):
        return tool
    above = tool.translated(np.array([0.0, 0.0, CLEARANCE]))
    return context.arm.move_to(above, context.obstacles(), context.held)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def lower_to(context: Context, spot: Pose) -> Result:
    """Lower what is held straight down to a placement; touching down early ends the motion well.

    Args:
        spot: Pose that the object's centre is to get.
    """
    tool = _tool_for(context, spot)
    if isinstance(tool, Result):
        return tool
    return context.arm.move_straight(tool, speed=0.08, until_contact=CONTACT)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def retreat(context: Context, distance: Annotated[float, Range(0.01, 0.3), Unit("m")] = PREGRASP) -> Result:
    """Draw the hand straight back along its approach axis.

    Args:
        distance: How far.
    """
    pose = context.arm.tool_pose()
    back = pose.translated(-distance * pose.rotation[:, 2])
    return context.arm.move_straight(back, speed=0.4, partial=True)


def _tool_for(context: Context, spot: Pose) -> Pose | Result:
    """Tool pose that puts the held object's centre at `spot`, keeping the hand's present tilt."""
    if context.held is None:
        return Result(ok=False, reason="nothing is held that could be put down")
    return spot @ context.held.tool_from_object.inverse()


def _force(context: Context) -> float | None:
    return context.preferences.max_force


def turned(pose: Pose, angle: float, steps: int = 24) -> list[Pose]:
    """Poses that turn a tool about world z by `angle` [rad] in place, without the first."""
    poses = []
    for share in np.linspace(0.0, 1.0, steps + 1)[1:]:
        half = share * angle / 2
        turn = Pose(np.zeros(3), np.array([np.cos(half), 0.0, 0.0, np.sin(half)]))
        poses.append(Pose(pose.position, (turn @ Pose(np.zeros(3), pose.quaternion)).quaternion))
    return poses
