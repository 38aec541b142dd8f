"""Upright faces in clouds: drawer fronts and doors among what their masks hold besides."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from embodied_agent.perception.geometry import Rectangle
from embodied_agent.types import Array, Object

UPRIGHT_SPAN = 0.03  # [m] of height in one grid cell: part of an upright face
PANEL_DEPTH = 0.02  # [m] behind its front face that still belongs to a panel
THINNEST = 0.004  # [m] no measured box is thinner than the sensor's noise
FACING = 0.6  # cosine: a drawer's front faces the robot at least so far; the sides of its tray do not
TRAY_SHARE = 0.3  # of a drawer's upright points are its front, where its tray shows
FACE_POINTS = 20  # fewer do not make a face
ALIGNED = 0.95  # cosine between the normals of two pieces of one face
FLUSH = 0.025  # [m] between their planes
SEAM = 0.03  # [m] between their edges
LEVEL = 0.6  # of the lower piece's height that both share
TRAY = 0.35  # [m] a drawer's tray is no longer than this


def panel_rectangle(cloud: Array) -> Rectangle:
    """Footprint of an upright panel: x is the outward normal, y runs along the panel.

    The front face is the line that most points' footprints share; outward is the side that
    faces the robot's base, from where the face was seen.
    """
    flat = cloud[:, :2]
    normal = _panel_normal(flat)
    along = np.array([-normal[1], normal[0]])
    out, side = flat @ normal, flat @ along
    low, high = np.percentile(side, [0.5, 99.5])
    near, far = np.percentile(out, [2.0, 99.0])
    size = np.array([max(far - near, THINNEST), high - low])
    center = normal * (near + far) / 2 + along * (low + high) / 2
    return Rectangle(center, size, float(np.arctan2(normal[1], normal[0])))


def fullest_layer(cloud: Array, thickness: float = PANEL_DEPTH) -> Array:
    """The points in the upright layer of `thickness` [m], at whatever yaw, that holds most of them."""
    flat = cloud[:, :2]
    sample = flat[:: max(1, len(flat) // 600)]
    best, chosen = -1, (np.array([1.0, 0.0]), 0.0)
    for angle in np.arange(0.0, np.pi, np.pi / 120):
        normal = np.array([np.cos(angle), np.sin(angle)])
        out = np.sort(sample @ normal)
        counts = np.searchsorted(out, out + thickness) - np.arange(len(out))
        if counts.max() > best:
            best = int(counts.max())
            chosen = (normal, float(out[int(np.argmax(counts))]))
    out = flat @ chosen[0] - chosen[1]
    return np.asarray(cloud[(out > -0.002) & (out < thickness + 0.002)])


def front_face(cloud: Array) -> Array:
    """The points of a drawer's front or of a door, out of those of all that its mask holds.

    The face is an upright surface: in a grid seen from above, its points pile up in few cells.
    Of all upright faces it is the one nearest to the robot, and it faces the robot.
    """
    cells = np.floor((cloud[:, :2] - cloud[:, :2].min(axis=0)) / 0.006).astype(np.int64)
    flat = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    low = np.full(flat.max() + 1, np.inf)
    high = np.full(flat.max() + 1, -np.inf)
    np.minimum.at(low, flat, cloud[:, 2])
    np.maximum.at(high, flat, cloud[:, 2])
    upright = cloud[(high - low)[flat] > UPRIGHT_SPAN]
    if len(upright) < FACE_POINTS:
        return cloud
    normal = _panel_normal(upright[:, :2], FACING, TRAY_SHARE)
    out = upright[:, :2] @ normal
    levels, edges = np.histogram(out, bins=max(1, int(np.ceil(np.ptp(out) / 0.006))))
    full = np.flatnonzero(levels >= 0.35 * levels.max())  # the outermost well-filled layer
    face = float(edges[full[-1]] + edges[full[-1] + 1]) / 2
    depth = face - cloud[:, :2] @ normal
    front = cloud[(depth > -0.008) & (depth < PANEL_DEPTH)]
    return front if len(front) >= FACE_POINTS else cloud


def split_drawer(items: Sequence[Object]) -> tuple[int, int] | None:
    """Indices of two of the measured things that are one drawer, seen in two pieces; or None.

    They are two pieces of its front, or its front and its tray. Drawers that are two are at other
    heights, or have a handle each.
    """
    drawers = [k for k, item in enumerate(items) if item.kind == "drawer"]
    handles = [item for item in items if item.kind == "drawer_handle"]
    for i, j in combinations(drawers, 2):
        front, other = sorted((items[i], items[j]), key=lambda item: float(np.linalg.norm(item.position[:2])))
        if not (_goes_on(front, other) or _is_tray(front, other)):
            continue
        if sum(_belongs(handle, front) or _belongs(handle, other) for handle in handles) < 2:
            return i, j
    return None


def _goes_on(front: Object, other: Object) -> bool:
    """Whether a panel lies beside a drawer's front, in its plane and at its height."""
    out, beside = _offset(front, other)
    aligned = other.pose.rotation[:2, 0] @ front.pose.rotation[:2, 0] > ALIGNED
    near = abs(out) < FLUSH and beside < (front.extent[1] + other.extent[1]) / 2 + SEAM
    return bool(aligned and near and _shared_height(front, other) > LEVEL)


def _is_tray(front: Object, other: Object) -> bool:
    """Whether what was measured as a panel lies where a drawer's tray is, behind its front."""
    out, beside = _offset(front, other)
    return -TRAY < out < 0.0 and beside < front.extent[1] / 2 and _shared_height(front, other) > LEVEL


def _offset(front: Object, other: Object) -> tuple[float, float]:
    """How far a panel's middle lies before a front's (negative = behind), and beside it [m]."""
    offset = (other.position - front.position)[:2]
    return float(offset @ front.pose.rotation[:2, 0]), abs(float(offset @ front.pose.rotation[:2, 1]))


def _shared_height(first: Object, second: Object) -> float:
    """Of the lower one's height, the share at which both are."""
    shared = (first.extent[2] + second.extent[2]) / 2 - abs(first.position[2] - second.position[2])
    return float(shared / min(first.extent[2], second.extent[2]))


def _belongs(handle: Object, panel: Object) -> bool:
    offset = handle.position - panel.position
    beside, below = abs(offset[:2] @ panel.pose.rotation[:2, 1]), abs(offset[2])
    return bool(beside < panel.extent[1] / 2 and below < panel.extent[2] / 2)


def _panel_normal(flat: Array, facing: float = 0.0, share: float = 0.6) -> Array:
    """Outward horizontal normal (2,) of the straight line most footprints (N, 2) lie on.

    Args:
        flat: Points seen from above.
        facing: Least cosine between the normal and the way to the robot's base.
        share: Of the points that are the face without its edge and what sticks out.
    """
    sample = flat[:: max(1, len(flat) // 400)]
    angles = np.linspace(0.0, np.pi, 180, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)])  # (2, A)
    middle = flat.mean(axis=0)
    towards = middle / max(float(np.linalg.norm(middle)), 1e-9)
    directions = directions[:, np.abs(towards @ directions) >= facing]
    across = np.sort(sample @ directions, axis=0)  # (n, A)
    need = max(2, int(share * len(sample)))  # the tightest of them
    spread = (across[need - 1 :] - across[: len(sample) - need + 1]).min(axis=0)
    normal = directions[:, int(np.argmin(spread))]
    offset = flat @ normal
    near = np.abs(offset - np.median(offset)) < max(0.01, float(spread.min()))
    kept = flat[near]
    if len(kept) >= 10:
        _, _, axes = np.linalg.svd(kept - kept.mean(axis=0), full_matrices=False)
        if abs(axes[1] @ normal) > 0.9 and abs(axes[1] @ towards) >= facing:
            normal = axes[1]
    return normal if normal @ -middle >= 0 else -normal
