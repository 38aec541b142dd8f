"""Questions about the world, each answered by a measurement in a new image."""

from __future__ import annotations

from embodied_agent.perception import relations, states
from embodied_agent.primitives.context import HELD, Context
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Type
from embodied_agent.types import Object, Pose, Result

NEARLY = 0.3  # of its range: a part that was to be opened is open if no more than this is wanting


@primitive(returns=Type.BOOLEAN, effect="perceive")
def is_inside(context: Context, object: Object, container: Object) -> Result:
    """Whether a thing lies in a container or an open drawer.

    Args:
        object: The thing.
        container: Bowl, mug, box, bin or drawer.
    """
    if context.holds(object):
        return HELD
    view = context.view
    thing, around = view.fresh(object), view.fresh(container)
    return relations.is_inside(thing, around, cabinet=view.body_of(around), now=view.now)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def is_on(context: Context, object: Object, support: Object) -> Result:
    """Whether a thing stands on top of another.

    Args:
        object: The thing.
        support: What is below it.
    """
    if context.holds(object):
        return HELD
    view = context.view
    return relations.is_on(view.fresh(object), view.fresh(support), now=view.now)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def is_beside(context: Context, object: Object, other: Object) -> Result:
    """Whether a thing stands next to another, at the same height.

    Args:
        object: The thing.
        other: Its neighbour.
    """
    if context.holds(object):
        return HELD
    view = context.view
    return relations.is_beside(view.fresh(object), view.fresh(other), now=view.now)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def left_of(context: Context, object: Object, other: Object) -> Result:
    """Whether a thing is to the left of another, as the robot sees it.

    Args:
        object: The thing.
        other: What it is compared with.
    """
    return _lies(context, object, "left", other)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def right_of(context: Context, object: Object, other: Object) -> Result:
    """Whether a thing is to the right of another, as the robot sees it.

    Args:
        object: The thing.
        other: What it is compared with.
    """
    return _lies(context, object, "right", other)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def in_front_of(context: Context, object: Object, other: Object) -> Result:
    """Whether a thing is nearer to the robot than another.

    Args:
        object: The thing.
        other: What it is compared with.
    """
    return _lies(context, object, "front", other)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def behind(context: Context, object: Object, other: Object) -> Result:
    """Whether a thing is farther from the robot than another.

    Args:
        object: The thing.
        other: What it is compared with.
    """
    return _lies(context, object, "behind", other)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def is_at(context: Context, object: Object, pose: Pose) -> Result:
    """Whether a thing stands at a place.

    Args:
        object: The thing.
        pose: The place.
    """
    if context.holds(object):
        return HELD
    view = context.view
    return relations.is_at(view.fresh(object), pose.position, now=view.now)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def is_open(context: Context, part: Object) -> Result:
    """Whether a drawer or door stands open; one that was to be opened, about as far as was asked.

    Args:
        part: The drawer or door.
    """
    asked = float(context.memory.get(f"asked:{part.id}", 0.0))
    return states.is_open(opening_now(context, part), max(asked - NEARLY, states.OPEN_FRACTION))


@primitive(returns=Type.BOOLEAN, effect="perceive")
def is_closed(context: Context, part: Object) -> Result:
    """Whether a drawer or door is shut.

    Args:
        part: The drawer or door.
    """
    return states.is_closed(opening_now(context, part))


@primitive(returns=Type.BOOLEAN, effect="perceive")
def is_pressed(context: Context, button: Object) -> Result:
    """Whether a button was pressed home: by the force and travel felt, or by how low its cap is seen.

    Args:
        button: The button.
    """
    felt = context.memory.get(f"pressed:{button.id}")
    if felt is not None:
        return Result(value=bool(felt["pressed"]), evidence=felt)
    view = context.view
    now, lamp = view.fresh(button), view.scene.change_of_color(button.id)
    return states.is_pressed(now, view.first(button), new_color=lamp, now=view.now)


@primitive(returns=Type.BOOLEAN, effect="perceive")
def is_turned(context: Context, knob: Object) -> Result:
    """Whether a knob was turned, by the angle last asked for if there was one.

    Args:
        knob: The knob.
    """
    view = context.view
    asked = context.memory.get(f"asked:{knob.id}")
    return states.is_turned(view.fresh(knob), view.first(knob), angle=asked, tolerance=0.35, now=view.now)


def _lies(context: Context, object: Object, side: str, other: Object) -> Result:
    view = context.view
    return relations.lies(view.fresh(object), side, view.fresh(other), now=view.now)


def opening_now(context: Context, part: Object) -> Result:
    """How far a drawer or door is open as a new image shows it, as a share of its usual range."""
    view = context.view
    now = view.fresh(part)
    return states.opening_fraction(now, view.body_of(now), first=view.first(part), now=view.now)
