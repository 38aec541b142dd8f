"""The arm as spheres where its joints say it is: for taking it out of what the cameras see."""

from __future__ import annotations

import itertools

import mujoco
import numpy as np

from embodied_agent.control.collision import finger_terms
from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.model import robot_spec
from embodied_agent.types import Array

SLICE = 0.05  # [m] along a link for each sphere


class BodySpheres:
    """Spheres that cover the collision shapes of one robot.

    Not thread-safe: it owns one simulator state.
    """

    def __init__(self, description: RobotDescription) -> None:
        self.description = description
        self._model = robot_spec(description, visuals=False).compile()
        self._data = mujoco.MjData(self._model)
        self._arm = np.array([self._model.joint(name).qposadr[0] for name in description.joint_names])
        self._fingers = finger_terms(self._model, description)
        parts = [self._cover(geom) for geom in range(self._model.ngeom)]
        self._geoms = np.concatenate([np.full(len(part), k) for k, part in enumerate(parts)])
        self._local = np.concatenate(parts)  # (M, 4) in the geoms' frames

    def at(self, positions: Array, width: float) -> Array:
        """Centres in the world and radii [m], (M, 4), for joints (n,) and a gripper width [m]."""
        data = self._data
        data.qpos[self._arm] = positions
        driven = self.description.gripper.position_at(width)
        for address, multiplier, offset in self._fingers:
            data.qpos[address] = offset + multiplier * driven
        mujoco.mj_kinematics(self._model, data)
        rotations = data.geom_xmat[self._geoms].reshape(-1, 3, 3)
        centres = np.einsum("kij,kj->ki", rotations, self._local[:, :3]) + data.geom_xpos[self._geoms]
        return np.concatenate([centres, self._local[:, 3:]], axis=1)

    def _cover(self, geom: int) -> Array:
        """Spheres (K, 4) in a geom's frame, one for each slice along its longest side."""
        points = self._surface(geom)
        low, high = points.min(axis=0), points.max(axis=0)
        axis = int(np.argmax(high - low))
        edges = np.linspace(low[axis], high[axis], max(1, round((high - low)[axis] / SLICE)) + 1)
        spheres = []
        for a, b in itertools.pairwise(edges):
            inside = points[(points[:, axis] >= a - 1e-9) & (points[:, axis] <= b + 1e-9)]
            if not len(inside):
                continue
            centre = (inside.min(axis=0) + inside.max(axis=0)) / 2
            radius = np.linalg.norm(inside - centre, axis=1).max()
            spheres.append([*centre, radius])
        return np.array(spheres)

    def _surface(self, geom: int) -> Array:
        """Points on the surface (N, 3) in the geom's frame, close enough for slicing."""
        model = self._model
        mesh = model.geom_dataid[geom]
        if mesh < 0:
            half = model.geom_size[geom]
            reach = np.where(half > 0, half, half.max())
            signs = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)])
            corners: Array = np.asarray(signs * reach, dtype=np.float64)
            return corners
        start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        vertices = model.mesh_vert[start : start + count].astype(np.float64)
        # Large triangles would leave slices empty: their middles and edges are surface too.
        first, many = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
        triangles = vertices[model.mesh_face[first : first + many]]  # (F, 3, 3)
        weights = np.array([[i, j, 6 - i - j] for i in range(7) for j in range(7 - i)]) / 6.0
        return np.concatenate([vertices, np.einsum("wk,fkd->fwd", weights, triangles).reshape(-1, 3)])
