"""The arm's controller as ROS sees it: the action, and the topic of the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from control_msgs.action import FollowJointTrajectory
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from trajectory_msgs.msg import JointTrajectory as TrajectoryMessage
from trajectory_msgs.msg import JointTrajectoryPoint

from embodied_agent.errors import BadInput
from embodied_agent.robots.ros2.messages import to_duration, to_header
from embodied_agent.ros.driver.goals import Outcome, see_through
from embodied_agent.ros.driver.trajectory_controller import RunningTrajectory, TrajectoryController
from embodied_agent.ros.driver.trajectory_goal import Tolerances, goal_of, trajectory_of
from embodied_agent.types import Array


class TrajectoryServer:
    """Serves `<name>/follow_joint_trajectory`, and listens to `<name>/joint_trajectory`.

    A goal that is no trajectory of this arm is rejected, and the log says why, as ros2_control
    does it. One that the arm cannot follow from where it is is accepted and aborted with a code.

    Args:
        node: Whose.
        name: Of the controller.
        controller: Does the work.
        names: Joints in the controller's order.
        tolerances: The controller's own.
        offset: ROS time minus back end time [s].
        down: Whether the controller pretends to be down.
    """

    def __init__(
        self,
        node: Any,
        name: str,
        controller: TrajectoryController,
        names: tuple[str, ...],
        tolerances: Tolerances,
        offset: Callable[[], float],
        down: Callable[[], bool],
    ) -> None:
        self._node, self._controller, self._names = node, controller, names
        self._tolerances, self._offset, self._down = tolerances, offset, down
        self._running: dict[bytes, RunningTrajectory] = {}
        group = MutuallyExclusiveCallbackGroup()  # goals take over in the order in which they came
        self._server = ActionServer(
            node,
            FollowJointTrajectory,
            f"{name}/follow_joint_trajectory",
            execute_callback=self._execute,
            goal_callback=self._asked,
            handle_accepted_callback=self._accepted,
            cancel_callback=self._cancelled,
            callback_group=group,
        )
        node.create_subscription(
            TrajectoryMessage, f"{name}/joint_trajectory", self._told, 10, callback_group=group
        )

    def destroy(self) -> None:
        """Take the action away."""
        self._server.destroy()

    def _asked(self, message: Any) -> Any:
        if self._down():
            self._node.get_logger().warning("trajectory rejected: the controller is down")
            return GoalResponse.REJECT
        try:
            goal_of(message, self._names, self._tolerances)
        except BadInput as error:
            self._node.get_logger().warning(f"trajectory rejected: {error}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _accepted(self, handle: Any) -> None:
        goal = goal_of(handle.request, self._names, self._tolerances)
        self._running[bytes(handle.goal_id.uuid)] = self._controller.start(goal, self._offset())
        handle.execute()

    def _cancelled(self, handle: Any) -> Any:
        running = self._running.get(bytes(handle.goal_id.uuid))
        if running is None:
            return CancelResponse.REJECT
        self._controller.cancel(running)
        return CancelResponse.ACCEPT

    def _execute(self, handle: Any) -> Any:
        key = bytes(handle.goal_id.uuid)
        running = self._running[key]
        try:
            return see_through(handle, running, lambda: self._feedback(running), self._result)
        finally:
            del self._running[key]

    def _result(self, outcome: Outcome) -> Any:
        if outcome.code:
            self._node.get_logger().warning(f"trajectory aborted: {outcome.text}")
        return FollowJointTrajectory.Result(error_code=outcome.code, error_string=outcome.text)

    def _feedback(self, running: RunningTrajectory) -> Any:
        tracking = running.tracking
        if tracking is None:
            return None
        time = to_duration(max(tracking.elapsed, 0.0))
        message = FollowJointTrajectory.Feedback(
            header=to_header(tracking.stamp + self._offset(), ""), joint_names=list(self._names)
        )
        message.desired = _point(tracking.desired, tracking.desired_speed, time)
        message.actual = _point(tracking.actual, tracking.actual_speed, time)
        message.error = _point(
            tracking.desired - tracking.actual, tracking.desired_speed - tracking.actual_speed, time
        )
        return message

    def _told(self, message: Any) -> None:
        """A trajectory from the topic: nobody waits for its end."""
        if self._down():
            return
        try:
            goal = trajectory_of(message, self._names, self._tolerances)
        except BadInput as error:
            self._node.get_logger().warning(f"trajectory from the topic ignored: {error}")
            return
        outcome = self._controller.start(goal, self._offset()).outcome
        if outcome is not None:
            self._node.get_logger().warning(f"trajectory from the topic ignored: {outcome.text}")


def _point(positions: Array, velocities: Array, time: Any) -> Any:
    return JointTrajectoryPoint(positions=positions.tolist(), velocities=velocities.tolist(), time_from_start=time)
