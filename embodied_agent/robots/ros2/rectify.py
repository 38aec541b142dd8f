"""Images of a lens with distortion as a pinhole camera would give them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embodied_agent.errors import CameraError
from embodied_agent.robots.ros2.messages import Intrinsics
from embodied_agent.types import Array

RADIAL = ("plumb_bob", "rational_polynomial", "")
FISHEYE = ("equidistant", "fisheye")


def distort(points: Array, model: str, coefficients: tuple[float, ...]) -> Array:
    """Where points (N, 2) of the plane at depth 1 fall on that plane behind the lens, (N, 2).

    Args:
        points: x, y over z.
        model: As in CameraInfo.
        coefficients: k1 k2 p1 p2 k3 [k4 k5 k6], or k1 k2 k3 k4 of a fisheye.

    Raises:
        CameraError: An unknown model, or coefficients that it does not have.
    """
    x, y = points[:, 0], points[:, 1]
    if model in FISHEYE and len(coefficients) == 4:
        r = np.hypot(x, y)
        angle = np.arctan(r)
        k1, k2, k3, k4 = coefficients
        bent = angle * (1 + k1 * angle**2 + k2 * angle**4 + k3 * angle**6 + k4 * angle**8)
        scale = np.where(r > 1e-9, bent / np.maximum(r, 1e-9), 1.0)
        return points * scale[:, None]
    if model not in RADIAL or len(coefficients) not in (4, 5, 8):
        raise CameraError(f"distortion model '{model}' with {len(coefficients)} coefficients is not understood")
    k1, k2, p1, p2, k3, k4, k5, k6 = (*coefficients, *([0.0] * (8 - len(coefficients))))
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=1,
    )


@lru_cache(maxsize=8)
def _map(intrinsics: Intrinsics) -> NDArray[np.float32]:
    """Raw pixel (x, y) of every rectified pixel, (H, W, 2)."""
    fx, fy, cx, cy = intrinsics.rectified
    u, v = np.meshgrid(np.arange(intrinsics.width), np.arange(intrinsics.height))
    plane = np.stack([(u.ravel() - cx) / fx, (v.ravel() - cy) / fy], axis=1)
    bent = distort(plane, intrinsics.model, intrinsics.distortion)
    fx, fy, cx, cy = intrinsics.matrix
    raw = np.stack([bent[:, 0] * fx + cx, bent[:, 1] * fy + cy], axis=1)
    return raw.reshape(intrinsics.height, intrinsics.width, 2).astype(np.float32)


def rectified(image: NDArray[Any], intrinsics: Intrinsics) -> NDArray[Any]:
    """The image (H, W) or (H, W, 3) without distortion; 0 where the lens saw nothing.

    Colours are mixed of four neighbours; depth is taken from the nearest, since the mean of two
    surfaces is none.
    """
    if not intrinsics.distortion:
        return image
    raw = _map(intrinsics)
    height, width = image.shape[:2]
    inside = (
        (raw[..., 0] > -0.5) & (raw[..., 0] < width - 0.5) & (raw[..., 1] > -0.5) & (raw[..., 1] < height - 0.5)
    )
    if image.ndim == 2:
        column = np.clip(np.rint(raw[..., 0]).astype(int), 0, width - 1)
        row = np.clip(np.rint(raw[..., 1]).astype(int), 0, height - 1)
        nearest: NDArray[Any] = np.where(inside, image[row, column], 0).astype(image.dtype)
        return nearest
    x, y = np.clip(raw[..., 0], 0, width - 1.001), np.clip(raw[..., 1], 0, height - 1.001)
    column, row = x.astype(int), y.astype(int)
    a, b = (x - column)[..., None], (y - row)[..., None]
    top = image[row, column] * (1 - a) + image[row, column + 1] * a
    low = image[row + 1, column] * (1 - a) + image[row + 1, column + 1] * a
    mixed: NDArray[Any] = np.rint(top * (1 - b) + low * b) * inside[..., None]
    return mixed.astype(image.dtype)
