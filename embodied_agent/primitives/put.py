"""Where to put things down, and whether they came to lie there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from embodied_agent.perception import placement
from embodied_agent.perception.hand import Hand
from embodied_agent.perception.relations import is_at, is_beside, is_inside, is_on
from embodied_agent.perception.release import Holding, options
from embodied_agent.perception.spots import Placement
from embodied_agent.perception.table import Table
from embodied_agent.primitives.context import HELD, Context
from embodied_agent.primitives.far import far_from, outward_turn
from embodied_agent.primitives.grip import RELEASE
from embodied_agent.primitives.move import CLEARANCE
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Type
from embodied_agent.types import Array, Object, Pose, Result

TRIED = 0.008  # [m] nearer to a place that failed is the same place


@dataclass(frozen=True)
class Aim:
    """Where a thing is meant to go: one of the first three, or the spot alone.

    Attributes:
        inside, on, beside: The other thing.
        side: Of what it goes beside.
        spot: Pose of its centre; None before one was chosen.
    """

    inside: Object | None
    on: Object | None
    beside: Object | None
    side: str
    spot: Pose | None

    @property
    def goal(self) -> str:
        """The other thing's id, or "a spot"."""
        return next((target.id for target in (self.inside, self.on, self.beside) if target is not None), "a spot")


@primitive(returns=Type.POSE, effect="perceive", for_skills=True)
def propose_placement(
    context: Context,
    object: Object,
    inside: Object | None = None,
    on: Object | None = None,
    beside: Object | None = None,
    at: Pose | None = None,
    side: Literal["any", "left", "right", "front", "behind"] = "any",
) -> Result:
    """The pose that a held thing's centre should get when the hand lets go.

    Args:
        object: What is held.
        inside: The container it goes into.
        on: What it goes on top of.
        beside: What it goes next to.
        at: The place its centre goes over.
        side: With `beside`, on which side.
    """
    thing = context.held.object if context.held is not None else context.view.known(object)
    aim = Aim(inside, on, beside, side, at)
    found = _place_for(context, thing, aim)
    if not found.ok:
        return Result(ok=False, reason=found.reason, evidence=found.evidence)
    chosen = Result(found.value.pose, evidence=found.evidence)
    if context.held is not None:
        chosen = _reached(context, found.value, thing, aim)
    if chosen.ok:
        context.memory[f"aim:{object.id}"] = replace(aim, spot=chosen.value)
    return chosen


def _place_for(context: Context, thing: Object, aim: Aim) -> Result:
    """The `Placement` that perception knows for an aim, whatever the arm can reach."""
    view, yaw, extent = context.view, _yaw(thing.pose), thing.extent
    if aim.inside is not None:
        return _inside(context, thing, view.known(aim.inside), yaw)
    if aim.on is not None:
        support = view.known(aim.on)
        standing = [x for x in view.near(support) if x.id != thing.id and is_on(x, support).value]
        return placement.on(support, extent, contents=standing, yaw=yaw)
    if aim.beside is not None:
        return _table(context, thing).beside(view.known(aim.beside), extent, side=aim.side, yaw=yaw)
    if aim.spot is not None:
        return _table(context, thing).at(aim.spot.position, extent, yaw=yaw)
    return Result(ok=False, reason="nothing says where to put it")


def _reached(context: Context, place: Placement, thing: Object, aim: Aim) -> Result:
    """A place's best spot for the arm as it holds the thing; where there is none, that is remembered."""
    held, far = context.held, context.far.get(thing.id)
    assert held is not None
    if far is not None and far.goal == aim.goal and far.holds_for(held.tool_from_object):
        return Result(ok=False, reason=far.reason, evidence={**place.evidence, "found_before": True})
    chosen = _servable(context, place, thing, _yaw(thing.pose), aim.inside or aim.on)
    if chosen.ok:
        context.far.pop(thing.id, None)
    elif chosen.value:
        context.far[thing.id] = far_from(aim.goal, chosen.value, held.tool_from_object, chosen.reason)
        chosen = replace(chosen, value=None)
    return chosen


@primitive(returns=Type.BOOLEAN, effect="perceive", for_skills=True)
def is_placed(context: Context, object: Object) -> Result:
    """Whether a thing came to lie where its placement was last proposed.

    Args:
        object: The thing.
    """
    aim: Aim | None = context.memory.get(f"aim:{object.id}")
    if aim is None or aim.spot is None:
        return Result(ok=False, reason=f"nothing proposed a place for {object.description!r}")
    if context.holds(object):
        return HELD
    view = context.view
    thing = view.fresh(object)
    if aim.inside is not None:
        around = view.fresh(aim.inside)
        return is_inside(thing, around, cabinet=view.body_of(around), now=view.now)
    if aim.on is not None:
        return is_on(thing, view.fresh(aim.on), now=view.now)
    if aim.beside is not None:
        return is_beside(thing, view.fresh(aim.beside), side=aim.side, now=view.now)
    return is_at(thing, aim.spot.position, now=view.now)


def _servable(context: Context, place: Placement, thing: Object, yaw: float, target: Object | None) -> Result:
    """The best of a placement's spots that the arm can serve without hitting anything.

    Where there is none, `value` are the poses that hand and thing would have room for.
    """
    held, gripper = context.held, context.arm.description.gripper
    assert held is not None
    width = min(gripper.max_width, held.width + RELEASE)
    holding = Holding(Hand.of(gripper), held.tool_from_object.inverse(), width)
    around = context.obstacles(thing)
    yaw += outward_turn(place.pose @ held.tool_from_object.inverse(), place.pose.position)
    found = options(place.spots, holding, thing.extent, around, yaw=yaw, highest=place.highest)
    tried = context.memory.setdefault(f"placed:{thing.id}:{target.id if target else ''}", [])
    found.sort(key=lambda option: any(np.linalg.norm(option.pose.position - p) < TRIED for p in tried))
    tools = [option.pose @ held.tool_from_object.inverse() for option in found]
    index, reason = context.arm.first_placeable(tools, around, held, CLEARANCE)
    evidence = {**place.evidence, "options": len(found)}
    if index is None:
        told = reason if found else "the hand would hit something at every place"
        wanted = tuple(option.pose for option in found)
        return Result(wanted, ok=False, reason=f"cannot put the {thing.kind} there: {told}", evidence=evidence)
    chosen = found[index]
    tried.append(chosen.pose.position)
    context.memory[f"put:{thing.id}"] = np.array([*chosen.pose.position[:2], place.surface])
    turn = _yaw(chosen.pose) - _yaw(place.pose)
    evidence |= {
        "option": index,
        "position": chosen.pose.position.round(4).tolist(),
        "fall": round(chosen.drop, 4),
        "turned": round(float(np.arctan2(np.sin(turn), np.cos(turn))), 2),
    }
    return Result(value=chosen.pose, evidence=evidence)


@primitive(returns=Type.BOOLEAN, effect="compute", for_skills=True)
def needs_other_grasp(context: Context, object: Object) -> Result:
    """Whether a thing is held so that the arm cannot put it where it was to go.

    Args:
        object: The thing.
    """
    far = context.far.get(object.id)
    if far is None or context.held is None or not context.holds(object):
        return Result(value=False)
    return Result(value=far.holds_for(context.held.tool_from_object), evidence={"because": far.reason})


@primitive(returns=Type.POSE, effect="perceive")
def free_spot(context: Context) -> Result:
    """A free place on the table within reach; fails if the table is full."""
    held = context.held
    extent: Array | None = held.object.extent if held is not None else None
    found = _table(context, held.object if held is not None else None).free_spot(extent)
    if not found.ok:
        return found
    place = found.value.pose.position
    spot = Pose(np.array([place[0], place[1], context.view.scene.table.offset]))
    return Result(spot, True, "", found.evidence)


@primitive(returns=Type.POSE, effect="perceive", for_skills=True)
def propose_rest(context: Context) -> Result:
    """The pose on a free spot of the table that the centre of what is held should get."""
    if context.held is None:
        return Result(ok=False, reason="nothing is held that could be put down")
    thing = context.held.object
    yaw = _yaw(thing.pose)
    found = _table(context, thing).free_spot(thing.extent, yaw=yaw)
    return _servable(context, found.value, thing, yaw, None) if found.ok else found


def _table(context: Context, thing: Object | None) -> Table:
    """The table with all that stands on it but one thing."""
    near = () if thing is None else (thing,)
    return Table(context.obstacles(*near), context.view.scene.table.offset)


def _inside(context: Context, thing: Object, container: Object, yaw: float) -> Result:
    view = context.view
    cabinet = view.body_of(container)
    contents = [
        x for x in view.near(container) if x.id != thing.id and is_inside(x, container, cabinet=cabinet).value
    ]
    return placement.inside(container, thing.extent, contents=contents, cabinet=cabinet, yaw=yaw, eye=view.eye)


def _yaw(pose: Pose) -> float:
    rotation = pose.rotation
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))
