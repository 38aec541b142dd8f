"""The arm's and the gripper's controllers: what is asked of them, as goals."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from embodied_agent.errors import MissingDependency
from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.ros2.faults import Deviation, feedback_error, trajectory_fault
from embodied_agent.robots.ros2.goals import Goal, GoalClient
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.session import Session
from embodied_agent.types import Array, JointTrajectory

STILL = 0.01  # [rad/s]; a last velocity below is meant to be zero, and controllers insist on it
SPACING = 0.05  # [s] between the points of a goal
HOLD = 0.1  # [s] in which a hold is reached


def action_type(package: str, name: str) -> Any:
    """An action type by name.

    Raises:
        MissingDependency: The package is not installed, or of a release without that action.
    """
    try:
        return getattr(importlib.import_module(f"{package}.action"), name)
    except (ImportError, AttributeError) as error:
        hint = f"apt install ros-$ROS_DISTRO-{package.replace('_', '-')}"
        raise MissingDependency(f"{package}/action/{name} is not available ({error}); {hint}") from None


class Controller:
    """One action server with the name that people know it by."""

    def __init__(self, session: Session, action: Any, name: str, changed: Callable[[], None]) -> None:
        self.name = str(session.node.resolve_topic_name(name))
        self.client = GoalClient(session.node, action, name, changed)
        self._gone_since = 0.0

    @property
    def goal(self) -> Goal | None:
        """The goal in flight; None if there is none."""
        goal = self.client.goal
        return None if goal is None or goal.over else goal

    @property
    def problem(self) -> str:
        """Why no goal can be sent now; ""."""
        return (
            "" if self.client.ready else f"no action server at {self.name}: is the controller loaded and active?"
        )

    def gone(self, patience: float) -> bool:
        """Whether the server has been away for longer than `patience` [s]; ask again and again."""
        if self.client.ready:
            self._gone_since = 0.0
            return False
        self._gone_since = self._gone_since or time.monotonic()
        return time.monotonic() - self._gone_since > patience


class ArmController(Controller):
    """FollowJointTrajectory, with the tolerances of the robot's description."""

    def __init__(
        self,
        session: Session,
        description: RobotDescription,
        interface: Ros2Interface,
        changed: Callable[[], None],
        action: Any = None,
    ) -> None:
        self._description, self._interface = description, interface
        action = action or action_type("control_msgs", "FollowJointTrajectory")
        super().__init__(session, action, interface.trajectory_action, changed)

    @property
    def path_tolerance(self) -> float:
        """Joint error on the way at which the controller stops [rad]."""
        return self._interface.path_tolerance or self._description.safety.tracking_error

    def send(self, trajectory: JointTrajectory) -> Goal:
        """Follow a trajectory from now on."""
        from control_msgs.msg import JointTolerance

        names, interface = self._description.joint_names, self._interface
        goal = self.client.type.Goal()
        goal.trajectory = messages.to_trajectory(commanded(trajectory), names)
        goal.path_tolerance = [JointTolerance(name=name, position=self.path_tolerance) for name in names]
        if interface.goal_tolerance:
            goal.goal_tolerance = [JointTolerance(name=name, position=interface.goal_tolerance) for name in names]
        goal.goal_time_tolerance = messages.to_duration(interface.goal_time_tolerance)
        return self.client.send(goal)

    def hold(self, positions: Array) -> None:
        """Stay at joint positions [rad], (n,); replaces whatever runs."""
        still = np.zeros((1, len(positions)))
        self.send(JointTrajectory(np.array([HOLD]), np.asarray(positions)[None], still))

    def error_of(self, feedback: Any) -> Array | None:
        """Joint errors [rad], (n,), that a feedback tells; None where it tells none."""
        return feedback_error(feedback, self._description.joint_names)

    def fault(self, goal: Goal, on_the_way: Deviation, at_the_end: Deviation) -> str:
        """Why a trajectory did not end well; "" if it did."""
        assert goal.ending is not None
        return trajectory_fault(goal.ending, goal.result, self.name, on_the_way, at_the_end)

    def _ended_badly(self, goal: Goal) -> str:
        """What the ending alone tells."""
        nothing = Deviation("", 0.0, 0.0)
        assert goal.ending is not None
        return trajectory_fault(goal.ending, None, self.name, nothing, nothing)


def commanded(trajectory: JointTrajectory) -> JointTrajectory:
    """A trajectory as a controller gets it: with few points, and exactly at rest at the end."""
    return at_rest(sparse(trajectory))


def sparse(trajectory: JointTrajectory) -> JointTrajectory:
    """The trajectory with points at most SPACING apart: a controller's splines fill what is between.

    A slow path has thousands of samples. Packing and unpacking that many points takes sender and
    receiver a tenth of a second each, in which neither of them feels the arm.
    """
    wanted = np.arange(0.0, trajectory.times[-1], SPACING)
    last = len(trajectory.times) - 1
    picks = np.unique([*np.searchsorted(trajectory.times, wanted, side="right").clip(1) - 1, last])
    return JointTrajectory(trajectory.times[picks], trajectory.positions[picks], trajectory.velocities[picks])


def at_rest(trajectory: JointTrajectory) -> JointTrajectory:
    """The trajectory with last velocities that are exactly zero where they are nearly so."""
    speeds = np.array(trajectory.velocities)
    if np.abs(speeds[-1]).max() < STILL:
        speeds[-1] = 0.0
    return JointTrajectory(trajectory.times, trajectory.positions, speeds)


class HandController(Controller):
    """GripperCommand or ParallelGripperCommand."""

    def __init__(
        self,
        session: Session,
        description: RobotDescription,
        interface: Ros2Interface,
        changed: Callable[[], None],
    ) -> None:
        self._gripper, self._interface = description.gripper, interface
        self._parallel = interface.gripper_action_type == "ParallelGripperCommand"
        action = action_type("control_msgs", interface.gripper_action_type)
        super().__init__(session, action, interface.gripper_action, changed)

    def send(self, width: float, force: float) -> Goal:
        """Move the pads to a width [m] with at most `force` [N] each."""
        goal = self.client.type.Goal()
        position = self._gripper.position_at(width)
        effort = force * self._interface.gripper_effort_per_newton
        if self._parallel:
            goal.command = messages.to_joint_state(self._gripper.joints[:1], [position], (), [effort])
        else:
            goal.command.position, goal.command.max_effort = float(position), float(effort)
        return self.client.send(goal)

    def told_force(self, result: Any) -> float | None:
        """Force of each pad [N] that a result tells, None where it tells none."""
        if result is None:
            return None
        if self._parallel:
            effort = float(result.state.effort[0]) if len(result.state.effort) else None
        else:
            effort = float(result.effort)
        if effort is None or not np.isfinite(effort):
            return None
        return abs(effort) / self._interface.gripper_effort_per_newton
