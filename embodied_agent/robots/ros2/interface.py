"""How one robot is reached over ROS 2: names, frames, timeouts and tolerances, from one YAML file.

Every field is a parameter of the node as well; names are relative, so that a namespace moves them.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from embodied_agent.config import Range, config_names, find_config, load
from embodied_agent.errors import ConfigError
from embodied_agent.types import Pose

CAMERA = "{camera}"
GRIPPER_ACTIONS = ("GripperCommand", "ParallelGripperCommand")
ARM_ACTIONS = ("FollowJointTrajectory", "ExecuteTrajectory")
Seconds = Annotated[float, Range(0.01, 600.0)]


@dataclass(frozen=True)
class Meaning:
    """What a field means, for `ros2 param describe`."""

    text: str


@dataclass(frozen=True)
class Place:
    """Where a mobile base can drive.

    Attributes:
        name: As programs call it.
        x, y: Of the base link [m].
        yaw: Its heading [rad], counter-clockwise from x.
    """

    name: str
    x: float
    y: float
    yaw: float

    @property
    def pose(self) -> Pose:
        """The base link's pose."""
        turn = np.array([math.cos(self.yaw / 2), 0.0, 0.0, math.sin(self.yaw / 2)])
        return Pose(np.array([self.x, self.y, 0.0]), turn)


@dataclass(frozen=True)
class Ros2Interface:
    """Names and times; the defaults are those of ros2_control and of the simulated driver."""

    joint_states: Annotated[str, Meaning("Topic of sensor_msgs/JointState, arm and gripper")] = "joint_states"
    gripper_joint_states: Annotated[
        str, Meaning("Topic of the gripper's JointState where it has its own; empty = joint_states")
    ] = ""
    trajectory_action: Annotated[str, Meaning("Action FollowJointTrajectory of the arm's controller")] = (
        "joint_trajectory_controller/follow_joint_trajectory"
    )
    trajectory_action_type: Annotated[
        Literal["FollowJointTrajectory", "ExecuteTrajectory"],
        Meaning("Type of the arm's action: FollowJointTrajectory of a controller, or ExecuteTrajectory of MoveIt"),
    ] = "FollowJointTrajectory"
    controller_state: Annotated[
        str,
        Meaning("Topic of the arm controller's own state; empty = controller_state beside its action"),
    ] = ""
    gripper_action: Annotated[str, Meaning("Action of the gripper's controller")] = (
        "gripper_controller/gripper_cmd"
    )
    gripper_action_type: Annotated[
        Literal["GripperCommand", "ParallelGripperCommand"],
        Meaning("Type of the gripper's action: GripperCommand or ParallelGripperCommand"),
    ] = "GripperCommand"
    gripper_effort_per_newton: Annotated[
        float,
        Range(1e-6, 1e6),
        Meaning("max_effort that makes each pad press with 1 N, and effort that 1 N shows in joint_states"),
    ] = 1.0
    wrench: Annotated[
        str, Meaning("Topic of geometry_msgs/WrenchStamped, contact force on the tool; empty = no sensor")
    ] = "force_torque_sensor_broadcaster/wrench"
    wrench_sign: Annotated[
        Literal[1, -1], Meaning("-1 where the sensor reports the force of the tool on the world")
    ] = 1
    cameras: Annotated[tuple[str, ...], Meaning("Names of the RGB-D cameras; a planner sees the first")] = (
        "overhead",
        "wrist",
    )
    color_topic: Annotated[str, Meaning("Colour images; {camera} stands for the name")] = (
        "{camera}/color/image_raw"
    )
    info_topic: Annotated[str, Meaning("CameraInfo of the colour images")] = "{camera}/color/camera_info"
    depth_topic: Annotated[str, Meaning("Depth, aligned to the colour images")] = (
        "{camera}/aligned_depth_to_color/image_raw"
    )
    camera_frame: Annotated[str, Meaning("Optical frame where an image's header names none")] = (
        "{camera}_color_optical_frame"
    )
    navigate_action: Annotated[
        str, Meaning("Action NavigateToPose of Nav2, for an arm on a mobile base; empty = it stands where it is")
    ] = ""
    navigate_frame: Annotated[str, Meaning("Frame of the places")] = "map"
    places: Annotated[
        str,
        Meaning("Where drive_to can go, as 'NAME X Y YAW' [m], [m], [rad] of the base link, separated by ';'"),
    ] = ""
    world_frame: Annotated[
        str, Meaning("Frame of programs, where the base link stands; robots without one name the base link")
    ] = "world"
    tf: Annotated[str, Meaning("Topic of transforms; absolute, as everywhere")] = "/tf"
    tf_static: Annotated[str, Meaning("Topic of fixed transforms")] = "/tf_static"

    state_timeout: Annotated[Seconds, Meaning("Longest wait for a first or fresh joint state [s]")] = 1.0
    server_timeout: Annotated[Seconds, Meaning("Longest wait for a controller to be there [s]")] = 2.0
    accept_timeout: Annotated[Seconds, Meaning("Longest wait for a controller to take a goal [s]")] = 2.0
    cancel_timeout: Annotated[
        Seconds, Meaning("Longest wait for a controller to confirm a cancel, before it is sent a hold [s]")
    ] = 0.3
    result_timeout: Annotated[Seconds, Meaning("Longest wait for a result past the expected end [s]")] = 2.0
    grip_timeout: Annotated[Seconds, Meaning("Longest motion of the fingers [s]")] = 6.0
    image_timeout: Annotated[Seconds, Meaning("Longest wait for an image [s]")] = 2.0
    image_max_age: Annotated[
        float, Range(0.0, 1.0), Meaning("Age of an image of a resting arm that still counts as new [s]")
    ] = 0.1
    sync_slop: Annotated[
        float, Range(0.0, 0.2), Meaning("Largest difference of the stamps of colour and depth [s]")
    ] = 0.02
    tf_timeout: Annotated[Seconds, Meaning("Longest wait for the transform of an exposure [s]")] = 0.5
    clock_timeout: Annotated[
        Seconds, Meaning("Longest silence, by the wall clock, of a driver in simulated time [s]")
    ] = 3.0
    drive_timeout: Annotated[Seconds, Meaning("Longest drive of a mobile base [s]")] = 180.0
    settle_timeout: Annotated[Seconds, Meaning("Longest time for the arm to come to rest after a motion [s]")] = (
        0.6
    )

    goal_tolerance: Annotated[
        float, Range(0.0, 0.5), Meaning("Joint error at the end that the controller accepts [rad]; 0 = its own")
    ] = 0.05
    goal_time_tolerance: Annotated[
        float, Range(0.0, 10.0), Meaning("Time past the end in which the arm has to arrive [s]")
    ] = 1.0
    path_tolerance: Annotated[
        float,
        Range(0.0, 3.0),
        Meaning("Joint error on the way at which the controller stops [rad]; 0 = safety.tracking_error"),
    ] = 0.0

    def __post_init__(self) -> None:
        for name, known in (("gripper_action_type", GRIPPER_ACTIONS), ("trajectory_action_type", ARM_ACTIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: '{getattr(self, name)}' is none of {', '.join(known)}")
        if not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise ValueError("cameras: at least one is needed, and none twice")
        for name in ("color_topic", "info_topic", "depth_topic", "camera_frame"):
            if CAMERA not in getattr(self, name) and len(self.cameras) > 1:
                raise ValueError(f"{name}: '{CAMERA}' is needed to tell {len(self.cameras)} cameras apart")
        for name in ("joint_states", "trajectory_action", "gripper_action", "world_frame", "tf", "tf_static"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name}: empty")
        if _places(self.places) and not self.navigate_action:
            raise ValueError("places: nothing drives there; name Nav2's action in navigate_action")

    @property
    def state_topic(self) -> str:
        """Where the arm's controller tells its state; "" where MoveIt stands before it, and none was named."""
        if self.controller_state or self.trajectory_action_type != ARM_ACTIONS[0]:
            return self.controller_state
        controller, _, _ = self.trajectory_action.rpartition("/")
        return f"{controller}/controller_state" if controller else ""

    @property
    def named_places(self) -> dict[str, Place]:
        """Where a mobile base can go, by name; {} where there is none."""
        return _places(self.places) if self.navigate_action else {}

    def of_camera(self, pattern: str, camera: str) -> str:
        """A topic or frame pattern for one camera."""
        return pattern.replace(CAMERA, camera)

    def with_values(self, values: Mapping[str, Any]) -> Ros2Interface:
        """A copy with some fields as a node's parameters say; unknown names are left out.

        Raises:
            ConfigError: A value of the wrong type or out of range.
        """
        rows = {row.name: row for row in parameters(self)}
        chosen: dict[str, Any] = {}
        for name, value in values.items():
            if name in rows:
                row = rows[name]
                if row.low is not None and row.high is not None and not row.low <= value <= row.high:
                    raise ConfigError(f"parameter '{name}': {value:g} is outside {row.low:g} to {row.high:g}")
                chosen[name] = tuple(value) if isinstance(getattr(self, name), tuple) else value
        try:
            return dataclasses.replace(self, **chosen)
        except ValueError as error:
            raise ConfigError(f"parameter {error}") from None

    def parameters(self) -> tuple[InterfaceParameter, ...]:
        """Every field as a parameter of a node, with this robot's values as defaults."""
        return parameters(self)


def _places(text: str) -> dict[str, Place]:
    """The places of 'NAME X Y YAW; NAME X Y YAW'.

    Raises:
        ValueError: One of them is none.
    """
    found: dict[str, Place] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        *words, x, y, yaw = entry.split() if len(entry.split()) > 3 else ("", "", "", "")
        try:
            numbers = [float(value) for value in (x, y, yaw)]
        except ValueError:
            numbers = []
        name = " ".join(words)
        if not name or not numbers or not all(math.isfinite(value) for value in numbers):
            raise ValueError(f"places: {entry!r} is not 'NAME X Y YAW' with three finite numbers")
        if name in found:
            raise ValueError(f"places: {name!r} is there twice")
        found[name] = Place(name, *numbers)
    return found


@dataclass(frozen=True)
class InterfaceParameter:
    """One field as a parameter.

    Attributes:
        name, default: As ROS tools show them; a tuple of text is a string array.
        meaning: One sentence, with the unit.
        low, high: Range of a number; both None for what has none.
    """

    name: str
    default: Any
    meaning: str
    low: float | None = None
    high: float | None = None


def parameters(interface: Ros2Interface) -> tuple[InterfaceParameter, ...]:
    """See `Ros2Interface.parameters`."""
    hints = typing.get_type_hints(Ros2Interface, include_extras=True)
    rows = []
    for field in dataclasses.fields(Ros2Interface):
        notes: list[Any] = []
        kind = hints[field.name]
        while typing.get_origin(kind) is Annotated:
            notes += typing.get_args(kind)[1:]
            kind = typing.get_args(kind)[0]
        value = getattr(interface, field.name)
        spread = next((note for note in notes if isinstance(note, Range)), None)
        text = next(note.text for note in notes if isinstance(note, Meaning))
        default = list(value) if isinstance(value, tuple) else value
        rows.append(
            InterfaceParameter(
                field.name, default, text, spread.low if spread else None, spread.high if spread else None
            )
        )
    return tuple(rows)


def load_interface(name_or_path: str | Path) -> Ros2Interface:
    """The interface of a robot: `configs/ros2/<name>.yaml`, or a YAML file of the user's.

    A robot without a file of its own has the defaults.

    Raises:
        ConfigError: A bad file.
    """
    text = str(name_or_path)
    if "/" not in text and not text.endswith((".yaml", ".yml")) and text not in config_names("ros2"):
        return Ros2Interface()
    return load(find_config(name_or_path, "ros2"), Ros2Interface)
