"""Parts that move on joints, and pushing: doors, drawers, buttons, knobs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np

from embodied_agent.perception import articulation, states
from embodied_agent.perception.geometry import voxel_centers
from embodied_agent.perception.hand import Hand
from embodied_agent.primitives.context import Context
from embodied_agent.primitives.grip import close_with, differ
from embodied_agent.primitives.lead import lead, plan_lead, plan_push
from embodied_agent.primitives.move import CLEARANCE, CONTACT, PREGRASP, leaning
from embodied_agent.primitives.registry import primitive
from embodied_agent.robots.description import GripperDescription
from embodied_agent.signature import Range, Type, Unit
from embodied_agent.types import Array, Joint, Object, Pose, Result

CLASP = 25.0  # [N] between the fingers on a handle
LED_VOXEL = 0.01  # [m] between the points of a part that was led, as an obstacle
OPENED = 0.15  # of the range: how well an opening that was asked for is met
WIDE = 0.85  # from here on more open is as good
TWIST_REACH = 0.1  # [m] at which a twist is as quick as a pull
EXPLORE = 0.03  # [m] first pull at a handle, to learn how the part really moves
SHOVE = 70.0  # [N] at the tool while a thing is pushed; the first touch jolts
TOUCH = 3.0  # [N] at the tool that tells that the fingers stand against a thing
RUN_UP = 0.03  # [m] between the fingers and a thing before they push it
ABOVE = 0.06  # [m] over a button before the fingers go down on it
PRESS = 12.0  # [N] that counts as pressed home
PRESS_TRAVEL = 0.03  # [m] searched below a button's cap
SHUT = 0.006  # [m] pushed beyond the estimated closed position; contact ends it
LEAD = 0.1  # [rad] that a pushing hand leans more than its palm needs
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


@primitive(returns=Type.NONE, effect="grip", for_skills=True)
def clasp(context: Context) -> Result:
    """Close the fingers on a handle, so lightly that it slips rather than jams."""
    return close_with(context, min(CLASP, context.arm.description.gripper.max_force))


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
        amount /= max(articulation.radius(joint, start.position), 0.05)
    moved = lead(arm, joint, amount, _turn(context))
    if not moved.ok:
        return moved
    refined = articulation.refine(joint, moved.value)
    # A part that hardly moves (shut already, or open to its stop) keeps the estimate from its shape.
    return Result(value=refined.value, evidence={**moved.evidence, **refined.evidence, "note": refined.reason})


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def follow_joint(context: Context, joint: Joint, part: Object, to: Annotated[float, Range(0.0, 1.0)]) -> Result:
    """Lead the held part along its joint.

    Args:
        joint: How it moves.
        part: The part, as last seen before it was touched.
        to: Opening to reach, as a share of the full range; 0 = closed.
    """
    arm = context.arm
    here = arm.tool_pose()
    before = _opening(context, part, joint)
    if not before.ok:
        return before
    led = articulation.travel_between(joint, context.memory.get("led_from", here).position, here.position)
    amount = _amount(joint, here.position, float(before.value), to) - led
    moved = lead(arm, joint, amount, _turn(context), reach=articulation.radius(joint, here.position))
    after = articulation.travel_between(joint, here.position, arm.tool_pose().position)
    _mark_led(context, part, joint, led + after)
    evidence = {
        **moved.evidence,
        "opening_before": round(before.value, 3),
        "asked": to,
        "led": round(led + after, 4),
        "opening_by_hand": round(before.value + (led + after) / joint.range, 3),
    }
    return Result(ok=moved.ok, reason=moved.reason, evidence=evidence)


@primitive(returns=Type.GRASP, effect="perceive", for_skills=True)
def propose_lead_grasp(
    context: Context, part: Object, joint: Joint, to: Annotated[float, Range(0.0, 1.0)]
) -> Result:
    """A grasp on a part's handle from which the arm can lead the part to an opening.

    Args:
        part: The drawer or door, as just measured.
        joint: How it moves.
        to: Opening to reach, as a share of the full range; 0 = closed.
    """
    if context.held is not None:
        return Result(ok=False, reason=f"the hand already holds {context.held.object.description!r}")
    handle = context.view.handle_of(part)
    if handle is None:
        return Result(ok=False, reason=f"the handle of {part.description!r} is not seen")
    opening = _opening(context, part, joint)
    if not opening.ok:
        return opening
    candidates = context.grasps(part, "handle", "front")
    tried = context.failed_grasps.setdefault(part.id, [])
    fresh = [grasp for grasp in candidates if all(differ(grasp, pose) for pose in tried)]
    amount = _amount(joint, handle.position, float(opening.value), to)
    around = context.obstacles(part, handle)
    plan, reason = plan_lead(context.arm, fresh or candidates, joint, amount, around, PREGRASP)
    if plan is None:
        return Result(ok=False, reason=f"{part.description!r}: {reason}")
    tried.append(plan.grasp.pose)
    context.intended = (part, plan.grasp)
    context.memory |= {"turn": plan.turn, "posture": (plan.grasp, plan.posture)}
    evidence: dict[str, Any] = {
        "candidates": len(candidates),
        "share_of_way": round(plan.share, 3),
        "hand_turns": plan.turn,
        "opening": round(float(opening.value), 3),
        "short": reason,
    }
    return Result(value=plan.grasp, evidence=evidence)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def move_above(context: Context, part: Object) -> Result:
    """Bring the closed fingers to above the middle of a thing, pointing down.

    Args:
        part: The thing.
    """
    top = part.position[2] + part.extent[2] / 2
    place = np.array([part.position[0], part.position[1], top + ABOVE])
    turns = np.linspace(0.0, 2.0 * np.pi, 8, endpoint=False)
    tools = [context.arm.pointing_down(place, np.array([-np.sin(a), np.cos(a), 0.0])) for a in turns]
    down = np.array([0.0, 0.0, -ABOVE - PRESS_TRAVEL])
    return context.arm.move_to(tools, context.obstacles(part), None, then=down)


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
        "pressed": bool(contact and travel >= TRAVEL),
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
def twist(context: Context, part: Object) -> Result:
    """Turn the held knob by what it still has to turn, the hand staying in its place.

    Args:
        part: The knob, as last seen before it was touched.
    """
    arm = context.arm
    start = arm.tool_pose()
    angle = float(context.memory[f"left:{part.id}"])
    axis = Joint("revolute", start.position, np.array([0.0, 0.0, 1.0]), articulation.KNOB_RANGE, 1.0)
    moved = lead(arm, axis, angle, reach=TWIST_REACH)
    change = (start.inverse() @ arm.tool_pose()).rotation
    hand = float(np.arccos(np.clip((np.trace(change) - 1.0) / 2.0, -1.0, 1.0)) * np.sign(angle))
    context.memory[f"twisted:{part.id}"] = context.memory.get(f"twisted:{part.id}", 0.0) + hand
    return Result(ok=moved.ok, reason=moved.reason, evidence={**moved.evidence, "hand_turned": round(hand, 3)})


@primitive(returns=Type.GRASP, effect="perceive", for_skills=True)
def propose_twist_grasp(
    context: Context, part: Object, angle: Annotated[float, Range(-3.2, 3.2), Unit("rad")]
) -> Result:
    """A grasp from above from which the hand can turn by what is left of an angle.

    Args:
        part: The knob, as just measured.
        angle: How far it should be turned in all, counter-clockwise seen from above.
    """
    left = angle - _turned_so_far(context, part)
    candidates = context.grasps(part, "body", "above")
    grasp = context.arm.first_turnable(candidates, left, PREGRASP)
    if grasp is None:
        return Result(
            ok=False,
            reason=f"no grasp of {len(candidates)} on {part.description!r} leaves room to turn {left:.2f} rad",
        )
    context.intended = (part, grasp)
    context.memory |= {f"asked:{part.id}": angle, f"left:{part.id}": left}
    evidence = {"candidates": len(candidates), "width": round(grasp.width, 4), "left": round(left, 3)}
    return Result(value=grasp, evidence=evidence)


@primitive(returns=Type.NONE, effect="move", for_skills=True)
def push_shut(context: Context, part: Object, joint: Joint) -> Result:
    """Push a door shut with closed fingers that reach down its outer face.

    Args:
        part: The door, as just measured.
        joint: Its hinge.
    """
    if joint.type != "revolute":
        return Result(ok=False, reason=f"only a door can be pushed shut, {part.description!r} slides")
    arm, opening = context.arm, _opening(context, part, joint)
    if not opening.ok:
        return opening
    handle = context.view.handle_of(part)
    around = context.obstacles(part) if handle is None else context.obstacles(part, handle)
    amount = _amount(joint, part.position, float(opening.value), 0.0)
    plan, reason = plan_push(arm, part, joint, amount, around, CLEARANCE)
    if plan is None:
        return Result(ok=False, reason=f"{part.description!r} cannot be pushed shut: {reason}")
    there = arm.move_joints(plan.posture, context.obstacles())
    if not there.ok:
        return there
    down = arm.move_straight(plan.tool, speed=0.15, until_contact=CONTACT)
    if not down.ok:
        return down
    reach = articulation.radius(joint, plan.tool.position)
    pushed = lead(arm, joint, plan.amount, plan.turn, reach=reach)
    _mark_led(context, part, joint, -float(opening.value) * joint.range)
    return pushed


@primitive(returns=Type.BOOLEAN, effect="perceive", for_skills=True)
def is_opened(context: Context, part: Object, to: Annotated[float, Range(0.0, 1.0)]) -> Result:
    """Whether a drawer or door is open as far as asked.

    Args:
        part: The drawer or door.
        to: The opening that was asked for, as a share of the full range.
    """
    view = context.view
    now = view.fresh(part)
    measured = states.opening_fraction(now, view.body_of(now), first=view.first(part), now=view.now)
    if not measured.ok:
        return measured
    fraction = float(measured.value)
    enough = fraction >= to - OPENED and (to >= WIDE or fraction <= to + OPENED)
    return Result(value=enough, evidence={**measured.evidence, "asked": to, "tolerance": OPENED})


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
    back, run = centre - way * (half + finger + RUN_UP), way * (RUN_UP + left)
    rise = np.array([0.0, 0.0, object.extent[2] + 0.08])
    hands = [arm.pointing_down(back + rise, closing_across=side) for side in (way, -way)]
    if object.extent[2] > low + arm.description.gripper.palm_depth:  # its upper part would meet the palm first
        lean = _lead_of_tips(arm.description.gripper)
        hands = [leaning(hand, way, angle) for angle in (lean, 0.6 * lean, 0.0) for hand in hands]
    steps = np.stack([-rise, run - rise, run])  # down, along, up again: all of it from one posture
    around, there = context.obstacles(), Result(ok=False)
    for clear, hand in itertools.product((context.obstacles(object), None), hands):
        there = arm.move_to(hand, around, None, then=steps, clear=clear)
        if there.ok:
            break
    else:
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


def _lead_of_tips(gripper: GripperDescription) -> float:
    """How far a hand must lean for its finger tips to be ahead of its palm [rad]."""
    hand = Hand.of(gripper)
    return float(np.arctan2(hand.palm_half[0] - hand.finger_breadth / 2, hand.palm_depth + hand.tip_depth)) + LEAD


def _opening(context: Context, part: Object, joint: Joint) -> Result:
    """How far a part is open by the last look, as a share of its range."""
    view = context.view
    return states.opening_fraction(part, view.body_of(part), first=view.first(part), range=joint.range)


def _mark_led(context: Context, part: Object, joint: Joint, amount: float) -> None:
    """Note where a part and its handle stand now, so that the arm keeps off there until they are seen again."""
    for seen in (part, context.view.handle_of(part)):
        if seen is not None:
            cloud = articulation.carried(joint, voxel_centers(seen.cloud, LED_VOXEL), amount)
            context.led[seen.id] = (seen, cloud)


def _amount(joint: Joint, hand: Array, before: float, to: float) -> float:
    """Signed motion [m] or [rad] from one opening to another; to shut, a little beyond."""
    amount = (to - before) * joint.range
    if to < 0.05:
        reach = 1.0 if joint.type == "prismatic" else max(articulation.radius(joint, hand), 0.05)
        amount -= SHUT / reach
    return amount


def _turned_so_far(context: Context, knob: Object) -> float:
    """How far a knob was turned since it was first seen [rad]; the hand's own turns tell which half."""
    hand = float(context.memory.get(f"twisted:{knob.id}", 0.0))
    first = context.view.first(knob)
    if hand == 0.0 or first is None:
        return 0.0
    before, after = states.knob_yaw(first), states.knob_yaw(knob)
    return states.turned_by(before.value, after.value, hand) if before.ok and after.ok else hand


def _turn(context: Context) -> float:
    """Share of a door's turn that the hand turns too, as the grasp was chosen for."""
    return float(context.memory.get("turn", 1.0))
