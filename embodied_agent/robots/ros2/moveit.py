"""The arm through MoveIt's `execute_trajectory` instead of its controller, for robots whose cell wants that.

MoveIt then finds the controller and applies its own checks of the start; it plans nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from std_msgs.msg import String

from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.ros2.controllers import ArmController, action_type, commanded
from embodied_agent.robots.ros2.faults import Deviation
from embodied_agent.robots.ros2.goals import Ending, Goal
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.session import Session
from embodied_agent.types import Array, JointTrajectory

EVENTS = "trajectory_execution_event"  # where MoveIt listens for "stop"
# moveit_msgs/MoveItErrorCodes that executing a trajectory can end with; the numbers are its contract.
SUCCESS = 1
CODES = {
    -2: "it finds the path invalid",
    -3: "something came into the way of the path",
    -4: "its controller did not do it",
    -6: "it took too long",
    -7: "it was preempted",
    -10: "the start of the path is in collision",
    -22: "it cannot check for collisions",
    -23: "what it knows of the robot's state is old",
    -25: "it does not reach a controller",
    -26: "the start of the path is not where the arm is",
    99999: "it failed without a reason",
}


class MoveItArm(ArmController):
    """moveit_msgs/ExecuteTrajectory in the place of FollowJointTrajectory.

    Raises:
        MissingDependency: moveit_msgs is not installed.
    """

    def __init__(
        self,
        session: Session,
        description: RobotDescription,
        interface: Ros2Interface,
        changed: Callable[[], None],
    ) -> None:
        self._stops = session.node.create_publisher(String, EVENTS, 1)
        super().__init__(session, description, interface, changed, action_type("moveit_msgs", "ExecuteTrajectory"))

    def send(self, trajectory: JointTrajectory) -> Goal:
        """Follow a trajectory from now on; tolerances are MoveIt's and its controller's."""
        goal = self.client.type.Goal()
        names = self._description.joint_names
        goal.trajectory.joint_trajectory = messages.to_trajectory(commanded(trajectory), names)
        return self.client.send(goal)

    def hold(self, positions: Array) -> None:
        """Tell MoveIt to stop whatever it executes."""
        self._stops.publish(String(data="stop"))

    def error_of(self, feedback: Any) -> Array | None:
        """MoveIt tells no joint errors."""
        return None

    def fault(self, goal: Goal, on_the_way: Deviation, at_the_end: Deviation) -> str:
        """Why a trajectory did not end well; "" if it did."""
        code = SUCCESS if goal.result is None else int(goal.result.error_code.val)
        if goal.ending is Ending.SUCCEEDED and code == SUCCESS:
            return ""
        if goal.ending is not Ending.ABORTED or code == SUCCESS:
            return self._ended_badly(goal)
        why = CODES.get(code, f"error code {code}")
        where = str(at_the_end).format(verb="is", end="goal")
        text = " ".join(str(getattr(goal.result.error_code, "message", "")).split())[:300]  # from Jazzy on
        said = f" (MoveIt says: {text})" if text else ""
        return f"MoveIt gave up the trajectory: {why}; {where}{said}"
