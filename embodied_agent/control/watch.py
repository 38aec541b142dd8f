"""The rules of every control tick: what must never be, and what one motion must not do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.limits import outside_workspace
from embodied_agent.robots.description import RobotDescription
from embodied_agent.types import Array, JointTrajectory, RobotState

JOLTS = 0.25  # of a velocity limit, measured beyond what is allowed: sensors are noisy and contacts jolt
POSITION_SLACK = 0.03  # [rad] beyond a limit
WORKSPACE_SLACK = 0.03  # [m]
LASTING = 3  # readings in a row beyond a force limit that end a motion: one alone is a jolt or noise
JOLT = 2.0  # times the limit end it at once


def danger(description: RobotDescription, state: RobotState, now: float, speed_scale: float = 1.0) -> str:
    """Why a state is unsafe whatever is being done; "" if it is not.

    Args:
        description: The robot's limits.
        state: As measured.
        now: The back end's time [s].
        speed_scale: Share of the velocity limits that is allowed, (0, 1].
    """
    safety = description.safety
    readings = (state.positions, state.velocities, state.efforts, state.external_force)
    if any(not np.isfinite(values).all() for values in readings) or len(state.positions) != len(
        description.joints
    ):
        return "the joint sensors give no usable reading"
    age = now - state.stamp
    if age > safety.stale_after:
        return f"the newest reading is {age:.2f} s old; {safety.stale_after:.2f} s are allowed"
    beyond = np.maximum(description.lower - state.positions, state.positions - description.upper)
    k = int(np.argmax(beyond))
    if beyond[k] > POSITION_SLACK:
        return f"'{description.joint_names[k]}' is {beyond[k]:.3f} rad beyond its limit"
    ratio = np.abs(state.velocities) / description.velocity_limits
    k = int(np.argmax(ratio))
    if ratio[k] > speed_scale + JOLTS:  # noise and jolts do not shrink with the speed
        limit = speed_scale * description.velocity_limits[k]
        speed = abs(state.velocities[k])
        return f"'{description.joint_names[k]}' moves at {speed:.2f} rad/s; {limit:.2f} rad/s are allowed"
    force = float(np.linalg.norm(state.external_force))
    if force > safety.max_force:
        return f"{force:.0f} N act on the tool; {safety.max_force:.0f} N are allowed"
    return ""


class TickWatch:
    """Judges every tick of one command.

    Args:
        rules: What is asked at every tick of any command; a returned sentence stops the motion.

    Attributes:
        reason: Why the motion was ended; "" while it goes on.
        touched: The contact came that was waited for.
        ticks: Readings judged.
    """

    def __init__(self, rules: Callable[[RobotState], str]) -> None:
        self._rules = rules
        self.reason = ""
        self.touched = False
        self.ticks = 0

    def __call__(self, state: RobotState) -> str:
        self.ticks += 1
        if not self.reason:
            self.reason = self._rules(state) or self.judge(state)
        return self.reason

    def judge(self, state: RobotState) -> str:
        """What this command adds to the rules of every tick."""
        return ""


class FollowWatch(TickWatch):
    """Adds tracking, workspace and force to the rules of every tick.

    Args:
        rules: As for every watch.
        latch: Told why the arm must be held after this motion.
        kinematics: Of the arm.
        trajectory: What it follows.
        start: State when it begins.
        force_limit: Force at the tool that ends the motion, once it lasts [N].
        until_contact: Force beyond that at the start that is waited for [N], or None.
        readings: Receives the measured joints of every tick, (n,) each.

    Attributes:
        tracking_error: Largest joint error so far [rad].
        peak_force: Largest force so far, from that at the start where a contact is waited for [N].
    """

    def __init__(
        self,
        rules: Callable[[RobotState], str],
        latch: Callable[[str], None],
        kinematics: Kinematics,
        trajectory: JointTrajectory,
        start: RobotState,
        force_limit: float,
        until_contact: float | None,
        readings: list[Array] | None,
    ) -> None:
        super().__init__(rules)
        self._latch, self._kinematics = latch, kinematics
        self.trajectory = trajectory
        self.began: float | None = None
        self.resting_force = np.asarray(start.external_force) if until_contact is not None else np.zeros(3)
        self.force_limit = force_limit
        self.force_at_start = float(np.linalg.norm(np.asarray(start.external_force) - self.resting_force))
        self.until_contact = until_contact
        self.readings = readings
        self.tracking_error = 0.0
        self.peak_force = 0.0
        self.beyond = 0  # readings in a row beyond the force limit
        self.outside_at_start = self._outside(start)

    def judge(self, state: RobotState) -> str:
        if self.readings is not None:
            self.readings.append(np.array(state.positions))
        if self.began is None:
            self.began = state.stamp
        if problem := self._force_problem(state) or self._tracking_problem(state, state.stamp - self.began):
            return problem
        outside = self._outside(state)
        if outside > self.outside_at_start + WORKSPACE_SLACK:
            problem = f"the tool is {outside * 1000:.0f} mm outside its workspace"
            self._latch(problem)
            return problem
        return ""

    def _force_problem(self, state: RobotState) -> str:
        force = float(np.linalg.norm(np.asarray(state.external_force) - self.resting_force))
        self.peak_force = max(self.peak_force, force)
        if self.until_contact is not None and force >= self.until_contact:
            self.touched = True
            return f"contact with {force:.1f} N"
        # An arm that is pressed against something may back off, but not press harder.
        self.force_at_start = 0.0 if force <= self.force_limit else self.force_at_start
        allowed = max(self.force_limit, 1.1 * self.force_at_start)
        self.beyond = self.beyond + 1 if force > allowed else 0
        if self.beyond >= LASTING or force > JOLT * allowed:
            return f"the tool met {force:.1f} N; {allowed:.1f} N are allowed"
        return ""

    def _tracking_problem(self, state: RobotState, elapsed: float) -> str:
        description = self._kinematics.description
        lag = np.abs(self._expected(elapsed) - state.positions)
        k = int(np.argmax(lag))
        self.tracking_error = max(self.tracking_error, float(lag[k]))
        allowed = description.safety.tracking_error
        if lag[k] > allowed:
            return f"'{description.joint_names[k]}' lags {lag[k]:.3f} rad behind; {allowed:.3f} rad are allowed"
        return ""

    def _outside(self, state: RobotState) -> float:
        """How far the tool is outside its workspace [m]."""
        point = self._kinematics.tool_points(np.asarray(state.positions)[None])
        return float(outside_workspace(self._kinematics.description, point)[0])

    def _expected(self, elapsed: float) -> Array:
        """Commanded joints (n,) at a moment of the motion."""
        times, positions = self.trajectory.times, self.trajectory.positions
        k = int(np.clip(np.searchsorted(times, elapsed, "right") - 1, 0, len(times) - 2))
        share = np.clip((elapsed - times[k]) / (times[k + 1] - times[k]), 0.0, 1.0)
        expected: Array = positions[k] + share * (positions[k + 1] - positions[k])
        return expected
