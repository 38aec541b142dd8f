"""What the arm's controller says of itself on `controller_state`: that it is active, and how well it follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.sensors import Meter, sensor_qos
from embodied_agent.robots.ros2.session import Session

SILENT = 1.0  # [s] without a word of a controller that spoke before: ros2_control ends it with the controller


@dataclass(frozen=True)
class ControllerReading:
    """The newest of what it said.

    Attributes:
        joint: The one that is farthest from its set point.
        error: How far [rad], positive.
        speed_scaling: Share of its speed at which it executes (a pendant's slider); None = it does not say.
    """

    joint: str
    error: float
    speed_scaling: float | None


class ControllerState:
    """Listens to the topic, which a controller has only while it is active. Few other programs publish it.

    Args:
        session: Node to live on.
        interface: Names.
    """

    def __init__(self, session: Session, interface: Ros2Interface) -> None:
        from control_msgs.msg import JointTrajectoryControllerState

        self._session = session
        self.meter = Meter()
        self.reading: ControllerReading | None = None
        self._heard_at = 0.0  # ROS time [s]
        self.topic = ""
        if name := interface.state_topic:
            self.topic = str(session.node.resolve_topic_name(name))
            self._subscription = session.node.create_subscription(
                JointTrajectoryControllerState, name, self._hear, sensor_qos(1),
                callback_group=MutuallyExclusiveCallbackGroup(),
            )  # fmt: skip

    @property
    def problem(self) -> str:
        """Why the controller will take no goal; "" where it speaks, or never did."""
        if self.reading is None:
            return ""
        # By the robot's clock: where that stands still, it is not the controller that is silent.
        silence = self._session.now() - self._heard_at
        if silence <= SILENT:
            return ""
        return f"nothing on {self.topic} for {silence:.1f} s: is the controller active?"

    def _hear(self, message: Any) -> None:
        names, errors = list(message.joint_names), np.abs(np.asarray(message.error.positions, dtype=np.float64))
        if not names or len(errors) != len(names) or not np.isfinite(errors).all():
            return
        worst = int(errors.argmax())
        scaling = getattr(message, "speed_scaling_factor", None)  # control_msgs from 5.3 on
        # 0 is also what a controller sends that knows of no scaling.
        told = float(scaling) if scaling and np.isfinite(scaling) else None
        self.reading = ControllerReading(names[worst], float(errors[worst]), told)
        self._heard_at = self._session.now()
        self.meter.note(messages.seconds(message.header.stamp))
