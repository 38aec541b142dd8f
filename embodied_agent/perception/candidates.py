"""Where fingers could close: candidates from the box, the cloud, the rim and the handle.

A candidate says where the middle of the fingers goes, along which line they close and from
where they come. Whether the hand fits there, and how good it is, is decided in `grasps`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_agent.perception.cloud import normals
from embodied_agent.perception.geometry import hull_2d, smallest_rectangle, voxel_centers
from embodied_agent.perception.hand import Hand
from embodied_agent.perception.localize import PANELS, ROUND, longest_first, rim_circle, trimmed
from embodied_agent.perception.relations import bottom_of, top_of
from embodied_agent.types import Array, Object

FRICTION_CONE = np.radians(25.0)  # half angle: contact normals may lean this far off the closing line
PAIR_POINTS = 160  # surface points that the pair test uses
PAIRS = 60  # best pairs kept
OPENING_ROOM = 0.014  # [m] by which the fingers open wider than the thing
LEAST_ROOM = 0.004  # [m]
SUPPORT_ROOM = 0.004  # [m] between finger tips and what the thing stands on
LEAST_HOLD = 0.004  # [m] of the fingers' middle below the top of a thing
GRIP_DEPTH = 0.022  # [m] below the top of a thing at most, so that the palm stays clear
RIM_DEPTH = 0.012  # [m] of the fingers' middle below a rim
INNER_FLOOR = 0.006  # [m] thickness of a container's or plate's floor
RIM_ANGLES = 16
KNOB_SLICE = 0.010  # [m] below a knob's top: its grip
TILTS = (0.0, 0.35, -0.35)  # [rad] of a downward approach about the closing line


@dataclass(frozen=True)
class Candidates:
    """Many possible grasps as arrays of one length K.

    Attributes:
        centers: Middle between the fingers [m], (K, 3).
        closing: Unit closing directions, (K, 3).
        approach: Unit approach directions, at right angles to `closing`, (K, 3).
        widths: Size of what is between the fingers [m], (K,).
        normality: How squarely the contact surfaces face the fingers, in [0, 1], (K,).
        source: Where they come from, one word.
    """

    centers: Array
    closing: Array
    approach: Array
    widths: Array
    normality: Array
    source: str

    def __len__(self) -> int:
        return len(self.centers)


def _stack(rows: list[tuple[Array, Array, Array, float, float]], source: str) -> Candidates:
    if not rows:
        none = np.zeros((0, 3))
        return Candidates(none, none, none, np.zeros(0), np.zeros(0), source)
    centers, closing, approach, widths, normality = zip(*rows, strict=True)
    vectors = (np.array(centers), np.array(closing), np.array(approach))
    return Candidates(*vectors, np.array(widths), np.array(normality), source)


def _height(item: Object, hand: Hand) -> float:
    """Height of the fingers' middle for a grasp from above [m]."""
    bottom, top = bottom_of(item), top_of(item)
    lowest = bottom + hand.tip_depth + SUPPORT_ROOM
    middle = bottom + 0.5 * (top - bottom)
    return float(min(max(middle, top - GRIP_DEPTH, lowest), max(top - LEAST_HOLD, lowest)))


def from_box(item: Object, hand: Hand) -> Candidates:
    """From above, closing along the axes of the measured box; round things from every side."""
    height = _height(item, hand)
    center = np.array([*item.position[:2], height])
    down = np.array([0.0, 0.0, -1.0])
    rows = []
    circle = rim_circle(item.cloud) if item.kind == "mug" else None
    if circle is not None:  # across the body, beside the handle
        center[:2] = circle.center
        handle = mug_handle(item)
        ahead = 0.0 if handle is None else float(np.arctan2(handle[1], handle[0]))
        angles = ahead + np.pi / 2 + np.array([0.0, 0.4, -0.4, 0.8, -0.8])
        options = [(np.array([np.cos(a), np.sin(a), 0.0]), 2 * circle.radius, 0.95) for a in angles]
    elif item.kind in ROUND:
        angles = np.arange(8) * np.pi / 8
        options = [(np.array([np.cos(a), np.sin(a), 0.0]), float(item.extent[0]), 0.95) for a in angles]
    else:
        options = [(item.pose.rotation[:, k], float(item.extent[k]), 1.0) for k in (0, 1)]
    for axis, width, normality in options:
        for tilt in TILTS:
            # The lower corner of a tilted finger reaches deeper than its tip.
            reach = hand.tip_depth * np.cos(tilt) + hand.finger_breadth / 2 * abs(np.sin(tilt))
            level = max(height, bottom_of(item) + reach + SUPPORT_ROOM)
            if level > height and level > top_of(item) - LEAST_HOLD:
                continue
            middle = np.array([center[0], center[1], level])
            rows.append((middle, axis, _turned(down, axis, tilt), width, normality * np.cos(tilt)))
    return _stack(rows, "box")


def from_sides(item: Object, hand: Hand) -> Candidates:
    """Level and slanted approaches from around a thing, closing across it."""
    rows = []
    bottom, top = bottom_of(item), top_of(item)
    lowest = bottom + hand.finger_breadth / 2 + SUPPORT_ROOM
    center = np.array([*item.position[:2], max(bottom + 0.6 * (top - bottom), lowest)])
    for angle in np.arange(16) * np.pi / 8:
        way = np.array([np.cos(angle), np.sin(angle), 0.0])
        closing = np.array([-way[1], way[0], 0.0])
        width = float(np.ptp(item.cloud @ closing)) if item.kind not in ROUND else float(item.extent[0])
        for slant in (0.0, 0.5, 0.9):
            approach = way * np.cos(slant) - np.array([0.0, 0.0, np.sin(slant)])
            rows.append((center, closing, approach, width, 0.9))
    return _stack(rows, "side")


def from_pairs(item: Object, hand: Hand, viewpoint: Array) -> Candidates:
    """Antipodal pairs: two surface points whose normals face each other along their line.

    One view shows little of the far side; the outline seen from above, drawn straight down,
    stands in for it (a thing on a table is no wider below what hides it than the outline).
    """
    surface, outward = _surface(item, viewpoint)
    if len(surface) < 8:
        return _stack([], "antipodal")
    line = surface[None] - surface[:, None]
    distance = np.linalg.norm(line, axis=2)
    unit = line / np.maximum(distance, 1e-9)[..., None]
    leave = -np.einsum("ijk,ik->ij", unit, outward)  # the first finger pushes along the line
    enter = np.einsum("ijk,jk->ij", unit, outward)
    fits = (distance > 0.006) & (distance < hand.max_width - LEAST_ROOM)
    fits &= (leave > np.cos(FRICTION_CONE)) & (enter > np.cos(FRICTION_CONE))
    fits &= np.abs(unit[..., 2]) < 0.5
    first, second = np.nonzero(np.triu(fits))
    if len(first) == 0:
        return _stack([], "antipodal")
    quality = (leave + enter)[first, second] / 2
    middle = (surface[first] + surface[second]) / 2
    off_center = np.linalg.norm(middle - item.position, axis=1) / max(float(item.extent.max()), 1e-6)
    order = np.argsort(-(quality - 0.3 * off_center))[:PAIRS]
    rows = []
    for k in order:
        i, j = first[k], second[k]
        closing = unit[i, j]
        down = _square(np.array([0.0, 0.0, -1.0]), closing)
        rows.append((middle[k], closing, down, float(distance[i, j]), float(quality[k])))
    return _stack(rows, "antipodal")


def _surface(item: Object, viewpoint: Array) -> tuple[Array, Array]:
    seen = voxel_centers(item.cloud, 0.006)
    facing = normals(seen, viewpoint)
    steep = np.abs(facing[:, 2]) < 0.8  # fingers close on sides; the top offers them nothing
    seen, facing = seen[steep], facing[steep]
    hull = hull_2d(item.cloud[:, :2])
    if len(hull) >= 3:
        edge = np.roll(hull, -1, axis=0) - hull
        length = np.linalg.norm(edge, axis=1)
        count = np.maximum(1, np.ceil(length / 0.008)).astype(int)
        index = np.repeat(np.arange(len(hull)), count)
        share = np.concatenate([(np.arange(n) + 0.5) / n for n in count])
        outline = hull[index] + share[:, None] * edge[index]
        out = np.stack([edge[:, 1], -edge[:, 0]], axis=1) / np.maximum(length, 1e-9)[:, None]
        bottom, top = bottom_of(item), top_of(item)
        level = bottom + 0.5 * (top - bottom)
        sides = np.column_stack([outline, np.full(len(outline), level)])
        seen = np.concatenate([seen, sides])
        facing = np.concatenate([facing, np.column_stack([out[index], np.zeros(len(index))])])
    if len(seen) > PAIR_POINTS:
        chosen = np.linspace(0, len(seen) - 1, PAIR_POINTS).astype(int)
        seen, facing = seen[chosen], facing[chosen]
    return seen, facing


def from_rim(item: Object, hand: Hand, *, wall: float = 0.008) -> Candidates:
    """One finger inside, one outside, around the rim of a bowl, mug, plate, box or bin."""
    circle = rim_circle(item.cloud)
    top = top_of(item)
    reach = hand.tip_depth + INNER_FLOOR + 0.5 * SUPPORT_ROOM  # the inner finger stays off the floor
    depth = float(np.clip(item.extent[2] - reach, 0.003, RIM_DEPTH))
    rows = []
    if circle is not None and item.kind != "box":
        for angle in np.arange(RIM_ANGLES) * 2 * np.pi / RIM_ANGLES:
            out = np.array([np.cos(angle), np.sin(angle), 0.0])
            spot = np.array([*circle.center, top - depth]) + out * (circle.radius - wall / 2)
            for lean in (0.0, 0.35, 0.6):  # lean outwards: the palm stays off the far rim
                approach = np.array([0.0, 0.0, -np.cos(lean)]) - out * np.sin(lean)
                closing = _square(out, approach)
                rows.append((spot, closing, approach, wall, 0.9 * np.cos(lean)))
        return _stack(rows, "rim")
    rotation = item.pose.rotation
    for k, sign in ((0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0)):
        out = sign * rotation[:, k]
        along = rotation[:, 1 - k]
        for shift in (-0.25, 0.0, 0.25):
            spot = item.position + out * (item.extent[k] / 2 - wall / 2) + along * shift * item.extent[1 - k]
            spot = np.array([spot[0], spot[1], top - depth])
            rows.append((spot, out, np.array([0.0, 0.0, -1.0]), wall, 0.9))
    return _stack(rows, "rim")


def from_handle(handle: Object, hand: Hand, outward: Array | None = None) -> Candidates:
    """Around a bar: closing across its long axis, coming from where it stands out.

    Args:
        handle: A drawer's or door's handle.
        hand: Sizes of the hand.
        outward: Direction (3,) in which the handle stands out of its panel; None = its x axis.
    """
    out = np.asarray(handle.pose.rotation[:, 0] if outward is None else outward, dtype=np.float64)
    out = out / np.linalg.norm(out)
    cloud = handle.cloud - handle.cloud.mean(axis=0)
    flat = cloud - np.outer(cloud @ out, out)
    _, _, axes = np.linalg.svd(flat, full_matrices=False)
    bar = axes[0]  # long axis, in the panel's plane
    up = np.array([0.0, 0.0, 1.0])
    bar = up if abs(bar[2]) > 0.7 else np.cross(up, out)
    bar /= np.linalg.norm(bar)
    across = np.cross(out, bar)
    spread = handle.cloud @ across
    width = float(np.percentile(spread, 98) - np.percentile(spread, 2))
    centers = [handle.position, handle.position + 0.012 * bar, handle.position - 0.012 * bar]
    rows = []
    for center in centers:
        for slant in (0.0, 0.3, 0.6, 0.9, -0.3):
            approach = _turned(-out, bar, slant) if abs(bar[2]) < 0.5 else _turned(-out, across, slant)
            if approach[2] > 0.35:
                approach = _turned(-out, bar if abs(bar[2]) < 0.5 else across, -slant)
            closing = _square(across, approach)
            rows.append((center, closing, approach, max(width, 0.008), float(np.cos(slant))))
    return _stack(rows, "handle")


def from_knob(item: Object, hand: Hand) -> Candidates:
    """From above across the short side of a knob's raised grip."""
    top = top_of(item)
    raised = item.cloud[item.cloud[:, 2] > top - KNOB_SLICE]
    if len(raised) < 12:
        return _stack([], "knob")
    grip = longest_first(smallest_rectangle(trimmed(raised[:, :2])))
    closing = np.array([-np.sin(grip.yaw), np.cos(grip.yaw), 0.0])
    lowest = top - 0.8 * GRIP_DEPTH
    rows = []
    for z in (lowest, top - 0.5 * GRIP_DEPTH):
        center = np.array([*grip.center, z])
        for tilt in TILTS:
            approach = _turned(np.array([0.0, 0.0, -1.0]), closing, tilt)
            rows.append((center, closing, approach, float(grip.size[1]), float(np.cos(tilt))))
    return _stack(rows, "knob")


def mug_handle(item: Object) -> Array | None:
    """Direction (3,) from a mug's axis to its handle, or None if the handle is not seen."""
    circle = rim_circle(item.cloud)
    if circle is None or item.kind in PANELS:
        return None
    away = item.cloud[:, :2] - circle.center
    distance = np.linalg.norm(away, axis=1)
    beyond = distance > circle.radius + 0.008
    if beyond.sum() < 8:
        return None
    way = np.median(away[beyond] / distance[beyond, None], axis=0)
    return np.array([*(way / max(float(np.linalg.norm(way)), 1e-9)), 0.0])


def from_mug_handle(item: Object, hand: Hand) -> Candidates:
    """Around the upright part of a mug's handle, from above or from its side."""
    way = mug_handle(item)
    circle = rim_circle(item.cloud)
    if way is None or circle is None:
        return _stack([], "handle")
    out = (item.cloud[:, :2] - circle.center) @ way[:2]
    grip = item.cloud[out > circle.radius + 0.008]
    reach = float(np.percentile((grip[:, :2] - circle.center) @ way[:2], 95.0))
    side = np.array([-way[1], way[0], 0.0])
    width = float(np.ptp(grip @ side))
    middle = np.array([*(circle.center + way[:2] * (circle.radius + reach) / 2), 0.0])
    top = float(np.percentile(grip[:, 2], 95.0))
    lowest = bottom_of(item) + hand.tip_depth + SUPPORT_ROOM
    down = np.array([0.0, 0.0, -1.0])
    rows = []
    for lower in (0.012, 0.02):
        spot = middle + np.array([0.0, 0.0, max(top - lower, lowest)])
        for slant in (0.0, 0.4, -0.4, 0.8, -0.8):
            rows.append((spot, side, _turned(down, side, slant), max(width, 0.006), 0.9))
    return _stack(rows, "handle")


def _turned(vector: Array, axis: Array, angle: float) -> Array:
    """`vector` rotated about a unit axis (Rodrigues)."""
    c, s = np.cos(angle), np.sin(angle)
    turned: Array = vector * c + np.cross(axis, vector) * s + axis * (axis @ vector) * (1 - c)
    return turned


def _square(vector: Array, to: Array) -> Array:
    """The unit part of `vector` at right angles to the unit vector `to`."""
    rest = vector - (vector @ to) * to
    return np.asarray(rest / max(float(np.linalg.norm(rest)), 1e-9))
