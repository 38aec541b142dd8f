"""Moving the hand: planned joint motion in free space, straight lines near things."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from embodied_agent.primitives.context import Context
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Range, Type, Unit
from embodied_agent.types import Array, Grasp, Object, Pose, Result

PREGRASP = 0.10  # [m] back from a grasp along its approach axis
CLEARANCE = 0.10  # [m] above a placement before the straight way down
REACHING = 0.15  # [m/s] among things: a finger that meets one too many is felt before it is a safety stop
SLOW_WAY = 0.025  # [m] last part of a way down, led slowly: contact is soft
EARLY = 0.025  # [m] above a place: what is touched there is not what the thing should stand on
WRIST = "wrist"  # name of the camera on the hand
LOOK_FROM = 0.24  # [m] of the tool above what the camera on the hand is to see
FURNITURE = ("drawer", "door", "drawer_handle", "door_handle", "knob")
EASED = 0.004  # [m] back from a contact before fingers close: what the palm presses on cannot turn in them
CONTACT = 8.0  # [N] that ends a guarded descent


@primitive(returns=Type.NONE, effect="move")
def home(context: Context) -> Result:
    """Fold the arm to its home pose, out of the camera's view of the table."""
    let_go = _leave_furniture(context)
    if not let_go.ok:
        return let_go
    arm, around = context.arm, context.obstacles()
    straight = arm.home(around, context.held)
    if straight.ok or "took_s" in straight.evidence:
        return straight
    # Close to furniture a way all at once is hard to find; out into the open first.
    tool = arm.tool_pose()
    back, up = -PREGRASP * tool.rotation[:, 2], np.array([0.0, 0.0, PREGRASP])
    near = np.array([-PREGRASP, 0.0, 0.0])
    steps = (back, up, back + up, near, near + up, 2 * near + up)
    out = arm.move_to([tool.translated(step) for step in steps], around, context.held)
    return arm.home(around, context.held) if out.ok else straight


@primitive(returns=Type.NONE, effect="move")
def wait(context: Context, seconds: Annotated[float, Range(0.0, 30.0), Unit("s")]) -> Result:
    """Hold still for a while.

    Args:
        seconds: How long.
    """
    return context.arm.wait(seconds)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def inspect(context: Context, object: Object) -> Result:
    """Look for a thing from near with the camera on the hand, if the fixed camera does not see it.

    Args:
        object: The thing, wherever it was put or seen last.
    """
    view, arm = context.view, context.arm
    if view.again(object) is not None or WRIST not in arm.robot.cameras:
        return Result(evidence={"needed": False})
    place = context.memory.get(f"put:{object.id}", view.known(object).position)
    over = np.array([place[0], place[1], max(float(place[2]), 0.0) + LOOK_FROM])
    turns = np.arange(4) * np.pi / 2
    poses = [arm.pointing_down(over, np.array([np.cos(a), np.sin(a), 0.0])) for a in turns]
    moved = arm.move_to(poses, context.obstacles(), context.held)
    if not moved.ok:
        return Result(evidence={"needed": True, "not_possible": moved.reason})
    view.look_with(WRIST)
    back = arm.home(context.obstacles(), context.held)
    seen = view.again(object) is not None
    return Result(ok=back.ok, reason=back.reason, evidence={"needed": True, "seen": seen, **back.evidence})


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def move_to_pregrasp(context: Context, grasp: Grasp) -> Result:
    """Bring the hand in front of a grasp, collision-free.

    Args:
        grasp: The grasp that follows.
    """
    chosen, posture = context.memory.get("posture", (None, None))
    if chosen is grasp:  # the posture for which what follows was checked
        return context.arm.move_joints(posture, context.obstacles(), context.held)
    back = grasp.pose.translated(-PREGRASP * grasp.pose.rotation[:, 2])
    way = PREGRASP * grasp.pose.rotation[:, 2]
    return context.arm.move_to(back, context.obstacles(), context.held, then=way)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def reach(context: Context, grasp: Grasp) -> Result:
    """Go straight along the approach axis until the object is between the fingers.

    A handle stands close before what it is fixed to, which may be felt a little early: then it is reached too.

    Args:
        grasp: The grasp to reach.
    """
    arm, goal = context.arm, grasp.pose
    if context.intended is None or context.intended[0].kind not in FURNITURE:
        return arm.move_straight(goal, speed=REACHING, max_force=_force(context))
    last = -SLOW_WAY * goal.rotation[:, 2]
    near = arm.move_straight(goal.translated(last), speed=0.25, max_force=_force(context))
    if not near.ok:
        return near
    reached = arm.move_straight(goal, speed=0.05, until_contact=min(CONTACT, _force(context) or CONTACT))
    if reached.ok and reached.evidence.get("contact"):
        arm.back_off(-EASED * goal.rotation[:, 2])
    return reached


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def lift(context: Context, height: Annotated[float, Range(0.01, 0.4), Unit("m")] = 0.12) -> Result:
    """Raise the hand straight up.

    Args:
        height: How far.
    """
    return context.arm.move_clear(np.array([0.0, 0.0, height]), speed=0.4)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def move_over(context: Context, spot: Pose) -> Result:
    """Carry what is held to above a placement, collision-free.

    Args:
        spot: Pose that the object's centre is to get.
    """
    tool = _tool_for(context, spot)
    if isinstance(tool, Result):
        return tool
    down = np.array([0.0, 0.0, -CLEARANCE])
    return context.arm.move_to(tool.translated(-down), context.obstacles(), context.held, then=down)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def lower_to(context: Context, spot: Pose) -> Result:
    """Lower what is held straight down to a placement; touching down early ends the motion well.

    Args:
        spot: Pose that the object's centre is to get.
    """
    tool = _tool_for(context, spot)
    if isinstance(tool, Result):
        return tool
    near = tool.translated(np.array([0.0, 0.0, SLOW_WAY]))
    if context.arm.tool_pose().position[2] > near.position[2] + SLOW_WAY / 2:
        lowered = context.arm.move_straight(near, speed=0.25, until_contact=CONTACT)
        if not lowered.ok:
            return lowered
        if lowered.evidence.get("contact"):
            return _met(context, tool, lowered)
    return _met(context, tool, context.arm.move_straight(tool, speed=0.05, until_contact=CONTACT))


def _met(context: Context, tool: Pose, lowered: Result) -> Result:
    """A way down that ended; one that ended far too high met something else, and is undone."""
    early = float(context.arm.tool_pose().position[2] - tool.position[2])
    if not lowered.ok or early < EARLY:
        return lowered
    context.arm.back_off(np.array([0.0, 0.0, CLEARANCE]))
    reason = f"something is in the way {early * 1000:.0f} mm above the place"
    return Result(ok=False, reason=reason, evidence=lowered.evidence)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def retreat(context: Context, distance: Annotated[float, Range(0.01, 0.3), Unit("m")] = PREGRASP) -> Result:
    """Draw the hand straight back along its approach axis.

    Args:
        distance: How far.
    """
    return context.arm.move_clear(-distance * context.arm.tool_pose().rotation[:, 2], speed=0.4)


def _leave_furniture(context: Context) -> Result:
    """Let go of a part of furniture, and draw the hand back: it cannot come along."""
    if context.held is None or context.held.object.kind not in FURNITURE:
        return Result()
    context.held = None
    gripper = context.arm.description.gripper
    opened = context.arm.grip(gripper.max_width, force=gripper.max_force)
    return retreat(context) if opened.ok else opened


def _tool_for(context: Context, spot: Pose) -> Pose | Result:
    """Tool pose that puts the held object's centre at `spot`, keeping the hand's present tilt."""
    if context.held is None:
        return Result(ok=False, reason="nothing is held that could be put down")
    return spot @ context.held.tool_from_object.inverse()


def _force(context: Context) -> float | None:
    return context.preferences.max_force


def turned(pose: Pose, angle: float, steps: int = 24) -> list[Pose]:
    """Poses that turn a tool about world z by `angle` [rad] in place, without the first."""
    up = np.array([0.0, 0.0, 1.0])
    return [_about(pose, up, share * angle) for share in np.linspace(0.0, 1.0, steps + 1)[1:]]


def leaning(pose: Pose, way: Array, angle: float) -> Pose:
    """The pose tilted in place by `angle` [rad], the finger tips ahead towards a direction (3,)."""
    return _about(pose, np.cross(pose.rotation[:, 2], way), angle)


def _about(pose: Pose, axis: Array, angle: float) -> Pose:
    """The pose turned in place about a direction of the world (3,) by `angle` [rad]."""
    axis = axis / max(float(np.linalg.norm(axis)), 1e-9)
    turn = Pose(np.zeros(3), np.array([np.cos(angle / 2), *(np.sin(angle / 2) * axis)]))
    return Pose(pose.position, (turn @ Pose(np.zeros(3), pose.quaternion)).quaternion)
