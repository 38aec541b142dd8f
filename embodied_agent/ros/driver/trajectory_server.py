"""The arm's controller as ROS sees it: the action, the topic of the same name, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from control_msgs.action import FollowJointTrajectory
from control_msgs.msg import JointTrajectoryControllerState
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from trajectory_msgs.msg import JointTrajectory as TrajectoryMessage
from trajectory_msgs.msg import JointTrajectoryPoint

from embodied_agent.errors import BadInput
from embodied_agent.robots.ros2.messages import to_duration, to_header
from embodied_agent.ros.driver.goals import Outcome, see_through
from embodied_agent.ros.driver.trajectory_controller import RunningTrajectory, Tracking, TrajectoryController
from embodied_agent.ros.driver.trajectory_goal import Tolerances, goal_of, trajectory_of
from embodied_agent.types import Array, RobotState

STATE_PERIOD = 0.02  # [s] between two messages of its state: ros2_control's default


class TrajectoryServer:
    """Serves `<name>/follow_joint_trajectory`, hears `<name>/joint_trajectory`, tells `<name>/controller_state`.

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
        self._states = node.create_publisher(JointTrajectoryControllerState, f"{name}/controller_state", 10)
        self._state_at = -STATE_PERIOD  # back end time [s]

    def destroy(self) -> None:
        """Take the action away."""
        self._server.destroy()

    def tick(self, state: RobotState, now: float) -> None:
        """Tell where the arm is to be and where it is, as an active controller does; `now` is ROS time [s]."""
        if self._down() or 0 <= state.stamp - self._state_at < STATE_PERIOD - 1e-6:
            return
        self._state_at, tracking = state.stamp, self._controller.tracking
        message = JointTrajectoryControllerState(header=to_header(now, ""), joint_names=list(self._names))
        message.reference, message.feedback, message.error = _points(tracking, to_duration(0.0))
        if hasattr(message, "desired"):  # Humble's names
            message.desired, message.actual = message.reference, message.feedback
        if hasattr(message, "speed_scaling_factor"):
            message.speed_scaling_factor = 1.0
        self._states.publish(message)

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
        message = FollowJointTrajectory.Feedback(
            header=to_header(tracking.stamp + self._offset(), ""), joint_names=list(self._names)
        )
        elapsed = to_duration(max(tracking.elapsed, 0.0))
        message.desired, message.actual, message.error = _points(tracking, elapsed)
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


def _points(tracking: Tracking, time: Any) -> tuple[Any, Any, Any]:
    """Desired, actual, and the error between them."""
    error, slip = tracking.desired - tracking.actual, tracking.desired_speed - tracking.actual_speed
    desired = _point(tracking.desired, tracking.desired_speed, time)
    return desired, _point(tracking.actual, tracking.actual_speed, time), _point(error, slip, time)


def _point(positions: Array, velocities: Array, time: Any) -> Any:
    return JointTrajectoryPoint(positions=positions.tolist(), velocities=velocities.tolist(), time_from_start=time)
