"""Pictures for people: from the side, with shadows, smooth edges and a sky. No robot sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np

from sim.render import Renderer, Rgb
from sim.scene import CameraSpec

SAMPLES = 4  # for each pixel
SHADOWS = 1024  # [px] of the shadow map
SHADOWED = 2.0  # [m] around the table that it covers
SKY = "sky"
SKY_HIGH, SKY_LOW = (0.60, 0.68, 0.76), (0.93, 0.94, 0.95)


def add_sky(spec: Any) -> None:
    """Give a world its sky, which only films show."""
    sky = spec.add_texture(name=SKY, type=mujoco.mjtTexture.mjTEXTURE_SKYBOX)
    sky.builtin = mujoco.mjtBuiltin.mjBUILTIN_GRADIENT
    sky.rgb1, sky.rgb2 = SKY_HIGH, SKY_LOW
    sky.width = sky.height = 64


class Film(Renderer):
    """Films one model from one place, which is no camera of the model.

    Three times as costly as a robot's camera; a graphics context of its own keeps that from them.

    Args:
        model: Of a world with a sky.
        view: Where from.

    Raises:
        CameraError: This machine has no off-screen rendering.
    """

    def __init__(self, model: Any, view: CameraSpec) -> None:
        with _finer(model):
            super().__init__(model)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = 1
        self._view = _free_camera(view)
        self._fov = math.degrees(view.fov)

    def still(self, data: Any, width: int, height: int) -> Rgb:
        """RGB (H, W, 3) uint8 of the world as it is."""
        rgb = np.empty((height, width, 3), np.uint8)
        fov, self.model.vis.global_.fovy = self.model.vis.global_.fovy, self._fov
        try:
            self._draw_from(data, self._view, width, height, rgb, None)
        finally:
            self.model.vis.global_.fovy = fov
        return np.ascontiguousarray(rgb[::-1])

    def _light(self) -> None:
        for lamp in self._scene.lights[: self._scene.nlight]:
            lamp.castshadow = not lamp.headlight


@contextmanager
def _finer(model: Any) -> Iterator[None]:
    """A context made meanwhile has smooth edges and shadows; the model is as before afterwards."""
    quality, map_ = model.vis.quality, model.vis.map
    before = quality.offsamples, quality.shadowsize, map_.shadowclip
    quality.offsamples, quality.shadowsize, map_.shadowclip = SAMPLES, SHADOWS, SHADOWED
    try:
        yield
    finally:
        quality.offsamples, quality.shadowsize, map_.shadowclip = before


def _free_camera(view: CameraSpec) -> Any:
    way = np.subtract(view.target, view.position)
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = view.target
    camera.distance = float(np.linalg.norm(way))
    camera.azimuth = math.degrees(math.atan2(way[1], way[0]))
    camera.elevation = math.degrees(math.asin(way[2] / camera.distance))
    return camera
