"""A mask and its depth become a measured object: cloud, oriented box, position.

One view shows an object's top and the sides that face the camera. What is hidden is
completed only as far as physics asks for it: a thing that stands on something reaches down
to it, and a round thing is round all the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from embodied_agent.errors import EmbodiedAgentError
from embodied_agent.perception.cloud import masked_cloud, valid_pixels
from embodied_agent.perception.geometry import (
    Rectangle,
    fit_circle_2d,
    fit_sphere,
    hull_2d,
    in_polygon,
    smallest_rectangle,
    wrap,
    yaw_rotation,
)
from embodied_agent.perception.panels import THINNEST, front_face, fullest_layer, panel_rectangle
from embodied_agent.types import Array, Detection, Frame, Object, Pose

MIN_PIXELS = 20
ROUND = frozenset({"cylinder", "ball", "bowl", "plate", "can", "bottle", "apple", "bin", "button"})
SPHERES = frozenset({"ball", "apple"})
PANELS = frozenset({"drawer", "door"})
HANDLES = frozenset({"drawer_handle", "door_handle"})
FURNITURE = frozenset({"cabinet", "cupboard", "shelf"})
CONTAINERS = frozenset({"bowl", "mug", "box", "bin", "drawer"})
CURVED = frozenset({"lemon", "banana"})
ROLLING = SPHERES | CURVED | {"can", "bottle", "cylinder"}
FIXED = PANELS | HANDLES | FURNITURE | {"button", "knob"}
TOP_SLICE = 0.010  # [m] below the highest points: a rim, or the top face of a can
ROUND_MISFIT = 0.12  # of the radius; a footprint that misses a circle by more is not round
FLAT_TOP = 0.006  # [m] below the highest points
FLAT_SPREAD = 0.0022  # [m] standard deviation of a flat face's heights under the sensor's noise
BEHIND_GAP = 0.03  # [m] in range, between a handle and what is seen past it
DOOR_LEAK = 0.03  # [m] a door that seems thicker holds pixels of something else


class NoDepth(EmbodiedAgentError):
    """A thing is seen, but too few of its pixels have a depth reading to measure it."""

    exit_code = 5


@dataclass(frozen=True)
class Circle:
    """A circle in a horizontal plane: centre (2,), radius and height [m]."""

    center: Array
    radius: float
    height: float


def localize(
    detection: Detection,
    frame: Frame,
    *,
    support: float = 0.0,
    id: str = "",
    description: str = "",
) -> Object:
    """Measure one detected thing.

    Args:
        detection: Mask in the image of `frame`.
        frame: RGB-D reading with the camera's pose.
        support: Height of the surface it stands on [m], world frame.
        id: Identity to give it.
        description: The phrase that found it.

    Returns:
        The object; its pose is the centre of the completed box, z up.

    Raises:
        NoDepth: Fewer than 20 pixels of the mask have a usable depth reading.
    """
    count = valid_pixels(frame, detection.mask)
    if count < MIN_PIXELS:
        raise NoDepth(
            f"the {detection.kind} has {count} pixels with depth in camera {frame.camera.name!r}; "
            f"{MIN_PIXELS} are needed: look from nearer or from another side"
        )
    stands = detection.kind not in PANELS | HANDLES
    cloud = masked_cloud(frame, detection.mask, support if stands else None)
    if detection.kind in HANDLES:
        cloud = foremost(cloud, frame.camera.world_from_camera.position)
    if len(cloud) < MIN_PIXELS:
        raise NoDepth(
            f"the {detection.kind} leaves {len(cloud)} usable points in camera {frame.camera.name!r}; "
            f"{MIN_PIXELS} are needed: look from nearer or from another side"
        )
    item = Object(
        id=id,
        description=description,
        kind=detection.kind,
        color=detection.color,
        pose=Pose(cloud.mean(axis=0)),
        extent=np.ptp(cloud, axis=0),
        cloud=cloud,
        confidence=detection.score,
        stamp=frame.stamp,
    )
    return boxed(item, support)


def foremost(cloud: Array, eye: Array) -> Array:
    """Of points (N, 3) those before the first gap in range from the eye (3,): a thin thing's mask holds
    much of what lies behind it."""
    if len(cloud) < MIN_PIXELS:
        return cloud
    distance = np.linalg.norm(cloud - eye, axis=1)
    order = np.sort(distance)
    first = len(order) // 10  # fewer are flying pixels
    gaps = np.flatnonzero(np.diff(order[first:]) > BEHIND_GAP)
    return cloud[distance <= order[first + gaps[0]]] if len(gaps) else cloud


def boxed(item: Object, support: float | None) -> Object:
    """The same object with pose and extent measured again from its cloud.

    Args:
        item: Kind and cloud are used.
        support: Height of the surface it stands on [m]; None = do not complete it downwards.
    """
    # A drawer's mask holds its tray as well; a door's may hold some of its frame or handle.
    if item.kind == "drawer":
        item = replace(item, cloud=front_face(item.cloud))
    elif item.kind == "door" and panel_rectangle(item.cloud).size[0] > DOOR_LEAK:
        item = replace(item, cloud=fullest_layer(item.cloud))
    cloud = item.cloud
    low, high = float(np.percentile(cloud[:, 2], 1.0)), top_height(cloud, item.kind)
    floats = item.kind in PANELS | HANDLES or support is None
    bottom = low if floats or support is None else min(support, high - THINNEST)
    footprint = _footprint(item.kind, cloud, bottom, high)
    center = np.array([*footprint.center, (bottom + high) / 2])
    extent = np.maximum([*footprint.size, high - bottom], THINNEST)
    pose = Pose.from_matrix(_homogeneous(yaw_rotation(footprint.yaw), center))
    return replace(item, pose=pose, extent=extent)


def top_height(cloud: Array, kind: str) -> float:
    """Height of the top of a thing [m]: of its flat top face if it has one, else its highest part.

    Noise makes the very highest point too high; a flat face has enough points for its median.
    """
    highest = float(np.percentile(cloud[:, 2], 99.0))
    upper = cloud[cloud[:, 2] > highest - FLAT_TOP, 2]
    if kind not in SPHERES | CURVED and len(upper) > 0.3 * len(cloud) and np.std(upper) < FLAT_SPREAD:
        return float(np.median(upper))
    return highest


def merged(item: Object, other: Object, support: float | None) -> Object:
    """One object from two views of it; `item` gives identity and names."""
    cloud = np.concatenate([item.cloud, other.cloud])
    newest = max(item.stamp, other.stamp)
    confidence = max(item.confidence, other.confidence)
    return boxed(replace(item, cloud=cloud, stamp=newest, confidence=confidence), support)


def _homogeneous(rotation: Array, position: Array) -> Array:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, position
    return matrix


def _footprint(kind: str, cloud: Array, bottom: float, top: float) -> Rectangle:
    if kind in ROUND:
        circle = axis_circle(kind, cloud, top, bottom)
        if circle is not None:
            return Rectangle(circle.center, np.full(2, 2 * circle.radius), 0.0)
    if kind in PANELS:
        return panel_rectangle(cloud)
    if kind in CURVED:
        outline = moment_rectangle(cloud[:, :2])
        return longest_first(_about_apex(cloud, outline, top) if kind == "lemon" else outline)
    rectangle = smallest_rectangle(trimmed(cloud[:, :2]))
    if kind in FURNITURE | HANDLES:
        return facing(rectangle)
    return longest_first(rectangle)


def trimmed(flat: Array) -> Array:
    """Planar points (N, 2) without the few that stick out alone, which would swell a hull."""
    if len(flat) < 200:
        return flat
    cells = np.floor(flat / 0.004).astype(np.int64)
    cells -= cells.min(axis=0)
    flat_cell = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    counts = np.bincount(flat_cell)
    dense = counts[flat_cell] >= max(2, 0.1 * float(np.median(counts[counts > 0])))
    return flat[dense] if dense.sum() >= 50 else flat


def moment_rectangle(flat: Array) -> Rectangle:
    """Rectangle around planar points (N, 2) along their main axis of inertia.

    For curved outlines: the smallest rectangle around an ellipse is ill-conditioned.
    """
    hull = hull_2d(trimmed(flat))
    grid = np.linspace(0.0, 1.0, 24)
    low, high = hull.min(axis=0), hull.max(axis=0)
    filled = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2) * (high - low) + low
    filled = filled[in_polygon(filled, hull)] if len(hull) >= 3 else hull
    local = filled - filled.mean(axis=0)
    _, axes = np.linalg.eigh(local.T @ local)
    yaw = half_turn(float(np.arctan2(axes[1, 1], axes[0, 1])))
    turned = hull @ yaw_rotation(yaw)[:2, :2]
    low, high = turned.min(axis=0), turned.max(axis=0)
    return Rectangle(yaw_rotation(yaw)[:2, :2] @ ((low + high) / 2), high - low, yaw)


def _about_apex(cloud: Array, outline: Rectangle, top: float) -> Rectangle:
    """An ellipsoid's outline with the far side, which one view hides, mirrored from the near one.

    Its middle is where it is highest: that cap is seen from every side above.
    """
    cap = cloud[cloud[:, 2] > top - 0.1 * max(float(np.ptp(cloud[:, 2])), 0.01)][:, :2]
    if len(cap) < 12:
        return outline
    middle = (cap.max(axis=0) + cap.min(axis=0)) / 2
    local = np.abs((cloud[:, :2] - middle) @ yaw_rotation(outline.yaw)[:2, :2])
    return Rectangle(middle, 2 * np.percentile(local, 99.0, axis=0), outline.yaw)


def longest_first(rectangle: Rectangle) -> Rectangle:
    """The same rectangle, described with its x axis along the longer edge."""
    if rectangle.size[0] >= rectangle.size[1]:
        return Rectangle(rectangle.center, rectangle.size, half_turn(rectangle.yaw))
    return Rectangle(rectangle.center, rectangle.size[::-1], half_turn(rectangle.yaw + np.pi / 2))


def facing(rectangle: Rectangle) -> Rectangle:
    """The same rectangle, described with its x axis pointing most nearly at the robot's base."""
    yaws = [wrap(rectangle.yaw + k * np.pi / 2) for k in range(4)]
    home = np.array([-1.0, 0.0]) if abs(rectangle.center[0]) < 1e-6 else -rectangle.center
    best = max(range(4), key=lambda k: float(np.cos(yaws[k]) * home[0] + np.sin(yaws[k]) * home[1]))
    size = rectangle.size if best % 2 == 0 else rectangle.size[::-1]
    return Rectangle(rectangle.center, size, yaws[best])


def half_turn(yaw: float) -> float:
    """The same undirected axis with its angle in (-pi/2, pi/2]."""
    yaw = wrap(yaw)
    if yaw > np.pi / 2:
        return yaw - float(np.pi)
    return yaw + float(np.pi) if yaw <= -np.pi / 2 else yaw


def axis_circle(kind: str, cloud: Array, top: float, bottom: float) -> Circle | None:
    """Footprint circle of a round thing, or None where the points do not lie like one."""
    if kind in SPHERES:
        center, radius, error = fit_sphere(cloud)
        tall = (top - bottom) / 2
        if error < ROUND_MISFIT * radius and 0.6 * tall < radius < 1.8 * tall:
            return Circle(center[:2], radius, float(center[2]))
    rim = rim_circle(cloud)
    if rim is None:
        return None
    distance = np.linalg.norm(cloud[:, :2] - rim.center, axis=1)
    radius = max(rim.radius, float(np.percentile(distance, 98.0)))
    return Circle(rim.center, radius, rim.height)


def rim_circle(cloud: Array, depth: float = TOP_SLICE) -> Circle | None:
    """The circle that the outer edge of a cloud's top slice follows, or None if it does not."""
    top = float(np.percentile(cloud[:, 2], 99.0))
    upper = cloud[cloud[:, 2] > top - depth][:, :2]
    if len(upper) < 12:
        return None
    hull = hull_2d(trimmed(upper))
    if len(hull) < 5:
        return None
    center, radius, error = fit_circle_2d(_along_edges(hull))
    if radius > 0.5 or error > max(ROUND_MISFIT * radius, 0.003):
        return None
    return Circle(center, radius, top)


def _along_edges(hull: Array) -> Array:
    """Hull corners, each counted by the length of hull that it stands for (up to 2 cm)."""
    ahead = np.linalg.norm(np.roll(hull, -1, axis=0) - hull, axis=1)
    weight = np.minimum((ahead + np.roll(ahead, 1)) / 2, 0.02)
    return np.repeat(hull, np.maximum(1, np.round(weight / 0.002)).astype(int), axis=0)
