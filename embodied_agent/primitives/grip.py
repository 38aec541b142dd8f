"""The gripper: which grasp, open, close, and whether something is held."""

from __future__ import annotations

from typing import Literal

import numpy as np

from embodied_agent.primitives.context import Context, Held
from embodied_agent.primitives.far import CANDIDATES, suited
from embodied_agent.primitives.move import CLEARANCE, PREGRASP
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Type
from embodied_agent.types import Grasp, Object, Pose, Result

OPENING_MARGIN = 0.025  # [m] wider than the object before closing on it
RELEASE = 0.02  # [m] the fingers open to let go of a thing
CLOSED = 0.004  # [m] finger opening below which nothing is held
SENSED = 1.0  # [N] between the fingers that counts as holding


@primitive(returns=Type.GRASP, effect="perceive", for_skills=True)
def propose_grasp(
    context: Context, object: Object, at: Literal["auto", "body", "handle", "rim"] = "auto"
) -> Result:
    """The best grasp that has not failed yet, reachable and free of collision.

    Args:
        object: What to grasp, as just measured.
        at: Which part to take; "auto" follows the unit's preference, then the shape.
    """
    if context.held is not None:
        return Result(ok=False, reason=f"the hand already holds {context.held.object.description!r}")
    wanted = at if at != "auto" else context.preferences.grasp_at
    tried = context.failed_grasps.setdefault(object.id, [])
    candidates = _candidates(context, object, wanted)
    fresh = [g for g in candidates if all(differ(g, pose) for pose in tried)] or candidates
    evidence = {"candidates": len(candidates), "failed_before": len(tried)}
    if not fresh:
        return Result(
            ok=False,
            reason=f"no grasp on {object.description!r} fits a gripper that opens "
            f"{context.arm.description.gripper.max_width * 1000:.0f} mm",
            evidence=evidence | {"extent": object.extent.round(4).tolist()},
        )
    grasp, reason = context.arm.first_reachable(fresh, context.obstacles(object), PREGRASP)
    if grasp is None:
        return Result(ok=False, reason=f"{object.description!r}: {reason}", evidence=evidence)
    tried.append(grasp.pose)
    context.intended = (object, grasp)
    return Result(
        value=grasp,
        evidence=evidence
        | {
            "score": round(grasp.score, 3),
            "terms": {name: round(value, 3) for name, value in grasp.terms.items()},
            "width": round(grasp.width, 4),
            "position": grasp.pose.position.round(4).tolist(),
        },
    )


def _candidates(context: Context, object: Object, at: str) -> list[Grasp]:
    """Grasps, best first; where a thing could not be put as it was held, those that reach there."""
    approach, far = context.preferences.approach, context.far.get(object.id)
    if far is not None:
        many = context.grasps(object, at, approach, best=CANDIDATES)
        reaching = suited(context.arm, many, object, far, context.obstacles(object), CLEARANCE)
        if reaching:
            return reaching
    return context.grasps(object, at, approach)


@primitive(returns=Type.NONE, effect="grip", for_skills=True)
def open_gripper(context: Context, grasp: Grasp | None = None) -> Result:
    """Open the fingers just wide enough for a grasp, or to let go of what is held.

    Args:
        grasp: The grasp to make room for; without one, what is held is let go.
    """
    widest = context.arm.description.gripper.max_width
    if grasp is not None:
        width = min(widest, grasp.width + OPENING_MARGIN)
    elif context.held is not None:  # in a container a wide sweep of the fingers would push its walls
        width = min(widest, context.held.width + RELEASE)
    else:
        width = widest
    if context.held is not None:
        carried = context.arm.tool_pose() @ context.held.tool_from_object
        context.view.scene.carried(context.held.object.id, carried)
    context.held = None
    return context.arm.grip(width, force=context.arm.description.gripper.max_force)


@primitive(returns=Type.NONE, effect="grip", for_skills=True)
def close_gripper(context: Context) -> Result:
    """Close the fingers until they stop, and measure what is between them."""
    return close_with(context, context.arm.description.gripper.max_force)


def close_with(context: Context, limit: float) -> Result:
    """Close with at most a force [N], or the unit's if that is less; what is between them is held then."""
    wanted = context.preferences.max_force
    result = context.arm.grip(0.0, force=limit if wanted is None else min(limit, wanted))
    if not result.ok or context.intended is None:
        return result
    thing, _ = context.intended
    width, force = result.evidence["width"], result.evidence["force"]
    if width > CLOSED and force > SENSED:
        tool_from_object = context.arm.tool_pose().inverse() @ thing.pose
        context.held = Held(thing, tool_from_object, width)
        context.view.scene.taken(thing.id)
    return result


@primitive(returns=Type.NONE, effect="grip", for_skills=True)
def close_fingers(context: Context) -> Result:
    """Close the fingers on nothing, to press or push with them."""
    context.held = None
    return context.arm.grip(0.0, force=context.arm.description.gripper.max_force)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def is_holding(context: Context, object: Object) -> Result:
    """Whether the fingers hold a thing, sensed from their width and force.

    Args:
        object: The thing.
    """
    state = context.arm.state()
    gripping = state.gripper_width > CLOSED and state.gripper_force > SENSED
    if not gripping:
        context.held = None
    held = context.held
    evidence = {
        "width": round(state.gripper_width, 4),
        "force": round(state.gripper_force, 2),
        "needed_width": CLOSED,
        "needed_force": SENSED,
        "holds": held.object.description if held else "nothing",
    }
    return Result(value=gripping and held is not None and held.object.id == object.id, evidence=evidence)


def differ(grasp: Grasp, pose: Pose) -> bool:
    """Whether a grasp is a real alternative to a tool pose that failed."""
    apart = float(np.linalg.norm(grasp.pose.position - pose.position))
    turn = 2.0 * np.arccos(np.clip(abs(float(grasp.pose.quaternion @ pose.quaternion)), 0.0, 1.0))
    return apart > 0.01 or turn > 0.25
