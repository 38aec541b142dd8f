"""Upright faces in clouds: drawer fronts and doors among what their masks hold besides."""

from __future__ import annotations

import numpy as np

from embodied_agent.perception.geometry import Rectangle
from embodied_agent.types import Array

UPRIGHT_SPAN = 0.03  # [m] of height in one grid cell: part of an upright face
PANEL_DEPTH = 0.02  # [m] behind its front face that still belongs to a panel
THINNEST = 0.004  # [m] no measured box is thinner than the sensor's noise
FACING = 0.6  # cosine: a drawer's front faces the robot at least so far; the sides of its tray do not
TRAY_SHARE = 0.3  # of a drawer's upright points are its front, where its tray shows
FACE_POINTS = 20  # fewer do not make a face


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
