"""What goes on during one command: every reading is looked at, and the first reason to stop counts."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from embodied_agent.robots.backend import Watch
from embodied_agent.robots.ros2.sensors import CATCH_UP, Sensors
from embodied_agent.types import RobotState

BREATH = 0.02  # [s] that a wait for a reading lasts at most: a stop is seen that soon without readings, too
JUDGED = 3  # newest of the readings that came at once: after a pause, what counts is how the arm is now
HELD_UP = 0.1  # [s] between two breaths: this process was not given time, and says nothing about the robot
STOPPED = "stopped by request"


class Vigil:
    """Watches one command.

    Args:
        sensors: Where readings come from.
        state: The reading that the command started from.
        watch: Judges every reading.
        stopped: Whether somebody called stop() since the command began.

    Attributes:
        state: The newest reading.
        reason: Why to stop: a sentence, or "".
        since: When the reason was found, by the monotonic clock [s].
        peak_force: Largest external force so far [N].
        held_up: Longest time for which nothing was watched because this process was not given time [s].
    """

    def __init__(self, sensors: Sensors, state: RobotState, watch: Watch, stopped: Callable[[], bool]) -> None:
        self._sensors, self._watch, self._stopped = sensors, watch, stopped
        self._count = sensors.count
        self.state = state
        self.reason = ""
        self.since = 0.0
        self.peak_force = 0.0
        self.readings = 0
        self.held_up = 0.0
        self._breathed = time.monotonic()
        self._patient_until = 0.0  # what came meanwhile is being read

    def breathe(self, *, watching: bool = True) -> bool:
        """Wait for readings and judge them; True while nothing is wrong.

        Args:
            watching: Ask the watch; else only look whether the arm is still felt, and stop() was not called.
        """
        if self._stopped():
            return self._end(STOPPED)
        self._count, readings = self._sensors.after(self._count, BREATH)
        for place, state in enumerate(readings):
            self._note(state)
            if self._stopped():
                return self._end(STOPPED)
            if watching and place >= len(readings) - JUDGED:
                self.readings += 1
                reason = self._watch(state)
                if reason or self._stopped():
                    return self._end(reason or STOPPED)
        self._note_pause()
        silence = self._sensors.silence()  # of any sensor: joints may speak while the force sensor is dead
        return self._end(silence) if silence and time.monotonic() > self._patient_until else True

    def look(self, *, take: bool) -> None:
        """Wait for readings without judging them; `take` makes the newest the state of the motion's end."""
        self._count, readings = self._sensors.after(self._count, BREATH)
        for state in readings if take else ():
            self._note(state)

    def give_up(self, reason: str) -> bool:
        """Stop for a reason that no reading shows."""
        return self._end(reason)

    def _note_pause(self) -> None:
        now = time.monotonic()
        pause, self._breathed = now - self._breathed - BREATH, now
        if pause > HELD_UP:
            self.held_up = max(self.held_up, pause)
            self._patient_until = now + CATCH_UP

    def _note(self, state: RobotState) -> None:
        self.state = state
        self.peak_force = max(self.peak_force, float(np.linalg.norm(state.external_force)))

    def _end(self, reason: str) -> bool:
        if not self.reason:
            self.reason, self.since = reason, time.monotonic()
        return False
