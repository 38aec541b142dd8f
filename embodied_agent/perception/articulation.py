"""How a drawer, door, button or knob moves: guessed from its shape, then measured by moving it.

The guess comes from one look: a drawer slides along the normal of its front, a door turns about
the upright edge far from its handle, a button goes down, a knob turns about its middle. The
measurement comes from the tool poses of a small compliant pull: a line or an arc is fitted, and
the one that explains them at the lower price (residual against number of parameters) wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from embodied_agent.perception.geometry import Fit, fit_arc, fit_line, wrap
from embodied_agent.perception.states import DOOR_RANGE, DRAWER_RANGE, door_opening, ends_of
from embodied_agent.types import Array, Joint, Object, Pose, Result

BUTTON_RANGE = 0.010  # [m]
KNOB_RANGE = 2.6  # [rad]
GUESSED = 0.45  # confidence of an estimate from one look
TRACKING_NOISE = 0.001  # [m] of measured tool positions; smaller residuals say nothing
SHOWS_HINGE = 0.35  # [rad] a door that stands open so far shows which edge is its hinge
LEAST_TRAVEL = 0.015  # [m] a pull shorter than this cannot tell a line from an arc
LINE_PARAMETERS = 3  # of a level line: drawers slide level, doors turn about the vertical
ARC_PARAMETERS_UPRIGHT = 4
ARC_PARAMETERS = 6
GUESS_PARAMETERS = 2  # height, and radius or offset, where the shape gave the axis
PRIOR = 3.5  # advantage, in units of the price, of the type that the shape suggested
LARGEST_RADIUS = 1.2  # [m] a flatter arc is a line
UPRIGHT = 0.9  # cosine: fitted axes nearer to vertical than this are vertical


def estimate(part: Object, handle: Object | None = None, body: Object | None = None) -> Result:
    """The joint of a part as one look suggests it; `Result.value` is a Joint.

    Args:
        part: A drawer's or door's panel, a button or a knob.
        handle: Its handle, if seen; without it the hinge side of a door that is shut cannot be told.
        body: The cabinet or cupboard that it belongs to.
    """
    if part.kind == "drawer":
        return _told(_drawer(part, handle, body))
    if part.kind == "door":
        free = handle.position if handle is not None else _free_edge(part, body)
        if free is None:
            return Result(ok=False, reason="the door's handle is not seen, so its hinge side is unknown")
        return _told(_door(part, free, body))
    if part.kind == "button":
        top = part.position + np.array([0.0, 0.0, part.extent[2] / 2])
        return _told(Joint("prismatic", top, np.array([0.0, 0.0, -1.0]), BUTTON_RANGE, GUESSED))
    if part.kind == "knob":
        return _told(Joint("revolute", part.position, np.array([0.0, 0.0, 1.0]), KNOB_RANGE, GUESSED))
    return Result(ok=False, reason=f"a {part.kind} has no joint; a drawer, door, button or knob has")


def _told(joint: Joint) -> Result:
    return Result(value=joint, evidence=described(joint))


def described(joint: Joint) -> dict[str, object]:
    """A joint as JSON-ready numbers."""
    return {
        "type": joint.type,
        "origin": [round(float(v), 4) for v in joint.origin],
        "axis": [round(float(v), 4) for v in joint.axis],
        "range": round(joint.range, 4),
        "confidence": round(joint.confidence, 3),
    }


def _outward(panel: Object, body: Object | None) -> Array:
    """Horizontal unit normal (3,) of a closed panel, away from its body."""
    normal = panel.pose.rotation[:, 0] * np.array([1.0, 1.0, 0.0])
    normal /= np.linalg.norm(normal)
    if body is not None and (panel.position - body.position) @ normal < 0:
        normal = -normal
    return np.asarray(normal)


def _drawer(panel: Object, handle: Object | None, body: Object | None) -> Joint:
    normal = _outward(panel, body)
    origin = handle.position if handle is not None else panel.position
    travel = DRAWER_RANGE
    if body is not None:  # a drawer is no longer than its cabinet is deep
        depth = float(np.ptp(body.cloud @ normal))
        travel = float(np.clip(0.85 * depth, 0.08, DRAWER_RANGE)) if depth > 0.1 else DRAWER_RANGE
    return Joint("prismatic", origin, normal, travel, GUESSED)


def _free_edge(door: Object, body: Object | None) -> Array | None:
    """Where a door that stands open ends, (3,); None where it is shut or its cupboard is not seen."""
    if body is None or float(door_opening(door, body).value) < SHOWS_HINGE:
        return None
    return np.array([*ends_of(door, body)[1], door.position[2]])


def _door(panel: Object, free: Array, body: Object | None) -> Joint:
    rotation = panel.pose.rotation
    along = rotation[:, 1]
    side = -1.0 if float((free - panel.position) @ along) > 0 else 1.0  # the hinge is the far edge
    hinge = panel.position + side * along * panel.extent[1] / 2
    outward, spoke = rotation[:, 0], free - hinge
    if body is not None:  # also right for a door that stands open by more than a right angle
        outward, spoke = body.pose.rotation[:, 0], body.position - hinge
        spoke = spoke - (spoke @ outward) * outward
    up = np.array([0.0, 0.0, 1.0])
    axis = up if np.cross(up, spoke) @ outward > 0 else -up  # positive motion swings it outward
    return Joint("revolute", hinge, axis, DOOR_RANGE, GUESSED)


def refine(joint: Joint, poses: Sequence[Pose]) -> Result:
    """The joint again, from where the tool went while it was pulled.

    Args:
        joint: The estimate so far; its axis says which way is positive.
        poses: Measured tool poses in order, hand holding the part.

    Returns:
        `Result.value` is the better Joint; ok=False where the motion was too small to tell.
    """
    points = np.array([pose.position for pose in poses]).reshape(-1, 3)
    travel = float(np.linalg.norm(points[-1] - points[0])) if len(points) > 1 else 0.0
    if len(points) < 4 or travel < LEAST_TRAVEL:
        return Result(
            value=joint,
            ok=False,
            reason=f"the part moved {travel * 1000:.0f} mm over {len(points)} poses; "
            f"{LEAST_TRAVEL * 1000:.0f} mm over 4 are needed to tell how it moves",
            evidence={"travel": round(travel, 4), "poses": len(points)},
        )
    line = fit_line(points)
    arc, upright = _best_arc(points)
    kept = _residual_of(joint, points)
    costs = {
        "prismatic": _price(line.residual, len(points), LINE_PARAMETERS),
        "revolute": _price(arc.residual, len(points), ARC_PARAMETERS_UPRIGHT if upright else ARC_PARAMETERS),
    }
    if not 0.02 < arc.radius < LARGEST_RADIUS:
        costs["revolute"] = float("inf")
    guess = _price(kept, len(points), GUESS_PARAMETERS)
    as_guessed = guess <= costs[joint.type]
    costs[joint.type] = min(guess, costs[joint.type])
    costs[joint.type] -= PRIOR
    gap = abs(costs["prismatic"] - costs["revolute"])
    chosen = "prismatic" if costs["prismatic"] <= costs["revolute"] else "revolute"
    fit = line if chosen == "prismatic" else arc
    sure = float(np.clip(0.5 + 0.45 * np.tanh(min(gap, 50.0) / 10.0), 0.5, 0.95))
    if as_guessed and chosen == joint.type:  # the motion agrees with the shape, which tells more
        fitted = replace(joint, confidence=sure)
    else:
        fitted = _from_fit(joint, chosen, fit, points, sure)
    evidence = {
        **described(fitted),
        "travel": round(travel, 4),
        "line_residual": round(line.residual, 5),
        "arc_residual": round(arc.residual, 5),
        "arc_radius": round(arc.radius, 4),
        "shape_residual": round(kept, 5),
        "price_difference": round(min(gap, 1e6), 2),
        "was": joint.type,
    }
    return Result(value=fitted, evidence=evidence)


def _residual_of(joint: Joint, points: Array) -> float:
    """Root mean square distance of points (N, 3) from the path that a joint itself would lead."""
    if joint.type == "prismatic":
        local = points - points.mean(axis=0)
        across = local - np.outer(local @ joint.axis, joint.axis)
        return float(np.sqrt(np.mean((across**2).sum(axis=1))))
    spokes = points - joint.origin
    height = spokes @ joint.axis
    radius = np.linalg.norm(spokes - np.outer(height, joint.axis), axis=1)
    return float(np.sqrt(np.var(radius) + np.var(height)))


def _best_arc(points: Array) -> tuple[Fit, bool]:
    """A free arc, or one about a vertical axis where that explains the points about as well."""
    upright = fit_arc(points, np.array([0.0, 0.0, 1.0]))
    free = fit_arc(points)
    steep = abs(free.axis[2]) > UPRIGHT
    if steep or upright.residual <= max(1.5 * free.residual, TRACKING_NOISE):
        return upright, True
    return free, False


def _price(residual: float, count: int, parameters: int) -> float:
    """Bayesian information criterion of a fit whose residuals are at least the noise."""
    return count * 2.0 * float(np.log(max(residual, TRACKING_NOISE))) + parameters * float(np.log(count))


def _from_fit(joint: Joint, chosen: str, fit: Fit, points: Array, sure: float) -> Joint:
    forward = points[-1] - points[0]
    if chosen == "prismatic":
        axis = fit.axis if fit.axis @ forward >= 0 else -fit.axis
        if joint.type == "prismatic":
            axis = axis if axis @ joint.axis >= 0 else -axis
            span = joint.range
        else:
            span = DRAWER_RANGE
        return Joint("prismatic", points[0], axis, span, sure)
    span = joint.range if joint.type == "revolute" else DOOR_RANGE
    axis = fit.axis
    if joint.type == "revolute" and abs(axis @ joint.axis) > 0.5 and axis @ joint.axis < 0:
        axis = -axis
    return Joint("revolute", fit.origin, axis, span, sure)


def path(joint: Joint, start: Pose, amount: float, steps: int = 20, turn: float = 1.0) -> list[Pose]:
    """Tool poses that carry a held part along its joint.

    Args:
        joint: How the part moves.
        start: Tool pose now, holding the part.
        amount: Signed distance [m] or angle [rad] from here; positive opens.
        steps: Number of poses after the start, at least 1.
        turn: Share of a revolute joint's turn that the tool turns too; a round handle turns
            between the fingers for the rest.

    Returns:
        `steps` + 1 poses, the first being `start`.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    shares = np.linspace(0.0, 1.0, steps + 1)
    if joint.type == "prismatic":
        return [start.translated(joint.axis * amount * share) for share in shares]
    poses = []
    for share in shares:
        position = joint.origin + about(joint.axis, amount * share) @ (start.position - joint.origin)
        rotation = about(joint.axis, amount * share * turn) @ start.rotation
        poses.append(replace(Pose.from_matrix(rotation), position=position))
    return poses


def tangent(joint: Joint, point: Array) -> Array:
    """Unit direction (3,) in which a point (3,) of the part moves when the joint opens."""
    if joint.type == "prismatic":
        return joint.axis
    way = np.cross(joint.axis, np.asarray(point) - joint.origin)
    return np.asarray(way / max(float(np.linalg.norm(way)), 1e-9))


def carried(joint: Joint, points: Array, amount: float) -> Array:
    """Where points (N, 3) of a part are after it moved by `amount` [m] or [rad] along its joint."""
    if joint.type == "prismatic":
        return np.asarray(points + amount * joint.axis)
    return np.asarray((points - joint.origin) @ about(joint.axis, amount).T + joint.origin)


def radius(joint: Joint, point: Array) -> float:
    """Distance of a point (3,) from a joint's axis [m]."""
    spoke = np.asarray(point) - joint.origin
    return float(np.linalg.norm(spoke - (spoke @ joint.axis) * joint.axis))


def about(axis: Array, angle: float) -> Array:
    """Rotation matrix (3, 3) by `angle` about a unit axis (3,)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation: Array = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return rotation


def travel_between(joint: Joint, before: Array, after: Array) -> float:
    """Signed motion along a joint [m] or [rad] of a point (3,) that moved with the part."""
    if joint.type == "prismatic":
        return float((np.asarray(after) - before) @ joint.axis)
    flat = [np.asarray(p) - joint.origin for p in (before, after)]
    flat = [p - (p @ joint.axis) * joint.axis for p in flat]
    sine = float(np.cross(flat[0], flat[1]) @ joint.axis)
    return wrap(float(np.arctan2(sine, flat[0] @ flat[1])))
