"""Parts that move on joints, and pushing: doors, drawers, buttons, knobs."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from embodied_agent.perception import articulation, states
from embodied_agent.primitives.context import Context
from embodied_agent.primitives.move import CONTACT, PREGRASP, turned
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Range, Type, Unit
from embodied_agent.types import Array, Joint, Object, Result

EXPLORE = 0.03  # [m] first pull at a handle, to learn how the part really moves
PULL = 40.0  # [N] at the tool while a part is moved
SHOVE = 70.0  # [N] at the tool while a thing is pushed; the first touch jolts
RUN_UP = 0.03  # [m] between the fingers and a thing before they push it
PRESS = 12.0  # [N] that counts as pressed home
PRESS_TRAVEL = 0.03  # [m] searched below a button's cap
STEPS = 24  # way points of a followed path
SHUT = 0.006  # [m] pushed beyond the estimated closed position; contact ends it
TRAVEL = 0.004  # [m] a cap must give way to count as pressed

DIRECTIONS: dict[str, Array] = {
    "left": np.array([0.0, 1.0, 0.0]),
    "right": np.array([0.0, -1.0, 0.0]),
    "forward": np.array([1.0, 0.0, 0.0]),
    "backward": np.array([-1.0, 0.0, 0.0]),
}


@primitive(returns=Type.JOINT, effect="perceive", for_skills=True)
def joint_of(context: Context, part: Object) -> Result:
    """Estimate the joint a part moves on from its shape and its surroundings.

    Args:
        part: Drawer, door, button or knob.
    """
    view = context.view
    return articulation.estimate(part, view.handle_of(part), view.body_of(part))


@primitive(returns=Type.JOINT, effect="move", for_skills=True)
def explore_joint(context: Context, joint: Joint, opening: bool = True) -> Result:
    """Move the held part a little, and correct the joint by how the hand was led.

    Args:
        joint: The estimate from its shape.
        opening: Move towards open, or towards closed.
    """
    arm = context.arm
    start = arm.tool_pose()
    context.memory["led_from"] = start
    amount = EXPLORE if opening else -EXPLORE
    if joint.type == "revolute":
        amount /= max(_radius(joint, start.position), 0.05)
    moved = arm.follow_poses(articulation.path(joint, start, amount, 6)[1:], max_force=PULL, partial=True)
    if not moved.ok:
        return moved
    refined = articulation.refine(joint, moved.value)
    # A part that hardly moves (shut already, or open to its stop) keeps the estimate from its shape.
    return Result(
        value=refined.value, evidence={**moved.evidence, **refined.evidence, "note": refined.reason}
    )


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def follow_joint(
    context: Context, joint: Joint, part: Object, to: Annotated[float, Range(0.0, 1.0)]
) -> Result:
    """Lead the held part along its joint.

    Args:
        joint: How it moves.
        part: The part, as last seen before it was touched.
        to: Opening to reach, as a share of the full range; 0 = closed.
    """
    view, arm = context.view, context.arm
    before = states.opening_fraction(part, view.body_of(part), first=view.first(part), range=joint.range)
    if not before.ok:
        return before
    here = arm.tool_pose()
    led = articulation.travel_between(joint, context.memory.get("led_from", here).position, here.position)
    amount = (to - before.value) * joint.range - led
    if to < 0.05:
        amount -= SHUT * (
            1.0 if joint.type == "prismatic" else 1.0 / max(_radius(joint, here.position), 0.05)
        )
    moved = arm.follow_poses(articulation.path(joint, here, amount, STEPS)[1:], max_force=PULL, partial=True)
    after = articulation.travel_between(joint, here.position, arm.tool_pose().position)
    evidence = {
        **moved.evidence,
        "opening_before": round(before.value, 3),
        "asked": to,
        "led": round(led + after, 4),
        "opening_by_hand": round(before.value + (led + after) / joint.range, 3),
    }
    return Result(ok=moved.ok, reason=moved.reason, evidence=evidence)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def move_above(context: Context, part: Object) -> Result:
    """Bring the closed fingers to above the middle of a thing, pointing down.

    Args:
        part: The thing.
    """
    top = part.position[2] + part.extent[2] / 2
    tool = context.arm.pointing_down(np.array([part.position[0], part.position[1], top + 0.06]))
    return context.arm.move_to(tool, context.obstacles(part), None)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def press_down(context: Context, part: Object) -> Result:
    """Push straight down on a thing until it is pressed home, and measure its travel.

    Args:
        part: The button.
    """
    arm = context.arm
    top = part.position[2] + part.extent[2] / 2
    tip = arm.description.gripper.tip_depth  # the finger tips reach this far below the tool
    above = arm.tool_pose()
    touch = arm.move_straight(
        above.translated(np.array([0.0, 0.0, top - PRESS_TRAVEL + tip - above.position[2]])),
        speed=0.04,
        until_contact=PRESS,
    )
    if not touch.ok:
        return touch
    travel = top - float(arm.tool_pose().position[2]) + tip
    contact = bool(touch.evidence.get("contact"))
    evidence = dict(touch.evidence) | {
        "travel": round(travel, 4),
        "needed_travel": TRAVEL,
        "needed_force": PRESS,
        "pressed": contact and travel >= TRAVEL,
    }
    context.memory[f"pressed:{part.id}"] = evidence
    if contact:
        return Result(evidence=evidence)
    return Result(
        ok=False,
        reason=f"met no resistance of {PRESS:g} N down to {travel * 1000:.0f} mm below the cap",
        evidence=evidence,
    )


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def twist(context: Context, angle: Annotated[float, Range(-3.2, 3.2), Unit("rad")]) -> Result:
    """Turn the hand about its approach axis, holding its place.

    Args:
        angle: How far, counter-clockwise seen from above.
    """
    return context.arm.follow_poses(turned(context.arm.tool_pose(), angle), max_force=PULL)


@primitive(returns=Type.GRASP, effect="perceive", for_skills=True)
def propose_twist_grasp(
    context: Context, part: Object, angle: Annotated[float, Range(-3.2, 3.2), Unit("rad")]
) -> Result:
    """A grasp from above from which the hand can turn by an angle without reaching a joint limit.

    Args:
        part: The knob.
        angle: The turn that follows.
    """
    candidates = context.grasps(part, "body", "above")
    grasp = context.arm.first_turnable(candidates, angle, PREGRASP)
    if grasp is None:
        return Result(
            ok=False,
            reason=f"no grasp of {len(candidates)} on {part.description!r} leaves room to turn {angle:.2f} rad",
        )
    context.intended = (part, grasp)
    context.memory[f"asked:{part.id}"] = angle
    return Result(value=grasp, evidence={"candidates": len(candidates), "width": round(grasp.width, 4)})


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def push_along(
    context: Context,
    object: Object,
    start: Object,
    direction: Literal["left", "right", "forward", "backward"],
    distance: Annotated[float, Range(0.02, 0.3), Unit("m")],
) -> Result:
    """Put the closed fingers behind a thing and push it straight, as far as it still has to go.

    Args:
        object: The thing as it stands now.
        start: The thing as it stood before the first push.
        direction: As seen from the robot: left is +y, forward is +x.
        distance: How far it should go.
    """
    arm, way = context.arm, DIRECTIONS[direction]
    half = float(((object.cloud - object.position) @ -way).max())  # [m] to its rear face
    low = object.position[2] - object.extent[2] / 2 + min(0.02, object.extent[2] / 2)
    centre = np.array([object.position[0], object.position[1], low])
    finger = arm.description.gripper.finger_breadth / 2
    left = distance - float((object.position - start.position) @ way)
    if left < 0.01:
        return Result(evidence={"pushed": 0.0, "already_moved": round(distance - left, 4)})
    behind = arm.pointing_down(centre - way * (half + finger + RUN_UP), closing_across=way)
    beyond = behind.translated(way * (RUN_UP + left))
    above = behind.translated(np.array([0.0, 0.0, object.extent[2] + 0.08]))
    for motion in (
        lambda: arm.move_to(above, context.obstacles(), None),
        lambda: arm.move_straight(behind, speed=0.1, until_contact=CONTACT),
        lambda: arm.move_straight(beyond, speed=0.08, max_force=SHOVE),
        lambda: arm.move_straight(beyond.translated(above.position - behind.position), speed=0.4, partial=True),
    ):
        result = motion()
        if not result.ok:
            return result
    return Result(evidence={"pushed": round(left, 3), "direction": direction} | dict(result.evidence))


def _radius(joint: Joint, position: Array) -> float:
    """Distance of a point from a revolute joint's axis [m]."""
    arm = position - joint.origin
    return float(np.linalg.norm(arm - (arm @ joint.axis) * joint.axis))
