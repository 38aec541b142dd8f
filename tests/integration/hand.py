"""A hand for tests: straight tool motions by inverse kinematics, without perception or planning."""

from __future__ import annotations

import numpy as np

from embodied_agent.control.kinematics import Kinematics
from embodied_agent.robots.backend import Watch, never
from embodied_agent.robots.mujoco import MujocoBackend
from embodied_agent.types import Array, JointTrajectory, Motion, Pose

DOWN = (0.0, 0.0, -1.0)
FORWARD = (1.0, 0.0, 0.0)


def tool_pose(position: object, approach: object, closing: object) -> Pose:
    """Tool whose z points along `approach` and whose fingers close along `closing`."""
    z = np.asarray(approach, float) / np.linalg.norm(approach)
    y = np.asarray(closing, float)
    y = y - (y @ z) * z
    y /= np.linalg.norm(y)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([np.cross(y, z), y, z], axis=1)
    matrix[:3, 3] = np.asarray(position, float)
    return Pose.from_matrix(matrix)


class Hand:
    def __init__(self, backend: MujocoBackend) -> None:
        self.backend = backend
        self.kinematics = Kinematics(backend.description)

    @property
    def pose(self) -> Pose:
        return self.kinematics.forward(self.backend.state().positions)

    def solve(self, pose: Pose, seed: Array) -> Array:
        """Either way round of a two-fingered hand, whichever stays farther from the joint limits."""
        flipped = Pose.from_matrix(pose.matrix @ np.diag([-1.0, -1.0, 1.0, 1.0]))
        found = [r for r in (self.kinematics.inverse(p, seed) for p in (pose, flipped)) if r.found]
        assert found, f"out of reach: {pose.position}"
        low, high = self.backend.description.lower, self.backend.description.upper

        def cost(positions: Array) -> float:
            return float(np.abs((positions - low) / (high - low) - 0.5).max())

        return min((r.positions for r in found), key=cost)

    def swing(self, pose: Pose, seconds: float = 3.0) -> Motion:
        """To a far pose, straight in joint space."""
        start = self.backend.state().positions
        goal = self.solve(pose, start)
        times = np.linspace(0, seconds, 101)
        s = (times / seconds)[:, None]
        path = start + (10 * s**3 - 15 * s**4 + 6 * s**5) * (goal - start)
        return self.backend.follow(JointTrajectory(times, path, np.gradient(path, times, axis=0)))

    def draw(self, poses: list[Pose], seconds: float, watch: Watch = never) -> Motion:
        """Through close poses, eased at both ends."""
        path = [self.backend.state().positions]
        for pose in poses:
            step = self.kinematics.inverse(pose, path[-1])
            assert step.found, step.reason
            path.append(step.positions)
        joints = np.array(path)
        knots = np.linspace(0, 1, len(joints))
        times = np.linspace(0, seconds, max(50, len(joints)))
        s = times / seconds
        eased = 10 * s**3 - 15 * s**4 + 6 * s**5
        smooth = np.stack([np.interp(eased, knots, column) for column in joints.T], axis=1)
        return self.backend.follow(JointTrajectory(times, smooth, np.gradient(smooth, times, axis=0)), watch)

    def move(self, offset: object, seconds: float = 1.5, watch: Watch = never) -> Motion:
        """Straight by an offset [m]."""
        start = self.pose
        steps = np.linspace(0, 1, 13)[1:]
        return self.draw([start.translated(np.asarray(offset, float) * s) for s in steps], seconds, watch)

    def reach(self, pose: Pose, distance: float = 0.10) -> None:
        """To a pose from `distance` before it."""
        self.swing(pose.translated(-distance * pose.rotation[:, 2]))
        self.move(distance * self.pose.rotation[:, 2], 1.5)
