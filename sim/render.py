"""Off-screen pictures: colour and depth in one pass, segmentation in a second one."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from embodied_agent.errors import CameraError
from embodied_agent.types import Camera, Pose

Rgb = NDArray[np.uint8]
Depth = NDArray[np.float32]
_OPTICAL_FROM_MUJOCO = np.diag([1.0, -1.0, -1.0])  # optical: y down, z forward


class Renderer:
    """Pictures of one model at any of its cameras.

    Use from one thread at a time; close it, or the GL library complains at exit.

    Raises:
        CameraError: This machine has no off-screen rendering.
    """

    def __init__(self, model: Any, *, max_geoms: int = 4000) -> None:
        self.model = model
        self._gl: Any = None
        self._context: Any = None
        self._gl = _gl_context(int(model.vis.global_.offwidth), int(model.vis.global_.offheight))
        try:
            self._gl.make_current()
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        except (mujoco.FatalError, RuntimeError) as error:
            self.close()
            raise CameraError(f"off-screen rendering failed: {' '.join(str(error).split())}") from None
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(model, maxgeom=max_geoms)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = (1, 1, 1, 0, 0, 0)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = 0  # a camera reads no depth there

    def camera(self, data: Any, name: str, width: int, height: int) -> Camera:
        """Intrinsics and pose now of a camera of the model."""
        index = self._index(name)
        fovy = math.radians(float(self.model.cam_fovy[index]))
        focal = height / 2.0 / math.tan(fovy / 2.0)
        rotation = data.cam_xmat[index].reshape(3, 3) @ _OPTICAL_FROM_MUJOCO
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation, data.cam_xpos[index]
        pose = Pose.from_matrix(matrix)
        return Camera(name, width, height, focal, focal, (width - 1) / 2.0, (height - 1) / 2.0, pose)

    def picture(self, data: Any, name: str, width: int, height: int) -> tuple[Rgb, Depth]:
        """RGB (H, W, 3) uint8 and depth along the optical axis (H, W) float32 [m]."""
        rgb, depth = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.float32)
        self._draw(data, name, width, height, rgb, depth)
        return np.ascontiguousarray(rgb[::-1]), self._metres(depth[::-1])

    def rgb(self, data: Any, name: str, width: int, height: int) -> Rgb:
        """RGB (H, W, 3) uint8 alone."""
        rgb = np.empty((height, width, 3), np.uint8)
        self._draw(data, name, width, height, rgb, None)
        return np.ascontiguousarray(rgb[::-1])

    def segments(self, data: Any, name: str, width: int, height: int) -> NDArray[np.int32]:
        """Geom id of each pixel, (H, W); -1 = none."""
        rgb = np.empty((height, width, 3), np.uint8)
        flags = self._scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 1
        try:
            self._draw(data, name, width, height, rgb, None)
        finally:
            flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 0
        codes = rgb[::-1].astype(np.int32) @ np.array([1, 256, 65536], np.int32)
        table = np.full(self._scene.ngeom + 1, -1, np.int32)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.segid >= 0 and geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                table[geom.segid + 1] = geom.objid
        found: NDArray[np.int32] = table[np.minimum(codes, len(table) - 1)]
        return found

    def close(self) -> None:
        """Free the GL context; calling it twice is allowed."""
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._context = None
        if self._gl is not None:
            self._gl.free()
            self._gl = None

    def _draw(self, data: Any, name: str, width: int, height: int, rgb: Any, depth: Any) -> None:
        camera = mujoco.MjvCamera()
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, self._index(name)
        self._draw_from(data, camera, width, height, rgb, depth)

    def _draw_from(self, data: Any, camera: Any, width: int, height: int, rgb: Any, depth: Any) -> None:
        if self._context is None:
            raise CameraError("the renderer is closed")
        self._gl.make_current()
        mujoco.mjv_updateScene(
            self.model, data, self._option, None, camera, mujoco.mjtCatBit.mjCAT_ALL.value, self._scene
        )
        self._light()
        area = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(area, self._scene, self._context)
        mujoco.mjr_readPixels(rgb, depth, area, self._context)

    def _light(self) -> None:
        """Change the lamps of the picture that is about to be drawn."""

    def _metres(self, buffer: Depth) -> Depth:
        """Invert the reversed depth buffer (1 = near plane, 0 = far plane)."""
        near = self.model.vis.map.znear * self.model.stat.extent
        far = self.model.vis.map.zfar * self.model.stat.extent
        # Single precision is enough near a reversed buffer's far end, and ten times faster.
        result: Depth = np.ascontiguousarray(buffer)
        nothing = result <= 0
        result *= np.float32(far - near)
        result += np.float32(near)
        np.divide(np.float32(near * far), result, out=result)
        result[nothing] = 0.0
        return result

    def _index(self, name: str) -> int:
        index = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_CAMERA, name)
        if index < 0:
            raise CameraError(f"the model has no camera '{name}'")
        return int(index)


@contextmanager
def rendering(model: Any) -> Iterator[Renderer]:
    """A renderer that is closed at the end of the block."""
    renderer = Renderer(model)
    try:
        yield renderer
    finally:
        renderer.close()


def _gl_context(width: int, height: int) -> Any:
    """EGL, or OSMesa where EGL fails; MUJOCO_GL=osmesa asks for the latter."""
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    if wanted in ("disable", "off", "false", "0"):
        raise CameraError("off-screen rendering is switched off by MUJOCO_GL; unset it, or set it to egl")
    reasons = []
    for kind in ("osmesa", "egl") if wanted == "osmesa" else ("egl", "osmesa"):
        try:
            if kind == "egl":
                from mujoco.egl import GLContext
            else:
                from mujoco.osmesa import GLContext
            context = GLContext(width, height)
            context.make_current()
            return context
        except Exception as error:  # the GL bindings raise anything, AttributeError included
            reasons.append(f"{kind}: {' '.join(str(error).split())[:120] or type(error).__name__}")
    raise CameraError(
        "no off-screen rendering on this machine (" + "; ".join(reasons) + "); "
        "install libegl1 libgl1-mesa-dri libosmesa6"
    )
