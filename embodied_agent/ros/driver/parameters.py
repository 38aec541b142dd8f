"""The driver's parameters: name, default, range and meaning in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from embodied_agent.errors import ConfigError

Value = bool | int | float | str


@dataclass(frozen=True)
class Row:
    """One parameter; `low` and `high` bound a number, `fixed` ones are read once, at the start."""

    name: str
    default: Value
    meaning: str
    low: float | None = None
    high: float | None = None
    fixed: bool = True


ROWS = (
    Row("robot", "panda", "Robot: a name in configs/robots, or a YAML file"),
    Row("scene", "tabletop", "'tabletop' draws one from the seed; or a name in configs/scenes, or a YAML file"),
    Row("seed", 0, "Draws the scene, and starts the sensors' noise", 0, 2**31 - 1),
    Row("depth_noise", False, "Depth as a real camera gives it"),
    Row("overhead_rate", 30.0, "Images of every fixed camera per second of simulated time", 0.1, 200.0),
    Row("wrist_rate", 15.0, "Images of the wrist camera per second of simulated time", 0.1, 200.0),
    Row("depth_encoding", "16UC1", "Depth images: 16UC1 in millimetres, or 32FC1 in metres"),
    Row("real_time_factor", 1.0, "Simulated time per time; 0 = as fast as it goes", 0.0, 1000.0, fixed=False),
    Row("publish_clock", True, "Publish /clock and stamp with it; false stamps with this machine's time"),
    Row("world_frame", "world", "Frame on the table plane that the robot's base stands in"),
    Row("trajectory_controller", "joint_trajectory_controller", "Name of the arm's controller"),
    Row("gripper_controller", "gripper_controller", "Name of the gripper's controller"),
    Row("gripper_action_type", "GripperCommand", "GripperCommand or ParallelGripperCommand"),
    Row("constraints.trajectory", 0.2, "Joint error that ends a motion [rad]; 0 = none", 0.0, 10.0),
    Row("constraints.goal", 0.05, "Joint error allowed at the end [rad]; 0 = any", 0.0, 10.0),
    Row("constraints.goal_time", 0.6, "Time allowed to come to rest at the end [s]; 0 = any", 0.0, 100.0),
    Row("constraints.stopped_velocity_tolerance", 0.02, "Joint speed that counts as rest [rad/s]", 0.0, 10.0),
    Row("constraints.start", 0.1, "Jump allowed at the start of a trajectory [rad]", 0.0, 10.0),
    Row("fault.camera_silent", False, "Exercise: no camera publishes", fixed=False),
    Row("fault.joint_states_silent", False, "Exercise: no joint states are published", fixed=False),
    Row("fault.tf_silent", False, "Exercise: no moving transforms are published", fixed=False),
    Row(
        "fault.controller_down", False, "Exercise: controllers refuse goals and drop the running one", fixed=False
    ),
)
FAULTS = tuple(row.name for row in ROWS if row.name.startswith("fault."))
CHOICES = {
    "depth_encoding": ("16UC1", "32FC1"),
    "gripper_action_type": ("GripperCommand", "ParallelGripperCommand"),
}


def declare(node: Any) -> dict[str, Value]:
    """Declare every row on a node, and return the values.

    Raises:
        ConfigError: A value has the wrong type, is out of range, or none of the choices.
    """
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

    values: dict[str, Value] = {}
    for row in ROWS:
        try:
            values[row.name] = node.declare_parameter(row.name, row.default, _descriptor(row)).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            spread = "" if row.low is None else f" between {row.low:g} and {row.high:g}"
            kind = {float: "number with a point", int: "whole number", bool: "truth value"}.get(
                type(row.default), "text"
            )
            raise ConfigError(f"parameter '{row.name}' needs a {kind}{spread} ({error})") from None
    for name, known in CHOICES.items():
        if values[name] not in known:
            raise ConfigError(f"parameter '{name}' is '{values[name]}'; it is one of {', '.join(known)}")
    return values


def _descriptor(row: Row) -> Any:
    found = ParameterDescriptor(name=row.name, description=row.meaning, read_only=row.fixed)
    if row.low is not None and row.high is not None:
        if isinstance(row.default, int):
            found.integer_range = [IntegerRange(from_value=int(row.low), to_value=int(row.high), step=1)]
        else:
            found.floating_point_range = [
                FloatingPointRange(from_value=float(row.low), to_value=float(row.high), step=0.0)
            ]
    return found
