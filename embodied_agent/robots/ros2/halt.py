"""Stopping: from any thread and from signal handlers, with a cancel first and a hold where none is confirmed."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from embodied_agent.robots.ros2.controllers import ArmController, Controller
from embodied_agent.robots.ros2.goals import Goal
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.sensors import Sensors
from embodied_agent.robots.ros2.vigil import BREATH, Vigil

REMEMBERED = 200  # stops
JOIN = 2.0  # [s]


@dataclass(frozen=True)
class StopTime:
    """How one stop went, by the monotonic clock.

    Attributes:
        asked: Moment of the request [s].
        sent: From the request to the cancel's departure [s].
        confirmed: From the request to the controller's word that it cancels [s]; None = none came.
        ended: From the request to the controller's answer that the goal is over [s]; None = none came.
    """

    asked: float
    sent: float
    confirmed: float | None
    ended: float | None


class Halter:
    """Ends the goals of an arm and of what it has beside it: a hand, a base.

    `stop` only puts a note in a queue that is safe to use from a signal handler; a thread that
    does nothing else sends the cancels.
    """

    def __init__(
        self, arm: ArmController, others: Sequence[Controller], sensors: Sensors, interface: Ros2Interface
    ) -> None:
        self._arm, self._parts, self._sensors, self._interface = arm, (arm, *others), sensors, interface
        self.times: deque[StopTime] = deque(maxlen=REMEMBERED)
        self._notes: queue.SimpleQueue[tuple[float, tuple[Goal, ...]]] = queue.SimpleQueue()
        self._held: Goal | None = None  # the goal after which a hold was sent
        self._timed: Goal | None = None  # the goal whose end was noted last
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="ros2-halter", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel what runs now, soon; returns at once. A goal that is sent later is none of its business."""
        goals = tuple(goal for part in self._parts if (goal := part.goal) is not None)
        if goals and self._notes.qsize() < REMEMBERED:
            self._notes.put((time.monotonic(), goals))

    def halt(self, goal: Goal, vigil: Vigil) -> str:
        """Cancel a goal and wait until it is over; what to add to the reason, "" if it went well."""
        return self._end(goal, vigil.since, vigil)

    def close(self) -> None:
        """Cancel whatever runs, and end the thread."""
        self.stop()
        self._closed = True
        self._notes.put((time.monotonic(), ()))
        self._thread.join(JOIN + 2 * self._interface.cancel_timeout)

    def _work(self) -> None:
        while not self._closed or not self._notes.empty():
            asked, goals = self._notes.get()
            for goal in goals:
                goal.cancel()
            for goal in goals:
                self._end(goal, asked, None)

    def _end(self, goal: Goal, asked: float, vigil: Vigil | None) -> str:
        goal.abandoned = True
        deadline = self._sensors.deadline(self._interface.cancel_timeout)
        goal.cancel()
        while not goal.over and not deadline.over:
            if vigil is not None:
                vigil.look(take=not goal.cancelling)
            else:
                time.sleep(BREATH / 4)
            goal.cancel()
        with self._lock:
            self._note(goal, asked)
            if goal.over:
                return ""
            if self._held is goal:
                return f"; no confirmation within {self._interface.cancel_timeout:.2f} s, a hold was sent"
            self._held = goal
            state = self._sensors.newest()
            if (
                goal is not self._arm.goal
                or state is None
                or self._sensors.silence()
                or not self._arm.client.ready
            ):
                return f"; its end was not confirmed within {self._interface.cancel_timeout:.2f} s"
            self._arm.hold(state.positions)
            return f"; no confirmation within {self._interface.cancel_timeout:.2f} s, a hold was sent"

    def _note(self, goal: Goal, asked: float) -> None:
        """Remember how long it took, once for each goal, as whoever was first saw it."""
        if self._timed is goal:
            return
        self._timed = goal
        confirmed = max(0.0, goal.cancelling - asked) if goal.cancelling else None
        ended = max(0.0, goal.ended - asked) if goal.over else None
        self.times.append(StopTime(asked, max(0.0, goal.cancel_sent - asked), confirmed, ended))
