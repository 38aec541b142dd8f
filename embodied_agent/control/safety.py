"""The supervisor: the only thing that stands between a command and an actuator.

It has the verbs of a back end. Each command is judged before it starts, watched at every
control tick, and written down. What can be tried again (a refused trajectory, a blocked
arm, a contact) comes back as a `Motion` that says why; an unsafe state stops the arm and
latches, and only `reset` ends that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TextIO

import numpy as np

from embodied_agent.control.audit import Audit, Decision
from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.limits import force_problem, grip_problem, trajectory_problem
from embodied_agent.control.watch import FollowWatch, TickWatch, danger
from embodied_agent.errors import BadInput, CameraError, SafetyStop
from embodied_agent.robots.backend import Backend, Watch
from embodied_agent.robots.description import SLOWEST, RobotDescription
from embodied_agent.types import Array, Frame, JointTrajectory, Motion, RobotState

IMAGE_AGE = 1.0  # [s]
MAX_WAIT = 600.0  # [s]
FOLDED = 0.1  # [rad] of any joint from home with which a base may drive

CANCELLED = "cancelled"
EXPIRED = "the time for this command ran out"


def _freely() -> None:
    """Every motion is permitted."""


class Supervisor:
    """Guards one back end.

    Args:
        backend: The robot.
        description: Its limits; the back end's own by default.
        cancelled: Asked at every tick; true stops the motion.
        expired: As `cancelled`, for a deadline.
        log: Receives each decision as one line of JSON.
        following: Told of every trajectory that was allowed, just before it starts.

    Attributes:
        permit: Called before arm or fingers move; it may wait for a person, and raises where they
            must not.
        first_motion: time.monotonic() of the first command that moved the robot; whoever wants to
            know of the next sets it to None.
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
        self.permit: Callable[[], None] = _freely
        self.first_motion: float | None = None
        self._speed_scale = 1.0
        self._backend = backend
        self.description = description if description is not None else backend.description
        self._audit = Audit(backend.now, log)
        self._cancelled = cancelled
        self._expired = expired
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

    @property
    def speed_scale(self) -> float:
        """Share of every speed limit that is allowed, (0, 1]; trajectories are timed for it and judged by it."""
        return self._speed_scale

    def slow_down(self, scale: float) -> None:
        """Allow only this share of every speed limit from the next command on.

        Raises:
            BadInput: It is outside 0.01 to 1.
        """
        if not SLOWEST <= scale <= 1.0:  # no number at all is outside, too
            raise BadInput(f"a speed scale of {scale:g} is outside {SLOWEST:g} to 1")
        if scale != self._speed_scale:
            self._audit.record("speed_scale", "set", numbers={"speed_scale": scale})
        self._speed_scale = scale

    @property
    def audit(self) -> list[Decision]:
        """The newest decisions, oldest first."""
        return self._audit.decisions

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
            self._audit.record("capture", "refused", reason)
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
            Cancelled: The motion was not permitted.
        """
        state = self._permitted("follow")
        safety = self.description.safety
        limit = safety.motion_force if max_force is None else min(max_force, safety.max_force)
        problem = force_problem(self.description, max_force, until_contact)
        problem = problem or trajectory_problem(self._kinematics, trajectory, state.positions, self._speed_scale)
        if problem := problem or self._ended():
            return self._refused("follow", problem, state)
        asked = {
            "duration": round(trajectory.duration, 3), "force_limit": limit, "speed_scale": self._speed_scale,
        }  # fmt: skip
        if until_contact is not None:
            asked["until_contact"] = until_contact
        self._audit.record("follow", "allowed", numbers=asked)
        self.following(trajectory)
        watch = FollowWatch(
            self._tick, self._latch, self._kinematics, trajectory, state, limit, until_contact, readings
        )
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
            Cancelled: The motion was not permitted.
        """
        state = self._permitted("grip")
        if problem := grip_problem(self.description, width, force) or self._ended():
            return self._refused("grip", problem, state)
        width = float(np.clip(width, 0.0, self.description.gripper.max_width))
        self._audit.record("grip", "allowed", numbers={"width": round(width, 4), "force": round(force, 2)})
        motion = self._run("grip", lambda tick: self._backend.grip(width, force, tick), TickWatch(self._tick))
        return self._finish("grip", motion)

    def drive(self, place: str) -> Motion:
        """Let a mobile base drive to a place, the arm folded; see `Backend.drive`.

        Raises:
            SafetyStop: The arm is latched, or became unsafe meanwhile.
            Cancelled: The motion was not permitted.
        """
        state = self._permitted("drive")
        unfolded = float(np.abs(state.positions - self.description.home_positions).max())
        problem = (
            "" if place in self._backend.places else f"'{place[:80]}' is none of the places that this robot knows"
        )
        if unfolded > FOLDED:
            problem = problem or f"a joint is {unfolded:.2f} rad from the folded arm; {FOLDED:g} rad are allowed"
        if problem := problem or self._ended():
            return self._refused("drive", problem, state)
        self._audit.record("drive", "allowed", place)
        motion = self._run("drive", lambda tick: self._backend.drive(place, tick), TickWatch(self._tick))
        return self._finish("drive", motion)

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
        self._audit.record("wait", "allowed", numbers={"seconds": seconds})
        motion = self._run("wait", lambda tick: self._backend.wait(seconds, tick), TickWatch(self._tick))
        return self._finish("wait", motion)

    def stop(self, reason: str = "") -> None:
        """Halt at once. With a reason, also latch: an emergency stop, allowed from any thread."""
        if reason:
            self._latch(reason)
        self._backend.stop()
        self._audit.record("stop", "latched" if reason else "stopped", reason)

    def reset(self) -> None:
        """End a latched stop, by a person's decision.

        Raises:
            SafetyStop: The state is still unsafe.
        """
        if problem := self._danger(self._backend.state()):
            self._audit.record("reset", "refused", problem)
            raise SafetyStop(f"no reset while {problem}")
        with self._lock:
            self._latched = ""
        self._audit.record("reset", "reset")

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

    def _run(self, verb: str, command: Callable[[Watch], Motion], watch: TickWatch) -> Motion:
        if verb != "wait" and self.first_motion is None:
            self.first_motion = time.monotonic()
        try:
            motion = command(watch)
        except BaseException as error:
            # Ctrl-C and broken drivers included: whatever ends the command, the arm holds.
            self._backend.stop()
            self._audit.record(verb, "stopped", f"{type(error).__name__}: {error}")
            raise
        if watch.reason and not watch.touched:
            # Also where a back end forgot to heed its watch.
            motion = replace(motion, completed=False, reason=watch.reason)
        if not motion.completed or watch.touched:
            self._backend.stop()
        if self._latched:
            self._audit.record(verb, "latched", self._latched)
            raise SafetyStop(f"stopped and held: {self._latched}; reset after looking at the robot")
        return motion

    def _finish(self, verb: str, motion: Motion) -> Motion:
        measured = {
            "duration": round(motion.duration, 3),
            "tracking_error": round(motion.tracking_error, 4),
            "peak_force": round(motion.peak_force, 2),
        }
        self._audit.record(verb, "done" if motion.completed else "stopped", motion.reason, measured)
        return motion

    def _refused(self, verb: str, problem: str, state: RobotState) -> Motion:
        reason = f"refused: {problem}"
        self._audit.record(verb, "refused", problem)
        return Motion(completed=False, reason=reason, state=state, duration=0.0)

    def _refuse_if_latched(self, verb: str) -> None:
        if self._latched:
            self._audit.record(verb, "refused", f"latched: {self._latched}")
            raise SafetyStop(f"held since: {self._latched}; reset after looking at the robot")

    def _permitted(self, verb: str) -> RobotState:
        """The state that a motion starts from, as it is once the motion is permitted."""
        self._refuse_if_latched(verb)
        if not self._ended():
            self.permit()
            self._refuse_if_latched(verb)  # a stop came while a person thought about it
        return self._fresh_state(verb)

    def _danger(self, state: RobotState) -> str:
        """Why a state is unsafe whatever is being done; "" if it is not."""
        return danger(self.description, state, self._backend.now(), self._speed_scale)

    def _fresh_state(self, verb: str) -> RobotState:
        """The state a command starts from; an unsafe one latches."""
        state = self._backend.state()
        if problem := self._danger(state):
            self._latch(problem)
            self._backend.stop()
            self._audit.record(verb, "latched", problem)
            raise SafetyStop(f"stopped and held: {problem}; reset after looking at the robot")
        return state

    def _latch(self, reason: str) -> None:
        with self._lock:
            self._latched = self._latched or reason

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
