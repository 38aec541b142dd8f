"""Pressing a button with closed fingers."""

from __future__ import annotations

import numpy as np

from embodied_agent.primitives.context import Context
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Type
from embodied_agent.types import Object, Result

ABOVE = 0.06  # [m] over a button before the fingers go down on it
PRESS = 12.0  # [N] that counts as pressed home
PRESS_TRAVEL = 0.03  # [m] searched below a button's cap
TRAVEL = 0.004  # [m] a cap must give way to count as pressed


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
