"""What the rest of the project knows about a robot: one YAML file, no code.

Frames: the base link stands at the world origin on the table plane (x forward, y left, z up).
The tool frame lies between the finger pads at grasp depth: z approaches, y closes.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np

from embodied_agent.config import Range, find_config, load
from embodied_agent.errors import ConfigError, MissingDependency, RobotError
from embodied_agent.robots.hand import PadDescription, ToolDescription, Vector, WristCamera
from embodied_agent.types import Array

Positive = Annotated[float, Range(1e-9, 1e9)]
SLOWEST = 0.01  # least share of its speed limits that a robot is slowed to


@dataclass(frozen=True)
class JointDescription:
    """One arm joint.

    Attributes:
        name: As in the model file.
        low, high: Position limits [rad].
        velocity, acceleration, jerk: Limits [rad/s], [rad/s^2], [rad/s^3].
        effort: Torque limit [N m].
        stiffness, damping: Gains of the simulated position servo [N m/rad], [N m s/rad].
    """

    name: str
    low: float
    high: float
    velocity: Positive
    acceleration: Positive
    jerk: Positive
    effort: Positive
    stiffness: Positive
    damping: Positive

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"joint '{self.name}': low {self.low:g} is not below high {self.high:g}")


@dataclass(frozen=True)
class GripperDescription:
    """A parallel-jaw gripper, driven by one actuator whatever linkage is inside.

    Attributes:
        joints: Driven joints; the actuator moves their mean, the model file's `mimic` the rest.
        widths: (joint position [m] or [rad], width between the pads [m]), from closed to open.
        max_force: Largest force with which each pad can press [N].
        stiffness, damping: Gains of the simulated servo, per unit of joint position.
        pads: The two gripping faces, left (+y) first.
        tip_depth: How far the finger tips reach beyond the tool origin along z, at most [m].
        palm_depth: Distance from the palm to the tool origin along z [m].
        finger_thickness: Extent of one finger along the closing direction, outside the pad [m].
        finger_breadth: Extent of a finger along tool x [m].
    """

    joints: tuple[str, ...]
    widths: tuple[tuple[float, float], ...]
    max_force: Positive
    stiffness: Positive
    damping: Positive
    pads: tuple[PadDescription, PadDescription]
    tip_depth: Annotated[float, Range(0.0, 0.1)]
    palm_depth: Annotated[float, Range(0.0, 0.3)]
    finger_thickness: Positive
    finger_breadth: Positive

    def __post_init__(self) -> None:
        if not self.joints:
            raise ValueError("joints: at least one driven joint is needed")
        if len(self.widths) < 2:
            raise ValueError("widths: at least two [position, width] pairs are needed")
        widths = [width for _, width in self.widths]
        if any(b <= a for a, b in itertools.pairwise(widths)) or widths[0] < 0:
            raise ValueError("widths: widths must increase from closed (at least 0) to open")
        steps = np.diff([position for position, _ in self.widths])
        if not (np.all(steps > 0) or np.all(steps < 0)):
            raise ValueError("widths: positions must all increase or all decrease")

    @property
    def max_width(self) -> float:
        """Opening at the open end [m]."""
        return self.widths[-1][1]

    @property
    def min_width(self) -> float:
        """Opening at the closed end [m]; about 0."""
        return self.widths[0][1]

    @property
    def closed(self) -> float:
        """Driven joint position when closed [m] or [rad]."""
        return self.widths[0][0]

    @property
    def open(self) -> float:
        """Driven joint position when open [m] or [rad]."""
        return self.widths[-1][0]

    def width_at(self, position: float) -> float:
        """Width between the pads [m] at a driven joint position; clipped to the table."""
        table = np.array(sorted(self.widths))
        return float(np.interp(position, table[:, 0], table[:, 1]))

    def position_at(self, width: float) -> float:
        """Driven joint position for a width [m]; clipped to what the gripper reaches."""
        table = np.array(self.widths)
        return float(np.interp(width, table[:, 1], table[:, 0]))

    def width_slope(self, position: float) -> float:
        """|d width / d position| there, [m/m] or [m/rad]."""
        table = np.array(sorted(self.widths))
        index = int(np.clip(np.searchsorted(table[:, 0], position) - 1, 0, len(table) - 2))
        rise, run = table[index + 1, 1] - table[index, 1], table[index + 1, 0] - table[index, 0]
        return abs(float(rise / run))

    def actuator_force(self, pad_force: float, width: float) -> float:
        """Actuator force or torque that presses each pad with `pad_force` [N] at `width` [m].

        By virtual work: both pads move half of the change of width.
        """
        return pad_force * self.width_slope(self.position_at(width))

    def pad_force(self, actuator_force: float, width: float) -> float:
        """Force of each pad [N] that an actuator force or torque makes at `width` [m]."""
        return abs(actuator_force) / self.width_slope(self.position_at(width))


@dataclass(frozen=True)
class SafetyLimits:
    """What the supervisor enforces; see control/safety.py.

    Attributes:
        low, high: Corners of the box in the world that the tool must stay in [m].
        max_force: External force at the tool that always stops and latches [N].
        motion_force: External force that ends a free motion [N].
        tracking_error: Largest joint error while following [rad].
        stale_after: Age of the sensor reading that stops the arm [s].
        tool_speed: Largest speed of the tool [m/s].
    """

    low: Vector
    high: Vector
    max_force: Positive = 80.0
    motion_force: Positive = 40.0
    tracking_error: Positive = 0.15
    stale_after: Positive = 0.2
    tool_speed: Positive = 1.5

    def __post_init__(self) -> None:
        if not all(a < b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError("low must be below high on every axis")
        if self.motion_force > self.max_force:
            raise ValueError("motion_force must not exceed max_force")


@dataclass(frozen=True)
class RobotDescription:
    """One robot: model, joints, gripper, frames, camera and limits.

    Attributes:
        name: What `--robot` calls it.
        model: "package:path/in/package.urdf", or a path relative to the YAML file.
        license: Of the model file, for the report.
        base_link: Link that stands at the world origin.
        joints: Arm joints from base to tool.
        home: Joint positions of the pose that leaves the table in view [rad].
        tool, gripper, camera, safety: See their classes.
        no_collision: Pairs of links whose contact means nothing (neighbours need not be named).
        solid_slices: Link -> number of convex slices its collision mesh is cut into.
    """

    name: str
    model: str
    base_link: str
    joints: tuple[JointDescription, ...]
    home: tuple[float, ...]
    tool: ToolDescription
    gripper: GripperDescription
    camera: WristCamera
    safety: SafetyLimits
    license: str = ""
    no_collision: tuple[tuple[str, str], ...] = ()
    solid_slices: dict[str, int] | None = None

    def __post_init__(self) -> None:
        if not self.joints:
            raise ValueError("joints: at least one is needed")
        if len(self.home) != len(self.joints):
            raise ValueError(f"home: {len(self.home)} values for {len(self.joints)} joints")
        for joint, value in zip(self.joints, self.home, strict=True):
            if not joint.low <= value <= joint.high:
                raise ValueError(f"home: {value:g} is outside the limits of '{joint.name}'")
        names = [joint.name for joint in self.joints] + list(self.gripper.joints)
        if len(set(names)) != len(names):
            raise ValueError("joints: a joint is named twice")

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        """Arm joints from base to tool."""
        return tuple(joint.name for joint in self.joints)

    @cached_property
    def lower(self) -> Array:
        """Lower position limits [rad], (n,)."""
        return np.array([joint.low for joint in self.joints])

    @cached_property
    def upper(self) -> Array:
        """Upper position limits [rad], (n,)."""
        return np.array([joint.high for joint in self.joints])

    @cached_property
    def velocity_limits(self) -> Array:
        """[rad/s], (n,)."""
        return np.array([joint.velocity for joint in self.joints])

    @cached_property
    def acceleration_limits(self) -> Array:
        """[rad/s^2], (n,)."""
        return np.array([joint.acceleration for joint in self.joints])

    @cached_property
    def jerk_limits(self) -> Array:
        """[rad/s^3], (n,)."""
        return np.array([joint.jerk for joint in self.joints])

    @cached_property
    def effort_limits(self) -> Array:
        """[N m], (n,)."""
        return np.array([joint.effort for joint in self.joints])

    @cached_property
    def home_positions(self) -> Array:
        """Joint positions of the home pose [rad], (n,)."""
        return np.array(self.home)

    def slowed(self, scale: float) -> RobotDescription:
        """The same robot with time running `scale` times as fast, in (0, 1].

        Velocities go with the scale, accelerations with its square, jerks with its cube; so the
        same path takes 1 / scale of its time, and keeps these limits if it kept the full ones.
        """
        if scale == 1.0:
            return self
        joints = tuple(
            replace(
                joint,
                velocity=joint.velocity * scale,
                acceleration=joint.acceleration * scale**2,
                jerk=joint.jerk * scale**3,
            )
            for joint in self.joints
        )
        safety = replace(self.safety, tool_speed=self.safety.tool_speed * scale)
        return replace(self, joints=joints, safety=safety)

    def servo_target(self, positions: Array, velocities: Array) -> Array:
        """Set point for the simulated servos that adds the velocity they would lag behind by.

        A servo pulls with stiffness (target - q) - damping dq; with this target that becomes
        stiffness (positions - q) + damping (velocities - dq).
        """
        ratio = np.array([joint.damping / joint.stiffness for joint in self.joints])
        target: Array = np.asarray(positions) + ratio * np.asarray(velocities)
        return target

    @property
    def camera_fy(self) -> float:
        """Focal length of the wrist camera [px]."""
        return self.camera.height / 2.0 / math.tan(self.camera.fov / 2.0)


def load_robot(name_or_path: str | Path) -> RobotDescription:
    """The description of a robot from `configs/robots/`, or from a YAML file of the user's.

    Raises:
        ConfigError: Unknown name (the nearest known one is named), or a bad file.
    """
    path = find_config(name_or_path, "robots")
    description = load(path, RobotDescription)
    if ":" not in description.model and not Path(description.model).is_absolute():
        # A user's own model lies beside the YAML file that describes it.
        object.__setattr__(description, "model", str((path.parent / description.model).resolve()))
    return description


def model_path(description: RobotDescription) -> Path:
    """The model file on this machine, found without importing the package it ships in.

    Raises:
        MissingDependency: The package is not installed.
        RobotError: The package or folder has no such file.
    """
    package, colon, inside = description.model.rpartition(":")
    if not colon:
        path = Path(description.model)
    else:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
        folders = list(spec.submodule_search_locations or ()) if spec is not None else []
        if not folders:
            raise MissingDependency(
                f"robot '{description.name}' needs the package '{package}': pip install 'embodied-agent[mujoco]'"
            )
        path = Path(folders[0]) / inside
        if not path.resolve().is_relative_to(Path(folders[0]).resolve()):
            raise ConfigError(f"robot '{description.name}': model '{description.model}' leaves its package")
    if not path.is_file():
        raise RobotError(f"robot '{description.name}': no model file {path}")
    return path
