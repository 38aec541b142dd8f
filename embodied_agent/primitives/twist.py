"""Turning a knob that the hand holds."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from embodied_agent.perception import articulation, states
from embodied_agent.primitives.context import Context
from embodied_agent.primitives.lead import lead
from embodied_agent.primitives.move import PREGRASP
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Range, Type, Unit
from embodied_agent.types import Joint, Object, Result

TWIST_REACH = 0.1  # [m] at which a twist is as quick as a pull


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


def _turned_so_far(context: Context, knob: Object) -> float:
    """How far a knob was turned since it was first seen [rad]; the hand's own turns tell which half."""
    hand = float(context.memory.get(f"twisted:{knob.id}", 0.0))
    first = context.view.first(knob)
    if hand == 0.0 or first is None:
        return 0.0
    before, after = states.knob_yaw(first), states.knob_yaw(knob)
    return states.turned_by(before.value, after.value, hand) if before.ok and after.ok else hand
