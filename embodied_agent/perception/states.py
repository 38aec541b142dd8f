"""State of moving parts and of the hand: open, closed, pressed, turned, holding.

Every answer is measured from the part's own cloud against what does not move (the body it
belongs to) or against how the part was first seen, and carries its numbers.
"""

from __future__ import annotations

import numpy as np

from embodied_agent.perception.panels import panel_rectangle
from embodied_agent.perception.relations import top_of, unseen
from embodied_agent.types import Array, Object, Result, RobotState

OPEN_FRACTION = 0.15  # of the range: from here on a part counts as open
DRAWER_RANGE = 0.20  # [m] where nothing better is known
DOOR_RANGE = 1.9  # [rad] where nothing better is known
PANEL_THICKNESS = 0.014  # [m]: a closed panel's front stands this far before the cabinet's own front
DRAWER_CLOSED = 0.02  # [m] a drawer's front may stand out this far and be closed
DOOR_CLOSED = 0.14  # [rad]
PRESSED = 0.005  # [m] a cap that is lower than at rest by this much is pressed
LAMP_SHARE = 0.04  # of a button's pixels: its lamp is a narrow ring
TURNED = 0.17  # [rad]
HELD_NEAR = 0.08  # [m] between the tool and the nearest seen point of a held thing
EMPTY_WIDTH = 0.003  # [m] fingers this close hold nothing
HOLD_FORCE = 0.5  # [N]
WIDTH_SLACK = 0.01  # [m] the fingers may stand this much wider than the thing's longest edge


def drawer_opening(panel: Object, cabinet: Object | None, first: Object | None = None) -> Result:
    """How far a drawer is pulled out [m], from its panel's front against the cabinet's front.

    Args:
        panel: The drawer's front panel.
        cabinet: Its body; the front of the body is where a closed panel's back lies.
        first: The panel as first measured; used where the cabinet is not seen.
    """
    outward = panel.pose.rotation[:2, 0]
    front = float(np.percentile(panel.cloud[:, :2] @ outward, 90.0))
    if cabinet is not None:
        reference = float(np.percentile(cabinet.cloud[:, :2] @ outward, 99.0)) + PANEL_THICKNESS
        source = "cabinet"
    elif first is not None:
        reference = float(np.percentile(first.cloud[:, :2] @ outward, 90.0))
        source = "first view"
    else:
        return Result(ok=False, reason="neither the cabinet nor an earlier view of the drawer is known")
    distance = max(front - reference, 0.0)
    return Result(value=distance, evidence={"pulled_out": round(distance, 4), "against": source})


def door_opening(door: Object, body: Object | None, first: Object | None = None) -> Result:
    """How far a door is turned out of its frame [rad], >= 0.

    The hinge is the end of the panel that is nearer to the plane of the closed door; the angle
    is that of the line from there to the free end, so it is told beyond a right angle too.

    Args:
        door: The door's panel.
        body: The cupboard's body, whose front the closed door covers.
        first: The door as first measured; used where the body is not seen.
    """
    frame = body or first
    if frame is None:
        return Result(ok=False, reason="neither the cupboard nor an earlier view of the door is known")
    outward = frame.pose.rotation[:2, 0]
    hinge, free = ends_of(door, frame)
    span = free - hinge
    out = float(span @ outward)
    across = np.array([-outward[1], outward[0]])
    inward = float((frame.position[:2] - hinge) @ across)
    angle = float(np.arctan2(max(out, 0.0), float(span @ across) * np.sign(inward or 1.0)))
    source = "cupboard" if body is not None else "first view"
    return Result(value=angle, evidence={"angle": round(angle, 3), "against": source})


def ends_of(door: Object, frame: Object) -> tuple[Array, Array]:
    """The upright edges of a door, each (2,): the one nearer to the closed door's plane, and the other one."""
    outward = frame.pose.rotation[:2, 0]
    front = float(np.percentile(frame.cloud[:, :2] @ outward, 97.0))
    panel = panel_rectangle(door.cloud)
    along = np.array([-np.sin(panel.yaw), np.cos(panel.yaw)]) * panel.size[1] / 2
    ends = np.array([panel.center - along, panel.center + along])
    hinge, free = ends[np.argsort(np.abs(ends @ outward - front))]
    return hinge, free


def opening_fraction(
    part: Object,
    body: Object | None = None,
    *,
    first: Object | None = None,
    range: float | None = None,
    now: float | None = None,
) -> Result:
    """How far a drawer or door is open, as a fraction of its range.

    Args:
        part: Front panel of a drawer, or a door.
        body: Its cabinet or cupboard, if seen.
        first: The part as first measured.
        range: Travel from closed to open [m] or [rad]; None = the usual one.
        now: Time of the newest look; a part measured earlier makes the answer unknown.
    """
    if (unknown := unseen([part], now)) is not None:
        return unknown
    if part.kind == "drawer":
        opened = drawer_opening(part, body, first)
        full, closed = range or DRAWER_RANGE, DRAWER_CLOSED
    elif part.kind == "door":
        opened = door_opening(part, body, first)
        full, closed = range or DOOR_RANGE, DOOR_CLOSED
    else:
        return Result(ok=False, reason=f"a {part.kind} cannot be open or closed; a drawer or a door can")
    if not opened.ok:
        return opened
    fraction = float(opened.value) / full
    evidence = {**opened.evidence, "range": full, "fraction": round(fraction, 3), "closed_within": closed}
    return Result(value=fraction, evidence={**evidence, "amount": round(float(opened.value), 4)})


def is_open(opening: Result, least: float = OPEN_FRACTION) -> Result:
    """Whether a part whose `opening_fraction` was measured is open by at least the share `least` of its range."""
    if not opening.ok:
        return opening
    return Result(value=float(opening.value) >= least, evidence={**opening.evidence, "least": least})


def is_closed(opening: Result) -> Result:
    """Whether a part whose `opening_fraction` was measured is shut, within what the camera can tell."""
    if not opening.ok:
        return opening
    amount = float(opening.evidence["amount"])
    return Result(value=amount <= float(opening.evidence["closed_within"]), evidence=opening.evidence)


def cap_height(button: Object) -> float:
    """Height of a button's cap [m]: the median of its highest points."""
    heights = button.cloud[:, 2]
    upper = heights[heights > np.percentile(heights, 99.0) - 0.004]
    return float(np.median(upper))


def is_pressed(
    button: Object,
    first: Object | None,
    *,
    travel: float = PRESSED,
    new_color: float | None = None,
    now: float | None = None,
) -> Result:
    """Whether a button's cap is lower than when first seen, or its lamp went on.

    Args:
        button: As measured now.
        first: As measured at rest.
        travel: Least drop that counts [m].
        new_color: Share of its pixels with a colour it did not show at first
            (`Scene.change_of_color`); a spring may have lifted the cap again, the lamp stays on.
        now: Time of the newest look; a button measured earlier makes the answer unknown.
    """
    if (unknown := unseen([button], now)) is not None:
        return unknown
    if first is None:
        return Result(ok=False, reason="the button was not seen at rest, so there is nothing to compare with")
    drop = cap_height(first) - cap_height(button)
    lit = new_color is not None and new_color >= LAMP_SHARE
    return Result(
        value=bool(drop >= travel or lit),
        evidence={
            "new_color_share": None if new_color is None else round(new_color, 3),
            "lamp_share": LAMP_SHARE,
            "drop": round(drop, 4),
            "needed": travel,
            "cap_height": round(cap_height(button), 4),
            "rest_height": round(cap_height(first), 4),
        },
    )


def knob_yaw(knob: Object) -> Result:
    """Direction of a knob's grip [rad], in (-pi/2, pi/2]: the long axis of its raised part."""
    top = top_of(knob)
    raised = knob.cloud[knob.cloud[:, 2] > top - min(0.012, 0.35 * knob.extent[2])][:, :2]
    if len(raised) < 15:
        return Result(ok=False, reason=f"only {len(raised)} points of the knob's top are seen; 15 are needed")
    local = raised - (raised.max(axis=0) + raised.min(axis=0)) / 2
    values, axes = np.linalg.eigh(local.T @ local / len(local))
    if values[1] < 1.6 * values[0]:
        return Result(
            ok=False,
            reason="the knob's top looks round from here: its direction cannot be told",
            evidence={"long_to_short": round(float(np.sqrt(values[1] / max(values[0], 1e-12))), 3)},
        )
    yaw = float(np.arctan2(axes[1, 1], axes[0, 1]))
    yaw = yaw - np.pi if yaw > np.pi / 2 else yaw + np.pi if yaw <= -np.pi / 2 else yaw
    return Result(value=yaw, evidence={"yaw": round(yaw, 3)})


def turned_by(before: float, after: float, expected: float = 0.0) -> float:
    """Turn [rad] between two directions that are known up to half a turn, nearest to `expected`."""
    turn = after - before
    return float(turn + np.pi * np.round((expected - turn) / np.pi))


def is_turned(
    knob: Object,
    first: Object | None,
    *,
    angle: float | None = None,
    tolerance: float = TURNED,
    now: float | None = None,
) -> Result:
    """Whether a knob was turned since it was first seen.

    Args:
        knob: As measured now.
        first: As measured before.
        angle: The turn that is asked for [rad], counter-clockwise from above; None = any.
        tolerance: Largest error against `angle`, or least turn if any will do [rad].
        now: Time of the newest look; a knob measured earlier makes the answer unknown.
    """
    if (unknown := unseen([knob], now)) is not None:
        return unknown
    if first is None:
        return Result(ok=False, reason="the knob was not seen before, so there is nothing to compare with")
    before, after = knob_yaw(first), knob_yaw(knob)
    for measured in (before, after):
        if not measured.ok:
            return measured
    turn = turned_by(before.value, after.value, angle or 0.0)
    value = abs(turn) >= tolerance if angle is None else abs(turn - angle) <= tolerance
    return Result(
        value=bool(value),
        evidence={"turned": round(turn, 3), "asked": angle, "tolerance": tolerance},
    )


def is_holding(
    item: Object,
    state: RobotState,
    tool_position: Array,
    *,
    least_force: float = HOLD_FORCE,
    now: float | None = None,
    place_empty: bool | None = None,
) -> Result:
    """Whether the hand holds a thing: the fingers feel something, and the cameras agree.

    Args:
        item: The thing as last measured.
        state: The robot's newest reading.
        tool_position: Point between the finger pads in the world [m], (3,).
        least_force: Least force between the fingers [N].
        now: Time of the newest look; None = nothing was looked at, the fingers decide.
        place_empty: What the camera says of the place where the thing stood, if the thing is
            not seen: True = seen empty, False = seen occupied, None = the hand hides it too; then
            the fingers decide, and their width must be plausible for the thing.
    """
    gripped = state.gripper_width > EMPTY_WIDTH and state.gripper_force >= least_force
    evidence: dict[str, object] = {
        "gripper_width": round(float(state.gripper_width), 4),
        "empty_width": EMPTY_WIDTH,
        "gripper_force": round(float(state.gripper_force), 2),
        "least_force": least_force,
    }
    if not gripped or now is None:
        return Result(value=bool(gripped), evidence=evidence)
    if item.stamp >= now - 1e-6:
        away = float(np.linalg.norm(item.cloud - np.asarray(tool_position), axis=1).min())
        evidence |= {"distance_to_tool": round(away, 4), "largest_distance": HELD_NEAR}
        return Result(value=away <= HELD_NEAR, evidence=evidence)
    evidence["place_seen_empty"] = place_empty
    if place_empty is False:
        return Result(
            ok=False,
            reason=f"the fingers hold something, but the {item.description or item.kind} cannot be seen",
            evidence=evidence,
        )
    widest = float(item.extent.max()) + WIDTH_SLACK
    evidence["widest_plausible"] = round(widest, 4)
    return Result(value=state.gripper_width <= widest, evidence=evidence)
