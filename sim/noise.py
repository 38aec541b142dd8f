"""What a depth camera adds to the truth: range noise, quantised disparity, lost edges and speckle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]

# Shaped like the published measurements of short-range structured-light cameras.
BASELINE = 0.05  # [m]
SUBPIXEL = 8.0  # disparity steps per pixel
EDGE_JUMP = 0.02  # [m] a step of depth larger than this shadows the pattern
GRAZING = 0.06  # [m] change per pixel beyond which the pattern is not seen
SPECKLE = 0.002  # share of pixels without a reading anywhere


def noisy_depth(depth: Depth, focal: float, rng: np.random.Generator) -> Depth:
    """A realistic reading of a perfect depth image (H, W) [m]; 0 = no reading."""
    height, width = depth.shape
    z = depth.astype(np.float64)
    valid = z > 0
    sigma = 0.0008 + 0.0016 * np.square(np.maximum(z - 0.3, 0.0))
    z = z + sigma * rng.standard_normal(z.shape)
    # Readings also swim sideways by a fraction of a pixel.
    rows = np.clip(np.arange(height)[:, None] + np.rint(rng.normal(0, 0.35, z.shape)).astype(int), 0, height - 1)
    columns = np.clip(np.arange(width) + np.rint(rng.normal(0, 0.35, z.shape)).astype(int), 0, width - 1)
    z = z[rows, columns]
    valid &= valid[rows, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        disparity = focal * BASELINE / np.maximum(z, 0.05)
        z = focal * BASELINE / np.maximum(np.rint(disparity * SUBPIXEL) / SUBPIXEL, 1e-6)
    across = np.abs(np.diff(depth, axis=1, prepend=depth[:, :1]))
    down = np.abs(np.diff(depth, axis=0, prepend=depth[:1]))
    jump = np.maximum(across, down)
    lost = (jump > EDGE_JUMP) & (rng.random(z.shape) < 0.7)
    lost |= np.roll(lost, 1, axis=1) & (rng.random(z.shape) < 0.5)  # the pattern's shadow lies to one side
    lost |= jump > GRAZING
    lost |= rng.random(z.shape) < SPECKLE
    return np.where(valid & ~lost, z, 0.0).astype(np.float32)
