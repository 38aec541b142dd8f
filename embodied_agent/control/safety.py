"""The supervisor: the only thing that stands between a command and an actuator.

It has the verbs of a back end. Each command is judged before it starts, watched at every
control tick, and written down. What can be tried again (a refused trajectory, a blocked
arm, a contact) comes back as a `Motion` that says why; an unsafe state stops the arm and
latches, and only `reset` ends that.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, TextIO

import numpy as np

from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.limits import grip_problem, outside_workspace, trajectory_problem
from embodied_agent.errors import CameraError, SafetyStop
from embodied_agent.robots.backend import Backend, Watch
from embodied_agent.robots.description import RobotDescription
from embodied_agent.types import Array, Frame, JointTrajectory, Motion, RobotState

VELOCITY_SLACK = 1.25  # measured against allowed: sensors are noisy and contacts jolt
POSITION_SLACK = 0.03  # [rad] beyond a limit
WORKSPACE_SLACK = 0.03  # [m]
LASTING = 3  # readings in a row beyond a force limit that end a motion: one alone is a jolt or noise
JOLT = 2.0  # times the limit end it at once
IMAGE_AGE = 1.0  # [s]
MAX_WAIT = 600.0  # [s]
MAX_RECORDS = 20_000

CANCELLED = "cancelled"
EXPIRED = "the time for this command ran out"


@dataclass(frozen=True)
class Decision:
    """One line of the audit.

    Attributes:
        stamp: Back end time [s].
        wall: Wall clock, seconds since 1970.
        verb: "follow", "grip", "wait", "stop", "reset" or "capture".
        decision: "allowed", "refused", "stopped", "latched", "done" or "reset".
        reason: With numbers; "" where there is none to give.
        numbers: What was asked for or measured, JSON-ready.
    """

    stamp: float
    wall: float
    verb: str
    decision: str
    reason: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "stamp": round(self.stamp, 4),
            "wall": round(self.wall, 3),
            "verb": self.verb,
            "decision": self.decision,
            "reason": self.reason,
            "numbers": dict(self.numbers),
        }


class Supervisor:
    """Guards one back end.

    Args:
        backend: The robot.
        description: Its limits; the back end's own by default.
        cancelled: Asked at every tick; true stops the motion.
        expired: As `cancelled`, for a deadline.
        log: Receives each decision as one line of JSON.
        following: Told of every trajectory that was allowed, just before it starts.
    """

    def __init__(
        self,
        backend: Backend,
        description: RobotDescription | None = None,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        expired: Callable[[], bool] = lambda: False,
        log: TextIO | None = None,
        following: Callable[[JointTrajectory], None] = lambda trajectory: None,
    ) -> None:
        self.following = following
        self._backend = backend
        self.description = description if description is not None else backend.description
        self.audit: list[Decision] = []
        self._cancelled = cancelled
        self._expired = expired
        self._log = log
        self._latched = ""
        self._lock = threading.Lock()
        self._kinematics = Kinematics(self.description)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names that `capture` accepts."""
        return self._backend.cameras

    @property
    def latched(self) -> str:
        """Why the arm is held until a reset; "" if it is not."""
        return self._latched

    def now(self) -> float:
        """Time of the robot's clock [s]."""
        return self._backend.now()

    def state(self) -> RobotState:
        """The newest reading of the robot's sensors."""
        return self._backend.state()

    def capture(self, camera: str) -> Frame:
        """One RGB-D reading.

        Raises:
            CameraError: As the back end; or the image is too old to act upon.
        """
        frame = self._backend.capture(camera)
        age = self._backend.now() - frame.stamp
        if not -IMAGE_AGE < age < IMAGE_AGE:
            reason = f"the image of camera '{camera}' is {age:.1f} s old; {IMAGE_AGE:.1f} s are allowed"
            self._record("capture", "refused", reason)
            raise CameraError(reason)
        return frame

    def follow(
        self,
        trajectory: JointTrajectory,
        *,
        max_force: float | None = None,
        until_contact: float | None = None,
        readings: list[Array] | None = None,
    ) -> Motion:
        """Track a trajectory if it is safe, watching every tick.

        Args:
            trajectory: From where the arm is, to rest.
            max_force: Force at the tool that ends the motion as a failure [N], once it lasts;
                the robot's own limit for free motion by default.
            until_contact: Force at the tool, beyond that at the start, that ends the motion as
                a success [N].
            readings: Receives the measured joints of every tick, (n,) each.

        Returns:
            What happened. `completed` is true at the end of the trajectory or at the contact
            that was waited for; `peak_force` then counts from the force at the start.

        Raises:
            SafetyStop: The arm is latched, or became unsafe in this motion.
        """
        self._refuse_if_latched("follow")
        state = self._fresh_state("follow")
        safety = self.description.safety
        limit = safety.motion_force if max_force is None else min(max_force, safety.max_force)
        problem = trajectory_problem(self._kinematics, trajectory, state.positions)
        if until_contact is not None and not 0 < until_contact < safety.max_force:
            problem = f"a contact of {until_contact} N is outside 0 to {safety.max_force:.0f} N"
        if max_force is not None and not max_force > 0:
            problem = f"a force limit of {max_force} N is not positive"
        if problem := problem or self._ended():
            return self._refused("follow", problem, state)
        asked = {"duration": round(trajectory.duration, 3), "force_limit": limit}
        if until_contact is not None:
            asked["until_contact"] = until_contact
        self._record("follow", "allowed", numbers=asked)
        self.following(trajectory)
        watch = _FollowWatch(self, trajectory, state, limit, until_contact, readings)
        motion = self._run("follow", lambda tick: self._backend.follow(trajectory, tick), watch)
        motion = replace(
            motion,
            tracking_error=max(motion.tracking_error, watch.tracking_error),
            peak_force=watch.peak_force if watch.ticks else motion.peak_force,
        )
        if watch.touched:
            motion = replace(motion, completed=True, reason="")
        return self._finish("follow", motion)

    def grip(self, width: float, force: float) -> Motion:
        """Move the fingers; see `Backend.grip`.

        Raises:
            SafetyStop: The arm is latched, or became unsafe meanwhile.
        """
        self._refuse_if_latched("grip")
        state = self._fresh_state("grip")
        if problem := grip_problem(self.description, width, force) or self._ended():
            return self._refused("grip", problem, state)
        width = float(np.clip(width, 0.0, self.description.gripper.max_width))
        self._record("grip", "allowed", numbers={"width": round(width, 4), "force": round(force, 2)})
        motion = self._run("grip", lambda tick: self._backend.grip(width, force, tick), _Watch(self))
        return self._finish("grip", motion)

    def wait(self, seconds: float) -> Motion:
        """Hold still; see `Backend.wait`.

        Raises:
            SafetyStop: The arm is latched, or became unsafe meanwhile.
        """
        self._refuse_if_latched("wait")
        state = self._fresh_state("wait")
        if not 0 <= seconds <= MAX_WAIT:
            return self._refused("wait", f"{seconds} s is outside 0 to {MAX_WAIT:.0f} s", state)
        if problem := self._ended():
            return self._refused("wait", problem, state)
        self._record("wait", "allowed", numbers={"seconds": seconds})
        motion = self._run("wait", lambda tick: self._backend.wait(seconds, tick), _Watch(self))
        return self._finish("wait", motion)

    def stop(self, reason: str = "") -> None:
        """Halt at once. With a reason, also latch: an emergency stop, allowed from any thread."""
        if reason:
            self._latch(reason)
        self._backend.stop()
        self._record("stop", "latched" if reason else "stopped", reason)

    def reset(self) -> None:
        """End a latched stop, by a person's decision.

        Raises:
            SafetyStop: The state is still unsafe.
        """
        if problem := self._danger(self._backend.state()):
            self._record("reset", "refused", problem)
            raise SafetyStop(f"no reset while {problem}")
        with self._lock:
            self._latched = ""
        self._record("reset", "reset")

    def close(self) -> None:
        """Stop and release the back end."""
        self._backend.stop()
        self._backend.close()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, verb: str, command: Callable[[Watch], Motion], watch: _Watch) -> Motion:
        try:
            motion = command(watch)
        except BaseException as error:
            # Ctrl-C and broken drivers included: whatever ends the command, the arm holds.
            self._backend.stop()
            self._record(verb, "stopped", f"{type(error).__name__}: {error}")
            raise
        if watch.reason and not watch.touched:
            # Also where a back end forgot to heed its watch.
            motion = replace(motion, completed=False, reason=watch.reason)
        if not motion.completed or watch.touched:
            self._backend.stop()
        if self._latched:
            self._record(verb, "latched", self._latched)
            raise SafetyStop(f"stopped and held: {self._latched}; reset after looking at the robot")
        return motion

    def _finish(self, verb: str, motion: Motion) -> Motion:
        measured = {
            "duration": round(motion.duration, 3),
            "tracking_error": round(motion.tracking_error, 4),
            "peak_force": round(motion.peak_force, 2),
        }
        self._record(verb, "done" if motion.completed else "stopped", motion.reason, measured)
        return motion

    def _refused(self, verb: str, problem: str, state: RobotState) -> Motion:
        reason = f"refused: {problem}"
        self._record(verb, "refused", problem)
        return Motion(completed=False, reason=reason, state=state, duration=0.0)

    def _refuse_if_latched(self, verb: str) -> None:
        if self._latched:
            self._record(verb, "refused", f"latched: {self._latched}")
            raise SafetyStop(f"held since: {self._latched}; reset after looking at the robot")

    def _fresh_state(self, verb: str) -> RobotState:
        """The state a command starts from; an unsafe one latches."""
        state = self._backend.state()
        if problem := self._danger(state):
            self._latch(problem)
            self._backend.stop()
            self._record(verb, "latched", problem)
            raise SafetyStop(f"stopped and held: {problem}; reset after looking at the robot")
        return state

    def _latch(self, reason: str) -> None:
        with self._lock:
            self._latched = self._latched or reason

    def _danger(self, state: RobotState) -> str:
        """Why the state is unsafe whatever is being done; "" if it is not."""
        description, safety = self.description, self.description.safety
        readings = (state.positions, state.velocities, state.efforts, state.external_force)
        if any(not np.isfinite(values).all() for values in readings) or len(state.positions) != len(
            description.joints
        ):
            return "the joint sensors give no usable reading"
        age = self._backend.now() - state.stamp
        if age > safety.stale_after:
            return f"the newest reading is {age:.2f} s old; {safety.stale_after:.2f} s are allowed"
        beyond = np.maximum(description.lower - state.positions, state.positions - description.upper)
        k = int(np.argmax(beyond))
        if beyond[k] > POSITION_SLACK:
            return f"'{description.joint_names[k]}' is {beyond[k]:.3f} rad beyond its limit"
        ratio = np.abs(state.velocities) / description.velocity_limits
        k = int(np.argmax(ratio))
        if ratio[k] > VELOCITY_SLACK:
            limit = description.velocity_limits[k]
            speed = abs(state.velocities[k])
            return f"'{description.joint_names[k]}' moves at {speed:.2f} rad/s; {limit:.2f} rad/s are allowed"
        force = float(np.linalg.norm(state.external_force))
        if force > safety.max_force:
            return f"{force:.0f} N act on the tool; {safety.max_force:.0f} N are allowed"
        return ""

    def _tick(self, state: RobotState) -> str:
        """What every watch asks; a returned sentence stops the motion."""
        if self._latched:
            return self._latched
        if problem := self._danger(state):
            self._latch(problem)
            return problem
        return self._ended()

    def _ended(self) -> str:
        """Why nothing may move any more though nothing is wrong; "" if it may."""
        if self._cancelled():
            return CANCELLED
        return EXPIRED if self._expired() else ""

    def _record(
        self, verb: str, decision: str, reason: str = "", numbers: Mapping[str, Any] | None = None
    ) -> None:
        entry = Decision(self._backend.now(), time.time(), verb, decision, reason, dict(numbers or {}))
        self.audit.append(entry)
        if len(self.audit) > MAX_RECORDS:
            del self.audit[: MAX_RECORDS // 10]
        if self._log is not None:
            self._log.write(json.dumps(entry.as_json()) + "\n")
            self._log.flush()


class _Watch:
    """Judges every tick of one command."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.reason = ""
        self.touched = False
        self.ticks = 0

    def __call__(self, state: RobotState) -> str:
        self.ticks += 1
        if not self.reason:
            self.reason = self.supervisor._tick(state) or self.judge(state)
        return self.reason

    def judge(self, state: RobotState) -> str:
        """What this command adds to the rules of every tick."""
        return ""


class _FollowWatch(_Watch):
    """Adds tracking, workspace and force to the rules of every tick."""

    def __init__(
        self,
        supervisor: Supervisor,
        trajectory: JointTrajectory,
        start: RobotState,
        force_limit: float,
        until_contact: float | None,
        readings: list[Array] | None,
    ) -> None:
        super().__init__(supervisor)
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
        points = supervisor._kinematics.tool_points(np.asarray(start.positions)[None])
        self.outside_at_start = float(outside_workspace(supervisor.description, points)[0])

    def judge(self, state: RobotState) -> str:
        supervisor, safety = self.supervisor, self.supervisor.description.safety
        if self.readings is not None:
            self.readings.append(np.array(state.positions))
        if self.began is None:
            self.began = state.stamp
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
        lag = np.abs(self._expected(state.stamp - self.began) - state.positions)
        k = int(np.argmax(lag))
        self.tracking_error = max(self.tracking_error, float(lag[k]))
        if lag[k] > safety.tracking_error:
            name = supervisor.description.joint_names[k]
            return f"'{name}' lags {lag[k]:.3f} rad behind; {safety.tracking_error:.3f} rad are allowed"
        point = supervisor._kinematics.tool_points(np.asarray(state.positions)[None])
        outside = float(outside_workspace(supervisor.description, point)[0])
        if outside > self.outside_at_start + WORKSPACE_SLACK:
            problem = f"the tool is {outside * 1000:.0f} mm outside its workspace"
            supervisor._latch(problem)
            return problem
        return ""

    def _expected(self, elapsed: float) -> Array:
        """Commanded joints (n,) at a moment of the motion."""
        times, positions = self.trajectory.times, self.trajectory.positions
        k = int(np.clip(np.searchsorted(times, elapsed, "right") - 1, 0, len(times) - 2))
        share = np.clip((elapsed - times[k]) / (times[k + 1] - times[k]), 0.0, 1.0)
        expected: Array = positions[k] + share * (positions[k + 1] - positions[k])
        return expected
