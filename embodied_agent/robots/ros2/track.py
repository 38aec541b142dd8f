"""How far the arm is from the path that it follows."""

from __future__ import annotations

from typing import Any

import numpy as np

from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.ros2.controllers import ArmController
from embodied_agent.robots.trajectories import sample
from embodied_agent.types import JointTrajectory, RobotState

STIRRED = 0.005  # [rad] from the start: the arm moves, whether its controller answered or not


class Track:
    """Errors of one motion: as the controller tells them, else as measured."""

    def __init__(
        self, arm: ArmController, description: RobotDescription, trajectory: JointTrajectory, start: RobotState
    ) -> None:
        self.names = description.joint_names
        self._arm = arm
        self._trajectory, self._start = trajectory, start
        self._began: float | None = None
        self._seen: Any = None
        self.last = np.zeros(len(self.names))  # newest error, (n,) [rad]
        self.worst = 0.0

    def moved(self, state: RobotState) -> bool:
        """Whether the arm left its start."""
        return bool(np.abs(state.positions - self._start.positions).max() > STIRRED)

    def note(self, state: RobotState, feedback: Any) -> None:
        """Take one reading, and the newest feedback if there is any."""
        self._began = state.stamp if self._began is None else self._began
        told = self._arm.error_of(feedback)
        if told is None:
            wanted, _ = sample(self._trajectory, np.array([state.stamp - self._began]))
            self.last = wanted[0] - state.positions
        elif feedback is not self._seen:
            self._seen, self.last = feedback, told
        self.worst = max(self.worst, float(np.abs(self.last).max()))
