"""Leading drawers and doors along their joints."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from embodied_agent.perception import articulation, states
from embodied_agent.perception.geometry import voxel_centers
from embodied_agent.primitives.context import Context
from embodied_agent.primitives.grip import close_with, differ
from embodied_agent.primitives.lead import lead, plan_lead, plan_push
from embodied_agent.primitives.move import CLEARANCE, CONTACT, PREGRASP
from embodied_agent.primitives.registry import primitive
from embodied_agent.primitives.state import opening_now
from embodied_agent.signature import Range, Type
from embodied_agent.types import Array, Joint, Object, Result

CLASP = 25.0  # [N] between the fingers on a handle
LED_VOXEL = 0.01  # [m] between the points of a part that was led, as an obstacle
OPENED = 0.15  # of the range: how well an opening that was asked for is met
WIDE = 0.85  # from here on more open is as good
STAYED = 0.01  # [m] a handle that moved less is where it was
EXPLORE = 0.03  # [m] first pull at a handle, to learn how the part really moves
OTHER_HINGE = 0.01  # [m] from where a hinge was thought to be, from which on the way is led anew around it
HANDLE_REACH = 0.06  # [m] a handle sticks out of a drawer's front by less
SHUT = 0.006  # [m] pushed beyond the estimated closed position; contact ends it


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
    better = _bent(joint, moved)
    if better is not None:  # what stopped it was not its stop but a hinge that was thought to be elsewhere
        joint = better
        rest = amount - articulation.travel_between(joint, here.position, arm.tool_pose().position)
        moved = lead(arm, joint, rest, _turn(context), reach=articulation.radius(joint, here.position))
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


def _bent(joint: Joint, moved: Result) -> Joint | None:
    """A hinge as the way of the hand shows it, where a lead ended early and that way bends around another one."""
    if joint.type != "revolute" or not moved.ok or "ended" not in moved.evidence:
        return None
    refined = articulation.refine(joint, moved.value)
    if not refined.ok or refined.value.type != "revolute":
        return None
    apart = np.linalg.norm((refined.value.origin - joint.origin)[:2])
    return refined.value if apart > OTHER_HINGE else None


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
    context.memory[f"asked:{part.id}"] = to
    handle = context.view.handle_of(part)
    if handle is None:
        return Result(ok=False, reason=f"the handle of {part.description!r} is not seen")
    opening = _opening(context, part, joint)
    if not opening.ok:
        return opening
    place, why = context.memory.get(f"no lead:{part.id}", (None, ""))
    if place is not None and np.linalg.norm(place - handle.position) < STAYED:
        return Result(ok=False, reason=why, evidence={"found_before": True})
    candidates = context.grasps(part, "handle", "front")
    tried = context.failed_grasps.setdefault(part.id, [])
    fresh = [grasp for grasp in candidates if all(differ(grasp, pose) for pose in tried)]
    amount = _amount(joint, handle.position, float(opening.value), to)
    around = context.obstacles(part, handle)
    plan, reason = plan_lead(context.arm, fresh or candidates, joint, amount, around, PREGRASP)
    if plan is None:
        reason = f"{part.description!r}: {reason}"
        context.memory[f"no lead:{part.id}"] = (handle.position, reason)  # as long as the handle stays there
        return Result(ok=False, reason=reason)
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
def push_shut(context: Context, part: Object, joint: Joint) -> Result:
    """Push a door or a drawer shut with closed fingers, without its handle.

    Args:
        part: The door or drawer, as just measured.
        joint: How it moves.
    """
    arm, opening = context.arm, _opening(context, part, joint)
    if not opening.ok:
        return opening
    handle = context.view.handle_of(part)
    around = context.obstacles(part) if handle is None else context.obstacles(part, handle)
    if joint.type == "prismatic":
        around = around[~_sticks_out(around, part, joint)]
    amount = _amount(joint, part.position, float(opening.value), 0.0)
    plan, reason = plan_push(arm, part, joint, amount, around, CLEARANCE)
    if plan is None:
        return Result(ok=False, reason=f"{part.description!r} cannot be pushed shut: {reason}")
    there = arm.move_joints(plan.posture, context.obstacles())
    if not there.ok:
        return there
    before = arm.move_straight(plan.tool, speed=0.15, until_contact=CONTACT)
    if not before.ok:
        return before
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
    measured = opening_now(context, part)
    if not measured.ok:
        return measured
    fraction = float(measured.value)
    enough = fraction >= to - OPENED and (to >= WIDE or fraction <= to + OPENED)
    return Result(value=enough, evidence={**measured.evidence, "asked": to, "tolerance": OPENED})


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


def _sticks_out(points: Array, panel: Object, joint: Joint) -> NDArray[np.bool_]:
    """Which points (N, 3) are on a drawer's front: a handle that nobody named goes where the front goes."""
    outward = articulation.tangent(joint, panel.position)
    off = points - panel.position
    aside = off @ np.cross(np.array([0.0, 0.0, 1.0]), outward)
    before = off @ outward
    return np.asarray(
        (before > 0.0) & (before < panel.extent[0] / 2 + HANDLE_REACH)
        & (np.abs(aside) < panel.extent[1] / 2) & (np.abs(off[:, 2]) < panel.extent[2] / 2)
    )  # fmt: skip


def _amount(joint: Joint, hand: Array, before: float, to: float) -> float:
    """Signed motion [m] or [rad] from one opening to another; to shut, a little beyond."""
    amount = (to - before) * joint.range
    if to < 0.05:
        reach = 1.0 if joint.type == "prismatic" else max(articulation.radius(joint, hand), 0.05)
        amount -= SHUT / reach
    return amount


def _turn(context: Context) -> float:
    """Share of a door's turn that the hand turns too, as the grasp was chosen for."""
    return float(context.memory.get("turn", 1.0))
