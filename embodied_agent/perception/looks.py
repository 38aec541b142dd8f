"""One look of a camera: what it holds as obstacles, what it hides, what it sees through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_agent.perception import cloud as clouds
from embodied_agent.perception.geometry import Plane, voxel_centers
from embodied_agent.perception.grounder import ROBOT
from embodied_agent.perception.localize import FIXED
from embodied_agent.types import Array, Detection, Frame, Object

REGION = np.array([[-0.5, 1.2], [-1.0, 1.0], [-0.05, 1.2]])  # [m] what can matter to the arm
ABOVE_TABLE = 0.012  # [m] lower readings are the table
SEEN_THROUGH = 0.02  # [m] a reading this far behind a remembered point: nothing is there
STILL_WHOLE = 0.85  # of a thing's footprint or height; if less is seen, something hides the rest
ROBOT_BORDER = 5  # [px] around the robot's pixels, mixed with what is behind


@dataclass(frozen=True)
class Look:
    """One frame with everything that was made of it.

    Attributes:
        frame: The reading.
        points: World points (H, W, 3), nan where there is no reading.
        robot: Pixels of the robot itself, (H, W).
        masks: Pixel mask of each object by its id.
    """

    frame: Frame
    points: clouds.Points
    robot: clouds.Mask
    masks: dict[str, clouds.Mask]


def robot_mask(points: clouds.Points, detections: list[Detection], spheres: Array | None) -> clouds.Mask:
    """Pixels of the robot: those a detection names so, and those in the spheres of its links."""
    mask = np.zeros(points.shape[:2], dtype=bool)
    for detection in detections:
        if detection.kind == ROBOT:
            mask |= detection.mask
    if spheres is not None and len(spheres):
        low = spheres[:, :3].min(axis=0) - spheres[:, 3].max() - 0.05
        high = spheres[:, :3].max(axis=0) + spheres[:, 3].max() + 0.05
        candidates = ~mask
        for axis in range(3):
            candidates &= (points[..., axis] > low[axis]) & (points[..., axis] < high[axis])
        mask[candidates] = clouds.near_spheres(points[candidates], spheres)
    return mask


def visible_obstacles(look: Look, out: set[str], table: Plane) -> Array:
    """Points (N, 3) above the table in one look, but the robot and the things in `out` [m]."""
    from scipy import ndimage

    skip = ndimage.binary_dilation(look.robot[::2, ::2], iterations=ROBOT_BORDER // 2)
    for id in out & set(look.masks):
        skip |= ndimage.binary_dilation(look.masks[id][::2, ::2])
    points = look.points[::2, ::2]
    z = points[..., 2]
    keep = ~skip & (z > table.offset + ABOVE_TABLE) & (z < REGION[2, 1])
    kept = points[keep].astype(np.float64)
    near: Array = kept[((kept[:, :2] > REGION[:2, 0]) & (kept[:, :2] < REGION[:2, 1])).all(axis=1)]
    return near


def filled(item: Object, voxel: float) -> Array:
    """Columns of points from the seen surface of a thing down to its bottom."""
    cloud = voxel_centers(item.cloud, voxel)
    bottom = float(item.position[2] - item.extent[2] / 2) + voxel / 2
    steps = np.ceil(np.maximum(cloud[:, 2] - bottom, 0.0) / voxel).astype(int)
    repeated: Array = np.repeat(cloud, steps + 1, axis=0)
    firsts = np.cumsum(steps + 1) - (steps + 1)
    index = np.arange(len(repeated)) - np.repeat(firsts, steps + 1)
    repeated[:, 2] = np.maximum(repeated[:, 2] - index * voxel, min(bottom, float(cloud[:, 2].min())))
    return np.asarray(repeated)


def in_box(points: Array, item: Object, margin: float) -> clouds.Mask:
    """Which points (N, 3) lie in a thing's box grown by `margin` [m]."""
    local = item.pose.inverse().apply(points)
    return np.asarray((np.abs(local) <= item.extent / 2 + margin).all(axis=1))


def partly_hidden(known: Object, seen: Object) -> bool:
    """Whether what is seen is a smaller part of a thing that still stands where it stood."""
    if known.kind != seen.kind or known.kind in FIXED:
        return False
    shrunk = np.prod(seen.extent[:2]) < STILL_WHOLE * np.prod(known.extent[:2])
    lowered = seen.extent[2] < STILL_WHOLE * known.extent[2]
    return bool((shrunk or lowered) and in_box(seen.cloud, known, 0.006).mean() > 0.97)


def empty_share(look: Look, item: Object) -> tuple[float, float]:
    """Share of a thing's old points that the camera now sees through, and share in its view."""
    sample = item.cloud[:: max(1, len(item.cloud) // 200)]
    pixels = look.frame.camera.project(sample)
    height, width = look.robot.shape
    column, row = np.round(np.nan_to_num(pixels, nan=-1.0)).astype(int).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    if not inside.any():
        return 0.0, 0.0
    range_now = look.frame.depth[row[inside], column[inside]]
    local = look.frame.camera.world_from_camera.inverse().apply(sample[inside])
    empty = (range_now > local[:, 2] + SEEN_THROUGH) & (range_now > 0)
    return float(empty.mean()), float(inside.mean())
