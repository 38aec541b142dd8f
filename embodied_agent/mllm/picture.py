"""A camera reading brought to the model's size: colours, depth, heights, world points."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from embodied_agent.types import Camera, Frame, Pose

Float = NDArray[np.float32]
WIDTH, HEIGHT = 320, 240
CELL = 2  # pixels of this picture per cell of the dense outputs


@dataclass(frozen=True)
class Picture:
    """What the network reads.

    Attributes:
        image: The colours as they came, at any size, (H, W, 3) uint8.
        rgb: (240, 320, 3) uint8.
        depth: [m], (240, 320) float32; 0 = no reading.
        height: Above the table top [m], (240, 320) float32; 0 where depth is 0.
        points: World points of the cells [m], (120, 160, 3) float32; where depth is missing,
            where the cell's ray meets the plane 2 cm above the table.
        measured: Which cells have depth, (120, 160) bool.
        camera: Scaled to this picture.
    """

    image: NDArray[np.uint8]
    rgb: NDArray[np.uint8]
    depth: Float
    height: Float
    points: Float
    measured: NDArray[np.bool_]
    camera: Camera


def picture_from_frame(frame: Frame) -> Picture:
    """Bring a frame of any size to 320x240 (area average for colour, nearest for depth)."""
    camera = scaled_camera(frame.camera, WIDTH, HEIGHT)
    return picture_from_arrays(frame.rgb, _nearest(frame.depth), camera)


def picture_from_arrays(rgb: NDArray[np.uint8], depth: Float, camera: Camera) -> Picture:
    """A picture from arrays of which the depth already has its size.

    Args:
        rgb: Of any size, (H, W, 3).
        depth: [m], (240, 320); 0 or not finite = no reading.
        camera: Of that size.
    """
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)
    rays = rays_of(camera)
    rotation = camera.world_from_camera.rotation.astype(np.float32)
    origin = camera.world_from_camera.position.astype(np.float32)
    world_rays = rays @ rotation.T  # (H, W, 3), optical-axis component 1
    height = np.where(depth > 0, origin[2] + world_rays[..., 2] * depth, 0).astype(np.float32)
    cells = world_rays[::CELL, ::CELL]
    cell_depth = depth[::CELL, ::CELL]
    measured = cell_depth > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        to_plane = (0.02 - origin[2]) / cells[..., 2]
    guess = np.clip(np.where(to_plane > 0, to_plane, 2.0), 0.05, 3.0)
    points = origin + cells * np.where(measured, cell_depth, guess)[..., None]
    return Picture(rgb, _shrink(rgb), depth, height, points.astype(np.float32), measured, camera)


def rays_of(camera: Camera) -> Float:
    """Directions of all pixels in the camera frame with z = 1, (H, W, 3) float32."""
    u = (np.arange(camera.width, dtype=np.float32) - camera.cx) / camera.fx
    v = (np.arange(camera.height, dtype=np.float32) - camera.cy) / camera.fy
    rays = np.ones((camera.height, camera.width, 3), dtype=np.float32)
    rays[..., 0] = u[None, :]
    rays[..., 1] = v[:, None]
    return rays


def scaled_camera(camera: Camera, width: int, height: int) -> Camera:
    """The same camera with another image size; pixel centres lie at integer coordinates."""
    sx, sy = width / camera.width, height / camera.height
    return Camera(
        camera.name, width, height, camera.fx * sx, camera.fy * sy,
        (camera.cx + 0.5) * sx - 0.5, (camera.cy + 0.5) * sy - 0.5, camera.world_from_camera,
    )  # fmt: skip


def camera_to_array(camera: Camera) -> Float:
    """fx fy cx cy, position, quaternion wxyz: (11,) float32, for storage."""
    pose = camera.world_from_camera
    intrinsics = [camera.fx, camera.fy, camera.cx, camera.cy]
    return np.array([*intrinsics, *pose.position, *pose.quaternion], dtype=np.float32)


def camera_from_array(values: Float, name: str = "overhead") -> Camera:
    """Inverse of `camera_to_array`, at the picture's size."""
    fx, fy, cx, cy = (float(value) for value in values[:4])
    wide = values.astype(np.float64)
    return Camera(name, WIDTH, HEIGHT, fx, fy, cx, cy, Pose(wide[4:7], wide[7:11]))


def _shrink(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    if (height, width) == (HEIGHT, WIDTH):
        return np.ascontiguousarray(rgb)
    if height % HEIGHT == 0 and width % WIDTH == 0:
        return np.asarray(cv2.resize(rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.ascontiguousarray(rgb[_index(height, HEIGHT)][:, _index(width, WIDTH)])


def _nearest(depth: Float) -> Float:
    height, width = depth.shape
    return np.ascontiguousarray(depth[_index(height, HEIGHT)][:, _index(width, WIDTH)])


def _index(size: int, target: int) -> NDArray[np.intp]:
    return np.minimum((np.arange(target) * size) // target, size - 1).astype(np.intp)
