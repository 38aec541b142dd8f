"""The gripper's controller as ROS sees it: GripperCommand or ParallelGripperCommand.

Positions are the gripper joint's own [m] or [rad]; efforts are the force of each finger [N].
Fingers that stop on something have done what they were asked: `stalled` says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

from embodied_agent.errors import BadInput
from embodied_agent.robots.ros2.messages import to_joint_state
from embodied_agent.ros.driver.goals import Outcome, see_through
from embodied_agent.ros.driver.gripper_controller import GripperController, RunningGrip

PARALLEL = "ParallelGripperCommand"


class GripperServer:
    """Serves `<name>/gripper_cmd`.

    Args:
        node: Whose.
        name: Of the controller.
        kind: "GripperCommand" or "ParallelGripperCommand".
        controller: Does the work.
        offset: ROS time minus back end time [s].
        down: Whether the controller pretends to be down.
    """

    def __init__(
        self,
        node: Any,
        name: str,
        kind: str,
        controller: GripperController,
        offset: Callable[[], float],
        down: Callable[[], bool],
    ) -> None:
        from control_msgs import action

        self._type: Any = getattr(action, kind)
        self._parallel = kind == PARALLEL
        self._node, self._controller, self._offset, self._down = node, controller, offset, down
        self._running: dict[bytes, RunningGrip] = {}
        self._server = ActionServer(
            node,
            self._type,
            f"{name}/gripper_cmd",
            execute_callback=self._execute,
            goal_callback=self._asked,
            handle_accepted_callback=self._accepted,
            cancel_callback=self._cancelled,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )

    def destroy(self) -> None:
        """Take the action away."""
        self._server.destroy()

    def _wanted(self, message: Any) -> tuple[float, float]:
        """Joint position and effort that a goal asks for.

        Raises:
            BadInput: They are missing, or no numbers that fingers can follow.
        """
        command = message.command
        if not self._parallel:
            position, effort = float(command.position), float(command.max_effort)
        else:
            joints = self._controller.gripper.joints
            if len(command.position) != 1:
                raise BadInput(f"the command has {len(command.position)} positions; one is needed")
            if command.name and command.name[0] not in joints:
                raise BadInput(f"the command is for '{command.name[0]}'; the gripper has {', '.join(joints)}")
            position = float(command.position[0])
            effort = float(command.effort[0]) if command.effort else 0.0
        if not math.isfinite(position) or not math.isfinite(effort) or effort < 0:
            raise BadInput(f"position {position} with effort {effort} cannot be followed")
        return position, effort

    def _asked(self, message: Any) -> Any:
        try:
            if self._down():
                raise BadInput("the controller is down")
            self._wanted(message)
        except BadInput as error:
            self._node.get_logger().warning(f"gripper command rejected: {error}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _accepted(self, handle: Any) -> None:
        self._running[bytes(handle.goal_id.uuid)] = self._controller.start(*self._wanted(handle.request))
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
            return see_through(
                handle,
                running,
                lambda: self._told(self._type.Feedback(), running, ended=False),
                lambda outcome: self._result(outcome, running),
            )
        finally:
            del self._running[key]

    def _result(self, outcome: Outcome, running: RunningGrip) -> Any:
        if outcome.text:
            self._node.get_logger().warning(f"gripper command ended: {outcome.text}")
        return self._told(self._type.Result(), running, ended=outcome.kind == "succeeded")

    def _told(self, message: Any, running: RunningGrip, ended: bool) -> Any:
        """Fill a result, or a feedback, with what was measured."""
        state, gripper = self._controller.state, self._controller.gripper
        arrived = running.fingers is not None and running.fingers.arrived
        position, force = gripper.position_at(state.gripper_width), state.gripper_force
        if self._parallel:
            stamp = state.stamp + self._offset()
            message.state = to_joint_state(gripper.joints[:1], [position], [0.0], [force], stamp)
        else:
            message.position, message.effort = position, force
        if ended or not self._parallel:
            message.stalled, message.reached_goal = ended and not arrived, ended and arrived
        return message
