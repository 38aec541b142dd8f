"""Conversions between our values and ROS messages, both ways, and nothing else.

The only place where quaternions are xyzw. Times are seconds of ROS time as a float, which keeps
a quarter of a microsecond today. Every function is pure; message classes are imported by ROS's own names.
"""

from __future__ import annotations

import array
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Pose as PoseMessage
from geometry_msgs.msg import Transform, TransformStamped, WrenchStamped
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory as TrajectoryMessage
from trajectory_msgs.msg import JointTrajectoryPoint

from embodied_agent.errors import CameraError, RobotError
from embodied_agent.types import Array, Camera, JointTrajectory, Pose

NANO = 1_000_000_000
# Encoding -> channels in the order red, green, blue.
COLORS = {
    "rgb8": (0, 1, 2),
    "bgr8": (2, 1, 0),
    "rgba8": (0, 1, 2),
    "bgra8": (2, 1, 0),
    "mono8": (0, 0, 0),
    "8UC3": (2, 1, 0),  # OpenCV's order, as its bridge means it
}
CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "8UC3": 3}
# Encoding -> type of one reading, metres per unit.
DEPTHS: Mapping[str, tuple[str, float]] = {"16UC1": ("u2", 0.001), "mono16": ("u2", 0.001), "32FC1": ("f4", 1.0)}
FARTHEST = 100.0  # [m]; a reading beyond is none


# -- time ---------------------------------------------------------------------------------------


def seconds(stamp: Any) -> float:
    """A builtin_interfaces Time or Duration in seconds."""
    return float(stamp.sec) + float(stamp.nanosec) * 1e-9


def to_time(time: float) -> Any:
    """builtin_interfaces/Time of seconds since the epoch of the clock."""
    whole = round(time * NANO)
    return Time(sec=whole // NANO, nanosec=whole % NANO)


def to_duration(time: float) -> Any:
    """builtin_interfaces/Duration of a length of time [s]."""
    whole = round(time * NANO)
    return Duration(sec=whole // NANO, nanosec=whole % NANO)


def to_header(stamp: float, frame: str) -> Any:
    """std_msgs/Header."""
    return Header(stamp=to_time(stamp), frame_id=frame)


# -- poses ---------------------------------------------------------------------------------------


def _pose(position: Any, rotation: Any, what: str) -> Pose:
    values = (position.x, position.y, position.z)
    quaternion = np.array([rotation.w, rotation.x, rotation.y, rotation.z])
    norm = float(np.linalg.norm(quaternion))
    if not np.isfinite(values).all() or not abs(norm - 1.0) < 0.01:
        raise RobotError(f"{what} is no pose: position {values}, quaternion of length {norm:.3f}")
    return Pose(np.array(values), quaternion)


def pose_of(message: Any) -> Pose:
    """A geometry_msgs Pose or Transform.

    Raises:
        RobotError: It is no pose.
    """
    if hasattr(message, "translation"):
        return _pose(message.translation, message.rotation, "a transform")
    return _pose(message.position, message.orientation, "a pose")


def to_pose(pose: Pose) -> Any:
    """geometry_msgs/Pose."""
    message = PoseMessage()
    _fill(message.position, message.orientation, pose)
    return message


def to_transform(pose: Pose) -> Any:
    """geometry_msgs/Transform."""
    message = Transform()
    _fill(message.translation, message.rotation, pose)
    return message


def to_transform_stamped(parent_from_child: Pose, parent: str, child: str, stamp: float) -> Any:
    """geometry_msgs/TransformStamped: where `child` is in `parent`."""
    return TransformStamped(
        header=to_header(stamp, parent), child_frame_id=child, transform=to_transform(parent_from_child)
    )


def _fill(position: Any, rotation: Any, pose: Pose) -> None:
    position.x, position.y, position.z = (float(value) for value in pose.position)
    rotation.w, rotation.x, rotation.y, rotation.z = (float(value) for value in pose.quaternion)


# -- joints --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JointReading:
    """Some joints of a sensor_msgs/JointState.

    Attributes:
        stamp: [s]; 0 where the driver gave none.
        positions: (n,).
        velocities, efforts: (n,), or None where the driver does not measure them.
    """

    stamp: float
    positions: Array
    velocities: Array | None
    efforts: Array | None


def joints_of(message: Any, names: Sequence[str]) -> JointReading | None:
    """What a JointState says of `names`, in their order; None unless it names all of them.

    Raises:
        RobotError: Its arrays do not fit its names.
    """
    places = {name: index for index, name in enumerate(message.name)}
    if not all(name in places for name in names):
        return None
    count, pick = len(message.name), [places[name] for name in names]
    if len(message.position) != count:
        raise RobotError(f"a joint state names {count} joints and gives {len(message.position)} positions")

    def optional(values: Any, what: str) -> Array | None:
        if len(values) == 0:
            return None
        if len(values) != count:
            raise RobotError(f"a joint state names {count} joints and gives {len(values)} {what}")
        found = np.asarray(values, dtype=np.float64)[pick]
        return found if np.isfinite(found).all() else None

    return JointReading(
        seconds(message.header.stamp),
        np.asarray(message.position, dtype=np.float64)[pick],
        optional(message.velocity, "velocities"),
        optional(message.effort, "efforts"),
    )


def to_joint_state(
    names: Sequence[str],
    positions: Sequence[float] | Array,
    velocities: Sequence[float] | Array = (),
    efforts: Sequence[float] | Array = (),
    stamp: float = 0.0,
) -> Any:
    """sensor_msgs/JointState."""
    return JointState(
        header=to_header(stamp, ""),
        name=list(names),
        position=[float(value) for value in positions],
        velocity=[float(value) for value in velocities],
        effort=[float(value) for value in efforts],
    )


def to_trajectory(trajectory: JointTrajectory, names: Sequence[str], start: float = 0.0) -> Any:
    """trajectory_msgs/JointTrajectory; `start` 0 means as soon as it arrives."""
    message = TrajectoryMessage(joint_names=list(names))
    if start > 0:
        message.header.stamp = to_time(start)
    message.points = [
        JointTrajectoryPoint(
            positions=[float(v) for v in position],
            velocities=[float(v) for v in velocity],
            time_from_start=to_duration(float(time)),
        )
        for time, position, velocity in zip(
            trajectory.times, trajectory.positions, trajectory.velocities, strict=True
        )
    ]
    return message


def trajectory_of(message: Any, names: Sequence[str]) -> JointTrajectory:
    """A trajectory message in the order of `names`; velocities it lacks are zero.

    Raises:
        RobotError: Other joints, no points, or points of another length.
    """
    given = list(message.joint_names)
    if sorted(given) != sorted(names):
        raise RobotError(f"the trajectory is for the joints {', '.join(given) or 'none'}, not {', '.join(names)}")
    if not message.points:
        raise RobotError("the trajectory has no points")
    pick = [given.index(name) for name in names]
    rows, speeds = [], []
    for index, point in enumerate(message.points):
        for what, values in (("positions", point.positions), ("velocities", point.velocities)):
            if len(values) != len(given) and not (what == "velocities" and len(values) == 0):
                raise RobotError(f"point {index} has {len(values)} {what} for {len(given)} joints")
        rows.append(np.asarray(point.positions, dtype=np.float64)[pick])
        speed = np.asarray(point.velocities if len(point.velocities) else [0.0] * len(given), dtype=np.float64)
        speeds.append(speed[pick])
    times = np.array([seconds(point.time_from_start) for point in message.points])
    return JointTrajectory(times, np.stack(rows), np.stack(speeds))


# -- forces --------------------------------------------------------------------------------------


def force_of(message: Any) -> Array:
    """Force of a geometry_msgs/WrenchStamped [N], (3,), in its own frame."""
    force = message.wrench.force
    return np.array([force.x, force.y, force.z])


def to_wrench(force: Array, stamp: float, frame: str) -> Any:
    """geometry_msgs/WrenchStamped of a force [N], (3,), without torque."""
    message = WrenchStamped(header=to_header(stamp, frame))
    message.wrench.force.x, message.wrench.force.y, message.wrench.force.z = (float(value) for value in force)
    return message


# -- images --------------------------------------------------------------------------------------


def to_image(rgb: NDArray[np.uint8], stamp: float, frame: str) -> Any:
    """sensor_msgs/Image, rgb8, of (H, W, 3)."""
    return _image(np.ascontiguousarray(rgb), "rgb8", 3 * rgb.shape[1], stamp, frame)


def to_depth(depth: NDArray[np.float32], stamp: float, frame: str, encoding: str = "16UC1") -> Any:
    """sensor_msgs/Image of depth [m], (H, W): 16UC1 in millimetres or 32FC1 in metres; 0 = no reading."""
    kind, unit = DEPTHS[encoding]
    values = depth / np.float32(unit)
    if kind == "u2":
        values = np.where(values < 65535.5, np.rint(values), 0)
    data = np.ascontiguousarray(values, dtype="<" + kind)
    return _image(data, encoding, data.itemsize * depth.shape[1], stamp, frame)


def _image(data: NDArray[Any], encoding: str, step: int, stamp: float, frame: str) -> Any:
    message = Image(header=to_header(stamp, frame), height=data.shape[0], width=data.shape[1])
    message.encoding, message.step, message.is_bigendian = encoding, step, 0
    # As an array of the stored type: the message would test every single value of anything else.
    message.data = array.array("B", data.tobytes())
    return message


def rgb_of(message: Any) -> NDArray[np.uint8]:
    """The colours of an image message, (H, W, 3), an array of its own.

    Raises:
        CameraError: An encoding that is none of COLORS, or too few bytes.
    """
    if message.encoding not in COLORS:
        raise CameraError(f"colour images in '{message.encoding}' are not understood; known: {', '.join(COLORS)}")
    channels = CHANNELS[message.encoding]
    pixels = _rows(message, np.dtype(np.uint8), channels).reshape(message.height, message.width, channels)
    order = COLORS[message.encoding]
    return np.array(pixels if order == (0, 1, 2) and channels == 3 else pixels[..., order], order="C")


def depth_of(message: Any) -> NDArray[np.float32]:
    """Depth [m], (H, W) float32, 0 = no reading.

    Raises:
        CameraError: An encoding that is none of DEPTHS, or too few bytes.
    """
    if message.encoding not in DEPTHS:
        raise CameraError(f"depth images in '{message.encoding}' are not understood; known: {', '.join(DEPTHS)}")
    kind, unit = DEPTHS[message.encoding]
    order = ">" if message.is_bigendian else "<"
    depth = _rows(message, np.dtype(order + kind), 1).astype(np.float32)
    if unit != 1.0:
        depth *= np.float32(unit)
    usable = (depth > 0) & (depth < FARTHEST)  # false for nan, too
    depth[~usable] = 0.0
    return depth


def _rows(message: Any, kind: np.dtype[Any], channels: int) -> NDArray[Any]:
    """The values of an image, (H, W * channels), without the padding at the end of its rows."""
    height, width, step = int(message.height), int(message.width), int(message.step)
    line = width * channels * kind.itemsize
    data = np.frombuffer(message.data, dtype=np.uint8)
    if height < 1 or width < 1 or step < line or len(data) < step * height:
        raise CameraError(
            f"an image of {width}x{height} in '{message.encoding}' has {len(data)} bytes in rows of {step}; "
            f"{line * height} are needed"
        )
    return np.ascontiguousarray(data[: step * height].reshape(height, step)[:, :line]).view(kind)


@dataclass(frozen=True)
class Intrinsics:
    """What a CameraInfo says, plain and comparable.

    Attributes:
        width, height: [px].
        matrix: fx, fy, cx, cy of the raw image [px].
        rectified: fx, fy, cx, cy after rectification [px]; as `matrix` where none is given.
        model: Distortion model; "" without distortion.
        distortion: Its coefficients; () without distortion.
    """

    width: int
    height: int
    matrix: tuple[float, float, float, float]
    rectified: tuple[float, float, float, float]
    model: str = ""
    distortion: tuple[float, ...] = ()


def intrinsics_of(message: Any) -> Intrinsics:
    """A sensor_msgs/CameraInfo.

    Raises:
        CameraError: The camera is not calibrated, or bins its pixels.
    """
    k, p = message.k, message.p
    matrix = (float(k[0]), float(k[4]), float(k[2]), float(k[5]))
    if not (matrix[0] > 0 and matrix[1] > 0 and all(math.isfinite(v) for v in matrix)):
        raise CameraError("the camera gives no intrinsics (K is zero): calibrate it, or load its calibration")
    if max(message.binning_x, message.binning_y) > 1:
        raise CameraError("the camera bins its pixels; publish full images")
    rectified = (float(p[0]), float(p[5]), float(p[2]), float(p[6]))
    if not (rectified[0] > 0 and rectified[1] > 0):
        rectified = matrix
    coefficients = tuple(float(value) for value in message.d)
    if not any(coefficients):
        return Intrinsics(int(message.width), int(message.height), matrix, matrix)
    size = (int(message.width), int(message.height))
    return Intrinsics(*size, matrix, rectified, str(message.distortion_model), coefficients)


def to_camera_info(camera: Camera, stamp: float, frame: str) -> Any:
    """sensor_msgs/CameraInfo of a pinhole camera."""
    message = CameraInfo(header=to_header(stamp, frame), width=camera.width, height=camera.height)
    message.distortion_model = "plumb_bob"
    message.d = [0.0] * 5
    message.k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message


def camera_of(intrinsics: Intrinsics, name: str, world_from_camera: Pose) -> Camera:
    """The pinhole camera of a rectified image."""
    return Camera(name, intrinsics.width, intrinsics.height, *intrinsics.rectified, world_from_camera)
