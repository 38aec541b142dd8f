"""Driving a mobile base: the whole robot goes elsewhere, and what it saw stays behind."""

from __future__ import annotations

from embodied_agent.primitives.context import Context
from embodied_agent.primitives.move import home
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Type
from embodied_agent.types import Result


@primitive(returns=Type.NONE, effect="drive")
def drive_to(context: Context, place: str) -> Result:
    """Fold the arm and drive the whole robot to a place; what is not held must be found again there.

    Args:
        place: Name of the place.
    """
    folded = home(context)
    if not folded.ok:
        return folded
    driven = context.arm.drive(place)
    context.leave()  # also where it ended on the way: the robot stands elsewhere
    return driven
