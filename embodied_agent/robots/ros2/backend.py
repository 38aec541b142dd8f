"""Any arm behind ROS 2 controllers, simulated driver or real, through the one code path.

Motion.reason says in a sentence what went wrong on the way; RobotError is for what cannot be
commanded at all. Nothing waits without a limit, and everything comes back by itself when the
driver does: subscriptions and clients persist, and each command looks anew.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from embodied_agent.errors import CameraError, RobotError
from embodied_agent.robots.backend import Backend, Watch, never
from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.ros2.cameras import CameraStream
from embodied_agent.robots.ros2.controller_state import ControllerState
from embodied_agent.robots.ros2.controllers import ArmController, Controller, HandController
from embodied_agent.robots.ros2.faults import deviation, gripper_fault
from embodied_agent.robots.ros2.goals import Goal
from embodied_agent.robots.ros2.halt import Halter, StopTime
from embodied_agent.robots.ros2.health import Health, StreamReading
from embodied_agent.robots.ros2.interface import Ros2Interface, load_interface
from embodied_agent.robots.ros2.navigation import BaseController
from embodied_agent.robots.ros2.sensors import Sensors
from embodied_agent.robots.ros2.session import Session
from embodied_agent.robots.ros2.track import Track
from embodied_agent.robots.ros2.vigil import Vigil
from embodied_agent.robots.trajectories import check_trajectory
from embodied_agent.types import Frame, JointTrajectory, Motion, RobotState

REST_ERROR, REST_SPEED = 0.004, 0.02  # [rad], [rad/s]
FINAL_ERROR = 0.05  # [rad] from the end that still counts as arrived
GONE = 0.5  # [s] that an action server may be away: discovery blinks


class Ros2Backend(Backend):
    """One robot over ROS 2.

    Args:
        description: Robot.
        scene: Ignored: the world is what it is.
        seed: Ignored: nothing is random here.
        interface: Names and times, or the name or file of them; by default those of the robot's name.
        beside: A node whose context, namespace and clock to share; None makes a context.
        namespace, use_sim_time, arguments: Of the own node; see Session.
        wait: Longest wait for joints, cameras, transforms and controllers to be there [s]; 0 does not
            look: `problems` and every command do.

    Raises:
        RobotError: They are not there in time; the sentence names each.
        MissingDependency: No ROS 2, or a message package is missing.
    """

    def __init__(
        self,
        description: RobotDescription,
        scene: Any = None,
        *,
        seed: int = 0,
        interface: Ros2Interface | str | None = None,
        beside: Any = None,
        namespace: str = "",
        use_sim_time: bool = False,
        arguments: list[str] | None = None,
        wait: float = 10.0,
    ) -> None:
        self.description = description
        if not isinstance(interface, Ros2Interface):
            interface = load_interface(description.name if interface is None else interface)
        self.interface = interface
        self._session = Session(namespace=namespace, use_sim_time=use_sim_time, beside=beside, arguments=arguments)
        self._closed = False
        self._stops = 0
        self._busy = threading.Lock()
        self._rested_at = 0.0  # ROS time at which the last command ended [s]
        self._sensors = Sensors(self._session, description, interface, self._start_over)
        self.transforms = self._sensors.transforms
        self._streams = {
            name: CameraStream(self._session, name, interface, self.transforms) for name in interface.cameras
        }
        self._arm = self._arm_controller()
        self._hand = HandController(self._session, description, interface, self._sensors.wake)
        self.controller_state = ControllerState(self._session, interface)
        wake = self._sensors.wake
        self._base = BaseController(self._session, interface, wake) if interface.navigate_action else None
        self._halter = Halter(self._arm, self._others(), self._sensors, interface)
        self.health = Health(
            description, interface, self._session, self._sensors, self._streams, self._controllers
        )
        if wait > 0 and (problems := self.health.await_ready(wait)):
            self.close()
            raise RobotError(f"{description.name} is not ready after {wait:.1f} s: " + "; ".join(problems))

    # -- the contract -------------------------------------------------------------------------------

    @property
    def cameras(self) -> tuple[str, ...]:
        return self.interface.cameras

    def now(self) -> float:
        return self._session.now()

    def state(self) -> RobotState:
        """The newest reading, waited for where the last one is old.

        Raises:
            RobotError: The arm is silent: nothing can be known of it.
        """
        self._ensure_open(RobotError)
        return self._sensors.fresh(self.interface.state_timeout)

    def capture(self, camera: str) -> Frame:
        """A frame exposed after the last motion ended, and at most `image_max_age` before this call."""
        self._ensure_open(CameraError)
        if camera not in self._streams:
            raise CameraError(f"no camera is called '{camera}'; known: {', '.join(self.cameras)}")
        now = self.now()
        since = now if self._busy.locked() else max(self._rested_at, now - self.interface.image_max_age)
        return self._streams[camera].capture(since)

    def follow(self, trajectory: JointTrajectory, watch: Watch = never) -> Motion:
        self._ensure_open(RobotError)
        with self._command():
            vigil = self._vigil(watch)
            check_trajectory(trajectory, self.description, vigil.state.positions)
            began = self.now()
            if problem := self._missing(self._arm, vigil):
                return self._motion(vigil, problem, began)
            track = Track(self._arm, self.description, trajectory, vigil.state)
            goal = self._arm.send(trajectory)
            patience = trajectory.duration + self.interface.goal_time_tolerance
            with self._held_at_the_end(goal):
                self._run(goal, self._arm, vigil, patience, track)
                if not vigil.reason:
                    self._settle(vigil, trajectory.positions[-1])
            reason = vigil.reason
            if goal.ending is not None and not reason:
                allowed = self.interface.goal_tolerance or FINAL_ERROR
                at_end = deviation(track.names, trajectory.positions[-1] - vigil.state.positions, allowed)
                on_way = deviation(track.names, track.last, self._arm.path_tolerance)
                reason = self._arm.fault(goal, on_way, at_end)
                if not reason and at_end.error >= FINAL_ERROR:
                    reason = f"the arm stopped {at_end.error:.3f} rad from the end of its path"
            return self._motion(vigil, reason, began, track.worst)

    def grip(self, width: float, force: float, watch: Watch = never) -> Motion:
        self._ensure_open(RobotError)
        gripper = self.description.gripper
        if not (np.isfinite(width) and np.isfinite(force)) or force <= 0:
            raise RobotError(f"grip needs a finite width and a positive force, got {width} m and {force} N")
        with self._command():
            vigil = self._vigil(watch)
            began = self.now()
            if problem := self._missing(self._hand, vigil):
                return self._motion(vigil, problem, began)
            self._sensors.told_force = None
            width = float(np.clip(width, gripper.min_width, gripper.max_width))
            goal = self._hand.send(width, min(force, gripper.max_force))
            with self._held_at_the_end(goal):
                self._run(goal, self._hand, vigil, self.interface.grip_timeout, None)
                self._sensors.told_force = self._hand.told_force(goal.result)
                ended = self.now()
                while not vigil.reason and vigil.state.stamp < ended:  # silence ends this, too
                    vigil.breathe()
            reason = vigil.reason
            if goal.ending is not None and not reason:
                reason = gripper_fault(goal.ending, goal.result, self._hand.name, vigil.state.gripper_width)
            return self._motion(vigil, reason, began)

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(self.interface.named_places)

    def drive(self, place: str, watch: Watch = never) -> Motion:
        self._ensure_open(RobotError)
        goal_place = self.interface.named_places.get(place)
        if self._base is None or goal_place is None:
            return super().drive(place, watch)
        with self._command():
            vigil = self._vigil(watch)
            began = self.now()
            if problem := self._missing(self._base, vigil):
                return self._motion(vigil, problem, began)
            goal = self._base.send(goal_place)
            with self._held_at_the_end(goal):
                self._run(goal, self._base, vigil, self.interface.drive_timeout, None)
            reason = vigil.reason
            if goal.ending is not None and not reason:
                reason = self._base.fault(goal)
                reason = reason or self._base.off(goal_place, self.transforms, self.description.base_link)
            return self._motion(vigil, reason, began)

    def wait(self, seconds: float, watch: Watch = never) -> Motion:
        self._ensure_open(RobotError)
        if not np.isfinite(seconds) or seconds < 0:
            raise RobotError(f"cannot wait {seconds} s")
        with self._command():
            vigil = self._vigil(watch)
            began = self.now()
            while self.now() < began + seconds and vigil.breathe():
                pass
            return self._motion(vigil, vigil.reason, began)

    def stop(self) -> None:
        self._stops += 1
        self._halter.stop()

    def close(self) -> None:
        if self._closed:
            return
        self._stops += 1
        self._closed = True
        self._halter.close()
        self._session.close()  # with the node go its subscriptions and clients; before that, nobody may spin them

    # -- for those who look after the robot -----------------------------------------------------------

    @property
    def stop_times(self) -> tuple[StopTime, ...]:
        """How long the last stops took, oldest first."""
        return tuple(self._halter.times)

    def problems(self) -> tuple[str, ...]:
        """What is wrong with what the robot is reached by, a sentence each."""
        return self.health.problems()

    def streams(self) -> tuple[StreamReading, ...]:
        """Age and rate of everything that comes in."""
        return self.health.streams()

    def controllers(self) -> dict[str, str]:
        """Action name -> what is wrong with it; "" = nothing."""
        return self._controllers()

    # -- inside ---------------------------------------------------------------------------------------

    def _arm_controller(self) -> ArmController:
        parts = (self._session, self.description, self.interface, self._sensors.wake)
        if self.interface.trajectory_action_type == "ExecuteTrajectory":
            from embodied_agent.robots.ros2.moveit import MoveItArm

            return MoveItArm(*parts)
        return ArmController(*parts)

    def _controllers(self) -> dict[str, str]:
        arm = self._arm.problem or self.controller_state.problem
        return {self._arm.name: arm} | {part.name: part.problem for part in self._others()}

    def _others(self) -> tuple[HandController | BaseController, ...]:
        """The controllers beside the arm's."""
        return (self._hand,) if self._base is None else (self._hand, self._base)

    @contextmanager
    def _command(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise RobotError("another command runs; one at a time")
        try:
            yield
        finally:
            self._rested_at = self.now()
            self._busy.release()

    def _vigil(self, watch: Watch) -> Vigil:
        before = self._stops
        state = self._sensors.fresh(self.interface.state_timeout)
        return Vigil(self._sensors, state, watch, lambda: self._stops != before)

    def _motion(self, vigil: Vigil, reason: str, began: float, error: float = 0.0) -> Motion:
        if vigil.held_up:
            remark = f"this process was held up for {vigil.held_up:.2f} s in a command: it needs more processor"
            self._session.node.get_logger().warning(remark)
        return Motion(not reason, reason, vigil.state, self.now() - began, error, vigil.peak_force)

    def _missing(self, controller: Controller, vigil: Vigil) -> str:
        """Why no goal can be sent, after a wait for the server; "" if one can."""
        deadline = self._sensors.deadline(self.interface.server_timeout)
        while problem := controller.problem:
            if not vigil.breathe(watching=False):
                return vigil.reason
            if deadline.over:
                return f"{problem} Waited {self.interface.server_timeout:.1f} s"
        return ""

    @contextmanager
    def _held_at_the_end(self, goal: Goal) -> Iterator[None]:
        """Whatever ends the block, a broken watch and Ctrl-C included, leaves no goal running."""
        try:
            yield
        except BaseException:
            self._halter.stop()
            raise

    def _run(
        self,
        goal: Goal,
        controller: Controller,
        vigil: Vigil,
        patience: float,
        track: Track | None,
    ) -> None:
        """Wait for the end of a goal; vigil.reason says why it was cut short."""
        if self._accepted(goal, controller, vigil, track):
            deadline = self._sensors.deadline(patience + self.interface.result_timeout)
            while not goal.over and vigil.breathe():
                if track is not None:
                    track.note(vigil.state, goal.feedback)
                if deadline.over:
                    waited = patience + self.interface.result_timeout
                    vigil.give_up(f"the controller {controller.name} gave no result within {waited:.1f} s")
                elif controller.gone(GONE):
                    vigil.give_up(f"the controller {controller.name} is gone: no action server for {GONE:.1f} s")
                if vigil.reason:
                    break
        if vigil.reason:
            remark = self._halter.halt(goal, vigil)
            vigil.reason += remark

    def _accepted(self, goal: Goal, controller: Controller, vigil: Vigil, track: Track | None) -> bool:
        """Wait until the controller took the goal; False where it did not, or something is wrong."""
        limit, asked = self.interface.accept_timeout, False
        half, whole = self._sensors.deadline(limit / 2), self._sensors.deadline(limit)
        while not goal.accepted and not goal.over:
            # Before that the arm rests, and a watch that compares it with the path would be misled.
            if not vigil.breathe(watching=track is not None and track.moved(vigil.state)):
                return False
            if half.over and not asked:
                asked = True
                goal.ask_result()  # an answer can be lost; this one cannot be mistaken
            if whole.over:
                return vigil.give_up(f"the controller {controller.name} did not answer within {limit:.1f} s")
        return goal.accepted

    def _settle(self, vigil: Vigil, target: Any) -> None:
        """Let the arm come to rest at the end of its path."""
        deadline = self._sensors.deadline(self.interface.settle_timeout)
        while not deadline.over:
            error = float(np.abs(target - vigil.state.positions).max())
            if error < REST_ERROR and float(np.abs(vigil.state.velocities).max()) < REST_SPEED:
                return
            if not vigil.breathe():
                return

    def _start_over(self) -> None:
        """The clock went back: a simulator was reset."""
        self._rested_at = 0.0
        for stream in self._streams.values():
            stream.forget()

    def _ensure_open(self, kind: type[RobotError]) -> None:
        if self._closed:
            raise kind("the robot is closed")
        if not self._session.alive:
            raise kind("ROS was shut down")
