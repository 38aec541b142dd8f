"""A mobile base through Nav2's `navigate_to_pose`: one more controller, whose goals are named places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped

from embodied_agent.errors import RobotError
from embodied_agent.robots.ros2 import messages
from embodied_agent.robots.ros2.controllers import Controller, action_type
from embodied_agent.robots.ros2.goals import Ending, Goal
from embodied_agent.robots.ros2.interface import Place, Ros2Interface
from embodied_agent.robots.ros2.session import Session
from embodied_agent.robots.ros2.transforms import Transforms
from embodied_agent.types import Pose

ARRIVED, TURNED = 0.35, 0.35  # [m] and [rad] from a place that Nav2's goal checkers may leave, and a little more


class BaseController(Controller):
    """nav2_msgs/NavigateToPose.

    Raises:
        MissingDependency: nav2_msgs is not installed.
    """

    def __init__(self, session: Session, interface: Ros2Interface, changed: Callable[[], None]) -> None:
        self._session, self._interface = session, interface
        super().__init__(session, action_type("nav2_msgs", "NavigateToPose"), interface.navigate_action, changed)

    def send(self, place: Place) -> Goal:
        """Drive to a place from now on."""
        goal = self.client.type.Goal()
        header = messages.to_header(self._session.now(), self._interface.navigate_frame)
        goal.pose = PoseStamped(header=header, pose=messages.to_pose(place.pose))
        return self.client.send(goal)

    def fault(self, goal: Goal) -> str:
        """Why a drive did not end well by Nav2's word; "" if it did."""
        assert goal.ending is not None
        if goal.ending is Ending.SUCCEEDED:
            return ""
        remaining = getattr(goal.feedback, "distance_remaining", None)
        left = "" if remaining is None else f", {float(remaining):.2f} m before its end"
        return f"{self.name} {goal.ending.value} the drive{left}{_said(goal.result)}"

    def off(self, place: Place, transforms: Transforms, base_link: str) -> str:
        """Why the base is not at a place as transforms show it; "" if it is there."""
        try:
            now = transforms.lookup(self._interface.navigate_frame, base_link)
        except RobotError as error:
            return f"{self.name} says that the base arrived, and no transform shows it: {error}"
        shift = float(np.linalg.norm(now.position[:2] - place.pose.position[:2]))
        turn = abs(_yaw(place.pose.inverse() @ now))
        if shift <= ARRIVED and turn <= TURNED:
            return ""
        return f"{self.name} says that the base arrived; it stands {shift:.2f} m and {turn:.2f} rad from the place"


def _said(result: Any) -> str:
    """What Nav2 tells of a failure: code and words, from Jazzy on."""
    code, text = getattr(result, "error_code", 0), str(getattr(result, "error_msg", "")).strip()
    return f" (code {code}{': ' if text else ''}{text[:300]})" if code or text else ""


def _yaw(pose: Pose) -> float:
    """Turn about z [rad]."""
    return float(np.arctan2(pose.rotation[1, 0], pose.rotation[0, 0]))
