"""Least-squares fits and small planar geometry that the rest of perception stands on.

Plain NumPy: no camera, no scene. Angles in radians, lengths in metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_agent.types import Array


@dataclass(frozen=True)
class Rectangle:
    """A rectangle in the horizontal plane.

    Attributes:
        center: (2,) [m].
        size: Full edge lengths along its own x and y [m], (2,).
        yaw: Angle of its own x axis against world x, in (-pi/2, pi/2].
    """

    center: Array
    size: Array
    yaw: float


@dataclass(frozen=True)
class Plane:
    """The points p with normal . p == offset; the normal has unit length."""

    normal: Array
    offset: float

    def distance(self, points: Array) -> Array:
        """Signed distances [m] of points (N, 3), positive on the normal's side."""
        signed: Array = np.asarray(points) @ self.normal - self.offset
        return signed


@dataclass(frozen=True)
class Fit:
    """A line or circle through points, with its root-mean-square error.

    Attributes:
        origin: A point on the line, or the circle's centre, (3,).
        axis: Unit direction of the line, or the circle's normal, (3,).
        radius: 0 for a line [m].
        residual: Root mean square distance of the points from it [m].
    """

    origin: Array
    axis: Array
    radius: float
    residual: float


def wrap(angle: float) -> float:
    """The same angle in (-pi, pi]."""
    return float(np.pi - (np.pi - angle) % (2 * np.pi))


def yaw_rotation(yaw: float) -> Array:
    """Rotation (3, 3) by `yaw` about world z."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def yaw_of(rotation: Array) -> float:
    """Yaw of the x axis of a rotation (3, 3)."""
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def hull_2d(points: Array) -> Array:
    """Convex hull (M, 2) of points (N, 2), counter-clockwise; fewer than 3 rows if degenerate."""
    from scipy.spatial import ConvexHull, QhullError

    points = np.asarray(points, dtype=np.float64)
    if len(points) >= 3:
        try:
            return np.asarray(points[ConvexHull(points).vertices])
        except QhullError:  # all on one line: its two ends stand for it
            pass
    if len(points) < 2:
        return points
    along = (points - points[0]) @ (points[np.argmax(((points - points[0]) ** 2).sum(axis=1))] - points[0])
    return points[[int(np.argmin(along)), int(np.argmax(along))]]


def smallest_rectangle(points: Array) -> Rectangle:
    """The rectangle of least area around points (N, 2): one edge lies on a hull edge."""
    hull = hull_2d(points)
    if len(hull) < 3:
        low, high = hull.min(axis=0), hull.max(axis=0)
        return Rectangle((low + high) / 2, high - low, 0.0)
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.round(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2), 4))
    c, s = np.cos(angles), np.sin(angles)
    u = np.outer(c, hull[:, 0]) + np.outer(s, hull[:, 1])  # (A, M) along the candidate x
    v = np.outer(c, hull[:, 1]) - np.outer(s, hull[:, 0])
    low = np.stack([u.min(1), v.min(1)], axis=1)
    high = np.stack([u.max(1), v.max(1)], axis=1)
    best = int(np.argmin(np.prod(high - low, axis=1)))
    yaw = float(angles[best])
    middle = (low[best] + high[best]) / 2
    center = yaw_rotation(yaw)[:2, :2] @ middle
    return Rectangle(center, high[best] - low[best], wrap(yaw))


def in_polygon(points: Array, polygon: Array, margin: float = 0.0) -> Array:
    """Which points (N, 2) lie in a convex counter-clockwise polygon grown by `margin` [m]."""
    if len(polygon) < 3:
        near = np.linalg.norm(points[:, None] - polygon[None], axis=2).min(axis=1)
        return np.asarray(near <= margin)
    edges = np.roll(polygon, -1, axis=0) - polygon
    edges = edges / np.maximum(np.linalg.norm(edges, axis=1, keepdims=True), 1e-12)
    inward = np.stack([-edges[:, 1], edges[:, 0]], axis=1)
    depth = np.einsum("nmk,mk->nm", points[:, None] - polygon[None], inward)
    return np.asarray((depth >= -margin).all(axis=1))


def fit_circle_2d(points: Array) -> tuple[Array, float, float]:
    """Centre (2,), radius and rms error of the circle through points (N, 2).

    Taubin's algebraic fit: unlike the plain least-squares one it does not shrink short arcs.
    Points on a line give a very large radius.
    """
    mean = points.mean(axis=0)
    local = points - mean
    square = (local**2).sum(axis=1)
    spread = max(float(square.mean()), 1e-18)
    scaled = (square - spread) / (2 * np.sqrt(spread))
    _, _, axes = np.linalg.svd(np.column_stack([scaled, local]), full_matrices=False)
    bend = float(axes[-1][0]) / (2 * np.sqrt(spread))
    slope = axes[-1][1:]
    if abs(bend) < 1e-9:
        bend = 1e-9
    center = -slope / (2 * bend)
    radius = float(np.sqrt(max(slope @ slope + 4 * bend * bend * spread, 0.0)) / (2 * abs(bend)))
    error = np.linalg.norm(local - center, axis=1) - radius
    return center + mean, radius, float(np.sqrt(np.mean(error**2)))


def fit_sphere(points: Array) -> tuple[Array, float, float]:
    """Centre (3,), radius and rms error of the sphere through points (N, 3)."""
    mean = points.mean(axis=0)
    local = points - mean
    system = np.column_stack([2 * local, np.ones(len(local))])
    solution, *_ = np.linalg.lstsq(system, (local**2).sum(axis=1), rcond=None)
    radius = float(np.sqrt(max(solution[3] + solution[:3] @ solution[:3], 0.0)))
    error = np.linalg.norm(local - solution[:3], axis=1) - radius
    return solution[:3] + mean, radius, float(np.sqrt(np.mean(error**2)))


def fit_plane(points: Array, tolerance: float = 0.006, rounds: int = 6) -> Plane:
    """Plane through points (N, 3), with those further off than the error allows left out.

    The cut starts wide (the median error) and ends at `tolerance` [m], so a handle or a rim
    in front of a panel does not tilt it.
    """
    kept = points
    plane = Plane(np.array([0.0, 0.0, 1.0]), 0.0)
    for _ in range(rounds):
        mean = kept.mean(axis=0)
        _, _, axes = np.linalg.svd(kept - mean, full_matrices=False)
        plane = Plane(axes[2], float(axes[2] @ mean))
        error = np.abs(plane.distance(points))
        inliers = points[error <= max(tolerance, 1.5 * float(np.median(error)))]
        if len(inliers) < 10 or len(inliers) == len(kept):
            break
        kept = inliers
    return plane


def fit_line(points: Array) -> Fit:
    """Least-squares line through points (N, 3), pointing from the first to the last."""
    mean = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - mean, full_matrices=False)
    axis = axes[0] if axes[0] @ (points[-1] - points[0]) >= 0 else -axes[0]
    across = (points - mean) - np.outer((points - mean) @ axis, axis)
    return Fit(mean, axis, 0.0, float(np.sqrt(np.mean((across**2).sum(axis=1)))))


def fit_arc(points: Array, normal: Array | None = None) -> Fit:
    """Least-squares circle through points (N, 3), oriented so that they run counter-clockwise.

    Args:
        points: In the order of the motion [m].
        normal: Known axis direction (3,); None = the normal of the points' own plane.
    """
    mean = points.mean(axis=0)
    if normal is None:
        _, _, axes = np.linalg.svd(points - mean, full_matrices=False)
        normal = axes[2]
    normal = np.asarray(normal, dtype=np.float64) / np.linalg.norm(normal)
    first = np.cross(normal, [1.0, 0.0, 0.0] if abs(normal[0]) < 0.9 else [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    frame = np.stack([first, np.cross(normal, first)])  # (2, 3)
    flat = (points - mean) @ frame.T
    center, radius, _ = fit_circle_2d(flat)
    origin = mean + center @ frame
    spokes = points - origin
    turn = float(np.sum(np.cross(spokes[:-1], spokes[1:]) @ normal))
    height = spokes @ normal
    error = np.hypot(np.linalg.norm(spokes - np.outer(height, normal), axis=1) - radius, height)
    return Fit(origin, normal if turn >= 0 else -normal, radius, float(np.sqrt(np.mean(error**2))))


def voxel_centers(points: Array, voxel: float) -> Array:
    """One mean point per occupied cube of edge `voxel` [m]; (N, 3) to (M, 3)."""
    if len(points) == 0:
        return np.zeros((0, 3))
    keys = np.floor(points / voxel).astype(np.int64)
    keys -= keys.min(axis=0)
    spans = keys.max(axis=0) + 1
    flat = (keys[:, 0] * spans[1] + keys[:, 1]) * spans[2] + keys[:, 2]
    _, inverse, counts = np.unique(flat, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(inverse, weights=points[:, k]) for k in range(3)], axis=1)
    centers: Array = sums / counts[:, None]
    return centers
