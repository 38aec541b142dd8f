"""The gripper's controller: one command at a time, a newer one takes over, a cancel holds."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from embodied_agent.robots.description import GripperDescription
from embodied_agent.robots.fingers import FingerMotion
from embodied_agent.ros.driver.goals import ABORTED, CANCELED, SUCCEEDED, Outcome, Running
from embodied_agent.types import RobotState


@dataclass(eq=False)
class RunningGrip(Running):
    """A command to the fingers under way."""

    fingers: FingerMotion | None = None


class GripperController:
    """Moves the fingers of one gripper.

    Args:
        gripper: Its range, forces and widths.
        state: The newest reading.
    """

    def __init__(self, gripper: GripperDescription, state: RobotState) -> None:
        self.gripper = gripper
        self._lock = threading.Lock()
        self._active: RunningGrip | None = None
        self._force = gripper.max_force
        self._state = state
        self._width = state.gripper_width

    @property
    def state(self) -> RobotState:
        """The newest reading."""
        return self._state

    def start(self, position: float, effort: float) -> RunningGrip:
        """Go to a joint position with at most `effort` [N] per finger; 0 = the most it has."""
        with self._lock:
            self._end(Outcome(ABORTED, 0, "preempted: a newer goal took over"))
            force = effort if effort > 0 else self.gripper.max_force
            fingers = FingerMotion(self.gripper, self.gripper.width_at(position), force, self._state)
            self._active = RunningGrip(fingers=fingers)
            self._force = fingers.force
            return self._active

    def cancel(self, running: RunningGrip) -> None:
        """End this command and hold the fingers where they are, if it still runs."""
        with self._lock:
            if self._active is running:
                self._width = self._state.gripper_width
                self._end(Outcome(CANCELED, 0, "cancelled; the fingers hold"))

    def drop(self, reason: str) -> None:
        """End whatever runs, as a controller that goes down does."""
        with self._lock:
            self._width = self._state.gripper_width if self._active is not None else self._width
            self._end(Outcome(ABORTED, 0, reason))

    def reset(self, state: RobotState) -> None:
        """Begin anew with open fingers, after the world was replaced."""
        with self._lock:
            self._end(Outcome(ABORTED, 0, "the simulated scene was replaced"))
            self._state, self._width, self._force = state, state.gripper_width, self.gripper.max_force

    def targets(self, now: float, tick: float) -> tuple[float, float]:
        """Width to aim at [m] and force [N] in the coming tick."""
        with self._lock:
            if self._active is not None and self._active.fingers is not None:
                self._width = self._active.fingers.advance(now, tick)
            return self._width, self._force

    def judge(self, state: RobotState) -> None:
        """See how far the fingers came, with the reading after a tick."""
        with self._lock:
            self._state = state
            running = self._active
            if running is None or running.fingers is None or not running.fingers.finished(state):
                return
            self._end(Outcome(SUCCEEDED))

    def _end(self, outcome: Outcome) -> None:
        if self._active is not None:
            self._active.end(outcome)
            self._active = None
