"""The arm's controller: where the servos aim at each tick, and what becomes of the goal.

One goal at a time. A newer one takes over, a cancel holds, a violated tolerance holds; after
the end the arm stays at the last point. Calls come from any thread; `targets` and `judge` come
once per tick.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from embodied_agent.robots.description import RobotDescription
from embodied_agent.ros.driver.goals import ABORTED, CANCELED, SUCCEEDED, Outcome, Running
from embodied_agent.ros.driver.splines import Spline
from embodied_agent.ros.driver.trajectory_goal import TrajectoryGoal
from embodied_agent.types import Array, RobotState

# As control_msgs/FollowJointTrajectory numbers them.
INVALID_GOAL, INVALID_JOINTS, OLD_HEADER_TIMESTAMP = -1, -2, -3
PATH_TOLERANCE_VIOLATED, GOAL_TOLERANCE_VIOLATED = -4, -5
LIMIT_SLACK = 1e-3  # [rad]
# [s] in which a stop lets the servos only damp, and holds wherever the arm has come to. Held at once where it was
# at the stop, it would first run past that point and then creep back, for twice as long as it takes to stand.
STOPPING = 0.1


@dataclass(frozen=True)
class Tracking:
    """Desired and measured joints at one tick, (n,) each [rad], [rad/s]."""

    stamp: float
    elapsed: float
    desired: Array
    desired_speed: Array
    actual: Array
    actual_speed: Array


@dataclass(eq=False)
class RunningTrajectory(Running):
    """A trajectory under way: it began at `began` [s, back end time] and follows `spline`."""

    goal: TrajectoryGoal | None = None
    spline: Spline | None = None
    began: float = 0.0
    tracking: Tracking | None = None


class TrajectoryController:
    """Follows trajectories of one arm.

    Args:
        description: Joints and limits.
        state: The newest reading.
    """

    def __init__(self, description: RobotDescription, state: RobotState) -> None:
        self._description = description
        self._lock = threading.Lock()
        self._active: RunningTrajectory | None = None
        self._state = state
        self._held = state.positions.copy()
        self._stopping_until = 0.0  # back end time [s]

    def start(self, goal: TrajectoryGoal, offset: float) -> RunningTrajectory:
        """Take up a goal; whatever ran before is preempted. Refusals are outcomes, too.

        Args:
            goal: What to follow.
            offset: ROS time minus back end time [s].
        """
        with self._lock:
            running, now = RunningTrajectory(goal=goal), self._state.stamp
            running.began = now if goal.start <= 0 else goal.start - offset
            if problem := self._problem(goal, running.began):
                running.end(problem)
                return running
            self._end(Outcome(ABORTED, INVALID_GOAL, "preempted: a newer goal took over"), hold=False)
            running.spline = self._spline(goal, running.began)
            self._active = running
            return running

    def cancel(self, running: RunningTrajectory) -> None:
        """End this goal and hold, if it still runs."""
        with self._lock:
            if self._active is running:
                self._end(Outcome(CANCELED, 0, "cancelled; the arm holds"))

    def drop(self, reason: str) -> None:
        """End whatever runs, as a controller that goes down does, and hold."""
        with self._lock:
            self._end(Outcome(ABORTED, INVALID_GOAL, reason))

    def reset(self, state: RobotState) -> None:
        """Begin anew where the arm is, after the world was replaced."""
        with self._lock:
            self._state = state
            self._end(Outcome(ABORTED, INVALID_GOAL, "the simulated scene was replaced"))

    def targets(self, now: float, tick: float, steps: int) -> Array:
        """Servo set points of the coming tick, (steps, n) [rad]."""
        with self._lock:
            if self._active is None or self._active.spline is None:
                return np.repeat(self._held[None], steps, axis=0)
            times: Array = now - self._active.began + np.linspace(tick / steps, tick, steps)
            return self._description.servo_target(*self._active.spline.sample(times))

    @property
    def tracking(self) -> Tracking:
        """Where the arm is to be and where it is, holding or under way."""
        with self._lock:
            running, state = self._active, self._state
            if running is not None and running.tracking is not None:
                return running.tracking
            held, still = self._held.copy(), np.zeros_like(self._held)
            return Tracking(state.stamp, 0.0, held, still, state.positions, state.velocities)

    def judge(self, state: RobotState) -> None:
        """Compare the reading after a tick with what it should be."""
        with self._lock:
            self._state = state
            running = self._active
            if running is None and state.stamp < self._stopping_until:
                self._held = state.positions.copy()
            if running is None or running.spline is None or running.goal is None:
                return
            elapsed = state.stamp - running.began
            positions, speeds = running.spline.sample(np.array([elapsed]))
            running.tracking = Tracking(
                state.stamp, elapsed, positions[0], speeds[0], state.positions, state.velocities
            )
            error = np.abs(positions[0] - state.positions)
            slip = np.abs(speeds[0] - state.velocities)
            over = elapsed - running.spline.end
            allowed = running.goal.tolerances
            if over < -1e-9:
                if text := self._violation(error, allowed.path, slip, allowed.path_speed):
                    where = f"{elapsed:.2f} of {running.spline.end:.2f} s into the path: {text}"
                    self._end(Outcome(ABORTED, PATH_TOLERANCE_VIOLATED, where))
                return
            text = self._violation(error, allowed.goal, slip, allowed.goal_speed)
            if not text:
                self._held = running.spline.positions[-1].copy()
                self._end(Outcome(SUCCEEDED), hold=False)
            elif over > allowed.goal_time:
                where = f"{over:.2f} s after the end of the path ({allowed.goal_time:g} s are allowed): {text}"
                self._end(Outcome(ABORTED, GOAL_TOLERANCE_VIOLATED, where))

    def _end(self, outcome: Outcome, hold: bool = True) -> None:
        if hold:
            self._held = self._state.positions.copy()
            self._stopping_until = self._state.stamp + STOPPING
        if self._active is not None:
            self._active.end(outcome)
            self._active = None

    def _spline(self, goal: TrajectoryGoal, began: float) -> Spline:
        """The path, led in from where the arm is if its first point lies in the future."""
        times, positions = goal.times, goal.positions
        velocities, accelerations = goal.velocities, goal.accelerations
        elapsed = self._state.stamp - began  # negative where it begins later
        if times[0] > elapsed + 1e-9:
            zero = np.zeros((1, positions.shape[1]))
            times = np.concatenate([[elapsed], times])
            positions = np.concatenate([self._state.positions[None], positions])
            velocities = None if velocities is None else np.concatenate([zero, velocities])
            accelerations = None if accelerations is None else np.concatenate([zero, accelerations])
        return Spline(times, positions, velocities, accelerations)

    def _problem(self, goal: TrajectoryGoal, began: float) -> Outcome | None:
        """Why the arm cannot follow this from where it is now."""
        names, description = self._description.joint_names, self._description
        beyond = np.maximum(description.lower - goal.positions, goal.positions - description.upper)
        point, joint = np.unravel_index(int(beyond.argmax()), beyond.shape)
        if beyond[point, joint] > LIMIT_SLACK:
            value, low, high = goal.positions[point, joint], description.lower[joint], description.upper[joint]
            text = f"point {point} takes '{names[joint]}' to {value:.3f} rad, outside {low:.3f} to {high:.3f}"
            return Outcome(ABORTED, INVALID_GOAL, text)
        late = self._state.stamp - began - goal.times[-1]
        if goal.start > 0 and late > 0:
            return Outcome(ABORTED, OLD_HEADER_TIMESTAMP, f"the trajectory ended {late:.2f} s before it arrived")
        elapsed = self._state.stamp - began
        if goal.times[0] <= elapsed + 1e-9:
            here, _ = Spline(goal.times, goal.positions, goal.velocities, goal.accelerations).sample(
                np.array([elapsed])
            )
            gap = np.abs(here[0] - self._state.positions)
            k = int(gap.argmax())
            if gap[k] > goal.tolerances.start:
                text = (
                    f"the trajectory starts {gap[k]:.3f} rad from where '{names[k]}' is; "
                    f"{goal.tolerances.start:g} rad are allowed"
                )
                return Outcome(ABORTED, INVALID_GOAL, text)
        return None

    def _violation(self, error: Array, allowed: Array, slip: Array, allowed_slip: Array) -> str:
        names = self._description.joint_names
        with np.errstate(invalid="ignore"):
            k, m = int((error - allowed).argmax()), int((slip - allowed_slip).argmax())
        if error[k] > allowed[k]:
            return f"'{names[k]}' is {error[k]:.3f} rad off; {allowed[k]:g} rad are allowed"
        if slip[m] > allowed_slip[m]:
            return f"'{names[m]}' is {slip[m]:.3f} rad/s off; {allowed_slip[m]:g} rad/s are allowed"
        return ""
