"""One command to simulated fingers: where they aim at each tick, and when they are done."""

from __future__ import annotations

import numpy as np

from embodied_agent.robots.description import GripperDescription
from embodied_agent.types import RobotState

FINGER_SPEED = 0.12  # [m/s] change of width; slamming fingers push things away
GRIP_TIME = 4.0  # [s] at most
ARRIVED = 0.002  # [m]
STILL = 1e-4  # [m] in one tick
PRESSING = 0.85  # share of the force that was asked for


class FingerMotion:
    """Fingers on their way to a width.

    Args:
        gripper: Its range is kept.
        width: Where to [m].
        force: Of each finger at most [N].
        state: The reading before it.

    Attributes:
        width, force: What is really asked for, within the gripper's range.
        aim: Where the fingers aim now [m].
        arrived: They stand where they were sent.
    """

    def __init__(self, gripper: GripperDescription, width: float, force: float, state: RobotState) -> None:
        self.width = float(np.clip(width, gripper.min_width, gripper.max_width))
        self.force = min(force, gripper.max_force)
        self.aim = self._started = self._before = state.gripper_width
        self.arrived = False
        self._began = state.stamp
        self._still = 0

    def advance(self, now: float, tick: float) -> float:
        """The width to aim at [m] in the tick that begins now [s]."""
        way = self.width - self._started
        travelled = (now - self._began + tick) * FINGER_SPEED
        self.aim = self._started + float(np.sign(way)) * min(travelled, abs(way))
        return self.aim

    def finished(self, state: RobotState) -> bool:
        """Whether they are done, with the reading after that tick.

        An empty hand has to arrive; a blocked one has to press with its full force.
        """
        still = abs(state.gripper_width - self._before) < STILL
        self._before = state.gripper_width
        self._still = self._still + 1 if still else 0
        self.arrived = abs(state.gripper_width - self.width) < ARRIVED
        pressing = state.gripper_force > PRESSING * self.force
        ramped = abs(self.aim - self.width) < 1e-9
        if self._still >= 8 and ((ramped and self.arrived) or pressing or self._still >= 60):
            return True
        return state.stamp - self._began >= GRIP_TIME - 1e-9
