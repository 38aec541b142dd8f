"""A robot that does exactly as it is told: no physics, no objects, a synthetic flat table.

For tests and examples. It keeps the back end contract and nothing more: joints track perfectly,
the gripper always closes on air unless `blocks` says what it holds, both cameras see a plane, and a
drive takes its time and ends at its place.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from embodied_agent.errors import CameraError, RobotError
from embodied_agent.robots.backend import Backend, Watch, never
from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.trajectories import check_trajectory, sample
from embodied_agent.types import Camera, Frame, JointTrajectory, Motion, Pose, RobotState

TICK = 0.01  # [s]
DRIVE = 1.0  # [s] that any drive takes
WIDTH, HEIGHT = 640, 480
SQUARE = 0.1  # side of the chequers on the table [m]


class FakeBackend(Backend):
    """Ideal tracking over a chequered plane.

    Args:
        description: Robot.
        scene: Ignored, so that the catalogue can make every back end alike; nothing stands
            on this table.
        blocks: Width of a thing that is always between the fingers [m]; 0 = nothing.
        places: Where its base can drive; () = it stands.
        seed: Ignored: nothing is random here.
    """

    def __init__(
        self,
        description: RobotDescription,
        scene: Any = None,
        *,
        blocks: float = 0.0,
        places: tuple[str, ...] = (),
        seed: int = 0,
    ) -> None:
        self.description = description
        self.blocks = blocks
        self._places, self.place = places, ""
        self._time = 0.0
        self._positions = description.home_positions.copy()
        self._velocities = np.zeros_like(self._positions)
        self._width = description.gripper.max_width
        self._force = 0.0
        self._stopped = False
        self._closed = False

    @property
    def cameras(self) -> tuple[str, ...]:
        return ("overhead", "wrist")

    def now(self) -> float:
        return self._time

    def state(self) -> RobotState:
        count = len(self._positions)
        return RobotState(
            stamp=self._time,
            positions=self._positions.copy(),
            velocities=self._velocities.copy(),
            efforts=np.zeros(count),
            gripper_width=self._width,
            gripper_force=self._force,
            external_force=np.zeros(3),
        )

    def capture(self, camera: str) -> Frame:
        """A chequered plane at z = 0; the "wrist" camera hangs still above the table."""
        self._ensure_open(CameraError)
        if camera not in self.cameras:
            raise CameraError(f"no camera is called '{camera}'; known: {', '.join(self.cameras)}")
        eye, target = (
            ((-0.05, 0.0, 1.1), (0.5, 0.0, 0.0)) if camera == "overhead" else ((0.4, 0, 0.5), (0.5, 0, 0))
        )
        focal = HEIGHT / 2 / math.tan(math.radians(25.0))
        view = Camera(
            camera, WIDTH, HEIGHT, focal, focal, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, _looking(eye, target)
        )
        depth = _plane_depth(view)
        points = view.unproject(depth)[..., :2]
        with np.errstate(invalid="ignore"):
            dark = np.floor(points / SQUARE).sum(axis=-1) % 2 == 1
        rgb = np.where(dark[..., None], np.uint8(150), np.uint8(190)) * np.ones(3, np.uint8)
        rgb[depth == 0] = 90
        return Frame(rgb.astype(np.uint8), depth, view, self._time)

    def follow(self, trajectory: JointTrajectory, watch: Watch = never) -> Motion:
        self._ensure_open(RobotError)
        check_trajectory(trajectory, self.description, self._positions)
        self._stopped = False
        began = self._time
        ticks = max(1, math.ceil(trajectory.duration / TICK - 1e-9))
        positions, velocities = sample(trajectory, np.minimum(np.arange(1, ticks + 1) * TICK, trajectory.duration))
        for position, velocity in zip(positions, velocities, strict=True):
            self._time += TICK
            self._positions, self._velocities = position.copy(), velocity.copy()
            reason = self._interrupted(watch)
            if reason:
                self._velocities = np.zeros_like(position)
                return Motion(False, reason, self.state(), self._time - began)
        self._velocities = np.zeros_like(self._positions)
        return Motion(True, "", self.state(), self._time - began)

    def grip(self, width: float, force: float, watch: Watch = never) -> Motion:
        self._ensure_open(RobotError)
        gripper = self.description.gripper
        if not (math.isfinite(width) and math.isfinite(force)) or force <= 0:
            raise RobotError(f"grip needs a finite width and a positive force, got {width} m and {force} N")
        self._stopped = False
        began, speed = self._time, 0.1 * TICK
        goal = float(np.clip(width, gripper.min_width, gripper.max_width))
        blocked = 0.0 < self.blocks <= self._width and goal < self.blocks
        goal = self.blocks if blocked else goal
        self._force = 0.0
        while abs(self._width - goal) > 1e-9:
            self._time += TICK
            self._width += float(np.clip(goal - self._width, -speed, speed))
            reason = self._interrupted(watch)
            if reason:
                return Motion(False, reason, self.state(), self._time - began)
        self._force = min(force, gripper.max_force) if blocked else 0.0
        return Motion(True, "", self.state(), self._time - began)

    @property
    def places(self) -> tuple[str, ...]:
        return self._places

    def drive(self, place: str, watch: Watch = never) -> Motion:
        self._ensure_open(RobotError)
        if place not in self._places:
            return super().drive(place, watch)
        motion = self.wait(DRIVE, watch)
        self.place = place if motion.completed else ""
        return motion

    def wait(self, seconds: float, watch: Watch = never) -> Motion:
        self._ensure_open(RobotError)
        if not math.isfinite(seconds) or seconds < 0:
            raise RobotError(f"cannot wait {seconds} s")
        self._stopped = False
        began = self._time
        for _ in range(math.ceil(seconds / TICK - 1e-9)):
            self._time += TICK
            reason = self._interrupted(watch)
            if reason:
                return Motion(False, reason, self.state(), self._time - began)
        return Motion(True, "", self.state(), self._time - began)

    def stop(self) -> None:
        self._stopped = True
        self._velocities = np.zeros_like(self._positions)

    def close(self) -> None:
        self._closed = True

    def _interrupted(self, watch: Watch) -> str:
        return "stopped by request" if self._stopped else watch(self.state())

    def _ensure_open(self, kind: type[RobotError]) -> None:
        if self._closed:
            raise kind("the robot is closed")


def _looking(eye: tuple[float, ...], target: tuple[float, ...]) -> Pose:
    """Optical frame at `eye` whose z runs to `target` and whose y runs down."""
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    matrix[:3, 3] = eye
    return Pose.from_matrix(matrix)


def _plane_depth(camera: Camera) -> Any:
    """Depth of the plane z = 0 [m], (H, W) float32; 0 where the ray misses it."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u, float)], axis=-1)
    down = (rays @ camera.world_from_camera.rotation.T)[..., 2]
    with np.errstate(divide="ignore"):
        depth = np.where(down < -1e-6, -camera.world_from_camera.position[2] / down, 0.0)
    return np.where(depth < 8.0, depth, 0.0).astype(np.float32)
