"""Pushing a thing over the table with closed fingers, and how far it went."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np

from embodied_agent.perception.hand import Hand
from embodied_agent.primitives.context import Context
from embodied_agent.primitives.move import CONTACT, leaning
from embodied_agent.primitives.registry import primitive
from embodied_agent.robots.description import GripperDescription
from embodied_agent.signature import Range, Type, Unit
from embodied_agent.types import Array, Object, Pose, Result

Direction = Literal["left", "right", "forward", "backward"]

SHOVE = 70.0  # [N] at the tool while a thing is pushed; the first touch jolts
TOUCH = 3.0  # [N] at the tool that tells that the fingers stand against a thing
RUN_UP = 0.03  # [m] between the fingers and a thing before they push it
LEAD = 0.1  # [rad] that a pushing hand leans more than its palm needs
OFF, AT_LEAST = 0.3, 0.02  # share of the way, or [m] if that is more, by which a push may miss it

DIRECTIONS: dict[str, Array] = {
    "left": np.array([0.0, 1.0, 0.0]),
    "right": np.array([0.0, -1.0, 0.0]),
    "forward": np.array([1.0, 0.0, 0.0]),
    "backward": np.array([-1.0, 0.0, 0.0]),
}


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def push_along(
    context: Context,
    object: Object,
    start: Object,
    direction: Direction,
    distance: Annotated[float, Range(0.02, 0.3), Unit("m")],
) -> Result:
    """Put the closed fingers behind a thing and push it straight, as far as it still has to go.

    A push that failed half-way and is asked for again, by a retry or a repaired program, goes the rest of its way.

    Args:
        object: The thing as it stands now.
        start: The thing as it stood before the first push.
        direction: As seen from the robot: left is +y, forward is +x.
        distance: How far it should go.
    """
    arm, way = context.arm, DIRECTIONS[direction]
    began: Object = context.memory.setdefault(_key(start, direction, distance), start)
    left = distance - float((object.position - began.position) @ way)
    if left < 0.01:
        return Result(evidence={"pushed": 0.0, "already_moved": round(distance - left, 4)})
    back, run = _behind(object, way, arm.description.gripper), way * (RUN_UP + left)
    rise = np.array([0.0, 0.0, object.extent[2] + 0.08])
    steps = np.stack([-rise, run - rise, run])  # down, along, up again: all of it from one posture
    there = _stand_over(context, object, way, back + rise, steps)
    if not there.ok:
        return there
    behind = Pose(back, arm.tool_pose().quaternion)
    beyond = behind.translated(run)
    met = behind.translated(way * (RUN_UP + 0.01))
    motions: tuple[Callable[[], Result], ...] = (
        lambda: arm.move_straight(behind, speed=0.1, until_contact=CONTACT),
        lambda: arm.move_straight(met, speed=0.03, until_contact=TOUCH),  # then push from rest: no jolt
        lambda: arm.move_straight(beyond, speed=0.06, max_force=SHOVE),
        lambda: arm.move_straight(beyond.translated(rise), speed=0.4, partial=True),
    )
    for motion in motions:
        result = motion()
        if not result.ok:
            return result
    return Result(evidence={"pushed": round(left, 3), "direction": direction} | dict(result.evidence))


@primitive(returns=Type.BOOLEAN, effect="perceive", for_skills=True)
def is_displaced(
    context: Context,
    object: Object,
    direction: Direction,
    distance: Annotated[float, Range(0.02, 0.3), Unit("m")],
) -> Result:
    """Whether a thing went a distance in a direction since it was first seen.

    Args:
        object: The thing, as it was before.
        direction: As the robot sees it.
        distance: How far it should have gone.
    """
    newest = context.view.again(object)
    if newest is None:
        return Result(ok=False, reason=f"{object.description!r} is no longer seen")
    way = DIRECTIONS[direction]
    key = _key(object, direction, distance)
    began: Object = context.memory.get(key, object)
    step = newest.position - began.position
    along = float(step @ way)
    aside = float(np.linalg.norm((step - along * way)[:2]))
    off = max(OFF * distance, AT_LEAST)
    done = abs(along - distance) <= off and aside <= off
    if done:
        context.memory.pop(key, None)
    return Result(
        value=done,
        evidence={
            "moved_along": round(along, 4),
            "asked": distance,
            "moved_aside": round(aside, 4),
            "tolerance": round(off, 4),
        },
    )


def _key(object: Object, direction: Direction, distance: float) -> str:
    """Where the run remembers a thing as it stood before a push was first tried, until that is done."""
    return f"push:{object.id}:{direction}:{distance:g}"


def _behind(object: Object, way: Array, gripper: GripperDescription) -> Array:
    """Where the finger tips start to push a thing, low behind its rear face [m], (3,)."""
    half = float(((object.cloud - object.position) @ -way).max())  # [m] to its rear face
    low = object.position[2] - object.extent[2] / 2 + min(0.02, object.extent[2] / 2)
    centre = np.array([object.position[0], object.position[1], low])
    back: Array = centre - way * (half + gripper.finger_breadth / 2 + RUN_UP)
    return back


def _stand_over(context: Context, object: Object, way: Array, place: Array, steps: Array) -> Result:
    """Bring the hand over the place where a push begins, in a posture from which it can do all steps."""
    arm, gripper = context.arm, context.arm.description.gripper
    hands = [arm.pointing_down(place, closing_across=side) for side in (way, -way)]
    if object.extent[2] > (place + steps[0])[2] + gripper.palm_depth:  # its upper part would meet the palm first
        lean = _lead_of_tips(gripper)
        hands = [leaning(hand, way, angle) for angle in (lean, 0.6 * lean, 0.0) for hand in hands]
    around, there = context.obstacles(), Result(ok=False)
    for clear, hand in itertools.product((context.obstacles(object), None), hands):
        there = arm.move_to(hand, around, None, then=steps, clear=clear)
        if there.ok:
            break
    return there


def _lead_of_tips(gripper: GripperDescription) -> float:
    """How far a hand must lean for its finger tips to be ahead of its palm [rad]."""
    hand = Hand.of(gripper)
    return float(np.arctan2(hand.palm_half[0] - hand.finger_breadth / 2, hand.palm_depth + hand.tip_depth)) + LEAD
