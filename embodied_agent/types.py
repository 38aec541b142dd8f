"""Frozen value types that every layer shares.

Conventions (REP-103, REP-105): SI units, right-handed frames, world z up. A pose named
`world_from_camera` maps camera coordinates to world coordinates, so products chain by
adjacent names. Quaternions are wxyz. Camera frames are optical: x right, y down, z forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Status(str, Enum):
    """Outcome of one program node."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Pose:
    """A rigid transform.

    Attributes:
        position: Translation [m], (3,).
        quaternion: Unit quaternion wxyz, (4,).
    """

    position: Array
    quaternion: Array = field(default_factory=lambda: np.array([1.0, 0.0, 0.0, 0.0]))

    def __post_init__(self) -> None:
        position = np.asarray(self.position, dtype=np.float64).reshape(3)
        quaternion = np.asarray(self.quaternion, dtype=np.float64).reshape(4)
        norm = float(np.linalg.norm(quaternion))
        if not np.isfinite(position).all() or not np.isfinite(norm) or norm < 1e-9:
            raise ValueError(f"not a pose: position {position}, quaternion {quaternion}")
        object.__setattr__(self, "position", position)
        object.__setattr__(self, "quaternion", quaternion / norm)

    @staticmethod
    def from_matrix(matrix: Array) -> Pose:
        """The pose of a homogeneous (4, 4) matrix, or of a (3, 3) rotation at the origin."""
        matrix = np.asarray(matrix, dtype=np.float64)
        rotation = matrix[:3, :3]
        position = matrix[:3, 3] if matrix.shape == (4, 4) else np.zeros(3)
        return Pose(position, quaternion_from_rotation(rotation))

    @property
    def rotation(self) -> Array:
        """Rotation matrix, (3, 3)."""
        w, x, y, z = self.quaternion
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )

    @property
    def matrix(self) -> Array:
        """Homogeneous matrix, (4, 4)."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = self.position
        return matrix

    def __matmul__(self, other: Pose) -> Pose:
        return Pose.from_matrix(self.matrix @ other.matrix)

    def inverse(self) -> Pose:
        """The transform that undoes this one."""
        rotation = self.rotation.T
        matrix = np.eye(4)
        matrix[:3, :3] = rotation
        matrix[:3, 3] = -rotation @ self.position
        return Pose.from_matrix(matrix)

    def apply(self, points: Array) -> Array:
        """Map points (N, 3) or (3,) from the right-hand frame into the left-hand one."""
        mapped: Array = np.asarray(points) @ self.rotation.T + self.position
        return mapped

    def translated(self, offset: Array) -> Pose:
        """The same orientation, moved by `offset` [m] in the outer frame."""
        return Pose(self.position + np.asarray(offset, dtype=np.float64), self.quaternion)


def quaternion_from_rotation(rotation: Array) -> Array:
    """Unit quaternion wxyz of a rotation matrix (3, 3), w >= 0 (Shepperd's method)."""
    m = np.asarray(rotation, dtype=np.float64)
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    candidates = np.array([trace, m[0, 0], m[1, 1], m[2, 2]])
    largest = int(np.argmax(candidates))
    if largest == 0:
        q = np.array([1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    elif largest == 1:
        q = np.array([m[2, 1] - m[1, 2], 1 + 2 * m[0, 0] - trace, m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]])
    elif largest == 2:
        q = np.array([m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], 1 + 2 * m[1, 1] - trace, m[1, 2] + m[2, 1]])
    else:
        q = np.array([m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], 1 + 2 * m[2, 2] - trace])
    q /= np.linalg.norm(q)
    return q if q[0] >= 0 else -q


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion.

    Attributes:
        name: Name in the robot description, e.g. "overhead" or "wrist".
        width, height: Image size [px].
        fx, fy, cx, cy: Intrinsics [px]; pixel centres lie at integer coordinates.
        world_from_camera: Pose of the optical frame (x right, y down, z forward).
    """

    name: str
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    world_from_camera: Pose

    def project(self, points: Array) -> Array:
        """World points (N, 3) to pixels (N, 2) as (x, y); points behind the camera give nan."""
        local = self.world_from_camera.inverse().apply(np.atleast_2d(points))
        z = np.where(local[:, 2] > 1e-6, local[:, 2], np.nan)
        return np.stack([self.fx * local[:, 0] / z + self.cx, self.fy * local[:, 1] / z + self.cy], axis=1)

    def unproject(self, depth: NDArray[np.float32]) -> Array:
        """World points (H, W, 3) of a depth image [m] (H, W); nan where depth is 0."""
        height, width = depth.shape
        u, v = np.meshgrid(np.arange(width), np.arange(height))
        z = np.where(depth > 0, depth, np.nan).astype(np.float64)
        local = np.stack([(u - self.cx) * z / self.fx, (v - self.cy) * z / self.fy, z], axis=-1)
        return self.world_from_camera.apply(local)


@dataclass(frozen=True)
class Frame:
    """One RGB-D reading.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: Range along the optical axis [m], (H, W) float32; 0 = no reading.
        camera: Intrinsics, and pose in the world at the moment of exposure.
        stamp: Back end time [s].
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    camera: Camera
    stamp: float


@dataclass(frozen=True)
class Detection:
    """One thing seen in one frame.

    Attributes:
        mask: (H, W) bool.
        kind: Best class name, e.g. "mug" or "drawer".
        color: Best colour name, or "" where colour makes no sense.
        score: Confidence in [0, 1].
    """

    mask: NDArray[np.bool_]
    kind: str
    color: str
    score: float


@dataclass(frozen=True)
class Grounding:
    """Which detections a phrase means.

    Attributes:
        detections: Those meant, best first; empty = the phrase names nothing that is seen.
        ambiguous: True where the phrase asks for one thing and several fit equally well.
        confidence: Probability of this reading, in [0, 1].
        point: Pixel (x, y) of the best one, or None.
        words: What the model understood, in its own tokens, for the report.
    """

    detections: tuple[Detection, ...]
    ambiguous: bool
    confidence: float
    point: tuple[float, float] | None = None
    words: str = ""


@dataclass(frozen=True)
class Object:
    """A thing in the world as perception measured it.

    Attributes:
        id: Unique within one run, e.g. "mug-3".
        description: The phrase that found it.
        kind, color: What the detector calls it.
        pose: Centre of the oriented box, world frame; z is up for things on a table.
        extent: Full box sizes along the pose's axes [m], (3,).
        cloud: Measured surface points in the world [m], (N, 3).
        confidence: In [0, 1].
        stamp: Back end time of the newest frame used [s].
    """

    id: str
    description: str
    kind: str
    color: str
    pose: Pose
    extent: Array
    cloud: Array
    confidence: float
    stamp: float

    @property
    def position(self) -> Array:
        """Centre in the world [m], (3,)."""
        return self.pose.position


@dataclass(frozen=True)
class Joint:
    """The articulation of a drawer, door, button or knob, as estimated or measured.

    Attributes:
        type: "prismatic" or "revolute".
        origin: A point on the axis in the world [m], (3,).
        axis: Unit axis in the world, (3,); positive motion opens (right-hand rule if revolute).
        range: Travel from closed to fully open [m] or [rad].
        confidence: In [0, 1]; below 0.5 before an exploratory motion confirmed it.
    """

    type: str
    origin: Array
    axis: Array
    range: float
    confidence: float


@dataclass(frozen=True)
class Grasp:
    """A parallel-jaw grasp.

    Attributes:
        pose: Tool pose in the world: z approaches, y is the closing direction.
        width: Opening needed between the fingers [m].
        score: In [0, 1], higher is better.
        terms: The weighted parts of the score, by name.
    """

    pose: Pose
    width: float
    score: float
    terms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RobotState:
    """One reading of the robot's own sensors.

    Attributes:
        stamp: Back end time [s].
        positions, velocities, efforts: Arm joints [rad], [rad/s], [N m], (n,).
        gripper_width: Distance between the finger pads [m].
        gripper_force: Force between the fingers as the gripper senses it [N].
        external_force: Force at the tool beyond gravity and payload [N], (3,), world frame.
    """

    stamp: float
    positions: Array
    velocities: Array
    efforts: Array
    gripper_width: float
    gripper_force: float
    external_force: Array


@dataclass(frozen=True)
class JointTrajectory:
    """A timed path of the arm.

    Attributes:
        times: Seconds from the start, (T,), increasing, times[0] == 0.
        positions: [rad], (T, n).
        velocities: [rad/s], (T, n).
    """

    times: Array
    positions: Array
    velocities: Array

    @property
    def duration(self) -> float:
        """[s]."""
        return float(self.times[-1])

    def slowed(self, scale: float) -> JointTrajectory:
        """The same path with time running `scale` times as fast, in (0, 1]."""
        return JointTrajectory(self.times / scale, self.positions, self.velocities * scale)


@dataclass(frozen=True)
class Motion:
    """What a back end did with one command: measured, not commanded.

    Attributes:
        completed: The command ran to its end.
        reason: Why it did not, one sentence with numbers; "" if completed.
        state: The reading after it.
        duration: Back end time it took [s].
        tracking_error: Largest joint error on the way [rad].
        peak_force: Largest external force at the tool on the way [N].
    """

    completed: bool
    reason: str
    state: RobotState
    duration: float
    tracking_error: float = 0.0
    peak_force: float = 0.0


Evidence = Mapping[str, Any]  # JSON-ready: numbers, strings, booleans, lists, dicts


@dataclass(frozen=True)
class Result:
    """What a primitive returns.

    Attributes:
        value: The typed value that the program goes on with (None for an action).
        ok: False = the node fails.
        reason: One sentence: which condition, what was measured, what was expected.
        evidence: The measurements behind it, JSON-ready.
    """

    value: Any = None
    ok: bool = True
    reason: str = ""
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """What a person asked for.

    Attributes:
        text: The sentence.
        points: Clicked pixels (x, y) in the image of `camera`, in order.
        camera: Camera that the points belong to.
    """

    text: str
    points: tuple[tuple[float, float], ...] = ()
    camera: str = "overhead"
