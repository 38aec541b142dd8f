"""Frames of a simulation that goes on meanwhile: exposed at once, drawn later, in a thread of their own."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np

from embodied_agent.errors import CameraError
from embodied_agent.robots.mujoco import MujocoBackend
from embodied_agent.types import Frame
from sim.noise import noisy_depth
from sim.render import Renderer


class Shutter:
    """All cameras of one back end, in its present scene.

    Everything but `expose` belongs to one thread, which owns the graphics context. After the
    back end took another scene a new one is needed.

    Args:
        backend: Whose world is seen.
        seed: Of the depth noise, where the back end has it on.
    """

    def __init__(self, backend: MujocoBackend, seed: int = 0) -> None:
        self.model = backend.model
        self._backend = backend
        self._data = mujoco.MjData(backend.model)
        self._noise = np.random.default_rng([seed, 78])
        self._renderer: Renderer | None = None

    def expose(self) -> None:
        """Keep the world as it is now. The caller sees to it that no tick passes meanwhile."""
        if self._backend.model is not self.model:
            raise CameraError("the scene has changed since this shutter was made")
        self._data.qpos[:] = self._backend.data.qpos
        self._data.time = self._backend.data.time

    def develop(self, camera: str) -> Frame:
        """Draw what was exposed, as `capture` would have; the stamp is that of the exposure.

        Raises:
            CameraError: Unknown camera, or no rendering on this machine.
        """
        width, height = self._backend.image_size(camera)
        name = self._backend.model_camera(camera)
        if self._renderer is None:
            self._renderer = Renderer(self.model)
        mujoco.mj_kinematics(self.model, self._data)
        mujoco.mj_camlight(self.model, self._data)
        rgb, depth = self._renderer.picture(self._data, name, width, height)
        view = replace(self._renderer.camera(self._data, name, width, height), name=camera)
        if self._backend.depth_noise:
            depth = noisy_depth(depth, view.fy, self._noise)
        return Frame(rgb, depth, view, float(self._data.time))

    def close(self) -> None:
        """Free the graphics context; calling it twice is allowed."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
