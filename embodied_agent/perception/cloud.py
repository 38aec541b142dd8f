"""From depth pixels to clean surface points, and what the points alone can tell."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embodied_agent.perception.geometry import Plane
from embodied_agent.types import Array, Camera, Frame

if TYPE_CHECKING:
    from collections.abc import Iterable

Mask = NDArray[np.bool_]
Points = NDArray[np.float32]  # (H, W, 3) world points, nan where there is no reading

NEIGHBOUR_GAP = 0.015  # [m] at 1 m range: pixels of one surface lie closer than this
NEIGHBOURS_NEEDED = 3  # of 8; a flying pixel hangs between two surfaces and has fewer
BORDER_LEAK = 0.004  # [m] above its support: a mask's border pixels that lie on the support
SNAP = 6  # [px] that a model's mask may miss of a thing's edge
SNAP_ABOVE = 0.008  # [m] over the table
SNAP_STEP = 0.006  # [m] per pixel between neighbouring points of one surface
TALL, TALL_LEAK = 0.025, 0.009  # [m] the same for things tall enough to do without their lowest part
PART_GAP = 0.025  # [m] between points that still belong to one thing
PART_SHARE = 0.15  # of the points: smaller separate pieces are leaks of the mask
PLANE_TOLERANCE = 0.006  # [m]
TABLE_BAND = 0.03  # [m] the table is known to lie this near z = 0
TABLE_TILT = 0.998  # cosine; a plane that tilts more is not the table
TABLE_POINTS = 200  # fewer sampled points do not decide where the table is


@lru_cache(maxsize=8)
def _rays(width: int, height: int, fx: float, fy: float, cx: float, cy: float, turn: bytes) -> Points:
    """Directions (H, W, 3) of the pixels, 1 m deep in the camera, turned by a rotation (9 float32)."""
    u, v = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones_like(u)], axis=-1).astype(np.float32)
    turned: Points = rays @ np.frombuffer(turn, dtype=np.float32).reshape(3, 3).T
    return turned


def world_points(frame: Frame, rows: slice = slice(None), columns: slice = slice(None)) -> Points:
    """World points (h, w, 3) of a frame or of a window of it; nan where depth is 0."""
    camera = frame.camera
    turn = camera.world_from_camera.rotation.astype(np.float32).tobytes()
    rays = _rays(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy, turn)
    depth = frame.depth[rows, columns]
    depth = np.where(depth > 0, depth, np.float32(np.nan)).astype(np.float32)
    points: Points = rays[rows, columns] * depth[..., None]
    points += camera.world_from_camera.position.astype(np.float32)
    return points


def window(mask: Mask, margin: int = 2) -> tuple[slice, slice]:
    """The rows and columns that hold a mask, with a margin [px]; the whole image if empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return slice(None), slice(None)
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + margin + 1),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + margin + 1),
    )


def _not_flying(mask: Mask, points: Points, depth: NDArray[np.float32]) -> Mask:
    """Pixels of a mask with enough mask neighbours at about their own place; one window."""
    gap = (NEIGHBOUR_GAP * np.where(depth > 0, depth, 1.0)) ** 2
    near = np.zeros(mask.shape, dtype=np.int8)
    height, width = mask.shape
    for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):  # each pair of pixels once
        a = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        b = (slice(dy, height), slice(max(0, dx), width - max(0, -dx)))
        step = points[a] - points[b]
        close = mask[a] & mask[b] & (np.einsum("hwk,hwk->hw", step, step) < gap[a])
        near[a] += close
        near[b] += close
    return mask & (near >= NEIGHBOURS_NEEDED)


def main_parts(points: Array, gap: float = PART_GAP, share: float = PART_SHARE) -> Mask:
    """Which points (N, 3) belong to the main piece or to others that hold enough of them."""
    if len(points) < 10:
        return np.ones(len(points), dtype=bool)
    cells = np.floor(points / gap).astype(np.int64)
    cells -= cells.min(axis=0)
    if int(np.prod(cells.max(axis=0) + 1)) > 4_000_000:  # spread over metres: keep what is central
        return np.asarray(np.linalg.norm(points - np.median(points, axis=0), axis=1) < 0.6)
    from scipy import ndimage

    grid = np.zeros(cells.max(axis=0) + 1, dtype=bool)
    grid[tuple(cells.T)] = True
    labels, count = ndimage.label(grid, structure=np.ones((3, 3, 3)))
    if count == 1:
        return np.ones(len(points), dtype=bool)
    owner = labels[tuple(cells.T)]
    sizes = np.bincount(owner)
    keep = sizes >= max(share * len(points), 5)
    keep[int(np.argmax(sizes))] = True
    return np.asarray(keep[owner])


def masked_cloud(frame: Frame, mask: Mask, support: float | None = 0.0) -> Array:
    """Clean surface points of a mask.

    Flying pixels between two surfaces, pixels of the mask's border that lie on the support
    behind the thing, and stray pieces are left out.

    Args:
        frame: RGB-D reading.
        mask: (H, W) bool.
        support: Height of the surface below the thing [m]; None = it stands on nothing known.

    Returns:
        World points (N, 3) [m]; may be empty.
    """
    rows, columns = window(mask)
    depth = frame.depth[rows, columns]
    inside = mask[rows, columns] & (depth > 0)
    if not inside.any():
        return np.zeros((0, 3))
    points = world_points(frame, rows, columns)
    solid = _not_flying(inside, points, depth)
    if solid.sum() < 0.3 * inside.sum():  # thin or very noisy: better some points than none
        solid = inside
    cloud = points[solid].astype(np.float64)
    if support is not None:
        tall = np.percentile(cloud[:, 2], 90.0) > support + TALL
        above = cloud[:, 2] > support + (TALL_LEAK if tall else BORDER_LEAK)
        if above.sum() > 0.4 * len(cloud):
            cloud = cloud[above]
    return cloud[main_parts(cloud)]


def snapped(masks: list[Mask], points: Points, table: float, taken: Mask) -> list[Mask]:
    """Masks moved onto the edges that depth shows, where a model drew them a few pixels off.

    A pixel above the table next to a mask, on the same surface and in nobody's mask, joins it.

    Args:
        masks: One thing each, (H, W).
        points: World points of the frame, (H, W, 3).
        table: Height of the table [m].
        taken: Pixels that belong to something else, e.g. the robot, (H, W).
    """
    from scipy import ndimage

    claimed = taken.copy()
    for mask in masks:
        claimed |= mask
    out: list[Mask] = list(masks)
    for k in sorted(range(len(masks)), key=lambda k: int(masks[k].sum())):
        rows, columns = window(masks[k], margin=SNAP + 1)
        own, near = masks[k][rows, columns], points[rows, columns]
        if not own.any():
            continue
        with np.errstate(invalid="ignore"):
            free = ~claimed[rows, columns] & (near[..., 2] > table + SNAP_ABOVE)
        if not free.any():
            continue
        solid = own & (near[..., 2] > table + SNAP_ABOVE)
        if not solid.any():
            continue
        distance, index = ndimage.distance_transform_edt(~solid, return_indices=True)
        free &= distance <= SNAP
        step = near - near[index[0], index[1]]
        size = np.sqrt(np.einsum("hwk,hwk->hw", step, step))
        joins = free & (size < SNAP_STEP * np.maximum(distance, 2.0))
        if joins.any():
            grown = masks[k].copy()
            grown[rows, columns] |= joins
            claimed[rows, columns] |= joins
            out[k] = grown
    return out


def valid_pixels(frame: Frame, mask: Mask) -> int:
    """Pixels of a mask that have a depth reading."""
    return int(np.count_nonzero(frame.depth[mask] > 0))


def open3d_cloud(points: Array) -> Any:
    """An Open3D cloud of points (N, 3)."""
    import open3d as o3d

    return o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.ascontiguousarray(points, dtype=np.float64)))


def normals(points: Array, toward: Array, neighbours: int = 12) -> Array:
    """Unit surface normals (N, 3) of points (N, 3), on the side of the viewpoint `toward` (3,)."""
    import open3d as o3d

    if len(points) < 3:
        return np.tile([0.0, 0.0, 1.0], (len(points), 1))
    cloud = open3d_cloud(points)
    cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(min(neighbours, len(points))))
    cloud.orient_normals_towards_camera_location(np.asarray(toward, dtype=np.float64))
    return np.asarray(cloud.normals)


def clusters(points: Array, gap: float = 0.03, smallest: int = 30) -> list[Array]:
    """Separate pieces (each (n, 3)) of a cloud, largest first (DBSCAN)."""
    if len(points) < smallest:
        return []
    labels = np.asarray(open3d_cloud(points).cluster_dbscan(eps=gap, min_points=4))
    pieces = [points[labels == k] for k in range(int(labels.max()) + 1)]
    return sorted((p for p in pieces if len(p) >= smallest), key=len, reverse=True)


def table_plane(points: Points, ignore: Mask | None = None, stride: int = 8) -> Plane:
    """The table's plane in one frame's world points (H, W, 3).

    RANSAC over every `stride`-th pixel within 3 cm of the height at which the robot stands;
    clutter is no problem because the search is confined to that band and to level planes.
    Where too little of the table is seen, the table is where the robot's base says: z = 0.
    """
    level = Plane(np.array([0.0, 0.0, 1.0]), 0.0)
    sample = points[::stride, ::stride].reshape(-1, 3)
    fit = np.isfinite(sample[:, 2]) & (np.abs(sample[:, 2]) < TABLE_BAND)
    if ignore is not None:
        fit &= ~ignore[::stride, ::stride].reshape(-1)
    level_points: Array = sample[fit].astype(np.float64)
    if len(level_points) < TABLE_POINTS:
        return level
    import open3d as o3d

    o3d.utility.random.seed(7)  # the same image gives the same plane
    model, inliers = open3d_cloud(level_points).segment_plane(PLANE_TOLERANCE, 3, 60)
    normal = np.asarray(model[:3])
    if abs(normal[2]) < TABLE_TILT or len(inliers) < TABLE_POINTS:
        return level
    kept = level_points[np.asarray(inliers)]
    mean = kept.mean(axis=0)
    _, _, axes = np.linalg.svd(kept - mean, full_matrices=False)
    normal = axes[2] * np.sign(axes[2][2])
    return Plane(normal, float(normal @ mean)) if normal[2] >= TABLE_TILT else level


def near_spheres(points: NDArray[np.floating[Any]], spheres: Array, margin: float = 0.02) -> Mask:
    """Which points (N, 3) lie in any sphere (M, 4: centre, radius) grown by `margin` [m]."""
    balls = np.asarray(spheres, dtype=np.float32).reshape(-1, 4)
    middle = balls[:, :3].sum(axis=0) / max(len(balls), 1)
    centres = balls[:, :3] - middle  # squares of small numbers keep their digits in float32
    limits = (balls[:, 3] + np.float32(margin)) ** 2 - (centres**2).sum(axis=1)
    inside = np.zeros(len(points), dtype=bool)
    for start in range(0, len(points), 16384):  # at a time, so that the products stay in the cache
        near = points[start : start + 16384].astype(np.float32) - middle
        beyond = (limits + 2 * near @ centres.T).max(axis=1, initial=-np.inf)
        inside[start : start + 16384] = beyond > np.einsum("ni,ni->n", near, near)
    return inside


def fuse(frames: Iterable[Frame], voxel: float = 0.004, reach: float = 2.0) -> tuple[Array, Array]:
    """One surface from several views, by averaging truncated signed distances.

    Args:
        frames: RGB-D readings of a still scene from different places.
        voxel: Edge of a voxel [m].
        reach: Readings farther from their camera are left out [m].

    Returns:
        Surface points and unit normals in the world, (N, 3) each.
    """
    import open3d as o3d

    core: Any = o3d.core
    image: Any = o3d.t.geometry.Image
    block_grid: Any = o3d.t.geometry.VoxelBlockGrid
    grid = block_grid(
        attr_names=("tsdf", "weight"),
        attr_dtypes=(core.float32, core.float32),
        attr_channels=((1), (1)),
        voxel_size=voxel,
        block_resolution=8,
        block_count=6000,
    )
    for frame in frames:
        depth = image(core.Tensor(np.ascontiguousarray(frame.depth, dtype=np.float32)))
        intrinsic = core.Tensor(intrinsics(frame.camera))
        extrinsic = core.Tensor(frame.camera.world_from_camera.inverse().matrix)
        blocks = grid.compute_unique_block_coordinates(depth, intrinsic, extrinsic, 1.0, reach)
        grid.integrate(blocks, depth, intrinsic, extrinsic, 1.0, reach)
    try:
        cloud = grid.extract_point_cloud(weight_threshold=0.5)
    except RuntimeError:  # no block was ever touched
        return np.zeros((0, 3)), np.zeros((0, 3))
    if cloud.is_empty():
        return np.zeros((0, 3)), np.zeros((0, 3))
    return (
        cloud.point.positions.numpy().astype(np.float64),
        cloud.point.normals.numpy().astype(np.float64),
    )


def intrinsics(camera: Camera) -> Array:
    """The (3, 3) matrix of a pinhole camera."""
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
