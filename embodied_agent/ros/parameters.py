"""The node's own parameters: name, default, range and meaning in one table; read once, when it is configured."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from embodied_agent import consent
from embodied_agent.errors import ConfigError
from embodied_agent.robots.description import SLOWEST, load_robot
from embodied_agent.robots.ros2.interface import Ros2Interface, load_interface

AUDIT_NAME = "embodied_agent_audit.jsonl"


@dataclass(frozen=True)
class Settings:
    """What the node was told, as plain values; see `ROWS` for each."""

    robot: str
    interface: str
    planner: str
    planner_url: str
    model: str
    grounder_url: str
    plan_timeout: float
    model_check_period: float
    model_check_timeout: float
    consent: str
    consent_timeout: float
    time_limit: float
    plans: int
    steps: int
    seed: int
    ready_timeout: float
    stop_within: float
    speed_scale: float
    audit_log: str
    audit_size: float
    audit_keep: int
    autostart: bool
    autostart_period: float

    def __post_init__(self) -> None:
        if not self.robot.strip():
            raise ConfigError("parameter 'robot' is empty; give a name in configs/robots or a YAML file")
        if not self.planner_url.strip():
            raise ConfigError(
                "parameter 'planner_url' is empty; give the server's address, as http://host:8000/v1"
            )
        if self.consent not in consent.KINDS:
            raise ConfigError(f"parameter 'consent' is {self.consent!r}; it is none, task or unit")
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"parameter '{item.name}' is {value}; a finite number is needed")

    @property
    def audit_path(self) -> Path:
        """The file of the audit log."""
        return Path(self.audit_log).expanduser() if self.audit_log else _log_folder() / AUDIT_NAME


@dataclass(frozen=True)
class Row:
    """One parameter.

    Attributes:
        name, default: As ROS tools show them; the default's type is the parameter's.
        meaning: One sentence, with the unit.
        low, high: Range of a number; both None for what has none.
        fixed: It is read at the start alone: other parameters' defaults follow from it.
        choices: The only texts that it may be; () = any.
    """

    name: str
    default: Any
    meaning: str
    low: float | None = None
    high: float | None = None
    fixed: bool = False
    choices: tuple[str, ...] = ()

    def descriptor(self) -> Any:
        """The rcl_interfaces/ParameterDescriptor."""
        described = ParameterDescriptor(name=self.name, description=self.meaning, read_only=self.fixed)
        described.additional_constraints = f"one of: {', '.join(self.choices)}" if self.choices else ""
        if self.low is None or self.high is None:
            return described
        if isinstance(self.default, int):
            described.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)]
        else:
            spread = FloatingPointRange(from_value=float(self.low), to_value=float(self.high), step=0.0)
            described.floating_point_range = [spread]
        return described


ROWS = (
    Row("robot", "panda", "Robot: a name in configs/robots, or a YAML file", fixed=True),
    Row("interface", "", "Topics and actions: a name in configs/ros2, or a YAML file; empty = robot", fixed=True),
    Row("planner", "openai", "Planner over HTTP: a name in configs/planners, or a YAML file of planner openai"),
    Row("planner_url", "http://127.0.0.1:8000/v1", "Address of the model's OpenAI-compatible server"),
    Row("model", "", "Model that the server is asked for; empty takes the only one that it lists"),
    Row("grounder_url", "", "Server that names what the cameras see (embodied-agent serve); empty = planner_url"),
    Row("plan_timeout", 120.0, "Longest wait for one answer of a server [s]", 0.1, 3600.0),
    Row("model_check_period", 2.0, "Time between two questions whether the servers are there [s]", 0.2, 60.0),
    Row("model_check_timeout", 2.0, "Longest wait for the answer to that question [s]", 0.1, 30.0),
    Row(
        "consent",
        consent.TASK,
        "What a person must agree to on ~/confirm before it moves anything: task (each program) or unit (each "
        "unit of it), and mode RUN is refused; none: mode RUN asks nobody, mode CONFIRM as with task",
        choices=consent.KINDS,
    ),
    Row("consent_timeout", 120.0, "Longest wait for a person's answer on ~/confirm [s]", 1.0, 3600.0),
    Row("time_limit", 300.0, "Longest time for one goal [s]; a goal may ask for less", 1.0, 3600.0),
    Row("plans", 3, "Programs asked of the planner for one goal, the first included", 1, 10),
    Row("steps", 2000, "Statements that one program may run", 1, 20000),
    Row("seed", 0, "Of every random choice in planning motions", 0, 2**31 - 1),
    Row("ready_timeout", 10.0, "Longest wait for joints, cameras and transforms when configured [s]", 0.1, 300.0),
    Row("stop_within", 0.1, "Time from a cancel or stop to a resting arm that is allowed [s]", 0.01, 5.0),
    Row(
        "speed_scale",
        1.0,
        "Share of every speed limit of the arm that is used; may change between goals",
        SLOWEST,
        1.0,
    ),
    Row("audit_log", "", "File of the audit log; empty = embodied_agent_audit.jsonl in ROS's log folder"),
    Row("audit_size", 20.0, "Size at which the audit log begins a new file [MB]", 0.01, 1000.0),
    Row("audit_keep", 5, "Older files of the audit log that are kept", 1, 100),
    Row("autostart", False, "Configure and activate without a lifecycle manager, again and again until it works"),
    Row("autostart_period", 3.0, "Time between two tries of autostart [s]", 0.5, 300.0),
)


def declare(node: Any) -> None:
    """Declare every row on a node, with its range; then the robot's interface, with its own defaults.

    Raises:
        ConfigError: A value from a file or the command line has the wrong type or is out of range.
    """
    for row in ROWS:
        _declare(node, row)
    for row in interface_rows(_loaded(node)):
        _declare(node, row)


def read(node: Any) -> Settings:
    """The values that the node has now.

    Raises:
        ConfigError: One of them cannot be used.
    """
    return Settings(**{row.name: node.get_parameter(row.name).value for row in ROWS})


def read_interface(node: Any) -> Ros2Interface:
    """Topics, actions and times of the robot, as the node has them now.

    Raises:
        ConfigError: One of them cannot be used.
    """
    loaded = _loaded(node)
    names = [row.name for row in interface_rows(loaded)]
    return loaded.with_values({name: node.get_parameter(name).value for name in names})


def interface_rows(interface: Ros2Interface) -> list[Row]:
    """The interface's own parameters."""
    return [Row(item.name, item.default, item.meaning, item.low, item.high) for item in interface.parameters()]


def _loaded(node: Any) -> Ros2Interface:
    name = node.get_parameter("interface").value
    if not name:
        try:
            name = load_robot(node.get_parameter("robot").value).name
        except ConfigError:  # said when the node is configured
            return Ros2Interface()
    return load_interface(name)


def _declare(node: Any, row: Row) -> None:
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

    try:
        node.declare_parameter(row.name, row.default, row.descriptor())
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        given = type(row.default).__name__
        spread = "" if row.low is None else f" between {row.low:g} and {row.high:g}"
        raise ConfigError(f"parameter '{row.name}' needs a {given}{spread} ({error})") from None


def defaults() -> Mapping[str, bool | int | float | str]:
    """Every parameter with its default."""
    return {row.name: row.default for row in ROWS}


def _log_folder() -> Path:
    """Where ROS keeps logs: as rcl_logging decides it."""
    if folder := os.environ.get("ROS_LOG_DIR"):
        return Path(folder).expanduser()
    return Path(os.environ.get("ROS_HOME") or "~/.ros").expanduser() / "log"
